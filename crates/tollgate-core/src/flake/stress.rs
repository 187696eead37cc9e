//! What repeating one test showed, alone and beside programs that burn CPU.

use super::gate::bound;
use super::release::release;
use crate::history::failure;
use crate::judge::words::count;
use crate::judge::{ALPHA, upper_bound};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tollgate_model::{Executions, Fingerprint, Repeats, SCHEMA, TestResult};

/// A cause of failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StressCause {
    /// The first message of it.
    pub message: String,
    /// Failures without burners.
    pub plain: u64,
    /// Failures with burners.
    pub stressed: u64,
}

/// What repeating a test showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StressReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The test as it was asked for.
    pub test: String,
    /// Threads that burnt CPU.
    pub burners: u32,
    /// Executions on the machine as it was.
    pub plain: Executions,
    /// Executions beside the burners.
    pub stressed: Executions,
    /// Whether it is quarantined.
    pub quarantined: bool,
    /// Messages of failures that differ in more than numbers and addresses.
    pub causes: BTreeMap<Fingerprint, StressCause>,
}

impl StressReport {
    /// Nothing was executed yet.
    pub fn new(test: impl Into<String>, burners: u32) -> Self {
        let none = Executions::default();
        let (quarantined, causes) = (false, BTreeMap::new());
        Self { schema: SCHEMA, test: test.into(), burners, plain: none, stressed: none, quarantined, causes }
    }

    /// Takes in one execution.
    pub fn add(&mut self, result: &TestResult, stressed: bool) {
        let attempt = result.first_failure();
        if stressed { &mut self.stressed } else { &mut self.plain }.add(attempt.is_some());
        if let Some(attempt) = attempt {
            let failure = failure(&attempt.message);
            let cause = StressCause { message: failure.message, plain: 0, stressed: 0 };
            let cause = self.causes.entry(failure.fingerprint).or_insert(cause);
            *(if stressed { &mut cause.stressed } else { &mut cause.plain }) += 1;
        }
    }

    /// Whether the test was executed at all.
    pub fn is_begun(&self) -> bool {
        self.plain.all + self.stressed.all > 0
    }

    /// Executions that failed.
    pub fn failed(&self) -> u64 {
        self.plain.failed + self.stressed.failed
    }

    /// The report as text.
    pub fn render(&self) -> String {
        let mut text = format!("{}\n", self.test);
        // Writing to a string can't fail.
        let mut line = |line: String| {
            let _ = writeln!(text, "{line}");
        };
        let shown = |of: Executions| {
            let most = bound(upper_bound(of.failed, of.all, ALPHA));
            format!("{} of {} failed (at most {most}, 95 % sure)", of.failed, count(of.all, "execution"))
        };
        line(format!("     plain {}", shown(self.plain)));
        line(format!("  stressed {}, beside {}", shown(self.stressed), count(u64::from(self.burners), "burner")));
        line(format!("  {}", self.conclusion()));
        if self.quarantined {
            line(format!("  {}", release(Repeats { plain: self.plain, stressed: self.stressed })));
        }
        for cause in self.causes.values() {
            line(format!("  {} plain, {} stressed: {}", cause.plain, cause.stressed, cause.message));
        }
        text
    }

    fn conclusion(&self) -> &'static str {
        let (all, failed) = (self.plain.all + self.stressed.all, self.failed());
        match (self.plain.failed, self.stressed.failed) {
            _ if all == 0 => "It was not executed, so nothing is known.",
            (0, 0) => "It was not seen to fail; a flake that is rarer than the bounds can't be ruled out.",
            _ if failed == all => "It always fails: it is broken, and not flaky.",
            (0, _) => "It passes alone and fails on a busy machine: it depends on how long something takes.",
            _ => "It is flaky.",
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::sample::{failed, passed};
    use tollgate_model::TestId;

    fn check(plain: &[bool], stressed: &[bool]) -> String {
        let mut report = StressReport::new("waits", 4);
        for (fails, under_stress) in plain.iter().map(|it| (it, false)).chain(stressed.iter().map(|it| (it, true))) {
            let attempt = if *fails { failed(25, "no reply within 25ms", "") } else { passed(3) };
            report.add(&TestResult { id: TestId::new("core", "waits"), attempts: vec![attempt] }, under_stress);
        }
        report.render()
    }

    #[test]
    fn what_stress_shows_is_said_with_how_sure_it_is() {
        insta::assert_snapshot!(check(&[false; 25], &[&[true; 3][..], &[false; 22]].concat()), @r"
        waits
             plain 0 of 25 executions failed (at most 11.29 %, 95 % sure)
          stressed 3 of 25 executions failed (at most 28.17 %, 95 % sure), beside 4 burners
          It passes alone and fails on a busy machine: it depends on how long something takes.
          0 plain, 3 stressed: no reply within 25ms
        ");
        let mut muted = StressReport::new("waits", 4);
        muted.quarantined = true;
        assert!(
            muted.render().contains("\n  It is quarantined; 100 executions without a failure"),
            "{}",
            muted.render()
        );
        let conclusion = |plain: &[bool], stressed: &[bool]| check(plain, stressed).lines().nth(3).map(str::to_owned);
        assert_eq!(conclusion(&[true], &[true]).as_deref(), Some("  It always fails: it is broken, and not flaky."));
        assert_eq!(conclusion(&[true, false], &[false]).as_deref(), Some("  It is flaky."));
        assert!(conclusion(&[false], &[false]).is_some_and(|it| it.contains("was not seen to fail")));
        assert!(conclusion(&[], &[]).is_some_and(|it| it.contains("nothing is known")));
    }
}
