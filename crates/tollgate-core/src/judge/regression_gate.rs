//! The gate `perf.regression`: no test of a tier is slower than on the base by more than a limit.

use super::case::Case;
use super::paired::{Lacking, PAIRS_MAX, Paired, Slowdown, compare};
use super::words::{count, len, listed, reproduce, short, time_limit};
use tollgate_model::{
    Blame, ComparedTest, GateName, GateResult, Incomparable, Outcome, RegressionPolicy, TimeComparison, Unconfirmed,
};

/// Tests that are told in full.
const SHOWN: usize = 3;

/// Only there where a change is compared with a base, and the times of its tests are too.
pub(super) fn gate(case: &Case) -> Option<GateResult> {
    let policy = case.plan.policy.regression.as_ref()?;
    let name = GateName::new("perf", "regression");
    let without = |outcome, message: String| Some(GateResult::new(name.clone(), outcome, message));
    let Some(comparison) = &case.evidence.comparison else {
        return without(Outcome::Invalid, format!("No time was compared with the base's: {}.", case.absence()));
    };
    let base = case.evidence.change.as_ref().map_or_else(|| "the base".to_owned(), |change| short(&change.commit));
    let found: Vec<Found> = found(case, comparison, policy);
    let (added, mut compared): (Vec<&Found>, Vec<&Found>) = found.iter().partition(|found| found.is_added());
    compared.sort_by(|a, b| b.estimate().total_cmp(&a.estimate()));
    let Some(outcome) = compared.iter().map(|found| found.outcome).max() else {
        let tests = match len(&added) {
            0 => format!("No test of tier {} ran", policy.tier),
            1 => format!("{base} does not have the test of tier {}", policy.tier),
            new => format!("{base} has none of the {new} tests of tier {}", policy.tier),
        };
        return without(Outcome::Unproven, format!("{tests}, so there is nothing to compare."));
    };
    let worst: Vec<&Found> = compared.iter().copied().filter(|found| found.outcome == outcome).collect();
    let of = |wanted| compared.iter().filter(|found| found.outcome == wanted).count() as u64;
    Some(GateResult {
        k: Some(of(Outcome::Failed)),
        n: Some(len(&compared)),
        value: worst.first().and_then(|found| found.slowdown().map(|slowdown| shown(slowdown, outcome))),
        limit: Some(limit(policy)),
        margin: worst.first().and_then(|found| found.margin(policy)),
        blame: (outcome == Outcome::Failed).then_some(Blame::Change),
        more_needed: worst.first().and_then(|found| found.more_needed()),
        evidence: found.iter().map(Found::line).collect(),
        fix: worst.first().and_then(|found| found.fix(comparison, policy, &base)),
        ..GateResult::new(name, outcome, message(&worst, &compared, &added, comparison, policy, &base))
    })
}

fn message(
    worst: &[&Found],
    compared: &[&Found],
    added: &[&Found],
    comparison: &TimeComparison,
    policy: &RegressionPolicy,
    base: &str,
) -> String {
    let is_kept = worst.first().is_some_and(|found| found.outcome == Outcome::Passed);
    let told = if is_kept { 1 } else { SHOWN };
    let said: Vec<String> = worst.iter().take(told).map(|found| found.said(comparison, policy, base)).collect();
    let tests = count(len(compared), "test");
    let others = match worst.len().saturating_sub(told) {
        0 => String::new(),
        _ if is_kept => format!(", the most of {tests}"),
        more => format!("; {more} more"),
    };
    let is_measured = worst.first().is_some_and(|found| found.slowdown().is_some());
    let limit = if is_measured { format!("; limit {}", limit(policy)) } else { String::new() };
    let needs = worst.first().map_or_else(String::new, |found| found.needs(policy));
    let slower = slower(worst, compared, policy);
    let new = match added {
        [] => String::new(),
        added => {
            format!(" Not compared, since {base} does not have them: {}.", listed(added.iter().map(|new| &new.test.id)))
        }
    };
    format!("{}{others}{limit}.{needs}{slower}{new}", said.join("; "))
}

/// The tests that are slower beside others that could not be judged: ` Slower than the limit of +3 %: core::bench sorts +8.0 %
/// [+7.1, +9.2] over 15 pairs.`
fn slower(worst: &[&Found], compared: &[&Found], policy: &RegressionPolicy) -> String {
    let slower = compared.iter().filter(|found| found.outcome == Outcome::Failed);
    let said: Vec<String> = slower.filter_map(|found| found.measured()).collect();
    if said.is_empty() || worst.iter().any(|found| found.outcome == Outcome::Failed) {
        return String::new();
    }
    format!(" Slower than the limit of {}: {}.", limit(policy), listed(said))
}

