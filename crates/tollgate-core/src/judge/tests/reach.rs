//! Packages that a change can't reach: what ran is judged, and nothing is said of the rest.

use super::changed;
use crate::judge::{judge, sample};
use tollgate_model::{ChangeEvidence, Evidence, Outcome, Plan};

/// What is left of a tier's evidence without its tests.
fn empty(evidence: &mut Evidence, tier: usize) {
    evidence.tiers[tier].planned.clear();
    evidence.tiers[tier].results.clear();
}

fn with_change(evidence: &mut Evidence, plan: &mut Plan) {
    plan.base = Some("main".into());
    plan.policy.coverage.as_mut().unwrap().floors.insert("core".into(), 70);
    let added = [("crates/identity/src/main.rs".to_owned(), vec![(1, 10)])];
    let commit = "4f2a9c1e77d0b1".into();
    evidence.change = Some(ChangeEvidence { commit, added: added.into(), ..ChangeEvidence::default() });
}

#[test]
fn what_was_left_out_is_unproven_and_the_lines_of_the_change_are_judged() {
    let text = changed(|evidence, plan| {
        with_change(evidence, plan);
        plan.reach = Some(sample::reach(&["core"]));
        // Integration tests are all of packages that are left out: no profile, no service.
        empty(evidence, 1);
        evidence.coverage.as_mut().unwrap().proof.profiles.remove("integration");
    });
    insta::assert_snapshot!(text, @r#"
    warned evidence: No run of stage dev at 4f2a9c1e77d0 or at one of the commits before it is recorded. Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services).
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    unproven run.reach: 1 of 3 packages left out, since the change can't reach them; nothing is known of their tests: core. Of core: it does not depend on what differs.
        -> Run a stage without `reach = "changed"`, or without `--base`, for the verdict of all packages.
        | core: it does not depend on what differs
    unproven tests.integration: The change reaches no test of tier integration, so none ran.
    passed tests.reported: 5 planned tests reported, each once.
    passed flake.run: None of 5 tests failed and then passed.
    unproven coverage.floor: Only what the change can reach was tested, so lines beyond the change were not judged.
    unproven coverage.crates: Only what the change can reach was tested, so lines beyond the change were not judged.
    unproven coverage.lost: Only what the change can reach was tested, so lines beyond the change were not judged.
    passed coverage.patch: 90.0 % (9/10 changed lines) since 4f2a9c1e77d0, where it parted from main, limit 80 %.
    passed coverage.proof: 1 service and 6 test profiles counted.
    unproven time.unit: The part of the tests that ran took 121 ms; all of them have 30 s.
    unproven time.integration: The part of the tests that ran took 2.1 s; all of them have 120 s.
    unproven time.e2e: The part of the tests that ran took 4.3 s; all of them have 120 s.
    unproven time.performance: The part of the tests that ran took 20.1 s; all of them have 120 s.
    unproven time.suite: The part of the tests that ran took 26.7 s; all of them have 300 s.
    unproven
    "#);
}

#[test]
fn a_change_that_reaches_no_test_proves_nothing() {
    let text = changed(|evidence, plan| {
        with_change(evidence, plan);
        let reach = plan.reach.insert(sample::reach(&["core", "identity"]));
        reach.served.clear();
        (0..4).for_each(|tier| empty(evidence, tier));
        (evidence.coverage, evidence.environment) = (None, None);
        evidence.load.clear();
    });
    insta::assert_snapshot!(text, @r#"
    warned evidence: No run of stage dev at 4f2a9c1e77d0 or at one of the commits before it is recorded. Tests of 4f2a9c1e77d0. No environment was needed.
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    unproven run.reach: 2 of 3 packages left out, since the change can't reach them; nothing is known of their tests: core, identity. Of core: it does not depend on what differs.
        -> Run a stage without `reach = "changed"`, or without `--base`, for the verdict of all packages.
        | core: it does not depend on what differs
        | identity: it does not depend on what differs
    unproven tests.unit: The change reaches no test of tier unit, so none ran.
    unproven tests.integration: The change reaches no test of tier integration, so none ran.
    unproven tests.e2e: The change reaches no test of tier e2e, so none ran.
    unproven tests.performance: The change reaches no test of tier performance, so none ran.
    unproven tests.reported: The change reaches no test.
    unproven flake.run: The change reaches no test.
    unproven coverage.floor: The change reaches no test that counts for coverage.
    unproven coverage.crates: The change reaches no test that counts for coverage.
    unproven coverage.patch: The change reaches no test that counts for coverage.
    unproven coverage.lost: The change reaches no test that counts for coverage.
    unproven time.unit: The part of the tests that ran took 121 ms; all of them have 30 s.
    unproven time.integration: The part of the tests that ran took 2.1 s; all of them have 120 s.
    unproven time.e2e: The part of the tests that ran took 4.3 s; all of them have 120 s.
    unproven time.performance: The part of the tests that ran took 20.1 s; all of them have 120 s.
    unproven time.suite: The part of the tests that ran took 26.7 s; all of them have 300 s.
    unproven perf.performance: None of the tests that were asked for is of tier performance.
    gone coverage.denominator
    gone coverage.proof
    gone perf.p95.chat
    gone perf.error.chat
    gone perf.completion.chat
    gone environment.services
    gone environment.teardown
    unproven
    "#);
}

/// Being reached excuses nothing: a tier that is served, and a plan in which every package is reached.
#[test]
fn a_tier_without_tests_is_excused_only_where_the_change_may_reach_none_of_it() {
    let outcome = |tier: usize, left_out: &[&str]| {
        let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
        plan.reach = Some(sample::reach(left_out));
        empty(&mut evidence, tier);
        let coverage = evidence.coverage.as_mut().unwrap();
        coverage.proof.profiles.remove(&evidence.tiers[tier].name);
        judge(&evidence, &plan).outcome
    };
    let (integration, e2e) = (1, 2);
    assert_eq!(outcome(integration, &["core"]), Outcome::Unproven);
    assert_eq!(outcome(integration, &[]), Outcome::Invalid);
    assert_eq!(outcome(e2e, &["core"]), Outcome::Invalid, "it runs what the change reaches");
}

#[test]
fn a_failure_and_a_missing_result_weigh_as_ever() {
    let outcome = |change: fn(&mut Evidence)| {
        let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
        plan.reach = Some(sample::reach(&["core"]));
        change(&mut evidence);
        judge(&evidence, &plan).outcome
    };
    assert_eq!(outcome(|_| ()), Outcome::Unproven);
    assert_eq!(outcome(sample::make_red), Outcome::Failed);
    assert_eq!(outcome(|evidence| drop(evidence.tiers[0].results.remove(0))), Outcome::Invalid);
    assert_eq!(outcome(|evidence| evidence.coverage = None), Outcome::Invalid);
}
