//! `tests.count`: tests don't get lost unseen. A filter, a `cfg` or a module that nobody declares lets them go silently.

use super::case::Case;
use super::coverage_base::{baseline, named, removed};
use super::words::{count, len, listed};
use tollgate_model::{Blame, GateName, GateResult, Outcome};

/// Only there where a recorded run is compared with: as many tests run as ran there, without those that the change deletes.
pub(super) fn gate(case: &Case) -> Option<GateResult> {
    let base = case.evidence.base.as_ref().filter(|base| !base.tests.is_empty())?;
    let name = GateName::new("tests", "count");
    let broken = case.broken();
    if case.partial {
        return Some(GateResult::new(name, Outcome::Unproven, "Only part of the tests ran, so they were not counted."));
    }
    if !broken.is_empty() {
        return Some(GateResult::new(name, Outcome::Invalid, format!("Not all tests ran: {}.", listed(&broken))));
    }
    let executed: u64 = case.ran().map(|tests| (tests.planned.len() - tests.missing.len()) as u64).sum();
    // Those of a tier that is not there any more are missing too.
    let before: u64 = base.tests.values().map(|tier| tier.executed).sum();
    let deleted = len(&removed(case, base));
    let expected = before.saturating_sub(deleted);
    let outcome = if u128::from(executed) * 10 < u128::from(before) * 8 {
        Outcome::Failed
    } else if executed < expected {
        Outcome::Warned
    } else {
        Outcome::Passed
    };
    let taken = match deleted {
        0 => String::new(),
        deleted => format!(", of which the change takes {deleted} away"),
    };
    let missed = outcome > Outcome::Passed;
    let message = format!("{} ran; {before} ran on {}{taken}.", count(executed, "test"), named(base));
    Some(GateResult {
        k: Some(executed),
        n: Some(before),
        value: Some(count(executed, "test")),
        limit: Some(count(expected, "test")),
        margin: Some(match expected.checked_sub(executed) {
            None | Some(0) => format!("{} to spare", count(executed - expected, "test")),
            Some(fewer) => format!("{} too few", count(fewer, "test")),
        }),
        blame: missed.then_some(Blame::Change),
        baseline: Some(baseline(base)),
        fix: missed.then(|| {
            "Find the tests that don't run any more: a tier's filter, a `cfg`, a module that is not declared."
                .to_owned()
        }),
        ..GateResult::new(name, outcome, message)
    })
}