/// What is known of one test.
struct Found<'a> {
    test: &'a ComparedTest,
    paired: Paired,
    outcome: Outcome,
}

fn found<'a>(case: &Case, comparison: &'a TimeComparison, policy: &RegressionPolicy) -> Vec<Found<'a>> {
    let tests = comparison.compared();
    // What its tier does not hold against the run is not held against it here.
    let (muted, has_bands) = (case.muted(), case.plan.policy.bands.contains(&policy.tier));
    let is_excused = |test: &ComparedTest| has_bands || muted.contains(&test.id);
    let is_broken = matches!(comparison.cut_short, Some(Unconfirmed::Broken { .. }));
    let one = |test: &'a ComparedTest| {
        let paired = compare(&test.pairs, policy, tests);
        let outcome = match (&test.incomparable, paired) {
            (Some(Incomparable::FailsHere { .. }), _) if is_excused(test) => Outcome::Unproven,
            (Some(Incomparable::FailsHere { .. }), _) => Outcome::Invalid,
            (Some(Incomparable::FailsOnBase { .. } | Incomparable::Added), _) => Outcome::Unproven,
            (None, Paired::TooFew) if comparison.cut_short.is_some() && !is_broken => Outcome::Unproven,
            (None, Paired::Unproven(..)) if is_broken => Outcome::Invalid,
            (None, paired) => paired.outcome(),
        };
        Found { test, paired, outcome }
    };
    comparison.tests.iter().map(one).collect()
}

impl Found<'_> {
    fn is_added(&self) -> bool {
        self.test.incomparable == Some(Incomparable::Added)
    }

    fn slowdown(&self) -> Option<Slowdown> {
        match self.paired {
            _ if self.test.incomparable.is_some() => None,
            Paired::TooFew => None,
            Paired::Slower(slowdown) | Paired::Kept(slowdown) | Paired::Unproven(slowdown, _) => Some(slowdown),
        }
    }

    fn estimate(&self) -> f64 {
        self.slowdown().map_or(f64::INFINITY, |slowdown| slowdown.estimate)
    }

    /// `core::bench parse_big +2.1 % [−0.6, +4.9] over 60 pairs`.
    fn measured(&self) -> Option<String> {
        let over = |of: Slowdown| format!("{} {} over {}", self.test.id, shown(of, self.outcome), pairs(of.pairs));
        self.slowdown().map(over)
    }

    /// What was measured, or why nothing was.
    fn said(&self, comparison: &TimeComparison, policy: &RegressionPolicy, base: &str) -> String {
        let test = &self.test.id;
        if let Some(measured) = self.measured() {
            return measured;
        }
        match (&self.test.incomparable, &comparison.cut_short) {
            (Some(Incomparable::FailsHere { message }), _) => {
                format!("{test} can't be compared: it failed when it was executed again: {message}")
            }
            (Some(Incomparable::FailsOnBase { message }), _) => {
                format!("{test} can't be compared: it fails on {base}: {message}")
            }
            (_, Some(why)) => format!("{test} was not compared: {}", why.why()),
            (_, None) => {
                let made = pairs(self.test.pairs.len());
                format!("{test} was not compared: {made} fitted into {}, too few", time_limit(policy.budget_ms))
            }
        }
    }

    /// ` Needs about 140 pairs.`
    fn needs(&self, policy: &RegressionPolicy) -> String {
        match self.lacking() {
            None => String::new(),
            Some(Lacking::Pairs(needed)) => format!(" Needs about {needed} pairs."),
            Some(Lacking::Distance) => " It is so near to the limit that no number of pairs would tell.".to_owned(),
            Some(Lacking::Spread) => {
                format!(" Its times spread too far for this limit: it would need more than {PAIRS_MAX} pairs.")
            }
            Some(Lacking::Duration) => {
                let longest = self.test.pairs.iter().map(|pair| pair.base_ms.max(pair.head_ms)).max().unwrap_or(0);
                format!(
                    " It takes up to {longest} ms, and is measured to whole milliseconds: too short for a limit of {} %.",
                    policy.limit_percent
                )
            }
        }
    }

    fn lacking(&self) -> Option<Lacking> {
        match self.paired {
            Paired::Unproven(_, lacking) if self.slowdown().is_some() => Some(lacking),
            _ => None,
        }
    }

    fn more_needed(&self) -> Option<u64> {
        let made = len(&self.test.pairs);
        match self.lacking() {
            Some(Lacking::Pairs(needed)) => Some(needed.saturating_sub(made)),
            _ => None,
        }
    }

    fn fix(&self, comparison: &TimeComparison, policy: &RegressionPolicy, base: &str) -> Option<String> {
        let again = || reproduce(&self.test.id, &policy.tier);
        let is_late = self.test.incomparable.is_none() && self.test.pairs.len() < policy.pairs as usize;
        match (self.outcome, self.lacking()) {
            (Outcome::Failed, _) => Some(format!("{}, here and on a checkout of {base}", again())),
            _ if matches!(self.test.incomparable, Some(Incomparable::FailsHere { .. })) => Some(again()),
            (Outcome::Unproven | Outcome::Invalid, _) if comparison.cut_short.is_some() => None,
            (Outcome::Unproven, Some(Lacking::Duration)) => Some("Let the test do more work.".to_owned()),
            (Outcome::Unproven, Some(Lacking::Distance)) => None,
            (Outcome::Unproven, Some(Lacking::Spread)) => {
                Some("Let nothing else run on the machine, or let the test do more work.".to_owned())
            }
            (Outcome::Unproven, Some(Lacking::Pairs(needed))) if is_late && needed > u64::from(policy.pairs) => {
                Some("Raise `pairs` and `budget` of `[gates.regression]`.".to_owned())
            }
            (Outcome::Unproven | Outcome::Invalid, _) if is_late => {
                Some("Raise `budget` of `[gates.regression]`, or make this test faster.".to_owned())
            }
            (Outcome::Unproven, Some(Lacking::Pairs(_))) => Some("Raise `pairs` of `[gates.regression]`.".to_owned()),
            _ => None,
        }
    }

    /// How far the interval is from the limit, in points of a percent that are rounded down.
    fn margin(&self, policy: &RegressionPolicy) -> Option<String> {
        let limit = f64::from(policy.limit_percent);
        let points = |distance: f64| format!("{:.1} points", (distance * 10.0).floor() / 10.0);
        match (self.slowdown()?, self.outcome) {
            (slowdown, Outcome::Failed) => {
                Some(format!("all of it is {} or more above the limit", points(100.0 * slowdown.lower - limit)))
            }
            (slowdown, Outcome::Passed) => {
                Some(format!("all of it is {} or more below the limit", points(limit - 100.0 * slowdown.upper)))
            }
            _ => None,
        }
    }

    /// A test with its numbers, for `explain`.
    fn line(&self) -> String {
        let id = &self.test.id;
        match (&self.test.incomparable, self.slowdown()) {
            (Some(Incomparable::Added), _) => format!("{id}: new, not compared"),
            (Some(Incomparable::FailsOnBase { message }), _) => format!("{id}: fails on the base: {message}"),
            (Some(Incomparable::FailsHere { message }), _) => format!("{id}: fails here: {message}"),
            (None, None) => format!("{id}: {}", pairs(self.test.pairs.len())),
            (None, Some(slowdown)) => {
                let shown = shown(slowdown, self.outcome);
                format!("{id}: {shown} over {}: {}", pairs(slowdown.pairs), self.outcome)
            }
        }
    }
}

