//! How far a rate is from another outcome.

use super::binomial::{ALPHA, judge_rate};
use super::words::count;
use tollgate_model::Outcome;

/// How many more bad events a passed rate, or how many fewer a failed one, would need to be unproven, in words.
pub(super) fn rate_margin(k: u64, n: u64, p0: f64, events: &str) -> Option<String> {
    let outcome = |k: u64| judge_rate(k, n, p0, ALPHA).outcome;
    let is = outcome(k);
    let bad = |n: u64| count(n, &format!("bad {}", events.trim_end_matches('s')));
    match is {
        // With every event bad no limit is kept, and with none it is not broken.
        Outcome::Passed => {
            let first = turning_point(k, n, |k| outcome(k) != is)?;
            Some(format!("{} more would leave it unproven", bad(first - k)))
        }
        Outcome::Failed => {
            let first = turning_point(0, k, |k| outcome(k) == is)?;
            Some(format!("{} fewer would leave it unproven", bad(k - first + 1)))
        }
        _ => None,
    }
}

/// The smallest number after `low` and up to `high` that is beyond, where all after it are too.
fn turning_point(mut low: u64, mut high: u64, beyond: impl Fn(u64) -> bool) -> Option<u64> {
    if low >= high || !beyond(high) {
        return None;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if beyond(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_margin_says_how_many_events_would_change_the_outcome() {
        // 1000 events, limit 5 %: passed up to 38 bad ones, failed from 63 on.
        let check = |k| rate_margin(k, 1000, 0.05, "requests");
        assert_eq!(check(30), Some("9 bad requests more would leave it unproven".to_owned()));
        assert_eq!(check(38), Some("1 bad request more would leave it unproven".to_owned()));
        assert_eq!(check(50), None);
        assert_eq!(check(63), Some("1 bad request fewer would leave it unproven".to_owned()));
        assert_eq!(check(70), Some("8 bad requests fewer would leave it unproven".to_owned()));
        assert_eq!(rate_margin(0, 0, 0.05, "requests"), None);
        assert_eq!(rate_margin(3, 9, 1.0, "requests"), None, "a limit of everything can't be broken");
    }

    proptest! {
        #[test]
        fn the_margin_is_where_the_outcome_turns(n in 1u64..400, k in 0u64..400, percent in 1u32..50) {
            let (k, p0) = (k.min(n), f64::from(percent) / 100.0);
            let outcome = |k: u64| judge_rate(k, n, p0, ALPHA).outcome;
            let number = rate_margin(k, n, p0, "x").map(|text| text.split(' ').next().unwrap().parse::<u64>().unwrap());
            match (outcome(k), number) {
                (Outcome::Passed, Some(more)) => {
                    prop_assert!(outcome(k + more) != Outcome::Passed && outcome(k + more - 1) == Outcome::Passed);
                }
                (Outcome::Failed, Some(fewer)) => {
                    prop_assert!(outcome(k - fewer) != Outcome::Failed && outcome(k - fewer + 1) == Outcome::Failed);
                }
                (outcome, number) => prop_assert!(outcome == Outcome::Unproven && number.is_none()),
            }
        }
    }
}
