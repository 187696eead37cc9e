//! The gate `quarantine`: it is short, and no entry has outlived its day.

use super::case::Case;
use super::words::{count, len, listed};
use jiff::{civil::Date, tz::TimeZone};
use tollgate_model::{GateName, GateResult, Outcome, QuarantinedTest, RunInfo, TestId};

/// So many tests may always be quarantined; in a large workspace, one in a hundred.
const TESTS_MAX: u64 = 5;

/// The day of a run, in UTC.
pub(super) fn day(run: &RunInfo) -> Date {
    run.started_at.to_zoned(TimeZone::UTC).date()
}

/// Only there where a test is quarantined.
pub(super) fn gate(case: &Case) -> Option<GateResult> {
    let entries = &case.plan.policy.quarantine;
    if entries.is_empty() {
        return None;
    }
    let day = day(&case.evidence.run);
    let planned: u64 = case.ran().map(|tests| len(&tests.evidence.planned)).sum();
    let (k, most) = (len(entries), TESTS_MAX.max(planned / 100));
    let names = |wanted: &dyn Fn(&&QuarantinedTest) -> bool| -> Vec<&TestId> {
        entries.iter().filter(|entry| wanted(entry)).map(|entry| &entry.test).collect()
    };
    let expired = names(&|entry| entry.has_expired(day));
    let to_come = names(&|entry| entry.since > day);
    let unknown = names(&|entry| !case.ran().any(|tests| tests.planned.contains(&entry.test)));
    let broken: Vec<&TestId> = case.ran().flat_map(|tests| tests.muted_failed.iter().copied()).collect();
    let all_ran = !case.narrowed && case.broken().is_empty() && case.plan.tiers.iter().all(|tier| tier.run);

    let mut said = vec![format!("{} quarantined", count(k, "test"))];
    if !broken.is_empty() {
        said.push(format!("failed in every attempt, so broken and not flaky: {}", listed(&broken)));
    }
    let outcome = if !expired.is_empty() {
        said.push(format!("expired: {}", listed(&expired)));
        Outcome::Failed
    } else if !to_come.is_empty() {
        said.push(format!("begins on a day to come: {}", listed(&to_come)));
        Outcome::Failed
    } else if k > most && all_ran {
        said.push(format!("{most} are the most"));
        Outcome::Failed
    } else if k > most {
        said.push(format!("of the tests that ran, {most} may be"));
        Outcome::Unproven
    } else if all_ran && !unknown.is_empty() {
        said.push(format!("there is no such test: {}", listed(&unknown)));
        Outcome::Warned
    } else {
        Outcome::Passed
    };
    let entry = |entry: &QuarantinedTest| {
        format!("{} ({}, {}) until {}: {}", entry.test, entry.owner, entry.issue, entry.expires, entry.reason)
    };
    let fix = "Mend the test and take its entry out of ci/quarantine.toml; a longer one needs a review.";
    Some(GateResult {
        k: Some(k),
        n: Some(planned),
        value: Some(format!("{k} quarantined")),
        limit: Some(format!("{most} quarantined")),
        fix: (outcome > Outcome::Passed).then(|| fix.to_owned()),
        evidence: entries.iter().map(entry).collect(),
        ..GateResult::new(GateName::plain("quarantine"), outcome, format!("{}.", said.join("; ")))
    })
}
