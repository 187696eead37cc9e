//! Tests of packing, spreading and uniting.

use super::durations::TierDurations;
use super::pack::fewest;
use super::*;
use crate::history::environment_digest;
use crate::judge::{judge, sample};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tollgate_model::{
    Archive, ComparedTest, Ending, EngineKind, Evidence, Outcome, Partition, Plan, Receipt, RegressionPolicy, SCHEMA,
    ServiceState, Shard, Skip, SpreadPlan, TestId, TierName, TierStatus, TimeComparison, TimePair, Verdict,
};

fn listing(evidence: &Evidence) -> Listing {
    Listing {
        tests: evidence.tiers.iter().map(|tier| (tier.name.clone(), tier.planned.clone())).collect(),
        skips: vec![Skip {
            test: TestId::new("core", "b::later"),
            ignored_in: Some(sample::tier("unit")),
            reason: "it is marked #[ignore]".into(),
        }],
        commit: evidence.run.commit.clone(),
        dirty: false,
        archive: None,
        toolchain: evidence.run.toolchain.clone(),
    }
}

pub(super) fn spread_in(count: u32) -> (SpreadPlan, Evidence) {
    let evidence = sample::evidence();
    let durations = Durations::of(&evidence).expect("it ran to its end");
    (spread(&sample::plan(), listing(&evidence), &durations, Count::Fixed(count)), evidence)
}

/// What the shard would hand back if it saw what the single run saw.
pub(super) fn receipt(plan: &SpreadPlan, single: &Evidence, index: u32) -> Receipt {
    let shard = &plan.shards[index as usize - 1];
    let mut evidence = single.clone();
    evidence.tiers.retain(|tier| shard.tests.contains_key(&tier.name));
    for tier in &mut evidence.tiers {
        tier.planned.clone_from(&shard.tests[&tier.name]);
        tier.results.retain(|result| shard.tests[&tier.name].contains(&result.id));
    }
    if let Some(coverage) = &mut evidence.coverage {
        let kept: Vec<bool> = coverage.tiers.iter().map(|tier| shard.tests.contains_key(tier)).collect();
        let keep = |at: usize| kept[at];
        for line in coverage.files.iter_mut().flat_map(|file| &mut file.lines) {
            line.counts = line.counts.iter().enumerate().filter(|(at, _)| keep(*at)).map(|(_, count)| *count).collect();
        }
        let mut at = 0..;
        coverage.tiers.retain(|_| keep(at.next().expect("endless")));
        coverage.proof.profiles.retain(|tier, _| shard.tests.contains_key(tier));
    }
    if !evidence.tiers.iter().any(|tier| tier.name.as_str() == "performance") {
        evidence.load.clear();
    }
    Receipt { schema: SCHEMA, digest: plan.digest.clone(), shard: shard.shard, attempt: 1, passed: true, evidence }
}

#[test]
fn a_service_of_several_versions_is_no_environment_that_another_run_has() {
    let (plan, single) = spread_in(2);
    let version = |versions: [Option<&str>; 2]| {
        let receipts: Vec<Receipt> = (1..)
            .zip(versions)
            .map(|(index, version)| {
                let mut receipt = receipt(&plan, &single, index);
                let service = &mut receipt.evidence.environment.as_mut().unwrap().services[0];
                service.version = version.map(str::to_owned);
                if version == Some("") {
                    (service.version, service.state) = (None, ServiceState::NotStarted);
                }
                receipt
            })
            .collect();
        let united = unite(&plan, &receipts, single.run.clone()).evidence;
        united.environment.unwrap().services[0].version.clone()
    };
    assert_eq!(version([Some("17.5"), Some("17.5")]).as_deref(), Some("17.5"));
    assert_eq!(version([Some("17.6"), Some("17.5")]).as_deref(), Some("17.5, 17.6"));
    assert_eq!(version([Some(""), Some("17.5")]).as_deref(), Some("17.5"), "it was not started there");
    assert_eq!(version([None, Some("17.5")]), None, "it ran there, and nobody knows what");
}

