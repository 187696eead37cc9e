//! Run records: what history keeps of a run.

use crate::{
    Ending, EngineKind, GateResult, InvalidName, Milliseconds, Outcome, RunId, StageName, TestId, TestOutcome, TierName,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

macro_rules! hexadecimal {
    ($($(#[$doc:meta])* $name:ident, $lengths:pat, $rule:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the digits, or what is wrong with them.
            ///
            /// # Errors
            #[doc = concat!("When the text is not ", $rule, ".")]
            pub fn new(digits: impl Into<String>) -> Result<Self, InvalidName> {
                let digits = digits.into();
                let hexadecimal = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
                if hexadecimal && matches!(digits.len(), $lengths) {
                    Ok(Self(digits))
                } else {
                    Err(InvalidName { name: digits, rule: $rule })
                }
            }

            /// The digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The first eight digits, as people write it.
            pub fn short(&self) -> &str {
                &self.0[..8]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(digits: String) -> Result<Self, InvalidName> {
                Self::new(digits)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    )*};
}

hexadecimal! {
    /// SHA-256 of some content, which is also its name in the history.
    Digest, 64, "64 hexadecimal digits, small letters";
    /// git's name of a source tree: all files of a commit, whatever came before it.
    TreeId, 40 | 64, "40 or 64 hexadecimal digits, small letters";
    /// What two failures of one cause have in common: a digest of the message without its numbers and addresses.
    Fingerprint, 16, "16 hexadecimal digits, small letters";
}

/// Where a run comes from, and with that what its record may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A pull request from a fork: whoever wrote it could have written anything into its record.
    Fork,
    /// A pull request, or any other branch than the main one.
    Change,
    /// A push to the main branch.
    Main,
    /// A scheduled run of the main branch.
    Nightly,
    /// A machine that is none of the continuous integration's.
    Local,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 5] = [Self::Fork, Self::Change, Self::Main, Self::Nightly, Self::Local];

    /// The source as it is written in reports: `nightly`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Change => "change",
            Self::Main => "main",
            Self::Nightly => "nightly",
            Self::Local => "local",
        }
    }

    /// Whether a record of it may be a baseline or count for anything.
    pub fn is_trusted(self) -> bool {
        self != Self::Fork
    }

    /// Whether it shows the state of the main branch, and not that of a change.
    pub fn is_main(self) -> bool {
        matches!(self, Self::Main | Self::Nightly)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A failure of a test, as far as history keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailureRecord {
    /// What it has in common with other failures of one cause.
    pub fingerprint: Fingerprint,
    /// The first line of its message, cut.
    pub message: String,
}

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TestRecord {
    /// Which test.
    pub id: TestId,
    /// What its attempts add up to.
    pub outcome: TestOutcome,
    /// Executions.
    pub attempts: u32,
    /// Executions that did not pass.
    pub failures: u32,
    /// Wall time of the last attempt that passed, else of the last one. Of a test that passed at once it is kept in steps of 6 %.
    pub duration_ms: Milliseconds,
    /// The first failure, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureRecord>,
}

impl TestRecord {
    /// A test that passed at its first attempt.
    pub fn passed(id: TestId, duration_ms: Milliseconds) -> Self {
        Self { id, outcome: TestOutcome::Passed, attempts: 1, failures: 0, duration_ms, failure: None }
    }

    /// A test that its own `#[ignore]` left out.
    pub fn ignored(id: TestId) -> Self {
        Self { id, outcome: TestOutcome::Ignored, attempts: 0, failures: 0, duration_ms: 0, failure: None }
    }

    /// Whether nothing can be said about it but how long it took: it passed at once, or is ignored.
    pub fn is_plain(&self) -> bool {
        let plain = match self.outcome {
            TestOutcome::Passed => self.attempts == 1 && self.failures == 0,
            TestOutcome::Ignored => self.attempts == 0,
            TestOutcome::Flaky | TestOutcome::Failed => false,
        };
        plain && self.failure.is_none()
    }
}

/// A tier and its tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TierRecord {
    /// The tier.
    pub name: TierName,
    /// Wall time of running its tests.
    pub wall_ms: Milliseconds,
    /// Its tests, sorted by their identity, each once.
    pub tests: Vec<TestRecord>,
}

/// What history keeps of a run. It is never changed: its digest is its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunRecord {
    /// [`crate::SCHEMA`].
    pub schema: u32,
    /// Name of the run.
    pub run: RunId,
    /// The runs of the shards that it was united from. Attempts at one run share some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<RunId>,
    /// When it started.
    pub started_at: Timestamp,
    /// Wall time of the whole run.
    pub wall_ms: Milliseconds,
    /// Commit that was checked out.
    pub commit: Option<String>,
    /// The sources that were tested; absent where the checkout differed from its commit, or is none.
    pub tree: Option<TreeId>,
    /// The branch, where that is known.
    pub branch: Option<String>,
    /// Where the run comes from.
    pub source: Source,
    /// Digest of everything that a test's outcome may depend on: two runs with the same one tested the same. Absent where
    /// the sources are not known.
    pub inputs: Option<Digest>,
    /// The stage.
    pub stage: StageName,
    /// What ran the environment, where one was needed.
    pub engine: Option<EngineKind>,
    /// How the run ended.
    pub ending: Ending,
    /// Whether every test of the stage was run and reported.
    pub complete: bool,
    /// The verdict.
    pub outcome: Outcome,
    /// The gates with the numbers they were judged from, so that an old verdict can still be explained.
    pub gates: Vec<GateResult>,
    /// The tiers, in the order they ran.
    pub tiers: Vec<TierRecord>,
    /// What is attached, by name: digests of blobs.
    #[serde(default)]
    pub blobs: BTreeMap<String, Digest>,
}

