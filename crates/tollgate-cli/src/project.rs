//! The workspace this process was started in: its root, its configuration, its runs.

use crate::{args::configuration_path, error::CliError};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use tollgate_core::config::{self, Config, Sources};
use tollgate_store::Runs;

/// A workspace with its configuration.
pub(crate) struct Project {
    /// Root of the workspace.
    pub(crate) root: Utf8PathBuf,
    /// What `ci/tollgate.toml`, `coverage/policy.toml` and `ci/quarantine.toml` say.
    pub(crate) config: Config,
    /// Its runs.
    pub(crate) runs: Runs,
}

impl Project {
    /// Finds the root: the nearest directory above that has a configuration.
    pub(crate) fn locate() -> Result<Utf8PathBuf, CliError> {
        let here = std::env::current_dir()
            .map_err(|source| CliError::Machine { what: "can't tell the working directory".into(), source })?;
        let here = Utf8PathBuf::from_path_buf(here)
            .map_err(|path| CliError::usage(format!("the working directory {} is not UTF-8", path.display()), []))?;
        let root = here.ancestors().find(|directory| directory.join(configuration_path()).is_file());
        root.map(Utf8Path::to_owned).ok_or_else(|| {
            CliError::usage(
                format!("there is no {} in {here} or above it", configuration_path()),
                ["docs/guide.md shows the smallest configuration that works".to_owned()],
            )
        })
    }

    /// Reads the configuration; every mistake in it is reported at once.
    pub(crate) fn load() -> Result<Self, CliError> {
        let root = Self::locate()?;
        let config_path = configuration_path();
        let policy_path = Utf8PathBuf::from("coverage/policy.toml");
        let config_text = read(&root, &config_path)?;
        let policy_text = root.join(&policy_path).is_file().then(|| read(&root, &policy_path)).transpose()?;
        let quarantine_path = Utf8PathBuf::from("ci/quarantine.toml");
        let quarantine_text =
            root.join(&quarantine_path).is_file().then(|| read(&root, &quarantine_path)).transpose()?;
        let sources = Sources {
            config: (config_path.into_string(), config_text),
            policy: policy_text.map(|text| (policy_path.into_string(), text)),
            quarantine: quarantine_text.map(|text| (quarantine_path.into_string(), text)),
        };
        let config =
            config::load(&sources).map_err(|problems| CliError::Configuration { rendered: problems.to_string() })?;
        let runs = runs(&root);
        Ok(Self { root, config, runs })
    }
}

/// Where the runs of a workspace are: below `CARGO_TARGET_DIR` where that is set, else below `target`.
///
/// Other ways of moving cargo's target directory don't move the runs: the keeper must know the place before cargo is asked.
pub(crate) fn runs(root: &Utf8Path) -> Runs {
    let moved = std::env::var("CARGO_TARGET_DIR").ok().filter(|path| !path.is_empty());
    Runs::below(&root.join(moved.unwrap_or_else(|| "target".to_owned())))
}

fn read(root: &Utf8Path, path: &Utf8Path) -> Result<String, CliError> {
    fs::read_to_string(root.join(path)).map_err(|source| CliError::Read {
        path: path.to_owned(),
        source,
        hints: Vec::new(),
    })
}
