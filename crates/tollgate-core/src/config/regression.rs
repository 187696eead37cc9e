//! What of the configuration is about tests that a change makes slower.

use super::check::{Subject, listed};
use super::file::{File, RegressionGate};
use super::nearest;
use super::problem::Problem;
use tollgate_model::{RegressionPolicy, TierName};

/// Checks `[gates.regression]`; none where no tier is named.
pub(super) fn regression(subject: &Subject<'_, File>, problems: &mut Vec<Problem>) -> Option<RegressionPolicy> {
    let RegressionGate { tier, limit, pairs, budget } = &subject.file.gates.regression;
    let tier = tier.as_deref()?;
    problems.extend(problem(subject, tier));
    Some(RegressionPolicy {
        tier: TierName::new(tier).ok()?,
        limit_percent: *limit,
        pairs: *pairs,
        budget_ms: budget.0,
    })
}

/// Why the time of the tier's tests says nothing of the code alone.
fn problem(subject: &Subject<'_, File>, name: &str) -> Option<Problem> {
    let known = subject.places.keys(&["tiers"]);
    let at = |what: &str| {
        let message = format!("times are to be compared of tier `{name}`, which {what}");
        subject.at_value(&["gates", "regression", "tier"], message)
    };
    let Some(tier) = subject.file.tiers.get(name) else {
        return Some(at("does not exist").note(listed("tiers", &known)).meant(nearest(name, known.iter().copied())));
    };
    if tier.instrumented {
        let note = "counters slow a program down, so a measurement would not be that of the product";
        Some(at("is instrumented").note(note).hint(format!("set `instrumented = false` in `[tiers.{name}]`")))
    } else if !tier.services.is_empty() {
        let note = "the services of both sides would be up at once, and their time would be measured with the tests'";
        Some(at("needs services").note(note).hint("put the tests that only compute into a tier of their own"))
    } else if subject.file.gates.load.contains_key(name) {
        let note = "a load keeps its pace, so it takes as long as ever whatever the code does";
        Some(at("has load limits").note(note).hint("put the tests that only compute into a tier of their own"))
    } else {
        None
    }
}
