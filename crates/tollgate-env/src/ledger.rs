//! The ledger of a run: what it created, written down before it was created.
//!
//! `runs/<id>/ledger.jsonl` holds one JSON object a line and only ever grows; `runs/<id>/lock` is locked for as long as
//! the run lives. The kernel releases the lock whatever ends the process, so a free lock beside an unfinished ledger
//! is the proof that somebody has to clean up, and the ledger is the list of what.

use crate::process::{ProcessId, boot_id};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;
use tollgate_model::{RunId, SCHEMA, ServiceName};

/// Name of the ledger in a run's directory.
const LEDGER: &str = "ledger.jsonl";
/// Name of the lock in a run's directory.
const LOCK: &str = "lock";

/// Name of the file in a run's directory in which an environment that stays up gives its variables, secrets among them.
pub const NOTICE: &str = "environment.json";

/// Between two looks at a lock; waiting for one can't be bounded otherwise.
const LOOK: Duration = Duration::from_millis(5);

/// Why a ledger could not be kept.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// A file of it could not be created, written or read.
    #[error("cannot {action} `{path}`")]
    File {
        /// `create`, `lock`, `append to`, `read`, `remove`.
        action: &'static str,
        /// Which file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process holds the lock of this run.
    #[error("run directory `{run_dir}` belongs to a run that is still alive")]
    Held {
        /// The directory.
        run_dir: Utf8PathBuf,
    },
}

/// The signal that a service is stopped with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopKind {
    /// SIGTERM, then SIGKILL.
    Plain,
    /// SIGINT, then SIGQUIT, then SIGKILL: PostgreSQL leaks a shared memory segment only when it is killed.
    Postgres,
}

/// Directories below it are in memory.
const MEMORY: &str = "/dev/shm";

/// One line of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "entry")]
pub enum Entry {
    /// The first line: whose ledger this is.
    Run {
        /// Number of the schema.
        schema: u32,
        /// The run.
        run: RunId,
        /// The boot it ran in.
        boot_id: String,
        /// The orchestrator.
        process: ProcessId,
    },
    /// A directory outside the run directory is about to be created.
    Directory {
        /// Absolute path.
        path: Utf8PathBuf,
    },
    /// Another commit is about to be checked out beside the runs, with runs of its own in the target directory next to it.
    Checkout {
        /// Absolute path: [`checkout_of`] the run's directory, and in it `tree`.
        path: Utf8PathBuf,
    },
    /// The orchestrator is about to move into a control group of its own, which everything it starts inherits.
    ControlGroup {
        /// Absolute path of its directory.
        path: Utf8PathBuf,
    },
    /// A service is about to be started.
    Starting {
        /// Which one.
        service: ServiceName,
        /// What is run.
        program: String,
    },
    /// A service was started; it leads a process group of its own.
    Process {
        /// Which one.
        service: ServiceName,
        /// Its process.
        process: ProcessId,
        /// The boot it was started in.
        boot_id: String,
        /// How it is stopped.
        stop: StopKind,
    },
    /// A compose project is about to be created.
    Project {
        /// Its name.
        name: String,
        /// The command that manages it: `docker compose`.
        command: Vec<String>,
    },
    /// The run was torn down, and nothing is left.
    Finished,
}

/// The ledger of the run that this process is. Dropping it releases the lock and finishes nothing.
#[derive(Debug)]
pub struct Ledger {
    path: Utf8PathBuf,
    file: Mutex<File>,
    finished: AtomicBool,
    _lock: File,
}

impl Ledger {
    /// Locks a run directory, creating it where needed, and begins its ledger.
    ///
    /// # Errors
    /// When the directory belongs to a living run, or a file can't be written.
    pub fn open(run_dir: &Utf8Path, run: &RunId) -> Result<Self, LedgerError> {
        fs::create_dir_all(run_dir).map_err(file_error("create", run_dir))?;
        let lock = try_lock(run_dir)?.ok_or_else(|| LedgerError::Held { run_dir: run_dir.to_owned() })?;
        let path = run_dir.join(LEDGER);
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(file_error("create", &path))?;
        let ledger = Self { path, file: Mutex::new(file), finished: AtomicBool::new(false), _lock: lock };
        let process = ProcessId::own();
        ledger.record(&Entry::Run { schema: SCHEMA, run: run.clone(), boot_id: boot_id(), process })?;
        Ok(ledger)
    }

