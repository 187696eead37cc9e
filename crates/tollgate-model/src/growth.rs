//! Tests that take longer than they used to.

use crate::{Milliseconds, TestId, TierName};
use serde::{Deserialize, Serialize};

/// What a passed test took, against recorded runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GrownTest {
    /// The test.
    pub id: TestId,
    /// Its tier.
    pub tier: TierName,
    /// Wall time of its last attempt in this run.
    pub now_ms: Milliseconds,
    /// Median of its passes in recorded runs, in steps of 6 %.
    pub median_ms: Milliseconds,
    /// In how many of them it passed.
    pub runs: u64,
}

/// Tests that took longer than in recorded runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Growth {
    /// Tests that recorded runs are known of, enough to compare with.
    pub compared: u64,
    /// Those that took longer: every one that is newly slow, and of the others the ten that grew most. Most grown first.
    pub tests: Vec<GrownTest>,
}
