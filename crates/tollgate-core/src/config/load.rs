//! Loading: texts in, a checked configuration or all mistakes out.

use super::file::{File, PolicyFile};
use super::problem::Problems;
use super::quarantine::{self, Quarantine, QuarantineFile};
use super::settings::Config;
use super::walk::walk;
use super::{check, schema};

/// The configuration files of a workspace, each with the name that messages call it by and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// `ci/tollgate.toml`.
    pub config: (String, String),
    /// `coverage/policy.toml`, where there is one; without it the floor is 80 % and nothing is excluded.
    pub policy: Option<(String, String)>,
    /// `ci/quarantine.toml`, where there is one; without it no test is quarantined.
    pub quarantine: Option<(String, String)>,
}

/// Reads and checks the configuration.
///
/// # Errors
/// Every mistake in all files at once, each with its place, the known alternatives and a hint.
pub fn load(sources: &Sources) -> Result<Config, Problems> {
    let mut problems = Vec::new();
    let (name, text) = &sources.config;
    let walked = walk(name, text, &schema::config_file(), &mut problems);
    let file = walked.and_then(|walked| check::Subject::<File>::new(name, text, walked, &mut problems));
    let config = file.and_then(|file| check::config(&file, &mut problems));
    let policy = match &sources.policy {
        None => Some(check::default_policy()),
        Some((name, text)) => {
            let walked = walk(name, text, &schema::policy_file(), &mut problems);
            let file = walked.and_then(|walked| check::Subject::<PolicyFile>::new(name, text, walked, &mut problems));
            file.map(|file| check::policy(&file, &mut problems))
        }
    };
    let quarantine = match &sources.quarantine {
        None => Some(Quarantine::default()),
        Some((name, text)) => {
            let walked = walk(name, text, &schema::quarantine_file(), &mut problems);
            let file =
                walked.and_then(|walked| check::Subject::<QuarantineFile>::new(name, text, walked, &mut problems));
            file.map(|file| quarantine::quarantine(&file, &mut problems))
        }
    };
    match (config, policy, quarantine) {
        (Some(config), Some(policy), Some(quarantine)) if problems.is_empty() => {
            Ok(Config { coverage: config.coverage.as_ref().map(|_| policy), quarantine, ..config })
        }
        _ => {
            let files = std::iter::once(&sources.config).chain(&sources.policy).chain(&sources.quarantine);
            Err(Problems::new(problems, files.cloned().collect()))
        }
    }
}
