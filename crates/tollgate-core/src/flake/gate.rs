//! The gate `flake.repo`: whether the runs of the main branch show that at most one in a hundred is red for nothing.

use super::{Detector, P0, Series, THRESHOLD};
use crate::judge::words::{count, listed};
use crate::judge::{ALPHA, judge_rate, lower_bound, upper_bound};
use std::collections::BTreeSet;
use tollgate_model::{FlakeHistory, FlakyRun, GateName, GateResult, Outcome, TestId};

/// How many of the newest runs the rate is taken from.
pub const WINDOW: u64 = 500;

/// What a series of runs says, as evidence.
pub fn flake_history(series: &Series) -> FlakeHistory {
    let flaky = (1..).zip(&series.trials).filter(|(_, trial)| !trial.flaky.is_empty()).map(|(at, trial)| FlakyRun {
        at,
        run: trial.run.run.clone(),
        tests: trial.flaky.iter().map(|test| test.id.clone()).collect(),
    });
    FlakeHistory { trials: series.trials.len() as u64, flaky: flaky.collect(), unreadable: None }
}

/// What the newest runs of a series add up to.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// Flaky runs among the newest [`WINDOW`].
    pub k: u64,
    /// Runs among the newest [`WINDOW`].
    pub n: u64,
    /// The detector after all runs.
    pub detector: Detector,
    /// The alarm, where it was raised.
    pub alarm: Option<Alarm>,
}

/// What the detector found, and when; good runs since then don't take it back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alarm {
    /// How many runs ago; 0 is the newest run.
    pub runs_ago: u64,
    /// Its value then.
    pub value: f64,
}

/// Counts the newest runs and leads the detector through all of them.
pub fn tally(history: &FlakeHistory) -> Tally {
    let mut detector = Detector::default();
    let flaky: BTreeSet<u64> = history.flaky.iter().map(|run| run.at).collect();
    let mut alarm = None;
    for at in 1..=history.trials {
        detector.observe(flaky.contains(&at));
        if detector.is_alarmed() && alarm.is_none() {
            alarm = Some(Alarm { runs_ago: history.trials - at, value: detector.value() });
        }
    }
    let old = history.trials.saturating_sub(WINDOW);
    Tally { k: flaky.range(old + 1..).count() as u64, n: history.trials - old, detector, alarm }
}

/// Judges the runs of the main branch.
pub(crate) fn gate(history: &FlakeHistory) -> GateResult {
    let name = GateName::new("flake", "repo");
    let Tally { k, n, detector, alarm } = tally(history);
    let rate = judge_rate(k, n, P0, ALPHA);
    let numbers = |outcome, message: String| GateResult {
        k: Some(k),
        n: Some(n),
        value: (n > 0).then(|| percent(k as f64 / n as f64)),
        limit: Some("1 %".to_owned()),
        lo: (n > 0).then(|| lower_bound(k, n, ALPHA)),
        hi: (n > 0).then(|| upper_bound(k, n, ALPHA)),
        margin: (n > 0).then(|| match alarm {
            Some(_) => "mending or quarantining the flaky tests takes the alarm back; clean runs don't".to_owned(),
            None => format!("the detector is at {:.1}, its alarm at {THRESHOLD}", detector.value()),
        }),
        evidence: flaky_runs(history).chain(history.unreadable.iter().map(|why| format!("not read: {why}"))).collect(),
        ..GateResult::new(name.clone(), outcome, message)
    };
    let seen = format!("{k} of {} flaky", count(n, "run"));
    if let Some(Alarm { runs_ago, value }) = alarm {
        let when = match runs_ago {
            0 => "with the newest run".to_owned(),
            ago => format!("{} ago", count(ago, "run")),
        };
        let message = format!(
            "{seen}; the detector raised the alarm {when} ({value:.0}, limit {THRESHOLD}): more than 1 % of the runs were red for nothing. \
             Flaky: {}.",
            listed(offenders(history))
        );
        let fix = "Mend these tests and name them under `[[fixed]]` in ci/quarantine.toml, or quarantine them there; \
                   the runs are then read anew without their flakes.";
        return GateResult { fix: Some(fix.to_owned()), ..numbers(Outcome::Failed, message) };
    }
    if let Some(why) = &history.unreadable {
        let message = match n {
            0 => format!("The recorded runs can't be read: {why}."),
            _ => format!("{seen}, but what can't be read may be another one: {why}."),
        };
        let fix =
            "Mend or remove the file that is named; `cargo xtask history import` brings a record back.".to_owned();
        return GateResult { fix: Some(fix), ..numbers(Outcome::Unproven, message) };
    }
    if n == 0 {
        return numbers(Outcome::Unproven, "No run of the main branch that counts is recorded yet.".to_owned());
    }
    let bound = bound(upper_bound(k, n, ALPHA));
    let seen = format!("{seen} = {} (95 % upper bound {bound})", percent(k as f64 / n as f64));
    if rate.outcome == Outcome::Passed {
        return numbers(Outcome::Passed, format!("{seen}: below 1 %."));
    }
    // A rate that a single look would call too high is left to the detector, which may be asked after every run.
    let more = match rate.more_needed {
        None => String::new(),
        Some(1) => " 1 more clean run proves < 1 %.".to_owned(),
        Some(more) => format!(" {more} more clean runs prove < 1 %."),
    };
    GateResult { more_needed: rate.more_needed, ..numbers(Outcome::Unproven, format!("{seen}.{more} Not blocking.")) }
}

