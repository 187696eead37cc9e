//! What can go wrong with an outside tool.

use camino::Utf8PathBuf;
use std::io;
use thiserror::Error;
use tollgate_exec::{ExecError, Status};

/// A tool that could not do its work. A test that fails is a result, never one of these.
#[derive(Debug, Error)]
pub enum ToolError {
    /// A program is missing, could not be started, or was stopped.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The workspace does not compile.
    #[error("`{argv}` failed\n{tail}")]
    BuildFailed {
        /// The command.
        argv: String,
        /// What the compiler said, from its first error on.
        tail: String,
    },
    /// nextest does not accept a filterset.
    #[error("nextest does not accept the filterset `{filter}`\n{message}")]
    BadFilter {
        /// The filterset.
        filter: String,
        /// nextest's message, with a caret under the place.
        message: String,
    },
    /// A tool ended in a way that its results can't be used.
    #[error("`{argv}` ended with {status}\n{tail}")]
    Tool {
        /// The command.
        argv: String,
        /// How it ended.
        status: Status,
        /// The end of what it printed.
        tail: String,
    },
    /// A binary that a service runs is not made by any package that was built.
    #[error("the workspace has no binary `{name}`; it has: {known}")]
    MissingBinary {
        /// The binary.
        name: String,
        /// The binaries there are.
        known: String,
    },
    /// Something that has to be installed can't be, here or by this user.
    #[error("{what} can't be installed; {hint}")]
    NotInstalled {
        /// What.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// What a tool printed is not what it is known to print.
    #[error("the output of {what} can't be read")]
    Parse {
        /// The tool and what was asked of it.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file or directory could not be read or written.
    #[error("{what} `{path}` failed")]
    File {
        /// What was done: `reading`, `writing`.
        what: &'static str,
        /// The file.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ToolError {
    /// Makes a [`ToolError::Parse`].
    pub(crate) fn parse(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Parse { what: what.into(), source: source.into() }
    }

    /// Makes a [`ToolError::File`] from what the system said, for `map_err`.
    pub(crate) fn file(what: &'static str, path: impl Into<Utf8PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
