//! All runs of a checkout.

use crate::{RunDir, StoreError};
use camino::{Utf8Path, Utf8PathBuf};
use std::{fs, os::unix::fs::symlink};
use tollgate_model::{Masks, RunId};

/// How many finished runs are kept; older ones are removed when a new one begins.
pub const RUNS_KEPT: usize = 20;

/// How many finished runs keep their builds and raw profiles, which are most of what a run takes.
pub const RUNS_KEPT_WHOLE: usize = 3;

/// What only the newest runs keep.
const BULK: [&str; 2] = ["build", "coverage/profiles"];

/// The directory `target/tollgate`, which holds all runs of a checkout.
#[derive(Debug, Clone)]
pub struct Runs {
    root: Utf8PathBuf,
    masks: Masks,
}

impl Runs {
    /// The runs below a target directory, and what nothing written there may show.
    pub fn below(target_directory: &Utf8Path, masks: Masks) -> Self {
        Self { root: target_directory.join("tollgate"), masks }
    }

    /// The same runs, of which no new one shows these secrets.
    #[must_use]
    pub fn masking(&self, masks: Masks) -> Self {
        Self { root: self.root.clone(), masks }
    }

    /// The directory that has a directory for every run.
    pub fn directory(&self) -> Utf8PathBuf {
        self.root.join("runs")
    }

    /// Makes the directory of a new run and points `latest` at it.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn create(&self, run: &RunId) -> Result<RunDir, StoreError> {
        let directory = self.create_beside(run)?;
        let path = directory.path().to_owned();
        let fail = |source| StoreError::Write { path: path.clone(), source };
        let latest = self.root.join("latest");
        let draft = self.root.join(format!("latest.{run}"));
        symlink(format!("runs/{run}"), &draft).map_err(fail)?;
        fs::rename(&draft, &latest).map_err(fail)?;
        Ok(directory)
    }

    /// Makes the directory of a run that will have no verdict; `latest` stays where it is.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn create_beside(&self, run: &RunId) -> Result<RunDir, StoreError> {
        let path = self.directory().join(run.as_str());
        fs::create_dir_all(&path).map_err(|source| StoreError::Write { path: path.clone(), source })?;
        Ok(RunDir::at(path, self.masks.clone()))
    }

    /// The newest run, also by the name `latest`, or the one with this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(&self, run: Option<&str>) -> Result<RunDir, StoreError> {
        let run = run.filter(|run| *run != "latest");
        let path = run.map_or_else(|| self.root.join("latest"), |run| self.directory().join(run));
        let real = path.canonicalize_utf8().ok().filter(|real| real.is_dir());
        real.map(|path| RunDir::at(path, self.masks.clone()))
            .ok_or_else(|| StoreError::NoSuchRun { run: run.unwrap_or("latest").to_owned(), runs: self.directory() })
    }

    /// Names of the runs, oldest first.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn list(&self) -> Result<Vec<String>, StoreError> {
        let directory = self.directory();
        if !directory.exists() {
            return Ok(Vec::new());
        }
        let entries =
            directory.read_dir_utf8().map_err(|source| StoreError::Read { path: directory.clone(), source })?;
        let mut names: Vec<String> = entries.flatten().map(|entry| entry.file_name().to_owned()).collect();
        names.sort();
        Ok(names)
    }

    /// Removes all but the newest [`RUNS_KEPT`] runs that `finished` agrees to, and returns their names.
    ///
    /// # Errors
    /// When the directory can't be read or a run can't be removed.
    pub fn prune(&self, finished: impl Fn(&Utf8Path) -> bool) -> Result<Vec<String>, StoreError> {
        let names = self.list()?;
        let surplus = names.len().saturating_sub(RUNS_KEPT);
        let mut removed = Vec::new();
        for name in names.into_iter().take(surplus) {
            let path = self.directory().join(&name);
            if finished(&path) {
                fs::remove_dir_all(&path).map_err(|source| StoreError::Write { path, source })?;
                removed.push(name);
            }
        }
        Ok(removed)
    }

    /// Removes builds and raw profiles of all but the newest [`RUNS_KEPT_WHOLE`] runs that `finished` agrees to.
    ///
    /// # Errors
    /// When the directory can't be read or something can't be removed.
    pub fn slim(&self, finished: impl Fn(&Utf8Path) -> bool) -> Result<(), StoreError> {
        let paths = self.list()?.into_iter().map(|name| self.directory().join(name));
        let finished: Vec<Utf8PathBuf> = paths.filter(|path| finished(path)).collect();
        let surplus = finished.len().saturating_sub(RUNS_KEPT_WHOLE);
        let bulk = finished[..surplus].iter().flat_map(|run| BULK.map(|name| run.join(name)));
        for path in bulk.filter(|path| path.exists()) {
            fs::remove_dir_all(&path).map_err(|source| StoreError::Write { path, source })?;
        }
        Ok(())
    }
}