#[test]
fn the_environment_is_the_same_however_its_services_were_dealt_out() {
    let (plan, single) = spread_in(2);
    let inputs = |dealt: [usize; 2]| {
        let of = |(index, service): (u32, usize)| {
            let mut receipt = receipt(&plan, &single, index);
            let services = &mut receipt.evidence.environment.as_mut().unwrap().services;
            *services = vec![services[service].clone()];
            receipt
        };
        let receipts: Vec<Receipt> = (1..).zip(dealt).map(of).collect();
        environment_digest(&unite(&plan, &receipts, single.run.clone()).evidence.environment.unwrap())
    };
    assert_eq!(inputs([0, 1]), inputs([1, 0]));
    assert_eq!(inputs([0, 1]), environment_digest(single.environment.as_ref().unwrap()));
}

#[test]
fn shards_in_different_engines_are_no_one_run() {
    let (plan, single) = spread_in(2);
    let mut receipts = [receipt(&plan, &single, 1), receipt(&plan, &single, 2)];
    receipts[1].evidence.environment.as_mut().unwrap().engine = EngineKind::Compose;
    assert_eq!(red(&judged(&plan, &receipts, &single)), ["shards.receipts invalid"]);
    assert_eq!(
        unite(&plan, &receipts, single.run.clone()).complaints,
        ["shards ran in different engines (compose, native); `plan --engine` names one for all"]
    );
    receipts[1].evidence.environment = None;
    assert_eq!(red(&judged(&plan, &receipts, &single)), [""; 0], "its tests needed no services");
}

fn judged(plan: &SpreadPlan, receipts: &[Receipt], single: &Evidence) -> Verdict {
    judge_union(&unite(plan, receipts, single.run.clone()), plan)
}

fn red(verdict: &Verdict) -> Vec<String> {
    let red = verdict.gates.iter().filter(|gate| gate.outcome >= Outcome::Failed);
    red.map(|gate| format!("{} {}", gate.gate, gate.outcome)).collect()
}

#[test]
fn shards_together_give_the_verdict_of_a_single_run() {
    let (plan, single) = spread_in(2);
    let receipts = [receipt(&plan, &single, 1), receipt(&plan, &single, 2)];
    let united = unite(&plan, &receipts, single.run.clone());
    let mut verdict = judge_union(&united, &plan);
    assert_eq!(verdict.gates.remove(0).message, "2 of 2 shards left a receipt of this plan.");
    let expected = judge(&single, &plan.plan);
    assert_eq!(verdict.outcome, expected.outcome);
    let shown = |verdict: &Verdict| -> Vec<String> {
        verdict.gates.iter().map(|gate| format!("{} {} {:?} {:?}", gate.gate, gate.outcome, gate.k, gate.n)).collect()
    };
    assert_eq!(shown(&verdict), shown(&expected));
    let tests = |evidence: &Evidence| {
        let mut results: Vec<_> = evidence.tiers.iter().flat_map(|tier| tier.results.clone()).collect();
        results.sort_by(|one, other| one.id.cmp(&other.id));
        results
    };
    assert_eq!(tests(&united.evidence), tests(&single), "the ignored test is among them");
}

#[test]
fn the_time_of_a_tier_is_that_of_all_its_shards_so_that_a_budget_is_no_milder() {
    let single = sample::evidence();
    let (mut one, longest) = (sample::plan(), 20_000);
    one.tiers[0].budget_ms = Some(longest);
    let plan = spread(&one, listing(&single), &Durations::default(), Count::Fixed(2));
    let time = |walls: [u64; 2]| {
        let mut receipts = [receipt(&plan, &single, 1), receipt(&plan, &single, 2)];
        for (receipt, wall_ms) in receipts.iter_mut().zip(walls) {
            receipt.evidence.tiers[0].wall_ms = wall_ms;
        }
        let union = unite(&plan, &receipts, single.run.clone());
        let gates = judge_union(&union, &plan).gates;
        let gate = gates.into_iter().find(|gate| gate.gate.as_str() == "time.unit").expect("it has a budget");
        (union.evidence.tiers[0].wall_ms, gate.outcome)
    };
    assert_eq!(time([longest - 1, 1]), (longest, Outcome::Passed));
    assert_eq!(time([longest, 1]), (longest + 1, Outcome::Failed));
}

