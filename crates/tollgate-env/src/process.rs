//! Facts about the processes of this machine, and signals that can't reach the wrong one.
//!
//! A process id alone names nothing: it is used again. Here a process is a pid together with its start time, and a
//! signal goes through a pidfd that was opened before the start time was compared, so what is compared is what is hit.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};
use tollgate_exec::{Status, environ};

/// One process of one boot: its pid and the clock tick it started at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProcessId {
    /// Its pid.
    pub pid: i32,
    /// Field 22 of `/proc/<pid>/stat`, in clock ticks since boot.
    pub start_time: u64,
}

/// What `/proc/<pid>/stat` says of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) id: ProcessId,
    /// Name of the program, cut by the kernel at 15 characters.
    pub(crate) comm: String,
    /// `R`, `S`, `Z` and so on.
    pub(crate) state: char,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
}

impl Stat {
    /// Reads a process, unless it is gone.
    pub(crate) fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Takes a stat line apart; the name is in parentheses and may hold spaces and parentheses itself.
    fn parse(line: &str) -> Option<Self> {
        let (pid, rest) = line.split_once(" (")?;
        let (comm, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<i32>().ok();
        Some(Self {
            id: ProcessId { pid: pid.parse().ok()?, start_time: fields.get(19)?.parse().ok()? },
            comm: comm.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
        })
    }

    /// Whether it still runs; a zombie has ended and only waits to be collected.
    pub(crate) fn runs(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

impl ProcessId {
    /// Reads the identity of a process, unless it is gone.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Stat::read(pid).map(|stat| stat.id)
    }

    /// The identity of this process.
    pub(crate) fn own() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self::of(pid).unwrap_or(Self { pid, start_time: 0 })
    }

    /// Whether this very process still runs.
    pub(crate) fn runs(self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.id == self && stat.runs())
    }

    /// Opens a handle on this very process, or `None` when it is gone.
    fn open(self) -> Option<OwnedFd> {
        let handle = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        // Compared after opening: from here on the handle can't come to mean another process.
        (Self::of(self.pid) == Some(self)).then_some(handle)
    }

    /// Sends a signal to this very process; nothing happens when it is gone.
    pub(crate) fn signal(self, signal: Signal) {
        if let Some(handle) = self.open() {
            // The only error left is that it ended meanwhile, which is what a signal is for.
            let _ = pidfd_send_signal(&handle, signal);
        }
    }

    /// Waits until it has ended, at most for `limit`; tells whether it has.
    pub(crate) fn gone_within(self, limit: Duration) -> bool {
        self.wait(limit, None)
    }

    /// As [`ProcessId::gone_within`], but stops waiting when `hurry` becomes readable.
    pub(crate) fn gone_within_or(self, limit: Duration, hurry: BorrowedFd<'_>) -> bool {
        self.wait(limit, Some(hurry))
    }