    /// Begins the ledger of a run anew whose environment was torn down, or that had none; none where something is left of it,
    /// which its ledger still has to account for.
    ///
    /// # Errors
    /// Those of [`Ledger::open`].
    pub fn reopen(run_dir: &Utf8Path, run: &RunId) -> Result<Option<Self>, LedgerError> {
        let is_done = Account::read(run_dir).is_none_or(|account| account.finished());
        is_done.then(|| Self::open(run_dir, run)).transpose()
    }

    /// Writes an entry. What the entry announces may be created when this has returned.
    ///
    /// An entry about what outlives the machine (containers, a checkout, a directory on a disk) is on the disk by then, and all before it;
    /// for the others, which a power loss takes with it, the page cache is enough to outlive the orchestrator.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn record(&self, entry: &Entry) -> Result<(), LedgerError> {
        self.record_all(std::slice::from_ref(entry))
    }

    /// Writes several entries with one trip to the disk; otherwise as [`Ledger::record`].
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn record_all(&self, entries: &[Entry]) -> Result<(), LedgerError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        append(&mut file, entries).map_err(file_error("append to", &self.path))
    }

    /// Marks the end, after a teardown that was verified; once is enough.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn finish(&self) -> Result<(), LedgerError> {
        if self.finished.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.record(&Entry::Finished)?;
        self.finished.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// Appends entries in one write, so that no other writer's line comes between.
fn append(file: &mut File, entries: &[Entry]) -> io::Result<()> {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&serde_json::to_string(entry)?);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    if entries.iter().any(outlives_the_machine) {
        file.sync_data()?;
    }
    Ok(())
}

/// Whether what an entry announces is still there after a power loss.
fn outlives_the_machine(entry: &Entry) -> bool {
    match entry {
        Entry::Project { .. } | Entry::Checkout { .. } => true,
        Entry::Directory { path } => !path.starts_with(MEMORY),
        Entry::Run { .. }
        | Entry::ControlGroup { .. }
        | Entry::Starting { .. }
        | Entry::Process { .. }
        | Entry::Finished => false,
    }
}

fn file_error(action: &'static str, path: &Utf8Path) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::File { action, path, source }
}

/// Takes the lock of a run directory; `None` while somebody else holds it.
fn try_lock(run_dir: &Utf8Path) -> Result<Option<File>, LedgerError> {
    let path = run_dir.join(LOCK);
    let lock = OpenOptions::new().create(true).append(true).open(&path).map_err(file_error("create", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(LedgerError::File { action: "lock", path, source }),
    }
}

/// What a ledger says, read by somebody else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) entries: Vec<Entry>,
    /// Lines that could not be read, by number and with the reason.
    pub(crate) unreadable: Vec<String>,
}

impl Account {
    /// Reads the lines of a ledger; a line that was cut off in the middle is named and skipped.
    pub(crate) fn parse(text: &str) -> Self {
        let mut account = Self::default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(entry) => account.entries.push(entry),
                Err(error) => account.unreadable.push(format!("line {}: {error}", index + 1)),
            }
        }
        account
    }

    /// Reads the ledger of a run directory; `None` where there is none.
    pub(crate) fn read(run_dir: &Utf8Path) -> Option<Self> {
        let bytes = fs::read(run_dir.join(LEDGER)).ok()?;
        Some(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// Whether the run was torn down to the end.
    pub(crate) fn finished(&self) -> bool {
        self.entries.last() == Some(&Entry::Finished)
    }

    /// The orchestrator that kept it.
    pub(crate) fn orchestrator(&self) -> Option<(&RunId, ProcessId, &str)> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Run { run, process, boot_id, .. } => Some((run, *process, boot_id.as_str())),
            _ => None,
        })
    }
}

/// A run that nobody lives in any more; its lock is held as long as this value.
#[derive(Debug)]
pub(crate) struct Abandoned {
    pub(crate) run_dir: Utf8PathBuf,
    pub(crate) account: Account,
    _lock: File,
}

