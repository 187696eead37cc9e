//! Tokens between the services: who verifies, who issues, what travels; and a database for each service.

use contract::accounting::{Charge, Credit, UsageQuery};
use contract::{Claims, ClientError, Role};
use harness::{Forge, Journal, setting};
use reqwest::{Client, Method};
use scenarios::Platform;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use std::collections::BTreeSet;
use std::str::FromStr;
use uuid::Uuid;

/// The status that each service answers a token with, on a route that needs one.
async fn statuses(platform: &Platform, token: &str, user: Uuid) -> Vec<(&'static str, u16)> {
    fn status<T>(answer: Result<T, ClientError>) -> u16 {
        answer.map_or_else(|error| error.status().unwrap_or_else(|| panic!("{error}")), |_| 200)
    }
    vec![
        ("identity", status(platform.identity.me(token).await)),
        ("accounting", status(platform.accounting.balance(token, user).await)),
        ("chat", status(platform.chat.scenarios(token).await)),
        ("gateway", status(platform.gateway.chat().scenarios(token).await)),
    ]
}

#[tokio::test]
async fn token_security_one_secret_verifies_a_token_of_identity_everywhere() {
    let mut journal = Journal::open("token_security_verification");
    let platform = Platform::from_env();
    let user = platform.user().await.unwrap();
    journal.step("show one token to every service");
    let statuses = statuses(&platform, &user.token, user.id).await;
    assert_eq!(statuses, [("identity", 200), ("accounting", 200), ("chat", 200), ("gateway", 200)]);
}

#[tokio::test]
async fn token_security_bad_tokens_are_refused_by_every_service() {
    let mut journal = Journal::open("token_security_bad_tokens");
    let platform = Platform::from_env();
    let user = platform.user().await.unwrap();
    let claims = platform.identity.me(&user.token).await.unwrap();
    let mut bad = Platform::forge().bad(&claims);
    bad.push(("altered from identity's own", Forge::altered(&user.token, &claims)));
    for (kind, token) in bad {
        journal.step(format!("show a bad token to every service: {kind}"));
        let statuses = statuses(&platform, &token, user.id).await;
        assert_eq!(statuses, [("identity", 401), ("accounting", 401), ("chat", 401), ("gateway", 401)], "{kind}");
    }
}

#[tokio::test]
async fn token_security_an_altered_role_gains_nothing() {
    let mut journal = Journal::open("token_security_altered_role");
    let platform = Platform::from_env();
    let user = platform.user().await.unwrap();
    let claims = platform.identity.me(&user.token).await.unwrap();
    journal.step("become an admin by altering the token");
    let altered = Forge::altered(&user.token, &claims);
    let credit = Credit { amount_micros: 1_000_000, reason: "theft".to_owned() };
    let error = platform.accounting.allocate(&altered, user.id, &credit).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(401), Some("unauthorized")));
    assert_eq!(platform.chat.streams(&altered).await.unwrap_err().status(), Some(401));
    journal.step("see that nothing was gained");
    assert_eq!(platform.accounting.balance(&user.token, user.id).await.unwrap().balance_micros, 0);
}

#[tokio::test]
async fn token_security_accounting_and_chat_can_not_issue_a_token() {
    let mut journal = Journal::open("token_security_issuing");
    let platform = Platform::from_env();
    let user = platform.user().await.unwrap();
    let body = json!({ "email": user.email, "password": user.password });
    for service in ["ACCOUNTING_URL", "CHAT_URL"] {
        journal.step(format!("ask for a token at {service}"));
        for path in ["/login", "/token", "/tokens", "/users", "/refresh"] {
            for method in [Method::POST, Method::GET] {
                let url = format!("{}{path}", setting(service));
                let request = Client::new().request(method.clone(), &url).bearer_auth(&user.token).json(&body);
                assert_eq!(request.send().await.unwrap().status().as_u16(), 404, "{method} {url}");
            }
        }
    }
    journal.step("ask identity for one");
    platform.identity.login(&user.email, &user.password).await.unwrap();
}

