//! How a test gets out of the quarantine: by executions without a failure, some of them on a busy machine.

use super::Series;
use crate::judge::words::count;
use jiff::civil::Date;
use serde::Serialize;
use tollgate_model::{QuarantinedTest, Repeats, TestId};

/// Executions without a failure after which a quarantine can end. They show a flake of one in fifty with 87 %.
pub const EXECUTIONS: u64 = 100;

/// How many of them are made beside burners, which show most flakes far sooner.
pub const STRESSED: u64 = 20;

/// What executions of a quarantined test say about its quarantine, in a sentence.
pub(super) fn release(repeats: Repeats) -> String {
    let (all, stressed) = (repeats.all(), repeats.stressed.all);
    let why =
        format!("{} without a failure end a quarantine, {STRESSED} of them stressed", count(EXECUTIONS, "execution"));
    match (EXECUTIONS.saturating_sub(all), STRESSED.saturating_sub(stressed)) {
        _ if repeats.failed() > 0 => "It is quarantined and stays so.".to_owned(),
        (0, 0) => "It is quarantined and can be released: take its entry out of ci/quarantine.toml, and name it under \
                   `[[fixed]]` there."
            .to_owned(),
        (0, more) => format!("It is quarantined; {why}: it needs {}.", count(more, "more stressed one")),
        (more, _) => format!("It is quarantined; {why}: it needs {more} more."),
    }
}

/// A quarantined test, and how it has done of late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Quarantined {
    /// The test.
    pub test: TestId,
    /// Who mends it.
    pub owner: String,
    /// Where it is followed up.
    pub issue: String,
    /// The last day of the quarantine.
    pub expires: Date,
    /// Runs since it last failed or was tried again; all that count where it never did.
    pub clean_runs: u64,
}

/// The quarantined tests with the newest runs in a row that nothing was seen of them in.
pub fn quarantined(entries: &[QuarantinedTest], series: &Series) -> Vec<Quarantined> {
    let clean = |test: &TestId| {
        let is_clean = |unusual: &[tollgate_model::TestRecord]| unusual.iter().all(|seen| seen.id != *test);
        series.trials.iter().rev().take_while(|trial| is_clean(&trial.run.unusual)).count() as u64
    };
    let standing = |entry: &QuarantinedTest| Quarantined {
        test: entry.test.clone(),
        owner: entry.owner.clone(),
        issue: entry.issue.clone(),
        expires: entry.expires,
        clean_runs: clean(&entry.test),
    };
    entries.iter().map(standing).collect()
}

#[cfg(test)]
mod unit {
    use super::*;
    use tollgate_model::Executions;

    fn check(alone: (u64, u64), beside: (u64, u64)) -> String {
        let of = |(all, failed)| Executions { failed, all };
        release(Repeats { plain: of(alone), stressed: of(beside) })
    }

    #[test]
    fn a_hundred_executions_of_which_twenty_are_stressed_end_a_quarantine() {
        assert!(check((80, 0), (20, 0)).contains("can be released"));
        assert!(check((80, 1), (20, 0)).contains("stays so") && check((80, 0), (20, 1)).contains("stays so"));
        assert!(check((80, 0), (19, 0)).ends_with("20 of them stressed: it needs 1 more."));
        assert!(check((79, 0), (20, 0)).ends_with(": it needs 1 more."));
        assert!(check((81, 0), (19, 0)).ends_with(": it needs 1 more stressed one."));
        assert!(check((0, 0), (0, 0)).ends_with(": it needs 100 more."));
    }
}
