//! The cache of prepared data directories: its names, and keeping it small.
//!
//! A template is a directory under its digest. Beside it are its lock, which is held shared by who copies it and alone by who
//! makes or removes it, and, while it is made or when that was cut short, a draft.

use camino::{Utf8Path, Utf8PathBuf};
use std::cmp::Reverse;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};
use tollgate_model::Leftover;

/// Templates that stay whatever their age: a few databases of a few checkouts.
const KEPT_MIN: usize = 4;

/// Templates that stay if they are used; each has about 30 MiB.
const KEPT_MAX: usize = 20;

/// How long a template stays that nobody uses.
const UNUSED_MAX: Duration = Duration::from_hours(30 * 24);

/// Marks a draft among the names of a cache.
const DRAFT: &str = "draft-";

/// Where the templates of this user are.
pub(super) fn cache_directory() -> Utf8PathBuf {
    cache_home().join("tollgate/pgdata")
}

/// Where programs of this user keep what they can make anew.
pub(crate) fn cache_home() -> Utf8PathBuf {
    let absolute = |name: &str| std::env::var(name).ok().filter(|path| path.starts_with('/')).map(Utf8PathBuf::from);
    let home = || absolute("HOME").unwrap_or_else(|| "/tmp".into()).join(".cache");
    absolute("XDG_CACHE_HOME").unwrap_or_else(home)
}

/// Whether there is a template; it gets its name when it was made to its end.
pub(super) fn is_complete(template: &Utf8Path) -> bool {
    template.is_dir()
}

/// The lock of a template.
pub(super) fn lock_of(template: &Utf8Path) -> Utf8PathBuf {
    template.with_extension("lock")
}

/// Where this process makes a template, before it has its name.
pub(super) fn draft_of(template: &Utf8Path) -> Utf8PathBuf {
    template.with_extension(format!("{DRAFT}{}", std::process::id()))
}

/// Notes that a template was used.
pub(super) fn touch(template: &Utf8Path) {
    // One that can't be noted is only removed too early, and made again.
    let _ = File::open(template).and_then(|directory| directory.set_modified(SystemTime::now()));
}

/// Removes drafts whose maker is gone; with `dry_run` only says which.
pub(crate) fn remove_drafts(dry_run: bool) -> Vec<Leftover> {
    remove_drafts_in(&cache_directory(), dry_run)
}

fn remove_drafts_in(cache: &Utf8Path, dry_run: bool) -> Vec<Leftover> {
    let drafts =
        directories(cache).into_iter().filter(|path| path.extension().is_some_and(|name| name.starts_with(DRAFT)));
    let remove = |draft: Utf8PathBuf| {
        let _lock = alone(&draft)?;
        let end = if dry_run {
            "would be removed".to_owned()
        } else {
            fs::remove_dir_all(&draft)
                .map_or_else(|error| format!("is still there: {error}"), |()| "was removed".to_owned())
        };
        Some(Leftover { kind: "draft".to_owned(), what: format!("{draft} of a prepared data directory {end}") })
    };
    drafts.filter_map(remove).collect()
}

/// Removes templates that nobody needs any more, and returns their paths.
pub(crate) fn prune() -> Vec<Utf8PathBuf> {
    prune_in(&cache_directory(), SystemTime::now())
}

fn prune_in(cache: &Utf8Path, now: SystemTime) -> Vec<Utf8PathBuf> {
    let templates = directories(cache).into_iter().filter(|path| path.extension().is_none());
    let used = |path: &Utf8PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let mut templates: Vec<(SystemTime, Utf8PathBuf)> =
        templates.filter_map(|path| Some((used(&path)?, path))).collect();
    templates.sort_by_key(|(used, path)| (Reverse(*used), path.clone()));
    let unused = |used: SystemTime| now.duration_since(used).is_ok_and(|age| age > UNUSED_MAX);
    let surplus = templates.into_iter().enumerate().skip(KEPT_MIN);
    let surplus = surplus.filter(|(place, (used, _))| *place >= KEPT_MAX || unused(*used));
    surplus.filter_map(|(_, (_, path))| remove_template(&path).then_some(path)).collect()
}

/// Removes a template unless somebody copies it now.
fn remove_template(template: &Utf8Path) -> bool {
    let Some(_lock) = alone(template) else { return false };
    let draft = draft_of(template);
    // In one step, so that half of it is never taken for the whole.
    fs::rename(template, &draft).is_ok() && fs::remove_dir_all(&draft).is_ok()
}

/// The lock of a template or of a draft of it, held alone; `None` while anybody else holds it.
fn alone(path: &Utf8Path) -> Option<File> {
    let lock = File::options().create(true).append(true).open(lock_of(path)).ok()?;
    lock.try_lock().is_ok().then_some(lock)
}

fn directories(cache: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = cache.read_dir_utf8().into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(camino::Utf8DirEntry::into_path).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    fn cache() -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8PathBuf::from_path_buf(directory.path().to_owned()).expect("text");
        (directory, path)
    }

    fn make(path: &Utf8Path, used: SystemTime) {
        fs::create_dir(path).expect("a directory");
        fs::write(path.join("PG_VERSION"), "15").expect("a file");
        File::open(path).and_then(|directory| directory.set_modified(used)).expect("its own");
    }

    fn names(paths: &[Utf8PathBuf]) -> Vec<&str> {
        paths.iter().filter_map(|path| path.file_name()).collect()
    }

    #[test]
    fn templates_that_are_old_or_too_many_go_and_those_in_use_stay() {
        let (_guard, cache) = cache();
        let now = SystemTime::now();
        let day = Duration::from_hours(24);
        for number in 0..7 {
            make(&cache.join(format!("old{number}")), now - day * (31 + number));
        }
        let held = File::create(cache.join("old5.lock")).expect("a file");
        held.lock_shared().expect("nobody holds it");
        assert_eq!(names(&prune_in(&cache, now)), ["old4", "old6"]);
        assert!(is_complete(&cache.join("old3")) && is_complete(&cache.join("old5")));
        for number in 10..30 {
            make(&cache.join(format!("new{number}")), now - day * number);
        }
        drop(held);
        assert_eq!(names(&prune_in(&cache, now)), ["old0", "old1", "old2", "old3", "old5"]);
        make(&cache.join("new9"), now);
        assert_eq!(names(&prune_in(&cache, now)), ["new29"], "twenty are enough");
    }

    #[test]
    fn a_draft_goes_when_its_maker_is_gone() {
        let (_guard, cache) = cache();
        let template = cache.join("abc");
        fs::create_dir(draft_of(&template)).expect("a directory");
        let maker = File::create(lock_of(&template)).expect("a file");
        maker.lock().expect("nobody holds it");
        assert_eq!(remove_drafts_in(&cache, false), []);
        drop(maker);
        assert!(remove_drafts_in(&cache, true)[0].what.ends_with("of a prepared data directory would be removed"));
        assert!(draft_of(&template).exists());
        assert_eq!(remove_drafts_in(&cache, false).len(), 1);
        assert!(!draft_of(&template).exists());
    }
}
