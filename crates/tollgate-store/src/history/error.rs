//! What can go wrong with the history.

use camino::Utf8PathBuf;
use std::io;
use tollgate_model::Digest;

/// The history, or something in it, could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Reading failed.
    #[error("can't read {path}")]
    Read {
        /// The file or directory.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Writing failed.
    #[error("can't write {path}")]
    Write {
        /// The file or directory.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what its name says.
    #[error("{path} was altered or is half written: {why}")]
    Altered {
        /// The file.
        path: Utf8PathBuf,
        /// In what way.
        why: String,
    },
    /// A file is whole, and not a record that this version can read.
    #[error("{path} is no record of this version: {why}")]
    Foreign {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An archive ends early, or is none.
    #[error("the archive is damaged: {why}")]
    Archive {
        /// Where, and in what way.
        why: String,
    },
    /// The index failed, also when it was made anew.
    #[error("the index {path} can't be used")]
    Index {
        /// Its file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Something that a record refers to is not there.
    #[error("{what} {digest} is not in the history")]
    Missing {
        /// `the blob`, `the record`.
        what: &'static str,
        /// Its name.
        digest: Digest,
    },
}
