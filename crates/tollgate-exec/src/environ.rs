//! The variables a process was started with.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process may be in the middle of `execve`; more only where the program is read from storage that hangs.
const EXEC: Duration = Duration::from_secs(1);

/// The variables process `pid` was started with, each with its `=` and a zero byte after it (proc(5), `environ`).
///
/// In the middle of `execve` the kernel shows none: the old ones are gone and the new ones are not in place. Such a
/// process is asked again, for at most a second. A program that wrote its title over its variables has lost them.
///
/// # Errors
///
/// The process has ended and was collected, or it is another user's whom this process can't become.
pub fn environ(pid: i32) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + EXEC;
    loop {
        let variables = read(pid)?;
        if !variables.is_empty() || has_none(pid) || Instant::now() > deadline {
            return Ok(variables);
        }
        thread::sleep(Duration::from_micros(200));
    }
}

fn read(pid: i32) -> io::Result<Vec<u8>> {
    let path = format!("/proc/{pid}/environ");
    fs::read(&path).or_else(|refused| match refused.kind() {
        io::ErrorKind::PermissionDenied if rustix::process::geteuid().is_root() => as_owner(pid, &path).ok_or(refused),
        _ => Err(refused),
    })
}

/// The superuser of a container may become another user, and may not look at what is another's (ptrace(2), access mode checks).
fn as_owner(pid: i32, path: &str) -> Option<Vec<u8>> {
    let owner = fs::metadata(format!("/proc/{pid}")).ok()?;
    let mut cat = Command::new("cat");
    cat.arg(path).uid(owner.uid()).gid(owner.gid()).stdin(Stdio::null()).stderr(Stdio::null());
    let output = cat.output().ok()?;
    output.status.success().then_some(output.stdout)
}

/// Whether a process that showed no variables has none, rather than having been in the middle of `execve`.
fn has_none(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat_has_none(&stat))
}

/// By proc(5): no memory (field 23, bytes) as a kernel thread or what has ended, or variables that end (field 51) where
/// they start (field 50) of a program in place (field 27, the end of its code). `execve` sets these in the order 23, 50
/// and 51 to where the variables start, 51, 27.
fn stat_has_none(stat: &str) -> bool {
    let Some((_, fields)) = stat.rsplit_once(") ") else { return true };
    let field = |number: usize| fields.split_ascii_whitespace().nth(number - 3);
    let in_place = field(27) != Some("0");
    field(23) == Some("0") || (in_place && field(50) == field(51))
}

#[cfg(test)]
mod unit {
    use super::*;

    fn stat(memory: u64, code: u64, start: u64, end: u64) -> String {
        let before = "71 (a) b) S 7 70 69 0 -1 4194304 100 0 0 0 0 0 0 0 20 0 1 0 133422";
        let between = ["1"; 22].join(" ");
        format!("{before} {memory} 380 1 1 {code} {between} {start} {end} 0\n")
    }

    #[test]
    fn a_process_has_no_variables_when_they_end_where_they_start_or_it_has_no_memory() {
        assert!(stat_has_none(&stat(135_168, 9000, 4096, 4096)));
        assert!(stat_has_none(&stat(0, 0, 0, 0)), "a kernel thread, or one that has ended");
        assert!(!stat_has_none(&stat(135_168, 0, 0, 0)), "in the middle of execve");
        assert!(!stat_has_none(&stat(135_168, 0, 4096, 4096)), "while its variables are counted");
        assert!(!stat_has_none(&stat(135_168, 9000, 4096, 8192)), "just after it");
        assert!(stat_has_none("71 (a) S 7"), "of an unknown shape");
    }
}
