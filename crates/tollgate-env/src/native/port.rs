//! Free ports, and whether a process already listens on its own.

use crate::process::{self, ProcessId};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

/// Between two looks at a process that starts.
const LOOK: Duration = Duration::from_millis(3);

/// A port that nobody listens on. Another process may take it before it is used, which is rare and noticed.
pub(super) fn free() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Waits until the process listens on all of these ports or has ended, at most for `limit`. Tells whether it still runs.
pub(super) fn settle(process: ProcessId, ports: &[u16], limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if ports.iter().all(|port| listens(process, *port)) {
            return process.runs();
        }
        if process.gone_within(LOOK) {
            return false;
        }
        if Instant::now() >= deadline {
            return true;
        }
    }
}

/// Whether the process or one below it has a socket that listens on the port. That somebody listens there is not enough:
/// a process that lost the race for its port would pass.
fn listens(process: ProcessId, port: u16) -> bool {
    // The kernel walks its whole table of connections for the two files, a millisecond of work; a server that has opened no
    // socket yet and has nobody to do it in its place is asked again soon.
    let own = sockets(process.pid);
    if own.is_empty() && is_childless(process.pid) {
        return false;
    }
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let listening: BTreeSet<String> = tables.iter().flat_map(|table| listeners(table, port)).collect();
    if listening.is_empty() {
        return false;
    }
    // Most servers listen themselves; looking through all processes takes a hundred times as long.
    let below = || process::descendants(&process::all(), process.pid, None);
    !own.is_disjoint(&listening) || below().iter().any(|stat| !sockets(stat.id.pid).is_disjoint(&listening))
}

/// The sockets of a process, as its open files name them: `socket:[4711]`.
fn sockets(pid: i32) -> BTreeSet<String> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok()?.into_os_string().into_string().ok());
    targets.filter(|target| target.starts_with("socket:")).collect()
}

/// Whether no thread of the process has started another one. A kernel that does not say (`CONFIG_PROC_CHILDREN`) leaves it open.
fn is_childless(pid: i32) -> bool {
    let mut threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.all(|thread| fs::read(thread.path().join("children")).is_ok_and(|children| children.is_empty()))
}

/// The sockets of a kernel table that listen on a port, as a process's open files name them: `socket:[4711]`.
fn listeners(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == "0A";
        listens.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
    };
    table.lines().skip(1).filter_map(socket).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn only_listening_sockets_of_that_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 4711 1\n   \
            1: 0100007F:1538 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   101        0 4712 1\n   \
            2: 0100007F:1539 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 4713 1\n";
        assert_eq!(listeners(table, 5432), ["socket:[4711]"]);
        assert_eq!(listeners(table, 5434), [""; 0]);
    }
}
