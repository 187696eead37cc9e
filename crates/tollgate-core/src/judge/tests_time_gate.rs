//! The gate `time.tests`: single tests that take long, or longer than they used to. Wall time of one test says too little of it
//! to block anything.

use super::case::{Case, TierTests};
use super::contention::normalised;
use super::time_gates::critical;
use super::words::{count, len, listed, reproduce, time, time_limit};
use std::collections::BTreeMap;
use tollgate_model::{Blame, GateName, GateResult, GrownTest, Milliseconds, Outcome, TestId, TierName};

/// A test is newly slow where it takes so many percent of its median, and so much longer.
const GROWN_PERCENT: u64 = 125;
const GROWN_MS: Milliseconds = 5_000;

/// The share of a tier's time that the fewest tests are counted for.
const MOST_PERCENT: u64 = 80;

/// Whether that is a quarter and 5 s longer.
pub fn is_newly_slow(now_ms: Milliseconds, median_ms: Milliseconds) -> bool {
    let grown = u128::from(now_ms) * 100 > u128::from(median_ms) * u128::from(GROWN_PERCENT);
    grown && now_ms > median_ms.saturating_add(GROWN_MS)
}

/// Only there where a tier asks for it, or recorded runs can be compared with.
pub(super) fn gate(case: &Case) -> Option<GateResult> {
    let growth = case.evidence.growth.as_ref();
    let has_budget = case.tiers.iter().any(|tier| tier.plan.test_budget_ms.is_some());
    if growth.is_none() && !has_budget {
        return None;
    }
    let name = GateName::new("time", "tests");
    let broken = case.broken();
    if !broken.is_empty() {
        return Some(GateResult::new(name, Outcome::Invalid, format!("Not all tests ran: {}.", listed(broken))));
    }
    if case.ran().all(|tests| tests.planned.is_empty()) {
        let message = "No test ran, so none could show how long it takes.";
        return Some(GateResult::new(name, Outcome::Unproven, message));
    }
    let shares = shares(case);
    let grown: Vec<&GrownTest> = growth.iter().flat_map(|growth| &growth.tests).collect();
    let own = |test: &GrownTest| shares.get(&test.tier).map_or(test.now_ms, |share| share.of(test.now_ms));
    let slow: Vec<&GrownTest> = grown.iter().copied().filter(|test| is_newly_slow(own(test), test.median_ms)).collect();
    let over = over_budget(case, &shares);
    let mut found = Vec::new();
    if !slow.is_empty() {
        let are = if slow.len() == 1 { "is" } else { "are" };
        let named = listed(slow.iter().map(|test| grown_line(test)));
        found.push(format!("{} {are} newly slow: {named}", count(len(&slow), "test")));
    }
    if !over.is_empty() {
        let named = listed(over.iter().map(OverBudget::line));
        found.push(format!("{} took longer than a test of its tier should: {named}", count(len(&over), "test")));
    }
    let first =
        slow.first().map(|test| (&test.id, &test.tier)).or_else(|| over.first().map(|test| (test.id, test.tier)));
    let compared = growth.map_or(0, |growth| growth.compared);
    let (outcome, message) = match first {
        None => (Outcome::Passed, passed(compared, has_budget)),
        Some(_) => (Outcome::Warned, format!("{}. Not blocking.", found.join("; "))),
    };
    let evidence = grown.iter().map(|test| format!("grown: {}", grown_line(test)));
    let of_tiers = case.ran().flat_map(|tests| critical(tests).into_iter().chain(most(tests)));
    Some(GateResult {
        k: Some(len(&slow) + len(&over)),
        n: Some(case.ran().map(|tests| len(&tests.evidence.results)).sum()),
        value: Some(format!("{} slow", slow.len() + over.len())),
        blame: (!slow.is_empty()).then_some(Blame::Unknown),
        evidence: evidence.chain(over.iter().map(OverBudget::line)).chain(of_tiers).collect(),
        fix: first.map(|(test, tier)| reproduce(test, tier)),
        ..GateResult::new(name, outcome, message)
    })
}

