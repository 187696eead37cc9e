//! What may be done with a session, and by whom. Pure.

use crate::ChatError;
use contract::chat::{Session, SessionState};
use contract::{Claims, Role};

/// The longest message, in bytes.
pub const TEXT_LENGTH_MAX: usize = 8 * 1024;

/// Checks that a session takes a message, or can be completed: both end with its completion.
///
/// # Errors
/// `Completed`.
pub fn must_be_open(session: &Session) -> Result<(), ChatError> {
    match session.state {
        SessionState::Open => Ok(()),
        SessionState::Completed => Err(ChatError::Completed { session: session.session }),
    }
}

/// Checks that a session is the caller's own; anybody else's is as unknown as one that never was.
///
/// # Errors
/// `UnknownSession`.
pub fn must_be_own(session: &Session, by: &Claims) -> Result<(), ChatError> {
    if session.user == by.sub { Ok(()) } else { Err(ChatError::UnknownSession { session: session.session }) }
}

/// Checks that the caller may look into a session: its user, a supervisor or an admin.
///
/// # Errors
/// `UnknownSession`.
pub fn must_be_readable(session: &Session, by: &Claims) -> Result<(), ChatError> {
    if by.require_any(&[Role::Supervisor, Role::Admin]).is_ok() { Ok(()) } else { must_be_own(session, by) }
}

/// Checks that the caller is a supervisor.
///
/// # Errors
/// `Forbidden`, with the action.
pub fn must_supervise(by: &Claims, action: &'static str) -> Result<(), ChatError> {
    if by.has(Role::Supervisor) { Ok(()) } else { Err(ChatError::Forbidden { action }) }
}

/// Checks that a text says something and is not too long.
///
/// # Errors
/// `EmptyText` or `LongText`.
pub fn must_say_something(text: &str) -> Result<(), ChatError> {
    if text.trim().is_empty() {
        return Err(ChatError::EmptyText);
    }
    if text.len() > TEXT_LENGTH_MAX { Err(ChatError::LongText { length: text.len() }) } else { Ok(()) }
}

/// Returns what the user of a session said, oldest first.
pub fn said_by_user(session: &Session) -> impl Iterator<Item = &str> {
    let by_user = session.messages.iter().filter(|message| message.speaker == contract::chat::Speaker::User);
    by_user.map(|message| message.text.as_str())
}

#[cfg(test)]
mod unit {
    use super::*;
    use contract::chat::{Message, Speaker};
    use uuid::Uuid;

    fn claims(roles: &[Role]) -> Claims {
        Claims {
            sub: Uuid::new_v4(),
            email: "someone@example.org".to_owned(),
            roles: roles.to_vec(),
            tenant: "tenant".to_owned(),
            iss: "identity".to_owned(),
            iat: 0,
            exp: u64::MAX,
        }
    }

    fn session(user: Uuid, state: SessionState) -> Session {
        let message = |speaker, text: &str| Message { speaker, text: text.to_owned(), at_ms: 0 };
        Session {
            session: Uuid::new_v4(),
            user,
            scenario: "refund".to_owned(),
            model: "small".to_owned(),
            state,
            messages: vec![
                message(Speaker::User, "one"),
                message(Speaker::Assistant, "About."),
                message(Speaker::User, "two"),
            ],
        }
    }

    #[test]
    fn a_completed_session_takes_nothing_more() {
        assert!(must_be_open(&session(Uuid::nil(), SessionState::Open)).is_ok());
        let completed = session(Uuid::nil(), SessionState::Completed);
        let error = must_be_open(&completed).unwrap_err();
        assert!(matches!(error, ChatError::Completed { session } if session == completed.session), "{error}");
    }

    #[test]
    fn only_its_user_goes_on_with_a_session() {
        let user = claims(&[Role::User]);
        let session = session(user.sub, SessionState::Open);
        assert!(must_be_own(&session, &user).is_ok());
        for other in [claims(&[Role::User]), claims(&[Role::Supervisor]), claims(&[Role::Admin])] {
            assert!(matches!(must_be_own(&session, &other), Err(ChatError::UnknownSession { .. })));
        }
    }

    #[test]
    fn a_session_is_read_by_its_user_supervisors_and_admins() {
        let user = claims(&[Role::User]);
        let session = session(user.sub, SessionState::Open);
        for reader in [user, claims(&[Role::Supervisor]), claims(&[Role::Admin])] {
            assert!(must_be_readable(&session, &reader).is_ok(), "{:?}", reader.roles);
        }
        let other = must_be_readable(&session, &claims(&[Role::User]));
        assert!(matches!(other, Err(ChatError::UnknownSession { .. })));
    }

    #[test]
    fn only_a_supervisor_supervises() {
        assert!(must_supervise(&claims(&[Role::User, Role::Supervisor]), "look").is_ok());
        for role in [Role::User, Role::Admin] {
            let error = must_supervise(&claims(&[role]), "list streams").unwrap_err();
            assert_eq!(error.to_string(), "you may not list streams");
        }
    }

    #[test]
    fn a_text_must_say_something_and_end_somewhere() {
        assert!(must_say_something("a").is_ok());
        assert!(must_say_something(&"x".repeat(TEXT_LENGTH_MAX)).is_ok());
        assert!(matches!(must_say_something(" \n\t"), Err(ChatError::EmptyText)));
        let long = "x".repeat(TEXT_LENGTH_MAX + 1);
        assert!(matches!(must_say_something(&long), Err(ChatError::LongText { length: 8193 })));
    }

    #[test]
    fn what_the_engine_said_is_not_the_users() {
        let session = session(Uuid::nil(), SessionState::Open);
        assert_eq!(said_by_user(&session).collect::<Vec<_>>(), ["one", "two"]);
    }
}
