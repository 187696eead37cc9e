//! A plan that is spread over several machines, and what one of them hands back.

use crate::{Evidence, Milliseconds, Partition, Plan, TestId, TierName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A test that no shard runs, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Skip {
    /// The test.
    pub test: TestId,
    /// The tier that reports it as ignored; absent for a test that no tier of the run has.
    #[serde(default)]
    pub ignored_in: Option<TierName>,
    /// Why it is left out.
    pub reason: String,
}

/// A build that was packed up once, for all shards to run from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Archive {
    /// Digest of the file: `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Names of the workspace's programs in it, beside its tests.
    pub programs: Vec<String>,
}

/// The part of the tests that one machine runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shard {
    /// Which part.
    pub shard: Partition,
    /// What it is expected to take, setup included; absent where nothing is recorded.
    pub estimate_ms: Option<Milliseconds>,
    /// Its tests by tier, sorted; tiers that it runs none of are left out.
    pub tests: BTreeMap<TierName, Vec<TestId>>,
}

/// A plan with every test of it in exactly one shard or among the skipped ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SpreadPlan {
    /// [`crate::SCHEMA`].
    pub schema: u32,
    /// Digest of everything else in here: `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// What a single machine would do.
    pub plan: Plan,
    /// Commit the tests were listed at, where that was a git checkout.
    pub commit: Option<String>,
    /// Whether that checkout differed from the commit.
    #[serde(default)]
    pub dirty: bool,
    /// The compiler, its host and its targets that they were listed with.
    pub toolchain: String,
    /// The instrumented build, where it was packed up.
    #[serde(default)]
    pub archive: Option<Archive>,
    /// What the packing rests on, in a sentence.
    pub history: String,
    /// The shards, first to last.
    pub shards: Vec<Shard>,
    /// Tests that are not run.
    pub skips: Vec<Skip>,
}

/// What a shard hands back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Receipt {
    /// [`crate::SCHEMA`].
    pub schema: u32,
    /// [`SpreadPlan::digest`] of the plan that it ran.
    pub digest: String,
    /// Which shard.
    pub shard: Partition,
    /// Which attempt at it, from 1.
    pub attempt: u32,
    /// Whether the shard's own verdict let its job pass.
    #[serde(default)]
    pub passed: bool,
    /// What was observed, also by a run that was cut short.
    pub evidence: Evidence,
}