fn passed(compared: u64, has_budget: bool) -> String {
    let newly = (compared > 0).then(|| format!("None of {} with recorded runs is newly slow", count(compared, "test")));
    let budget = has_budget.then(|| "No test takes longer than one of its tier should".to_owned());
    format!("{}.", newly.into_iter().chain(budget).collect::<Vec<_>>().join(". "))
}

/// A test that took longer than its tier's `test-budget`.
struct OverBudget<'a> {
    id: &'a TestId,
    tier: &'a TierName,
    took: Milliseconds,
    budget: Milliseconds,
}

impl OverBudget<'_> {
    fn line(&self) -> String {
        format!("{} ({} > {})", self.id, time(self.took), time_limit(self.budget))
    }
}

/// Those that passed and took too long, the longest first; a test that failed is told by other gates.
fn over_budget<'a>(case: &Case<'a>, shares: &BTreeMap<&TierName, Share>) -> Vec<OverBudget<'a>> {
    let tiers = case.tiers.iter().filter_map(|tier| Some((tier.plan.test_budget_ms?, tier.ran.as_ref().ok()?)));
    let mut over: Vec<OverBudget> = tiers
        .flat_map(|(budget, tests)| {
            let tier = &tests.evidence.name;
            let results = tests.evidence.results.iter();
            let took = results.filter_map(|test| Some((&test.id, test.last_pass()?.duration_ms)));
            let own = |took| shares.get(tier).map_or(took, |share| share.of(took));
            let over = took.filter(move |(_, took)| own(*took) > budget);
            over.map(move |(id, took)| OverBudget { id, tier, took, budget })
        })
        .collect();
    over.sort_by_key(|test| (std::cmp::Reverse(test.took), test.id));
    over
}

/// What a tier's time is without what other programs took of the machine, of what it was.
struct Share {
    normal: Milliseconds,
    wall: Milliseconds,
}

impl Share {
    /// What a test took without what others took: as much less as its tier.
    fn of(&self, took: Milliseconds) -> Milliseconds {
        let share = u128::from(took) * u128::from(self.normal) / u128::from(self.wall.max(1));
        Milliseconds::try_from(share).unwrap_or(took)
    }
}

/// The shares of the tiers that others took something from. Each looks at all tests of its tier, and is asked for every one.
fn shares<'a>(case: &Case<'a>) -> BTreeMap<&'a TierName, Share> {
    let share = |tests: &TierTests<'a>| {
        Some((&tests.evidence.name, Share { normal: normalised(tests)?, wall: tests.evidence.wall_ms }))
    };
    case.ran().filter_map(share).collect()
}

/// `core a::adds (12.0 s, median of 20 runs 3.1 s)`.
fn grown_line(test: &GrownTest) -> String {
    format!("{} ({}, median of {} {})", test.id, time(test.now_ms), count(test.runs, "run"), time(test.median_ms))
}

/// How few tests cost most of a tier's time.
fn most(tests: &TierTests) -> Option<String> {
    let mut durations: Vec<Milliseconds> = tests.evidence.results.iter().map(super::words::duration_ms).collect();
    durations.sort_unstable_by(|one, other| other.cmp(one));
    let sum: u128 = durations.iter().map(|ms| u128::from(*ms)).sum();
    let mut so_far = 0;
    let few = durations.iter().position(|ms| {
        so_far += u128::from(*ms);
        so_far * 100 >= sum * u128::from(MOST_PERCENT)
    })?;
    let (few, all) = (few as u64 + 1, len(&durations));
    let tier = &tests.evidence.name;
    (sum > 0 && all > 1)
        .then(|| format!("{few} of {} of tier {tier} cost {MOST_PERCENT} % of the time", count(all, "test")))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_test_is_excused_by_as_much_as_its_tier() {
        assert_eq!(Share { normal: 3_000, wall: 7_000 }.of(1_400), 600);
        assert_eq!(Share { normal: 7_000, wall: 7_000 }.of(1_401), 1_401);
    }
}
