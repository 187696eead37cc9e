//! The lock that processes share.

use super::world::{World, credit};
use accounting::{AccountingError, Locks};
use contract::Role;
use contract::accounting::HoldRequest;
use futures_util::future::join_all;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The locks of one process: another connection has other locks of the same names.
async fn locks(world: &World, lifetime: Duration, wait_max: Duration) -> Locks {
    let redis = contract::store::redis(world.redis.url()).await.unwrap();
    Locks::new(redis, world.redis.prefix()).with_limits(lifetime, wait_max)
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn a_lock_is_acquired_and_released() {
    let world = World::new().await;
    let locks = locks(&world, LONG, SHORT).await;
    let lock = locks.acquire("a").await.unwrap();
    assert_eq!(world.redis.keys(), ["lock:a"]);
    assert!(lock.release().await.unwrap());
    assert_eq!(world.redis.keys(), [""; 0]);
    assert!(locks.try_acquire("a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_lock_is_exclusive_across_processes_and_by_name() {
    let world = World::new().await;
    let (one, other) = (locks(&world, LONG, SHORT).await, locks(&world, LONG, SHORT).await);
    let _held = one.acquire("a").await.unwrap();
    assert!(other.try_acquire("a").await.unwrap().is_none());
    assert!(other.try_acquire("b").await.unwrap().is_some());
}

#[tokio::test]
async fn waiting_for_a_lock_is_bounded() {
    let world = World::new().await;
    let locks = locks(&world, LONG, SHORT).await;
    let _held = locks.acquire("a").await.unwrap();
    let started = Instant::now();
    assert!(matches!(locks.acquire("a").await, Err(AccountingError::Busy)));
    assert!(started.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_lock_whose_holder_is_gone_runs_out_and_is_not_freed_by_it_later() {
    let world = World::new().await;
    let locks = locks(&world, SHORT, LONG).await;
    let expired = locks.acquire("a").await.unwrap();
    let next = locks.clone().with_limits(LONG, LONG).acquire("a").await.unwrap();
    assert!(!expired.release().await.unwrap());
    assert_eq!(world.redis.keys(), ["lock:a"]);
    assert!(next.release().await.unwrap());
}

#[tokio::test]
async fn only_one_at_a_time_is_inside() {
    let world = World::new().await;
    let locks = locks(&world, LONG, LONG).await;
    let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
    join_all((0..5).map(|_| async {
        let lock = locks.acquire("a").await.unwrap();
        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        inside.fetch_sub(1, Ordering::SeqCst);
        lock.release().await.unwrap();
    }))
    .await;
    assert_eq!(most.into_inner(), 1);
}

#[tokio::test]
async fn a_hold_leaves_its_account_unlocked_whether_it_is_granted_or_not() {
    let world = World::new().await;
    let user = world.with_credit(10).await;
    let request = HoldRequest { session: Uuid::new_v4(), amount_micros: 10 };
    world.state.books.hold(&user.claims, &request).await.unwrap();
    world.state.books.hold(&user.claims, &request).await.unwrap_err();
    assert_eq!(world.redis.keys(), [""; 0]);
}

#[tokio::test]
async fn a_hold_waits_for_a_lock_on_its_account() {
    let world = World::new().await;
    let user = world.with_credit(10).await;
    let mut books = world.state.books.clone();
    books.locks = books.locks.with_limits(LONG, SHORT);
    let _held = books.locks.acquire(&user.id().to_string()).await.unwrap();
    let request = HoldRequest { session: Uuid::new_v4(), amount_micros: 1 };
    let error = books.hold(&user.claims, &request).await.unwrap_err();
    assert!(matches!(error, AccountingError::Busy), "{error}");
    let other = world.with_credit(10).await;
    books.hold(&other.claims, &request).await.unwrap();
    let admin = world.somebody(Role::Admin);
    assert_eq!(books.allocate(&admin.claims, user.id(), &credit(1)).await.unwrap().balance_micros, 11);
}
