//! The keeper: the small process above the orchestrator, which cleans up when the orchestrator can't.
//!
//! It starts the orchestrator, passes signals on, and waits. As a subreaper it becomes the parent of every process below it
//! whose own parent ends, however often it forked and whatever session it went to; so when the orchestrator is dead,
//! what is left of the run is exactly what descends from the keeper. Then come the things of the ledger that are no
//! processes. When the keeper itself is killed, the kernel tells the orchestrator by SIGTERM.

use crate::ledger::{Abandoned, Account, run_directories};
use crate::native::remove_drafts;
use crate::process::{self, ProcessId, Stat, boot_id};
use crate::reap;
use camino::Utf8Path;
use rustix::process::{
    Pid, WaitOptions, getpid, getppid, kill_process, parent_process_death_signal, set_child_subreaper,
    set_parent_process_death_signal, wait,
};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};
use tollgate_exec::shim::Shim;
use tollgate_exec::{Signal, Status};
use tollgate_model::{ExitStatus, Leftover};

/// Variable by which the orchestrator knows its keeper.
pub(crate) const KEEPER: &str = "TOLLGATE_KEEPER";

/// Exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

/// Time from the first signal to SIGQUIT for PostgreSQL servers, and to SIGKILL for everything.
const QUIT_AFTER: Duration = Duration::from_secs(1);
const KILL_AFTER: Duration = Duration::from_secs(2);

/// Time after which nothing more is expected of what got SIGKILL.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// How long somebody else who looks at a run's ledger may hold its lock.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// Longest command line that is shown of a stray process, in characters.
const COMMAND_LINE_MAX: usize = 200;

/// How long stray processes may take to stop before they are killed.
const STRAY_GRACE: Duration = Duration::from_millis(500);

/// What a keeper and its run end with, beside their own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// With whoever started them, where that is a runner: it signals only its shell, which does not pass it on.
    Runner,
    /// With nobody: they outlive the command that started them.
    Nobody,
}

/// Runs this program again with `args` as the orchestrator of a run below `runs_root`, and returns its exit code when
/// nothing that it started is left.
///
/// It must be called from the main thread, which must not have started other threads or children, and in a program whose
/// `main` calls [`tollgate_exec::shim::intercept`] first. `say` gets what there is to say, a line at a time.
pub fn supervise(args: &[OsString], runs_root: &Utf8Path, tie: Tie, say: &mut dyn FnMut(&str)) -> ExitCode {
    match watch(args, tie) {
        Ok((orchestrator, status)) => conclude(orchestrator, status, runs_root, say),
        Err(error) => {
            say(&format!("error: the keeper can't do its work: {error}"));
            ExitCode::from(ExitStatus::Defect.code())
        }
    }
}

/// Starts the orchestrator and waits for its end, passing signals on.
fn watch(args: &[OsString], tie: Tie) -> io::Result<(ProcessId, Status)> {
    set_child_subreaper(Some(getpid()))?;
    if tie == Tie::Runner && std::env::var_os("CI").is_some_and(|value| !value.is_empty()) {
        set_parent_process_death_signal(Some(Signal::TERM))?;
    }
    // Before the child is there, so that no signal falls between.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGCHLD])?;
    let mut command = Shim::new("/proc/self/exe").args(args).death_signal(Signal::TERM).command();
    command.env(KEEPER, std::process::id().to_string()).stdin(Stdio::null());
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let orchestrator = ProcessId::of(pid).ok_or(io::ErrorKind::NotFound)?;
    for signal in signals.forever() {
        if signal != SIGCHLD {
            pass_on(pid, signal);
        } else if let Some(status) = collect(Some(pid)) {
            return Ok((orchestrator, status));
        }
    }
    Err(io::Error::other("the signal handler was closed"))
}

/// Sends a signal to the orchestrator alone. It is not collected yet, so its pid is its own.
fn pass_on(pid: i32, signal: i32) {
    if let (Some(pid), Some(signal)) = (Pid::from_raw(pid), Signal::from_named_raw(signal)) {
        // That it has just ended is the only error; SIGCHLD says so too.
        let _ = kill_process(pid, signal);
    }
}

