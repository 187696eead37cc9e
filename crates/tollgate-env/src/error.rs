//! What can go wrong with an environment, and how it is said.

use crate::ledger::LedgerError;
use camino::Utf8PathBuf;
use std::fmt;
use std::io;
use tollgate_exec::ExecError;
use tollgate_model::ServiceName;

/// A mistake in the compose file, or something in it that can't be honoured, with its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileProblem {
    /// The file, as it was named.
    pub file: Utf8PathBuf,
    /// Line, from 1; 0 where there is no place.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message),
        }
    }
}

/// How one service was last seen when the environment failed to come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceReport {
    /// The service.
    pub service: ServiceName,
    /// What was last seen of it: the last answer of its probe, its exit code, that it was not started.
    pub last_seen: String,
    /// The last lines of its log.
    pub log_tail: Vec<String>,
}

impl fmt::Display for ServiceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}: {}", self.service, self.last_seen)?;
        self.log_tail.iter().try_for_each(|line| write!(f, "\n    | {line}"))
    }
}

/// A failure of the environment.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    /// The file has mistakes, or asks for what the engine can't do.
    #[error("the compose file can't be used\n{}", lines(.0))]
    File(Vec<FileProblem>),
    /// The engine that was asked for is not there.
    #[error("no container engine can be used\n{}", indented(.tried))]
    NoEngine {
        /// What was tried, and what came of it.
        tried: Vec<String>,
    },
    /// A program that a service needs is not on this machine.
    #[error("service `{service}` needs `{program}`, which is not on this machine")]
    MissingProgram {
        /// The service.
        service: ServiceName,
        /// The program.
        program: String,
        /// Which package has it.
        hint: String,
    },
    /// A service could not be started.
    #[error("service `{service}` could not be started: {detail}{}", tail(.log_tail))]
    Start {
        /// The service.
        service: ServiceName,
        /// What happened.
        detail: String,
        /// The last lines of its log.
        log_tail: Vec<String>,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Some services did not become ready.
    #[error("the environment did not come up: {reason}\n{}", lines(.services))]
    NotReady {
        /// What put an end to the waiting: a deadline, a service that ended.
        reason: String,
        /// The service that ended, where that was it; none where the time was up.
        ended: Option<ServiceName>,
        /// Every service that is not ready, with what was last seen of it.
        services: Vec<ServiceReport>,
    },
    /// A template names something that isn't there.
    #[error("`{template}` can't be resolved: {reason}")]
    Template {
        /// The template.
        template: String,
        /// What is wrong with it.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A file operation failed.
    #[error("can't {operation} {path}")]
    Io {
        /// What was tried: `write`, `create the directory`.
        operation: &'static str,
        /// Where.
        path: Utf8PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A command failed.
    #[error("{operation} failed")]
    Command {
        /// What it was for.
        operation: String,
        /// How it failed.
        #[source]
        source: ExecError,
    },
    /// The run's ledger can't be kept, and nothing may be started without it.
    #[error("the run's ledger can't be kept")]
    Ledger(#[from] LedgerError),
    /// A signal asked the run to stop.
    #[error("interrupted by signal {signal}")]
    Interrupted {
        /// The signal's number.
        signal: i32,
    },
}

impl EnvError {
    /// What a user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MissingProgram { hint, .. } => Some(hint.clone()),
            Self::Start { hint, .. } | Self::Template { hint, .. } => hint.clone(),
            Self::File(problems) => problems.iter().find_map(|problem| problem.hint.clone()),
            Self::NoEngine { .. } => Some("run with `--engine native`, or start the container engine".to_owned()),
            Self::NotReady { .. }
            | Self::Io { .. }
            | Self::Command { .. }
            | Self::Ledger(_)
            | Self::Interrupted { .. } => None,
        }
    }

    /// Makes an error of a failed file operation.
    pub(crate) fn io(operation: &'static str, path: impl Into<Utf8PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }
}

fn lines<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn indented(items: &[String]) -> String {
    items.iter().map(|item| format!("  {item}")).collect::<Vec<_>>().join("\n")
}

fn tail(log: &[String]) -> String {
    log.iter().flat_map(|line| ["\n    | ", line]).collect()
}
