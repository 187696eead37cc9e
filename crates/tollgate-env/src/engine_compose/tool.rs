//! The container command and its compose command, and how they are run.

use std::fmt;
use std::time::Duration;
use tollgate_exec::{Cmd, ExecError, Interrupt, Output};

/// How long a command may take that only asks or stops something.
pub(super) const QUICK: Duration = Duration::from_secs(30);

/// A container command with a compose command that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tool {
    /// `docker`, `podman`.
    pub(super) program: String,
    /// `docker compose`, as arguments.
    pub(super) compose: Vec<String>,
    /// Version of the engine.
    pub(super) engine_version: String,
    /// Version of the compose command.
    pub(super) compose_version: String,
}

impl Tool {
    /// The tool that a ledger names by its compose command.
    pub(crate) fn of_command(command: &[String]) -> Self {
        let first = command.first().map_or("docker", String::as_str);
        let program = first.split('-').next().unwrap_or(first).to_owned();
        Self { program, compose: command.to_vec(), engine_version: String::new(), compose_version: String::new() }
    }

    /// The compose command, as a ledger names it.
    pub(crate) fn command(&self) -> &[String] {
        &self.compose
    }

    /// Runs the container command for its answer, whatever its exit code.
    pub(super) fn ask(&self, args: &[&str], timeout: Duration, interrupt: &Interrupt) -> Result<Output, ExecError> {
        Cmd::new(&self.program).args(args).timeout(timeout).die_with_parent().run(interrupt)
    }

    /// Runs the container command.
    pub(super) fn run(&self, args: &[&str], timeout: Duration, interrupt: &Interrupt) -> Result<Output, ExecError> {
        let cmd = Cmd::new(&self.program).args(args).timeout(timeout).die_with_parent();
        cmd.run(interrupt)?.success_or(&cmd)
    }

    /// Runs the compose command. It runs in the root directory, so that no compose file is found by accident.
    pub(super) fn compose(&self, args: &[&str], timeout: Duration, interrupt: &Interrupt) -> Result<Output, ExecError> {
        let (program, first) =
            self.compose.split_first().map_or(("docker", &[][..]), |(program, rest)| (program, rest));
        let cmd = Cmd::new(program).args(first).args(args).cwd("/").timeout(timeout).die_with_parent();
        cmd.run(interrupt)?.success_or(&cmd)
    }

    /// A tool that is never run.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let command = ["docker".to_owned(), "compose".to_owned()];
        Self { engine_version: "28.0.1".to_owned(), compose_version: "2.30.0".to_owned(), ..Self::of_command(&command) }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} with compose {}", self.program, self.engine_version, self.compose_version)
    }
}
