//! The service's routes, called by its typed client.

use super::world::{World, charge, config, credit};
use accounting::{TenantUsage, day_of};
use contract::accounting::{Estimate, EstimateRequest, UsageQuery};
use contract::{ClientError, Role};
use futures_util::future::join_all;
use harness::{Database, RedisSpace};
use uuid::Uuid;

fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (u16, String) {
    let error = answer.unwrap_err();
    (error.status().unwrap_or_else(|| panic!("{error}")), error.code().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn credit_is_allocated_by_an_admin_and_seen_by_its_user() {
    let world = World::new().await;
    let (admin, user) = (world.somebody(Role::Admin), world.somebody(Role::User));
    assert_eq!(world.balance(&user).await, (0, 0));
    let after = world.client.allocate(&admin.token, user.id(), &credit(500)).await.unwrap();
    assert_eq!((after.user, after.balance_micros), (user.id(), 500));
    assert_eq!(world.balance(&user).await, (500, 0));
}

#[tokio::test]
async fn credit_is_refused_to_everybody_else() {
    let world = World::new().await;
    let user = world.somebody(Role::User);
    let refusal = refused(world.client.allocate(&user.token, user.id(), &credit(500)).await);
    assert_eq!(refusal, (403, "forbidden".to_owned()));
    let admin = world.somebody(Role::Admin);
    let refusal = refused(world.client.allocate(&admin.token, user.id(), &credit(0)).await);
    assert_eq!(refusal, (400, "invalid_amount".to_owned()));
    assert_eq!(world.balance(&user).await, (0, 0));
}

#[tokio::test]
async fn an_account_is_private_to_its_user() {
    let world = World::new().await;
    let (one, other) = (world.somebody(Role::User), world.somebody(Role::User));
    assert_eq!(refused(world.client.balance(&other.token, one.id()).await), (403, "forbidden".to_owned()));
    let query = UsageQuery { user: Some(one.id()), session: None };
    assert_eq!(refused(world.client.usage(&other.token, &query).await), (403, "forbidden".to_owned()));
    let supervisor = world.somebody(Role::Supervisor);
    world.client.balance(&supervisor.token, one.id()).await.unwrap();
    world.client.usage(&supervisor.token, &query).await.unwrap();
}

#[tokio::test]
async fn a_stream_is_held_charged_and_recorded() {
    let world = World::new().await;
    let user = world.with_credit(1000).await;
    let session = Uuid::new_v4();
    let hold = world.client.hold(&user.token, session, 400).await.unwrap().hold;
    assert_eq!(world.balance(&user).await, (600, 400));
    let charged = world.client.charge(&user.token, hold, &charge("large", 4, 5)).await.unwrap();
    assert_eq!((charged.usage.cost_micros, charged.balance.balance_micros), (190, 810));
    assert_eq!(world.balance(&user).await, (810, 0));
    let usage = world.client.usage(&user.token, &UsageQuery::default()).await.unwrap();
    assert_eq!(usage, [charged.usage]);
    assert_eq!((usage[0].session, usage[0].tokens_in, usage[0].tokens_out), (session, 4, 5));
}

#[tokio::test]
async fn a_released_hold_gives_everything_back() {
    let world = World::new().await;
    let user = world.with_credit(100).await;
    let hold = world.client.hold(&user.token, Uuid::new_v4(), 100).await.unwrap().hold;
    world.client.release(&user.token, hold).await.unwrap();
    assert_eq!(world.balance(&user).await, (100, 0));
    assert_eq!(refused(world.client.release(&user.token, hold).await), (404, "unknown_hold".to_owned()));
    let charge = charge("small", 1, 1);
    assert_eq!(refused(world.client.charge(&user.token, hold, &charge).await), (404, "unknown_hold".to_owned()));
}

#[tokio::test]
async fn a_hold_beyond_the_balance_is_a_payment_required() {
    let world = World::new().await;
    let user = world.with_credit(10).await;
    let error = world.client.hold(&user.token, Uuid::new_v4(), 11).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(402), Some("insufficient_credit")));
    assert!(error.to_string().ends_with("the balance is 10 micros, 11 are needed"), "{error}");
}

#[tokio::test]
async fn a_charge_is_checked_against_its_hold_and_the_prices() {
    let world = World::new().await;
    let user = world.with_credit(100).await;
    let hold = world.client.hold(&user.token, Uuid::new_v4(), 10).await.unwrap().hold;
    let tried = |model: &str, tokens_in| {
        let charge = charge(model, tokens_in, 0);
        let (client, token) = (world.client.clone(), user.token.clone());
        async move { refused(client.charge(&token, hold, &charge).await) }
    };
    assert_eq!(tried("small", 11).await, (409, "exceeds_hold".to_owned()));
    assert_eq!(tried("huge", 1).await, (400, "unknown_model".to_owned()));
    assert_eq!(tried("small", u64::MAX).await, (400, "out_of_range".to_owned()));
    assert_eq!(world.balance(&user).await, (90, 10));
}

