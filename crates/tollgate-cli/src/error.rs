//! What a command can fail with, the hints that go with it, and the exit status it picks.

use tollgate_model::ExitStatus;

/// An expected failure of a command. A red verdict is none: it is a value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Many mistakes in one file, already rendered with their places.
    #[error("{rendered}")]
    Configuration { rendered: String },
    /// A wrong choice on the command line, or a plan that can't be made.
    #[error("{message}")]
    Usage { message: String, hints: Vec<String> },
    /// A filter that narrows the tiers and that no test matches.
    #[error("{message}")]
    NothingSelected { message: String, hints: Vec<String> },
    #[error("can't read {path}")]
    Read {
        path: camino::Utf8PathBuf,
        #[source]
        source: std::io::Error,
        hints: Vec<String>,
    },
    #[error(transparent)]
    Store(#[from] tollgate_store::StoreError),
    #[error(transparent)]
    History(#[from] tollgate_store::HistoryError),
    #[error(transparent)]
    Tool(#[from] tollgate_tools::ToolError),
    #[error(transparent)]
    Environment(#[from] tollgate_env::EnvError),
    #[error(transparent)]
    Rest(#[from] tollgate_github::rest::RestError),
    #[error("{what}")]
    Machine {
        what: String,
        #[source]
        source: std::io::Error,
    },
    /// Tests that fail on unchanged code can't tell a mutant from it.
    #[error("the tests of the unchanged workspace fail, so mutants can't be told from it:\n  {}", failed.join("\n  "))]
    Baseline { failed: Vec<String> },
    /// Where no test is run no mutant is noticed, which says nothing of tests that there are.
    #[error("no test is to notice mutants, so nothing can be judged; the tiers are: {tiers}")]
    Untested { tiers: String },
    /// After mutants were tried, the unchanged workspace fails.
    #[error(
        "after {trials} mutants, the unchanged workspace fails where it passed before: {failed}\n  \
         one of them left something behind, in the services or on this machine, so which were caught since is not known"
    )]
    Spoilt { failed: String, trials: usize },
    /// Mutants of programs that services run can't be told from them, since these don't do in services of their own.
    #[error(
        "the unchanged workspace fails beside services of its own, with those of the run up as well: {how}\n  \
         so nothing would tell its mutants from it"
    )]
    NotTwice { how: String },
    /// Services that tests needed could not be had, or died.
    #[error("{detail}")]
    Services { detail: String },
    #[error("interrupted by {signal}")]
    Interrupted { signal: String },
}

impl CliError {
    /// A mistake of the caller, with what to do about it.
    pub(crate) fn usage(message: impl Into<String>, hints: impl IntoIterator<Item = String>) -> Self {
        Self::Usage { message: message.into(), hints: hints.into_iter().collect() }
    }

    /// The exit status of a command that ends with this.
    pub(crate) fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Configuration { .. }
            | Self::Usage { .. }
            | Self::NothingSelected { .. }
            | Self::Read { .. }
            | Self::Store(tollgate_store::StoreError::NoSuchRun { .. })
            | Self::History(tollgate_store::HistoryError::Archive { .. })
            | Self::Tool(tollgate_tools::ToolError::BadFilter { .. })
            | Self::Environment(tollgate_env::EnvError::File(_)) => ExitStatus::Usage,
            Self::Tool(tollgate_tools::ToolError::Exec(tollgate_exec::ExecError::Interrupted { .. }))
            | Self::Rest(tollgate_github::rest::RestError::Interrupted { .. })
            | Self::Interrupted { .. } => ExitStatus::Interrupted,
            Self::Baseline { .. } | Self::Untested { .. } | Self::NotTwice { .. } | Self::Spoilt { .. } => {
                ExitStatus::Invalid
            }
            Self::Tool(tollgate_tools::ToolError::BuildFailed { .. }) => ExitStatus::Build,
            Self::Store(_)
            | Self::History(_)
            | Self::Tool(_)
            | Self::Environment(_)
            | Self::Rest(_)
            | Self::Services { .. }
            | Self::Machine { .. } => ExitStatus::Environment,
        }
    }

    /// What to do about it.
    pub(crate) fn hints(&self) -> Vec<String> {
        match self {
            Self::Usage { hints, .. } | Self::NothingSelected { hints, .. } | Self::Read { hints, .. } => hints.clone(),
            Self::Environment(error) => error.hint().into_iter().collect(),
            Self::Rest(error) => error.hint().into_iter().collect(),
            Self::Store(tollgate_store::StoreError::NoSuchRun { .. }) => {
                vec!["`cargo xtask ci` makes a run; `ls target/tollgate/runs` shows the stored ones".to_owned()]
            }
            Self::Store(tollgate_store::StoreError::Write { source, .. })
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                let own = "where the checkout is another user's, name a target directory of your own: \
                           `CARGO_TARGET_DIR=~/.cache/target cargo xtask ci`";
                vec![own.to_owned()]
            }
            Self::History(tollgate_store::HistoryError::Archive { .. }) => {
                vec![
                    "`cargo xtask history export FILE` makes an archive; runs read before the damage are kept"
                        .to_owned(),
                ]
            }
            Self::Baseline { .. } => {
                vec!["`cargo xtask test` runs them alone; they run in a copy of the workspace here".to_owned()]
            }
            Self::Untested { .. } => {
                let hint =
                    "name tiers that have tests in `[mutants] tiers`; without it they are those that need no service";
                vec![hint.to_owned()]
            }
            Self::Spoilt { .. } => {
                vec!["give each test data and files of its own; `--only NAME` tries a single mutant".to_owned()]
            }
            Self::NotTwice { .. } => {
                let hint =
                    "let services stand up twice at once: no port, file or lock of the machine that is theirs alone";
                vec![hint.to_owned()]
            }
            _ => Vec::new(),
        }
    }
}
