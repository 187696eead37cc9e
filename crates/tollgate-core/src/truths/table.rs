//! The table of what must be concluded.

use super::Trial;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::Outcome;

/// The whole table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Truths {
    /// What every gate passes while no specimen is switched on.
    pub calm: Vec<Calm>,
    /// The specimens.
    #[serde(rename = "truth")]
    pub truths: Vec<Truth>,
}

/// A command under which nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Calm {
    /// The arguments of `cargo xtask`, with a space between them.
    pub command: String,
    /// What was before, where a gate compares with it.
    #[serde(default)]
    pub scene: Option<Scene>,
}

/// A specimen, and what must be concluded of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Truth {
    /// Its name, which is the value of the variable `TRUTH` that switches it on.
    pub name: String,
    /// What is wrong, as a sentence without its full stop.
    pub what: String,
    /// The arguments of `cargo xtask` under which it shows, with a space between them.
    pub command: String,
    /// The exit code.
    pub exit: i32,
    /// The gates that don't pass, and their outcomes.
    pub expect: BTreeMap<String, Outcome>,
    /// What was before, where the specimen shows only against a base or a history.
    #[serde(default)]
    pub scene: Option<Scene>,
}

/// What was before a trial: the workspace without a specimen is the one commit of a new repository, on its branch `main`, and
/// the history is empty. Without a scene there is neither.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Scene {
    /// Commands that are run first, on that commit.
    pub before: Vec<String>,
    /// Whether the specimen is switched on for them as well; otherwise each must end with exit code 0.
    pub is_on_before: bool,
    /// Whether all of it is as in a push to the main branch.
    pub on_main: bool,
    /// The specimen, where it is another one's variable that switches it on; an empty text is none.
    pub switch: Option<String>,
    /// What is then changed in the checkout.
    pub edit: Option<Edit>,
}

/// A text of a file that becomes another.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Edit {
    /// The file, from the root of the workspace.
    pub file: String,
    /// What is there, once.
    pub from: String,
    /// What is there afterwards.
    pub to: String,
}

impl Truths {
    /// Reads the table.
    ///
    /// # Errors
    /// When it is no such table, a name stands for two specimens, or nothing is expected of one; the text names the place.
    pub fn parse(text: &str) -> Result<Self, String> {
        let truths: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut names = BTreeSet::new();
        for truth in &truths.truths {
            if !names.insert(&truth.name) {
                return Err(format!("the truth `{}` is there twice", truth.name));
            }
            if truth.expect.is_empty() || truth.expect.values().any(|outcome| *outcome == Outcome::Passed) {
                return Err(format!("the truth `{}` must name gates that don't pass, and only those", truth.name));
            }
        }
        Ok(truths)
    }

    /// What is tried: every calm command so often, then every specimen; or these specimens alone.
    ///
    /// # Errors
    /// When one that is asked for is not there; the text names those that are.
    pub fn trials(&self, calm: u32, only: &[String]) -> Result<Vec<Trial>, String> {
        if let Some(unknown) = only.iter().find(|name| self.truths.iter().all(|truth| truth.name != **name)) {
            let names: Vec<&str> = self.truths.iter().map(|truth| truth.name.as_str()).collect();
            return Err(format!("there is no truth `{unknown}`; there are {}", names.join(", ")));
        }
        let quiet = self.calm.iter().flat_map(|quiet| (0..calm).map(|_| Trial::calm(quiet)));
        let chosen = self.truths.iter().filter(|truth| only.is_empty() || only.contains(&truth.name));
        let quiet = quiet.filter(|_| only.is_empty());
        Ok(quiet.chain(chosen.map(Trial::of)).collect())
    }
}