fn flaky_runs(history: &FlakeHistory) -> impl Iterator<Item = String> {
    history.flaky.iter().map(|run| format!("run {}: {}", run.run, listed(&run.tests)))
}

/// The flaky tests, those of most runs first.
fn offenders(history: &FlakeHistory) -> Vec<&TestId> {
    let mut runs: std::collections::BTreeMap<&TestId, u64> = std::collections::BTreeMap::new();
    for test in history.flaky.iter().flat_map(|run| &run.tests) {
        *runs.entry(test).or_default() += 1;
    }
    let mut tests: Vec<_> = runs.into_iter().collect();
    tests.sort_by_key(|&(test, runs)| (std::cmp::Reverse(runs), test));
    tests.into_iter().map(|(test, _)| test).collect()
}

/// A share in percent with two decimals.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A bound in percent with two decimals, rounded down, so that one below a limit never looks like the limit.
pub(super) fn bound(share: f64) -> String {
    format!("{:.2} %", (share * 10_000.0).floor() / 100.0)
}

#[cfg(test)]
mod unit {
    use super::*;
    use tollgate_model::RunId;

    fn history(trials: u64, flaky: &[u64]) -> FlakeHistory {
        let run = |&at: &u64| FlakyRun {
            at,
            run: RunId::new(format!("run-{at}")).expect("a name"),
            tests: vec![TestId::new("core", format!("waits_{}", at % 2))],
        };
        FlakeHistory { trials, flaky: flaky.iter().map(run).collect(), unreadable: None }
    }

    fn check(trials: u64, flaky: &[u64]) -> String {
        let gate = gate(&history(trials, flaky));
        format!("{} {}: {}", gate.gate, gate.outcome, gate.message)
    }

    #[test]
    fn the_rate_is_proven_unproven_or_alarming() {
        let shown = [
            check(0, &[]),
            check(298, &[]),
            check(299, &[]),
            check(412, &[100, 300]),
            check(501, &[1]),
            check(500, &[100, 200, 201, 202]),
            check(30, &[20, 21, 23]),
        ];
        insta::assert_snapshot!(shown.join("\n"), @r"
        flake.repo unproven: No run of the main branch that counts is recorded yet.
        flake.repo unproven: 0 of 298 runs flaky = 0.00 % (95 % upper bound 1.00 %). 1 more clean run proves < 1 %. Not blocking.
        flake.repo passed: 0 of 299 runs flaky = 0.00 % (95 % upper bound 0.99 %): below 1 %.
        flake.repo unproven: 2 of 412 runs flaky = 0.49 % (95 % upper bound 1.52 %). 216 more clean runs prove < 1 %. Not blocking.
        flake.repo passed: 0 of 500 runs flaky = 0.00 % (95 % upper bound 0.59 %): below 1 %.
        flake.repo failed: 4 of 500 runs flaky; the detector raised the alarm 298 runs ago (11814, limit 1000): more than 1 % of the runs were red for nothing. Flaky: core waits_0, core waits_1.
        flake.repo failed: 3 of 30 runs flaky; the detector raised the alarm 7 runs ago (8900, limit 1000): more than 1 % of the runs were red for nothing. Flaky: core waits_1, core waits_0.
        ");
    }

    #[test]
    fn of_no_run_there_is_no_rate_and_an_alarm_says_what_to_do() {
        let none = gate(&history(0, &[]));
        assert_eq!((none.value, none.lo, none.hi, none.margin), (None, None, None, None));
        assert!(gate(&history(30, &[20, 21, 23])).fix.is_some_and(|fix| fix.contains("quarantine")));
    }

    #[test]
    fn a_rate_that_one_look_would_call_broken_is_not_red_before_the_alarm() {
        let early = gate(&history(2, &[1, 2]));
        assert_eq!(judge_rate(2, 2, P0, ALPHA).outcome, Outcome::Failed);
        assert_eq!((early.outcome, early.more_needed), (Outcome::Unproven, None));
    }

    #[test]
    fn runs_that_cant_be_read_prove_nothing_and_hide_no_alarm() {
        let check = |trials, flaky: &[u64]| {
            let unreadable = Some("records/ab is half written".to_owned());
            let gate = gate(&FlakeHistory { unreadable, ..history(trials, flaky) });
            assert!(gate.fix.is_some());
            assert_eq!(gate.evidence.last().unwrap(), "not read: records/ab is half written");
            format!("{}: {}", gate.outcome, gate.message)
        };
        insta::assert_snapshot!([check(0, &[]), check(400, &[3]), check(30, &[20, 21, 23])].join("\n"), @r"
        unproven: The recorded runs can't be read: records/ab is half written.
        unproven: 1 of 400 runs flaky, but what can't be read may be another one: records/ab is half written.
        failed: 3 of 30 runs flaky; the detector raised the alarm 7 runs ago (8900, limit 1000): more than 1 % of the runs were red for nothing. Flaky: core waits_1, core waits_0.
        ");
    }

    #[test]
    fn the_alarm_stays_when_the_flaky_runs_have_left_the_window() {
        let late = gate(&history(2_000, &[20, 21, 22]));
        assert!(
            late.message.starts_with("0 of 500 runs flaky; the detector raised the alarm 1978 runs ago ("),
            "{}",
            late.message
        );
        assert!(late.margin.is_some_and(|margin| margin.contains("quarantining")));
        assert_eq!(gate(&history(1, &[])).margin.as_deref(), Some("the detector is at 0.9, its alarm at 1000"));
        assert_eq!((late.outcome, late.k, late.n), (Outcome::Failed, Some(0), Some(500)));
        assert_eq!(late.evidence.len(), 3);
    }
}
