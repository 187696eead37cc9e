//! What an engine has to do: the small interface between the environment and the two ways to run its services.
//!
//! An engine starts, watches and stops; it decides nothing. Order, readiness and deadlines are those of the
//! environment, and the same for both engines. Both are made by
//! `new(Arc<Compose>, &Setting, Arc<Ledger>) -> Result<Self, EnvError>`: `native::NativeEngine`,
//! `engine_compose::ComposeEngine`.

use crate::{Binaries, Compose, EnvError, FileProblem, Service, resolve};
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tollgate_model::{Leftover, ServiceName};

/// What a service is started with.
pub(crate) struct StartContext<'a> {
    /// The compose file.
    pub(crate) compose: &'a Compose,
    /// Workspace binaries of one build, where the build is done.
    pub(crate) binaries: Option<&'a Binaries>,
    /// Directory that holds a directory of raw coverage profiles per service.
    pub(crate) profiles: &'a Utf8Path,
    /// File that the service's output is appended to.
    pub(crate) log: &'a Utf8Path,
    /// Real address of a port of another service, which runs already.
    pub(crate) endpoints: &'a (dyn Fn(&ServiceName, u16) -> Option<SocketAddr> + Sync),
}

impl StartContext<'_> {
    /// Words and environment of a service that runs as a process of this machine: those of the file, overridden by those of
    /// `x-tollgate`, with every `service:port` replaced by the real address and, where the binary is instrumented,
    /// with the place of its coverage profile. `own` gives the real addresses of the service's own ports.
    ///
    /// # Errors
    /// When a value names an address that isn't known.
    pub(crate) fn invocation(
        &self,
        service: &Service,
        own: &dyn Fn(u16) -> Option<SocketAddr>,
    ) -> Result<(Vec<String>, BTreeMap<String, String>), EnvError> {
        let endpoint = |name: &ServiceName, port: u16| {
            if *name == service.name { own(port) } else { (self.endpoints)(name, port) }
        };
        let words = resolve::native_words(self.compose, service, &endpoint)?;
        let mut environment = resolve::native_environment(self.compose, service, &endpoint)?;
        if let Some(profile) = self.profile_file(service, self.profiles) {
            environment.insert("LLVM_PROFILE_FILE".to_owned(), profile);
        }
        Ok((words, environment))
    }

    /// Value of `LLVM_PROFILE_FILE` for an instrumented workspace service whose profiles go to a directory of its own
    /// under `root`. `%c` keeps the file current, so that it survives a kill.
    pub(crate) fn profile_file(&self, service: &Service, root: &Utf8Path) -> Option<String> {
        let instrumented = self.binaries.is_some_and(|binaries| binaries.instrumented);
        let wanted = instrumented && service.workspace_binary().is_some();
        wanted.then(|| root.join(service.name.as_str()).join("%p-%m%c.profraw").into_string())
    }
}

/// What was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Started {
    /// An image, or a program.
    pub(crate) program: String,
    /// Something about it for the log: the container's name, the process id.
    pub(crate) detail: String,
    /// Version the program gives of itself, where it does.
    pub(crate) version: Option<String>,
}

/// Whether a service runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunState {
    /// It was never started, or was stopped on request.
    NotStarted,
    /// It runs.
    Running,
    /// It ended on its own.
    Exited {
        /// Its exit code; absent where a signal ended it.
        code: Option<i32>,
        /// `exit code 1`, `signal SIGKILL`.
        how: String,
    },
}

/// One environment's engine.
pub(crate) trait Engine: Send + Sync {
    /// Everything of the file that this engine can't honour for these services.
    fn unsupported(&self, compose: &Compose, services: &[ServiceName]) -> Vec<FileProblem>;

    /// Makes ready what the services need before the first of them can be started; called once before each batch.
    ///
    /// # Errors
    /// When that fails.
    fn prepare(&self, services: &[&Service], context: &StartContext<'_>) -> Result<(), EnvError>;

    /// Starts one service, whose dependencies' conditions hold already. Does not wait for readiness. May be called from
    /// several threads at once, for different services.
    ///
    /// # Errors
    /// When it can't be started; the error names what is missing.
    fn start(&self, service: &Service, context: &StartContext<'_>) -> Result<Started, EnvError>;

    /// Host address of a container port of a running service.
    fn endpoint(&self, service: &ServiceName, port: u16) -> Option<SocketAddr>;

    /// Whether the service runs, or how it ended. Never blocks long.
    fn state(&self, service: &ServiceName) -> RunState;

    /// Asks anew how the services are, bounded, where [`Engine::state`] only knows what it was told. Where services are
    /// children it always knows.
    fn refresh(&self) {}

    /// Waits, bounded, until the log of a service that ended is complete.
    fn await_log(&self, service: &ServiceName);

    /// Runs a command inside the service's environment (in its container, or as a process with its variables) and
    /// returns its exit code.
    ///
    /// # Errors
    /// When it can't be started or does not end in time.
    fn exec(&self, service: &ServiceName, argv: &[String], timeout: Duration) -> Result<i32, EnvError>;

    /// Stops the services gracefully, natively in this order, bounded; kills after the grace of each.
    fn stop(&self, services: &[ServiceName]);

    /// Removes everything and verifies that it is gone. May be called again.
    fn down(&self) -> Removed;
}

/// What removing everything came to.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    /// What had to be forced or is still there.
    pub(crate) leftovers: Vec<Leftover>,
    /// Whether something is there for others to clean up.
    pub(crate) stays: bool,
}
