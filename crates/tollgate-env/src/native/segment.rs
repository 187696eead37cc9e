//! The System V shared memory segment of a PostgreSQL server.
//!
//! It holds nothing and only proves that a server lives; but a server that was killed leaves it behind, and a machine has
//! room for some thousand. It is never found by a pattern: `postmaster.pid` in the server's own data directory names key,
//! id and creator, all three must match, and nobody may be attached. Every server makes one, also those that `initdb` and
//! a template's scripts use, so the whole state directory of a run is looked through.

use camino::Utf8Path;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;
use tollgate_exec::{Cmd, Interrupt};

/// Longest time that removing a segment may take.
const LIMIT: Duration = Duration::from_secs(5);

/// A segment as a data directory names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    key: i64,
    /// Absent where the server was killed between making it and writing that down.
    id: Option<i64>,
    creator: i64,
}

/// A row of the kernel's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    id: i64,
    /// How many processes are attached.
    attached: i64,
    uid: i64,
    gid: i64,
}

/// What became of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It was gone already.
    Gone,
    /// It was there, and was removed.
    Removed,
    /// It is still there.
    Stays,
}

impl Segment {
    /// The segments of all servers below a run's state directory, whose data are in `<service>/data`, that did not end
    /// in order; one that did has taken `postmaster.pid` away.
    pub(crate) fn all_in(state: &Utf8Path) -> Vec<Self> {
        let services = state.read_dir_utf8().into_iter().flatten().flatten();
        services.filter_map(|service| Self::of(&service.path().join("data"))).collect()
    }

    fn of(data: &Utf8Path) -> Option<Self> {
        let postmaster = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        Self::parse(&postmaster, fs::metadata(data).ok()?.ino())
    }

    /// Line 1 is the server's pid, written before the segment is made. Line 7 is the key, for which the server takes the
    /// directory's inode, and the id.
    fn parse(postmaster: &str, inode: u64) -> Option<Self> {
        let mut lines = postmaster.lines();
        // A single server without connections writes its pid with a minus.
        let creator = lines.next()?.trim().parse::<i64>().ok()?.abs();
        let mut words = lines.nth(5).unwrap_or_default().split_whitespace().map_while(|word| word.parse().ok());
        let (key, id) = words.next().zip(words.next()).unzip();
        Some(Self { creator, key: key.unwrap_or(inode.cast_signed()), id })
    }

    /// Its row; `None` where no segment is the one that was named.
    fn row(self, table: &str) -> Option<Row> {
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<i64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
            let [key, id, _perms, _size, creator, _last, attached, uid, gid, ..] = fields[..] else { return None };
            // The table shows keys as signed, `postmaster.pid` as unsigned.
            let same_key = key.cast_unsigned() & 0xffff_ffff == self.key.cast_unsigned() & 0xffff_ffff;
            let same_id = self.id.is_none_or(|known| known == id);
            (same_key && same_id && creator == self.creator).then_some(Row { id, attached, uid, gid })
        })
    }

    fn look(self) -> Option<Row> {
        self.row(&fs::read_to_string("/proc/sysvipc/shm").ok()?)
    }

    /// Whether it is there.
    pub(crate) fn exists(self) -> bool {
        self.look().is_some()
    }

    /// Removes it where nobody is attached.
    pub(crate) fn remove(self) -> Removal {
        let Row { id, uid, gid, .. } = match self.look() {
            None => return Removal::Gone,
            Some(row) if row.attached == 0 => row,
            Some(_) => return Removal::Stays,
        };
        let (id, user, group) = (id.to_string(), format!("--reuid={uid}"), format!("--regid={gid}"));
        let removal = ["ipcrm", "-m", &id];
        // The superuser of a container may become another user, and may not remove what is another's.
        let as_owner = [&["setpriv", &user, &group, "--clear-groups"], &removal[..]].concat();
        // An interrupt of its own: what must not stay is removed also while the run is being stopped.
        if let Ok(interrupt) = Interrupt::new() {
            for argv in [&removal[..], &as_owner[..]] {
                let cmd = Cmd::new(argv[0]).args(&argv[1..]).timeout(LIMIT);
                // Whether it worked is seen by looking.
                drop(cmd.run(&interrupt));
                if !self.exists() {
                    return Removal::Removed;
                }
            }
        }
        Removal::Stays
    }
}

impl std::fmt::Display for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "shared memory segment {:#x} of PostgreSQL server {}", self.key, self.creator)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    const POSTMASTER: &str = "4711\n/data\n1763000000\n40001\n/sockets\n127.0.0.1\n 2900000001       3\nready   \n";
    const HEAD: &str = "       key      shmid perms       size  cpid  lpid nattch   uid   gid  cuid  cgid      atime\n";

    #[test]
    fn a_segment_is_named_by_key_id_and_creator_and_all_must_match() {
        let segment = Segment::parse(POSTMASTER, 7).expect("a whole file");
        assert_eq!(segment, Segment { key: 2_900_000_001, id: Some(3), creator: 4711 });
        let row = |row: &str| segment.row(&format!("{HEAD}{row}\n")).map(|row| (row.id, row.attached));
        assert_eq!(row("-1394967295 3 600 56 4711 4711 7 101 104 101 104 1 1 1 4096 0"), Some((3, 7)));
        assert_eq!(row("2900000001 3 600 56 4711 4711 0 101 104 101 104 1 1 1 4096 0"), Some((3, 0)));
        assert_eq!(row("2900000002 3 600 56 4711 4711 0 101 104 101 104 1 1 1 4096 0"), None);
        assert_eq!(row("2900000001 4 600 56 4711 4711 0 101 104 101 104 1 1 1 4096 0"), None);
        assert_eq!(row("2900000001 3 600 56 4712 4711 0 101 104 101 104 1 1 1 4096 0"), None);
        assert_eq!(row("nonsense"), None);
    }

    #[test]
    fn a_segment_that_is_not_written_down_yet_has_the_inode_for_its_key() {
        for text in ["4711\n", "-4711\n/data\n1\n2\n3\n", "4711\n/data\n1\n2\n3\n\n\n", "4711\na\nb\nc\nd\ne\n1\n"] {
            let segment = Segment::parse(text, 0x1_0000_0007).expect("a pid");
            assert_eq!((segment.id, segment.creator), (None, 4711), "{text}");
            let row = |row: &str| segment.row(&format!("{HEAD}{row}\n")).map(|row| (row.id, row.attached));
            assert_eq!(row("7 9 600 56 4711 4711 0 101 104 101 104 1 1 1 4096 0"), Some((9, 0)));
            assert_eq!(row("8 9 600 56 4711 4711 0 101 104 101 104 1 1 1 4096 0"), None);
            assert_eq!(row("7 9 600 56 4712 4712 0 101 104 101 104 1 1 1 4096 0"), None);
        }
        for text in ["", "x\na\nb\nc\nd\ne\n1 2\n"] {
            assert_eq!(Segment::parse(text, 7), None, "{text}");
        }
    }
}
