//! Tests whose times were compared with those on the base.

use super::{changed, quarantine};
use crate::judge::sample;
use tollgate_model::{
    ChangeEvidence, ComparedTest, Ending, Evidence, Incomparable, Plan, RegressionPolicy, TestId, TimeComparison,
    TimePair, Unconfirmed,
};

/// Pairs around 1 s of a test that became so many per mille slower, up to so many more or less.
pub(super) fn around(n: u64, slower: u64, spread: u64) -> Vec<TimePair> {
    let head = |n: u64| 100_000 + slower * 100 + n * 8 % 21 * spread * 10 - spread * 100;
    (0..n).map(|n| TimePair { base_ms: 100_000, head_ms: head(n) }).collect()
}

/// A change of which these tests were compared, for 60 pairs at most.
pub(super) fn compared(evidence: &mut Evidence, plan: &mut Plan, tests: &[(&str, Vec<TimePair>)]) {
    plan.base = Some("main".into());
    plan.policy.regression =
        Some(RegressionPolicy { tier: sample::tier("bench"), limit_percent: 3, pairs: 60, budget_ms: 300_000 });
    let commit = "d4e1f2a9c1e77d0b1a2c".to_owned();
    evidence.change = Some(ChangeEvidence { commit, ..ChangeEvidence::default() });
    let test = |(name, pairs): &(&str, Vec<TimePair>)| ComparedTest {
        id: TestId::new("core::bench", *name),
        pairs: pairs.clone(),
        incomparable: None,
    };
    let tests = tests.iter().map(test).collect();
    evidence.comparison = Some(TimeComparison { wall_ms: 90_000, tests, cut_short: None });
}

/// The same, with one test that can't be compared for this reason.
pub(super) fn incomparable(evidence: &mut Evidence, plan: &mut Plan, why: Incomparable) {
    compared(evidence, plan, &[("parse_big", Vec::new())]);
    evidence.comparison.as_mut().unwrap().tests[0].incomparable = Some(why);
}

/// The same, cut short for this reason after so many pairs.
pub(super) fn cut_short(evidence: &mut Evidence, plan: &mut Plan, pairs: u64, why: Unconfirmed) {
    compared(evidence, plan, &[("parse_big", around(pairs, 0, 1))]);
    evidence.comparison.as_mut().unwrap().cut_short = Some(why);
}

/// What the gate says.
fn check(change: impl FnOnce(&mut Evidence, &mut Plan)) -> String {
    let said = changed(|evidence, plan| {
        plan.policy.coverage = None;
        change(evidence, plan);
    });
    let of_gate = said.lines().skip_while(|line| !line.contains("perf.regression"));
    let end = |line: &&str| line.starts_with("    ") || line.contains("perf.regression");
    of_gate.take_while(end).collect::<Vec<_>>().join("\n")
}

