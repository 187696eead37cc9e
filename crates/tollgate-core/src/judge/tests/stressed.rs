//! Tests that a change adds or alters, and that were executed again and again.

use super::{changed, quarantine};
use crate::judge::sample;
use tollgate_model::{
    ChangeEvidence, CoverageBase, Ending, Evidence, Executions, Masks, Novelty, Plan, Repeats, StressEvidence,
    StressPolicy, StressedTest, TestId,
};

/// A change adds or alters a test, which was executed so often and failed so often: alone, and beside burners.
pub(super) fn stressed(evidence: &mut Evidence, plan: &mut Plan, novelty: Novelty, wanted: u64, ran: [(u64, u64); 2]) {
    plan.base = Some("main".into());
    plan.policy.new_tests = Some(StressPolicy { budget_ms: 60_000 });
    let commit = "d4e1f2a9c1e77d0b1a2c".to_owned();
    evidence.base = Some(CoverageBase { commit: commit.clone(), ..CoverageBase::default() });
    evidence.change = Some(ChangeEvidence { commit, ..ChangeEvidence::default() });
    evidence.stress = Some(StressEvidence { burners: 4, ..StressEvidence::default() });
    add(evidence, "tests::retry_backs_off", novelty, wanted, ran);
}

fn add(evidence: &mut Evidence, name: &str, novelty: Novelty, wanted: u64, ran: [(u64, u64); 2]) {
    let [alone, beside] = ran.map(|(all, failed)| Executions { failed, all });
    let failed = alone.failed + beside.failed > 0;
    let test = StressedTest {
        id: TestId::new("pay", name),
        tier: sample::tier("unit"),
        novelty,
        place: Some("crates/pay/src/lib.rs:41".into()),
        wanted,
        repeats: Repeats { plain: alone, stressed: beside },
        message: failed.then(|| "no reply within 25ms".to_owned()),
    };
    evidence.stress.as_mut().unwrap().tests.push(test);
}

/// What `flake.new` says, without the gates of coverage that come with a base.
fn check(change: impl FnOnce(&mut Evidence, &mut Plan)) -> String {
    changed(|evidence, plan| {
        plan.policy.coverage = None;
        change(evidence, plan);
    })
    .lines()
    .filter(|line| !line.starts_with("gone coverage"))
    .collect::<Vec<_>>()
    .join("\n")
}

#[test]
fn a_test_of_the_change_that_fails_once_fails_the_gate_and_is_told_with_its_numbers() {
    insta::assert_snapshot!(check(|evidence, plan| {
        stressed(evidence, plan, Novelty::Added, 50, [(25, 0), (25, 3)]);
        add(evidence, "tests::waits", Novelty::Changed, 10, [(5, 1), (5, 0)]);
        add(evidence, "tests::both", Novelty::Changed, 10, [(5, 1), (5, 2)]);
        add(evidence, "tests::once", Novelty::Added, 10, [(5, 5), (5, 5)]);
        add(evidence, "tests::short", Novelty::Added, 10, [(1, 0), (0, 0)]);
    }), @"
    passed evidence: Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). Base d4e1f2a9c1e7 (merge-base).
    failed flake.new: pay tests::retry_backs_off (added here) failed 3 of 50 (stressed 3/25, plain 0/25): timing-dependent; pay tests::waits (changed here) failed 1 of 10 (stressed 0/5, plain 1/5): flaky, also on a machine that is not busy; pay tests::both (changed here) failed 3 of 10 (stressed 2/5, plain 1/5): flaky; 1 more failed.
        -> cargo xtask flaky stress 'pay tests::retry_backs_off' --tier unit --burners 4
        | pay tests::retry_backs_off (added at crates/pay/src/lib.rs:41): plain 0/25, stressed 3/25 of 50 executions wanted: no reply within 25ms
        | pay tests::waits (changed at crates/pay/src/lib.rs:41): plain 1/5, stressed 0/5 of 10 executions wanted: no reply within 25ms
        | pay tests::both (changed at crates/pay/src/lib.rs:41): plain 1/5, stressed 2/5 of 10 executions wanted: no reply within 25ms
        | pay tests::once (added at crates/pay/src/lib.rs:41): plain 5/5, stressed 5/5 of 10 executions wanted: no reply within 25ms
        | pay tests::short (added at crates/pay/src/lib.rs:41): plain 0/1, stressed 0/0 of 10 executions wanted
    failed
    ");
}

#[test]
fn what_the_time_did_not_suffice_for_is_unproven_with_the_count() {
    insta::assert_snapshot!(check(|evidence, plan| {
        stressed(evidence, plan, Novelty::Added, 50, [(25, 0), (24, 0)]);
        add(evidence, "tests::waits", Novelty::Changed, 10, [(0, 0), (0, 0)]);
        add(evidence, "tests::done", Novelty::Changed, 10, [(5, 0), (5, 0)]);
    }), @"
    passed evidence: Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). Base d4e1f2a9c1e7 (merge-base).
    unproven flake.new: 2 of 3 new or changed tests did not fit into 60 s, 11 executions short: pay tests::retry_backs_off, pay tests::waits. (+11)
        -> Raise `budget` of `[gates.flake.new]`, or make these tests faster.
        | pay tests::retry_backs_off (added at crates/pay/src/lib.rs:41): plain 0/25, stressed 0/24 of 50 executions wanted
        | pay tests::waits (changed at crates/pay/src/lib.rs:41): plain 0/0, stressed 0/0 of 10 executions wanted
        | pay tests::done (changed at crates/pay/src/lib.rs:41): plain 0/5, stressed 0/5 of 10 executions wanted
    unproven
    ");
}

