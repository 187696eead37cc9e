//! Configuration from the environment, and the start of the service.

use crate::store::Postgres;
use crate::{Books, Counters, Ledger, Locks, State, app};
use contract::Verifier;
use contract::serve::{Serving, StartError, Variables};
use contract::store::StoreError;
use sqlx::migrate::Migrator;
use std::net::SocketAddr;

/// The migrations of the service's own database.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// What the service needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens (`LISTEN`).
    pub listen: SocketAddr,
    /// Its own database (`DATABASE_URL`).
    pub database_url: String,
    /// Redis (`REDIS_URL`).
    pub redis_url: String,
    /// What its keys in Redis begin with (`REDIS_PREFIX`, by default `accounting:`).
    pub redis_prefix: String,
    /// Made of the shared secret (`TOKEN_SECRET`).
    pub verifier: Verifier,
}

impl Config {
    /// Reads the configuration from the environment of the process.
    ///
    /// # Errors
    /// Everything that is wrong with it, one sentence each.
    pub fn from_env() -> Result<Self, Vec<String>> {
        Self::from_variables(Variables::from_env())
    }

    /// Reads the configuration from variables.
    ///
    /// # Errors
    /// As `from_env`.
    pub fn from_variables(mut variables: Variables) -> Result<Self, Vec<String>> {
        let listen = variables.listen();
        let database_url = variables.required("DATABASE_URL");
        let redis_url = variables.required("REDIS_URL");
        let redis_prefix = variables.optional("REDIS_PREFIX").unwrap_or_else(|| "accounting:".to_owned());
        let verifier = variables.token_secret().map(|(_, verifier)| verifier);
        let config = (|| {
            Some(Self {
                listen: listen?,
                database_url: database_url?,
                redis_url: redis_url?,
                redis_prefix,
                verifier: verifier?,
            })
        })();
        variables.finish(config)
    }
}

/// Connects to the stores; creates and migrates the database.
///
/// # Errors
/// Says which store can't be used and why.
pub async fn connect(config: &Config) -> Result<State, StoreError> {
    let pool = contract::store::postgres(&config.database_url, &MIGRATOR).await?;
    let redis = contract::store::redis(&config.redis_url).await?;
    let books = Books {
        ledger: Ledger::new(Postgres::new(pool.clone())),
        locks: Locks::new(redis.clone(), &config.redis_prefix),
        counters: Counters::new(redis.clone(), &config.redis_prefix),
    };
    Ok(State { verifier: config.verifier.clone(), books, pool, redis })
}

/// Gets the service ready to serve.
///
/// # Errors
/// The configuration's mistakes, or the store that can't be used.
pub async fn start() -> Result<Serving, StartError> {
    let config = Config::from_env().map_err(StartError::Config)?;
    let state = connect(&config).await.map_err(|error| StartError::Store(error.into()))?;
    Ok(Serving { listen: config.listen, router: app(state) })
}

#[cfg(test)]
mod unit {
    use super::*;

    const SECRET: &str = "a secret of at least 32 bytes, for tests";

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let variables = Variables::from_iter([("LISTEN", "here"), ("TOKEN_SECRET", "short")]);
        let mistakes = Config::from_variables(variables).unwrap_err();
        let named: Vec<_> = mistakes.iter().map(|mistake| mistake.split(' ').next().unwrap()).collect();
        assert_eq!(named, ["LISTEN", "DATABASE_URL", "REDIS_URL", "TOKEN_SECRET"]);
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let variables = Variables::from_iter([
            ("LISTEN", "127.0.0.1:1234"),
            ("DATABASE_URL", "postgres://server/accounting"),
            ("REDIS_URL", "redis://server"),
            ("TOKEN_SECRET", SECRET),
        ]);
        let config = Config::from_variables(variables).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:1234");
        assert_eq!(
            (config.database_url.as_str(), config.redis_url.as_str()),
            ("postgres://server/accounting", "redis://server")
        );
        assert_eq!(config.redis_prefix, "accounting:");
    }
}
