//! Words and numbers as gates and reports show them.

use std::fmt::Display;
pub(crate) use tollgate_model::count;
use tollgate_model::{Ending, Milliseconds, TestId, TestResult, TierName};

/// A share of 1000 as percent with one decimal: `83.4 %`.
pub(crate) fn percent(permille: u64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// `k` of `n` in percent, rounded down to a tenth.
pub(crate) fn share(k: u64, n: u64) -> String {
    let permille = u128::from(k) * 1000 / u128::from(n.max(1));
    percent(u64::try_from(permille).unwrap_or(u64::MAX))
}

/// A time, rounded up, so that one that is over its limit never looks like the limit: `840 ms`, `41.2 s`.
pub(crate) fn time(ms: Milliseconds) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        _ => format!("{}.{} s", ms.div_ceil(100) / 10, ms.div_ceil(100) % 10),
    }
}

/// A limit of time: whole seconds without a decimal.
pub(crate) fn time_limit(ms: Milliseconds) -> String {
    if ms >= 1000 && ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { time(ms) }
}

/// Microseconds as a latency: `18.4 ms`, `5.4 s`.
pub(crate) fn latency(us: u64) -> String {
    match us {
        0..1_000_000 => format!("{}.{} ms", us / 1000, us / 100 % 10),
        _ => time(us / 1000),
    }
}

/// The first names and how many there are besides: `a, b, c and 4 more`.
pub(crate) fn listed<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let all = names.len() as u64;
    first_of(names, all)
}

/// The first few of so many names, and how many more there are.
pub(crate) fn first_of(names: impl IntoIterator<Item = String>, all: u64) -> String {
    const SHOWN: usize = 3;
    let names: Vec<String> = names.into_iter().take(SHOWN).collect();
    match all.saturating_sub(names.len() as u64) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// Line numbers as ranges: `3-9, 12`.
pub(crate) fn ranges(lines: impl IntoIterator<Item = u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for line in lines {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(line) => *last = line,
            _ => ranges.push((line, line)),
        }
    }
    let shown = |(first, last)| if first == last { format!("{first}") } else { format!("{first}-{last}") };
    listed(ranges.into_iter().map(shown))
}

/// Returns the command that runs one test again, in its environment.
pub fn reproduce(test: &TestId, tier: &TierName) -> String {
    format!("cargo xtask test {tier} '{}'", test.name.replace('\'', r"'\''"))
}

/// Returns the command that runs one test again and again, as this run did.
pub(crate) fn stress_command(test: &TestId, tier: &TierName, burners: u32) -> String {
    let test = test.to_string().replace('\'', r"'\''");
    format!("cargo xtask flaky stress '{test}' --tier {tier} --burners {burners}")
}

/// The beginning of a commit's or a tree's name, as much as is shown of it.
pub(crate) fn short(name: &str) -> String {
    name.chars().take(12).collect()
}

/// The length of a list, as gates count.
pub(crate) fn len<T>(items: &[T]) -> u64 {
    items.len() as u64
}

/// Wall time of all attempts of a test.
pub(crate) fn duration_ms(test: &TestResult) -> Milliseconds {
    test.attempts.iter().fold(0, |sum: Milliseconds, attempt| sum.saturating_add(attempt.duration_ms))
}

/// How a run that was not completed ended, as part of a sentence.
pub(crate) fn ending_reason(ending: &Ending) -> Option<String> {
    match ending {
        Ending::Completed => None,
        Ending::BuildFailed { .. } => Some("the build failed".to_owned()),
        Ending::EnvironmentFailed { .. } => Some("the environment failed".to_owned()),
        Ending::Interrupted { signal } => Some(format!("{signal} interrupted the run")),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn shares_are_rounded_down_and_times_up() {
        assert_eq!([share(7999, 10_000), share(1, 3), share(0, 0)], ["79.9 %", "33.3 %", "0.0 %"]);
        assert_eq!([time(840), time(30_000), time(30_001)], ["840 ms", "30.0 s", "30.1 s"]);
        assert_eq!([time_limit(30_000), time_limit(1500), time_limit(0)], ["30 s", "1.5 s", "0 ms"]);
        assert_eq!([latency(18_449), latency(5_400_000), latency(40)], ["18.4 ms", "5.4 s", "0.0 ms"]);
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        assert_eq!(listed(["a", "b", "c"]), "a, b, c");
        assert_eq!(listed(["a", "b", "c", "d"]), "a, b, c and 1 more");
        assert_eq!(ranges([3, 4, 5, 9, 11, 12, 20]), "3-5, 9, 11-12 and 1 more");
        assert_eq!(ranges([u32::MAX]), u32::MAX.to_string());
    }

    #[test]
    fn a_test_is_run_again_by_its_tier_and_name() {
        let tier = TierName::new("unit").unwrap();
        assert_eq!(reproduce(&TestId::new("core", "a::b"), &tier), "cargo xtask test unit 'a::b'");
        assert_eq!(reproduce(&TestId::new("core", "it's"), &tier), r"cargo xtask test unit 'it'\''s'");
    }
}