#[test]
fn what_shards_take_beside_tests_is_that_of_the_longest_setup() {
    let (plan, single) = spread_in(2);
    let mut receipts = [receipt(&plan, &single, 1), receipt(&plan, &single, 2)];
    for (receipt, setup_ms) in receipts.iter_mut().zip([7_000, 3_000]) {
        let running: u64 = receipt.evidence.tiers.iter().map(|tier| tier.wall_ms).sum();
        let building: u64 = receipt.evidence.builds.iter().map(|build| build.wall_ms).sum();
        receipt.evidence.run.wall_ms = running + building + setup_ms;
    }
    let recorded = |receipts: &[Receipt]| Durations::of_union(&unite(&plan, receipts, single.run.clone()));
    assert_eq!(recorded(&receipts).map(|durations| durations.setup_ms), Some(7_000));
    assert_eq!(recorded(&receipts[..1]), None, "a shard is missing");
}

#[test]
fn a_receipt_that_cannot_be_read_is_made_up_for_by_a_later_attempt_alone() {
    let (plan, single) = spread_in(2);
    let receipts = [receipt(&plan, &single, 1), Receipt { attempt: 2, ..receipt(&plan, &single, 2) }];
    let complaints = |directory: &str| {
        let mut union = unite(&plan, &receipts, single.run.clone());
        union.complain_of(format!("receipts/{directory}/receipt.json").as_ref(), "EOF");
        (union.complaints.len(), judge_union(&union, &plan).outcome)
    };
    assert_eq!(complaints("2-of-2-attempt-1"), (0, Outcome::Passed));
    for lost in ["2-of-2-attempt-3", "2-of-2-attempt-2", "1-of-2-attempt-2", "2-of-4-attempt-1", "2-of-2", "x"] {
        assert_eq!(complaints(lost), (1, Outcome::Invalid), "{lost}");
    }
}

#[test]
fn a_shard_pays_for_unpacking_the_build_or_for_making_it_and_for_the_optimised_one_alone() {
    let (evidence, plan) = (sample::evidence(), sample::plan());
    let builds = [("instrumented", 600_000), ("optimised", 70_000), ("instrumented, unpacked", 6_000)];
    let builds = builds.map(|(name, ms)| (name.to_owned(), ms)).into();
    let durations = Durations { setup_ms: 100, builds, ..Durations::of(&evidence).expect("it ran to its end") };
    let estimates = |packed: bool| -> Vec<u64> {
        // 4 s of downloading at 25 MB/s.
        let archive = Archive { digest: String::new(), bytes: 100_000_000, programs: Vec::new() };
        let listing = Listing { archive: packed.then_some(archive), ..listing(&evidence) };
        let shards = spread(&plan, listing, &durations, Count::Fixed(2)).shards;
        shards.iter().filter_map(|shard| shard.estimate_ms).collect()
    };
    // The optimised tier is one shard, all others the second.
    let tests = |estimate: u64, setup: u64| estimate - setup;
    let (packed, unpacked) = (estimates(true), estimates(false));
    assert_eq!((tests(packed[0], 80_100), tests(unpacked[0], 670_100)), (20_100, 20_100));
    assert_eq!(tests(packed[1], 10_100), tests(unpacked[1], 600_100));
}

#[test]
fn a_lost_shard_is_named_and_nothing_passes() {
    let (plan, single) = spread_in(2);
    let verdict = judged(&plan, &[receipt(&plan, &single, 1)], &single);
    assert_eq!(verdict.outcome, Outcome::Invalid);
    assert_eq!(verdict.exit_status(false).code(), 3);
    assert_eq!(verdict.gates[0].message, "The receipts are not those of the plan: shard 2/2 left no receipt.");
    assert!(red(&verdict).contains(&"tests.reported invalid".to_owned()), "{:?}", red(&verdict));
    assert!(red(&verdict).contains(&"coverage.floor invalid".to_owned()), "{:?}", red(&verdict));
    let balance = unite(&plan, &[receipt(&plan, &single, 1)], single.run.clone()).balance;
    assert_eq!(
        balance.iter().map(|shard| (shard.wall_ms, shard.attempt)).collect::<Vec<_>>(),
        [(Some(95_400), Some(1)), (None, None)]
    );
    let nothing = judged(&plan, &[], &single);
    assert_eq!(nothing.outcome, Outcome::Invalid);
}

