//! The state directory of a run: where its servers keep their data.
//!
//! Memory before disk: copying a data directory takes a tenth of the time there, and so does every commit.

use crate::EnvError;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Access, Gid, Uid, access, statvfs};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use tollgate_model::RunId;

use super::launch::Account;

/// Space that must be free in memory before a run's data is put there.
const MEMORY_FREE_MIN: u64 = 1 << 30;

/// Files up to this size are read whole, larger ones copied by the kernel.
const WHOLE_MAX: u64 = 1 << 20;

/// Servers run as another user pass through a directory of this mode; nobody else can list it.
const TRAVERSABLE: u32 = 0o711;

/// The directories below which runs of this user keep their state, the preferred one first.
pub(crate) fn roots() -> Vec<Utf8PathBuf> {
    let name = format!("tollgate-{}", rustix::process::geteuid().as_raw());
    let temporary = std::env::var("TMPDIR").ok().filter(|path| path.starts_with('/'));
    let parents = [Some("/dev/shm".to_owned()), temporary, Some("/tmp".to_owned())];
    parents.into_iter().flatten().map(|parent| Utf8PathBuf::from(parent).join(&name)).collect()
}

/// Where this run's state directory goes.
pub(super) fn place(run: &RunId) -> Utf8PathBuf {
    let roots = roots();
    let fits = |root: &&Utf8PathBuf| root.parent().is_some_and(has_memory);
    let root = roots[..1].iter().find(fits).unwrap_or(&roots[1]);
    root.join(run.as_str())
}

fn has_memory(parent: &Utf8Path) -> bool {
    let writable = access(parent.as_std_path(), Access::WRITE_OK | Access::EXEC_OK).is_ok();
    writable && statvfs(parent.as_std_path()).is_ok_and(|at| at.f_bavail.saturating_mul(at.f_frsize) >= MEMORY_FREE_MIN)
}

/// How often the root of a state directory may be removed by the end of another run, just when it is needed.
const ROOT_ATTEMPTS: u32 = 100;

/// Creates the state directory of a run and the root it is in.
pub(super) fn create(directory: &Utf8Path) -> Result<(), EnvError> {
    let root = directory.parent().unwrap_or(directory);
    for attempt in 1..=ROOT_ATTEMPTS {
        make(root)
            .or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })
            .and_then(|()| own(root))
            .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
            .map_err(EnvError::io("create the directory", root))?;
        match make(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ROOT_ATTEMPTS => {}
            made => return made.map_err(EnvError::io("create the directory", directory)),
        }
    }
    unreachable!("the last attempt returns")
}

/// Removes the root that a state directory was in, where it was the last.
pub(crate) fn remove_root_of(directory: &Utf8Path) {
    let root = directory.parent().filter(|root| roots().iter().any(|known| known == root) && own(root).is_ok());
    if let Some(root) = root {
        // It is not removed while anything is in it.
        let _ = fs::remove_dir(root);
    }
}

fn make(directory: &Utf8Path) -> io::Result<()> {
    DirBuilder::new().mode(TRAVERSABLE).create(directory)?;
    // The mode of creation is narrowed by the umask.
    fs::set_permissions(directory, fs::Permissions::from_mode(TRAVERSABLE))
}

/// Refuses a root that somebody else put there; its parent can be written by everybody.
fn own(root: &Utf8Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(root)?;
    let ours = metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw();
    if ours { Ok(()) } else { Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else")) }
}

/// Creates a directory of one server, which nobody but its user can enter.
pub(super) fn create_private(directory: &Utf8Path, account: Option<Account>) -> Result<(), EnvError> {
    let create = || -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(directory)?;
        give(directory, account.map(|account| (account.uid, account.gid)))
    };
    create().map_err(EnvError::io("create the directory", directory))
}

