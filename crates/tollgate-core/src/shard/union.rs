//! One run's evidence from what the shards hand back.

use super::{
    again,
    environment::{engines, environment},
};
use crate::judge::{judge, words::count};
use camino::Utf8Path;
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{
    Attempt, BriefShard, BuildEvidence, CoverageEvidence, Ending, Evidence, FileCoverage, GateName, GateResult,
    LoadEvidence, Milliseconds, Outcome, Partition, Receipt, RunInfo, SCHEMA, ServiceProfile, Shard, SpreadPlan,
    TestId, TestOutcome, TestResult, TierEvidence, TierName, TierPlan, TierStatus, Verdict,
};

/// The evidence of all shards as one, and what is wrong with the receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Union {
    /// What a single run would have observed.
    pub evidence: Evidence,
    /// Why the receipts are not those of the plan; a sentence each, with the shard named.
    pub complaints: Vec<String>,
    /// Receipts that count.
    pub receipts: usize,
    /// The most that a shard took beside running tests.
    pub setup_ms: Milliseconds,
    /// What each shard was expected to take and took.
    pub balance: Vec<BriefShard>,
}

/// Unites the receipts of a plan's shards.
///
/// Of several attempts at a shard the highest counts. A test that failed in an earlier attempt and passed in that one
/// keeps both: it is flaky. `run` says what run this is; its wall time becomes that of the longest shard. The time of a
/// tier is the sum over its shards, so that a budget is no milder than on one machine: more shards make nothing pass.
pub fn unite(plan: &SpreadPlan, receipts: &[Receipt], run: RunInfo) -> Union {
    let (chosen, mut complaints) = choose(plan, receipts);
    complaints.extend(unplanned_skips(plan, &chosen));
    complaints.extend(engines(&chosen));
    let results = |receipt: &Receipt, tier: &TierName| final_results(plan, receipts, receipt, tier);
    let tiers = plan.plan.tiers_to_run().map(|tier| unite_tier(plan, &chosen, tier, &results)).collect();
    let evidences: Vec<&Evidence> = chosen.values().map(|receipt| &receipt.evidence).collect();
    let evidence = Evidence {
        schema: SCHEMA,
        run: RunInfo {
            wall_ms: evidences.iter().map(|evidence| evidence.run.wall_ms).max().unwrap_or(0),
            started_at: evidences.iter().map(|evidence| evidence.run.started_at).min().unwrap_or(run.started_at),
            dirty: plan.dirty || evidences.iter().any(|evidence| evidence.run.dirty),
            commit: plan.commit.clone(),
            toolchain: plan.toolchain.clone(),
            partition: None,
            parts: evidences.iter().map(|evidence| evidence.run.id.clone()).collect(),
            ..run
        },
        ending: ending(&chosen),
        builds: builds(&evidences),
        environment: environment(&evidences),
        tiers,
        coverage: coverage(plan, &evidences),
        change: evidences.iter().find_map(|evidence| evidence.change.clone()),
        base: evidences.iter().find_map(|evidence| evidence.base.clone()),
        load: load(&evidences),
        flakes: None,
        stress: again::stress(plan, &chosen, receipts),
        confirmation: again::confirmation(plan, &chosen, receipts),
        comparison: again::comparison(plan, &chosen, receipts),
        growth: None,
        self_tests: None,
        remarks: evidences.iter().flat_map(|evidence| evidence.remarks.clone()).collect(),
    };
    let setup_ms = evidences.iter().map(|evidence| evidence.setup_ms()).max().unwrap_or(0);
    Union { evidence, complaints, receipts: chosen.len(), setup_ms, balance: balance(plan, &chosen) }
}

impl Union {
    /// Notes a receipt that was found and can't be read: what its shard saw is not known, whatever an earlier attempt had seen.
    ///
    /// Only a later attempt at the same shard makes up for it; which attempt it was its directory says, `1-of-4-attempt-2`.
    pub fn complain_of(&mut self, file: &Utf8Path, why: &str) {
        let has_later = |(shard, attempt): (Partition, u32)| {
            self.balance.iter().any(|known| known.shard == shard && known.attempt > Some(attempt))
        };
        let is_made_up_for = file.parent().and_then(Utf8Path::file_name).and_then(attempt_at).is_some_and(has_later);
        if !is_made_up_for {
            self.complaints.push(format!("{file} is no receipt: {why}"));
        }
    }
}

/// `1-of-4-attempt-2`.
fn attempt_at(directory: &str) -> Option<(Partition, u32)> {
    let (shard, attempt) = directory.split_once("-attempt-")?;
    Some((shard.replacen("-of-", "/", 1).parse().ok()?, attempt.parse().ok()?))
}

