//! Both stores behave alike: the same checks run on PostgreSQL and in memory.

use super::world::World;
use accounting::Store;
use accounting::store::{Hold, Memory, Postgres};
use contract::accounting::{Balance, Usage};
use futures_util::future::join_all;
use uuid::Uuid;

fn amounts(balance: &Balance) -> (i64, i64) {
    (balance.balance_micros, balance.held_micros)
}

fn usage(session: Uuid, cost_micros: i64, at_ms: i64) -> Usage {
    let model = "small".to_owned();
    Usage { id: Uuid::new_v4(), session, model, tokens_in: 3, tokens_out: 4, cost_micros, partial: true, at_ms }
}

async fn account_with<S: Store>(store: &S, micros: i64) -> Uuid {
    let user = Uuid::new_v4();
    store.credit(user, micros, "a test", Uuid::new_v4()).await.unwrap();
    user
}

async fn held<S: Store>(store: &S, user: Uuid, micros: i64) -> Hold {
    store.hold(user, Uuid::new_v4(), micros).await.unwrap().unwrap()
}

async fn accounts_are_found_or_created<S: Store>(store: &S) {
    let user = Uuid::new_v4();
    let created = store.account(user).await.unwrap();
    assert_eq!((created.user, amounts(&created)), (user, (0, 0)));
    assert_eq!(amounts(&store.credit(user, 5, "first", Uuid::new_v4()).await.unwrap()), (5, 0));
    assert_eq!(amounts(&store.credit(user, 6, "second", Uuid::new_v4()).await.unwrap()), (11, 0));
    assert_eq!(amounts(&store.account(user).await.unwrap()), (11, 0));
}

async fn a_hold_moves_credit_and_a_charge_spends_it<S: Store>(store: &S) {
    let user = account_with(store, 100).await;
    let hold = held(store, user, 60).await;
    assert_eq!((hold.user, hold.amount_micros), (user, 60));
    assert_eq!(amounts(&store.account(user).await.unwrap()), (40, 60));
    assert_eq!(store.open_hold(hold.id).await.unwrap().as_ref(), Some(&hold));
    let record = usage(hold.session, 25, 7);
    assert_eq!(amounts(&store.charge(&hold, &record).await.unwrap().unwrap()), (75, 0));
    assert_eq!(store.usage(user, None).await.unwrap(), [record]);
}

async fn a_hold_is_closed_once<S: Store>(store: &S) {
    let user = account_with(store, 100).await;
    let (charged, released) = (held(store, user, 30).await, held(store, user, 30).await);
    store.charge(&charged, &usage(charged.session, 30, 1)).await.unwrap().unwrap();
    assert_eq!(amounts(&store.release(&released).await.unwrap().unwrap()), (70, 0));
    for hold in [&charged, &released] {
        assert_eq!(store.charge(hold, &usage(hold.session, 1, 2)).await.unwrap(), None);
        assert_eq!(store.release(hold).await.unwrap(), None);
        assert_eq!(store.open_hold(hold.id).await.unwrap(), None);
    }
    assert_eq!(amounts(&store.account(user).await.unwrap()), (70, 0));
    assert_eq!(store.usage(user, None).await.unwrap().len(), 1);
}

async fn a_balance_that_is_too_low_moves_nothing<S: Store>(store: &S) {
    let user = account_with(store, 10).await;
    assert_eq!(store.hold(user, Uuid::new_v4(), 11).await.unwrap(), None);
    assert_eq!(store.hold(Uuid::new_v4(), Uuid::new_v4(), 1).await.unwrap(), None);
    assert_eq!(amounts(&store.account(user).await.unwrap()), (10, 0));
}

async fn usage_is_newest_first_and_apart_by_user_and_session<S: Store>(store: &S) {
    let (user, other) = (account_with(store, 100).await, account_with(store, 100).await);
    let mut records = Vec::new();
    for at_ms in [1, 2, 3] {
        let hold = held(store, user, 10).await;
        let record = usage(hold.session, 1, at_ms);
        store.charge(&hold, &record).await.unwrap().unwrap();
        records.insert(0, record);
    }
    assert_eq!(store.usage(user, None).await.unwrap(), records);
    assert_eq!(store.usage(user, Some(records[1].session)).await.unwrap(), records[1..2]);
    assert_eq!(store.usage(other, None).await.unwrap(), []);
    assert_eq!(store.usage(other, Some(records[1].session)).await.unwrap(), []);
}

async fn holds_at_the_same_time_never_exceed_the_balance<S: Store>(store: &S) {
    let user = account_with(store, 100).await;
    let tries = join_all((0..12).map(|_| store.hold(user, Uuid::new_v4(), 15))).await;
    let holds: Vec<Hold> = tries.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(holds.len(), 6);
    assert_eq!(amounts(&store.account(user).await.unwrap()), (10, 90));
    let twice = holds.iter().chain(&holds);
    let closed = join_all(twice.map(|hold| store.release(hold))).await;
    assert_eq!(closed.into_iter().filter_map(Result::unwrap).count(), 6);
    assert_eq!(amounts(&store.account(user).await.unwrap()), (100, 0));
}

/// One test a store and check; the store in memory needs no server, but is held to the same checks.
macro_rules! checks {
    ($($check:ident),+ $(,)?) => {
        mod postgres {
            $(#[tokio::test]
            async fn $check() {
                let world = super::World::new().await;
                super::$check(&super::Postgres::new(world.state.pool.clone())).await;
            })+
        }
        mod memory {
            $(#[tokio::test]
            async fn $check() {
                super::$check(&super::Memory::default()).await;
            })+
        }
    };
}

checks! {
    accounts_are_found_or_created,
    a_hold_moves_credit_and_a_charge_spends_it,
    a_hold_is_closed_once,
    a_balance_that_is_too_low_moves_nothing,
    usage_is_newest_first_and_apart_by_user_and_session,
    holds_at_the_same_time_never_exceed_the_balance,
}

#[tokio::test]
async fn the_books_say_who_allocated_credit_and_why() {
    let world = World::new().await;
    let (user, admin) = (Uuid::new_v4(), Uuid::new_v4());
    Postgres::new(world.state.pool.clone()).credit(user, 9, "a gift", admin).await.unwrap();
    let books: (Uuid, i64, String, Uuid) =
        sqlx::query_as("select user_id, amount_micros, reason, allocated_by from credits")
            .fetch_one(&world.database.pool().await)
            .await
            .unwrap();
    assert_eq!(books, (user, 9, "a gift".to_owned(), admin));
}

#[tokio::test]
async fn a_store_that_is_gone_is_an_error_with_its_cause() {
    let world = World::new().await;
    world.state.pool.close().await;
    let error = Postgres::new(world.state.pool.clone()).account(Uuid::new_v4()).await.unwrap_err();
    assert_eq!(error.to_string(), "the store failed");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("closed pool"));
}
