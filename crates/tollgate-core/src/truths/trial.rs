//! One trial: what is run, what must be concluded, and what was.

use super::{Calm, Scene, Truth};
use serde::Serialize;
use std::collections::BTreeMap;
use tollgate_model::{Milliseconds, Outcome};

/// What is run, and what must be concluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trial {
    /// The specimen that is switched on; none where nothing is wrong.
    pub specimen: Option<String>,
    /// What is wrong.
    pub what: String,
    /// The arguments of `cargo xtask`.
    pub command: String,
    /// The exit code that it must end with.
    pub exit: i32,
    /// The gates that must not pass, with their outcomes; all others must.
    pub expect: BTreeMap<String, Outcome>,
    /// What was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scene: Option<Scene>,
}

impl Trial {
    pub(super) fn calm(calm: &Calm) -> Self {
        let (what, expect) = ("Nothing is wrong".to_owned(), BTreeMap::new());
        Self { specimen: None, what, command: calm.command.clone(), exit: 0, expect, scene: calm.scene.clone() }
    }

    pub(super) fn of(truth: &Truth) -> Self {
        Self {
            specimen: Some(truth.name.clone()),
            what: truth.what.clone(),
            command: truth.command.clone(),
            exit: truth.exit,
            expect: truth.expect.clone(),
            scene: truth.scene.clone(),
        }
    }

    /// The name of the row.
    pub fn name(&self) -> &str {
        self.specimen.as_deref().unwrap_or("-")
    }

    /// The value of the variable that switches the specimen on.
    pub fn switch(&self) -> &str {
        let other = self.scene.as_ref().and_then(|scene| scene.switch.as_deref());
        other.or(self.specimen.as_deref()).unwrap_or_default()
    }

    /// Whether the command leaves gates behind; of another one the exit code tells.
    pub fn has_gates(&self) -> bool {
        matches!(self.command.split(' ').next(), Some("ci" | "mutants"))
    }

    /// What stands for the gate of a command without gates: its words up to the first option.
    pub fn command_name(&self) -> String {
        let words = self.command.split(' ').take_while(|word| !word.starts_with('-'));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// What a command concluded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Seen {
    /// Its exit code; none where a signal or a timeout ended it.
    pub exit: Option<i32>,
    /// Its gates; none where it left no verdict.
    pub gates: Option<BTreeMap<String, Outcome>>,
    /// Wall time.
    pub wall_ms: Milliseconds,
    /// Where everything that it said is kept.
    pub log: String,
}

/// A trial against what must be concluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// What was run.
    pub trial: Trial,
    /// What it concluded.
    pub seen: Seen,
    /// Gates that did not conclude what they had to, with what they did conclude, if anything.
    pub missed: BTreeMap<String, Option<Outcome>>,
    /// Gates that did not pass and had to.
    pub false_alarms: BTreeMap<String, Outcome>,
    /// Whether all is as it must be, the exit code included.
    pub as_expected: bool,
}

/// Compares what a trial concluded with what it must.
pub fn row(trial: Trial, mut seen: Seen) -> Row {
    if !trial.has_gates() {
        let outcome = match seen.exit {
            Some(0) => Outcome::Passed,
            Some(1) => Outcome::Failed,
            _ => Outcome::Invalid,
        };
        seen.gates = Some(BTreeMap::from([(trial.command_name(), outcome)]));
    }
    let gates = seen.gates.clone().unwrap_or_default();
    let missed = trial.expect.iter().filter(|(gate, outcome)| gates.get(*gate) != Some(outcome));
    let missed: BTreeMap<_, _> = missed.map(|(gate, _)| (gate.clone(), gates.get(gate).copied())).collect();
    let alarms =
        gates.into_iter().filter(|(gate, outcome)| *outcome != Outcome::Passed && !trial.expect.contains_key(gate));
    let false_alarms: BTreeMap<_, _> = alarms.collect();
    let exit = seen.exit == Some(trial.exit);
    let as_expected = exit && seen.gates.is_some() && missed.is_empty() && false_alarms.is_empty();
    Row { trial, seen, missed, false_alarms, as_expected }
}
