//! Connections to PostgreSQL and Redis: the database is made, what is wrong is named.

use contract::store::{self, StoreError};
use harness::{ClosedPort, Database, RedisSpace, setting};
use sqlx::migrate::Migrator;
use uuid::Uuid;

static MIGRATOR: Migrator = sqlx::migrate!();

#[tokio::test]
async fn a_database_that_does_not_exist_is_made_and_migrated_by_all_who_come_at_once() {
    // A lease gives the name; the database itself is dropped, and dropped again when the lease ends.
    let lease = Database::lease("contract", &MIGRATOR).await;
    let admin = store::postgres(&setting("DATABASE_URL"), &Migrator::DEFAULT).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP DATABASE {}", lease.name()))).execute(&admin).await.unwrap();
    let url = lease.url();
    let (one, other) = tokio::join!(store::postgres(&url, &MIGRATOR), store::postgres(&url, &MIGRATOR));
    sqlx::query("INSERT INTO marks (id) VALUES (1)").execute(&one.unwrap()).await.unwrap();
    let marks: i64 = sqlx::query_scalar("SELECT count(*) FROM marks").fetch_one(&other.unwrap()).await.unwrap();
    assert_eq!(marks, 1);
}

#[tokio::test]
async fn what_is_wrong_with_the_database_is_told_without_the_password() {
    let failure = async |url: String| store::postgres(&url, &MIGRATOR).await.unwrap_err();
    assert!(matches!(failure("nonsense".to_owned()).await, StoreError::DatabaseUrl(_)));
    let closed = ClosedPort::take();
    let url = closed.url().replace("http://", "postgres://user:secret@") + "/identity";
    let error = failure(url).await;
    assert_eq!(error.to_string(), "PostgreSQL can't be used (database identity)");
    assert!(!format!("{error:?}").contains("secret"));
    let lease = Database::lease("contract", &MIGRATOR).await;
    sqlx::query("UPDATE _sqlx_migrations SET checksum = '\\x00'").execute(&lease.pool().await).await.unwrap();
    let error = failure(lease.url()).await;
    assert_eq!(error.to_string(), format!("the migrations of database {} don't apply", lease.name()));
}

#[tokio::test]
async fn a_database_that_can_not_be_made_is_told() {
    let lease = Database::lease("contract", &MIGRATOR).await;
    let role = format!("poor_{}", Uuid::new_v4().simple());
    let pool = lease.pool().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE ROLE {role} LOGIN PASSWORD 'p'"))).execute(&pool).await.unwrap();
    let server = setting("DATABASE_URL");
    let host = server.rsplit_once('@').unwrap().1.split('/').next().unwrap();
    let refused = store::postgres(&format!("postgres://{role}:p@{host}/{role}"), &MIGRATOR).await.unwrap_err();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP ROLE {role}"))).execute(&pool).await.unwrap();
    assert_eq!(refused.to_string(), format!("PostgreSQL can't be used (database {role})"));
}

#[tokio::test]
async fn both_stores_must_answer_to_be_ready() {
    let (lease, space) = (Database::lease("contract", &MIGRATOR).await, RedisSpace::lease());
    let pool = store::postgres(&lease.url(), &MIGRATOR).await.unwrap();
    let redis = store::redis(space.url()).await.unwrap();
    assert_eq!(store::ready(&pool, redis.clone()).await, Ok(()));
    pool.close().await;
    let missing = store::ready(&pool, redis).await.unwrap_err();
    assert!(missing.starts_with("PostgreSQL doesn't answer: "), "{missing}");
}

#[tokio::test]
async fn a_redis_that_is_away_is_told() {
    let closed = ClosedPort::take();
    let error = store::redis(&closed.url().replace("http", "redis")).await.err().unwrap();
    assert_eq!(error.to_string(), "Redis can't be used");
    assert!(matches!(store::redis("nonsense").await.err().unwrap(), StoreError::Redis(_)));
}
