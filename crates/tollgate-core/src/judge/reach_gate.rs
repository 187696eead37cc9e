//! `run.reach`: tests that did not run, since the change can't reach them, have shown nothing.

use super::case::Case;
use super::words::{count, len, listed};
use tollgate_model::{GateName, GateResult, Outcome};

/// Only there where packages were left out.
///
/// What a dependency graph does not show can reach them all the same: a test that reads another package's files, say. So
/// a verdict without them is never one of the whole.
pub(super) fn gate(case: &Case) -> Option<GateResult> {
    let reach = case.plan.reach.as_ref().filter(|_| case.reach_narrows)?;
    let (left_out, all) = (reach.left_out.keys().collect::<Vec<_>>(), reach.left_out.len() + reach.packages.len());
    let first = reach.left_out.iter().next().map_or(String::new(), |(package, why)| format!(" Of {package}: {why}."));
    let message = format!(
        "{} of {} left out, since the change can't reach them; nothing is known of their tests: {}.{first}",
        left_out.len(),
        count(all as u64, "package"),
        listed(&left_out)
    );
    Some(GateResult {
        k: Some(len(&left_out)),
        n: Some(all as u64),
        value: Some(format!("{} left out", left_out.len())),
        fix: Some(
            "Run a stage without `reach = \"changed\"`, or without `--base`, for the verdict of all packages."
                .to_owned(),
        ),
        evidence: reach.left_out.iter().map(|(package, why)| format!("{package}: {why}")).collect(),
        ..GateResult::new(GateName::new("run", "reach"), Outcome::Unproven, message)
    })
}
