//! Processes that are known by a variable of their environment.

use crate::environ;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;

/// How often the processes are looked through; more often only something that forks without end can ask for.
const ROUNDS: usize = 16;

/// Kills every process of this user that was started with this variable set to this value; returns how many it were.
///
/// For what a tool left behind that was killed. A process that was forked while the others were looked through is found
/// in the next round.
pub fn end_marked(variable: &str, value: &str) -> usize {
    let mark = format!("{variable}={value}");
    let rounds = (0..ROUNDS).map(|_| pids().filter(|pid| end(*pid, mark.as_bytes())).count());
    rounds.take_while(|ended| *ended > 0).sum()
}

fn pids() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let own = rustix::process::getpid();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    pids.filter(move |pid| *pid != own)
}

/// Kills a process that carries the mark. The handle is opened before the mark is read, so no other process is hit; one
/// that has ended and was not collected yet has no environment.
fn end(pid: Pid, mark: &[u8]) -> bool {
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    let variables = environ(pid.as_raw_pid()).unwrap_or_default();
    let marked = variables.split(|byte| *byte == 0).any(|entry| entry == mark);
    marked && pidfd_send_signal(&handle, Signal::KILL).is_ok()
}
