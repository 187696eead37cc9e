//! What is united of shards beside their tests: their names, and the tests that they stressed or compared with the base.

use super::unit::{compared, receipt, spread_in};
use super::*;
use tollgate_model::{
    ComparedTest, Receipt, RunId, SpreadPlan, StressEvidence, StressPolicy, StressedTest, TestId, TimeComparison,
    TimePair,
};

/// A plan of two shards that stress, and what each of them hands back: one test, stressed.
fn stressing() -> (SpreadPlan, [Receipt; 2]) {
    let (mut plan, single) = spread_in(2);
    plan.plan.policy.new_tests = Some(StressPolicy { budget_ms: 60_000 });
    let stressed = |index: u32| {
        let mut receipt = receipt(&plan, &single, index);
        receipt.evidence.run.id = RunId::new(format!("run-{index}")).unwrap();
        let test = StressedTest {
            id: TestId::new("core", format!("t{index}")),
            tier: plan.plan.tiers[0].name.clone(),
            novelty: tollgate_model::Novelty::Added,
            place: None,
            wanted: 10,
            repeats: tollgate_model::Repeats::default(),
            message: None,
        };
        let wall_ms = 1_000 * u64::from(index);
        let stress = StressEvidence { burners: 2 + index, wall_ms, tests: vec![test], left_out: None };
        receipt.evidence.stress = Some(stress);
        receipt
    };
    let receipts = [stressed(1), stressed(2)];
    (plan, receipts)
}

#[test]
fn a_united_run_names_the_runs_of_its_shards() {
    let (plan, receipts) = stressing();
    let united = unite(&plan, &receipts, receipts[0].evidence.run.clone());
    let parts: Vec<&str> = united.evidence.run.parts.iter().map(RunId::as_str).collect();
    assert_eq!(parts, ["run-1", "run-2"]);
}

#[test]
fn tests_that_shards_stressed_are_those_of_the_run() {
    let (plan, receipts) = stressing();
    let united = unite(&plan, &receipts, receipts[0].evidence.run.clone()).evidence.stress.expect("they did");
    let names: Vec<&str> = united.tests.iter().map(|test| test.id.name.as_str()).collect();
    assert_eq!((names, united.burners, united.wall_ms, united.left_out), (vec!["t1", "t2"], 4, 2_000, None));
}

#[test]
fn a_later_attempt_takes_back_no_failure_that_an_earlier_one_stressed_out() {
    let (plan, receipts) = stressing();
    let attempt = |number: u32, failed: u64, message: Option<&str>| {
        let mut receipt = receipts[1].clone();
        receipt.attempt = number;
        let test = &mut receipt.evidence.stress.as_mut().unwrap().tests[0];
        test.repeats.stressed = tollgate_model::Executions { failed, all: 25 };
        test.message = message.map(str::to_owned);
        receipt
    };
    let mut foreign = attempt(3, 9, None);
    foreign.digest.push('x');
    let all = [receipts[0].clone(), attempt(4, 0, None), foreign, attempt(2, 1, Some("b")), attempt(1, 3, Some("a"))];
    let stress = unite(&plan, &all, receipts[0].evidence.run.clone()).evidence.stress.unwrap();
    let test = &stress.tests[1];
    let seen = (test.repeats.failed(), test.repeats.all(), test.message.as_deref());
    assert_eq!((stress.tests.len(), seen), (2, (4, 75, Some("a"))), "the one of another plan is no attempt");
}

#[test]
fn a_shard_that_did_not_stress_its_tests_leaves_something_out() {
    let left_out = |change: fn(&mut [Receipt; 2])| {
        let (plan, mut receipts) = stressing();
        change(&mut receipts);
        unite(&plan, &receipts, receipts[0].evidence.run.clone()).evidence.stress.and_then(|stress| stress.left_out)
    };
    let absent = Some("shard 2/2 did not come to it".to_owned());
    assert_eq!(left_out(|receipts| receipts[1].evidence.stress = None), absent);
    assert_eq!(left_out(|receipts| receipts[1].digest.push('x')), absent, "its receipt is of another plan");
    let why = |receipts: &mut [Receipt; 2]| {
        receipts[0].evidence.stress.as_mut().unwrap().left_out = Some("a failed".into());
        receipts[1].evidence.stress = None;
    };
    assert_eq!(left_out(why).as_deref(), Some("a failed"));
    let (mut plan, receipts) = stressing();
    plan.plan.policy.new_tests = None;
    assert_eq!(unite(&plan, &receipts, receipts[0].evidence.run.clone()).evidence.stress, None);
}

#[test]
fn a_later_attempt_takes_back_no_slowdown_that_an_earlier_one_decided() {
    let (mut plan, single) = spread_in(2);
    plan.plan.policy.regression = Some(compared());
    let attempt = |number: u32, heads_ms: &[u64]| {
        let pairs = heads_ms.iter().map(|head_ms| TimePair { base_ms: 900, head_ms: *head_ms }).collect();
        let tests = vec![ComparedTest { id: TestId::new("core", "t"), pairs, incomparable: None }];
        let comparison = Some(TimeComparison { tests, ..TimeComparison::default() });
        let mut receipt = Receipt { attempt: number, ..receipt(&plan, &single, 2) };
        receipt.evidence.comparison = comparison;
        receipt
    };
    let slowest = |attempts: &[Receipt]| {
        let all = [attempts, &[receipt(&plan, &single, 1)]].concat();
        let united = unite(&plan, &all, single.run.clone()).evidence.comparison.expect("it was made");
        united.tests[0].pairs.iter().map(|pair| pair.head_ms).max()
    };
    let (kept, slower, unclear) = ([900; 12], [1_200; 12], [800, 1_300].repeat(6));
    assert_eq!(slowest(&[attempt(2, &kept), attempt(1, &slower)]), Some(1_200));
    assert_eq!(slowest(&[attempt(1, &unclear), attempt(3, &kept), attempt(2, &slower)]), Some(1_200));
    assert_eq!(slowest(&[attempt(1, &kept), attempt(2, &slower)]), Some(900), "the first one counts, whatever it says");
    assert_eq!(slowest(&[attempt(1, &unclear), attempt(2, &slower)]), Some(1_200));
    assert_eq!(slowest(&[attempt(1, &unclear), attempt(2, &[])]), None, "nothing was decided before");
    let mut foreign = attempt(1, &slower);
    foreign.digest.push('x');
    assert_eq!(slowest(&[foreign, attempt(2, &kept)]), Some(900));
}
