//! Finding the tier of every test.

use super::{PlanError, PlanErrors, reach::divided};
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{Plan, TestId, TierName, TierPlan};

/// The tests of the workspace as the filter of one tier divides them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Tests of the tier, in the part that was asked for.
    pub matched: Vec<TestId>,
    /// Tests of the tier in another part.
    pub other_partition: Vec<TestId>,
    /// Tests that are marked as ignored; nextest does not say whether the filter selects them.
    pub ignored: Vec<TestId>,
    /// Tests that the filter does not select.
    pub other: Vec<TestId>,
    /// Ids of test binaries that nextest did not even ask for their tests, since the filter can't select any.
    pub unlisted_binaries: Vec<String>,
}

/// The tests of each tier that runs, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Those that are run.
    pub tests: BTreeMap<TierName, Vec<TestId>>,
    /// Those that the change can't reach.
    pub left_out: BTreeMap<TierName, Vec<TestId>>,
}

/// Finds the tests that each tier of the plan runs.
///
/// The result has the tiers that run. `listed` has every tier of the plan; in a plan that is narrowed by a filter, only
/// those that run, and then a test in none of them is no mistake.
///
/// # Errors
/// Tests in no tier or in several, binaries in no tier, tiers that run and have no test (unless only a part of the tests
/// was asked for), and tiers that were not listed.
pub fn assign(plan: &Plan, listed: &BTreeMap<TierName, Listed>) -> Result<Assigned, PlanErrors> {
    let mut errors: Vec<PlanError> = Vec::new();
    let needed = plan.tiers.iter().filter(|tier| tier.run || plan.only.is_none());
    let not_listed = needed.filter(|tier| !listed.contains_key(&tier.name));
    errors.extend(not_listed.map(|tier| PlanError::NotListed { tier: tier.name.clone() }));
    if errors.is_empty() {
        errors.extend(memberships(plan, listed));
        errors.extend(empty(plan, listed));
    }
    if !errors.is_empty() {
        return Err(PlanErrors(errors));
    }
    let mut assigned = Assigned::default();
    for TierPlan { name, .. } in plan.tiers_to_run() {
        let tests: BTreeSet<&TestId> = listed.get(name).into_iter().flat_map(|listed| &listed.matched).collect();
        let (tests, left_out) = divided(plan, name, tests.into_iter().cloned().collect());
        assigned.tests.insert(name.clone(), tests);
        assigned.left_out.insert(name.clone(), left_out);
    }
    Ok(assigned)
}

/// Tests and binaries that are not in exactly one tier.
fn memberships(plan: &Plan, listed: &BTreeMap<TierName, Listed>) -> Vec<PlanError> {
    let mut tiers_of: BTreeMap<&TestId, Vec<TierName>> = BTreeMap::new();
    let mut ignored: BTreeSet<&TestId> = BTreeSet::new();
    for (tier, listed) in plan.tiers.iter().filter_map(|tier| Some((tier, listed.get(&tier.name)?))) {
        for test in listed.matched.iter().chain(&listed.other_partition) {
            let tiers = tiers_of.entry(test).or_default();
            if !tiers.contains(&tier.name) {
                tiers.push(tier.name.clone());
            }
        }
        for test in &listed.other {
            tiers_of.entry(test).or_default();
        }
        ignored.extend(&listed.ignored);
    }
    tiers_of.retain(|test, _| !ignored.contains(test));
    let (in_none, in_some): (Vec<_>, Vec<_>) = tiers_of.into_iter().partition(|(_, tiers)| tiers.is_empty());
    let in_several: Vec<_> = in_some.into_iter().filter(|(_, tiers)| tiers.len() > 1).collect();
    let mut errors = Vec::new();
    if plan.only.is_none() && !in_none.is_empty() {
        errors.push(PlanError::InNoTier { tests: in_none.into_iter().map(|(test, _)| test.clone()).collect() });
    }
    let binaries = binaries_in_no_tier(plan, listed);
    if plan.only.is_none() && !binaries.is_empty() {
        errors.push(PlanError::BinariesInNoTier { binaries });
    }
    if !in_several.is_empty() {
        let tests = in_several.into_iter().map(|(test, tiers)| (test.clone(), tiers)).collect();
        errors.push(PlanError::InSeveralTiers { tests });
    }
    errors
}

/// Binaries that were left out of every list.
fn binaries_in_no_tier(plan: &Plan, listed: &BTreeMap<TierName, Listed>) -> Vec<String> {
    let mut lists = plan.tiers.iter().filter_map(|tier| listed.get(&tier.name));
    let unlisted = |listed: &Listed| listed.unlisted_binaries.iter().cloned().collect::<BTreeSet<String>>();
    let Some(first) = lists.next() else { return Vec::new() };
    let in_none = lists.fold(unlisted(first), |in_none, listed| &in_none & &unlisted(listed));
    in_none.into_iter().collect()
}

/// Tiers that run and have nothing to run.
fn empty(plan: &Plan, listed: &BTreeMap<TierName, Listed>) -> Vec<PlanError> {
    let nothing = |tier: &&TierPlan| {
        listed.get(&tier.name).is_none_or(|listed| listed.matched.is_empty() && listed.other_partition.is_empty())
    };
    if plan.partition.is_some() {
        return Vec::new();
    }
    match &plan.only {
        None => {
            let error = |tier: &TierPlan| PlanError::EmptyTier { tier: tier.name.clone(), filter: tier.filter.clone() };
            plan.tiers_to_run().filter(nothing).map(error).collect()
        }
        Some(only) if plan.tiers_to_run().all(|tier| nothing(&tier)) => {
            let tiers = plan.tiers_to_run().map(|tier| tier.name.clone()).collect();
            vec![PlanError::NothingSelected { only: only.clone(), tiers }]
        }
        Some(_) => Vec::new(),
    }
}
