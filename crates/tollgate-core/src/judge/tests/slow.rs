//! Single tests that take long, or longer than they used to.

use super::changed;
use crate::judge::{is_newly_slow, sample};
use tollgate_model::{Evidence, GrownTest, Growth, TierStatus};

/// A run in which `core a::adds` took so long, and so long in recorded runs.
pub(super) fn grown(evidence: &mut Evidence, now_ms: u64, median_ms: u64) {
    let test = &mut evidence.tiers[0].results[0];
    test.attempts[0].duration_ms = now_ms;
    let grown = GrownTest { id: test.id.clone(), tier: sample::tier("unit"), now_ms, median_ms, runs: 20 };
    evidence.growth = Some(Growth { compared: 7, tests: vec![grown] });
}

fn said(change: impl FnOnce(&mut Evidence, &mut tollgate_model::Plan)) -> String {
    let said = changed(change);
    let lines = said.lines().skip_while(|line| !line.contains("time.tests:"));
    let own = lines.take(1).map(str::to_owned).collect::<Vec<_>>();
    own.join("\n")
}

#[test]
fn a_quarter_and_five_seconds_more_are_newly_slow() {
    for (now, median, slow) in [
        (8_100, 3_100, false),
        (8_101, 3_100, true),
        (25_000, 20_000, false),
        (25_001, 20_000, true),
        (37_500, 30_000, false),
        (37_501, 30_000, true),
        (0, 0, false),
        (u64::MAX, u64::MAX, false),
    ] {
        assert_eq!(is_newly_slow(now, median), slow, "{now} and {median}");
    }
}

#[test]
fn a_newly_slow_test_is_warned_of_with_what_it_took_before() {
    assert_eq!(
        said(|evidence, _| grown(evidence, 12_000, 3_100)),
        "warned time.tests: 1 test is newly slow: core a::adds (12.0 s, median of 20 runs 3.1 s). Not blocking."
    );
    let calm = said(|evidence, _| grown(evidence, 8_100, 3_100));
    assert_eq!(calm, "passed time.tests: None of 7 tests with recorded runs is newly slow.");
    let broken = said(|evidence, _| {
        grown(evidence, 12_000, 3_100);
        evidence.tiers[1].status = TierStatus::Broken { reason: "gone".into() };
    });
    assert!(broken.starts_with("invalid time.tests: Not all tests ran"), "{broken}");
}

#[test]
fn time_that_others_took_makes_no_test_slow() {
    let slow = |foreign| {
        said(|evidence, _| {
            sample::contend(&mut evidence.tiers[0], 40_000);
            let machine = evidence.tiers[0].machine.as_mut().unwrap();
            machine.foreign_permille = foreign;
            grown(evidence, 14_000, 8_000);
        })
    };
    assert!(slow(0).starts_with("warned"), "{}", slow(0));
    assert!(slow(800).starts_with("passed"), "{}", slow(800));
}

#[test]
fn a_test_over_its_tiers_test_budget_is_named_and_blocks_nothing() {
    let budget = |ms| said(move |_, plan| plan.tiers[0].test_budget_ms = Some(ms));
    assert_eq!(
        budget(6),
        "warned time.tests: 2 tests took longer than a test of its tier should: core b::refuses (9 ms > 6 ms), \
         core a::parses (7 ms > 6 ms). Not blocking."
    );
    assert_eq!(budget(9), "passed time.tests: No test takes longer than one of its tier should.");
    let failed = said(|evidence, plan| {
        plan.tiers[0].test_budget_ms = Some(7);
        evidence.tiers[0].results[2].attempts = vec![sample::failed(9, "left != right", "")];
    });
    assert!(failed.starts_with("passed"), "a test that failed is told by other gates: {failed}");
    let none = said(|evidence, plan| {
        plan.tiers[0].test_budget_ms = Some(6);
        for tier in &mut evidence.tiers {
            tier.planned.clear();
            tier.results.clear();
        }
    });
    assert_eq!(none, "unproven time.tests: No test ran, so none could show how long it takes.");
    assert_eq!(said(|_, _| ()), "", "nobody asked, and nothing is recorded");
}

#[test]
fn what_bounds_a_tier_is_in_the_evidence() {
    let said = changed(|evidence, _| grown(evidence, 12_000, 3_100));
    assert!(said.contains("| grown: core a::adds (12.0 s, median of 20 runs 3.1 s)"), "{said}");
    assert!(
        said.contains("| critical path: harness::e2e scenario_a alone takes 4.2 s of the 4.3 s of tier e2e"),
        "{said}"
    );
    assert!(said.contains("| 1 of 4 tests of tier unit cost 80 % of the time"), "{said}");
}
