//! Sessions and messages: what a user does.

use super::world::{World, next_token, refused};
use contract::Role;
use contract::chat::{End, EventKind, Frame, Message, SessionState, Speaker};
use uuid::Uuid;

#[tokio::test]
async fn scenarios_are_listed_and_a_session_starts_in_one() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    let scenarios = world.client.scenarios(&user.token).await.unwrap();
    assert!(scenarios.iter().any(|scenario| scenario.name == "complaint"), "{scenarios:?}");
    let read = world.client.session(&user.token, session).await.unwrap();
    assert_eq!((read.session, read.user), (session, user.claims.sub));
    assert_eq!((read.scenario.as_str(), read.model.as_str()), ("complaint", "small"));
    assert_eq!((read.state, read.messages), (SessionState::Open, vec![]));
}

#[tokio::test]
async fn an_unknown_scenario_or_model_is_refused() {
    let world = World::new().await;
    let user = world.somebody(Role::User);
    let scenario = world.client.create_session(&user.token, "holiday", "small").await;
    assert_eq!(refused(scenario), (400, "unknown_scenario".to_owned()));
    let model = world.client.create_session(&user.token, "refund", "huge").await;
    assert_eq!(refused(model), (400, "unknown_model".to_owned()));
}

#[tokio::test]
async fn a_message_is_answered_token_by_token_and_paid() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    let mut reply = world.client.send_message(&user.token, session, "I am Sorry").await.unwrap();
    let mut tokens = Vec::new();
    let end = loop {
        match reply.next().await.unwrap().unwrap() {
            Frame::Token(token) => tokens.push((token.index, token.text)),
            Frame::End(end) => break end,
        }
    };
    let texts = ["About ", "the ", "complaint: ", "i ", "am ", "sorry."];
    assert_eq!(tokens, (0..).zip(texts.map(str::to_owned)).collect::<Vec<_>>());
    assert_eq!(end, End { tokens_in: 3, tokens_out: 6, interrupted: false });
    assert_eq!(reply.next().await.unwrap(), None);
    let usage = world.usage(&user).await;
    assert_eq!(usage.len(), 1);
    assert_eq!((usage[0].session, usage[0].model.as_str(), usage[0].partial), (session, "small", false));
    assert_eq!((usage[0].tokens_in, usage[0].tokens_out, usage[0].cost_micros), (3, 6, 15));
    assert_eq!(world.balance(&user).await, (-15, 0));
}

#[tokio::test]
async fn credit_is_on_hold_while_a_reply_is_streamed() {
    let world = World::new().await;
    let (user, session) = world.talker("slow").await;
    let mut reply = world.client.send_message(&user.token, session, "a b c d e f g h i j k l m n").await.unwrap();
    next_token(&mut reply).await;
    assert_eq!(world.balance(&user).await, (-48, 48));
    reply.collect().await.unwrap();
    assert_eq!(world.balance(&user).await, (-48, 0));
}

#[tokio::test]
async fn a_session_keeps_what_was_said_oldest_first() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    for text in ["first", "second"] {
        world.client.send_message(&user.token, session, text).await.unwrap().collect().await.unwrap();
    }
    let messages = world.client.session(&user.token, session).await.unwrap().messages;
    let said: Vec<(Speaker, &str)> =
        messages.iter().map(|Message { speaker, text, .. }| (*speaker, text.as_str())).collect();
    let expect = [
        (Speaker::User, "first"),
        (Speaker::Assistant, "About the complaint: first."),
        (Speaker::User, "second"),
        (Speaker::Assistant, "About the complaint: second."),
    ];
    assert_eq!(said, expect);
    assert!(messages.is_sorted_by_key(|message| message.at_ms));
}

#[tokio::test]
async fn a_session_is_scored_by_what_its_user_said_and_closed() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    for text in ["I am sorry", "I understand you", "we will solve it"] {
        world.client.send_message(&user.token, session, text).await.unwrap().collect().await.unwrap();
    }
    assert_eq!(world.client.complete(&user.token, session).await.unwrap().score, 75);
    let read = world.client.session(&user.token, session).await.unwrap();
    assert_eq!(read.state, SessionState::Completed);
    let stored: i16 = sqlx::query_scalar("select score from sessions where id = $1")
        .bind(session)
        .fetch_one(&world.database.pool().await)
        .await
        .unwrap();
    assert_eq!(stored, 75);
}

#[tokio::test]
async fn a_completed_session_takes_nothing_more() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    assert_eq!(world.client.complete(&user.token, session).await.unwrap().score, 0);
    let completed = (409, "session_completed".to_owned());
    assert_eq!(refused(world.client.complete(&user.token, session).await), completed);
    assert_eq!(refused(world.client.send_message(&user.token, session, "more").await), completed);
    assert_eq!(world.usage(&user).await, []);
    let again = world.state.conversation.sessions.complete(session, 1, 0).await;
    assert_eq!(again.unwrap_err().to_string(), format!("the session {session} is completed"));
}

#[tokio::test]
async fn events_are_listed_newest_first() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    world.client.send_message(&user.token, session, "sorry").await.unwrap().collect().await.unwrap();
    world.client.complete(&user.token, session).await.unwrap();
    let events = world.client.events(&user.token, session).await.unwrap();
    let seen: Vec<_> = events.iter().map(|event| (event.kind, event.detail.as_str())).collect();
    let expect = [
        (EventKind::Completed, "score 25"),
        (EventKind::Reply, "About the complaint: sorry."),
        (EventKind::Message, "sorry"),
        (EventKind::Created, "complaint"),
    ];
    assert_eq!(seen, expect);
}

#[tokio::test]
async fn a_session_is_its_users_own() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    let other = world.talker("small").await.0;
    let unknown = (404, "unknown_session".to_owned());
    assert_eq!(refused(world.client.session(&other.token, session).await), unknown);
    assert_eq!(refused(world.client.events(&other.token, session).await), unknown);
    assert_eq!(refused(world.client.send_message(&other.token, session, "hello").await), unknown);
    assert_eq!(refused(world.client.complete(&other.token, session).await), unknown);
    assert_eq!(refused(world.client.session(&user.token, Uuid::new_v4()).await), unknown);
    let supervisor = world.somebody(Role::Supervisor);
    assert_eq!(world.client.session(&supervisor.token, session).await.unwrap().user, user.claims.sub);
    assert_eq!(refused(world.client.send_message(&supervisor.token, session, "hello").await), unknown);
}

#[tokio::test]
async fn a_message_without_credit_is_refused_before_anything_is_said() {
    let world = World::new().await;
    let user = world.somebody(Role::User);
    let session = world.client.create_session(&user.token, "refund", "small").await.unwrap().session;
    let answer = world.client.send_message(&user.token, session, "hello").await;
    assert_eq!(refused(answer), (402, "insufficient_credit".to_owned()));
    assert_eq!(world.client.session(&user.token, session).await.unwrap().messages, []);
    assert_eq!(world.events(&user, session).await, [EventKind::Created]);
}

#[tokio::test]
async fn a_text_without_words_or_without_end_is_refused() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    let said = |text: String| {
        let (client, token) = (world.client.clone(), user.token.clone());
        async move { refused(client.send_message(&token, session, &text).await) }
    };
    assert_eq!(said(" \n".to_owned()).await, (400, "empty_text".to_owned()));
    assert_eq!(said("x".repeat(9000)).await, (400, "long_text".to_owned()));
    assert_eq!(world.balance(&user).await, (0, 0));
}