fn balance(plan: &SpreadPlan, chosen: &BTreeMap<u32, &Receipt>) -> Vec<BriefShard> {
    let row = |shard: &Shard| {
        let receipt = chosen.get(&shard.shard.index);
        BriefShard {
            shard: shard.shard,
            tests: shard.tests.values().map(|tests| tests.len() as u64).sum(),
            estimate_ms: shard.estimate_ms,
            wall_ms: receipt.map(|receipt| receipt.evidence.run.wall_ms),
            attempt: receipt.map(|receipt| receipt.attempt),
        }
    };
    plan.shards.iter().map(row).collect()
}

/// Judges the union as a single run would be judged, with one more gate: that the receipts are those of the plan.
pub fn judge_union(union: &Union, plan: &SpreadPlan) -> Verdict {
    let mut verdict = judge(&union.evidence, &plan.plan);
    let shards = plan.shards.len() as u64;
    let (outcome, message) = match union.complaints.as_slice() {
        [] => (Outcome::Passed, format!("{shards} of {} left a receipt of this plan.", count(shards, "shard"))),
        complaints => (Outcome::Invalid, format!("The receipts are not those of the plan: {}.", complaints.join("; "))),
    };
    let gate = GateResult {
        k: Some(union.receipts as u64),
        n: Some(shards),
        value: Some(count(union.receipts as u64, "receipt")),
        limit: Some(count(shards, "receipt")),
        fix: (outcome != Outcome::Passed)
            .then(|| "Run the failed jobs again; the log of a shard's job says how it ended.".to_owned()),
        evidence: union.complaints.clone(),
        ..GateResult::new(GateName::new("shards", "receipts"), outcome, message)
    };
    verdict.outcome = verdict.outcome.max(outcome);
    verdict.gates.insert(0, gate);
    verdict
}

/// The receipt that counts of each shard, and what is wrong.
fn choose<'a>(plan: &SpreadPlan, receipts: &'a [Receipt]) -> (BTreeMap<u32, &'a Receipt>, Vec<String>) {
    let mut chosen: BTreeMap<u32, &Receipt> = BTreeMap::new();
    let mut complaints = Vec::new();
    let count = plan.shards.first().map_or(0, |shard| shard.shard.count);
    for receipt in receipts {
        let Partition { index, count: of } = receipt.shard;
        let known = chosen.get(&index).map(|known| known.attempt);
        let is_known = of == count && (1..=count).contains(&index);
        if !is_known && receipt.digest != plan.digest {
            // Left by an earlier attempt at the whole run, whose plan had other shards.
        } else if !is_known {
            complaints.push(format!("there is a receipt of shard {}, which the plan does not have", receipt.shard));
        } else if known == Some(receipt.attempt) {
            complaints.push(format!("shard {} left two receipts of attempt {}", receipt.shard, receipt.attempt));
        } else if known.is_none_or(|known| known < receipt.attempt) {
            chosen.insert(index, receipt);
        }
    }
    for shard in plan.shards.iter().map(|shard| shard.shard) {
        let complaint = match chosen.get(&shard.index) {
            None => format!("shard {shard} left no receipt"),
            Some(receipt) if receipt.schema != SCHEMA => format!("shard {shard} speaks another version"),
            Some(receipt) if receipt.digest != plan.digest => format!("shard {shard} ran another plan"),
            Some(receipt) if receipt.evidence.run.commit != plan.commit => format!("shard {shard} ran another commit"),
            Some(receipt) if receipt.evidence.run.toolchain != plan.toolchain => {
                format!("shard {shard} ran with another toolchain ({})", receipt.evidence.run.toolchain)
            }
            Some(_) => continue,
        };
        // What it ran is not what this plan says; its tests count as not reported.
        chosen.remove(&shard.index);
        complaints.push(complaint);
    }
    (chosen, complaints)
}

/// Tests that a shard reports as skipped, and that the plan does not skip.
fn unplanned_skips(plan: &SpreadPlan, chosen: &BTreeMap<u32, &Receipt>) -> Vec<String> {
    let planned: BTreeSet<&TestId> = plan.skips.iter().map(|skip| &skip.test).collect();
    let mut complaints = Vec::new();
    for receipt in chosen.values() {
        for result in receipt.evidence.tiers.iter().flat_map(|tier| &tier.results) {
            if result.outcome() == TestOutcome::Ignored && !planned.contains(&result.id) {
                complaints.push(format!("shard {} skipped {}, which the plan does not skip", receipt.shard, result.id));
            }
        }
    }
    complaints
}