#[test]
fn a_shard_of_another_plan_commit_or_toolchain_counts_for_nothing() {
    let (plan, single) = spread_in(2);
    let check = |change: fn(&mut Receipt), expected: &str| {
        let mut receipts = [receipt(&plan, &single, 1), receipt(&plan, &single, 2)];
        change(&mut receipts[0]);
        let verdict = judged(&plan, &receipts, &single);
        assert_eq!(verdict.outcome, Outcome::Invalid);
        assert_eq!(verdict.gates[0].message, format!("The receipts are not those of the plan: {expected}."));
    };
    check(|receipt| receipt.digest = "sha256:0".into(), "shard 1/2 ran another plan");
    check(|receipt| receipt.evidence.run.commit = Some("x".into()), "shard 1/2 ran another commit");
    check(
        |receipt| receipt.evidence.run.toolchain = "rustc 0".into(),
        "shard 1/2 ran with another toolchain (rustc 0)",
    );
    check(|receipt| receipt.schema = 99, "shard 1/2 speaks another version");
    let stranger = "there is a receipt of shard 3/3, which the plan does not have; shard 1/2 left no receipt";
    check(|receipt| receipt.shard = Partition { index: 3, count: 3 }, stranger);
}

#[test]
fn a_test_that_two_shards_ran_or_none_or_that_was_skipped_is_no_pass() {
    let (plan, single) = spread_in(2);
    let good = || [receipt(&plan, &single, 1), receipt(&plan, &single, 2)];
    let twice = |receipts: &mut [Receipt; 2]| {
        let tier = receipts[0].evidence.tiers[0].clone();
        match receipts[1].evidence.tiers.iter_mut().find(|other| other.name == tier.name) {
            Some(other) => other.results.push(tier.results[0].clone()),
            None => receipts[1].evidence.tiers.push(tier),
        }
    };
    let mut receipts = good();
    twice(&mut receipts);
    assert_eq!(red(&judged(&plan, &receipts, &single)), ["tests.reported invalid"]);
    let mut receipts = good();
    receipts[0].evidence.tiers[0].results.remove(0);
    assert!(red(&judged(&plan, &receipts, &single)).contains(&"tests.reported invalid".to_owned()));
    let mut receipts = good();
    receipts[0].evidence.tiers[0].results[0].attempts.clear();
    let verdict = judged(&plan, &receipts, &single);
    assert!(verdict.gates[0].message.contains("which the plan does not skip"), "{}", verdict.gates[0].message);
}

#[test]
fn the_highest_attempt_counts_and_a_failure_before_it_is_a_flake() {
    let (plan, single) = spread_in(2);
    let second = receipt(&plan, &single, 2);
    let mut first = receipt(&plan, &single, 1);
    let mut again = first.clone();
    again.attempt = 2;
    first.evidence.tiers[0].results[0].attempts = vec![sample::failed(7, "once", "")];
    let flaky = first.evidence.tiers[0].results[0].id.clone();
    // In whatever order they are found.
    for receipts in [[first.clone(), again.clone(), second.clone()], [again.clone(), second.clone(), first.clone()]] {
        let verdict = judged(&plan, &receipts, &single);
        assert_eq!(red(&verdict), ["flake.run failed"]);
        let gate = verdict.gates.iter().find(|gate| gate.gate.as_str() == "flake.run").expect("the gate");
        assert_eq!(gate.evidence, [flaky.to_string()]);
    }
    // The other way round: what failed in the last attempt has failed.
    (first.attempt, again.attempt) = (2, 1);
    let verdict = judged(&plan, &[first.clone(), again, second.clone()], &single);
    assert!(red(&verdict).iter().any(|gate| gate.starts_with("tests.")), "{:?}", red(&verdict));
    // An attempt at another plan is no evidence about this one.
    let mut other = first.clone();
    (other.attempt, other.digest) = (1, "sha256:0".into());
    let mut last = receipt(&plan, &single, 1);
    last.attempt = 2;
    // Nor is one of a plan that had more shards.
    let mut third = other.clone();
    third.shard = Partition { index: 3, count: 3 };
    assert_eq!(red(&judged(&plan, &[other, third, last, second], &single)), Vec::<String>::new());
}

#[test]
fn failures_of_all_earlier_attempts_stand_before_the_pass_in_their_order() {
    let (plan, single) = spread_in(1);
    let attempts = [(3, None), (1, Some("first")), (2, Some("second"))].map(|(attempt, failure)| {
        let mut one = receipt(&plan, &single, 1);
        one.attempt = attempt;
        let result = &mut one.evidence.tiers[0].results[0];
        result.attempts.splice(0..0, failure.map(|message| sample::failed(7, message, "")));
        one
    });
    let last = attempts[0].evidence.clone();
    let united = unite(&plan, &attempts, single.run.clone()).evidence;
    let result = &last.tiers[0].results[0];
    let found = united.tiers[0].results.iter().find(|one| one.id == result.id).expect("it ran");
    let messages: Vec<&str> = found.attempts.iter().map(|attempt| attempt.message.as_str()).collect();
    assert_eq!(messages[..2], ["first", "second"]);
    assert_eq!(found.attempts[2..], result.attempts[..]);
}

