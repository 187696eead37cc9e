//! Coverage against the recorded run of a base.

use super::changed;
use crate::coverage::{line_totals, lines};
use crate::judge::sample;
use tollgate_model::{ChangeEvidence, CoverageBase, Evidence, LineTotals, Plan, TestCount, TestId};

/// The good run's own coverage as its base: nothing was changed since.
fn base() -> CoverageBase {
    let lines = lines(&sample::coverage());
    CoverageBase {
        commit: "d4e1f2a9c1e77d0b1a2c".into(),
        tree: "99aa00bb11cc22dd33ee".into(),
        age: 0,
        tests: [("unit", 3), ("integration", 2), ("e2e", 1), ("performance", 1)]
            .map(|(tier, executed)| (sample::tier(tier), TestCount { executed }))
            .into(),
        removed: Vec::new(),
        tests_ms: 0,
        packages: line_totals(&lines),
        kept: lines,
        unstable: 0,
    }
}

fn compared(evidence: &mut Evidence, plan: &mut Plan, base: Option<CoverageBase>) {
    plan.base = Some("main".into());
    plan.policy.coverage.as_mut().unwrap().floor_percent = 0;
    evidence.change = Some(ChangeEvidence { commit: "d4e1f2a9c1e77d0b1a2c".into(), ..ChangeEvidence::default() });
    evidence.base = base;
}

/// Makes the first `n` lines of identity uncovered.
fn lose(evidence: &mut Evidence, n: usize) {
    evidence.coverage.as_mut().unwrap().files[1].lines[..n].iter_mut().for_each(|line| line.counts.fill(0));
}

#[test]
fn a_line_that_was_covered_and_was_left_alone_is_lost_when_nothing_reaches_it() {
    let check = |n: usize, base: CoverageBase| {
        changed(|evidence, plan| {
            compared(evidence, plan, Some(base));
            plan.policy.coverage.as_mut().unwrap().patch_percent = 0;
            lose(evidence, n);
        })
    };
    insta::assert_snapshot!(check(0, base()), @"
    passed evidence: Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). Base d4e1f2a9c1e7 (merge-base).
    passed tests.count: 7 tests ran; 7 ran on d4e1f2a9c1e7 (merge-base).
    passed coverage.floor: 85.0 % (17/20 production lines), floor 0 %.
    passed coverage.crates: 2 crates: each keeps its floor.
        | core 80.0 % (8/10), floor 0 %, 8 covered lines to spare
        | identity 90.0 % (9/10), floor 0 %, 9 covered lines to spare
    passed coverage.patch: Nothing that can be covered was added since d4e1f2a9c1e7, where it parted from main; there is nothing to judge.
    passed coverage.lost: Each of 17 lines that tests reached on d4e1f2a9c1e7 (merge-base), and that were left alone, is reached still.
    passed
    ");
    insta::assert_snapshot!(check(2, CoverageBase { age: 3, unstable: 4, ..base() }), @"
    passed evidence: Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). Base d4e1f2a9c1e7 (3 commits before the merge-base).
    passed tests.count: 7 tests ran; 7 ran on d4e1f2a9c1e7 (3 commits before the merge-base).
    passed coverage.floor: 75.0 % (15/20 production lines), floor 0 %.
    passed coverage.crates: 2 crates: each keeps its floor.
        | core 80.0 % (8/10), floor 0 %, 8 covered lines to spare
        | identity 70.0 % (7/10), floor 0 %, 7 covered lines to spare
    passed coverage.patch: Nothing that can be covered was added since d4e1f2a9c1e7, where it parted from main; there is nothing to judge.
    warned coverage.lost: 2 lines that tests reached on d4e1f2a9c1e7 (3 commits before the merge-base) are no longer reached (limit 10): crates/identity/src/main.rs:1-2. 4 lines that flip between runs of one tree were left out.
        -> See which test of these lines the change removed or altered, and bring it back.
        | crates/identity/src/main.rs:1-2
    warned
    ");
}