fn pairs(n: usize) -> String {
    count(n as u64, "pair")
}

fn limit(policy: &RegressionPolicy) -> String {
    format!("+{} %", policy.limit_percent)
}

/// `+2.1 % [−0.6, +4.9]`. The ends are rounded outwards, and that of a broken limit inwards, so that what is shown never looks
/// like another outcome.
fn shown(slowdown: Slowdown, outcome: Outcome) -> String {
    let Slowdown { estimate, lower, upper, .. } = slowdown;
    let tenths = |share: f64| share * 1000.0;
    let lower = if outcome == Outcome::Failed { tenths(lower).ceil() } else { tenths(lower).floor() };
    format!("{} % [{}, {}]", signed(tenths(estimate).round()), signed(lower), signed(tenths(upper).ceil()))
}

/// A number of tenths with its sign: `−0.6`.
fn signed(tenths: f64) -> String {
    match tenths {
        f64::INFINITY => "+∞".to_owned(),
        _ if tenths < 0.0 => format!("−{:.1}", -tenths / 10.0),
        _ => format!("+{:.1}", tenths.abs() / 10.0),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_is_shown_never_looks_like_another_outcome() {
        let of = |estimate, lower, upper, outcome| shown(Slowdown { estimate, lower, upper, pairs: 60 }, outcome);
        assert_eq!(of(0.021, -0.006, 0.049, Outcome::Unproven), "+2.1 % [−0.6, +4.9]");
        assert_eq!(of(0.05, 0.030_01, 0.080_01, Outcome::Failed), "+5.0 % [+3.1, +8.1]");
        assert_eq!(of(0.02, 0.0, 0.029_99, Outcome::Passed), "+2.0 % [+0.0, +3.0]");
        assert_eq!(of(-0.000_4, -1.0, f64::INFINITY, Outcome::Unproven), "+0.0 % [−100.0, +∞]");
    }
}
