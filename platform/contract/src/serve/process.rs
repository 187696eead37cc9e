//! The process of a service: logs, listening, the container's health check, a shutdown that ends.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use super::Variables;
use super::refusal::chain;

/// How long requests in flight may take to finish after a stop signal.
pub const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How long a service may take to answer its own health check.
const CHECK_MAX: Duration = Duration::from_secs(3);

/// The exit code of a process that was called or configured wrongly.
const EXIT_USAGE: u8 = 2;

/// A service that is about to serve.
pub struct Serving {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What it answers.
    pub router: Router,
}

/// Why a service can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment is wrong.
    #[error("the configuration has mistakes: {}", .0.join("; "))]
    Config(Vec<String>),
    /// A store that it needs can't be used.
    #[error("a store can't be used")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address is taken or not this machine's.
    #[error("can't listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Why a process ends before its time: its exit code (1 failed or not ready, 2 wrong call or configuration) and the
/// cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The exit code.
    pub code: u8,
    /// The cause, with its sources.
    pub cause: String,
}

impl Ending {
    fn failed(error: &dyn std::error::Error) -> Self {
        Self { code: 1, cause: chain(error) }
    }

    fn usage(cause: String) -> Self {
        Self { code: EXIT_USAGE, cause }
    }
}

impl From<StartError> for Ending {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(_) => Self::usage(chain(&error)),
            StartError::Store(_) | StartError::Listen { .. } => Self::failed(&error),
        }
    }
}

/// Runs a service's process: sets up its log, acts on the command line, and ends with the exit code.
pub async fn run(service: &'static str, start: impl Future<Output = Result<Serving, StartError>>) -> ExitCode {
    log_to_stderr();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match act(&arguments, Variables::from_env(), start).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ending { code, cause }) => {
            tracing::error!(service, cause, "the process ends");
            ExitCode::from(code)
        }
    }
}

/// Does what the arguments say: without one serves until SIGTERM or SIGINT; with `--check` asks the service that listens
/// on `LISTEN` whether it is ready.
///
/// # Errors
///
/// Why it failed, or is not ready.
pub async fn act(
    arguments: &[String],
    variables: Variables,
    start: impl Future<Output = Result<Serving, StartError>>,
) -> Result<(), Ending> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => serve(start).await,
        ["--check"] => check(variables).await,
        other => Err(Ending::usage(format!("unknown arguments {other:?}; known is --check"))),
    }
}

/// Serves until `stop` ends, then lets requests in flight finish within `drain`.
///
/// Whether all of them did finish in time.
///
/// # Errors
///
/// What the listener said.
pub async fn serve_until(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    drain: Duration,
) -> std::io::Result<bool> {
    let (draining, drained) = oneshot::channel::<()>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move { drained.await.unwrap_or_default() });
    let bound = async {
        stop.await;
        draining.send(()).unwrap_or_default();
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        ended = server.into_future() => ended.map(|()| true),
        () = bound => Ok(false),
    }
}

async fn serve(start: impl Future<Output = Result<Serving, StartError>>) -> Result<(), Ending> {
    let stop = stop_signal().map_err(|error| Ending::failed(&error))?;
    let Serving { listen, router } = start.await?;
    let bound = TcpListener::bind(listen).await;
    let listener = bound.map_err(|source| StartError::Listen { listen, source })?;
    tracing::info!(address = listener.local_addr().map_or_else(|_| listen.to_string(), |at| at.to_string()), "serving");
    let finished = serve_until(listener, router, stop, DRAIN_MAX).await.map_err(|error| Ending::failed(&error))?;
    tracing::info!(finished, "stopped");
    Ok(())
}

/// Ends with the first SIGTERM or SIGINT; both are caught from this call on, so that none is lost during the start.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn check(mut variables: Variables) -> Result<(), Ending> {
    let listen = variables.listen();
    let listen = variables.finish(listen).map_err(StartError::Config)?;
    let url = format!("http://{}/ready", reachable(listen));
    let answer = reqwest::Client::new().get(&url).timeout(CHECK_MAX).send().await;
    let status = answer.map_err(|error| Ending::failed(&error))?.status();
    if status.is_success() { Ok(()) } else { Err(Ending { code: 1, cause: format!("{url} answers {status}") }) }
}

/// The address to ask at; a service that listens on every address is asked on the loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() { SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port()) } else { listen }
}

/// JSON lines on stderr, filtered by `RUST_LOG`, `info` by default. A second call in one process changes nothing.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init()
        .unwrap_or_default();
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_service_on_every_address_is_asked_on_the_loopback() {
        let asked = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:81"), "127.0.0.1:81");
        assert_eq!(asked("127.0.0.2:81"), "127.0.0.2:81");
    }

    #[test]
    fn a_wrong_configuration_has_an_exit_code_of_its_own() {
        let config = StartError::Config(vec!["A is not set".to_owned(), "B is not set".to_owned()]);
        let cause = "the configuration has mistakes: A is not set; B is not set".to_owned();
        assert_eq!(Ending::from(config), Ending { code: 2, cause });
    }

    #[test]
    fn an_ending_is_told_with_its_sources() {
        let cause = "a store can't be used: refused".to_owned();
        assert_eq!(Ending::from(StartError::Store("refused".into())), Ending { code: 1, cause });
    }
}
