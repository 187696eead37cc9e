//! Where and how an environment is brought up, and what it tells while it is.

use camino::Utf8PathBuf;
use std::net::SocketAddr;
use std::time::Duration;
use tollgate_exec::Interrupt;
use tollgate_model::{EngineKind, Masks, Milliseconds, RunId, ServiceName};

/// Where and how an environment is brought up.
#[derive(Clone)]
pub struct Setting {
    /// The engine.
    pub engine: EngineKind,
    /// Why that one.
    pub engine_reason: String,
    /// The run that needs it.
    pub run: RunId,
    /// The run's directory: logs go to `services/<name>.log` in it, the ledger to `ledger.jsonl`.
    pub run_dir: Utf8PathBuf,
    /// Root of the workspace.
    pub workspace_root: Utf8PathBuf,
    /// How long all services together may take to become ready.
    pub ready_timeout: Duration,
    /// Ends every wait when a signal comes.
    pub interrupt: Interrupt,
    /// Directory of raw coverage profiles: instrumented services write `<service>/%p-%m%c.profraw` in it.
    pub profiles: Utf8PathBuf,
    /// What the logs of services may not show.
    pub masks: Masks,
}

/// The workspace binaries of one build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// Directory that holds them by name.
    pub directory: Utf8PathBuf,
    /// Whether they count coverage.
    pub instrumented: bool,
}

/// Something that happened to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvEvent {
    /// It was started.
    Started {
        /// The service.
        service: ServiceName,
        /// The program and what is known of it.
        detail: String,
    },
    /// It answered its probe.
    Ready {
        /// The service.
        service: ServiceName,
        /// Time since it was started.
        after_ms: Milliseconds,
        /// Address of its first port, where it has one.
        address: Option<SocketAddr>,
    },
    /// It ran to its end with success, as it should.
    Completed {
        /// The service.
        service: ServiceName,
        /// Time since it was started.
        after_ms: Milliseconds,
    },
    /// It ended on its own while it was needed.
    Died {
        /// The service.
        service: ServiceName,
        /// `exit code 1`, `signal SIGKILL`.
        how: String,
    },
    /// It was stopped on request.
    Stopped {
        /// The service.
        service: ServiceName,
    },
}