/// A tier's results in a receipt, each with the failures of earlier attempts at the shard that it has passed since.
fn final_results(plan: &SpreadPlan, all: &[Receipt], last: &Receipt, tier: &TierName) -> Vec<TestResult> {
    let before = earlier(plan, all, last);
    let mut failures: BTreeMap<&TestId, Vec<&Attempt>> = BTreeMap::new();
    for result in before.into_iter().flat_map(|receipt| results_of(receipt, tier)) {
        if let Some(failure) = result.first_failure() {
            failures.entry(&result.id).or_default().push(failure);
        }
    }
    let mut results: Vec<TestResult> = results_of(last, tier).cloned().collect();
    for result in results.iter_mut().filter(|result| result.outcome() == TestOutcome::Passed) {
        let failures = failures.get(&result.id).into_iter().flatten();
        result.attempts.splice(0..0, failures.map(|&failure| failure.clone()));
    }
    results
}

fn results_of<'a>(receipt: &'a Receipt, tier: &TierName) -> impl Iterator<Item = &'a TestResult> {
    receipt.evidence.tiers.iter().filter(move |found| found.name == *tier).flat_map(|found| &found.results)
}

/// The receipts of this plan from earlier attempts at a shard, in their order.
pub(super) fn earlier<'a>(plan: &SpreadPlan, all: &'a [Receipt], last: &Receipt) -> Vec<&'a Receipt> {
    let is_earlier =
        |one: &&Receipt| one.shard == last.shard && one.attempt < last.attempt && one.digest == plan.digest;
    let mut earlier: Vec<&Receipt> = all.iter().filter(is_earlier).collect();
    earlier.sort_by_key(|one| one.attempt);
    earlier
}

type Results<'a> = &'a dyn Fn(&Receipt, &TierName) -> Vec<TestResult>;

fn unite_tier(
    plan: &SpreadPlan,
    chosen: &BTreeMap<u32, &Receipt>,
    tier: &TierPlan,
    results: Results<'_>,
) -> TierEvidence {
    let shards: Vec<_> = plan.shards.iter().filter(|shard| shard.tests.contains_key(&tier.name)).collect();
    let mut status = TierStatus::Ran;
    let (mut reported, mut wall_ms) = (Vec::new(), 0);
    let mut broken = |reason: String| {
        if status == TierStatus::Ran {
            status = TierStatus::Broken { reason };
        }
    };
    for shard in &shards {
        let name = shard.shard;
        let Some(receipt) = chosen.get(&name.index) else {
            broken(format!("shard {name} left no receipt of this plan"));
            continue;
        };
        match receipt.evidence.tiers.iter().find(|found| found.name == tier.name) {
            None => broken(format!("shard {name} did not run it")),
            Some(found) => {
                match &found.status {
                    TierStatus::Ran => {}
                    TierStatus::NotAsked => broken(format!("shard {name} did not run it")),
                    TierStatus::Broken { reason } => broken(format!("shard {name}: {reason}")),
                }
                wall_ms += found.wall_ms;
            }
        }
    }
    // Also a result from a shard that was not to run this tier is looked at: the judge calls it not planned.
    for receipt in chosen.values() {
        reported.extend(results(receipt, &tier.name));
    }
    let mut planned: Vec<TestId> =
        shards.iter().filter_map(|shard| shard.tests.get(&tier.name)).flatten().cloned().collect();
    planned.sort();
    // Nobody runs them, so they are no shard's; that they are there was found when the plan was made.
    let ignored = plan.skips.iter().filter(|skip| skip.ignored_in.as_ref() == Some(&tier.name));
    reported.extend(ignored.map(|skip| TestResult { id: skip.test.clone(), attempts: Vec::new() }));
    reported.sort_by(|one, other| one.id.cmp(&other.id));
    reported.dedup_by(|one, other| one == other && one.outcome() == TestOutcome::Ignored);
    // Times of several machines are added, and no machine's contention excuses the sum.
    let mut machines =
        chosen.values().flat_map(|receipt| &receipt.evidence.tiers).filter(|found| found.name == tier.name);
    let machine = machines.next().and_then(|only| only.machine).filter(|_| machines.next().is_none());
    TierEvidence { name: tier.name.clone(), status, planned, results: reported, wall_ms, machine }
}

fn load(evidences: &[&Evidence]) -> BTreeMap<TierName, Vec<LoadEvidence>> {
    let mut load: BTreeMap<TierName, Vec<LoadEvidence>> = BTreeMap::new();
    for (tier, measured) in evidences.iter().flat_map(|evidence| &evidence.load) {
        load.entry(tier.clone()).or_default().extend(measured.iter().cloned());
    }
    load
}

