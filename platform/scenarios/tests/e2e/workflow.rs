//! The five scenarios of the workflow.

use contract::accounting::{Credit, UsageQuery};
use contract::chat::{End, EventKind, Frame, SessionState};
use contract::client::ReplyStream;
use contract::gateway::MessageRequest;
use contract::{ClientError, Role};
use harness::Journal;
use scenarios::Platform;
use uuid::Uuid;

/// The status and the code of a refusal.
fn refused<T>(answer: Result<T, ClientError>) -> (u16, String) {
    let Err(error) = answer else { panic!("not refused") };
    (error.status().unwrap_or_else(|| panic!("{error}")), error.code().unwrap_or_default().to_owned())
}

/// A text that nobody said before, so that its reply is generated and not taken from the cache.
fn unheard(words: usize) -> String {
    format!("{} {}", "word ".repeat(words - 1).trim_end(), Uuid::new_v4().simple())
}

async fn next_token(reply: &mut ReplyStream) -> String {
    match reply.next().await.unwrap() {
        Some(Frame::Token(token)) => token.text,
        other => panic!("no token but {other:?}"),
    }
}

#[tokio::test]
async fn a1_registration_ends_with_a_verified_address() {
    let mut journal = Journal::open("a1_registration");
    let platform = Platform::from_env();
    let (email, password) = Platform::credentials();

    journal.step("create a user");
    let id = platform.identity.register(&email, &password).await.unwrap().id;
    journal.detail("user", id);
    let again = platform.identity.register(&email, &password).await;
    assert_eq!(refused(again), (409, "email_taken".to_owned()));

    journal.step("log in before the address is verified");
    let early = platform.identity.login(&email, &password).await;
    assert_eq!(refused(early), (403, "not_verified".to_owned()));

    journal.step("fetch the verification token and verify the address");
    let verification = platform.identity.captured_verification(id).await.unwrap();
    platform.identity.verify(&verification.token).await.unwrap();
    let twice = platform.identity.verify(&verification.token).await;
    assert_eq!(refused(twice), (400, "invalid_verification".to_owned()));

    journal.step("see the user as the admin does");
    let admin = platform.admin().await.unwrap();
    let user = platform.identity.find_user(&admin, &email).await.unwrap();
    journal.detail("verified", user.verified);
    assert_eq!((user.id, user.email, user.roles, user.verified), (id, email, vec![Role::User], true));
}

#[tokio::test]
async fn a2_login_issues_a_token_that_is_valid() {
    let mut journal = Journal::open("a2_login");
    let platform = Platform::from_env();

    journal.step("log in with the credentials");
    let user = platform.user().await.unwrap();
    journal.detail("user", user.id);
    let login = platform.identity.login(&user.email, &user.password).await.unwrap();
    assert!(login.expires_in > 0);

    journal.step("validate the token");
    let claims = platform.identity.me(&login.token).await.unwrap();
    journal.detail("issuer", &claims.iss);
    assert_eq!((claims.sub, claims.email.as_str()), (user.id, user.email.as_str()));
    assert_eq!((claims.iss.as_str(), claims.roles), ("identity", vec![Role::User]));
    assert_eq!(claims.exp - claims.iat, login.expires_in);

    journal.step("log in with a wrong password");
    let wrong = platform.identity.login(&user.email, "another-password").await;
    assert_eq!(refused(wrong), (401, "wrong_credentials".to_owned()));
}

#[tokio::test]
async fn a3_credit_allocation_is_the_admins_and_shows_in_the_balance() {
    let mut journal = Journal::open("a3_credit_allocation");
    let platform = Platform::from_env();
    let user = platform.user().await.unwrap();

    journal.step("authenticate the admin");
    let admin = platform.admin().await.unwrap();
    assert!(platform.identity.me(&admin).await.unwrap().has(Role::Admin));

    journal.step("find the user through identity and allocate through accounting");
    let found = platform.identity.find_user(&admin, &user.email).await.unwrap();
    let credit = Credit { amount_micros: 12_345, reason: "scenario a3".to_owned() };
    let after = platform.accounting.allocate(&admin, found.id, &credit).await.unwrap();
    journal.detail("balance_micros", after.balance_micros);

    journal.step("verify the balance as the user");
    let balance = platform.accounting.balance(&user.token, user.id).await.unwrap();
    assert_eq!((balance.user, balance.balance_micros, balance.held_micros), (user.id, 12_345, 0));

    journal.step("allocate as the user");
    let own = platform.accounting.allocate(&user.token, user.id, &credit).await;
    assert_eq!(refused(own), (403, "forbidden".to_owned()));
    assert_eq!(platform.accounting.balance(&user.token, user.id).await.unwrap().balance_micros, 12_345);
}

