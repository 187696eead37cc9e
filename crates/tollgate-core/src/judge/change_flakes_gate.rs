//! The gate `flake.pr`: whose the flakes of a change are.

use super::binomial::{ALPHA, upper_bound};
use super::case::Case;
use super::words::{count, len, listed, reproduce, short, stress_command, time_limit};
use crate::flake::{Attribution, attribute};
use std::collections::BTreeMap;
use tollgate_model::{
    Blame, ConfirmedFlake, FlakeConfirmation, GateName, GateResult, Outcome, Repeats, TestId, TierName, Unconfirmed,
};

/// Flakes that are told in full.
const SHOWN: usize = 3;

/// Only there where a change is compared with a base, and its flakes are to be executed again.
pub(super) fn gate(case: &Case) -> Option<GateResult> {
    let policy = case.plan.policy.change_flakes?;
    let name = GateName::new("flake", "pr");
    let flaky = flaky(case);
    let broken = case.broken();
    if !broken.is_empty() {
        let message = format!("Not all tests ran: {}.", listed(broken));
        return Some(GateResult::new(name, Outcome::Invalid, message));
    }
    if case.ran().all(|tests| tests.planned.is_empty()) {
        return Some(GateResult::new(name, Outcome::Unproven, "No test ran, so none could show whether it is flaky."));
    }
    if flaky.is_empty() {
        let message = "No test failed and then passed, so there is nothing to execute again.";
        return Some(GateResult { n: Some(0), ..GateResult::new(name, Outcome::Passed, message) });
    }
    let found: Vec<Found> = flaky.iter().map(|(test, tier)| Found::of(case, test, tier)).collect();
    let outcome = found.iter().map(|found| found.outcome).max().unwrap_or(Outcome::Unproven);
    let base = case.evidence.change.as_ref().map_or_else(|| "the base".to_owned(), |change| short(&change.commit));
    let shown: Vec<&Found> = found.iter().filter(|found| found.outcome == outcome).collect();
    let more = match found.len() - shown.len().min(SHOWN) {
        0 => String::new(),
        more => format!("; {more} more flaked"),
    };
    let said = shown.iter().take(SHOWN).map(|found| found.said(case, &base, policy.budget_ms));
    let message = format!("{}{more}.{}", said.collect::<Vec<_>>().join("; "), closing(outcome, &found));
    let first = shown.first()?;
    let burners = case.evidence.confirmation.as_ref().map_or(0, |confirmation| confirmation.burners);
    let stress = stress_command(first.test, first.tier, burners.max(1));
    Some(GateResult {
        k: Some(len(&found.iter().filter(|found| found.outcome == Outcome::Failed).collect::<Vec<_>>())),
        n: Some(len(&found)),
        value: first.executed.filter(|(test, _)| test.base.is_some()).map(|(test, _)| shares(test)),
        limit: Some("p < 0.01".to_owned()),
        blame: Some(match outcome {
            Outcome::Failed => Blame::Change,
            Outcome::Warned => Blame::Existing,
            _ => Blame::Unknown,
        }),
        more_needed: first.more_needed(),
        evidence: found.iter().map(Found::line).collect(),
        fix: match outcome {
            Outcome::Invalid => {
                Some("Build and test change and base, each by itself; `[gates.flake.pr]` switches this off.".to_owned())
            }
            Outcome::Unproven if first.is_short() => {
                Some("Raise `budget` of `[gates.flake.pr]`, or make this test faster.".to_owned())
            }
            Outcome::Unproven if first.is_load(case) => Some(reproduce(first.test, first.tier)),
            Outcome::Unproven if first.executed.is_none() => {
                Some(format!("{stress}, here and on a checkout of {base}"))
            }
            _ => Some(stress),
        },
        ..GateResult::new(name, outcome, message)
    })
}

/// Whether each flake of the run was executed as often as is wanted, or is of a test that the base does not have.
pub(super) fn has_answer(case: &Case) -> bool {
    let found: Vec<Found> = flaky(case).into_iter().map(|(test, tier)| Found::of(case, test, tier)).collect();
    case.plan.policy.change_flakes.is_some() && !found.is_empty() && found.iter().all(Found::is_answered)
}

/// The flaky tests of the run with their tiers.
fn flaky<'a>(case: &Case<'a>) -> BTreeMap<&'a TestId, &'a TierName> {
    case.ran().flat_map(|tests| tests.flaky.iter().map(|&test| (test, &tests.evidence.name))).collect()
}

/// A flake that nobody is blamed for blocks nothing; one that was not executed again, `flake.run` judges.
fn closing(outcome: Outcome, found: &[Found]) -> &'static str {
    if found.iter().all(Found::is_answered) && outcome < Outcome::Failed { " Not blocking." } else { "" }
}

/// What is known of one flake.
struct Found<'a> {
    test: &'a TestId,
    tier: &'a TierName,
    outcome: Outcome,
    /// Its executions and whose they show it to be, where all were made.
    executed: Option<(&'a ConfirmedFlake, Attribution)>,
    /// Executions that were made, where some are missing.
    partly: Option<&'a ConfirmedFlake>,
    why: Option<&'a Unconfirmed>,
}

