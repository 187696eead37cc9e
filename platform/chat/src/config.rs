//! Configuration from the environment, and the start of the service.

use crate::{Conversation, Replies, Sessions, State, Streams, app};
use contract::serve::{DRAIN_MAX, Serving, StartError, Variables};
use contract::store::StoreError;
use contract::{Accounting, Verifier};
use sqlx::migrate::Migrator;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

/// The migrations of the service's own database.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// How long a model takes for a token when nothing else is said, in milliseconds.
const TOKEN_INTERVAL_MS_DEFAULT: u64 = 20;

/// How long a reader may take nothing while frames wait: shorter than the drain at the end of the process, so that no
/// reader can keep a stream from being charged.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the service needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens (`LISTEN`).
    pub listen: SocketAddr,
    /// Its own database (`DATABASE_URL`).
    pub database_url: String,
    /// Redis (`REDIS_URL`).
    pub redis_url: String,
    /// What its keys in Redis begin with (`REDIS_PREFIX`, by default `chat:`).
    pub redis_prefix: String,
    /// Made of the shared secret (`TOKEN_SECRET`).
    pub verifier: Verifier,
    /// Where streams are paid (`ACCOUNTING_URL`).
    pub accounting_url: String,
    /// How long a model takes for a token (`TOKEN_INTERVAL_MS`, by default 20).
    pub interval: Duration,
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
        let redis_prefix = variables.optional("REDIS_PREFIX").unwrap_or_else(|| "chat:".to_owned());
        let verifier = variables.token_secret().map(|(_, verifier)| verifier);
        let accounting_url = variables.service_url("ACCOUNTING_URL");
        let interval_ms = variables.parsed("TOKEN_INTERVAL_MS", TOKEN_INTERVAL_MS_DEFAULT);
        let config = (|| {
            Some(Self {
                listen: listen?,
                database_url: database_url?,
                redis_url: redis_url?,
                redis_prefix,
                verifier: verifier?,
                accounting_url: accounting_url?,
                interval: Duration::from_millis(interval_ms?),
            })
        })();
        variables.finish(config)
    }
}

/// Connects to the stores; creates and migrates the database. Streams end when `stopping` turns true.
///
/// # Errors
/// Says which store can't be used and why.
pub async fn connect(config: &Config, stopping: watch::Receiver<bool>) -> Result<State, StoreError> {
    let pool = contract::store::postgres(&config.database_url, &MIGRATOR).await?;
    let redis = contract::store::redis(&config.redis_url).await?;
    let conversation = Conversation {
        sessions: Sessions::new(pool.clone()),
        streams: Streams::new(redis.clone(), &config.redis_prefix),
        replies: Replies::new(redis.clone(), &config.redis_prefix),
        accounting: Accounting::new(&config.accounting_url),
        interval: config.interval,
        patience: PATIENCE,
        stopping,
    };
    Ok(State { verifier: config.verifier.clone(), conversation, pool, redis })
}

/// Runs the process of the service; its exit code as of [`contract::serve::run`].
///
/// When it is told to stop, streams end at their next token, charged as far as they came. Those over WebSocket, and those
/// whose reader is gone, have no request any more that is waited for, so they are waited for here.
pub async fn process() -> ExitCode {
    let (stop, stopping) = watch::channel(false);
    let stop = Arc::new(stop);
    let code = Box::pin(contract::serve::run("chat", start(Arc::clone(&stop), stopping))).await;
    if timeout(DRAIN_MAX, stop.closed()).await.is_err() {
        tracing::warn!("streams were cut off uncharged");
    }
    code
}

/// Gets the service ready to serve.
async fn start(stop: Arc<watch::Sender<bool>>, stopping: watch::Receiver<bool>) -> Result<Serving, StartError> {
    let config = Config::from_env().map_err(StartError::Config)?;
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let state = connect(&config, stopping).await.map_err(|error| StartError::Store(error.into()))?;
    if let (Ok(mut terminate), Ok(mut interrupt)) = signals {
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.send_replace(true);
        });
    }
    Ok(Serving { listen: config.listen, router: app(state) })
}

#[cfg(test)]
mod unit {
    use super::*;

    const SECRET: &str = "a secret of at least 32 bytes, for tests";

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let variables =
            Variables::from_iter([("LISTEN", "here"), ("ACCOUNTING_URL", "nowhere"), ("TOKEN_INTERVAL_MS", "soon")]);
        let mistakes = Config::from_variables(variables).unwrap_err();
        let named: Vec<_> = mistakes.iter().map(|mistake| mistake.split(' ').next().unwrap()).collect();
        assert_eq!(
            named,
            ["LISTEN", "DATABASE_URL", "REDIS_URL", "TOKEN_SECRET", "ACCOUNTING_URL", "TOKEN_INTERVAL_MS"]
        );
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let mut pairs = vec![
            ("DATABASE_URL", "postgres://server/chat"),
            ("REDIS_URL", "redis://server"),
            ("TOKEN_SECRET", SECRET),
            ("ACCOUNTING_URL", "http://accounting:1"),
        ];
        let config = Config::from_variables(Variables::from_iter(pairs.clone())).unwrap();
        assert_eq!((config.interval, config.redis_prefix.as_str()), (Duration::from_millis(20), "chat:"));
        pairs.extend([("TOKEN_INTERVAL_MS", "5"), ("REDIS_PREFIX", "x:"), ("LISTEN", "127.0.0.1:1")]);
        let config = Config::from_variables(Variables::from_iter(pairs)).unwrap();
        assert_eq!((config.interval, config.redis_prefix.as_str()), (Duration::from_millis(5), "x:"));
        assert_eq!((config.listen.port(), config.accounting_url.as_str()), (1, "http://accounting:1"));
    }
}