impl Abandoned {
    /// As [`Abandoned::take`], for one who knows that the run is dead: whoever holds its lock now only looks, or cleans up
    /// and is done soon. `None` also where that takes longer than `limit`.
    pub(crate) fn take_within(run_dir: &Utf8Path, limit: Duration) -> Result<Option<Self>, LedgerError> {
        let deadline = Instant::now() + limit;
        loop {
            let taken = Self::take(run_dir)?;
            let finished = Account::read(run_dir).is_none_or(|account| account.finished());
            if taken.is_some() || finished || Instant::now() >= deadline {
                return Ok(taken);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Takes over a run directory whose run is dead and whose ledger is not finished.
    pub(crate) fn take(run_dir: &Utf8Path) -> Result<Option<Self>, LedgerError> {
        if Account::read(run_dir).is_none_or(|account| account.finished()) {
            return Ok(None);
        }
        let Some(lock) = try_lock(run_dir)? else { return Ok(None) };
        // Read again under the lock: its owner may have finished meanwhile.
        let account = Account::read(run_dir).unwrap_or_default();
        let run_dir = run_dir.to_owned();
        Ok((!account.finished()).then_some(Self { run_dir, account, _lock: lock }))
    }

    /// Removes the variables of an environment that is no more.
    pub(crate) fn remove_notice(&self) -> Result<(), LedgerError> {
        let path = self.run_dir.join(NOTICE);
        let gone = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
        fs::remove_file(&path).or_else(gone).map_err(file_error("remove", &path))
    }

    /// Marks the run as cleaned up.
    pub(crate) fn finish(&self) -> Result<(), LedgerError> {
        let path = self.run_dir.join(LEDGER);
        let mut file = OpenOptions::new().append(true).open(&path).map_err(file_error("append to", &path))?;
        // A half line at the end must not swallow the mark.
        file.write_all(b"\n").map_err(file_error("append to", &path))?;
        append(&mut file, &[Entry::Finished]).map_err(file_error("append to", &path))
    }
}

/// Where the runs beside this one check other commits out: `target/tollgate/base` for one in `target/tollgate/runs`.
pub fn checkout_of(run_dir: &Utf8Path) -> Option<Utf8PathBuf> {
    Some(run_dir.parent()?.parent()?.join("base"))
}

/// The run directories below `runs_root`, in order of name.
pub(crate) fn run_directories(runs_root: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = runs_root.read_dir_utf8() else { return Vec::new() };
    let mut found: Vec<Utf8PathBuf> = entries
        .flatten()
        // `latest` is a link to one of the others.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(camino::Utf8DirEntry::into_path)
        .collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod unit {
    use super::*;

    fn header() -> Entry {
        let run = RunId::new("r1").expect("a valid name");
        Entry::Run { schema: 1, run, boot_id: "b".into(), process: ProcessId { pid: 7, start_time: 9 } }
    }

    #[test]
    fn an_entry_is_one_line_of_json() {
        let line = serde_json::to_string(&header()).expect("it is plain data");
        insta::assert_snapshot!(line, @r#"{"entry":"run","schema":1,"run":"r1","boot-id":"b","process":{"pid":7,"start-time":9}}"#);
        let service = ServiceName::new("db").expect("a valid name");
        let process = ProcessId { pid: 8, start_time: 10 };
        let line =
            serde_json::to_string(&Entry::Process { service, process, boot_id: "b".into(), stop: StopKind::Postgres });
        insta::assert_snapshot!(line.expect("it is plain data"), @r#"{"entry":"process","service":"db","process":{"pid":8,"start-time":10},"boot-id":"b","stop":"postgres"}"#);
    }

    #[test]
    fn only_what_is_still_there_after_a_power_loss_waits_for_the_disk() {
        let directory = |path: &str| Entry::Directory { path: path.into() };
        assert!(outlives_the_machine(&Entry::Project { name: "p".into(), command: Vec::new() }));
        assert!(outlives_the_machine(&Entry::Checkout { path: "/w/target/tollgate/base/tree".into() }));
        assert!(outlives_the_machine(&directory("/tmp/tollgate-0/r1")));
        assert!(!outlives_the_machine(&directory("/dev/shm/tollgate-0/r1")));
        assert!(!outlives_the_machine(&header()));
    }

    #[test]
    fn a_line_that_was_cut_off_is_named_and_skipped() {
        let text = format!(
            "{}\n{{\"entry\":\"direc\n\n{}\n",
            serde_json::to_string(&header()).expect("it is plain data"),
            serde_json::to_string(&Entry::Finished).expect("it is plain data"),
        );
        let account = Account::parse(&text);
        assert_eq!(account.entries, [header(), Entry::Finished]);
        assert_eq!(account.unreadable.len(), 1);
        assert!(account.unreadable[0].starts_with("line 2: "), "{:?}", account.unreadable);
        assert!(account.finished());
        let (run, process, boot) = account.orchestrator().expect("it has a header");
        assert_eq!((run.as_str(), process.pid, boot), ("r1", 7, "b"));
    }

    #[test]
    fn a_ledger_that_goes_on_after_its_end_is_not_finished() {
        let account = Account { entries: vec![Entry::Finished, header()], unreadable: Vec::new() };
        assert!(!account.finished());
        assert!(Account::default().orchestrator().is_none());
    }
}