fn give(path: &Utf8Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    Ok(rustix::fs::chown(path.as_std_path(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
}

/// Copies a directory with all that is in it, its modes and, for root, its owners.
pub(super) fn copy_tree(from: &Utf8Path, to: &Utf8Path) -> Result<(), EnvError> {
    let root = rustix::process::geteuid().is_root();
    copy_directory(from, to, root, &mut Vec::new()).map_err(EnvError::io("copy a directory to", to))
}

/// A data directory has a thousand small files, so each costs as few calls as can be; `buffer` is used for all small ones.
fn copy_directory(from: &Utf8Path, to: &Utf8Path, root: bool, buffer: &mut Vec<u8>) -> io::Result<()> {
    let metadata = fs::metadata(from)?;
    DirBuilder::new().mode(metadata.mode() & 0o7777).create(to)?;
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(entry.path(), &target, root, buffer)?;
        } else {
            copy_file(entry.path(), &target, root, buffer)?;
        }
    }
    give(to, root.then(|| (metadata.uid(), metadata.gid())))
}

fn copy_file(from: &Utf8Path, to: &Utf8Path, root: bool, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut source = File::open(from)?;
    let metadata = source.metadata()?;
    let mode = metadata.mode() & 0o7777;
    let mut target = File::options().write(true).create_new(true).mode(mode).open(to)?;
    if metadata.len() > WHOLE_MAX {
        io::copy(&mut source, &mut target)?;
    } else {
        buffer.clear();
        source.read_to_end(buffer)?;
        target.write_all(buffer)?;
    }
    if mode & 0o077 != 0 {
        // The mode of creation is narrowed by the umask.
        target.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    if root {
        rustix::fs::fchown(&target, Some(Uid::from_raw(metadata.uid())), Some(Gid::from_raw(metadata.gid())))?;
    }
    Ok(())
}

/// Whether a recorded directory is one that a run made for its state: directly below one of the roots, by the name of
/// the run, and a directory of this user.
pub(crate) fn is_state_of(directory: &Utf8Path, run: &RunId) -> bool {
    let named = directory.file_name() == Some(run.as_str());
    let below =
        directory.parent().is_some_and(|parent| roots().iter().any(|root| root == parent) && own(parent).is_ok());
    named && below && own(directory).is_ok()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn only_a_directory_that_a_run_made_is_its_state() {
        let run = RunId::new("20261121-093055-4711").expect("a valid name");
        for other in ["/", "/tmp", "/dev/shm/20261121-093055-4711", "/dev/shm/tollgate-0/../20261121-093055-4711"] {
            assert!(!is_state_of(Utf8Path::new(other), &run), "{other}");
        }
    }

    #[test]
    fn a_directory_is_copied_whole_with_its_modes() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Utf8Path::from_path(directory.path()).expect("UTF-8");
        let (from, to) = (place.join("from"), place.join("to"));
        fs::create_dir_all(from.join("inner")).expect("a directory");
        let large: Vec<u8> = (0..=WHOLE_MAX).map(|at| at.to_le_bytes()[1]).collect();
        for (name, bytes, mode) in [("segment", &large[..], 0o600), ("inner/small", b"x", 0o644), ("empty", b"", 0o640)]
        {
            fs::write(from.join(name), bytes).expect("a file");
            fs::set_permissions(from.join(name), fs::Permissions::from_mode(mode)).expect("its own");
        }
        copy_tree(&from, &to).expect("it can be copied");
        for (name, mode) in [("segment", 0o600), ("inner/small", 0o644), ("empty", 0o640)] {
            assert!(fs::read(from.join(name)).expect("there") == fs::read(to.join(name)).expect("copied"), "{name}");
            assert_eq!(fs::metadata(to.join(name)).expect("copied").mode() & 0o7777, mode, "{name}");
        }
    }

    #[test]
    fn the_state_of_a_run_is_below_a_root_under_its_name() {
        let run = RunId::new("a-run").expect("a valid name");
        let place = place(&run);
        assert_eq!(place.file_name(), Some("a-run"));
        assert!(roots().iter().any(|root| Some(root.as_path()) == place.parent()));
    }
}
