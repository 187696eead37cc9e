//! What a supervisor does: list, interrupt, feed back.

use super::world::{World, next_token, refused};
use contract::Role;
use contract::chat::{ActiveStream, EventKind, Speaker};
use std::time::Duration;
use uuid::Uuid;

#[tokio::test]
async fn a_supervisor_interrupts_a_stream_and_its_user_pays_what_was_streamed() {
    let world = World::new().await;
    let (user, session) = world.talker("slow").await;
    let supervisor = world.somebody(Role::Supervisor);
    let long = "word ".repeat(100);
    let mut reply = world.client.send_message(&user.token, session, &long).await.unwrap();
    let first = next_token(&mut reply).await;

    let active = world.client.streams(&supervisor.token).await.unwrap();
    assert_eq!(active.len(), 1);
    assert_eq!((active[0].session, active[0].user, active[0].model.as_str()), (session, user.claims.sub, "slow"));
    world.client.interrupt(&supervisor.token, active[0].id).await.unwrap();

    let (rest, end) = reply.collect().await.unwrap();
    assert!(end.interrupted && (1..100).contains(&end.tokens_out), "{end:?}");
    let usage = world.usage(&user).await;
    assert_eq!(usage.len(), 1);
    assert_eq!((usage[0].partial, usage[0].tokens_out), (true, end.tokens_out));
    let cost = 100 + 2 * i64::try_from(end.tokens_out).unwrap();
    assert_eq!(world.balance(&user).await, (-cost, 0));

    assert_eq!(world.client.streams(&supervisor.token).await.unwrap(), []);
    let read = world.client.session(&user.token, session).await.unwrap();
    let last = read.messages.last().unwrap();
    assert_eq!((last.speaker, last.text.as_str()), (Speaker::Assistant, format!("{first}{rest}").as_str()));
    let events = world.client.events(&user.token, session).await.unwrap();
    assert_eq!(events[0].kind, EventKind::Interrupted);
    assert_eq!(events[0].detail, format!("by supervisor {}", supervisor.claims.sub));
}

#[tokio::test]
async fn a_stream_of_one_process_is_listed_and_interrupted_by_another() {
    let world = World::new().await;
    let (user, session) = world.talker("slow").await;
    let supervisor = world.somebody(Role::Supervisor);
    let (other, _stop) = world.another_process().await;
    let mut reply = world.client.send_message(&user.token, session, &"word ".repeat(100)).await.unwrap();
    next_token(&mut reply).await;
    let active = other.conversation.active(&supervisor.claims).await.unwrap();
    other.conversation.interrupt(&supervisor.claims, active[0].id).await.unwrap();
    assert!(reply.collect().await.unwrap().1.interrupted);
}

#[tokio::test]
async fn supervision_is_for_supervisors() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    let forbidden = (403, "forbidden".to_owned());
    for somebody in [user, world.somebody(Role::Admin)] {
        assert_eq!(refused(world.client.streams(&somebody.token).await), forbidden);
        assert_eq!(refused(world.client.interrupt(&somebody.token, Uuid::new_v4()).await), forbidden);
        assert_eq!(refused(world.client.feedback(&somebody.token, session, "good").await), forbidden);
    }
}

#[tokio::test]
async fn a_stream_that_is_over_can_not_be_interrupted() {
    let world = World::new().await;
    let supervisor = world.somebody(Role::Supervisor);
    let unknown = (404, "unknown_stream".to_owned());
    assert_eq!(refused(world.client.interrupt(&supervisor.token, Uuid::new_v4()).await), unknown);
    assert_eq!(world.redis.keys(), [""; 0], "no wish is left for a stream that never was");
}

#[tokio::test]
async fn feedback_is_the_newest_event_of_its_session() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    let supervisor = world.somebody(Role::Supervisor);
    world.client.complete(&user.token, session).await.unwrap();
    world.client.feedback(&supervisor.token, session, "ask for the name").await.unwrap();
    let newest = world.client.events(&user.token, session).await.unwrap().swap_remove(0);
    assert_eq!((newest.kind, newest.detail.as_str()), (EventKind::Feedback, "ask for the name"));
}

#[tokio::test]
async fn feedback_says_something_about_a_session_that_is_there() {
    let world = World::new().await;
    let session = world.talker("small").await.1;
    let supervisor = world.somebody(Role::Supervisor);
    let unknown = world.client.feedback(&supervisor.token, Uuid::new_v4(), "good").await;
    assert_eq!(refused(unknown), (404, "unknown_session".to_owned()));
    let empty = world.client.feedback(&supervisor.token, session, " ").await;
    assert_eq!(refused(empty), (400, "empty_text".to_owned()));
}

fn stream(started_ms: i64) -> ActiveStream {
    let (id, session, user) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    ActiveStream { id, session, user, model: "small".to_owned(), started_ms }
}

#[tokio::test]
async fn what_a_process_that_is_gone_left_in_the_register_is_struck_out() {
    let world = World::new().await;
    let streams = &world.state.conversation.streams;
    let (left, live) = (stream(1000), stream(2000));
    streams.enter(&left, Duration::from_secs(1)).await.unwrap();
    streams.enter(&live, Duration::from_mins(1)).await.unwrap();
    assert_eq!(streams.active(31_999).await.unwrap(), [left.clone(), live.clone()]);
    assert_eq!(streams.active(32_000).await.unwrap(), std::slice::from_ref(&live));
    assert_eq!(streams.active(0).await.unwrap(), [live], "the stale entry is gone for good");
    let error = streams.interrupt(left.id, Uuid::new_v4()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("no stream {} is active", left.id));
}

#[tokio::test]
async fn a_stream_that_leaves_takes_the_wish_to_interrupt_it_along() {
    let world = World::new().await;
    let streams = &world.state.conversation.streams;
    let (entered, supervisor) = (stream(1000), Uuid::new_v4());
    streams.enter(&entered, Duration::from_secs(1)).await.unwrap();
    assert_eq!(streams.interrupted_by(entered.id).await.unwrap(), None);
    streams.interrupt(entered.id, supervisor).await.unwrap();
    assert_eq!(streams.interrupted_by(entered.id).await.unwrap(), Some(supervisor.to_string()));
    streams.leave(entered.id).await.unwrap();
    assert_eq!(streams.interrupted_by(entered.id).await.unwrap(), None);
    assert_eq!(world.redis.keys(), [""; 0]);
}