#[test]
fn a_file_that_is_not_measured_any_more_is_no_file_without_lost_lines() {
    let check = |path: &str| {
        let text = changed(|evidence, plan| {
            let mut base = base();
            let file = base.kept.0["crates/core/src/lib.rs"].clone();
            base.kept.0.insert(path.to_owned(), file);
            compared(evidence, plan, Some(base));
        });
        text.lines().find(|line| line.contains("coverage.lost")).unwrap().to_owned()
    };
    insta::assert_snapshot!(check("crates/core/src/pay.rs"), @"warned coverage.lost: No measured line that tests reached on d4e1f2a9c1e7 (merge-base) is lost. Not measured any more: crates/core/src/pay.rs (8 lines).");
    insta::assert_snapshot!(check("crates/core/tests/pay.rs"), @"passed coverage.lost: Each of 25 lines that tests reached on d4e1f2a9c1e7 (merge-base), and that were left alone, is reached still.");
}

#[test]
fn more_than_ten_lost_lines_are_red() {
    let many = |evidence: &mut Evidence| {
        let file = &mut evidence.coverage.as_mut().unwrap().files[1];
        file.lines = (1..=60).map(|line| tollgate_model::LineCount { line, counts: vec![1, 0, 0] }).collect();
    };
    let check = |lost: usize| {
        let text = changed(|evidence, plan| {
            many(evidence);
            let before = lines(evidence.coverage.as_ref().unwrap());
            compared(evidence, plan, Some(CoverageBase { kept: before, ..base() }));
            lose(evidence, lost);
        });
        text.lines().find(|line| line.contains("coverage.lost")).unwrap().to_owned()
    };
    insta::assert_snapshot!(check(10), @"warned coverage.lost: 10 lines that tests reached on d4e1f2a9c1e7 (merge-base) are no longer reached (limit 10): crates/identity/src/main.rs:1-10.");
    insta::assert_snapshot!(check(11), @"failed coverage.lost: 11 lines that tests reached on d4e1f2a9c1e7 (merge-base) are no longer reached (limit 10): crates/identity/src/main.rs:1-11.");
}

#[test]
fn without_a_recorded_run_lost_lines_are_a_warning_that_says_so() {
    insta::assert_snapshot!(changed(|evidence, plan| compared(evidence, plan, None)), @"
    warned evidence: No run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded. Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services).
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    passed coverage.floor: 85.0 % (17/20 production lines), floor 0 %.
    passed coverage.patch: Nothing that can be covered was added since d4e1f2a9c1e7, where it parted from main; there is nothing to judge.
    warned coverage.lost: No baseline: no run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded, so lost lines can't be told.
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    warned
    ");
}

#[test]
fn what_was_below_the_floor_before_is_a_warning_until_it_gets_worse() {
    let check = |before: (u64, u64), lost: usize| {
        changed(|evidence, plan| {
            let packages = [("identity".to_owned(), LineTotals { covered: before.0, total: before.1 })].into();
            compared(evidence, plan, Some(CoverageBase { packages, ..base() }));
            plan.base = None;
            plan.policy.coverage.as_mut().unwrap().floor_percent = 90;
            lose(evidence, lost);
        })
    };
    insta::assert_snapshot!(check((17, 20), 0), @"
    passed evidence: Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). No base was asked for.
    passed tests.count: 7 tests ran; 7 ran on d4e1f2a9c1e7 (merge-base).
    warned coverage.floor: 85.0 % (17/20 production lines) < 90 %, as before the change (85.0 %), which makes it no worse.
    failed coverage.crates: 1 of 2 crates below their floor: core 80.0 % (8/10), floor 90 %, 1 covered line short.
        -> Test the crates that are named; `cargo xtask coverage --run latest` shows their lines.
        | core 80.0 % (8/10), floor 90 %, 1 covered line short
        | identity 90.0 % (9/10), before 85.0 % (17/20)
    failed
    ");
    insta::assert_snapshot!(check((17, 20), 1), @"
    passed evidence: Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). No base was asked for.
    passed tests.count: 7 tests ran; 7 ran on d4e1f2a9c1e7 (merge-base).
    failed coverage.floor: 80.0 % (16/20 production lines) < 90 %: 2 lines short. Most uncovered: identity (2 lines).
        -> Test the uncovered lines; the coverage report in the run directory shows them in the source.
        | crates/core/src/lib.rs:9-10
        | crates/identity/src/main.rs:1, 10
    failed coverage.crates: 1 of 2 crates below their floor: core 80.0 % (8/10), floor 90 %, 1 covered line short.
        -> Test the crates that are named; `cargo xtask coverage --run latest` shows their lines.
        | core 80.0 % (8/10), floor 90 %, 1 covered line short
        | identity 80.0 % (8/10), before 85.0 % (17/20)
    failed
    ");
}