impl RunRecord {
    /// How many of its tests have this outcome.
    pub fn count(&self, outcome: TestOutcome) -> u64 {
        self.tiers.iter().flat_map(|tier| &tier.tests).filter(|test| test.outcome == outcome).count() as u64
    }

    /// How many of its tests were run.
    pub fn executed(&self) -> u64 {
        let tests = self.tiers.iter().flat_map(|tier| &tier.tests);
        tests.filter(|test| test.outcome != TestOutcome::Ignored).count() as u64
    }

    /// This without the tests that say nothing, of which there are so many.
    pub fn summary(&self, record: Option<Digest>, tests: u64) -> RunSummary {
        let unusual = self.tiers.iter().flat_map(|tier| &tier.tests).filter(|test| !test.is_plain());
        RunSummary {
            record,
            run: self.run.clone(),
            parts: self.parts.clone(),
            started_at: self.started_at,
            wall_ms: self.wall_ms,
            commit: self.commit.clone(),
            tree: self.tree.clone(),
            branch: self.branch.clone(),
            source: self.source,
            inputs: self.inputs.clone(),
            stage: self.stage.clone(),
            complete: self.complete,
            outcome: self.outcome,
            tests,
            unusual: unusual.cloned().collect(),
        }
    }

    /// Whether later runs may be compared with it.
    pub fn is_baseline(&self) -> bool {
        self.complete && self.tree.is_some() && self.source.is_trusted()
    }
}

/// A run as lists and statistics need it: a record without the tests that passed at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunSummary {
    /// Name of its record; absent as long as it is not stored.
    pub record: Option<Digest>,
    /// Name of the run.
    pub run: RunId,
    /// The runs of the shards that it was united from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<RunId>,
    /// When it started.
    pub started_at: Timestamp,
    /// Wall time of the whole run.
    pub wall_ms: Milliseconds,
    /// Commit that was checked out.
    pub commit: Option<String>,
    /// The sources that were tested.
    pub tree: Option<TreeId>,
    /// The branch, where that is known.
    pub branch: Option<String>,
    /// Where the run comes from.
    pub source: Source,
    /// Digest of everything that a test's outcome may depend on.
    pub inputs: Option<Digest>,
    /// The stage.
    pub stage: StageName,
    /// Whether every test of the stage was run and reported.
    pub complete: bool,
    /// The verdict.
    pub outcome: Outcome,
    /// Tests that were run.
    pub tests: u64,
    /// Tests that did not simply pass: failed, flaky, or executed more than once.
    pub unusual: Vec<TestRecord>,
}

impl RunSummary {
    /// How many of its tests have this outcome; those that simply passed are not looked at.
    pub fn count(&self, outcome: TestOutcome) -> u64 {
        self.unusual.iter().filter(|test| test.outcome == outcome).count() as u64
    }
}

/// A run that showed a flake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FlakyRun {
    /// The how manieth of the runs that count it is, from 1, oldest first.
    pub at: u64,
    /// The run.
    pub run: RunId,
    /// Its tests that both failed and passed.
    pub tests: Vec<TestId>,
}

/// What the runs of the main branch up to this one, and with it, say about flakes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FlakeHistory {
    /// How many runs count.
    pub trials: u64,
    /// Those of them that showed a flake, oldest first.
    pub flaky: Vec<FlakyRun>,
    /// Why the recorded runs could not be read, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn digests_are_hexadecimal_digits_of_their_length() {
        assert_eq!(TreeId::new("a".repeat(40)).map(|tree| tree.short().to_owned()), Ok("aaaaaaaa".to_owned()));
        for bad in ["", "a", &"g".repeat(64), &"A".repeat(64), &"a".repeat(63), "../../etc/passwd"] {
            let error = Digest::new(bad).unwrap_err();
            assert_eq!(error.to_string(), format!("`{bad}` is not a valid name: 64 hexadecimal digits, small letters"));
        }
    }

    #[test]
    fn a_fork_is_the_only_source_that_is_not_trusted() {
        let distrusted: Vec<_> = Source::ALL.into_iter().filter(|source| !source.is_trusted()).collect();
        assert_eq!(distrusted, [Source::Fork]);
        let main: Vec<_> = Source::ALL.into_iter().filter(|source| source.is_main()).collect();
        assert_eq!(main, [Source::Main, Source::Nightly]);
    }
}
