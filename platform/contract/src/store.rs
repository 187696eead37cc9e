//! Connections to PostgreSQL and Redis, with the database created and migrated as a service starts.

use std::str::FromStr;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};

/// Connections a service holds at most.
const CONNECTIONS_MAX: u32 = 8;
/// How long a query may wait for a connection, and a connection to Redis for its answer.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The SQLSTATE of a database that doesn't exist.
const INVALID_CATALOG_NAME: &str = "3D000";
/// The SQLSTATEs of a database that somebody else created first: seen before, or at the same moment.
const CREATED_BY_ANOTHER: [&str; 2] = ["42P04", "23505"];

/// Why a store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached or refuses.
    #[error("PostgreSQL can't be used (database {database})")]
    Postgres {
        /// The database.
        database: String,
        /// What it said.
        #[source]
        source: sqlx::Error,
    },
    /// `DATABASE_URL` is not a URL of PostgreSQL.
    #[error("DATABASE_URL can't be read")]
    DatabaseUrl(#[source] sqlx::Error),
    /// The migrations don't apply.
    #[error("the migrations of database {database} don't apply")]
    Migrate {
        /// The database.
        database: String,
        /// What went wrong.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// Redis can't be reached or refuses.
    #[error("Redis can't be used")]
    Redis(#[source] redis::RedisError),
}

/// Connects to PostgreSQL; creates the database where it doesn't exist and applies the migrations.
///
/// # Errors
///
/// Says which database and what it answered; never the password.
pub async fn postgres(url: &str, migrator: &Migrator) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(StoreError::DatabaseUrl)?.disable_statement_logging();
    let database = options.get_database().unwrap_or_else(|| options.get_username()).to_owned();
    let failed = |source| StoreError::Postgres { database: database.clone(), source };
    create_if_absent(&options, &database).await.map_err(failed)?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(WAIT_MAX);
    let pool = pool.connect_with(options).await.map_err(failed)?;
    migrator.run(&pool).await.map_err(|source| StoreError::Migrate { database: database.clone(), source })?;
    Ok(pool)
}

async fn create_if_absent(options: &PgConnectOptions, database: &str) -> Result<(), sqlx::Error> {
    match PgConnection::connect_with(options).await {
        Ok(connection) => connection.close().await,
        Err(error) if has_code(&error, &[INVALID_CATALOG_NAME]) => create(options, database).await,
        Err(error) => Err(error),
    }
}

async fn create(options: &PgConnectOptions, database: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(&options.clone().database("postgres")).await?;
    // Safe: the name is quoted.
    let statement = AssertSqlSafe(format!("CREATE DATABASE {}", quoted(database)));
    let created = sqlx::raw_sql(statement).execute(&mut connection).await;
    connection.close().await?;
    match created {
        Err(error) if !has_code(&error, &CREATED_BY_ANOTHER) => Err(error),
        _ => Ok(()),
    }
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| codes.contains(&code.as_ref()))
}

/// A name as an SQL identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Connects to Redis; the connection restores itself when Redis comes back.
///
/// # Errors
///
/// What Redis answered.
pub async fn redis(url: &str) -> Result<ConnectionManager, StoreError> {
    let client = redis::Client::open(url).map_err(StoreError::Redis)?;
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(2)
        .set_connection_timeout(Some(WAIT_MAX))
        .set_response_timeout(Some(WAIT_MAX));
    ConnectionManager::new_with_config(client, config).await.map_err(StoreError::Redis)
}

/// Asks both stores for a sign of life.
///
/// # Errors
///
/// Says which one doesn't answer, and why.
pub async fn ready(pool: &PgPool, mut redis: ConnectionManager) -> Result<(), String> {
    sqlx::query("SELECT 1").execute(pool).await.map_err(|error| format!("PostgreSQL doesn't answer: {error}"))?;
    let pong: Result<String, _> = redis::cmd("PING").query_async(&mut redis).await;
    pong.map(drop).map_err(|error| format!("Redis doesn't answer: {error}"))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_name_with_quotes_stays_one_identifier() {
        assert_eq!(quoted("plain"), "\"plain\"");
        assert_eq!(quoted("a\"; DROP"), "\"a\"\"; DROP\"");
    }

    #[test]
    fn only_the_named_states_of_the_database_count() {
        assert!(!has_code(&sqlx::Error::PoolClosed, &CREATED_BY_ANOTHER));
    }
}
