//! Figures of spreading 50,000 tests: `cargo run -p tollgate-cli --example spread_bench PLAN`, where PLAN is the
//! `plan.json` of a run whose tiers include `unit`.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::{collections::BTreeMap, fs, time::Instant};
use tollgate_core::shard::{Count, Durations, Listing, lower_bound, makespan, pack, spread};
use tollgate_model::{Plan, TestId, TierName};

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
    for (name, count) in [("64 shards", Count::Fixed(64)), ("auto", Count::Within(600_000))] {
        let listing = Listing { tests: BTreeMap::from([(unit.clone(), tests.clone())]), ..Listing::default() };
        let began = Instant::now();
        let spread = spread(&plan, listing, &durations, count);
        println!("{name}: {} shards planned in {:?}, digest included", spread.shards.len(), began.elapsed());
    }
}