#[test]
fn a_service_that_did_not_count_in_one_shard_is_no_proof() {
    let (plan, single) = spread_in(2);
    let check = |change: fn(&mut tollgate_model::ServiceProfile), index: usize| {
        let mut receipts = [receipt(&plan, &single, 1), receipt(&plan, &single, 2)];
        let coverage = receipts[index].evidence.coverage.as_mut().expect("coverage");
        change(&mut coverage.proof.services[0]);
        assert_eq!(red(&judged(&plan, &receipts, &single)), ["coverage.floor invalid", "coverage.proof invalid"]);
    };
    for index in [0, 1] {
        check(|service| service.instrumented = false, index);
        check(|service| service.profiles = 0, index);
        check(|service| service.empty = 1, index);
    }
}

#[test]
fn without_a_part_of_a_tier_there_is_no_coverage() {
    let single = sample::evidence();
    let plan = spread(&sample::plan(), listing(&single), &Durations::default(), Count::Fixed(2));
    assert!(plan.shards.iter().all(|shard| shard.tests.contains_key("unit")), "dealt out evenly");
    let receipts = [receipt(&plan, &single, 1), receipt(&plan, &single, 2)];
    assert!(unite(&plan, &receipts, single.run.clone()).evidence.coverage.is_some());
    for one in receipts {
        assert_eq!(unite(&plan, &[one], single.run.clone()).evidence.coverage, None);
    }
}

#[test]
fn an_interrupted_shard_is_named() {
    let (plan, single) = spread_in(2);
    let mut receipts = [receipt(&plan, &single, 1), receipt(&plan, &single, 2)];
    receipts[1].evidence.ending = Ending::Interrupted { signal: "SIGINT".into() };
    receipts[1].evidence.coverage = None;
    for tier in &mut receipts[1].evidence.tiers {
        tier.status = TierStatus::Broken { reason: "it was cut short".into() };
    }
    let verdict = judged(&plan, &receipts, &single);
    assert_eq!((verdict.outcome, verdict.exit_status(false).code()), (Outcome::Invalid, 5));
    assert!(verdict.gates.iter().any(|gate| gate.message.contains("shard 2/2 was interrupted by SIGINT")));
    assert!(verdict.gates.iter().any(|gate| gate.message.contains("shard 2/2: it was cut short")));
}

#[test]
fn every_test_is_in_one_shard_and_a_load_tier_in_one_as_a_whole() {
    for count in [1, 2, 3, 99] {
        let (plan, single) = spread_in(count);
        let mut dealt: Vec<(TierName, TestId)> = Vec::new();
        for shard in &plan.shards {
            dealt.extend(
                shard.tests.iter().flat_map(|(tier, tests)| tests.iter().map(|test| (tier.clone(), test.clone()))),
            );
        }
        let mut all: Vec<(TierName, TestId)> = Vec::new();
        for tier in &single.tiers {
            all.extend(tier.planned.iter().map(|test| (tier.name.clone(), test.clone())));
        }
        dealt.sort();
        all.sort();
        assert_eq!(dealt, all);
        let loaded = plan.shards.iter().filter(|shard| shard.tests.contains_key("performance")).count();
        assert_eq!(loaded, 1);
    }
}

pub(super) fn compared() -> RegressionPolicy {
    RegressionPolicy { tier: sample::tier("performance"), limit_percent: 3, pairs: 100, budget_ms: 60_000 }
}

