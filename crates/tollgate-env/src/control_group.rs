//! The control group of a run: what no process leaves by forking, by a session of its own, or by clearing its environment.
//!
//! Groups, sessions, parents and variables all change hands; membership in a control group (cgroup v2) is inherited by
//! every fork and is changed only by whoever may write the hierarchy. Where the orchestrator may, as root or in a delegated
//! subtree, it moves into a group of its own below the one it was started in, and everything it starts is in there. What is
//! left in it at the end, or when everybody who could clean up is dead, belongs to the run and is killed in one step, which
//! nothing can outrun by forking. Where the hierarchy can't be written the other means stand alone.

use crate::process::{self, ProcessId, Stat};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::{Duration, Instant};
use tollgate_model::{Leftover, RunId};

/// First part of a group's name; the run follows.
const NAME: &str = "tollgate-";

/// How long the kernel may take to end what it was told to kill.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// Between two looks at a group whose processes were killed.
const LOOK: Duration = Duration::from_millis(2);

/// How often whoever moves out looks again for what its own children started meanwhile.
const MOVES_MAX: usize = 100;

/// A group, whether it is there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControlGroup {
    path: Utf8PathBuf,
}

/// Whether runs of this user, started from here, get a control group.
pub fn may_contain() -> bool {
    let writable = |path: Utf8PathBuf| access(path.as_std_path(), Access::WRITE_OK).is_ok();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    kills_groups(&kernel) && own().is_some_and(|own| writable(own.join("cgroup.procs")) && writable(own))
}

impl ControlGroup {
    /// Where the group of a run goes: below that of this process. `None` where there is no hierarchy of version 2.
    pub(crate) fn place(run: &RunId) -> Option<Self> {
        Some(Self { path: own()?.join(format!("{NAME}{run}")) })
    }

    /// The group of a run wherever it is, for one whose ledger does not tell any more.
    pub(crate) fn find(run: &RunId) -> Option<Self> {
        let (_, hierarchy) = hierarchy(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())?;
        groups_in(&hierarchy).iter().find_map(|path| Self::of(path, run))
    }

