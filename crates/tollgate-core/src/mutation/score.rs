//! The score: how many mutants the tests notice, and how sure that number is.

use crate::judge::{lower_bound, upper_bound, words};
use serde::{Deserialize, Serialize};
use tollgate_model::{MutantOutcome, MutantResult};

/// Bands of the score, in percent: from here on it is good, from there on fair.
const GOOD: u64 = 80;
const FAIR: u64 = 60;

/// One-sided; both bounds together are a 95 % interval.
const ALPHA: f64 = 0.025;

/// Where a score stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Band {
    /// 80 % or more.
    Good,
    /// 60 % or more.
    Fair,
    /// Less.
    Poor,
}

/// Mutants by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Score {
    /// A test failed.
    pub caught: u64,
    /// A test was stopped at its time limit; it would have been noticed.
    pub timed_out: u64,
    /// Every test passed.
    pub missed: u64,
    /// Not tried since no test reaches the line: missed without a try.
    pub uncovered: u64,
    /// Did not compile; says nothing.
    pub unviable: u64,
}

/// Counts results; `uncovered` mutants were not tried since no test reaches them.
pub fn score(results: &[MutantResult], uncovered: u64) -> Score {
    let count = |outcome| results.iter().filter(|result| result.outcome == outcome).count() as u64;
    Score {
        caught: count(MutantOutcome::Caught),
        timed_out: count(MutantOutcome::TimedOut),
        missed: count(MutantOutcome::Missed),
        uncovered,
        unviable: count(MutantOutcome::Unviable),
    }
}

impl Score {
    /// Mutants that were noticed.
    pub fn noticed(&self) -> u64 {
        self.caught + self.timed_out
    }

    /// Mutants that could have been noticed.
    pub fn viable(&self) -> u64 {
        self.noticed() + self.missed + self.uncovered
    }

    /// Its band; none where nothing was viable. The comparison is one of whole numbers.
    pub fn band(&self) -> Option<Band> {
        let reaches = |percent: u64| 100 * self.noticed() >= percent * self.viable();
        match self.viable() {
            0 => None,
            _ if reaches(GOOD) => Some(Band::Good),
            _ if reaches(FAIR) => Some(Band::Fair),
            _ => Some(Band::Poor),
        }
    }

    /// The share and its 95 % interval: `80.0 % (95 % interval 28.4 % to 99.5 %)`.
    pub fn shown(&self) -> String {
        let (k, n) = (self.noticed(), self.viable());
        if n == 0 {
            return "no viable mutant".to_owned();
        }
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let (low, high) = (lower_bound(k, n, ALPHA), upper_bound(k, n, ALPHA));
        format!("{} (95 % interval {} to {})", words::share(k, n), percent(low), percent(high))
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn of(caught: u64, timed_out: u64, missed: u64, uncovered: u64) -> Score {
        Score { caught, timed_out, missed, uncovered, unviable: 3 }
    }

    #[test]
    fn a_handful_has_a_wide_interval() {
        assert_eq!(of(4, 0, 1, 0).shown(), "80.0 % (95 % interval 28.4 % to 99.5 %)");
        assert_eq!(of(1, 1, 0, 0).shown(), "100.0 % (95 % interval 15.8 % to 100.0 %)");
        assert_eq!(of(0, 0, 0, 0).shown(), "no viable mutant");
    }

    #[test]
    fn bands_begin_at_their_number_and_what_no_test_reaches_counts_as_missed() {
        assert_eq!(of(79, 1, 20, 0).band(), Some(Band::Good));
        assert_eq!(of(79, 1, 20, 1).band(), Some(Band::Fair));
        assert_eq!(of(60, 0, 0, 40).band(), Some(Band::Fair));
        assert_eq!(of(59, 0, 1, 40).band(), Some(Band::Poor));
        assert_eq!(of(0, 0, 0, 0).band(), None);
    }

    #[test]
    fn every_outcome_is_counted_as_what_it_is() {
        use super::super::mutant::result;
        use MutantOutcome::{Caught, Missed, TimedOut, Unviable};
        let results = [Caught, Caught, TimedOut, Missed, Unviable, Unviable, Unviable];
        let results: Vec<_> = results.iter().map(|&outcome| result(5, "replace / with %", outcome)).collect();
        assert_eq!(score(&results, 4), of(2, 1, 1, 4));
    }
}
