//! What says that a process came to a mutant while it was on.

use crate::mutants::trials::Ground;
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use tollgate_core::mutation::REACHED_VARIABLE;

/// Where the marks are.
pub(super) fn directory(ground: &Ground<'_>) -> Utf8PathBuf {
    ground.directory().join("marks")
}

/// Removes what is left of them, also of a run that was killed.
pub(super) fn clear(ground: &Ground<'_>) {
    let _ = fs::remove_dir_all(directory(ground));
}

/// What tells processes to make one.
pub(super) fn variable(path: &Utf8Path) -> (String, String) {
    (REACHED_VARIABLE.to_owned(), path.to_string())
}

/// The mark of one trial, in a directory that no other has and that goes with it, however it ended. A process that a test left
/// behind makes none for a later mutant, and none at all once the directory is gone.
pub(super) struct Mark(Utf8PathBuf);

impl Mark {
    /// That of this process's trial with this number. Where there can't be one, no process makes it, and the mutant is tried by itself.
    pub(super) fn new(directory: &Utf8Path, number: usize) -> Self {
        let own = directory.join(format!("{}-{number}", std::process::id()));
        let _ = fs::create_dir_all(&own);
        Self(own)
    }

    /// What tells processes to make it.
    pub(super) fn variable(&self) -> (String, String) {
        variable(&self.path())
    }

    /// Whether one did.
    pub(super) fn is_made(&self) -> bool {
        self.path().exists()
    }

    fn path(&self) -> Utf8PathBuf {
        self.0.join("mark")
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_is_made_for_one_trial_is_no_mark_of_another_and_goes_with_it() {
        let temporary = tempfile::tempdir().expect("a directory");
        let directory = Utf8Path::from_path(temporary.path()).expect("UTF-8");
        let (one, two) = (Mark::new(directory, 1), Mark::new(directory, 2));
        assert!(!one.is_made());
        let (_, path) = one.variable();
        fs::write(&path, "").expect("it can be made");
        assert_eq!((one.is_made(), two.is_made()), (true, false));
        drop((one, two));
        assert!(fs::write(&path, "").is_err());
        assert_eq!(fs::read_dir(directory).expect("there").count(), 0);
    }
}
