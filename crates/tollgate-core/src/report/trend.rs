//! A run beside the recorded run of its base: coverage, number of tests and what they took.

use crate::coverage::{Totals, total};
use crate::judge::words::{count, percent, time};
use tollgate_model::{BriefSide, BriefTrend, Evidence, Outcome, TestOutcome, Verdict};

/// What changed against the base; none where no run of it is recorded, or only a part of the tests ran, which is nothing to
/// compare.
pub(super) fn trend(evidence: &Evidence, verdict: &Verdict) -> Option<BriefTrend> {
    let base = evidence.base.as_ref()?;
    let counted = verdict.gates.iter().find(|gate| gate.gate.as_str() == "tests.count")?;
    if matches!(counted.outcome, Outcome::Unproven | Outcome::Invalid) {
        return None;
    }
    let executed = evidence.tiers.iter().flat_map(|tier| &tier.results);
    let executed = executed.filter(|test| test.outcome() != TestOutcome::Ignored).count() as u64;
    let coverage = evidence.coverage.as_ref().map(|coverage| total(&coverage.files)).unwrap_or_default();
    Some(BriefTrend {
        commit: base.commit.clone(),
        age: base.age,
        before: BriefSide {
            tests: base.tests.values().map(|tests| tests.executed).sum(),
            tests_ms: base.tests_ms,
            covered: base.packages.values().map(|lines| lines.covered).sum(),
            lines: base.packages.values().map(|lines| lines.total).sum(),
        },
        now: BriefSide {
            tests: executed,
            tests_ms: evidence.tiers.iter().map(|tier| tier.wall_ms).sum(),
            covered: coverage.covered,
            lines: coverage.total,
        },
    })
}

/// Rows of a markdown table of the base, the run and the difference; what one of the two has not measured is left out.
pub(super) fn rows(trend: &BriefTrend) -> Vec<String> {
    let BriefTrend { before, now, .. } = trend;
    let mut rows = Vec::new();
    if before.lines > 0 && now.lines > 0 {
        let permille = |side: &BriefSide| Totals { covered: side.covered, total: side.lines }.permille();
        let (was, is) = (permille(before), permille(now));
        let points = format!("{} points", difference(was, is, |by| format!("{}.{}", by / 10, by % 10)));
        rows.push(format!("| covered lines | {} | {} | {points} |\n", percent(was), percent(is)));
    }
    let tests = difference(before.tests, now.tests, |by| by.to_string());
    rows.push(format!("| tests | {} | {} | {tests} |\n", before.tests, now.tests));
    if before.tests_ms > 0 {
        let by = difference(before.tests_ms, now.tests_ms, time);
        rows.push(format!("| running them | {} | {} | {by} |\n", time(before.tests_ms), time(now.tests_ms)));
    }
    rows
}

/// Head of the table; the base is named by its caller, who knows whether its commit is to be believed.
pub(super) const HEAD: &str = "| | base | now | |\n|---|--:|--:|--:|\n";

/// `the merge-base`, `3 commits before the merge-base`.
pub(super) fn place(trend: &BriefTrend) -> String {
    match trend.age {
        0 => "the merge-base".to_owned(),
        age => format!("{} before the merge-base", count(u64::from(age), "commit")),
    }
}

fn difference(before: u64, now: u64, show: impl Fn(u64) -> String) -> String {
    match now.checked_sub(before) {
        Some(0) => "±0".to_owned(),
        Some(more) => format!("+{}", show(more)),
        None => format!("−{}", show(before - now)),
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::{judge, sample};
    use tollgate_model::{CoverageBase, LineTotals, Plan, TestCount};

    fn shown(change: impl FnOnce(&mut Evidence, &mut Plan)) -> Option<String> {
        let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
        evidence.base = Some(CoverageBase {
            commit: "d4e1f2a9c1e77d0b1a2c".into(),
            age: 3,
            tests: [(sample::tier("unit"), TestCount { executed: 8 })].into(),
            tests_ms: 20_000,
            packages: [("core".to_owned(), LineTotals { covered: 8, total: 10 })].into(),
            ..CoverageBase::default()
        });
        change(&mut evidence, &mut plan);
        let trend = trend(&evidence, &judge(&evidence, &plan))?;
        Some(place(&trend) + "\n" + &rows(&trend).concat())
    }

    #[test]
    fn a_run_is_shown_beside_its_base() {
        insta::assert_snapshot!(shown(|_, _| ()).unwrap_or_default(), @"
        3 commits before the merge-base
        | covered lines | 80.0 % | 85.0 % | +5.0 points |
        | tests | 8 | 7 | −1 |
        | running them | 20.0 s | 26.7 s | +6.7 s |
        ");
        let text = shown(|evidence, _| {
            let base = evidence.base.as_mut().unwrap();
            (base.age, base.tests_ms) = (0, 0);
            base.packages.clear();
            base.tests.values_mut().for_each(|tests| tests.executed = 7);
        });
        insta::assert_snapshot!(text.unwrap_or_default(), @"
        the merge-base
        | tests | 7 | 7 | ±0 |
        ");
    }

    #[test]
    fn a_part_of_the_tests_is_compared_with_nothing() {
        assert_eq!(shown(|_, plan| plan.only = Some("test(a)".into())), None);
        assert_eq!(shown(|evidence, _| evidence.tiers.truncate(1)), None);
        assert_eq!(shown(|evidence, _| evidence.base = None), None);
    }
}
