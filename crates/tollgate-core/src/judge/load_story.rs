//! What the slow requests of a load have in common: what was asked for, and when.

use super::words::{latency, time};
use std::collections::BTreeMap;
use tollgate_model::{LoadEvidence, LoadSample, Milliseconds};

/// Slow requests that are due within this time of each other are of one stall.
const GAP_MS: Milliseconds = 1_000;

/// A stall that has fewer of the slow requests than this share is none worth naming, in percent.
const STALL_PERCENT: usize = 50;

/// Fewest slow requests that a stall is made of.
const STALL_MIN: usize = 3;

/// ` Slowest: POST /checkout (p95 4.1 s). 61 of them were due in one 6.0 s stall from t = 12.0 s on.`; nothing where the load
/// test does not tell its requests apart.
pub(super) fn story(load: &LoadEvidence, limit_ms: Milliseconds) -> String {
    let most = limit_ms.saturating_mul(1000);
    let passes_limit = |sample: &&LoadSample| sample.latency_us.is_none_or(|us| us > most);
    let mut slow: Vec<&LoadSample> = load.samples.iter().filter(passes_limit).collect();
    slow.sort_by_key(|sample| sample.due_ms);
    slowest(&load.samples) + &stall(&slow)
}

/// The kind of request with the highest 95th percentile; one that is not answered is slower than any that is.
fn slowest(samples: &[LoadSample]) -> String {
    let mut kinds: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| !sample.what.is_empty()) {
        kinds.entry(&sample.what).or_default().push(sample.latency_us.unwrap_or(u64::MAX));
    }
    let p95 = |mut latencies: Vec<u64>| {
        latencies.sort_unstable();
        let rank = (latencies.len() * 95).div_ceil(100).max(1);
        latencies[rank - 1]
    };
    let worst = kinds.into_iter().map(|(what, latencies)| (p95(latencies), what)).max();
    match worst {
        None => String::new(),
        Some((u64::MAX, what)) => format!(" Slowest: {what} (p95 not answered)."),
        Some((us, what)) => format!(" Slowest: {what} (p95 {}).", latency(us)),
    }
}

/// The longest row of slow requests that follow each other closely, by their number.
fn stall(slow: &[&LoadSample]) -> String {
    let rows = slow.chunk_by(|one, next| next.due_ms.saturating_sub(one.due_ms) <= GAP_MS);
    let Some(row) = rows.max_by_key(|row| row.len()) else { return String::new() };
    let (Some(first), Some(last)) = (row.first(), row.last()) else { return String::new() };
    if row.len() < STALL_MIN || row.len() * 100 < slow.len() * STALL_PERCENT {
        return String::new();
    }
    let long = time(last.due_ms - first.due_ms);
    format!(" {} of them were due in one {long} stall from t = {} on.", row.len(), time(first.due_ms))
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::sample;

    fn told(samples: &[(u64, Option<u64>, &str)]) -> String {
        let sample = |&(due_ms, latency_ms, what): &(u64, Option<u64>, &str)| LoadSample {
            due_ms,
            latency_us: latency_ms.map(|ms| ms * 1000),
            what: what.to_owned(),
        };
        let load = LoadEvidence { samples: samples.iter().map(sample).collect(), ..sample::load() };
        story(&load, 3_000)
    }

    #[test]
    fn the_slowest_kind_of_request_is_named_with_its_own_percentile() {
        assert_eq!(told(&[]), "");
        assert_eq!(told(&[(0, Some(10), ""), (5, Some(4_000), "")]), "");
        let some = [(0, Some(10), "GET /a"), (100, Some(4_100), "POST /b"), (9_000, Some(20), "GET /a")];
        assert_eq!(told(&some), " Slowest: POST /b (p95 4.1 s).");
        assert_eq!(told(&[(0, Some(10), "GET /a"), (5, None, "GET /c")]), " Slowest: GET /c (p95 not answered).");
    }

    #[test]
    fn slow_requests_that_follow_each_other_are_a_stall_where_they_are_half_of_all() {
        let late = Some(5_000);
        let stall =
            [(12_000, late, ""), (12_900, None, ""), (13_900, late, ""), (18_000, late, ""), (40_000, late, "")];
        assert_eq!(told(&stall), " 3 of them were due in one 1.9 s stall from t = 12.0 s on.");
        assert_eq!(told(&stall[1..]), "", "two are no stall");
        let scattered: Vec<_> = (0..9).map(|n| (n * 1_001, late, "")).collect();
        assert_eq!(told(&scattered), "", "each is a row of its own");
    }

    #[test]
    fn a_stall_has_half_of_the_slow_requests_at_least_and_none_that_is_within_the_limit() {
        let late = Some(5_000);
        let stall = [(0, late, ""), (100, late, ""), (200, late, "")];
        let apart = [(9_000, late, ""), (19_000, late, ""), (29_000, late, ""), (39_000, late, "")];
        let with = |n: usize| told(&[&stall[..], &apart[..n]].concat());
        assert!(with(3).starts_with(" 3 of them"));
        assert_eq!(with(4), "");
        assert_eq!(told(&stall.map(|(due, _, what)| (due, Some(3_000), what))), "");
    }

    #[test]
    fn six_of_a_hundred_are_the_95th_percentile_and_five_are_not() {
        let slowest = |slow: u64| {
            let all: Vec<_> =
                (0..100).map(|n| (n * 2_000, Some(if n < slow { 4_000 } else { 10 }), "GET /a")).collect();
            told(&all)
        };
        assert_eq!(slowest(6), " Slowest: GET /a (p95 4.0 s).");
        assert_eq!(slowest(5), " Slowest: GET /a (p95 10.0 ms).");
    }
}