#[test]
fn where_only_quarantined_tests_are_stressed_nothing_is_proven() {
    let said = check(|evidence, plan| {
        stressed(evidence, plan, Novelty::Changed, 10, [(5, 0), (5, 3)]);
        quarantine(plan, TestId::new("pay", "tests::retry_backs_off"));
    });
    let expected = "unproven flake.new: Only quarantined tests were added or changed since d4e1f2a9c1e7; 1 failed.\n";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_quarantined_test_is_stressed_and_shown_and_fails_nothing() {
    insta::assert_snapshot!(check(|evidence, plan| {
        stressed(evidence, plan, Novelty::Changed, 10, [(5, 0), (5, 3)]);
        add(evidence, "tests::done", Novelty::Changed, 10, [(5, 0), (5, 0)]);
        quarantine(plan, TestId::new("pay", "tests::retry_backs_off"));
    }), @"
    passed evidence: Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). Base d4e1f2a9c1e7 (merge-base).
    passed flake.new: 1 test added or changed since d4e1f2a9c1e7 passed 10 executions, half of them beside 4 burners: none fails more than 25.9 % of the time, 95 % sure; 1 quarantined one failed.
        | quarantined: pay tests::retry_backs_off (changed at crates/pay/src/lib.rs:41): plain 0/5, stressed 3/5 of 10 executions wanted: no reply within 25ms
        | pay tests::done (changed at crates/pay/src/lib.rs:41): plain 0/5, stressed 0/5 of 10 executions wanted
    warned quarantine: 1 test quarantined; there is no such test: pay tests::retry_backs_off.
        -> Mend the test and take its entry out of ci/quarantine.toml; a longer one needs a review.
        | pay tests::retry_backs_off (ann, #7) until 2026-11-30: waits for a clock
    warned
    ");
}

#[test]
fn a_secret_in_the_message_of_a_stressed_test_is_not_shown() {
    insta::assert_snapshot!(check(|evidence, plan| {
        stressed(evidence, plan, Novelty::Changed, 10, [(5, 0), (5, 3)]);
        evidence.stress.as_mut().unwrap().tests[0].message = Some("sesame12 does not open".into());
        Masks::of([("A_TOKEN".to_owned(), "sesame12".to_owned())]).clean_evidence(evidence);
    }), @"
    passed evidence: Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). Base d4e1f2a9c1e7 (merge-base).
    failed flake.new: pay tests::retry_backs_off (changed here) failed 3 of 10 (stressed 3/5, plain 0/5): timing-dependent.
        -> cargo xtask flaky stress 'pay tests::retry_backs_off' --tier unit --burners 4
        | pay tests::retry_backs_off (changed at crates/pay/src/lib.rs:41): plain 0/5, stressed 3/5 of 10 executions wanted: *** does not open
    failed
    ");
}

#[test]
fn nothing_is_passed_where_nothing_was_stressed() {
    let outcome = |change: fn(&mut Evidence)| {
        let said = check(|evidence, plan| {
            stressed(evidence, plan, Novelty::Added, 10, [(5, 0), (5, 0)]);
            change(evidence);
        });
        said.lines().find(|line| line.contains("flake.new")).map(str::to_owned).unwrap_or_default()
    };
    assert!(outcome(|_| ()).starts_with("passed flake.new"));
    assert_eq!(
        outcome(|evidence| {
            let stress = evidence.stress.as_mut().unwrap();
            stress.left_out = Some("the run was cut short".into());
            stress.tests[0].repeats.stressed.failed = 1;
        }),
        "failed flake.new: pay tests::retry_backs_off (added here) failed 1 of 10 (stressed 1/5, plain 0/5): \
         timing-dependent.",
        "a failure is one, whatever else was left out"
    );
    assert_eq!(
        outcome(|evidence| evidence.stress = None),
        "unproven flake.new: New and changed tests were not stressed: there is no evidence of it."
    );
    assert_eq!(
        outcome(|evidence| {
            evidence.stress = None;
            evidence.ending = Ending::Interrupted { signal: "SIGINT".into() };
        }),
        "unproven flake.new: New and changed tests were not stressed: SIGINT interrupted the run."
    );
    assert!(
        outcome(|evidence| evidence.stress.as_mut().unwrap().left_out = Some("shard 2/4 did not come to it".into()))
            .starts_with(
                "unproven flake.new: 1 new or changed test since d4e1f2a9c1e7 could not be stressed in full: shard 2/4"
            )
    );
}
