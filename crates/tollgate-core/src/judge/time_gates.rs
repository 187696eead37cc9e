//! Gates over time: `time.<tier>` and `time.suite`. Only running tests counts, never building.

use super::case::{Case, TierCase, TierTests};
use super::contention::normalised;
use super::words::{duration_ms, listed, time, time_limit};
use tollgate_model::{Blame, BuildKind, GateName, GateResult, MachineEvidence, Milliseconds, Outcome};

/// From this share of the wall time on, in percent, a test alone bounds its tier: more threads would not help.
const CRITICAL_PERCENT: u64 = 80;

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
        Ok(tests) => judge(case.narrowed, name, &Time::of([tests], build(std::slice::from_ref(tier))), budget),
    })
}

fn suite_gate(case: &Case) -> Option<GateResult> {
    let budget = case.plan.policy.suite_budget_ms?;
    let name = GateName::new("time", "suite");
    let broken = case.broken();
    if !broken.is_empty() || case.tiers.is_empty() {
        return Some(GateResult::new(name, Outcome::Invalid, format!("Not all tiers ran: {}.", listed(broken))));
    }
    Some(judge(case.partial, name, &Time::of(case.ran(), build(&case.tiers)), budget))
}

/// Counters take time of their own.
fn build(tiers: &[TierCase]) -> &'static str {
    match tiers.iter().filter(|tier| tier.plan.build == BuildKind::Instrumented).count() {
        0 => "",
        all if all == tiers.len() => " on the instrumented build",
        _ => " partly on the instrumented build",
    }
}

/// What tiers took, one after the other.
struct Time {
    wall: Milliseconds,
    /// The wall time without what other programs took, and the machine of the tier that lost most to them.
    contended: Option<(Milliseconds, MachineEvidence)>,
    /// The slowest tests with their times.
    slowest: Vec<String>,
    /// Tests that bound their tier alone.
    critical: Vec<String>,
    /// Which programs ran, in words.
    build: &'static str,
}

impl Time {
    fn of<'a>(tiers: impl IntoIterator<Item = &'a TierTests<'a>>, build: &'static str) -> Self {
        let tiers: Vec<&TierTests> = tiers.into_iter().collect();
        let wall = tiers.iter().fold(0, |sum: Milliseconds, tests| sum.saturating_add(tests.evidence.wall_ms));
        let lost = tiers.iter().filter_map(|tests| {
            let saved = tests.evidence.wall_ms.saturating_sub(normalised(tests)?);
            Some((saved, tests.evidence.machine?))
        });
        let lost: Vec<(Milliseconds, MachineEvidence)> = lost.collect();
        let saved = lost.iter().fold(0, |sum: Milliseconds, (saved, _)| sum.saturating_add(*saved));
        let worst = lost.into_iter().max_by_key(|(saved, _)| *saved);
        let contended = worst.map(|(_, machine)| (wall.saturating_sub(saved), machine));
        let critical = tiers.iter().filter_map(|tests| critical(tests)).collect();
        Self { wall, contended, slowest: slowest(&tiers), critical, build }
    }
}

fn judge(partial: bool, name: GateName, it: &Time, budget: Milliseconds) -> GateResult {
    let (took, limit) = (time(it.wall), time_limit(budget));
    let (outcome, message) = if it.wall > budget {
        match &it.contended {
            Some((normal, machine)) if *normal <= budget => {
                (Outcome::Warned, contended(&took, &limit, *normal, machine))
            }
            other => {
                let excused = other.as_ref().map_or_else(String::new, |(normal, _)| {
                    format!(", and {} without what other programs took of the machine", time(*normal))
                });
                let (build, slowest) = (it.build, listed(&it.slowest));
                let message = format!("Running the tests{build} took {took} > {limit}{excused}. Slowest: {slowest}.");
                (Outcome::Failed, message)
            }
        }
    } else if partial {
        (Outcome::Unproven, format!("The part of the tests that ran took {took}; all of them have {limit}."))
    } else {
        (Outcome::Passed, format!("Running the tests took {took} of {limit}."))
    };
    let fix = match outcome {
        Outcome::Failed => Some("Make the slowest tests faster, or move them to a tier with a larger budget."),
        Outcome::Warned => Some("Run it again on a machine that does nothing else."),
        _ => None,
    };
    let over = it.wall > budget;
    GateResult {
        value: Some(took),
        limit: Some(limit),
        margin: Some(match it.wall.checked_sub(budget) {
            None | Some(0) => format!("{} to spare", time(budget - it.wall)),
            Some(over) => format!("{} too long", time(over)),
        }),
        blame: (outcome == Outcome::Warned).then_some(Blame::Machine),
        fix: fix.map(str::to_owned),
        evidence: if over { it.slowest.iter().chain(&it.critical).cloned().collect() } else { Vec::new() },
        ..GateResult::new(name, outcome, message)
    }
}

fn contended(took: &str, limit: &str, normal: Milliseconds, machine: &MachineEvidence) -> String {
    let (pressure, speed) = (machine.pressure_permille / 10, machine.speed_permille / 10);
    let (whole, hundredths) = (speed / 100, speed % 100);
    format!(
        "{took} > {limit}, but the machine was contended (CPU pressure {pressure} %, speed {whole}.{hundredths:02}×): {} \
         normalised. Not blocking.",
        time(normal)
    )
}

/// The five slowest tests with their times.
fn slowest(tiers: &[&TierTests]) -> Vec<String> {
    let mut tests: Vec<_> = tiers
        .iter()
        .flat_map(|tests| &tests.evidence.results)
        .filter(|test| !test.attempts.is_empty())
        .map(|test| (duration_ms(test), &test.id))
        .collect();
    tests.sort_by_key(|&(ms, id)| (std::cmp::Reverse(ms), id));
    tests.into_iter().take(5).map(|(ms, id)| format!("{id} ({})", time(ms))).collect()
}

/// The longest test of a tier, where the tier can't be faster than it.
pub(super) fn critical(tests: &TierTests) -> Option<String> {
    let longest = tests.evidence.results.iter().max_by_key(|test| duration_ms(test))?;
    let (ms, wall) = (duration_ms(longest), tests.evidence.wall_ms);
    let tier = &tests.evidence.name;
    (ms.saturating_mul(100) >= wall.saturating_mul(CRITICAL_PERCENT) && ms > 0).then(|| {
        format!(
            "critical path: {} alone takes {} of the {} of tier {tier}; more threads don't help",
            longest.id,
            time(ms),
            time(wall)
        )
    })
}
