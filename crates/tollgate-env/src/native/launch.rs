//! Starting a process of this machine so that it can't outlive the orchestrator.

use super::scribe::Scribe;
use crate::EnvError;
use crate::process::ProcessId;
use camino::Utf8PathBuf;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use tollgate_exec::shim::{self, Shim};
use tollgate_exec::{Interrupt, Signal};
use tollgate_model::Masks;

/// Variables of the orchestrator that a service inherits; everything else comes from the compose file.
const INHERITED: [&str; 9] =
    ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "RUST_BACKTRACE"];

/// How often a wait for a process looks whether the run was interrupted.
const STEP: Duration = Duration::from_millis(50);

/// A user of this machine that a process is given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// Whom a server is given that refuses to run as root: the user of its package where that exists, else `nobody`.
    /// Nobody in particular where the orchestrator is not root.
    pub(super) fn unprivileged(of_package: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::find(&users, of_package).or_else(|| Self::find(&users, "nobody"))
    }

    fn find(users: &str, name: &str) -> Option<Self> {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }
}

/// A process to start.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub(super) argv: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) directory: Utf8PathBuf,
    /// The user it runs as; absent for that of the orchestrator.
    pub(super) account: Option<Account>,
    /// File that its output is appended to.
    pub(super) log: Utf8PathBuf,
    /// File that it reads; absent for nothing.
    pub(super) input: Option<Utf8PathBuf>,
    /// What the kernel sends it when the orchestrator dies.
    pub(super) death_signal: Signal,
}

impl Launch {
    /// The variables of the process: a few of the orchestrator, overridden by its own.
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        let inherited = INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
        inherited.chain(self.environment.clone()).collect()
    }

    /// The command, and who writes its log.
    fn command(&self, masks: &Masks) -> io::Result<(Command, Arc<Scribe>)> {
        let (program, args) = self.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = if shim::is_available() {
            let shim = Shim::new(program).args(args).death_signal(self.death_signal).cwd(&self.directory);
            self.account.map_or(shim.clone(), |account| shim.user(account.uid, account.gid)).command()
        } else {
            // A program whose `main` is not ours, as that of a test: the same but for the death signal.
            let mut command = Command::new(program);
            command.args(args).current_dir(&self.directory).process_group(0);
            if let Some(account) = self.account {
                command.uid(account.uid).gid(account.gid);
            }
            command
        };
        let (scribe, log) = Scribe::begin(&self.log, masks.clone())?;
        let input = self.input.as_ref().map(fs::File::open).transpose()?;
        command.env_clear().envs(self.variables());
        command.stdin(input.map_or_else(Stdio::null, Stdio::from)).stdout(log.try_clone()?).stderr(log);
        Ok((command, scribe))
    }
}

/// A process that was started: the child, and its identity for everybody else.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) child: Child,
    pub(super) id: ProcessId,
    pub(super) scribe: Arc<Scribe>,
}

type Request = (Launch, Sender<io::Result<Launched>>);

/// The thread that starts processes.
///
/// The kernel takes a child's parent for dead when the thread that forked it ends. Services are started from threads
/// that come and go, so one thread forks for all of them and lives as long as their engine.
#[derive(Debug)]
pub(super) struct Launcher {
    requests: Sender<Request>,
}

impl Launcher {
    /// Starts the thread; no log shows what is masked.
    pub(super) fn new(masks: Masks) -> io::Result<Self> {
        let (requests, inbox) = channel::<Request>();
        let serve = move || {
            for (launch, answer) in inbox {
                // Whoever asked waits for the answer, so it can be delivered.
                let _ = answer.send(start(&launch, &masks));
            }
        };
        std::thread::Builder::new().name("launcher".into()).spawn(serve)?;
        Ok(Self { requests })
    }

    /// Starts a process.
    pub(super) fn start(&self, launch: &Launch) -> io::Result<Launched> {
        let (answer, started) = channel();
        let gone = |_| io::Error::other("the thread that starts processes has ended");
        self.requests.send((launch.clone(), answer)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        started.recv().map_err(gone)?
    }

    /// Runs a process to its end, at most for `limit`. It is killed at the limit and on the interrupt.
    pub(super) fn run(&self, launch: &Launch, limit: Duration, interrupt: &Interrupt) -> Result<Ended, io::Error> {
        let mut launched = self.start(launch)?;
        let deadline = Instant::now() + limit;
        let ended = loop {
            if launched.id.gone_within(STEP) {
                break None;
            }
            if let Some(signal) = interrupt.signal() {
                break Some(Ended::Interrupted(signal));
            }
            if Instant::now() >= deadline {
                break Some(Ended::TimedOut);
            }
        };
        // The leader is not collected yet, so its group can't be another's.
        tollgate_exec::signal_group(launched.child.id(), Signal::KILL);
        let status = launched.child.wait()?;
        launched.scribe.finish();
        Ok(ended.unwrap_or(Ended::Status(status)))
    }
}

/// How a process that was run to its end ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// On its own.
    Status(ExitStatus),
    /// It was killed at its limit.
    TimedOut,
    /// It was killed since the run was interrupted.
    Interrupted(i32),
}

fn start(launch: &Launch, masks: &Masks) -> io::Result<Launched> {
    let (mut command, scribe) = launch.command(masks)?;
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    // Until it is collected it can be read, whether it still runs or not.
    let id = ProcessId::of(pid).ok_or_else(|| io::Error::other("a child that was just started can't be read"))?;
    Ok(Launched { child, id, scribe })
}

/// Where a log ends now, to look later only at what came after.
pub(super) fn log_end(log: &camino::Utf8Path) -> u64 {
    fs::metadata(log).map_or(0, |metadata| metadata.len())
}

/// Most of a log that is read for its last lines.
const TAIL_BYTES: u64 = 64 * 1024;

/// The last 20 lines that a log got after `from`.
pub(super) fn log_tail(log: &camino::Utf8Path, from: u64) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].iter().map(|line| (*line).to_owned()).collect()
}

/// Makes sure that the directory of a log is there.
pub(super) fn make_log_directory(log: &camino::Utf8Path) -> Result<(), EnvError> {
    let directory = log.parent().unwrap_or(log);
    fs::create_dir_all(directory).map_err(EnvError::io("create the directory", directory))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\nmy-postgres:x:9:9::/:/bin/sh\npostgres:x:101:104:,,,:/var:/bin/bash\nbad:x\n";
        assert_eq!(Account::find(users, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(Account::find(users, "nobody"), None);
        assert_eq!(Account::find(users, "bad"), None);
    }
}