#[test]
fn every_crate_has_a_floor_of_its_own() {
    let check = |floors: &[(&str, u32)], base: Option<CoverageBase>, lost: usize| {
        changed(|evidence, plan| {
            let policy = plan.policy.coverage.as_mut().unwrap();
            policy.floor_percent = 0;
            policy.floors = floors.iter().map(|(name, percent)| ((*name).to_owned(), *percent)).collect();
            evidence.base = base;
            lose(evidence, lost);
        })
    };
    insta::assert_snapshot!(check(&[("core", 80), ("identity", 90)], None, 0), @"
    passed coverage.floor: 85.0 % (17/20 production lines), floor 0 %.
    passed coverage.crates: 2 crates: each keeps its floor.
        | core 80.0 % (8/10), floor 80 % of the policy, 0 covered lines to spare
        | identity 90.0 % (9/10), floor 90 % of the policy, 0 covered lines to spare
    passed
    ");
    insta::assert_snapshot!(check(&[("core", 81), ("identity", 90)], None, 0), @"
    passed coverage.floor: 85.0 % (17/20 production lines), floor 0 %.
    failed coverage.crates: 1 of 2 crates below their floor: core 80.0 % (8/10), floor 81 % of the policy, 1 covered line short.
        -> Test the crates that are named; `cargo xtask coverage --run latest` shows their lines.
        | core 80.0 % (8/10), floor 81 % of the policy, 1 covered line short
        | identity 90.0 % (9/10), floor 90 % of the policy, 0 covered lines to spare
    failed
    ");
    insta::assert_snapshot!(check(&[("core", 81)], Some(base()), 0), @"
    passed evidence: Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). No base was asked for.
    passed tests.count: 7 tests ran; 7 ran on d4e1f2a9c1e7 (merge-base).
    passed coverage.floor: 85.0 % (17/20 production lines), floor 0 %.
    warned coverage.crates: 1 of 2 crates below their floor, as before the change: core 80.0 % (8/10), floor 81 % of the policy, 1 covered line short.
        | core 80.0 % (8/10), floor 81 % of the policy, 1 covered line short
        | identity 90.0 % (9/10), floor 0 %, 9 covered lines to spare
    warned
    ");
}

#[test]
fn a_crate_without_a_floor_keeps_what_it_had_and_a_new_one_has_that_of_the_workspace() {
    let check = |packages: &[(&str, u64, u64)], lost: usize| {
        let text = changed(|evidence, plan| {
            let packages = packages.iter().map(|&(name, covered, total)| (name.into(), LineTotals { covered, total }));
            evidence.base = Some(CoverageBase { packages: packages.collect(), ..base() });
            plan.policy.coverage.as_mut().unwrap().floor_percent = 80;
            lose(evidence, lost);
        });
        let lines: Vec<&str> = text.lines().skip_while(|line| !line.contains("coverage.crates")).collect();
        lines.join("\n")
    };
    insta::assert_snapshot!(check(&[("core", 7, 10), ("identity", 9, 10)], 0), @"
    passed coverage.crates: 2 crates: each keeps its floor.
        | core 80.0 % (8/10), before 70.0 % (7/10)
        | identity 90.0 % (9/10), floor 80 %, 1 covered line to spare
    passed
    ");
    insta::assert_snapshot!(check(&[("core", 8, 10), ("identity", 15, 20)], 4), @"
    passed coverage.crates: 2 crates: each keeps its floor.
        | core 80.0 % (8/10), floor 80 %, 0 covered lines to spare
        | identity 50.0 % (5/10), before 75.0 % (15/20)
    failed
    ");
    insta::assert_snapshot!(check(&[("core", 8, 10), ("identity", 15, 20)], 5), @"
    failed coverage.crates: 1 of 2 crates below their floor: identity 40.0 % (4/10), before 75.0 % (15/20).
        -> Test the crates that are named; `cargo xtask coverage --run latest` shows their lines.
        | identity 40.0 % (4/10), before 75.0 % (15/20)
        | core 80.0 % (8/10), floor 80 %, 0 covered lines to spare
    failed
    ");
    insta::assert_snapshot!(check(&[("core", 8, 10)], 3), @"
    failed coverage.crates: 1 of 2 crates below their floor: identity 60.0 % (6/10), floor 80 %, 2 covered lines short.
        -> Test the crates that are named; `cargo xtask coverage --run latest` shows their lines.
        | identity 60.0 % (6/10), floor 80 %, 2 covered lines short
        | core 80.0 % (8/10), floor 80 %, 0 covered lines to spare
    failed
    ");
}

#[test]
fn tests_that_do_not_run_any_more_are_counted_against_the_base() {
    let check_tier = |tier: &str, executed: u64, deleted: usize| {
        let text = changed(|evidence, plan| {
            let mut base = base();
            base.tests.insert(sample::tier(tier), TestCount { executed });
            // What the diff seems to take away and ran all the same was not taken away.
            let ran = evidence.tiers[0].results[0].id.clone();
            base.removed =
                ["old", "older"].map(|name| TestId::new("core", name)).into_iter().take(deleted).chain([ran]).collect();
            compared(evidence, plan, Some(base));
        });
        text.lines().find(|line| line.contains("tests.count")).unwrap().to_owned()
    };
    let check = |executed, deleted| check_tier("unit", executed, deleted);
    insta::assert_snapshot!(check_tier("nightly", 9, 0), @"failed tests.count: 7 tests ran; 16 ran on d4e1f2a9c1e7 (merge-base).");
    insta::assert_snapshot!(check(3, 0), @"passed tests.count: 7 tests ran; 7 ran on d4e1f2a9c1e7 (merge-base).");
    insta::assert_snapshot!(check(4, 0), @"warned tests.count: 7 tests ran; 8 ran on d4e1f2a9c1e7 (merge-base).");
    insta::assert_snapshot!(check(4, 1), @"passed tests.count: 7 tests ran; 8 ran on d4e1f2a9c1e7 (merge-base), of which the change takes 1 away.");
    insta::assert_snapshot!(check(5, 2), @"failed tests.count: 7 tests ran; 9 ran on d4e1f2a9c1e7 (merge-base), of which the change takes 2 away.");
    insta::assert_snapshot!(check(1, 0), @"passed tests.count: 7 tests ran; 5 ran on d4e1f2a9c1e7 (merge-base).");
    let partial = |evidence: &mut Evidence, plan: &mut Plan| {
        compared(evidence, plan, Some(base()));
        plan.only = Some("test(x)".into());
    };
    let text = changed(partial);
    insta::assert_snapshot!(text.lines().find(|line| line.contains("tests.count")).unwrap(), @"unproven tests.count: Only part of the tests ran, so they were not counted.");
}
