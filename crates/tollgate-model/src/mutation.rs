//! Mutation testing: a change that some test should notice, and what became of it.

use crate::{Milliseconds, TestId};
use serde::{Deserialize, Serialize};

/// A small change to a function of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mutant {
    /// Its whole name, with its place: `src/lib.rs:5:15: replace / with % in price`.
    pub name: String,
    /// The file, from the root of the workspace.
    pub file: String,
    /// The package the file belongs to.
    pub package: String,
    /// The function, where it is in one.
    pub function: Option<String>,
    /// First and last line that it changes, from 1.
    pub lines: (u32, u32),
    /// What stands there instead.
    pub replacement: String,
    /// What kind of change: `BinaryOperator`, `FnValue`.
    pub genre: String,
    /// The change as a unified diff.
    pub diff: String,
}

impl Mutant {
    /// What is changed, without the place: `replace / with % in price`.
    pub fn change(&self) -> &str {
        self.name.splitn(4, ':').nth(3).map_or(self.name.as_str(), str::trim)
    }

    /// The column where what is changed begins, in characters from 1.
    pub fn column(&self) -> Option<u32> {
        self.name.split(':').nth(2)?.parse().ok()
    }
}

/// What became of a mutant that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MutantOutcome {
    /// A test failed, a program did not list its tests, or one of the workspace that a service ran with the mutant in it ended.
    Caught,
    /// No test failed, and at least one was stopped at its time limit, or services with the mutant were not ready in theirs.
    TimedOut,
    /// It does not compile, so it says nothing.
    Unviable,
    /// Every test passed.
    Missed,
}

impl MutantOutcome {
    /// The outcome as it is written in reports: `timed out`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::TimedOut => "timed out",
            Self::Unviable => "unviable",
            Self::Missed => "missed",
        }
    }
}

/// A mutant that was tried, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MutantResult {
    /// The mutant.
    pub mutant: Mutant,
    /// The line that it is a finding of: of a change, the one of its lines that was touched.
    #[serde(default)]
    pub line: u32,
    /// What became of it.
    pub outcome: MutantOutcome,
    /// A test that noticed it, where one did.
    pub noticed_by: Option<TestId>,
    /// What became of a program that a service ran with the mutant in it, where that is how it was noticed: `service `shop`
    /// died: exit code 3`; or that services with it were not ready in time, or that a program with it did not list its tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fell: Option<String>,
    /// Whether it was tried in one program with other mutants, each behind a switch, and neither by itself nor so that what no test
    /// noticed there is certain.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joint: bool,
    /// Tests that enter the mutated function.
    pub reached_by: ReachedBy,
    /// Wall time of building it and running tests.
    pub wall_ms: Milliseconds,
}

/// Tests that enter a function: how many, and some of their names, since a function may be entered by all of thousands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReachedBy {
    /// How many there are.
    pub tests: u64,
    /// The first of them, at most [`ReachedBy::NAMED_MAX`].
    pub first: Vec<TestId>,
}

impl ReachedBy {
    /// How many are named.
    pub const NAMED_MAX: usize = 10;

    /// Those that are named of all these.
    pub fn of(tests: &[TestId]) -> Self {
        Self { tests: tests.len() as u64, first: tests.iter().take(Self::NAMED_MAX).cloned().collect() }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn of_many_tests_ten_are_named() {
        let tests: Vec<TestId> = (0..11).map(|n| TestId::new("shop", format!("unit::{n}"))).collect();
        let reached = ReachedBy::of(&tests);
        assert_eq!((reached.tests, reached.first.as_slice()), (11, &tests[..10]));
        assert_eq!(ReachedBy::of(&[]), ReachedBy::default());
    }

    #[test]
    fn a_name_is_a_place_and_a_change() {
        let mutant = |name: &str| Mutant {
            name: name.into(),
            file: "src/lib.rs".into(),
            package: "shop".into(),
            function: None,
            lines: (5, 5),
            replacement: "%".into(),
            genre: "BinaryOperator".into(),
            diff: String::new(),
        };
        assert_eq!(mutant("src/lib.rs:5:15: replace a::b with % in price").change(), "replace a::b with % in price");
        assert_eq!(mutant("src/lib.rs:5:15: replace a::b with % in price").column(), Some(15));
        assert_eq!((mutant("replace it").change(), mutant("replace it").column()), ("replace it", None));
    }
}
