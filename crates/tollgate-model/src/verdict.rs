//! The verdict: what was concluded from the evidence.

use crate::{Ending, ExitStatus, GateName, Outcome, RunId};
use serde::{Deserialize, Serialize};

/// Whose a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The change that was judged.
    Change,
    /// It was there before the change.
    Existing,
    /// The machine: it was busy with other work.
    Machine,
    /// Nobody can tell from this run.
    Unknown,
}

impl Blame {
    /// Whose it is, as it is written in reports: `the change`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Change => "the change",
            Self::Existing => "what was there before the change",
            Self::Machine => "the machine",
            Self::Unknown => "not known",
        }
    }
}

/// The recorded run that a gate compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Baseline {
    /// The git tree that it was a run of.
    pub tree: String,
    /// How many commits that is before the merge-base; 0 where it is the merge-base.
    pub age: u32,
}

/// What one gate concluded, with the numbers that it concluded it from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GateResult {
    /// The gate.
    pub gate: GateName,
    /// Its outcome.
    pub outcome: Outcome,
    /// Bad (or, for coverage, good) events, where the gate counts.
    pub k: Option<u64>,
    /// All events, where the gate counts.
    pub n: Option<u64>,
    /// What was measured, as it is shown: `83.4 %`.
    pub value: Option<String>,
    /// What it was compared with: `80 %`.
    pub limit: Option<String>,
    /// Lower bound of the rate of bad events, from 0 to 1, where the gate judges a rate from a sample: Clopper-Pearson, 95 %
    /// one-sided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lo: Option<f64>,
    /// Upper bound of that rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hi: Option<f64>,
    /// How far it is to another outcome, as it is shown: `12 lines to spare`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<String>,
    /// Whose the finding is, where there is one and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blame: Option<Blame>,
    /// The recorded run that it was compared with, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// How many further good samples would decide an unproven gate.
    pub more_needed: Option<u64>,
    /// What, how sure, whose; one sentence.
    pub message: String,
    /// What to do about it, where there is something.
    pub fix: Option<String>,
    /// Names and places that the message rests on: tests, lines, services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

impl GateResult {
    /// A result without numbers; the fields that a gate has are filled in by `GateResult { k, n, ..GateResult::new(…) }`.
    pub fn new(gate: GateName, outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            gate,
            outcome,
            k: None,
            n: None,
            value: None,
            limit: None,
            lo: None,
            hi: None,
            margin: None,
            blame: None,
            baseline: None,
            more_needed: None,
            message: message.into(),
            fix: None,
            evidence: Vec::new(),
        }
    }
}

/// All gate results and the worst of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// [`crate::SCHEMA`].
    pub schema: u32,
    /// The run that was judged.
    pub run: RunId,
    /// The worst outcome of the gates.
    pub outcome: Outcome,
    /// How the run ended.
    pub ending: Ending,
    /// The gates, in the order they are reported.
    pub gates: Vec<GateResult>,
}

impl Verdict {
    /// The exit status of the run; `strict` makes warnings and unproven gates count as failed.
    pub fn exit_status(&self, strict: bool) -> ExitStatus {
        match (&self.ending, self.outcome) {
            (Ending::Interrupted { .. }, _) => ExitStatus::Interrupted,
            (Ending::BuildFailed { .. }, _) => ExitStatus::Build,
            (Ending::EnvironmentFailed { .. }, _) => ExitStatus::Environment,
            (Ending::Completed, Outcome::Invalid) => ExitStatus::Invalid,
            (Ending::Completed, Outcome::Failed) => ExitStatus::Failed,
            (Ending::Completed, Outcome::Warned | Outcome::Unproven) if strict => ExitStatus::Failed,
            (Ending::Completed, _) => ExitStatus::Passed,
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn exit(ending: Ending, outcome: Outcome, strict: bool) -> u8 {
        let run = RunId::new("r").expect("a valid name");
        Verdict { schema: 1, run, outcome, ending, gates: Vec::new() }.exit_status(strict).code()
    }

    #[test]
    fn a_verdict_without_the_newer_fields_is_read() {
        let old = r#"{"gate": "coverage.floor", "outcome": "passed", "k": 3, "n": 4, "value": "75.0 %", "limit": "70 %",
            "more-needed": null, "message": "75.0 % (3/4 production lines), floor 70 %.", "fix": null}"#;
        let gate: GateResult = serde_json::from_str(old).expect("a gate of schema 1");
        assert_eq!((gate.lo, &gate.margin, gate.blame, &gate.baseline), (None, &None, None, &None));
        let written = serde_json::to_string(&gate).expect("JSON");
        assert!(!written.contains("baseline"), "what is not known is not written: {written}");
    }

    #[test]
    fn the_ending_and_the_worst_gate_pick_the_exit_code() {
        let completed = |outcome| [exit(Ending::Completed, outcome, false), exit(Ending::Completed, outcome, true)];
        assert_eq!(Outcome::ALL.map(completed), [[0, 0], [0, 1], [0, 1], [1, 1], [3, 3]]);
        assert_eq!(exit(Ending::BuildFailed { detail: String::new() }, Outcome::Invalid, false), 4);
        assert_eq!(exit(Ending::EnvironmentFailed { detail: String::new() }, Outcome::Invalid, false), 5);
        assert_eq!(exit(Ending::Interrupted { signal: "SIGINT".into() }, Outcome::Invalid, false), 130);
    }
}
