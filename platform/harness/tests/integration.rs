//! The harness on real servers: leases are apart from each other and leave nothing behind.

#![expect(clippy::unwrap_used, reason = "helpers unwrap as tests do; the lint's exception knows test functions alone")]

use std::fs;

use axum::Router;
use axum::routing::get;
use harness::{ClosedPort, Database, Journal, RedisSpace, serve, setting};
use redis::Commands;
use sqlx::PgPool;
use sqlx::migrate::Migrator;

static MIGRATOR: Migrator = sqlx::migrate!();

async fn databases_like(pattern: &str) -> Vec<String> {
    let pool = PgPool::connect(&setting("DATABASE_URL")).await.unwrap();
    let names = sqlx::query_scalar("SELECT datname FROM pg_database WHERE datname LIKE $1 ORDER BY 1");
    names.bind(pattern).fetch_all(&pool).await.unwrap()
}

async fn notes(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn two_leases_are_migrated_and_do_not_see_each_other() {
    let (one, other) = tokio::join!(Database::lease("harness", &MIGRATOR), Database::lease("harness", &MIGRATOR));
    let (one_pool, other_pool) = (one.pool().await, other.pool().await);
    sqlx::query("INSERT INTO notes (text) VALUES ('mine')").execute(&one_pool).await.unwrap();
    assert_eq!((notes(&one_pool).await, notes(&other_pool).await), (1, 0));
    let by_url = PgPool::connect(&one.url()).await.unwrap();
    assert_eq!(notes(&by_url).await, 1);
}

#[tokio::test]
async fn a_lease_that_ends_drops_its_database_though_it_is_in_use() {
    let lease = Database::lease("harness", &MIGRATOR).await;
    let name = lease.name().to_owned();
    let pool = lease.pool().await;
    assert_eq!(databases_like(&name).await, [name.as_str()]);
    drop(lease);
    assert!(databases_like(&name).await.is_empty());
    assert!(sqlx::query("SELECT 1").execute(&pool).await.is_err());
}

#[tokio::test]
async fn the_template_is_sealed_and_an_unsealed_rest_is_made_again() {
    let admin = PgPool::connect(&setting("DATABASE_URL")).await.unwrap();
    let first = Database::lease("unsealed", &MIGRATOR).await;
    let templates = databases_like("template\\_unsealed\\_%").await;
    assert_eq!(templates.len(), 1);
    let template = &templates[0];
    assert!(PgPool::connect_with(admin.connect_options().as_ref().clone().database(template)).await.is_err());
    // As a run that was cut off between making and sealing would leave it: open, and without the migrations.
    for statement in [
        format!("ALTER DATABASE {template} IS_TEMPLATE false ALLOW_CONNECTIONS true"),
        format!("DROP DATABASE {template}"),
        format!("CREATE DATABASE {template}"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&admin).await.unwrap();
    }
    let second = Database::lease("unsealed", &MIGRATOR).await;
    assert_eq!(notes(&second.pool().await).await, 0);
    drop((first, second));
    let unseal = format!("ALTER DATABASE {template} IS_TEMPLATE false; ");
    sqlx::raw_sql(sqlx::AssertSqlSafe(unseal)).execute(&admin).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP DATABASE {template}"))).execute(&admin).await.unwrap();
}

#[test]
fn a_key_space_holds_its_own_keys_and_is_emptied_at_the_end() {
    let (one, other) = (RedisSpace::lease(), RedisSpace::lease());
    let mut connection = redis::Client::open(one.url()).unwrap().get_connection().unwrap();
    let key = format!("{}greeting", one.prefix());
    let _: () = connection.set(&key, "hello").unwrap();
    assert_eq!(one.keys(), ["greeting"]);
    assert!(other.keys().is_empty());
    drop(one);
    assert!(!connection.exists::<_, bool>(&key).unwrap());
}

#[tokio::test]
async fn a_served_router_answers_until_it_is_dropped_and_a_closed_port_never_does() {
    let served = serve(Router::new().route("/", get(|| async { "here" }))).await;
    let url = served.url();
    assert_eq!(reqwest::get(&url).await.unwrap().text().await.unwrap(), "here");
    let closed = ClosedPort::take();
    assert!(reqwest::get(closed.url()).await.unwrap_err().is_connect());
}

#[test]
fn a_journal_leaves_a_log_and_a_report_with_the_time_in_their_names() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::open_in(&directory.path().join("scenarios"), "a2_login");
    let (log, report) = (journal.log_path(), journal.report_path().to_owned());
    journal.step("log in");
    journal.detail("status", 200);
    drop(journal);
    let name = report.file_stem().unwrap().to_str().unwrap();
    assert!(name.starts_with("a2_login-20") && name.ends_with('Z') && name.contains('T'), "{name}");
    let log = fs::read_to_string(log).unwrap();
    let lines: Vec<_> = log.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(lines, ["scenario a2_login", "step 1: log in", "  status = 200", "passed"]);
    assert!(fs::read_to_string(report).unwrap().contains("| 1 | log in<br>status = `200` | passed |"));
}

#[test]
fn the_journal_of_a_test_that_panics_says_failed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let report = std::thread::spawn(move || {
        let mut journal = Journal::open_in(&path, "a5");
        journal.step("look");
        let report = journal.report_path().to_owned();
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _journal = journal;
            panic!("as a failed assertion would");
        }))
        .unwrap_err();
        report
    });
    let text = fs::read_to_string(report.join().unwrap()).unwrap();
    assert!(text.starts_with("# a5: failed"), "{text}");
}
