//! What is shared through Redis, and what travels to accounting.

use super::world::{World, refused};
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use contract::serve::Refusal;
use harness::{ClosedPort, serve};
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn a_reply_is_generated_once_and_then_comes_from_the_cache() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    let replies = &world.state.conversation.replies;
    assert_eq!(replies.get("complaint", "sorry").await.unwrap(), None);
    world.client.send_message(&user.token, session, "sorry").await.unwrap().collect().await.unwrap();
    let kept = ["About ", "the ", "complaint: ", "sorry."].map(str::to_owned);
    assert_eq!(replies.get("complaint", "sorry").await.unwrap().as_deref(), Some(&kept[..]));

    replies.put("complaint", "sorry", &["From ".to_owned(), "the cache.".to_owned()]).await.unwrap();
    let (reply, end) = world.client.send_message(&user.token, session, "sorry").await.unwrap().collect().await.unwrap();
    assert_eq!((reply.as_str(), end.tokens_out), ("From the cache.", 2));
    assert_eq!(world.usage(&user).await.iter().map(|usage| usage.cost_micros).collect::<Vec<_>>(), [5, 9]);
}

#[tokio::test]
async fn the_cache_keeps_scenarios_and_texts_apart_and_forgets() {
    let world = World::new().await;
    let replies = &world.state.conversation.replies;
    replies.put("refund", "a", &["x".to_owned()]).await.unwrap();
    assert_eq!(replies.get("refund", "A").await.unwrap(), None);
    assert_eq!(replies.get("greeting", "a").await.unwrap(), None);
    assert!(replies.forget("refund", "a").await.unwrap());
    assert!(!replies.forget("refund", "a").await.unwrap());
    assert_eq!(replies.get("refund", "a").await.unwrap(), None);
}

#[tokio::test]
async fn a_cached_reply_expires_and_one_in_another_form_is_as_good_as_none() {
    let world = World::new().await;
    let replies = &world.state.conversation.replies;
    replies.put("refund", "a", &["x".to_owned()]).await.unwrap();
    let key = format!("{}chat:reply:refund:a", world.redis.prefix());
    let mut redis = world.state.redis.clone();
    let ttl: i64 = redis::cmd("TTL").arg(&key).query_async(&mut redis).await.unwrap();
    assert!((3590..=3600).contains(&ttl), "{ttl}");
    redis::cmd("SET").arg(&key).arg("an earlier form").exec_async(&mut redis).await.unwrap();
    assert_eq!(replies.get("refund", "a").await.unwrap(), None);
}

#[tokio::test]
async fn the_users_own_token_and_the_request_id_travel_to_accounting() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let listening = serve(Router::new().fallback(move |headers: HeaderMap| {
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        record.lock().unwrap().push((header("authorization"), header("x-request-id")));
        async { Refusal::new(StatusCode::PAYMENT_REQUIRED, "insufficient_credit", "none left") }
    }))
    .await;
    let world = World::with_accounting_at(listening.url()).await;
    let (user, session) = world.talker("small").await;
    let answer = reqwest::Client::new()
        .post(format!("{}/sessions/{session}/messages", world.served.url()))
        .bearer_auth(&user.token)
        .header("x-request-id", "trace-7")
        .json(&serde_json::json!({ "text": "hello" }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 402);
    let expect = (Some(format!("Bearer {}", user.token)), Some("trace-7".to_owned()));
    assert_eq!(*seen.lock().unwrap(), [expect]);
}

#[tokio::test]
async fn without_accounting_a_message_is_refused_and_nothing_is_said() {
    let closed = ClosedPort::take();
    let world = World::with_accounting_at(closed.url()).await;
    let (user, session) = world.talker("small").await;
    let answer = world.client.send_message(&user.token, session, "hello").await;
    assert_eq!(refused(answer), (502, "accounting_failed".to_owned()));
    assert_eq!(world.client.session(&user.token, session).await.unwrap().messages, []);
}