#[tokio::test]
async fn a4_chat_with_streaming_is_checked_for_credit_and_recorded_as_usage() {
    let mut journal = Journal::open("a4_chat_with_streaming");
    let platform = Platform::from_env();
    let chat = platform.gateway.chat();
    let user = platform.user().await.unwrap();

    journal.step("create a session");
    let scenarios = chat.scenarios(&user.token).await.unwrap();
    let session = chat.create_session(&user.token, &scenarios[0].name, "large").await.unwrap().session;
    journal.detail("session", session);

    journal.step("send a message without credit");
    let text = unheard(5);
    let refusal = refused(chat.send_message(&user.token, session, &text).await);
    assert_eq!(refusal, (402, "insufficient_credit".to_owned()));

    journal.step("allocate credit and send it again");
    platform.allocate(user.id, 10_000).await.unwrap();
    let mut reply = chat.send_message(&user.token, session, &text).await.unwrap();
    let first = next_token(&mut reply).await;
    let (rest, end) = reply.collect().await.unwrap();
    journal.detail("reply", format!("{first}{rest}"));
    assert_eq!(end, End { tokens_in: 5, tokens_out: 8, interrupted: false });

    journal.step("see the usage");
    let query = UsageQuery { user: None, session: Some(session) };
    let usage = platform.accounting.usage(&user.token, &query).await.unwrap();
    journal.detail("cost_micros", usage[0].cost_micros);
    assert_eq!(usage.len(), 1);
    assert_eq!((usage[0].model.as_str(), usage[0].tokens_in, usage[0].tokens_out), ("large", 5, 8));
    assert_eq!((usage[0].cost_micros, usage[0].partial), (5 * 10 + 8 * 30, false));
    let balance = platform.accounting.balance(&user.token, user.id).await.unwrap();
    assert_eq!((balance.balance_micros, balance.held_micros), (10_000 - 290, 0));

    journal.step("complete the session");
    chat.complete(&user.token, session).await.unwrap();
    let read = chat.session(&user.token, session).await.unwrap();
    assert_eq!((read.state, read.messages.len()), (SessionState::Completed, 2));
    assert_eq!(read.messages[1].text, format!("{first}{rest}"));
}

#[tokio::test]
async fn a4_chat_with_streaming_is_collected_by_the_gateways_own_route() {
    let mut journal = Journal::open("a4_gateway_message");
    let platform = Platform::from_env();
    let user = platform.user_with_credit(10_000).await.unwrap();
    let message = |session: Option<Uuid>| MessageRequest {
        session,
        scenario: "refund".to_owned(),
        model: "small".to_owned(),
        text: unheard(3),
    };

    journal.step("send a message without a session");
    let one = platform.gateway.message(&user.token, &message(None)).await.unwrap();
    journal.detail("session", one.session);
    assert_eq!(one.usage, End { tokens_in: 3, tokens_out: 6, interrupted: false });
    assert!(one.reply.starts_with("About the refund: word word "), "{}", one.reply);

    journal.step("go on in the session");
    let two = platform.gateway.message(&user.token, &message(Some(one.session))).await.unwrap();
    assert_eq!(two.session, one.session);
    let usage = platform.gateway.accounting().usage(&user.token, &UsageQuery::default()).await.unwrap();
    assert_eq!(
        usage.iter().map(|usage| (usage.session, usage.cost_micros)).collect::<Vec<_>>(),
        [(one.session, 15); 2]
    );
}

#[tokio::test]
async fn a5_supervisor_interrupt_leaves_feedback_and_a_partial_usage() {
    let mut journal = Journal::open("a5_supervisor_interrupt");
    let platform = Platform::from_env();
    let user = platform.user_with_credit(10_000).await.unwrap();
    let session = platform.chat.create_session(&user.token, "complaint", "slow").await.unwrap().session;

    journal.step("stream a long reply");
    let mut reply = platform.chat.send_message(&user.token, session, &unheard(200)).await.unwrap();
    next_token(&mut reply).await;

    journal.step("authenticate the supervisor and list active streams");
    assert_eq!(refused(platform.chat.streams(&user.token).await), (403, "forbidden".to_owned()));
    let supervisor = platform.supervisor().await.unwrap();
    let streams = platform.chat.streams(&supervisor).await.unwrap();
    let stream = streams.iter().find(|stream| stream.session == session).unwrap();
    journal.detail("stream", stream.id);
    assert_eq!((stream.user, stream.model.as_str()), (user.id, "slow"));

    journal.step("interrupt the stream");
    platform.chat.interrupt(&supervisor, stream.id).await.unwrap();
    let (_, end) = reply.collect().await.unwrap();
    journal.detail("tokens_out", end.tokens_out);
    assert!(end.interrupted && end.tokens_out < 200, "{end:?}");

    journal.step("add feedback");
    platform.chat.feedback(&supervisor, session, "calm down first").await.unwrap();
    let events = platform.chat.events(&user.token, session).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    let expect = [EventKind::Feedback, EventKind::Interrupted, EventKind::Message, EventKind::Created];
    assert_eq!((kinds.as_slice(), events[0].detail.as_str()), (&expect[..], "calm down first"));

    journal.step("see the partial usage in accounting");
    let query = UsageQuery { user: Some(user.id), session: Some(session) };
    let usage = platform.accounting.usage(&supervisor, &query).await.unwrap();
    assert_eq!(usage.len(), 1);
    assert_eq!((usage[0].partial, usage[0].tokens_in, usage[0].tokens_out), (true, 200, end.tokens_out));
    let balance = platform.accounting.balance(&user.token, user.id).await.unwrap();
    assert_eq!((balance.balance_micros, balance.held_micros), (10_000 - usage[0].cost_micros, 0));
    let after = platform.chat.streams(&supervisor).await.unwrap();
    assert!(after.iter().all(|stream| stream.session != session), "the stream is no longer listed");
}
