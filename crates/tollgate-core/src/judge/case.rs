//! The case that gates judge: the evidence, arranged by the plan's tiers.

use super::words::{ending_reason, len};
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{Evidence, Plan, TestId, TestOutcome, TierEvidence, TierPlan, TierStatus};

/// The evidence and the plan, with what became of every tier that the plan runs.
pub(super) struct Case<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) plan: &'a Plan,
    pub(super) tiers: Vec<TierCase<'a>>,
    /// Whether the plan runs only a part of a tier's tests: what was asked for, or what the change can reach.
    pub(super) narrowed: bool,
    /// Whether packages that the change can't reach are left out of tiers that run.
    pub(super) reach_narrows: bool,
    /// Whether tests that the verdict speaks of are not run, on request: parts of tiers or whole ones.
    pub(super) partial: bool,
}

/// A tier that the plan runs, and what became of it.
pub(super) struct TierCase<'a> {
    pub(super) plan: &'a TierPlan,
    /// What it did, or why there is nothing to judge.
    pub(super) ran: Result<TierTests<'a>, String>,
}

/// What a tier reported, against what was planned.
pub(super) struct TierTests<'a> {
    pub(super) evidence: &'a TierEvidence,
    pub(super) planned: BTreeSet<&'a TestId>,
    /// Failed in every attempt, and not quarantined.
    pub(super) failed: Vec<&'a TestId>,
    /// Failed and then passed, and not quarantined.
    pub(super) flaky: Vec<&'a TestId>,
    /// Quarantined, and failed in every attempt.
    pub(super) muted_failed: Vec<&'a TestId>,
    /// Quarantined, and failed and then passed.
    pub(super) muted_flaky: Vec<&'a TestId>,
    /// Planned and never reported, or reported as ignored.
    pub(super) missing: Vec<&'a TestId>,
    /// Reported more than once.
    pub(super) repeated: Vec<&'a TestId>,
    /// How many are marked as ignored; they are neither planned nor run.
    pub(super) ignored: u64,
    /// Reported and not planned.
    pub(super) unplanned: Vec<&'a TestId>,
}

impl<'a> Case<'a> {
    pub(super) fn new(evidence: &'a Evidence, plan: &'a Plan) -> Self {
        let muted = muted(evidence, plan);
        let tiers = plan.tiers_to_run().map(|tier| TierCase { plan: tier, ran: ran(evidence, tier, &muted) }).collect();
        let reach_narrows = plan.is_narrowed_by_reach();
        let narrowed = plan.partition.is_some() || plan.only.is_some() || reach_narrows;
        let partial = narrowed || plan.left_out().next().is_some();
        Self { evidence, plan, tiers, narrowed, reach_narrows, partial }
    }

    /// Whether everything ran that the change can reach, and nothing else: what is said of its own lines is complete.
    pub(super) fn is_all_that_is_reached(&self) -> bool {
        self.reach_narrows
            && self.plan.partition.is_none()
            && self.plan.only.is_none()
            && self.plan.left_out().next().is_none()
    }

    /// Whether no test of a tier ran, since the change can't reach one.
    pub(super) fn is_unreached(&self, tier: &TierCase) -> bool {
        let narrows = self.plan.reach.as_ref().is_some_and(|reach| reach.narrows(&tier.plan.name));
        narrows && tier.ran.as_ref().is_ok_and(|tests| tests.planned.is_empty())
    }

    /// The tests whose failures are quarantined on the day of the run.
    pub(super) fn muted(&self) -> BTreeSet<&'a TestId> {
        muted(self.evidence, self.plan)
    }

    /// The tiers that did not run to their end, each with the reason.
    pub(super) fn broken(&self) -> Vec<String> {
        let reason = |tier: &TierCase| tier.ran.as_ref().err().map(|why| format!("{}: {why}", tier.plan.name));
        self.tiers.iter().filter_map(reason).collect()
    }

    /// The tiers that ran to their end.
    pub(super) fn ran(&self) -> impl Iterator<Item = &TierTests<'a>> {
        self.tiers.iter().filter_map(|tier| tier.ran.as_ref().ok())
    }

    /// Why something is missing from the evidence.
    pub(super) fn absence(&self) -> String {
        ending_reason(&self.evidence.ending).unwrap_or_else(|| "there is no evidence of it".to_owned())
    }
}

fn muted<'a>(evidence: &Evidence, plan: &'a Plan) -> BTreeSet<&'a TestId> {
    let day = super::quarantine_gate::day(&evidence.run);
    plan.policy.quarantine.iter().filter(|entry| entry.mutes(day)).map(|entry| &entry.test).collect()
}

fn ran<'a>(evidence: &'a Evidence, tier: &TierPlan, muted: &BTreeSet<&TestId>) -> Result<TierTests<'a>, String> {
    let mut entries = evidence.tiers.iter().filter(|entry| entry.name == tier.name);
    let absent = || {
        let reason = ending_reason(&evidence.ending);
        reason.map_or_else(
            || "there is no evidence that it ran".to_owned(),
            |reason| format!("it did not run, since {reason}"),
        )
    };
    let entry = entries.next().ok_or_else(absent)?;
    if entries.next().is_some() {
        return Err("it is in the evidence more than once".to_owned());
    }
    match &entry.status {
        TierStatus::Ran => Ok(tests(entry, muted)),
        TierStatus::NotAsked => Err(absent()),
        TierStatus::Broken { reason } => Err(format!("it broke: {reason}")),
    }
}

fn tests<'a>(entry: &'a TierEvidence, muted: &BTreeSet<&TestId>) -> TierTests<'a> {
    let mut reports: BTreeMap<&TestId, Vec<TestOutcome>> = BTreeMap::new();
    for result in &entry.results {
        reports.entry(&result.id).or_default().push(result.outcome());
    }
    let planned: BTreeSet<&TestId> = entry.planned.iter().collect();
    let executed = |outcomes: &[TestOutcome]| outcomes.iter().any(|&outcome| outcome != TestOutcome::Ignored);
    let with = |wanted: &dyn Fn(&TestId, &[TestOutcome]) -> bool| {
        reports.iter().filter(|(id, outcomes)| wanted(id, outcomes)).map(|(id, _)| *id).collect::<Vec<_>>()
    };
    let split = |tests: Vec<&'a TestId>| tests.into_iter().partition(|test| !muted.contains(*test));
    let (failed, muted_failed) = split(with(&|_, outcomes| outcomes.contains(&TestOutcome::Failed)));
    let (flaky, muted_flaky) = split(with(&|_, outcomes| outcomes.contains(&TestOutcome::Flaky)));
    let missing = |id: &&TestId| !reports.get(*id).is_some_and(|outcomes| executed(outcomes));
    TierTests {
        evidence: entry,
        failed,
        flaky,
        muted_failed,
        muted_flaky,
        missing: planned.iter().copied().filter(missing).collect(),
        repeated: with(&|_, outcomes| outcomes.len() > 1),
        unplanned: with(&|id, outcomes| executed(outcomes) && !planned.contains(id)),
        ignored: len(&with(&|id, outcomes| !executed(outcomes) && !planned.contains(id))),
        planned,
    }
}
