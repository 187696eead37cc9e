//! How good the packing of shards is on recorded timings: `packing ci/bench/packing/*.csv` prints a table in markdown.
//!
//! Everything is a multiple of the bound that no packing can be below: the mean load, or the longest test. Tests are packed by
//! the first recording; *planned* is what that promises, *actual* what it costs by the second recording, as do nextest's own
//! partitions. `ci/bench/packing/record` makes the files.
#![expect(clippy::print_stdout, reason = "it is a program for the command line")]

use std::{error::Error, fs};
use tollgate_core::shard::{makespan, pack};

/// Numbers of shards, in the order of the files' columns.
const COUNTS: [usize; 3] = [2, 4, 8];

/// The tests of one suite: two recordings in microseconds, and nextest's parts from 0, by hash and then by slice.
#[derive(Default)]
struct Suite {
    first: Vec<u64>,
    second: Vec<u64>,
    parts: [Vec<usize>; 6],
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("| suite | tests | shards | planned | actual | hash | slice |\n|---|--:|--:|--:|--:|--:|--:|");
    for path in std::env::args().skip(1) {
        let suite = read(&fs::read_to_string(&path)?).ok_or_else(|| format!("{path} is no recording"))?;
        let name = path.rsplit('/').next().unwrap_or(&path).trim_end_matches(".csv");
        for (at, shards) in COUNTS.into_iter().enumerate() {
            let packed = pack(&suite.first, shards);
            let columns = [
                ratio(&suite.first, &packed, shards),
                ratio(&suite.second, &packed, shards),
                ratio(&suite.second, &suite.parts[at], shards),
                ratio(&suite.second, &suite.parts[at + COUNTS.len()], shards),
            ];
            let columns = columns.map(|ratio| format!("{ratio:.3}")).join(" | ");
            println!("| {name} | {} | {shards} | {columns} |", suite.first.len());
        }
    }
    Ok(())
}

/// The longest shard to the bound.
fn ratio(costs: &[u64], placed: &[usize], shards: usize) -> f64 {
    let mean = costs.iter().sum::<u64>().div_ceil(shards as u64);
    let bound = mean.max(costs.iter().copied().max().unwrap_or(0)).max(1);
    // Times of tests are far below 2^52 microseconds.
    #[expect(clippy::cast_precision_loss, reason = "it is shown with three decimals")]
    let ratio = makespan(costs, placed) as f64 / bound as f64;
    ratio
}

fn read(text: &str) -> Option<Suite> {
    let mut suite = Suite::default();
    for line in text.lines().skip(1) {
        // A test's name may have a comma in it; numbers have none.
        let mut fields = line.rsplitn(9, ',').collect::<Vec<_>>().into_iter().rev().skip(1);
        suite.first.push(fields.next()?.parse().ok()?);
        suite.second.push(fields.next()?.parse().ok()?);
        for parts in &mut suite.parts {
            parts.push(fields.next()?.parse::<usize>().ok()?.checked_sub(1)?);
        }
    }
    (!suite.first.is_empty()).then_some(suite)
}
