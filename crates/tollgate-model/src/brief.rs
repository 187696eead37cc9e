//! A brief: the little of a run that a pull request is told.
//!
//! It is written by a run and may be read by a machine that does not trust that run, so an unknown key
//! is an error; `tollgate_core::report` bounds lists and texts.

use crate::{Milliseconds, Outcome, Partition};
use serde::{Deserialize, Serialize};

/// What a pull request is told of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Brief {
    /// [`crate::SCHEMA`].
    pub schema: u32,
    /// The verdict.
    pub outcome: Outcome,
    /// The stage that was judged.
    pub stage: String,
    /// Commit that was checked out.
    pub commit: Option<String>,
    /// Wall time of the run, of its longest shard where it was spread.
    pub wall_ms: Milliseconds,
    /// Tests by what became of them.
    pub tests: BriefTests,
    /// The gates that did not pass, worst first.
    pub gates: Vec<BriefGate>,
    /// The tests that failed.
    pub failures: Vec<BriefTest>,
    /// The tests that failed and then passed.
    pub flakes: Vec<BriefTest>,
    /// Coverage of the lines that the change adds, where it was compared with a base.
    pub patch: Option<BriefPatch>,
    /// The recorded run of the base beside this one, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<BriefTrend>,
    /// Mutants of the change that no test noticed, where mutants were tried.
    pub mutants: Option<BriefMutants>,
    /// The shards, where the run was spread.
    pub shards: Vec<BriefShard>,
}

/// Tests by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BriefTests {
    /// Passed at once.
    pub passed: u64,
    /// Failed in every attempt.
    pub failed: u64,
    /// Failed and then passed.
    pub flaky: u64,
    /// Marked `#[ignore]`.
    pub ignored: u64,
    /// Planned and not reported.
    pub missing: u64,
}

/// A gate that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BriefGate {
    /// Its name.
    pub gate: String,
    /// Its outcome.
    pub outcome: Outcome,
    /// Why.
    pub message: String,
}

/// A test that failed, at least once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BriefTest {
    /// Its tier.
    pub tier: String,
    /// Its identity.
    pub test: String,
    /// How often it was tried.
    pub attempts: u64,
    /// What it said, in a line.
    pub message: String,
    /// The end of what it printed.
    pub excerpt: String,
    /// The command that runs it.
    pub reproduce: String,
}

/// Coverage of the lines that a change adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BriefPatch {
    /// Covered lines among them.
    pub covered: u64,
    /// Those that can be covered.
    pub total: u64,
    /// The uncovered ones by file, as ranges with both ends.
    pub uncovered: Vec<BriefLines>,
}

/// A run beside the recorded run of its base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BriefTrend {
    /// The commit that the base was a run of.
    pub commit: String,
    /// How many commits that is before the merge-base.
    pub age: u32,
    /// The base.
    pub before: BriefSide,
    /// This run.
    pub now: BriefSide,
}

/// What is compared of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BriefSide {
    /// Tests that were executed.
    pub tests: u64,
    /// Wall time of running them, all tiers together; 0 where that is not known.
    pub tests_ms: Milliseconds,
    /// Covered production lines.
    pub covered: u64,
    /// All of them; 0 where coverage was not measured.
    pub lines: u64,
}

/// Lines of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BriefLines {
    /// The file, from the root of the workspace.
    pub file: String,
    /// Ranges with both ends, ascending.
    pub lines: Vec<(u32, u32)>,
}

/// Mutants of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BriefMutants {
    /// How many were tried.
    pub tried: u64,
    /// How many no test noticed; older briefs don't say.
    #[serde(default)]
    pub unnoticed: u64,
    /// For how many there was no time; older briefs don't say.
    #[serde(default)]
    pub untried: u64,
    /// The worst of what was concluded of them; older briefs don't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The first of those that no test noticed, with their places.
    pub missed: Vec<String>,
}

/// A shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BriefShard {
    /// Which.
    pub shard: Partition,
    /// Tests that were planned for it.
    pub tests: u64,
    /// What it was expected to take.
    pub estimate_ms: Option<Milliseconds>,
    /// What it took; absent where it left no receipt of the plan.
    pub wall_ms: Option<Milliseconds>,
    /// The attempt at it that counts.
    pub attempt: Option<u32>,
}