/// Collects every child that has ended; returns the status of `wanted` if it is among them.
fn collect(wanted: Option<i32>) -> Option<Status> {
    let mut found = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if Some(pid.as_raw_pid()) == wanted {
            let code = status.exit_status().map(Status::Code);
            found = code.or_else(|| status.terminating_signal().map(Status::Signal));
        }
    }
    found
}

/// Ends what is left below the keeper, cleans up after an orchestrator that could not, and picks the exit code.
fn conclude(orchestrator: ProcessId, status: Status, runs_root: &Utf8Path, say: &mut dyn FnMut(&str)) -> ExitCode {
    let ended = end_descendants();
    let abandoned = abandoned_by(orchestrator, runs_root, say);
    let orderly = abandoned.is_empty() && matches!(status, Status::Code(code) if code != PANICKED);
    if !orderly {
        say(&format!("the orchestrator ended with {status}; the keeper cleans up after it"));
    }
    tell(&ended, say);
    for run in &abandoned {
        match reap::reap(run, false) {
            Ok(leftovers) => tell(&leftovers, say),
            Err(error) => say(&format!("error: {} could not be cleaned up: {error}", run.run_dir)),
        }
    }
    if !orderly {
        // It may have been making a data directory in the cache, which is in no ledger.
        tell(&remove_drafts(false), say);
    }
    ExitCode::from(exit_code(status, orderly))
}

fn tell(leftovers: &[Leftover], say: &mut dyn FnMut(&str)) {
    for leftover in leftovers {
        say(&format!("{}: {}", leftover.kind, leftover.what));
    }
}

/// The exit code of a run whose orchestrator ended so.
fn exit_code(status: Status, orderly: bool) -> u8 {
    let defect = ExitStatus::Defect.code();
    match status {
        Status::Signal(signal) => u8::try_from(128 + signal).unwrap_or(defect),
        Status::Code(PANICKED) => defect,
        // It thinks that all is well, and has not even cleaned up.
        Status::Code(0) if !orderly => defect,
        Status::Code(code) => u8::try_from(code).unwrap_or(defect),
    }
}

/// The runs that this orchestrator began and did not finish.
fn abandoned_by(orchestrator: ProcessId, runs_root: &Utf8Path, say: &mut dyn FnMut(&str)) -> Vec<Abandoned> {
    let boot = boot_id();
    let mut found = Vec::new();
    for run_dir in run_directories(runs_root) {
        let account = Account::read(&run_dir).unwrap_or_default();
        if account.orchestrator().is_none_or(|(_, process, at)| process != orchestrator || at != boot) {
            continue;
        }
        match Abandoned::take_within(&run_dir, LOCK_LIMIT) {
            Ok(abandoned) => found.extend(abandoned),
            Err(error) => say(&format!("error: {run_dir} can't be cleaned up: {error}")),
        }
    }
    found
}

/// Ends every process below this one: asked first, PostgreSQL in its own way, then by force, until none is left.
fn end_descendants() -> Vec<Leftover> {
    let start = Instant::now();
    let mut seen: Vec<Stat> = Vec::new();
    let mut sent: BTreeSet<(ProcessId, i32)> = BTreeSet::new();
    loop {
        collect(None);
        let all = process::all();
        let mut left = process::descendants(&all, getpid().as_raw_pid(), None);
        left.retain(Stat::runs);
        let Some(first) = left.first() else { return seen.iter().map(|stat| ended(stat, "was ended")).collect() };
        if start.elapsed() >= GIVE_UP_AFTER {
            return left.iter().map(|stat| ended(stat, "is still there after SIGKILL")).collect();
        }
        for stat in &left {
            if !seen.iter().any(|known| known.id == stat.id) {
                seen.push(stat.clone());
            }
            let signal = signal_for(stat, &all, start.elapsed());
            if let Some(signal) = signal.filter(|signal| sent.insert((stat.id, signal.as_raw()))) {
                stat.id.signal(signal);
            }
        }
        first.id.gone_within(Duration::from_millis(10));
    }
}

fn ended(stat: &Stat, end: &str) -> Leftover {
    Leftover { kind: "process".to_owned(), what: format!("{} ({}) {end}", stat.id.pid, stat.comm) }
}