#[tokio::test]
async fn holds_of_one_user_at_the_same_time_never_exceed_the_balance() {
    let world = World::new().await;
    let user = world.with_credit(100).await;
    let tries = join_all((0..10).map(|_| world.client.hold(&user.token, Uuid::new_v4(), 30))).await;
    assert_eq!(tries.iter().filter(|held| held.is_ok()).count(), 3);
    assert_eq!(world.balance(&user).await, (10, 90));
}

#[tokio::test]
async fn an_estimate_says_what_a_charge_would_cost() {
    let world = World::new().await;
    let user = world.somebody(Role::User);
    let request = |model: &str| EstimateRequest { model: model.to_owned(), tokens_in: 3, tokens_out: 2 };
    let answer = world.client.estimate(&user.token, &request("large")).await.unwrap();
    assert_eq!(answer, Estimate { cost_micros: 90 });
    let refusal = refused(world.client.estimate(&user.token, &request("huge")).await);
    assert_eq!(refusal, (400, "unknown_model".to_owned()));
}

#[tokio::test]
async fn usage_is_counted_per_tenant_and_day() {
    let world = World::new().await;
    let (user, admin) = (world.with_credit(1000).await, world.somebody(Role::Admin));
    let mut day = String::new();
    for tokens in [3, 4] {
        let hold = world.client.hold(&user.token, Uuid::new_v4(), 100).await.unwrap().hold;
        let charged = world.client.charge(&user.token, hold, &charge("small", tokens, 10)).await.unwrap();
        day = day_of(charged.usage.at_ms).unwrap().to_string();
    }
    let (tenant, books) = (&user.claims.tenant, &world.state.books);
    let counted = books.tenant_usage(&admin.claims, tenant, &day).await.unwrap();
    assert_eq!(counted, TenantUsage { streams: 2, tokens_in: 7, tokens_out: 20, cost_micros: 47 });
    let earlier = books.tenant_usage(&admin.claims, tenant, "2001-01-01").await.unwrap();
    assert_eq!(earlier, TenantUsage::default());
    assert_eq!(world.redis.keys(), [format!("usage:{tenant}:{day}")]);
}

#[tokio::test]
async fn a_tenants_usage_is_for_its_own_admins_and_supervisors() {
    let world = World::new().await;
    let read = |role, tenant: &str, day: &str| {
        let request = reqwest::Client::new()
            .get(format!("{}/tenants/{tenant}/usage/{day}", world.served.url()))
            .bearer_auth(world.somebody(role).token);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let own = world.somebody(Role::Admin).claims.tenant;
    assert_eq!(read(Role::Admin, &own, "2025-06-30").await, 200);
    assert_eq!(read(Role::Supervisor, &own, "2025-06-30").await, 200);
    assert_eq!(read(Role::User, &own, "2025-06-30").await, 403);
    assert_eq!(read(Role::Admin, "another.test", "2025-06-30").await, 403);
    assert_eq!(read(Role::Admin, &own, "yesterday").await, 400);
}

#[tokio::test]
async fn a_charge_stands_when_it_can_not_be_counted() {
    let world = World::new().await;
    let user = world.with_credit(100).await;
    let hold = world.client.hold(&user.token, Uuid::new_v4(), 10).await.unwrap().hold;
    // The counter's key holds something that can't be counted up.
    let day = day_of(jiff::Timestamp::now().as_millisecond()).unwrap();
    let key = format!("{}usage:{}:{day}", world.redis.prefix(), user.claims.tenant);
    let mut redis = world.state.redis.clone();
    redis::cmd("SET").arg(key).arg("text").exec_async(&mut redis).await.unwrap();
    let charged = world.client.charge(&user.token, hold, &charge("small", 1, 1)).await.unwrap();
    assert_eq!(charged.balance.balance_micros, 97);
}

#[tokio::test]
async fn the_service_creates_and_migrates_its_database_when_it_starts() {
    let leased = Database::lease("accounting", &accounting::MIGRATOR).await;
    let redis = RedisSpace::lease();
    let name = format!("{}_new", leased.name());
    let url = leased.url().replace(leased.name(), &name);
    let state = accounting::connect(&config(&url, &redis)).await.unwrap();
    let tables: i64 = sqlx::query_scalar("select count(*) from usage_records").fetch_one(&state.pool).await.unwrap();
    assert_eq!(tables, 0);
    state.pool.close().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("drop database {name}"))).execute(&leased.pool().await).await.unwrap();
}
