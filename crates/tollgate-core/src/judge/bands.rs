//! Bands of the share of tests that passed: `tests.<tier>` of a tier with `policy = "bands"`.
//!
//! Green is above 90 %, red below 80 %; exactly 90 % and exactly 80 % are yellow. Whole numbers are compared, never shares.

use super::words::{count, listed, share};
use tollgate_model::{GateName, GateResult, Outcome, TestId};

/// Of fewer tests a colour says little: of ten, nine are between 55 % and 99.7 %.
const SMALL: u64 = 20;

/// The colour of `passed` tests of `executed`, as the outcome it stands for; where none was executed there is none.
fn band(passed: u64, executed: u64) -> (Outcome, &'static str) {
    let (passed, executed) = (u128::from(passed), u128::from(executed));
    match () {
        () if executed == 0 => (Outcome::Invalid, "no colour"),
        () if 10 * passed > 9 * executed => (Outcome::Passed, "green"),
        () if 10 * passed < 8 * executed => (Outcome::Failed, "red"),
        () => (Outcome::Warned, "yellow"),
    }
}

/// Judges a tier of which every planned test was reported. `beside` is said of tests that don't count: ignored and
/// quarantined ones.
pub(super) fn gate(name: GateName, executed: u64, failed: &[&TestId], beside: &str) -> GateResult {
    let passed = executed.saturating_sub(failed.len() as u64);
    let (outcome, color) = band(passed, executed);
    if executed == 0 {
        return GateResult::new(name, outcome, format!("No test was executed that counts{beside}."));
    }
    let small = if executed < SMALL { ", small sample" } else { "" };
    let names = if failed.is_empty() { String::new() } else { format!(" Failed: {}.", listed(failed)) };
    let (shown, tests) = (share(passed, executed), count(executed, "test"));
    let message =
        format!("{color}: {passed} of {tests} passed = {shown} (green > 90 %, red < 80 %{small}){beside}.{names}");
    let value = Some(format!("{shown} passed"));
    GateResult {
        value,
        limit: Some("80 %".to_owned()),
        margin: margin(passed, executed, outcome),
        ..GateResult::new(name, outcome, message)
    }
}

/// How many tests more or fewer would change the colour.
fn margin(passed: u64, executed: u64, outcome: Outcome) -> Option<String> {
    let differs = |passed: &u64| band(*passed, executed).0 != outcome;
    if outcome == Outcome::Failed {
        let first = (passed..=executed).find(differs)?;
        return Some(format!("{} more would make it yellow", count(first - passed, "passed test")));
    }
    let first = (0..passed).rev().find(differs)?;
    let color = band(first, executed).1;
    Some(format!("{} more would make it {color}", count(passed - first, "failed test")))
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_edges_are_yellow() {
        let check = |passed, executed| band(passed, executed).1;
        assert_eq!(check(0, 0), "no colour");
        assert_eq!([check(0, 1), check(1, 1)], ["red", "green"]);
        assert_eq!([7, 8, 9, 10].map(|passed| check(passed, 10)), ["red", "yellow", "yellow", "green"]);
        assert_eq!([799, 800, 900, 901].map(|passed| check(passed, 1000)), ["red", "yellow", "yellow", "green"]);
        // 90 % of 11 are 9.9 and 80 % of it 8.8, between which there is 9.
        assert_eq!([8, 9, 10].map(|passed| check(passed, 11)), ["red", "yellow", "green"]);
        assert_eq!(check(u64::MAX, u64::MAX), "green");
    }

    #[test]
    fn twenty_tests_are_no_small_sample() {
        let is_small =
            |executed| gate(GateName::new("tests", "unit"), executed, &[], "").message.contains("small sample");
        assert_eq!([is_small(19), is_small(20)], [true, false]);
    }

    #[test]
    fn a_margin_names_the_next_colour() {
        let check = |passed, executed| margin(passed, executed, band(passed, executed).0);
        assert_eq!(check(100, 100).as_deref(), Some("10 failed tests more would make it yellow"));
        assert_eq!(check(80, 100).as_deref(), Some("1 failed test more would make it red"));
        assert_eq!(check(78, 100).as_deref(), Some("2 passed tests more would make it yellow"));
        assert_eq!(check(1, 1).as_deref(), Some("1 failed test more would make it red"));
    }

    proptest! {
        #[test]
        fn one_more_passed_test_never_makes_it_worse(executed in 1u64..2000, passed in 0u64..2000) {
            let passed = passed.min(executed - 1);
            prop_assert!(band(passed + 1, executed).0 <= band(passed, executed).0);
        }
    }
}