/// What a process is to be sent after this time. A server's own processes follow their server.
fn signal_for(stat: &Stat, all: &[Stat], elapsed: Duration) -> Option<Signal> {
    if elapsed >= KILL_AFTER {
        return Some(Signal::KILL);
    }
    if stat.comm != "postgres" {
        return Some(Signal::TERM);
    }
    let below_server = all.iter().any(|other| other.id.pid == stat.parent && other.comm == "postgres");
    let signal = if elapsed >= QUIT_AFTER { Signal::QUIT } else { Signal::INT };
    (!below_server).then_some(signal)
}

/// Ends and returns the processes below the keeper that are neither the orchestrator nor below it: tests left them running,
/// and their own parents are gone. Nothing where there is no keeper.
pub fn stray_processes() -> Vec<Leftover> {
    let Some(keeper) = above() else { return Vec::new() };
    let mut strays = process::descendants(&process::all(), keeper, Some(getpid().as_raw_pid()));
    strays.retain(Stat::runs);
    let left = |stat: &Stat| Leftover {
        kind: "process".to_owned(),
        what: format!("{} ({}) was left running by a test and was ended", stat.id.pid, command_line(stat)),
    };
    // Said before it is ended, since nothing can be read of it afterwards.
    let leftovers = strays.iter().map(left).collect();
    let ids: Vec<ProcessId> = strays.iter().map(|stat| stat.id).collect();
    process::signal_all(&ids, Signal::TERM);
    let staying = process::wait_gone(&ids, STRAY_GRACE);
    process::signal_all(&staying, Signal::KILL);
    process::wait_gone(&staying, STRAY_GRACE);
    leftovers
}

/// The pid of this process's keeper; `None` for one that has none.
fn above() -> Option<i32> {
    let told = std::env::var(KEEPER).ok().and_then(|pid| pid.parse::<i32>().ok());
    // The variable is inherited by everything below, for which the keeper is not the parent.
    getppid().map(Pid::as_raw_pid).filter(|keeper| Some(*keeper) == told)
}

/// Whether this process was started by a keeper, as an orchestrator; the keeper may be dead by now. The variable alone is
/// inherited by everything below, the signal by nothing.
pub(crate) fn started_this() -> bool {
    let tied = parent_process_death_signal().is_ok_and(|signal| signal == Some(Signal::TERM));
    tied && std::env::var_os(KEEPER).is_some()
}

/// The command line of a process, bounded; its short name where it can't be read.
fn command_line(stat: &Stat) -> String {
    let text = std::fs::read_to_string(format!("/proc/{}/cmdline", stat.id.pid)).unwrap_or_default();
    let words: Vec<&str> = text.split('\0').filter(|word| !word.is_empty()).collect();
    if words.is_empty() { stat.comm.clone() } else { words.join(" ").chars().take(COMMAND_LINE_MAX).collect() }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn stat(pid: i32, parent: i32, comm: &str) -> Stat {
        let id = ProcessId { pid, start_time: 1 };
        Stat { id, comm: comm.to_owned(), state: 'S', parent, group: pid, session: pid }
    }

    #[test]
    fn postgres_is_asked_in_its_own_way_and_its_backends_are_left_to_it() {
        let all = [stat(2, 1, "postgres"), stat(3, 2, "postgres"), stat(4, 1, "sleep")];
        let signals = |elapsed| all.each_ref().map(|stat| signal_for(stat, &all, Duration::from_millis(elapsed)));
        assert_eq!(signals(0), [Some(Signal::INT), None, Some(Signal::TERM)]);
        assert_eq!(signals(1000), [Some(Signal::QUIT), None, Some(Signal::TERM)]);
        assert_eq!(signals(2000), [Some(Signal::KILL); 3]);
    }

    #[test]
    fn the_exit_code_is_the_orchestrators_unless_it_broke() {
        let code = |status| (exit_code(status, true), exit_code(status, false));
        assert_eq!(code(Status::Code(0)), (0, 70));
        assert_eq!(code(Status::Code(1)), (1, 1));
        assert_eq!(code(Status::Code(130)), (130, 130));
        assert_eq!(code(Status::Code(101)), (70, 70));
        assert_eq!(code(Status::Signal(9)), (137, 137));
    }
}