#[test]
fn times_are_compared_by_the_shard_that_has_their_tier_and_judged_with_the_others_receipts() {
    let single = sample::evidence();
    let mut one = sample::plan();
    one.policy.regression = Some(compared());
    let plan = spread(&one, listing(&single), &Durations::default(), Count::Fixed(2));
    let mut receipts = [receipt(&plan, &single, 1), receipt(&plan, &single, 2)];
    let gate = |receipts: &[Receipt]| {
        let gates = judged(&plan, receipts, &single).gates;
        gates.into_iter().find(|gate| gate.gate.as_str() == "perf.regression").map(|gate| gate.outcome)
    };
    assert_eq!(gate(&receipts), Some(Outcome::Invalid), "no shard compared anything");
    let id = TestId::new("harness::load", "chat");
    let tests = vec![ComparedTest { id, pairs: vec![TimePair { base_ms: 900, head_ms: 900 }; 12], incomparable: None }];
    let has_tier =
        |receipt: &&mut Receipt| plan.shards[receipt.shard.index as usize - 1].tests.contains_key("performance");
    let receipt = receipts.iter_mut().find(has_tier).expect("a shard has it");
    receipt.evidence.comparison = Some(TimeComparison { tests, ..TimeComparison::default() });
    assert_eq!(gate(&receipts), Some(Outcome::Passed));
}

#[test]
fn a_shard_has_only_the_tiers_services_and_builds_that_it_needs() {
    let (mut plan, _) = spread_in(2);
    plan.plan.policy.regression = Some(compared());
    for shard in &plan.shards {
        let own: Plan = for_shard(&plan, shard);
        let running: Vec<&str> = own.tiers_to_run().map(|tier| tier.name.as_str()).collect();
        let expected: Vec<&str> = plan
            .plan
            .tiers_to_run()
            .map(|tier| tier.name.as_str())
            .filter(|tier| shard.tests.contains_key(*tier))
            .collect();
        assert_eq!(running, expected);
        assert_eq!(own.policy.load.is_empty(), !shard.tests.contains_key("performance"));
        assert_eq!(own.policy.regression.is_none(), !shard.tests.contains_key("performance"));
        assert!(own.builds.iter().all(|build| own.tiers_to_run().any(|tier| tier.build == build.kind)));
    }
}

#[test]
fn a_plan_that_was_changed_is_not_the_one_it_says() {
    let (mut plan, _) = spread_in(2);
    assert_eq!(digest_is_true(&plan), Ok(()));
    let text = serde_json::to_string(&plan).expect("JSON");
    assert_eq!(digest_is_true(&serde_json::from_str(&text).expect("a plan")), Ok(()));
    plan.shards[0].tests.clear();
    assert!(digest_is_true(&plan).is_err());
}

#[test]
fn a_cold_start_is_said_and_deals_evenly() {
    let tests: Vec<TestId> = (0..10).map(|n| TestId::new("core", format!("t{n}"))).collect();
    let listing = || Listing { tests: BTreeMap::from([(sample::tier("unit"), tests.clone())]), ..Listing::default() };
    let cold = spread(&sample::plan(), listing(), &Durations::default(), Count::Fixed(3));
    let sizes: Vec<usize> = cold.shards.iter().map(|shard| shard.tests.values().map(Vec::len).sum()).collect();
    assert_eq!(sizes, [4, 3, 3]);
    assert!(cold.history.starts_with("no recorded duration matches any of 10 tests"), "{}", cold.history);
    assert_eq!(cold.shards[0].estimate_ms, None);
    let auto = |first: usize| {
        let tests = BTreeMap::from([(sample::tier("unit"), tests[..first].to_vec())]);
        let listing = Listing { tests, ..Listing::default() };
        let plan = spread(&sample::plan(), listing, &Durations::default(), Count::Within(1000));
        let sizes = plan.shards.iter().map(|shard| shard.tests.values().map(Vec::len).sum::<usize>());
        (sizes.collect::<Vec<_>>(), plan.history)
    };
    let (sizes, said) = auto(10);
    assert_eq!(sizes, [3, 3, 2, 2]);
    assert!(said.ends_with("`auto` deals them out evenly over 4 shards, whatever they take"), "{said}");
    assert_eq!(auto(3).0, [1, 1, 1], "no shard is without a test");
    assert_eq!(auto(0).0, [0], "a matrix has a row");
}

#[test]
fn an_unknown_test_takes_the_median_of_its_tier() {
    let known = |ms: u64, name: &str| (TestId::new("core", name).to_string(), ms);
    let tier = super::durations::TierDurations {
        wall_ms: 0,
        tests: BTreeMap::from([known(10, "a"), known(30, "b"), known(900, "c")]),
        ..TierDurations::default()
    };
    let durations = Durations { tiers: BTreeMap::from([(sample::tier("unit"), tier)]), ..Durations::default() };
    let costs =
        |tier: &str| durations.costs_us(&sample::tier(tier), &[TestId::new("core", "a"), TestId::new("core", "new")]);
    assert_eq!(costs("unit"), [10_000, 30_000]);
    assert_eq!(costs("e2e"), [30_000, 30_000], "a tier that is not known takes the median of all");
}