impl<'a> Found<'a> {
    fn of(case: &Case<'a>, test: &'a TestId, tier: &'a TierName) -> Self {
        let confirmation: Option<&FlakeConfirmation> = case.evidence.confirmation.as_ref();
        let known = confirmation.and_then(|known| known.tests.iter().find(|known| known.id == *test));
        let executed = known.filter(|known| known.missing() == 0).map(|known| (known, attribute(known)));
        let partly = known.filter(|known| known.missing() > 0);
        let why = confirmation.and_then(|known| known.unconfirmed.as_ref()).filter(|_| executed.is_none());
        let outcome = match (&executed, why) {
            (Some((_, Attribution::Change { .. })), _) => Outcome::Failed,
            (Some((_, Attribution::Existing)), _) => Outcome::Warned,
            (Some((_, Attribution::Incomparable)), _) | (None, Some(Unconfirmed::Broken { .. })) => Outcome::Invalid,
            _ => Outcome::Unproven,
        };
        Self { test, tier, outcome, executed, partly, why }
    }

    /// `core a::adds flaked; executed again it failed 9 of 20 times here and ...`.
    fn said(&self, case: &Case, base: &str, budget_ms: u64) -> String {
        let test = self.test;
        let Some((known, whose)) = &self.executed else {
            let why = match (self.why, self.partly) {
                (Some(why), _) => why.why().to_owned(),
                (None, Some(known)) => {
                    let missing = count(known.missing(), "execution");
                    format!("{missing} did not fit into {}", time_limit(budget_ms))
                }
                (None, None) => self.why_not(case),
            };
            return format!("{test} flaked, and whose that is can't be told: {why}");
        };
        let shares = shares(known);
        match whose {
            Attribution::Change { p: None } => {
                format!("{test} flaked, and {base} has no such test: the change brings it")
            }
            Attribution::Change { p: Some(p) } => {
                format!("{test} flaked; executed again, it failed {shares} of {base} (p = {}): the change's", small(*p))
            }
            Attribution::Existing => {
                format!("{test} flaked; executed again, it failed {shares} of {base}: it was there before")
            }
            Attribution::Incomparable => format!(
                "{test} flaked, and whose that is can't be told: executed again, it failed {shares} of {base}, and what \
                 fails every time is no flake"
            ),
            Attribution::Unknown { p, more: Some(more) } => format!(
                "{test} flaked; executed again, it failed {shares} of {base} (p = {}): {more} more of each would show that \
                 it is the change's, were it to fail as often",
                small(*p)
            ),
            Attribution::Unknown { more: None, .. } => {
                // Rounded up: it is not more than what is said.
                let rate = (upper_bound(0, known.head.all(), ALPHA) * 1000.0).ceil() / 10.0;
                format!(
                    "{test} flaked; executed again, it failed {shares} of {base}: it fails at most {rate:.1} % of the time, \
                     95 % sure, so nobody is blamed"
                )
            }
        }
    }

    /// Why it was not executed again, though nothing kept the run from it.
    fn why_not(&self, case: &Case) -> String {
        if self.is_load(case) {
            "what measures load is not executed beside burners".to_owned()
        } else if case.evidence.run.parts.is_empty() {
            format!("it was not executed again ({})", case.absence())
        } else {
            "it failed in one attempt at its shard and passed in a later one, and neither saw both".to_owned()
        }
    }

    fn is_load(&self, case: &Case) -> bool {
        case.plan.policy.load.contains_key(self.tier)
    }

    fn more_needed(&self) -> Option<u64> {
        match (&self.executed, self.partly) {
            (Some((_, Attribution::Unknown { more, .. })), _) => *more,
            (None, Some(known)) => Some(known.missing()),
            _ => None,
        }
    }

    /// Whether all executions were made, and change and base can be compared.
    fn is_answered(&self) -> bool {
        self.executed.is_some_and(|(_, whose)| whose != Attribution::Incomparable)
    }

    /// Whether the time was up before all executions were made.
    fn is_short(&self) -> bool {
        self.partly.is_some() && self.why.is_none()
    }

    /// A flake with its numbers, for `explain`.
    fn line(&self) -> String {
        let Some(known) = self.executed.map(|(known, _)| known).or(self.partly) else {
            return format!("{}: not executed again", self.test);
        };
        let repeats = |of: Repeats| {
            let Repeats { plain, stressed } = of;
            format!("plain {}/{}, stressed {}/{}", plain.failed, plain.all, stressed.failed, stressed.all)
        };
        let base = known.base.map_or_else(|| "no such test".to_owned(), repeats);
        let message = known.message.as_ref().map_or_else(String::new, |message| format!(": {message}"));
        format!("{} here {}; base {base}{message}", known.id, repeats(known.head))
    }
}

/// `9 of 20 times here and 1 of 20 times on a checkout`.
fn shares(test: &ConfirmedFlake) -> String {
    let base = test.base.unwrap_or_default();
    format!(
        "{} of {} times here and {} of {} times on a checkout",
        test.head.failed(),
        test.head.all(),
        base.failed(),
        base.all()
    )
}

/// A probability with two digits that count: `0.0042`, `0.12`.
fn small(p: f64) -> String {
    match p {
        0.1.. => format!("{p:.2}"),
        0.01..0.1 => format!("{p:.3}"),
        0.0001..0.01 => format!("{p:.4}"),
        _ => "less than 0.0001".to_owned(),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_probability_has_two_digits_that_count() {
        let expected = ["0.50", "0.10", "0.099", "0.010", "0.0042", "0.0001", "less than 0.0001"];
        assert_eq!([0.5, 0.1, 0.099, 0.01, 0.0042, 0.0001, 0.000_09].map(small), expected);
    }
}
