//! What can go wrong with files of a run.

use camino::Utf8PathBuf;
use std::io;

/// A file of a run could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Writing failed.
    #[error("can't write {path}")]
    Write {
        /// The file or directory.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Reading failed.
    #[error("can't read {path}")]
    Read {
        /// The file or directory.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A stored file is not what it should be.
    #[error("{path} is damaged or was written by another version of tollgate")]
    Damaged {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// There is no such run.
    #[error("there is no run `{run}` in {runs}")]
    NoSuchRun {
        /// What was asked for.
        run: String,
        /// Where it was looked for.
        runs: Utf8PathBuf,
    },
}
