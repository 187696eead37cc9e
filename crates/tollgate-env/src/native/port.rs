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
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let sockets: BTreeSet<String> = tables.iter().flat_map(|table| listeners(table, port)).collect();
    if sockets.is_empty() {
        return false;
    }
    // Most servers listen themselves; looking through all processes takes a hundred times as long.
    let below = || process::descendants(&process::all(), process.pid, None);
    has_socket(process.pid, &sockets) || below().iter().any(|stat| has_socket(stat.id.pid, &sockets))
}

fn has_socket(pid: i32, sockets: &BTreeSet<String>) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets.any(|target| target.to_str().is_some_and(|target| sockets.contains(target)))
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
