//! Packing costs into shards: longest processing time first.
//!
//! Graham (1969), "Bounds on multiprocessing timing anomalies": the longest shard takes at most `4/3 - 1/(3n)` of what
//! the best packing takes.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Packs items of these costs into `shards` shards: the costliest item first, each into the shard that has least.
///
/// Gives the shard of each item, from 0. The same costs give the same packing: where two are alike the earlier item goes
/// first and the earlier shard takes it. Takes O(n log n).
pub fn pack(costs: &[u64], shards: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|&item| Reverse(costs[item]));
    let mut loads: BinaryHeap<Reverse<(u64, usize, usize)>> =
        (0..shards.max(1)).map(|at| Reverse((0, 0, at))).collect();
    let mut placed = vec![0; costs.len()];
    for item in order {
        let Some(Reverse((load, items, shard))) = loads.pop() else { break };
        placed[item] = shard;
        // Among shards of the same load the one with fewer items takes the next.
        loads.push(Reverse((load.saturating_add(costs[item]), items + 1, shard)));
    }
    placed
}

/// The cost of the costliest shard of a packing.
pub fn makespan(costs: &[u64], placed: &[usize]) -> u64 {
    let shards = placed.iter().max().map_or(0, |last| last + 1);
    let mut loads = vec![0_u64; shards];
    for (cost, &shard) in costs.iter().zip(placed) {
        loads[shard] = loads[shard].saturating_add(*cost);
    }
    loads.into_iter().max().unwrap_or(0)
}

/// What no packing can be better than: the mean load, the costliest item, and, where there are more items than shards,
/// the two of the `shards + 1` costliest that must share one.
pub fn lower_bound(costs: &[u64], shards: usize) -> u64 {
    bound(&descending(costs), shards)
}

fn descending(costs: &[u64]) -> Vec<u64> {
    let mut sorted = costs.to_vec();
    sorted.sort_unstable_by_key(|cost| Reverse(*cost));
    sorted
}

/// [`lower_bound`] of costs that are in descending order.
fn bound(sorted: &[u64], shards: usize) -> u64 {
    let shards = shards.max(1);
    let sum: u64 = sorted.iter().fold(0, |sum, cost| sum.saturating_add(*cost));
    let pair = sorted.get(shards).map_or(0, |cost| sorted[shards - 1].saturating_add(*cost));
    sum.div_ceil(shards as u64).max(sorted.first().copied().unwrap_or(0)).max(pair)
}

/// The fewest shards whose costliest one, with the setup that each pays, is done within the target.
///
/// Where no number reaches it, the fewest that come within a twentieth of what the most shards reach.
pub(super) fn fewest(costs: &[u64], setup: u64, target: u64, most: usize) -> usize {
    let most = most.min(costs.len()).max(1);
    let takes = |shards: usize| setup.saturating_add(makespan(costs, &pack(costs, shards)));
    let sorted = descending(costs);
    let floor = |shards: usize| setup.saturating_add(bound(&sorted, shards));
    let goal = if takes(most) <= target { target } else { takes(most).saturating_add(takes(most) / 20) };
    // Only what the bound allows is packed, so that many tests are not packed hundreds of times.
    (1..=most).find(|&shards| floor(shards) <= goal && takes(shards) <= goal).unwrap_or(most)
}
