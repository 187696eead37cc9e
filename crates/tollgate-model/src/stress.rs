//! Tests that are run again and again: how often they were, and how often they failed.

use crate::{Milliseconds, TestId, TierName};
use serde::{Deserialize, Serialize};

/// Executions under one condition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Executions {
    /// Those that failed.
    pub failed: u64,
    /// All of them.
    pub all: u64,
}

impl Executions {
    /// Takes in one execution.
    pub fn add(&mut self, failed: bool) {
        self.failed += u64::from(failed);
        self.all += 1;
    }
}

/// Executions of one test on the machine as it was, and beside threads that burn CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Repeats {
    /// On the machine as it was.
    pub plain: Executions,
    /// Beside the burners.
    pub stressed: Executions,
}

impl Repeats {
    /// Takes in one execution.
    pub fn add(&mut self, failed: bool, stressed: bool) {
        if stressed { &mut self.stressed } else { &mut self.plain }.add(failed);
    }

    /// Takes in those of another time.
    pub fn extend(&mut self, other: Self) {
        for (own, other) in [(&mut self.plain, other.plain), (&mut self.stressed, other.stressed)] {
            own.failed += other.failed;
            own.all += other.all;
        }
    }

    /// Executions that failed.
    pub fn failed(&self) -> u64 {
        self.plain.failed + self.stressed.failed
    }

    /// All executions.
    pub fn all(&self) -> u64 {
        self.plain.all + self.stressed.all
    }
}

/// What a change does to a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Novelty {
    /// The base does not have it.
    Added,
    /// The base has it, and the change touches its function.
    Changed,
}

/// A test that a change adds or alters, and what repeating it showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StressedTest {
    /// The test.
    pub id: TestId,
    /// Its tier.
    pub tier: TierName,
    /// Why it is stressed.
    pub novelty: Novelty,
    /// File and line of its function, where that was found.
    pub place: Option<String>,
    /// Executions that were wanted, half of them beside the burners.
    pub wanted: u64,
    /// Executions that were made.
    pub repeats: Repeats,
    /// The first failure in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What repeating the tests of a change showed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StressEvidence {
    /// Threads that burnt CPU beside every second execution.
    pub burners: u32,
    /// Wall time of all of it, services included; it is part of no tier's.
    pub wall_ms: Milliseconds,
    /// The tests, by tier and name.
    pub tests: Vec<StressedTest>,
    /// Why it was not begun, or not by every shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// A test that failed and then passed in a run of a change, executed again on the change and on its base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConfirmedFlake {
    /// The test.
    pub id: TestId,
    /// Its tier.
    pub tier: TierName,
    /// Executions that were wanted of each of the two, half of them beside the burners.
    pub wanted: u64,
    /// Those of the change.
    pub head: Repeats,
    /// Those of the base; absent where the base has no such test.
    pub base: Option<Repeats>,
    /// The first failure in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl ConfirmedFlake {
    /// Executions that were wanted and not made. Where the base has no such test, none is missing: there is nothing to compare.
    pub fn missing(&self) -> u64 {
        let missing = |repeats: Repeats| self.wanted.saturating_sub(repeats.all());
        self.base.map_or(0, |base| missing(self.head) + missing(base))
    }
}

/// Why nothing, or not everything, could be executed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Unconfirmed {
    /// It was not begun, or cut short.
    LeftOut {
        /// Why.
        why: String,
    },
    /// The base, or the change outside of its run, could not be built or not be run.
    Broken {
        /// Which, and what was last seen of it.
        why: String,
    },
}

impl Unconfirmed {
    /// Why.
    pub fn why(&self) -> &str {
        let (Self::LeftOut { why } | Self::Broken { why }) = self;
        why
    }
}

/// What executing flaky tests again on the change and on its base showed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FlakeConfirmation {
    /// Threads that burnt CPU beside every second execution.
    pub burners: u32,
    /// Wall time of all of it, the build of the base included; it is part of no tier's.
    pub wall_ms: Milliseconds,
    /// The tests, by name.
    pub tests: Vec<ConfirmedFlake>,
    /// Why not everything was executed again, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Unconfirmed>,
}
