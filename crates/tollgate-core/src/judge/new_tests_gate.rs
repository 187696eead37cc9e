//! The gate `flake.new`: tests that a change adds or alters pass again and again, on a busy machine too.

use super::binomial::{ALPHA, upper_bound};
use super::case::Case;
use super::words::{count, len, listed, short, stress_command, time_limit};
use std::collections::BTreeSet;
use tollgate_model::{Blame, GateName, GateResult, Novelty, Outcome, Repeats, StressEvidence, StressedTest, TestId};

/// Failures that are told in full.
const SHOWN: usize = 3;

/// Only there where a change is compared with a base, and its tests are to be stressed.
pub(super) fn gate(case: &Case) -> Option<GateResult> {
    let policy = case.plan.policy.new_tests?;
    let name = GateName::new("flake", "new");
    let unproven = |message: String| GateResult::new(name.clone(), Outcome::Unproven, message);
    let Some(stress) = &case.evidence.stress else {
        return Some(unproven(format!("New and changed tests were not stressed: {}.", case.absence())));
    };
    let since =
        case.evidence.change.as_ref().map_or_else(String::new, |change| format!(" since {}", short(&change.commit)));
    let muted = case.muted();
    let has_failed = stress.tests.iter().any(|test| test.repeats.failed() > 0 && !muted.contains(&test.id));
    if let Some(why) = stress.left_out.as_ref().filter(|_| !has_failed) {
        let tests = count(len(&stress.tests), "new or changed test");
        return Some(unproven(format!("{tests}{since} could not be stressed in full: {why}.")));
    }
    if stress.tests.is_empty() {
        let message = format!("No test was added or changed{since}; there is nothing to stress.");
        return Some(GateResult { n: Some(0), ..GateResult::new(name, Outcome::Passed, message) });
    }
    let (outcome, message) = judged(stress, &muted, &time_limit(policy.budget_ms), &since);
    let heard = || stress.tests.iter().filter(|test| !muted.contains(&test.id));
    let first = heard().find(|test| test.repeats.failed() > 0);
    let sum = |of: &dyn Fn(&StressedTest) -> u64| stress.tests.iter().map(of).sum::<u64>();
    let missing = sum(&missing);
    Some(GateResult {
        k: Some(heard().map(|test| test.repeats.failed()).sum()),
        n: Some(sum(&|test| test.repeats.all())),
        value: Some(format!("{} failed", len(&heard().filter(|test| test.repeats.failed() > 0).collect::<Vec<_>>()))),
        limit: Some("0 failed".to_owned()),
        blame: first.map(|_| Blame::Change),
        more_needed: (outcome == Outcome::Unproven && missing > 0).then_some(missing),
        evidence: stress.tests.iter().map(|test| line(test, muted.contains(&test.id))).collect(),
        fix: match (first, outcome) {
            (Some(test), _) => Some(stress_command(&test.id, &test.tier, stress.burners)),
            (None, Outcome::Unproven) if missing > 0 => {
                Some("Raise `budget` of `[gates.flake.new]`, or make these tests faster.".to_owned())
            }
            _ => None,
        },
        ..GateResult::new(name, outcome, message)
    })
}

fn judged(stress: &StressEvidence, muted: &BTreeSet<&TestId>, budget: &str, since: &str) -> (Outcome, String) {
    let (heard, quarantined): (Vec<&StressedTest>, Vec<_>) =
        stress.tests.iter().partition(|test| !muted.contains(&test.id) || test.repeats.failed() == 0);
    let failed: Vec<String> = heard.iter().filter(|test| test.repeats.failed() > 0).map(|test| failure(test)).collect();
    let but = match len(&quarantined) {
        0 => String::new(),
        k => format!("; {} failed", count(k, "quarantined one")),
    };
    if !failed.is_empty() {
        let more = match failed.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!("; {more} more failed"),
        };
        return (Outcome::Failed, format!("{}{more}{but}.", failed[..failed.len().min(SHOWN)].join("; ")));
    }
    if heard.is_empty() {
        let k = len(&quarantined);
        let message = format!("Only quarantined tests were added or changed{since}; {k} failed.");
        return (Outcome::Unproven, message);
    }
    let short: Vec<&StressedTest> = heard.iter().copied().filter(|test| missing(test) > 0).collect();
    if !short.is_empty() {
        let missing: u64 = short.iter().copied().map(missing).sum();
        let message = format!(
            "{} of {} did not fit into {budget}, {} short: {}{but}.",
            short.len(),
            count(len(&stress.tests), "new or changed test"),
            count(missing, "execution"),
            listed(short.iter().map(|test| &test.id))
        );
        return (Outcome::Unproven, message);
    }
    let executions: u64 = heard.iter().map(|test| test.repeats.all()).sum();
    let fewest = heard.iter().map(|test| test.repeats.all()).min().unwrap_or(0);
    // Rounded up: it is not more than what is said.
    let rate = (upper_bound(0, fewest, ALPHA) * 1000.0).ceil() / 10.0;
    let message = format!(
        "{} added or changed{since} passed {}, half of them beside {}: none fails more than {rate:.1} % of the time, \
         95 % sure{but}.",
        count(len(&heard), "test"),
        count(executions, "execution"),
        count(u64::from(stress.burners), "burner"),
    );
    (Outcome::Passed, message)
}

/// Executions that were wanted and not made.
fn missing(test: &StressedTest) -> u64 {
    test.wanted.saturating_sub(test.repeats.all())
}

/// `pay tests::retries (added here) failed 3 of 50 (stressed 3/25, plain 0/25): timing-dependent`.
fn failure(test: &StressedTest) -> String {
    let Repeats { plain, stressed } = test.repeats;
    let novelty = novelty(test.novelty);
    let why = match (plain.failed, stressed.failed) {
        _ if test.repeats.failed() == test.repeats.all() => "it fails whenever it is run again",
        (0, _) => "timing-dependent",
        (_, 0) => "flaky, also on a machine that is not busy",
        _ => "flaky",
    };
    format!(
        "{} ({novelty} here) failed {} of {} (stressed {}/{}, plain {}/{}): {why}",
        test.id,
        test.repeats.failed(),
        test.repeats.all(),
        stressed.failed,
        stressed.all,
        plain.failed,
        plain.all
    )
}

fn novelty(novelty: Novelty) -> &'static str {
    match novelty {
        Novelty::Added => "added",
        Novelty::Changed => "changed",
    }
}

/// A test with its numbers, for `explain`.
fn line(test: &StressedTest, muted: bool) -> String {
    let Repeats { plain, stressed } = test.repeats;
    let place = test.place.as_ref().map_or_else(String::new, |place| format!(" at {place}"));
    let message = test.message.as_ref().map_or_else(String::new, |message| format!(": {message}"));
    format!(
        "{}{} ({}{place}): plain {}/{}, stressed {}/{} of {} wanted{message}",
        if muted { "quarantined: " } else { "" },
        test.id,
        novelty(test.novelty),
        plain.failed,
        plain.all,
        stressed.failed,
        stressed.all,
        count(test.wanted, "execution"),
    )
}
