//! Figures of spreading 50,000 tests and of uniting what their shards hand back: `cargo run -p tollgate-cli --example spread_bench PLAN`, where PLAN is the
//! `plan.json` of a run whose tiers include `unit`.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::{collections::BTreeMap, fs, time::Instant};
use tollgate_core::shard::{Count, Durations, Listing, judge_union, lower_bound, makespan, pack, spread, unite};
use tollgate_model::{
    Attempt, AttemptOutcome, Ending, Evidence, Outcome, Plan, Receipt, RunId, RunInfo, SCHEMA, Shard, SpreadPlan,
    TestId, TestResult, TierEvidence, TierName, TierStatus,
};

const TESTS: u64 = 50_000;

fn cost(test: u64) -> u64 {
    1 + test.wrapping_mul(6_364_136_223_846_793_005) % 10_007
}

fn main() {
    let costs: Vec<u64> = (0..TESTS).map(cost).collect();
    for shards in [2, 8, 64, 256] {
        let began = Instant::now();
        let placed = pack(&costs, shards);
        let took = began.elapsed();
        let share = makespan(&costs, &placed) as f64 / lower_bound(&costs, shards) as f64;
        println!("{shards:>4} shards: packed in {took:?}, {share:.5} of the bound");
    }
    let Some(path) = std::env::args().nth(1) else { return };
    let plan: Plan = serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("a plan");
    let tests: Vec<TestId> =
        (0..TESTS).map(|test| TestId::new("a::integration", format!("module::test_{test}"))).collect();
    let recorded: BTreeMap<String, u64> = tests.iter().zip(&costs).map(|(test, ms)| (test.to_string(), *ms)).collect();
    let durations = serde_json::json!({
        "schema": 1, "setup-ms": 60_000, "tiers": { "unit": { "wall-ms": costs.iter().sum::<u64>() / 4, "tests": recorded } }
    });
    let durations: Durations = serde_json::from_value(durations).expect("durations");
    let unit = TierName::new("unit").expect("a name");
    let cases = [
        ("64 shards", Count::Fixed(64), 1),
        ("auto", Count::Within(600_000), 1),
        ("one shard, run again", Count::Fixed(1), 2),
    ];
    for (name, count, attempts) in cases {
        let listing = Listing { tests: BTreeMap::from([(unit.clone(), tests.clone())]), ..Listing::default() };
        let began = Instant::now();
        let spread = spread(&plan, listing, &durations, count);
        println!("{name}: {} shards planned in {:?}, digest included", spread.shards.len(), began.elapsed());
        let written: Vec<String> = spread
            .shards
            .iter()
            .flat_map(|shard| (1..=attempts).map(|attempt| receipt(&spread, shard, attempt)))
            .collect();
        let began = Instant::now();
        let read = |text: &String| serde_json::from_str::<Receipt>(text).expect("a receipt");
        let receipts: Vec<Receipt> = written.iter().map(read).collect();
        let union = unite(&spread, &receipts, receipts[0].evidence.run.clone());
        let verdict = judge_union(&union, &spread);
        let (united, took) = (union.evidence.tiers[0].results.len(), began.elapsed());
        println!("{name}: {} receipts of {united} tests read, united and judged in {took:?}", receipts.len());
        assert_eq!(verdict.gates[0].outcome, Outcome::Passed, "{}", verdict.gates[0].message);
    }
}

/// The receipt of a shard whose tests all passed, as text.
fn receipt(plan: &SpreadPlan, shard: &Shard, attempt_at: u32) -> String {
    let attempt =
        Attempt { outcome: AttemptOutcome::Passed, duration_ms: 7, message: String::new(), output: String::new() };
    let tier = |(name, tests): (&TierName, &Vec<TestId>)| TierEvidence {
        name: name.clone(),
        status: TierStatus::Ran,
        planned: tests.clone(),
        results: tests.iter().map(|id| TestResult { id: id.clone(), attempts: vec![attempt.clone()] }).collect(),
        wall_ms: 1000,
        machine: None,
    };
    let run = RunInfo {
        id: RunId::new("20261121-093055-1").expect("a name"),
        started_at: "2026-11-21T09:30:55Z".parse().expect("a time"),
        stage: plan.plan.stage.clone(),
        commit: plan.commit.clone(),
        dirty: false,
        toolchain: plan.toolchain.clone(),
        partition: Some(shard.shard),
        parts: Vec::new(),
        wall_ms: 2000,
    };
    let tiers = shard.tests.iter().map(tier).collect();
    let evidence = Evidence { tiers, ..Evidence::new(run, Ending::Completed) };
    let receipt = Receipt {
        schema: SCHEMA,
        digest: plan.digest.clone(),
        shard: shard.shard,
        attempt: attempt_at,
        passed: true,
        evidence,
    };
    serde_json::to_string(&receipt).expect("JSON")
}