    fn wait(self, limit: Duration, hurry: Option<BorrowedFd<'_>>) -> bool {
        let Some(handle) = self.open() else { return !self.runs() };
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = vec![PollFd::new(&handle, PollFlags::IN)];
            fds.extend(hurry.map(|hurry| PollFd::from_borrowed_fd(hurry, PollFlags::IN)));
            match rustix::event::poll(&mut fds, Some(&timespec(left))) {
                Err(rustix::io::Errno::INTR) if !left.is_zero() => {}
                _ => return !self.runs(),
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// Every process of this machine, those that ended and were not collected included.
pub(crate) fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| Stat::read(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// The processes of `all` that descend from `root`, without `root` itself and without what is below `except`.
pub(crate) fn descendants(all: &[Stat], root: i32, except: Option<i32>) -> Vec<Stat> {
    let mut family = BTreeSet::from([root]);
    let mut found = Vec::new();
    loop {
        let children: Vec<&Stat> = all
            .iter()
            .filter(|stat| family.contains(&stat.parent) && !family.contains(&stat.id.pid))
            .filter(|stat| Some(stat.id.pid) != except)
            .collect();
        if children.is_empty() {
            return found;
        }
        family.extend(children.iter().map(|stat| stat.id.pid));
        found.extend(children.into_iter().cloned());
    }
}

/// The running processes that have an entry in the environment they were started with that `is_mark` agrees to.
///
/// Programs that write their title over it (PostgreSQL's backends, Redis) can't be found this way.
pub(crate) fn marked(all: &[Stat], is_mark: impl Fn(&str) -> bool) -> Vec<Stat> {
    let carries = |stat: &&Stat| {
        environ(stat.id.pid).is_ok_and(|variables| {
            let mut entries = variables.split(|byte| *byte == 0);
            entries.any(|entry| std::str::from_utf8(entry).is_ok_and(&is_mark))
        })
    };
    all.iter().filter(|stat| stat.runs()).filter(carries).cloned().collect()
}

/// Waits until all of them have ended, together at most for `limit`; returns those that have not.
pub(crate) fn wait_gone(processes: &[ProcessId], limit: Duration) -> Vec<ProcessId> {
    let deadline = Instant::now() + limit;
    let left = |process: &&ProcessId| !process.gone_within(deadline.saturating_duration_since(Instant::now()));
    processes.iter().filter(left).copied().collect()
}

/// Sends a signal to each of these very processes.
pub(crate) fn signal_all(processes: &[ProcessId], signal: Signal) {
    for process in processes {
        process.signal(signal);
    }
}

/// How a child of this process ended, without collecting it; `None` while it runs. One system call, unlike
/// [`ProcessId::runs`], so that it can be asked often.
///
/// # Errors
/// When it is no child of this process, or was collected.
pub(crate) fn peek_exit(child: ProcessId) -> rustix::io::Result<Option<Status>> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let pid = Pid::from_raw(child.pid).ok_or(rustix::io::Errno::CHILD)?;
    let ended = waitid(WaitId::Pid(pid), options)?;
    Ok(ended.and_then(|ended| {
        ended.exit_status().map(Status::Code).or_else(|| ended.terminating_signal().map(Status::Signal))
    }))
}

/// The kernel's name for this boot; recorded processes of another boot are gone whatever their pid says.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(|_| String::new(), |id| id.trim().to_owned())
}

#[cfg(test)]
mod unit {
    use super::*;

    fn stat(pid: i32, parent: i32) -> Stat {
        let id = ProcessId { pid, start_time: 1 };
        Stat { id, comm: "x".into(), state: 'S', parent, group: pid, session: pid }
    }

    #[test]
    fn a_stat_line_is_read_whatever_the_program_is_called() {
        let line = "71 (a) b (c)) Z 7 70 69 0 -1 4194304 100 0 0 0 0 0 0 0 20 0 1 0 133422 3133440 380";
        let read = Stat::parse(line).expect("a stat line");
        assert_eq!(read.id, ProcessId { pid: 71, start_time: 133_422 });
        assert_eq!(
            (read.comm.as_str(), read.state, read.parent, read.group, read.session),
            ("a) b (c)", 'Z', 7, 70, 69)
        );
        assert!(!read.runs());
        for bad in ["", "71", "71 (a", "71 (a) S", "x (a) S 1 2 3", "71 (a) S 1 2 3 4"] {
            assert_eq!(Stat::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_an_excepted_tree_is_left_out() {
        let all = [stat(9, 8), stat(2, 1), stat(3, 2), stat(8, 3), stat(4, 1), stat(5, 4), stat(1, 0), stat(7, 6)];
        let pids = |root, except| {
            let mut pids: Vec<i32> = descendants(&all, root, except).iter().map(|stat| stat.id.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(pids(1, None), [2, 3, 4, 5, 8, 9]);
        assert_eq!(pids(1, Some(2)), [4, 5]);
        assert_eq!(pids(3, None), [8, 9]);
        assert_eq!(pids(7, None), [0; 0]);
    }
}
