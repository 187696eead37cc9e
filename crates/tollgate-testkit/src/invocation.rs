//! Hermetic runs of a command: cleared environment, fixed width, no colour.

use crate::Fixture;
use std::{
    fmt,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
};

/// Variables that a run of cargo needs from outside; all others are cleared.
pub(crate) const PASSED_ON: [&str; 9] = [
    "PATH",
    "HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "XDG_CACHE_HOME",
    "TMPDIR",
    "SSL_CERT_FILE",
    // Coverage of the command itself belongs to the run that tests it.
    "LLVM_PROFILE_FILE",
];

/// A command about to be run in a fixture.
#[derive(Debug)]
pub struct Invocation {
    command: Command,
}

/// How a command ended and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Exit code; a signal's number plus 128 where one ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// All of it in one text, so that a failed assertion shows what happened.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

impl Invocation {
    /// Prepares a run of `program` in the root of the fixture.
    pub fn new(program: impl AsRef<Path>, fixture: &Fixture) -> Self {
        let mut command = Command::new(program.as_ref());
        command.current_dir(fixture.root()).env_clear().stdin(Stdio::null());
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("COLUMNS", "80").env("NO_COLOR", "1").env("TERM", "dumb");
        Self { command }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs to the end.
    pub fn run(mut self) -> Ended {
        let output = self.command.output().expect("the command can be started");
        Ended {
            code: code(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts and goes on as soon as a line of standard error has the text.
    pub fn start_until(mut self, text: &str) -> Running {
        let mut child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut seen = String::new();
        while !seen.contains(text) {
            let length = stderr.read_line(&mut seen).expect("readable");
            assert!(length > 0, "the command ended before it said `{text}`:\n{seen}");
        }
        Running { child, stderr, seen }
    }
}

/// A command that is under way.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    seen: String,
}

impl Running {
    /// Process id of the command.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name: `INT`, `KILL`.
    pub fn signal(&self, name: &str) -> &Self {
        send(name, self.pid());
        self
    }

    /// Children of the command, by process id.
    pub fn children(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Sends a signal to the command's only child.
    pub fn signal_child(&self, name: &str) -> &Self {
        let children = self.children();
        assert_eq!(children.len(), 1, "children {children:?}");
        send(name, children[0]);
        self
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        self.stderr.read_to_string(&mut self.seen).expect("readable");
        let mut stdout = String::new();
        self.child.stdout.take().expect("a pipe").read_to_string(&mut stdout).expect("readable");
        let status = self.child.wait().expect("it ends");
        Ended { code: code(status), stdout, stderr: self.seen }
    }
}

fn send(name: &str, pid: u32) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().expect("kill runs");
    assert!(status.success(), "kill -{name} {pid}");
}

fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}