    /// The group that a ledger names; `None` for what can't be the group of this run.
    pub(crate) fn of(path: &Utf8Path, run: &RunId) -> Option<Self> {
        let named = path.file_name().and_then(|name| name.strip_prefix(NAME)) == Some(run.as_str());
        let group = Self { path: path.to_owned() };
        (named && group.kill_file().is_file()).then_some(group)
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Makes it and moves this process into it. Tells whether it did: a hierarchy that can't be written is the usual case,
    /// and a kernel before 5.14 can't kill a group.
    pub(crate) fn enter(&self) -> bool {
        if fs::create_dir(&self.path).is_err() {
            return false;
        }
        let entered = self.kill_file().is_file() && put(&self.path, 0).is_ok();
        if !entered {
            // It is empty, and was made just now.
            let _ = fs::remove_dir(&self.path);
        }
        entered
    }

    /// Moves this process and what descends from it out, kills what stays, and removes the group. Returns what was left in
    /// it, and whether all is gone.
    pub(crate) fn leave(&self) -> (Vec<Leftover>, bool) {
        let outside = self.path.parent().unwrap_or(&self.path);
        let own = ProcessId::own().pid;
        let mut refused = None;
        for _ in 0..MOVES_MAX {
            let family = process::descendants(&process::all(), own, None);
            let family: BTreeSet<i32> = family.iter().map(|stat| stat.id.pid).chain([own]).collect();
            let inside: Vec<i32> = members_of(&self.path).into_iter().filter(|pid| family.contains(pid)).collect();
            if inside.is_empty() {
                break;
            }
            let ended = |error: &io::Error| error.raw_os_error() == Some(Errno::SRCH.raw_os_error());
            let moved = |pid| Some((pid, put(outside, pid).err().filter(|error| !ended(error))?));
            refused = inside.into_iter().find_map(moved);
            if refused.is_some() {
                break;
            }
        }
        if let Some((pid, error)) = refused {
            let what = format!("{} is still there: process {pid} can't be moved out of it: {error}", self.path);
            return (vec![Leftover { kind: "group".to_owned(), what }], false);
        }
        let processes = self.processes();
        let gone = self.remove();
        let end = if gone { "was killed" } else { "is still there" };
        let mut leftovers: Vec<Leftover> = processes.iter().map(|stat| leftover(stat, end)).collect();
        if !gone {
            leftovers.push(Leftover { kind: "group".to_owned(), what: format!("{} is still there", self.path) });
        }
        (leftovers, gone)
    }

    /// The running processes in it and below it.
    pub(crate) fn processes(&self) -> Vec<Stat> {
        let members = groups_in(&self.path).into_iter().flat_map(|group| members_of(&group));
        members.filter_map(Stat::read).filter(Stat::runs).collect()
    }

    /// Kills everything in it and removes it; tells whether it is gone. This process must not be in it.
    pub(crate) fn remove(&self) -> bool {
        let deadline = Instant::now() + KILL_LIMIT;
        while self.path.exists() {
            // Those that have no process left are removed, the deepest first; killing an empty one does nothing.
            if groups_in(&self.path).iter().rev().all(|group| fs::remove_dir(group).is_ok()) {
                return true;
            }
            if Instant::now() >= deadline || self.processes().iter().any(|stat| stat.id == ProcessId::own()) {
                return false;
            }
            // Tried again until the deadline, whatever the reason was.
            let _ = fs::write(self.kill_file(), "1");
            std::thread::sleep(LOOK);
        }
        true
    }

    fn kill_file(&self) -> Utf8PathBuf {
        self.path.join("cgroup.kill")
    }
}

/// Whether a kernel of this release can kill a group: since 5.14.
fn kills_groups(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    numbers.next().zip(numbers.next()).is_some_and(|version| version >= (5, 14))
}

/// How a process that is left in a group is told.
fn leftover(stat: &Stat, end: &str) -> Leftover {
    let what = format!("{} ({}) was left in the run's control group and {end}", stat.id.pid, stat.comm);
    Leftover { kind: "process".to_owned(), what }
}

/// Moves a process into a group; 0 is the writer.
fn put(group: &Utf8Path, pid: i32) -> io::Result<()> {
    fs::write(group.join("cgroup.procs"), pid.to_string())
}

/// The processes directly in a group.
fn members_of(group: &Utf8Path) -> Vec<i32> {
    let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    members.lines().filter_map(|line| line.parse().ok()).collect()
}

/// A group and all below it, each before what is in it.
fn groups_in(group: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = vec![group.to_owned()];
    let mut at = 0;
    while let Some(group) = found.get(at) {
        let entries = group.read_dir_utf8().into_iter().flatten().flatten();
        let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let below: Vec<Utf8PathBuf> = below.map(camino::Utf8DirEntry::into_path).collect();
        found.extend(below);
        at += 1;
    }
    found
}

/// The directory of the group that this process is in.
fn own() -> Option<Utf8PathBuf> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    own_group(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
}

/// The directory of the group that a process is in, by its mounts and its groups.
fn own_group(mounts: &str, groups: &str) -> Option<Utf8PathBuf> {
    let (root, at) = hierarchy(mounts)?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(at.join(Utf8Path::new(own).strip_prefix(&root).ok()?))
}

/// Which part of the hierarchy of version 2 is mounted, and where.
fn hierarchy(mounts: &str) -> Option<(Utf8PathBuf, Utf8PathBuf)> {
    // Numbers, device, what of the file system is mounted, where; after the dash its type.
    mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, at) = (fields.next()?, fields.next()?);
        kind.starts_with("cgroup2 ").then(|| (root.into(), at.into()))
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_own_group_is_found_through_what_is_mounted() {
        let mounts = |root: &str| {
            format!(
                "30 1 0:5 / /proc rw - proc proc rw\n41 31 0:38 {root} /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw\n"
            )
        };
        let own = |root: &str, own: &str| own_group(&mounts(root), &format!("9:name=systemd:/else\n0::{own}\n"));
        assert_eq!(own("/", "/").as_deref(), Some(Utf8Path::new("/sys/fs/cgroup/")));
        assert_eq!(own("/", "/user.slice/x").as_deref(), Some(Utf8Path::new("/sys/fs/cgroup/user.slice/x")));
        assert_eq!(own("/docker/c1", "/docker/c1/x").as_deref(), Some(Utf8Path::new("/sys/fs/cgroup/x")));
        assert_eq!(own("/docker/c1", "/docker/c2"), None);
        assert_eq!(own_group("30 1 0:5 / /proc rw - proc proc rw\n", "0::/\n"), None);
        assert_eq!(own_group(&mounts("/"), "9:name=systemd:/else\n"), None);
    }

    #[test]
    fn a_group_is_killed_by_kernels_since_5_14() {
        for (release, can) in
            [("6.18.5\n", true), ("5.14.0-427.el9", true), ("5.13.19", false), ("4.18", false), ("", false)]
        {
            assert_eq!(kills_groups(release), can, "{release}");
        }
    }

    #[test]
    fn a_directory_that_is_no_group_of_the_run_is_never_taken_for_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8PathBuf::from_path_buf(directory.path().join("tollgate-a")).expect("text");
        fs::create_dir(&path).expect("a directory");
        let run = RunId::new("a").expect("a name");
        assert_eq!(ControlGroup::of(&path, &run), None, "it can't be killed");
        fs::write(path.join("cgroup.kill"), "").expect("a file");
        assert!(ControlGroup::of(&path, &run).is_some());
        assert_eq!(ControlGroup::of(&path, &RunId::new("b").expect("a name")), None, "another run's");
    }
}
