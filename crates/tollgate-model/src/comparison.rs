//! Tests whose time on a change is compared with that on its base, in pairs of executions.

use crate::{Milliseconds, TestId, TierName, Unconfirmed};
use serde::{Deserialize, Serialize};

/// Wall times of a test on the base and on the change, measured one right after the other on one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TimePair {
    /// On the base, rounded to whole milliseconds.
    pub base_ms: Milliseconds,
    /// On the change, likewise.
    pub head_ms: Milliseconds,
}

/// Why a test has no times that could be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Incomparable {
    /// The tier has no such test on the base.
    Added,
    /// It failed when it was executed on the base.
    FailsOnBase {
        /// The failure in one line.
        message: String,
    },
    /// It failed when it was executed on the change.
    FailsHere {
        /// The failure in one line.
        message: String,
    },
}

/// A test of the change, and what executing it on both showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ComparedTest {
    /// The test.
    pub id: TestId,
    /// The pairs that count, in the order in which they were measured.
    pub pairs: Vec<TimePair>,
    /// Why there are none, or no more of them, where that is not for want of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomparable: Option<Incomparable>,
}

/// The tests of a tier, compared in time with those of the base.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TimeComparison {
    /// Wall time of all of it, the build of the base included; it is part of no tier's.
    pub wall_ms: Milliseconds,
    /// The tests that ran, by name.
    pub tests: Vec<ComparedTest>,
    /// Why not everything was measured, where that is not for want of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_short: Option<Unconfirmed>,
}

impl TimeComparison {
    /// How many tests the base has too.
    pub fn compared(&self) -> usize {
        self.tests.iter().filter(|test| test.incomparable != Some(Incomparable::Added)).count()
    }
}

/// How the times of a tier's tests are compared with those on the base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RegressionPolicy {
    /// The tier.
    pub tier: TierName,
    /// By how much a test may become slower, in percent of its time on the base.
    pub limit_percent: u32,
    /// Most pairs of executions of a test.
    pub pairs: u32,
    /// Longest wall time of all executions; building the base comes before.
    pub budget_ms: Milliseconds,
}
