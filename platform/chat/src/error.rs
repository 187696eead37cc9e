//! What can go wrong in the chat service, and how each of it is answered.

use crate::{engine, session, training};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::ClientError;
use contract::serve::Refusal;
use uuid::Uuid;

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The caller has not the role for it.
    #[error("you may not {action}")]
    Forbidden {
        /// What was asked for.
        action: &'static str,
    },
    /// A scenario that is not there.
    #[error(
        "no scenario is called `{scenario}`; there are {}",
        training::TRAININGS.map(|training| training.name).join(", ")
    )]
    UnknownScenario {
        /// The name given.
        scenario: String,
    },
    /// A model that is not there.
    #[error("no model is called `{model}`; there are {}", engine::MODELS.map(|model| model.name).join(", "))]
    UnknownModel {
        /// The name given.
        model: String,
    },
    /// A session that is not there, or not for the caller.
    #[error("there is no session {session} of yours")]
    UnknownSession {
        /// The session.
        session: Uuid,
    },
    /// A session that was completed.
    #[error("the session {session} is completed")]
    Completed {
        /// The session.
        session: Uuid,
    },
    /// A stream that is not active.
    #[error("no stream {stream} is active")]
    UnknownStream {
        /// The stream.
        stream: Uuid,
    },
    /// A text without a word.
    #[error("the text is empty")]
    EmptyText,
    /// A text that is too long.
    #[error("the text has {length} bytes, {} are the most", session::TEXT_LENGTH_MAX)]
    LongText {
        /// Its length in bytes.
        length: usize,
    },
    /// Accounting refused, or does not answer.
    #[error(transparent)]
    Accounting(#[from] ClientError),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Redis failed.
    #[error("Redis failed")]
    Redis(#[from] redis::RedisError),
}

impl From<ChatError> for Refusal {
    fn from(error: ChatError) -> Self {
        let (status, code) = match &error {
            ChatError::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
            ChatError::UnknownScenario { .. } => (StatusCode::BAD_REQUEST, "unknown_scenario"),
            ChatError::UnknownModel { .. } => (StatusCode::BAD_REQUEST, "unknown_model"),
            ChatError::UnknownSession { .. } => (StatusCode::NOT_FOUND, "unknown_session"),
            ChatError::Completed { .. } => (StatusCode::CONFLICT, "session_completed"),
            ChatError::UnknownStream { .. } => (StatusCode::NOT_FOUND, "unknown_stream"),
            ChatError::EmptyText => (StatusCode::BAD_REQUEST, "empty_text"),
            ChatError::LongText { .. } => (StatusCode::BAD_REQUEST, "long_text"),
            ChatError::Accounting(source) => return accounting(source),
            ChatError::Database(_) | ChatError::Redis(_) => return Self::internal(&error),
        };
        Self::new(status, code, error.to_string())
    }
}

/// What accounting refuses the caller, chat refuses the caller for the same reason; any other trouble is a bad gateway.
fn accounting(error: &ClientError) -> Refusal {
    if let ClientError::Refused { status: status @ (401 | 402), body, .. } = error {
        let status = if *status == 402 { StatusCode::PAYMENT_REQUIRED } else { StatusCode::UNAUTHORIZED };
        return Refusal { status, body: body.clone() };
    }
    tracing::error!(%error, "accounting is of no help");
    Refusal::new(StatusCode::BAD_GATEWAY, "accounting_failed", error.to_string())
}

impl IntoResponse for ChatError {
    fn into_response(self) -> Response {
        Refusal::from(self).into_response()
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use contract::ErrorBody;

    fn check(error: ChatError, status: u16, code: &str) {
        let refusal = Refusal::from(error);
        assert_eq!((refusal.status.as_u16(), refusal.body.code.as_str()), (status, code), "{}", refusal.body.message);
    }

    fn refused(status: u16, code: &str) -> ChatError {
        ClientError::Refused { service: "accounting", status, body: ErrorBody::new(code, "because") }.into()
    }

    #[test]
    fn each_error_has_its_status_and_its_code() {
        let id = Uuid::nil();
        check(ChatError::Forbidden { action: "fly" }, 403, "forbidden");
        check(ChatError::UnknownScenario { scenario: "x".to_owned() }, 400, "unknown_scenario");
        check(ChatError::UnknownModel { model: "x".to_owned() }, 400, "unknown_model");
        check(ChatError::UnknownSession { session: id }, 404, "unknown_session");
        check(ChatError::Completed { session: id }, 409, "session_completed");
        check(ChatError::UnknownStream { stream: id }, 404, "unknown_stream");
        check(ChatError::EmptyText, 400, "empty_text");
        check(ChatError::LongText { length: 9000 }, 400, "long_text");
        check(sqlx::Error::PoolClosed.into(), 500, "internal");
        check(redis::RedisError::from((redis::ErrorKind::Io, "gone")).into(), 500, "internal");
    }

    #[test]
    fn what_accounting_refuses_the_caller_is_passed_on_and_its_failures_are_not() {
        check(refused(402, "insufficient_credit"), 402, "insufficient_credit");
        check(refused(401, "unauthorized"), 401, "unauthorized");
        check(refused(500, "internal"), 502, "accounting_failed");
        check(refused(404, "unknown_hold"), 502, "accounting_failed");
        let unreadable = ClientError::Unreadable { service: "accounting", detail: "no JSON".to_owned() };
        check(unreadable.into(), 502, "accounting_failed");
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let scenario = ChatError::UnknownScenario { scenario: "x".to_owned() };
        assert_eq!(scenario.to_string(), "no scenario is called `x`; there are greeting, complaint, refund");
        let model = ChatError::UnknownModel { model: "x".to_owned() };
        assert_eq!(model.to_string(), "no model is called `x`; there are small, large, slow");
    }

    #[test]
    fn an_error_becomes_a_response_with_its_status() {
        assert_eq!(ChatError::EmptyText.into_response().status(), StatusCode::BAD_REQUEST);
    }
}
