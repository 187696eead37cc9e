//! Making the plan of all shards, and of one.

use super::{Durations, pack::fewest, pack::pack};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use tollgate_model::{
    Archive, BuildKind, Partition, Plan, SCHEMA, Shard, Skip, SpreadPlan, TestId, TierName, TierPlan, count,
};

/// The most jobs that a matrix of GitHub Actions can have.
const SHARDS_MAX: usize = 256;

/// How many shards `auto` takes where no duration is recorded: a suite that is longer than the time limit of one machine's job would
/// never leave a record from which it could be spread.
const COLD_SHARDS: usize = 4;

/// Bytes of the packed build that a machine downloads in a microsecond, which is 25 MB/s. Jobs of GitHub Actions were seen to take
/// 9 to 60 s for 647 MB and 35 to 318 s for 3.3 GB, 10 to 90 MB/s; within that, it is a guess.
const DOWNLOADED_PER_US: u64 = 25;

/// How many shards there are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many; fewer where there are fewer tests.
    Fixed(u32),
    /// The fewest that are done within so many milliseconds; four where no duration is recorded.
    Within(u64),
}

/// What is known of the tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The tests to run, by tier.
    pub tests: BTreeMap<TierName, Vec<TestId>>,
    /// The tests that are left out.
    pub skips: Vec<Skip>,
    /// Commit they were listed at.
    pub commit: Option<String>,
    /// Whether the checkout differed from it.
    pub dirty: bool,
    /// The build that they were listed from, where it was packed up.
    pub archive: Option<Archive>,
    /// The compiler, its host and its targets that they were listed with.
    pub toolchain: String,
}

/// Tests that stay together.
struct Item {
    tier: TierName,
    tests: Vec<TestId>,
    cost_us: u64,
}

/// Puts every test of the listing into exactly one shard.
///
/// A tier that is measured under load runs in one shard as a whole: its parts would be another load. Without any record
/// the tests are dealt out evenly, and [`SpreadPlan::history`] says so.
pub fn spread(plan: &Plan, listing: Listing, durations: &Durations, count: Count) -> SpreadPlan {
    let all = || listing.tests.iter().flat_map(|(tier, tests)| tests.iter().map(move |test| (tier, test)));
    let (known, total) = (durations.known(all()), all().count());
    let cold = known == 0;
    let items = items(plan, &listing, durations);
    let costs: Vec<u64> = items.iter().map(|item| if cold { item.tests.len() as u64 } else { item.cost_us }).collect();
    let download_us = listing.archive.as_ref().map_or(0, |archive| archive.bytes / DOWNLOADED_PER_US);
    let setup_us = durations.shard_setup_ms(listing.archive.is_some()).saturating_mul(1000).saturating_add(download_us);
    let shards = match count {
        Count::Fixed(shards) => (shards as usize).min(costs.len()).clamp(1, SHARDS_MAX),
        Count::Within(_) if cold => COLD_SHARDS.min(costs.len()).max(1),
        Count::Within(target_ms) => fewest(&costs, setup_us, target_ms.saturating_mul(1000), SHARDS_MAX),
    };
    let placed = pack(&costs, shards);
    let mut loads = vec![setup_us; shards];
    let mut tests: Vec<BTreeMap<TierName, Vec<TestId>>> = vec![BTreeMap::new(); shards];
    for (item, (&shard, cost)) in items.into_iter().zip(placed.iter().zip(&costs)) {
        loads[shard] = loads[shard].saturating_add(*cost);
        tests[shard].entry(item.tier).or_default().extend(item.tests);
    }
    tests.iter_mut().flat_map(BTreeMap::values_mut).for_each(|tests| tests.sort());
    let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let shards = tests.into_iter().zip(loads).enumerate().map(|(at, (tests, load_us))| Shard {
        shard: Partition { index: number(at + 1), count: number(shards) },
        estimate_ms: (!cold).then_some(load_us / 1000),
        tests,
    });
    let unsigned = SpreadPlan {
        schema: SCHEMA,
        digest: String::new(),
        plan: plan.clone(),
        commit: listing.commit,
        dirty: listing.dirty,
        archive: listing.archive,
        toolchain: listing.toolchain,
        history: history(known, total, count, shards.len()),
        shards: shards.collect(),
        skips: listing.skips,
    };
    SpreadPlan { digest: digest(&unsigned), ..unsigned }
}

