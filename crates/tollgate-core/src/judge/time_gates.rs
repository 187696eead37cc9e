//! Gates over time: `time.<tier>` and `time.suite`. Only running tests counts, never building.

use super::case::{Case, TierCase, TierTests};
use super::words::{duration_ms, listed, time, time_limit};
use tollgate_model::{GateName, GateResult, Milliseconds, Outcome};

/// One gate per tier with a budget, then the suite's.
pub(super) fn gates(case: &Case) -> Vec<GateResult> {
    let tiers = case.tiers.iter().filter_map(|tier| tier_gate(case, tier));
    tiers.chain(suite_gate(case)).collect()
}

fn tier_gate(case: &Case, tier: &TierCase) -> Option<GateResult> {
    let budget = tier.plan.budget_ms?;
    let name = GateName::new("time", &tier.plan.name);
    Some(match &tier.ran {
        Err(why) => {
            GateResult::new(name, Outcome::Invalid, format!("The time of tier {} is not known: {why}.", tier.plan.name))
        }
        Ok(tests) => judge(case.narrowed, name, tests.evidence.wall_ms, budget, &slowest([tests])),
    })
}

fn suite_gate(case: &Case) -> Option<GateResult> {
    let budget = case.plan.policy.suite_budget_ms?;
    let name = GateName::new("time", "suite");
    let broken = case.broken();
    if !broken.is_empty() || case.tiers.is_empty() {
        return Some(GateResult::new(name, Outcome::Invalid, format!("Not all tiers ran: {}.", listed(broken))));
    }
    let wall = case.ran().fold(0, |sum: Milliseconds, tests| sum.saturating_add(tests.evidence.wall_ms));
    Some(judge(case.partial, name, wall, budget, &slowest(case.ran())))
}

fn judge(partial: bool, name: GateName, wall: Milliseconds, budget: Milliseconds, slowest: &[String]) -> GateResult {
    let (took, limit) = (time(wall), time_limit(budget));
    let (outcome, message) = if wall > budget {
        (Outcome::Failed, format!("Running the tests took {took} > {limit}. Slowest: {}.", listed(slowest)))
    } else if partial {
        (Outcome::Unproven, format!("The part of the tests that ran took {took}; all of them have {limit}."))
    } else {
        (Outcome::Passed, format!("Running the tests took {took} of {limit}."))
    };
    let failed = outcome == Outcome::Failed;
    GateResult {
        value: Some(took),
        limit: Some(limit),
        margin: Some(match wall.checked_sub(budget) {
            None | Some(0) => format!("{} to spare", time(budget - wall)),
            Some(over) => format!("{} too long", time(over)),
        }),
        fix: failed.then(|| "Make the slowest tests faster, or move them to a tier with a larger budget.".to_owned()),
        evidence: if failed { slowest.to_vec() } else { Vec::new() },
        ..GateResult::new(name, outcome, message)
    }
}

/// The five slowest tests with their times.
fn slowest<'a>(tiers: impl IntoIterator<Item = &'a TierTests<'a>>) -> Vec<String> {
    let mut tests: Vec<_> = tiers
        .into_iter()
        .flat_map(|tests| &tests.evidence.results)
        .filter(|test| !test.attempts.is_empty())
        .map(|test| (duration_ms(test), &test.id))
        .collect();
    tests.sort_by_key(|&(ms, id)| (std::cmp::Reverse(ms), id));
    tests.into_iter().take(5).map(|(ms, id)| format!("{id} ({})", time(ms))).collect()
}