/// The first shard that did not get to its end.
fn ending(chosen: &BTreeMap<u32, &Receipt>) -> Ending {
    for receipt in chosen.values() {
        let shard = receipt.shard;
        match &receipt.evidence.ending {
            Ending::Completed => {}
            Ending::BuildFailed { detail } => {
                return Ending::BuildFailed { detail: format!("shard {shard}: {detail}") };
            }
            Ending::EnvironmentFailed { detail } => {
                return Ending::EnvironmentFailed { detail: format!("shard {shard}: {detail}") };
            }
            Ending::Interrupted { signal } => {
                return Ending::EnvironmentFailed { detail: format!("shard {shard} was interrupted by {signal}") };
            }
        }
    }
    Ending::Completed
}

fn builds(evidences: &[&Evidence]) -> Vec<BuildEvidence> {
    let mut longest: BTreeMap<&str, Milliseconds> = BTreeMap::new();
    for build in evidences.iter().flat_map(|evidence| &evidence.builds) {
        let wall = longest.entry(&build.name).or_default();
        *wall = build.wall_ms.max(*wall);
    }
    longest.into_iter().map(|(name, wall_ms)| BuildEvidence { name: name.to_owned(), wall_ms }).collect()
}

/// The sum of all counts, with the proof of all shards. Absent where a shard that should have counted did not: lines that
/// only it reaches would be called uncovered.
fn coverage(plan: &SpreadPlan, evidences: &[&Evidence]) -> Option<CoverageEvidence> {
    let parts: Vec<&CoverageEvidence> = evidences.iter().filter_map(|evidence| evidence.coverage.as_ref()).collect();
    let tier_counts = |tier: &TierName| parts.iter().filter(|part| part.tiers.contains(tier)).count();
    let complete = plan.plan.tiers_to_run().filter(|tier| tier.build == tollgate_model::BuildKind::Instrumented);
    let tiers: Vec<TierName> = complete.map(|tier| tier.name.clone()).collect();
    let wanted = |tier: &TierName| plan.shards.iter().filter(|shard| shard.tests.contains_key(tier)).count();
    if parts.is_empty() || tiers.iter().any(|tier| tier_counts(tier) < wanted(tier)) {
        return None;
    }
    let mut united = CoverageEvidence { tiers, ..CoverageEvidence::default() };
    let mut files: BTreeMap<&str, (&FileCoverage, BTreeMap<u32, Vec<u64>>)> = BTreeMap::new();
    for part in &parts {
        let places: Vec<Option<usize>> =
            part.tiers.iter().map(|tier| united.tiers.iter().position(|known| known == tier)).collect();
        for file in &part.files {
            let (_, lines) = files.entry(&file.path).or_insert_with(|| (file, BTreeMap::new()));
            for line in &file.lines {
                let counts = lines.entry(line.line).or_insert_with(|| vec![0; united.tiers.len()]);
                for (count, place) in line.counts.iter().zip(&places) {
                    if let Some(place) = *place {
                        counts[place] = counts[place].saturating_add(*count);
                    }
                }
            }
        }
    }
    let line = |(line, counts)| tollgate_model::LineCount { line, counts };
    united.files = files
        .into_values()
        .map(|(file, lines)| FileCoverage { lines: lines.into_iter().map(line).collect(), ..file.clone() })
        .collect();
    united.unmeasured = parts.iter().flat_map(|part| part.unmeasured.clone()).collect();
    for proof in parts.iter().map(|part| &part.proof) {
        for service in &proof.services {
            add_service(&mut united.proof.services, service);
        }
        for (tier, profiles) in &proof.profiles {
            *united.proof.profiles.entry(tier.clone()).or_default() += profiles;
        }
        united.proof.empty_profiles += proof.empty_profiles;
        united.proof.complaints.extend(proof.complaints.iter().cloned());
    }
    united.proof.complaints.sort();
    united.proof.complaints.dedup();
    Some(united)
}

/// A service that wrote nothing in one shard has not counted there, however much it wrote in another.
fn add_service(services: &mut Vec<ServiceProfile>, service: &ServiceProfile) {
    match services.iter_mut().find(|known| known.service == service.service) {
        None => services.push(service.clone()),
        Some(known) => {
            known.instrumented &= service.instrumented;
            let silent = known.profiles == 0 || service.profiles == 0;
            known.profiles = if silent { 0 } else { known.profiles + service.profiles };
            known.empty += service.empty;
        }
    }
}
