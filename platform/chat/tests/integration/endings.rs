//! How streams end when something is amiss: the reader goes, the process stops, a store or accounting fails.

use super::world::{World, next_token};
use contract::Role;
use contract::chat::{EventKind, Frame};
use std::time::Duration;
use uuid::Uuid;

/// A text whose reply takes over a second with the slow model.
const LONG: &str = "a b c d e f g h i j k l m n o p q r s t u v w x y z";
/// Tokens of the reply to it.
const LONG_TOKENS: u64 = 29;

#[tokio::test]
async fn a_client_that_goes_away_interrupts_its_stream_and_pays_for_the_part() {
    let world = World::new().await;
    let (user, session) = world.talker("slow").await;
    let (process, stop) = world.another_process().await;
    let mut reply = process.conversation.say(&user.caller(), session, LONG).await.unwrap();
    assert!(matches!(reply.recv().await, Some(Frame::Token(_))));
    drop(reply);
    // The stream holds the last of the process' receivers: when they are gone, it has ended.
    drop(process);
    stop.closed().await;
    let usage = world.usage(&user).await;
    assert!(usage.len() == 1 && usage[0].partial && usage[0].tokens_out < LONG_TOKENS, "{usage:?}");
    let newest = world.client.events(&user.token, session).await.unwrap().swap_remove(0);
    assert_eq!((newest.kind, newest.detail.as_str()), (EventKind::Interrupted, "the client went away"));
    assert_eq!(world.balance(&user).await.1, 0);
}

#[tokio::test]
async fn a_client_that_reads_nothing_counts_as_gone() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    let (mut process, stop) = world.another_process().await;
    process.conversation.patience = Duration::from_millis(50);
    let reply = process.conversation.say(&user.caller(), session, &"word ".repeat(50)).await.unwrap();
    drop(process);
    stop.closed().await;
    let usage = world.usage(&user).await;
    assert!(usage.len() == 1 && usage[0].partial && usage[0].tokens_out == 16, "{usage:?}");
    assert_eq!(reply.len(), 16, "the frames that wait are not lost");
}

#[tokio::test]
async fn a_connection_that_breaks_interrupts_its_stream() {
    let world = World::new().await;
    let (user, session) = world.talker("slow").await;
    let supervisor = world.somebody(Role::Supervisor);
    let mut reply = world.client.send_message(&user.token, session, LONG).await.unwrap();
    next_token(&mut reply).await;
    assert_eq!(world.client.streams(&supervisor.token).await.unwrap().len(), 1);
    drop(reply);
    let World { state, served, stop, client, accounting, database, .. } = world;
    drop((state, served, client, accounting));
    stop.closed().await;
    let kind: String = sqlx::query_scalar("select kind from events where session = $1 order by id desc limit 1")
        .bind(session)
        .fetch_one(&database.pool().await)
        .await
        .unwrap();
    assert_eq!(kind, "interrupted");
}

#[tokio::test]
async fn a_process_that_stops_ends_its_streams_charged_as_far_as_they_came() {
    let world = World::new().await;
    let (user, session) = world.talker("slow").await;
    let mut reply = world.client.send_message(&user.token, session, LONG).await.unwrap();
    next_token(&mut reply).await;
    world.stop.send_replace(true);
    let (_, end) = reply.collect().await.unwrap();
    assert!(end.interrupted && end.tokens_out < LONG_TOKENS, "{end:?}");
    let newest = world.client.events(&user.token, session).await.unwrap().swap_remove(0);
    assert_eq!((newest.kind, newest.detail.as_str()), (EventKind::Interrupted, "the service stopped"));
    assert!(world.usage(&user).await[0].partial);
}

#[tokio::test]
async fn a_stream_that_can_not_begin_gives_its_hold_back() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    // The register holds something that streams can't be entered in.
    let mut redis = world.state.redis.clone();
    let register = format!("{}chat:streams", world.redis.prefix());
    redis::cmd("SET").arg(register).arg("text").exec_async(&mut redis).await.unwrap();
    let error = world.client.send_message(&user.token, session, "hello").await.err().unwrap();
    assert_eq!((error.status(), error.code()), (Some(500), Some("internal")));
    assert_eq!(world.balance(&user).await, (0, 0));
    assert_eq!(world.usage(&user).await, []);
}

#[tokio::test]
async fn a_stream_that_can_not_be_charged_still_reaches_its_end() {
    let world = World::new().await;
    let (user, session) = world.talker("slow").await;
    let mut reply = world.client.send_message(&user.token, session, LONG).await.unwrap();
    next_token(&mut reply).await;
    let hold: Uuid = sqlx::query_scalar("select id from holds where state = 'open'")
        .fetch_one(&world.accounting_database.pool().await)
        .await
        .unwrap();
    world.accounting.release(&user.token, hold).await.unwrap();
    let (rest, end) = reply.collect().await.unwrap();
    assert_eq!((rest, end.tokens_out), (format!("the complaint: {LONG}."), LONG_TOKENS));
    assert_eq!(world.events(&user, session).await[0], EventKind::Reply);
    assert_eq!(world.usage(&user).await, []);
}

#[tokio::test]
async fn a_reply_that_can_not_be_written_down_still_reaches_its_end_and_is_paid() {
    let world = World::new().await;
    let (user, session) = world.talker("slow").await;
    let mut reply = world.client.send_message(&user.token, session, LONG).await.unwrap();
    next_token(&mut reply).await;
    sqlx::raw_sql("drop table messages").execute(&world.database.pool().await).await.unwrap();
    let (_, end) = reply.collect().await.unwrap();
    assert!(!end.interrupted);
    assert_eq!(world.usage(&user).await.len(), 1);
}
