//! What says which mutant is on, and what says that a process came to it.

use crate::error::CliError;
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use tollgate_core::mutation::switch;

/// The file that every process of a program with many mutants reads when it comes to the first of them.
#[derive(Debug, Clone)]
pub(in crate::mutants) struct Switch {
    path: Utf8PathBuf,
    /// Where the marks are.
    marks: Utf8PathBuf,
}

impl Switch {
    /// The one below this directory, with no mutant on. What is left of marks is removed, also of a run that was killed.
    pub(in crate::mutants) fn new(directory: &Utf8Path) -> Result<Self, CliError> {
        let made = Self { path: directory.join("switch"), marks: directory.join("marks") };
        let _ = fs::remove_dir_all(&made.marks);
        made.off()?;
        Ok(made)
    }

    /// Where the file is.
    pub(in crate::mutants) fn path(&self) -> &str {
        self.path.as_str()
    }

    /// Does the work of this process's trial with this number while a mutant is on: what it gave, and whether a process came to it.
    ///
    /// # Errors
    /// When the file can't be written, and those of the work.
    pub(in crate::mutants) fn with<T, E>(
        &self,
        mutant: u32,
        number: usize,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Result<T, E>, bool), CliError> {
        let mark = Mark::new(&self.marks, number);
        self.write(mutant, &mark.path())?;
        let worked = work();
        let is_reached = mark.is_made();
        self.off()?;
        Ok((worked, is_reached))
    }

    /// No mutant is on, for processes that are as if one was and make no mark.
    fn off(&self) -> Result<(), CliError> {
        self.write(0, &self.marks.join("none"))
    }

    /// A process finds the old text or the new one.
    fn write(&self, on: u32, mark: &Utf8Path) -> Result<(), CliError> {
        let (path, draft) = (&self.path, self.path.with_extension("new"));
        let written = fs::write(&draft, switch(on, mark.as_str())).and_then(|()| fs::rename(&draft, path));
        written.map_err(|source| CliError::Machine { what: format!("can't write {path}"), source })
    }
}

/// The mark of one trial, in a directory that no other has and that goes with it, however it ended. A process that a test left
/// behind makes none for a later mutant, and none at all once the directory is gone.
struct Mark(Utf8PathBuf);

impl Mark {
    /// That of this process's trial with this number. Where there can't be one, no process makes it.
    fn new(directory: &Utf8Path, number: usize) -> Self {
        let own = directory.join(format!("{}-{number}", std::process::id()));
        let _ = fs::create_dir_all(&own);
        Self(own)
    }

    /// Whether a process did.
    fn is_made(&self) -> bool {
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
    fn while_a_mutant_is_on_a_process_reads_its_number_and_where_to_make_a_mark_of_this_trial() {
        let temporary = tempfile::tempdir().expect("a directory");
        let directory = Utf8Path::from_path(temporary.path()).expect("UTF-8");
        let switch = Switch::new(directory).expect("it is made");
        let read = || {
            let text = fs::read_to_string(switch.path()).expect("it is there");
            let (on, mark) = text.split_once('\n').expect("two lines");
            (on.to_owned(), mark.trim_end().to_owned())
        };
        assert_eq!(read().0, "0");
        let mut marks = Vec::new();
        let mut tried = |mutant, number, is_made| {
            let work = || {
                let (on, mark) = read();
                if is_made {
                    fs::write(&mark, "").expect("it can be made");
                }
                marks.push(mark);
                Ok::<_, CliError>(on)
            };
            let (on, is_reached) = switch.with(mutant, number, work).expect("it can be written");
            (on.expect("it worked"), is_reached)
        };
        assert_eq!(tried(7, 1, true), ("7".to_owned(), true));
        assert_eq!(tried(8, 2, false), ("8".to_owned(), false));
        assert_eq!(read().0, "0");
        assert!(fs::write(&marks[0], "").is_err(), "it went with its trial");
        assert_ne!(marks[0], marks[1]);
        // What a killed run left counts for no other.
        fs::create_dir_all(directory.join("marks/1-1")).expect("a directory");
        fs::write(switch.path(), "9\n").expect("written");
        Switch::new(directory).expect("it is made");
        assert_eq!((directory.join("marks").exists(), read().0), (false, "0".to_owned()));
    }
}
