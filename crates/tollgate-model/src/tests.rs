//! What became of a test: its attempts and the outcome they add up to.

use crate::{Milliseconds, TestId};
use serde::{Deserialize, Serialize};

/// How one execution of a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptOutcome {
    /// The test returned.
    Passed,
    /// The test panicked, exited with an error or was ended by a signal.
    Failed,
    /// The test was stopped at its time limit.
    TimedOut,
}

/// One execution of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attempt {
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Wall time.
    pub duration_ms: Milliseconds,
    /// The failure in one line; empty for a passed attempt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What the attempt printed, standard output first; empty for a passed attempt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
}

/// What the attempts of a test add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestOutcome {
    /// Every attempt passed.
    Passed,
    /// An attempt failed and another one passed.
    Flaky,
    /// No attempt passed.
    Failed,
    /// The test was left out by its own `#[ignore]`.
    Ignored,
}

/// A test and its attempts, first to last. No attempts means that the test is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TestResult {
    /// Which test.
    pub id: TestId,
    /// Its executions, first to last.
    pub attempts: Vec<Attempt>,
}

impl TestResult {
    /// What the attempts add up to.
    pub fn outcome(&self) -> TestOutcome {
        let passed = self.attempts.iter().filter(|a| a.outcome == AttemptOutcome::Passed).count();
        match (self.attempts.len(), passed) {
            (0, _) => TestOutcome::Ignored,
            (_, 0) => TestOutcome::Failed,
            (all, passed) if all == passed => TestOutcome::Passed,
            _ => TestOutcome::Flaky,
        }
    }

    /// The first attempt that did not pass.
    pub fn first_failure(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|a| a.outcome != AttemptOutcome::Passed)
    }

    /// The last attempt that passed. Others may follow it: a load that is measured again adds some.
    pub fn last_pass(&self) -> Option<&Attempt> {
        self.attempts.iter().rfind(|a| a.outcome == AttemptOutcome::Passed)
    }

    /// Wall time of all attempts.
    pub fn duration_ms(&self) -> Milliseconds {
        self.attempts.iter().map(|a| a.duration_ms).sum()
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use AttemptOutcome::{Failed, Passed, TimedOut};

    #[test]
    fn attempts_add_up_to_an_outcome() {
        let outcome = |attempts: &[AttemptOutcome]| {
            let attempts = attempts
                .iter()
                .map(|&outcome| Attempt { outcome, duration_ms: 2, message: String::new(), output: String::new() })
                .collect();
            let test = TestResult { id: TestId::new("a", "b"), attempts };
            (test.outcome(), test.duration_ms(), test.first_failure().is_some())
        };
        assert_eq!(outcome(&[]), (TestOutcome::Ignored, 0, false));
        assert_eq!(outcome(&[Passed]), (TestOutcome::Passed, 2, false));
        assert_eq!(outcome(&[Failed, Passed]), (TestOutcome::Flaky, 4, true));
        assert_eq!(outcome(&[Failed, TimedOut]), (TestOutcome::Failed, 4, true));
    }

    #[test]
    fn the_last_pass_is_the_one_that_no_pass_follows() {
        let last_pass = |attempts: &[(AttemptOutcome, Milliseconds)]| {
            let attempt = |&(outcome, duration_ms)| Attempt {
                outcome,
                duration_ms,
                message: String::new(),
                output: String::new(),
            };
            let attempts = attempts.iter().map(attempt).collect();
            TestResult { id: TestId::new("a", "b"), attempts }.last_pass().map(|attempt| attempt.duration_ms)
        };
        assert_eq!(last_pass(&[(Passed, 1), (Passed, 2), (TimedOut, 900)]), Some(2));
        assert_eq!(last_pass(&[(Failed, 3)]), None);
    }
}
