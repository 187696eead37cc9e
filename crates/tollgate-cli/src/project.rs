//! The workspace this process was started in: its root, its configuration, its runs.

use crate::{args::configuration_path, error::CliError};
use camino::{Utf8Path, Utf8PathBuf};
use std::{collections::BTreeMap, ffi::OsString, fs};
use tollgate_core::config::{self, Config, Sources};
use tollgate_model::Masks;
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
        Self::load_from(None, None)
    }

    /// Reads other files, where they are named, in place of `ci/tollgate.toml` and `coverage/policy.toml`.
    pub(crate) fn load_from(config: Option<&Utf8Path>, policy: Option<&Utf8Path>) -> Result<Self, CliError> {
        Self::at(Self::locate()?, config, policy)
    }

    /// The same for the workspace with this root.
    pub(crate) fn at(
        root: Utf8PathBuf,
        config: Option<&Utf8Path>,
        policy: Option<&Utf8Path>,
    ) -> Result<Self, CliError> {
        let there = |path: &str| {
            let path = Utf8Path::new(path);
            root.join(path).is_file().then(|| read(&root, path)).transpose()
        };
        let sources = Sources {
            config: config.map_or_else(|| read(&root, &configuration_path()), read_named)?,
            policy: policy.map_or_else(|| there("coverage/policy.toml"), |policy| read_named(policy).map(Some))?,
            quarantine: there("ci/quarantine.toml")?,
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
    Runs::below(&root.join(moved.unwrap_or_else(|| "target".to_owned())), masks(&[]))
}

/// The variables of this process, which the compose file can use; those that are no text can't be.
pub(crate) fn variables() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

/// The secrets among the variables of this process and among those that files of variables give, which no text that is
/// shown or kept may have.
pub(crate) fn masks(of_files: &[(String, String)]) -> Masks {
    Masks::of(variables().into_iter().chain(of_files.iter().cloned()))
}

/// The name and the text of a file of the workspace.
fn read(root: &Utf8Path, path: &Utf8Path) -> Result<(String, String), CliError> {
    let text = fs::read_to_string(root.join(path)).map_err(|source| cannot_read(path, source))?;
    Ok((path.to_string(), text))
}

/// The name and the text of a file that the command line names.
fn read_named(path: &Utf8Path) -> Result<(String, String), CliError> {
    let text = fs::read_to_string(path).map_err(|source| cannot_read(path, source))?;
    Ok((path.to_string(), text))
}

fn cannot_read(path: &Utf8Path, source: std::io::Error) -> CliError {
    CliError::Read { path: path.to_owned(), source, hints: Vec::new() }
}