/// The outcome and nothing else.
fn outcome(change: impl FnOnce(&mut Evidence, &mut Plan)) -> String {
    check(change).split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn every_test_is_told_and_the_worst_ones_first() {
    let said = check(|evidence, plan| {
        let tests = [
            ("copies", around(15, 60, 5)),
            ("finds", around(15, 0, 5)),
            ("parse_big", around(15, 110, 5)),
            ("sorts", around(60, 25, 40)),
            ("writes", Vec::new()),
        ];
        compared(evidence, plan, &tests);
        evidence.comparison.as_mut().unwrap().tests[4].incomparable = Some(Incomparable::Added);
    });
    insta::assert_snapshot!(said, @"
    failed perf.regression: core::bench parse_big +10.9 % [+10.5, +11.6] over 15 pairs; core::bench copies +5.9 % [+5.5, +6.6] over 15 pairs; limit +3 %. Not compared, since d4e1f2a9c1e7 does not have them: core::bench writes.
        -> cargo xtask test bench 'parse_big', here and on a checkout of d4e1f2a9c1e7
        | core::bench copies: +5.9 % [+5.5, +6.6] over 15 pairs: failed
        | core::bench finds: +0.0 % [−0.6, +0.6] over 15 pairs: passed
        | core::bench parse_big: +10.9 % [+10.5, +11.6] over 15 pairs: failed
        | core::bench sorts: +2.5 % [+0.4, +4.6] over 60 pairs: unproven
        | core::bench writes: new, not compared
    ");
}

#[test]
fn a_test_that_can_not_be_compared_is_not_passed_by_those_that_can() {
    let with = |why: Incomparable| {
        outcome(|evidence, plan| {
            compared(evidence, plan, &[("finds", around(15, 0, 5)), ("parse_big", around(3, 0, 5))]);
            evidence.comparison.as_mut().unwrap().tests[1].incomparable = Some(why);
        })
    };
    let message = || "left != right".to_owned();
    assert_eq!(with(Incomparable::Added), "passed");
    assert_eq!(with(Incomparable::FailsOnBase { message: message() }), "unproven");
    assert_eq!(with(Incomparable::FailsHere { message: message() }), "invalid");
    let excused = |excuse: fn(&mut Plan)| {
        outcome(|evidence, plan| {
            incomparable(evidence, plan, Incomparable::FailsHere { message: message() });
            excuse(plan);
        })
    };
    assert_eq!(excused(|_| ()), "invalid");
    assert_eq!(excused(|plan| quarantine(plan, TestId::new("core::bench", "finds"))), "invalid");
    assert_eq!(excused(|plan| quarantine(plan, TestId::new("core::bench", "parse_big"))), "unproven");
    assert_eq!(excused(|plan| _ = plan.policy.bands.insert(sample::tier("unit"))), "invalid");
    assert_eq!(excused(|plan| _ = plan.policy.bands.insert(sample::tier("bench"))), "unproven");
    assert_eq!(outcome(|evidence, plan| incomparable(evidence, plan, Incomparable::Added)), "unproven");
    assert_eq!(outcome(|evidence, plan| compared(evidence, plan, &[])), "unproven");
}

#[test]
fn a_test_that_is_slower_is_named_beside_one_that_can_not_be_judged() {
    let said = check(|evidence, plan| {
        let tests = [("copies", around(15, 60, 5)), ("finds", around(15, 0, 5)), ("parse_big", Vec::new())];
        compared(evidence, plan, &tests);
        let why = Incomparable::FailsHere { message: "left != right".to_owned() };
        evidence.comparison.as_mut().unwrap().tests[2].incomparable = Some(why);
    });
    insta::assert_snapshot!(said, @"
    invalid perf.regression: core::bench parse_big can't be compared: it failed when it was executed again: left != right. Slower than the limit of +3 %: core::bench copies +5.9 % [+5.6, +6.5] over 15 pairs.
        -> cargo xtask test bench 'parse_big'
        | core::bench copies: +5.9 % [+5.6, +6.5] over 15 pairs: failed
        | core::bench finds: +0.0 % [−0.5, +0.5] over 15 pairs: passed
        | core::bench parse_big: fails here: left != right
    ");
}

#[test]
fn what_was_cut_short_says_why_and_what_it_has_counts() {
    let short = |pairs, why: fn(String) -> Unconfirmed| {
        outcome(|evidence, plan| cut_short(evidence, plan, pairs, why("the machine is on fire".to_owned())))
    };
    let left_out: fn(String) -> Unconfirmed = |why| Unconfirmed::LeftOut { why };
    let broken: fn(String) -> Unconfirmed = |why| Unconfirmed::Broken { why };
    assert_eq!([short(0, left_out), short(9, left_out)], ["unproven", "unproven"]);
    assert_eq!([short(0, broken), short(9, broken)], ["invalid", "invalid"]);
    assert_eq!([short(15, left_out), short(15, broken)], ["passed", "passed"], "it was decided before");
    assert_eq!(outcome(|evidence, plan| compared(evidence, plan, &[("parse_big", around(9, 0, 1))])), "invalid");
    let undecided = |why: Option<fn(String) -> Unconfirmed>| {
        outcome(|evidence, plan| {
            compared(evidence, plan, &[("parse_big", around(40, 20, 30))]);
            evidence.comparison.as_mut().unwrap().cut_short = why.map(|why| why("the machine is on fire".to_owned()));
        })
    };
    assert_eq!([None, Some(left_out), Some(broken)].map(undecided), ["unproven", "unproven", "invalid"]);
    let said = check(|evidence, plan| cut_short(evidence, plan, 0, left_out("the machine is on fire".to_owned())));
    assert!(said.contains("core::bench parse_big was not compared: the machine is on fire"), "{said}");
}

#[test]
fn nothing_passes_since_nothing_was_measured_and_nothing_is_said_where_nothing_is_asked() {
    let without = |change: fn(&mut Evidence, &mut Plan)| {
        check(|evidence, plan| {
            compared(evidence, plan, &[("finds", around(15, 0, 5))]);
            evidence.comparison = None;
            change(evidence, plan);
        })
    };
    let absent = "invalid perf.regression: No time was compared with the base's: there is no evidence of it.";
    assert_eq!(without(|_, _| ()), absent);
    let ended = without(|evidence, _| evidence.ending = Ending::Interrupted { signal: "SIGINT".into() });
    assert!(ended.ends_with("SIGINT interrupted the run."), "{ended}");
    assert_eq!(without(|_, plan| plan.policy.regression = None), "");
}

#[test]
fn another_limit_judges_the_same_pairs_otherwise() {
    let at = |limit_percent| {
        outcome(|evidence, plan| {
            compared(evidence, plan, &[("parse_big", around(60, 50, 10))]);
            plan.policy.regression.as_mut().unwrap().limit_percent = limit_percent;
        })
    };
    assert_eq!([3, 5, 7].map(at), ["failed", "unproven", "passed"]);
}

#[test]
fn more_tests_than_are_shown_are_counted() {
    let said = check(|evidence, plan| {
        let tests = ["a", "b", "c", "d", "e"].map(|name| (name, around(15, 60, 5)));
        compared(evidence, plan, &tests);
    });
    assert!(said.contains("core::bench c +5.9 % [+5.5, +6.6] over 15 pairs; 2 more; limit +3 %"), "{said}");
}

#[test]
fn pairs_of_a_test_that_fails_in_the_end_count_for_nothing() {
    let said = check(|evidence, plan| {
        compared(evidence, plan, &[("parse_big", around(60, 25, 40))]);
        let why = Incomparable::FailsOnBase { message: "left != right".to_owned() };
        evidence.comparison.as_mut().unwrap().tests[0].incomparable = Some(why);
    });
    insta::assert_snapshot!(said, @"
    unproven perf.regression: core::bench parse_big can't be compared: it fails on d4e1f2a9c1e7: left != right.
        | core::bench parse_big: fails on the base: left != right
    ");
}

#[test]
fn nothing_is_to_be_done_where_no_number_of_pairs_would_tell() {
    let said = check(|evidence, plan| compared(evidence, plan, &[("parse_big", around(21, 30, 40))]));
    assert!(said.contains("It is so near to the limit that no number of pairs would tell."), "{said}");
    assert!(!said.contains("->"), "{said}");
}

#[test]
fn where_the_time_was_up_more_pairs_are_only_asked_for_where_there_may_not_be_so_many() {
    let said = |pairs: u32| {
        check(|evidence, plan| {
            compared(evidence, plan, &[("parse_big", around(40, 20, 30))]);
            plan.policy.regression.as_mut().unwrap().pairs = pairs;
        })
    };
    let most = said(1_000);
    let needed = most.split("Needs about ").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|n| n.parse().ok());
    let needed: u32 = needed.unwrap_or_else(|| panic!("{most}"));
    assert!((81..1_000).contains(&needed), "the looks are as many as before: {most}");
    assert!(said(needed).contains("-> Raise `budget` of"), "{}", said(needed));
    assert!(said(needed - 1).contains("-> Raise `pairs` and `budget` of"), "{}", said(needed - 1));
}