#[tokio::test]
async fn token_security_the_users_token_is_what_travels() {
    let mut journal = Journal::open("token_security_travelling");
    let platform = Platform::from_env();
    let (rich, poor) = (platform.user_with_credit(1_000).await.unwrap(), platform.user().await.unwrap());
    let text = Uuid::new_v4().to_string();

    journal.step("chat as a user with credit: the user pays");
    let session = platform.chat.create_session(&rich.token, "refund", "small").await.unwrap().session;
    platform.chat.send_message(&rich.token, session, &text).await.unwrap().collect().await.unwrap();
    let usage = platform.accounting.usage(&rich.token, &UsageQuery::default()).await.unwrap();
    assert_eq!(usage.iter().map(|usage| usage.session).collect::<Vec<_>>(), [session]);

    journal.step("chat as a user without: nobody else pays");
    let own = platform.chat.create_session(&poor.token, "refund", "small").await.unwrap().session;
    let error = platform.chat.send_message(&poor.token, own, &text).await.err().unwrap();
    assert_eq!(error.status(), Some(402));
    assert_eq!(platform.accounting.usage(&poor.token, &UsageQuery::default()).await.unwrap(), []);

    journal.step("charge a hold of the one with the token of the other");
    let hold = platform.accounting.hold(&rich.token, Uuid::new_v4(), 10).await.unwrap().hold;
    let charge = Charge { model: "small".to_owned(), tokens_in: 1, tokens_out: 1, partial: false };
    let error = platform.accounting.charge(&poor.token, hold, &charge).await.unwrap_err();
    assert_eq!(error.status(), Some(404));
    platform.accounting.release(&rich.token, hold).await.unwrap();
}

#[tokio::test]
async fn token_security_a_users_token_that_expires_is_refused_by_the_service_behind() {
    let mut journal = Journal::open("token_security_expiry");
    let platform = Platform::from_env();
    let user = platform.user_with_credit(1_000).await.unwrap();
    let claims: Claims = platform.identity.me(&user.token).await.unwrap();
    journal.step("use a token that identity signed properly, after its time");
    let expired = Platform::forge().expired(&claims);
    let error = platform.gateway.accounting().balance(&expired, user.id).await.unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
    journal.step("use one of the same claims within its time");
    let good = Platform::forge().token(&claims);
    assert_eq!(platform.gateway.accounting().balance(&good, user.id).await.unwrap().balance_micros, 1_000);
    assert!(claims.has(Role::User));
}

/// The tables of a service's database, without those of the migrations.
async fn tables(server: &PgConnectOptions, database: &str) -> BTreeSet<String> {
    let mut connection = PgConnection::connect_with(&server.clone().database(database)).await.unwrap();
    let names: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables
         where table_schema = 'public' and table_name not like '\\_sqlx%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    names.into_iter().collect()
}

/// The database that a service was given: its own name, or what `<SERVICE>_DATABASE` says.
fn database_of(service: &str) -> String {
    let name = std::env::var(format!("{}_DATABASE", service.to_uppercase())).ok();
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| service.to_owned())
}

#[tokio::test]
async fn token_security_services_keep_their_tables_in_databases_of_their_own() {
    let mut journal = Journal::open("token_security_databases");
    let server = PgConnectOptions::from_str(&setting("DATABASE_URL")).unwrap();
    let services = [("identity", "users"), ("accounting", "accounts"), ("chat", "sessions")];
    let mut seen: Vec<BTreeSet<String>> = Vec::new();
    for (service, own) in services {
        let database = database_of(service);
        journal.step(format!("look into the database of {service}"));
        let tables = tables(&server, &database).await;
        journal.detail("tables", format!("{tables:?}"));
        assert!(tables.contains(own), "{database} has {tables:?}");
        for others in &seen {
            assert!(tables.is_disjoint(others), "{database} shares tables with another service: {tables:?} {others:?}");
        }
        seen.push(tables);
    }
}