fn items(plan: &Plan, listing: &Listing, durations: &Durations) -> Vec<Item> {
    let mut items = Vec::new();
    for (tier, tests) in &listing.tests {
        let costs = durations.costs_us(tier, tests);
        if is_whole(plan, tier) {
            let build_us = optimised_build_ms(plan, tier, durations).saturating_mul(1000);
            let cost_us = costs.iter().fold(build_us, |sum: u64, cost| sum.saturating_add(*cost));
            items.push(Item { tier: tier.clone(), tests: tests.clone(), cost_us });
        } else {
            let one = |(test, cost_us): (&TestId, u64)| Item { tier: tier.clone(), tests: vec![test.clone()], cost_us };
            items.extend(tests.iter().zip(costs).map(one));
        }
    }
    items.retain(|item| !item.tests.is_empty());
    items
}

/// Whether a tier's tests are kept together.
fn is_whole(plan: &Plan, tier: &TierName) -> bool {
    let optimised = |planned: &&TierPlan| planned.name == *tier && planned.build == BuildKind::Optimised;
    plan.policy.load.contains_key(tier) || plan.tiers.iter().any(|planned| optimised(&planned))
}

/// What the shard of such a tier builds for it alone.
fn optimised_build_ms(plan: &Plan, tier: &TierName, durations: &Durations) -> u64 {
    let optimised = |planned: &TierPlan| planned.name == *tier && planned.build == BuildKind::Optimised;
    if plan.tiers.iter().any(optimised) { durations.build_ms(BuildKind::Optimised.as_str()) } else { 0 }
}

fn history(known: usize, total: usize, asked: Count, shards: usize) -> String {
    let total = count(total as u64, "test");
    match (known, asked) {
        (0, Count::Within(_)) => {
            let over = count(shards as u64, "shard");
            format!(
                "no recorded duration matches any of {total}: `auto` deals them out evenly over {over}, whatever they take"
            )
        }
        (0, Count::Fixed(_)) => {
            format!("no recorded duration matches any of {total}: they are dealt out evenly, whatever they take")
        }
        _ => format!("recorded durations match {known} of {total}; the others take the median of their tier"),
    }
}

/// Digest of everything but the digest.
fn digest(plan: &SpreadPlan) -> String {
    let unsigned = SpreadPlan { digest: String::new(), ..plan.clone() };
    // Names as keys and no foreign types: this can be written.
    let text = serde_json::to_vec(&unsigned).unwrap_or_default();
    let mut digest = "sha256:".to_owned();
    for byte in Sha256::digest(&text) {
        // Writing to a string can't fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

/// A plan was changed after it was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the plan says {stated} of itself and is {actual}")]
pub struct TamperedPlan {
    stated: String,
    actual: String,
}

/// Checks that a plan is the one whose digest it carries.
///
/// # Errors
/// Where it is not.
pub fn digest_is_true(plan: &SpreadPlan) -> Result<(), TamperedPlan> {
    let actual = digest(plan);
    if actual == plan.digest { Ok(()) } else { Err(TamperedPlan { stated: plan.digest.clone(), actual }) }
}

/// The plan of one shard: the tiers it has tests of, and of its services and builds what they need.
pub fn for_shard(plan: &SpreadPlan, shard: &Shard) -> Plan {
    let mut own = plan.plan.clone();
    for tier in &mut own.tiers {
        tier.run = tier.run && shard.tests.contains_key(&tier.name);
    }
    let builds: BTreeSet<BuildKind> = own.tiers_to_run().map(|tier| tier.build).collect();
    own.builds.retain(|build| builds.contains(&build.kind));
    if own.tiers_to_run().all(|tier| tier.services.is_empty()) {
        own.compose_file = None;
    }
    own.policy.load.retain(|tier, _| shard.tests.contains_key(tier));
    own.policy.regression = own.policy.regression.filter(|compared| shard.tests.contains_key(&compared.tier));
    own.partition = Some(shard.shard);
    own
}

/// Rows of a matrix, as JSON: small, since it travels through a job's output.
pub fn rows(plan: &SpreadPlan) -> String {
    let row = |shard: &Shard| match shard.estimate_ms {
        Some(ms) => {
            serde_json::json!({ "shard": shard.shard.to_string(), "estimate": format!("{} s", ms.div_ceil(1000)) })
        }
        None => serde_json::json!({ "shard": shard.shard.to_string(), "estimate": "unknown" }),
    };
    serde_json::Value::Array(plan.shards.iter().map(row).collect()).to_string()
}