#[test]
fn auto_takes_the_fewest_shards_that_reach_the_target() {
    let costs = [10; 12];
    assert_eq!(fewest(&costs, 5, 125, 256), 1);
    assert_eq!(fewest(&costs, 5, 124, 256), 2);
    assert_eq!(fewest(&costs, 5, 35, 256), 4);
    assert_eq!(fewest(&costs, 5, 1, 256), 12, "out of reach: as fast as it gets");
    assert_eq!(fewest(&[1000, 1, 1, 1], 5, 1, 256), 1, "the longest test bounds it, so more shards gain nothing");
    assert_eq!(fewest(&[], 5, 1, 256), 1);
}

#[test]
fn fifty_thousand_tests_are_packed() {
    let costs: Vec<u64> = (0..50_000_u64).map(|n| 1 + n * 7919 % 10_007).collect();
    let placed = pack(&costs, 64);
    assert!(makespan(&costs, &placed) * 1000 <= lower_bound(&costs, 64) * 1001);
}

proptest! {
    /// Graham's bound, against the lower bound of every packing where that is what the best one reaches; else against the
    /// bound that holds for any list order: mean load plus the longest item.
    #[test]
    fn the_longest_shard_keeps_the_bound(costs in prop::collection::vec(1_u64..1000, 1..40), shards in 1_usize..8) {
        let placed = pack(&costs, shards);
        prop_assert_eq!(placed.len(), costs.len());
        prop_assert!(placed.iter().all(|shard| *shard < shards));
        let reached = makespan(&costs, &placed);
        let (n, sum) = (shards as u64, costs.iter().sum::<u64>());
        prop_assert!(reached >= lower_bound(&costs, shards));
        let last = costs.iter().max().copied().unwrap_or(0);
        prop_assert!(n * reached <= sum + (n - 1) * last);
    }

    /// Longest first is within 4/3 - 1/(3n) of the best packing, which is tried out here.
    #[test]
    fn the_longest_shard_is_within_a_third_of_the_best(costs in prop::collection::vec(1_u64..50, 1..8), shards in 1_usize..4) {
        let reached = makespan(&costs, &pack(&costs, shards));
        let ways = shards.pow(u32::try_from(costs.len()).expect("few"));
        let best = (0..ways)
            .map(|way| {
                let placed: Vec<usize> = (0..costs.len()).map(|at| way / shards.pow(u32::try_from(at).expect("few")) % shards).collect();
                makespan(&costs, &placed)
            })
            .min()
            .unwrap_or(0);
        let n = shards as u64;
        prop_assert!(3 * n * reached <= (4 * n - 1) * best, "{} and the best is {}", reached, best);
        prop_assert!(lower_bound(&costs, shards) <= best);
    }
}

#[test]
fn the_longest_of_a_tiers_tests_are_named_first() {
    let (unit, test) = (TierName::new("unit").expect("a name"), |name: &str| TestId::new("a", name));
    let took = |name: &str, ms| (test(name).to_string(), ms);
    let tests = [took("short", 499), took("b", 500), took("long", 900), took("a", 500), took("gone", 5000)];
    let tier = TierDurations { wall_ms: 1, tests: tests.into(), ..TierDurations::default() };
    let durations = Durations { tiers: [(unit.clone(), tier)].into(), ..Durations::default() };
    let planned = ["a", "b", "long", "new", "short"].map(test);
    let longest = |tier, most| durations.longest(tier, &planned, most);
    assert_eq!(longest(&unit, 9), ["long", "a", "b"].map(test));
    assert_eq!(longest(&unit, 2), ["long", "a"].map(test));
    assert_eq!(longest(&TierName::new("e2e").expect("a name"), 9), []);
}

#[test]
fn rows_are_small() {
    let (plan, _) = spread_in(2);
    let rows: Vec<BTreeMap<String, String>> = serde_json::from_str(&rows(&plan)).expect("rows");
    assert_eq!(rows.iter().map(|row| row["shard"].as_str()).collect::<Vec<_>>(), ["1/2", "2/2"]);
    let shard: &Shard = &plan.shards[0];
    assert!(shard.estimate_ms.is_some());
}
