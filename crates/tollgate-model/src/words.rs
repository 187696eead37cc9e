//! A number and what it counts.

/// A number with its noun: `1 test`, `2 tests`.
pub fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn one_thing_is_told_from_none_and_from_several() {
        assert_eq!([count(0, "test"), count(1, "test"), count(2, "test")], ["0 tests", "1 test", "2 tests"]);
    }
}
