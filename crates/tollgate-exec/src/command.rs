//! A command: what to run, where, with which limits.

use crate::shim::{self, Shim};
use crate::supervise::{self, Limits};
use crate::{ExecError, Interrupt, Output, Signal, Stream, find_program_in};
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time between the stop signal and SIGKILL where a command doesn't ask for another.
const GRACE: Duration = Duration::from_secs(2);

/// Set by the runtime of coverage counters in its own process, once it has created the directory of the profile.
///
/// A child that inherits it takes the directory for created, and with another `LLVM_PROFILE_FILE` and continuous counters
/// writes no profile at all, in silence (LLVM 22.1). So no child inherits it from a process that is measured itself.
pub(crate) const PROFILE_STARTED: &str = "__LLVM_PROFILE_RT_INIT_ONCE";

/// A command to run and wait for.
///
/// The child leads a process group of its own and has nothing on its standard input.
#[derive(Debug, Clone)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    variables: Vec<(OsString, Option<OsString>)>,
    directory: Option<PathBuf>,
    limits: Limits,
    dies_with_parent: bool,
}

impl Cmd {
    /// A command without arguments; a program without `/` is looked for on `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            variables: Vec::new(),
            directory: None,
            limits: Limits { timeout: None, grace: GRACE, stop_signal: Signal::TERM },
            dies_with_parent: false,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the child.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Sets variables of the child.
    #[must_use]
    pub fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(self, variables: impl IntoIterator<Item = (N, V)>) -> Self {
        variables.into_iter().fold(self, |cmd, (name, value)| cmd.env(name, value))
    }

    /// Keeps the child from inheriting a variable.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.as_ref().to_owned(), None));
        self
    }

    /// Runs in a directory.
    #[must_use]
    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Limits the time from spawn to end; without it the wait is bounded by the interrupt alone.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = Some(timeout);
        self
    }

    /// Sets the time between the stop signal and SIGKILL, 2 s by default.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.limits.grace = grace;
        self
    }

    /// Sets the signal that asks the process group to stop, SIGTERM by default.
    #[must_use]
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.limits.stop_signal = signal;
        self
    }

    /// Lets the kernel send the stop signal to the child when this process dies.
    ///
    /// It works in programs whose `main` calls [`shim::intercept`] first; elsewhere it changes nothing. The thread that
    /// spawned the child counts as its parent, which is sound here since that thread waits for it.
    #[must_use]
    pub fn die_with_parent(mut self) -> Self {
        self.dies_with_parent = true;
        self
    }

    /// Runs to the end and captures the output.
    ///
    /// # Errors
    /// When the program is not found or can't be started, at the timeout, and on the interrupt, which also keeps a
    /// command from starting. A status other than success is not an error here; see [`Output::success_or`].
    pub fn run(&self, interrupt: &Interrupt) -> Result<Output, ExecError> {
        self.stream(interrupt, &mut |_, _| ())
    }

    /// Runs to the end, hands on each line as it comes, and captures the output too.
    ///
    /// # Errors
    /// Those of [`Cmd::run`].
    pub fn stream(&self, interrupt: &Interrupt, on_line: &mut dyn FnMut(Stream, &str)) -> Result<Output, ExecError> {
        if let Some(signal) = interrupt.signal() {
            return Err(ExecError::Interrupted { argv: self.display(), signal });
        }
        let start = Instant::now();
        let child = self.spawn()?;
        let (output, stopped) = supervise::wait(child, start, &self.limits, interrupt, on_line)
            .map_err(|source| ExecError::Spawn { argv: self.display(), source })?;
        match stopped {
            None => Ok(output),
            Some(supervise::Stopped::Interrupted(signal)) => {
                Err(ExecError::Interrupted { argv: self.display(), signal })
            }
            Some(supervise::Stopped::TimedOut(after)) => {
                Err(ExecError::TimedOut { argv: self.display(), after, tail: output.tail() })
            }
        }
    }

    /// The command as it would be typed into a shell, without its variables.
    pub fn display(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.args);
        words.map(|word| quote(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }

    fn spawn(&self) -> Result<Child, ExecError> {
        let spawn = |source| ExecError::Spawn { argv: self.display(), source };
        if let Some(directory) = self.directory.as_deref().filter(|directory| !directory.is_dir()) {
            let message = format!("there is no directory `{}`", directory.display());
            return Err(spawn(io::Error::new(io::ErrorKind::NotFound, message)));
        }
        let program = self.locate()?;
        let mut command = if self.dies_with_parent && shim::is_available() {
            Shim::new(program).args(&self.args).death_signal(self.limits.stop_signal).command()
        } else {
            let mut command = Command::new(program);
            command.args(&self.args).process_group(0);
            command
        };
        command.env_remove(PROFILE_STARTED);
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(spawn)
    }

    /// Looks for the program before the fork, so that "not found" means the program and nothing else.
    fn locate(&self) -> Result<PathBuf, ExecError> {
        let not_found = |hint: &str| ExecError::NotFound {
            program: self.program.to_string_lossy().into_owned(),
            hint: hint.to_owned(),
        };
        if self.program.as_encoded_bytes().contains(&b'/') {
            let program = self.directory.as_deref().unwrap_or(Path::new("")).join(&self.program);
            return find_program_in(program.as_os_str(), OsStr::new(""))
                .ok_or_else(|| not_found("there is no executable file of that name"));
        }
        let path = match self.variables.iter().rev().find(|(name, _)| name == "PATH") {
            Some((_, value)) => value.clone(),
            None => env::var_os("PATH"),
        };
        find_program_in(&self.program, path.as_deref().unwrap_or_default())
            .ok_or_else(|| not_found("no directory of PATH has it"))
    }
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_command_is_shown_as_a_shell_would_take_it() {
        let cmd = Cmd::new("cargo").args(["nextest", "-E", "kind(lib) + test(it's)", ""]).arg("--a=b/c:1,2");
        assert_eq!(cmd.display(), r"cargo nextest -E 'kind(lib) + test(it'\''s)' '' --a=b/c:1,2");
    }
}
