//! Test results, flakes and time.

use super::{changed, quarantine, result};
use crate::judge::judge;
use crate::judge::sample::{self, failed, passed, tier};
use jiff::civil::Date;
use tollgate_model::{Evidence, Outcome, Plan, TestId, TierEvidence, TierStatus};

#[test]
fn a_good_run_passes_every_gate() {
    let verdict = judge(&sample::evidence(), &sample::plan());
    let lines: Vec<String> =
        verdict.gates.iter().map(|gate| format!("{} {}: {}", gate.outcome, gate.gate, gate.message)).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    passed evidence: Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). No base was asked for.
    passed tests.unit: 3 tests passed; 1 ignored test not run.
    passed tests.integration: 2 tests passed.
    passed tests.e2e: 1 test passed.
    passed tests.performance: 1 test passed.
    passed tests.reported: 7 planned tests reported, each once.
    passed flake.run: None of 7 tests failed and then passed.
    passed coverage.floor: 85.0 % (17/20 production lines), floor 80 %.
    passed coverage.denominator: 2 of 3 members measured, 1 excluded.
    passed coverage.proof: 1 service and 9 test profiles counted.
    passed time.unit: Running the tests took 121 ms of 30 s.
    passed time.integration: Running the tests took 2.1 s of 120 s.
    passed time.e2e: Running the tests took 4.3 s of 120 s.
    passed time.performance: Running the tests took 20.1 s of 120 s.
    passed time.suite: Running the tests took 26.7 s of 300 s.
    passed perf.p95.chat: 0 of 1500 requests (0.0 %, at most 0.2 % at 95 %) took longer than 3 s or were not answered; limit 5 %.
    passed perf.error.chat: 0 of 1500 requests (0.0 %, at most 0.2 % at 95 %) failed or were not answered; limit 5 %.
    passed perf.completion.chat: 0 of 50 sessions (0.0 %, at most 5.9 % at 95 %) were not completed; limit 20 %.
    passed environment.services: 2 services (native engine), ready in 900 ms.
    passed environment.teardown: Nothing is left; it went in 300 ms.
    ");
    assert_eq!(verdict.outcome, Outcome::Passed);
}

#[test]
fn a_failed_test_fails_its_tier() {
    insta::assert_snapshot!(changed(|evidence, _| {
        evidence.tiers[0].results[1] = result("a::parses", vec![failed(5, "boom", ""), failed(5, "boom", "")]);
    }), @"
    failed tests.unit: 1 of 3 tests failed: core a::parses.
        -> cargo xtask test unit 'a::parses'
        | core a::parses
    failed
    ");
}

#[test]
fn bands_color_a_tier_and_hide_nothing() {
    let judged = |tests, failing, change: fn(&mut Evidence)| {
        let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
        plan.policy.bands.insert(tier("unit"));
        sample::fail(&mut evidence.tiers[0], tests, failing);
        change(&mut evidence);
        let verdict = judge(&evidence, &plan);
        let gate = verdict.gates.iter().find(|gate| gate.gate.as_str() == "tests.unit").expect("the gate");
        assert_eq!(gate.evidence.len() as u64, failing, "every failed test is evidence");
        format!("{} {}", gate.outcome, gate.message)
    };
    let check = |tests, failing| judged(tests, failing, |_| ());
    insta::assert_snapshot!([check(100, 9), check(100, 10), check(100, 20), check(100, 21), check(1, 0)].join("\n"), @"
    passed green: 91 of 100 tests passed = 91.0 % (green > 90 %, red < 80 %). Failed: core a::case_01, core a::case_02, core a::case_03 and 6 more.
    warned yellow: 90 of 100 tests passed = 90.0 % (green > 90 %, red < 80 %). Failed: core a::case_01, core a::case_02, core a::case_03 and 7 more.
    warned yellow: 80 of 100 tests passed = 80.0 % (green > 90 %, red < 80 %). Failed: core a::case_01, core a::case_02, core a::case_03 and 17 more.
    failed red: 79 of 100 tests passed = 79.0 % (green > 90 %, red < 80 %). Failed: core a::case_01, core a::case_02, core a::case_03 and 18 more.
    passed green: 1 of 1 test passed = 100.0 % (green > 90 %, red < 80 %, small sample).
    ");
    let missing = judged(100, 1, |evidence| drop(evidence.tiers[0].results.pop()));
    assert!(missing.starts_with("invalid 1 of 100 planned tests left no result"), "{missing}");
}

#[test]
fn where_every_test_is_muted_there_is_no_band() {
    let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
    plan.policy.bands.insert(tier("e2e"));
    let test = evidence.tiers[2].planned[0].clone();
    evidence.tiers[2].results[0].attempts = vec![failed(5, "boom", "")];
    quarantine(&mut plan, test);
    let verdict = judge(&evidence, &plan);
    let gate = verdict.gates.iter().find(|gate| gate.gate.as_str() == "tests.e2e").expect("the gate");
    assert_eq!(
        (gate.outcome, gate.message.as_str()),
        (Outcome::Invalid, "No test was executed that counts; 1 quarantined test failed: harness::e2e scenario_a.")
    );
}

#[test]
fn what_was_planned_and_not_reported_is_invalid_whatever_else_failed() {
    insta::assert_snapshot!(changed(|evidence, _| {
        evidence.tiers[0].results = vec![
            result("a::adds", vec![failed(5, "boom", "")]),
            result("a::parses", vec![]),
            result("a::adds", vec![passed(5)]),
            result("c::surprise", vec![passed(5)]),
        ];
        let stranger = TierEvidence { name: tier("nightly"), ..evidence.tiers[0].clone() };
        evidence.tiers.push(stranger);
    }), @"
    invalid tests.unit: 2 of 3 planned tests left no result; 1 of 4 tests failed: core a::adds.
        -> cargo xtask test unit 'a::adds'
        | core a::adds
    invalid tests.reported: The results are not those that were planned: 2 tests not reported: core a::parses, core b::refuses; 1 test reported more than once: core a::adds; 1 test reported but not planned: core c::surprise; tier nightly ran and was not planned.
        -> Look into run.log for how the test runner ended; a test process that was killed leaves no result.
        | not reported: core a::parses
        | not reported: core b::refuses
        | reported more than once: core a::adds
        | reported but not planned: core c::surprise
    invalid
    ");
}

#[test]
fn a_tier_without_tests_shows_nothing() {
    insta::assert_snapshot!(changed(|evidence, _| {
        evidence.tiers[2].planned.clear();
        evidence.tiers[2].results.clear();
    }), @"
    invalid tests.e2e: Tier e2e has no test, so it shows nothing.
        -> Check the filter of tier e2e, or take the tier out of the stage.
    passed tests.reported: 6 planned tests reported, each once.
    passed flake.run: None of 6 tests failed and then passed.
    invalid
    ");
}

#[test]
fn a_run_without_tests_or_tiers_is_invalid() {
    let check = |tiers: bool| {
        let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
        plan.policy.coverage = None;
        plan.policy.load.clear();
        plan.tiers.retain(|_| tiers);
        for tier in &mut evidence.tiers {
            tier.planned.clear();
            tier.results.clear();
        }
        judge(&evidence, &plan).outcome
    };
    assert_eq!((check(true), check(false)), (Outcome::Invalid, Outcome::Invalid));
}

#[test]
fn a_tier_that_broke_or_is_absent_makes_its_gates_invalid() {
    insta::assert_snapshot!(changed(|evidence, _| {
        evidence.tiers[1].status = TierStatus::Broken { reason: "nextest exited with code 96".into() };
        evidence.tiers[3].status = TierStatus::NotAsked;
    }), @"
    invalid tests.integration: Tier integration can't be judged: it broke: nextest exited with code 96.
    invalid tests.performance: Tier performance can't be judged: there is no evidence that it ran.
    invalid tests.reported: The results are not those that were planned: tiers did not run to their end: integration: it broke: nextest exited with code 96, performance: there is no evidence that it ran.
        -> Look into run.log for how the test runner ended; a test process that was killed leaves no result.
    invalid flake.run: Not all tests ran: integration: it broke: nextest exited with code 96, performance: there is no evidence that it ran.
    invalid coverage.floor: 85.0 % (17/20 production lines) can't be believed: see coverage.proof.
    invalid coverage.proof: Coverage is not complete: tier integration: it broke: nextest exited with code 96.
        -> Lines may have run without being counted; mend this before reading the number.
        | tier integration: it broke: nextest exited with code 96
    invalid time.integration: The time of tier integration is not known: it broke: nextest exited with code 96.
    invalid time.performance: The time of tier performance is not known: there is no evidence that it ran.
    invalid time.suite: Not all tiers ran: integration: it broke: nextest exited with code 96, performance: there is no evidence that it ran.
    invalid perf.performance: Nothing was measured by tier performance: there is no evidence that it ran.
    invalid
    ");
    insta::assert_snapshot!(changed(|evidence, plan| {
        plan.policy.coverage = None;
        evidence.tiers.remove(0);
        let twice = evidence.tiers[0].clone();
        evidence.tiers.push(twice);
    }), @"
    invalid tests.unit: Tier unit can't be judged: there is no evidence that it ran.
    invalid tests.integration: Tier integration can't be judged: it is in the evidence more than once.
    invalid tests.reported: The results are not those that were planned: tiers did not run to their end: unit: there is no evidence that it ran, integration: it is in the evidence more than once.
        -> Look into run.log for how the test runner ended; a test process that was killed leaves no result.
    invalid flake.run: Not all tests ran: unit: there is no evidence that it ran, integration: it is in the evidence more than once.
    invalid time.unit: The time of tier unit is not known: there is no evidence that it ran.
    invalid time.integration: The time of tier integration is not known: it is in the evidence more than once.
    invalid time.suite: Not all tiers ran: unit: there is no evidence that it ran, integration: it is in the evidence more than once.
    gone coverage.floor
    gone coverage.denominator
    gone coverage.proof
    invalid
    ");
}

#[test]
fn a_tier_of_the_stage_that_is_not_asked_for_leaves_the_verdict_unproven() {
    insta::assert_snapshot!(changed(|evidence, plan| {
        plan.tiers[3].run = false;
        evidence.tiers[3].status = TierStatus::NotAsked;
        evidence.tiers[3].planned.clear();
        evidence.tiers[3].results.clear();
    }), @"
    unproven tests.performance: Tier performance was not asked for, so nothing is known of it.
        -> Run without `--tier` for the verdict of the stage.
    passed tests.reported: 6 planned tests reported, each once.
    passed flake.run: None of 6 tests failed and then passed.
    unproven coverage.floor: Only part of the tests ran, so coverage was not judged.
    unproven time.suite: The part of the tests that ran took 6.6 s; all of them have 300 s.
    gone coverage.denominator
    gone coverage.proof
    gone time.performance
    gone perf.p95.chat
    gone perf.error.chat
    gone perf.completion.chat
    unproven
    ");
}

#[test]
fn a_tier_of_another_stage_has_no_gates() {
    insta::assert_snapshot!(changed(|evidence, plan| {
        plan.tiers[3].run = false;
        plan.judged_tiers.pop();
        evidence.tiers.pop();
        evidence.load.clear();
    }), @"
    passed tests.reported: 6 planned tests reported, each once.
    passed flake.run: None of 6 tests failed and then passed.
    passed time.suite: Running the tests took 6.6 s of 300 s.
    gone tests.performance
    gone time.performance
    gone perf.p95.chat
    gone perf.error.chat
    gone perf.completion.chat
    passed
    ");
}

#[test]
fn a_flaky_test_fails_or_warns_by_policy() {
    let flake = |evidence: &mut Evidence| {
        evidence.tiers[0].results[0] = result("a::adds", vec![failed(5, "boom", ""), passed(5)]);
    };
    insta::assert_snapshot!(changed(|evidence, _| flake(evidence)), @"
    passed tests.unit: 3 tests passed, 1 of them not in every attempt; 1 ignored test not run.
    failed flake.run: 1 of 7 tests failed in one attempt and passed in another: core a::adds.
        -> cargo xtask test unit 'a::adds'
        | core a::adds
    failed
    ");
    insta::assert_snapshot!(changed(|evidence, plan| {
        flake(evidence);
        plan.policy.fail_on_flake = false;
    }), @"
    passed tests.unit: 3 tests passed, 1 of them not in every attempt; 1 ignored test not run.
    warned flake.run: 1 of 7 tests failed in one attempt and passed in another: core a::adds.
        -> cargo xtask test unit 'a::adds'
        | core a::adds
    warned
    ");
}

fn break_two(evidence: &mut Evidence) {
    evidence.tiers[0].results[0] = result("a::adds", vec![failed(5, "boom", ""), passed(5)]);
    evidence.tiers[0].results[1] = result("a::parses", vec![failed(5, "boom", ""), failed(5, "boom", "")]);
}

#[test]
fn a_quarantined_test_makes_nothing_red_and_is_shown() {
    let gates = |plan: &Plan, evidence: &Evidence| {
        let verdict = judge(evidence, plan);
        let told =
            verdict.gates.iter().filter(|gate| ["tests.unit", "flake.run", "quarantine"].contains(&gate.gate.as_str()));
        told.map(|gate| format!("{} {}: {} {:?}", gate.outcome, gate.gate, gate.message, gate.evidence))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
    break_two(&mut evidence);
    quarantine(&mut plan, TestId::new("core", "a::adds"));
    quarantine(&mut plan, TestId::new("core", "a::parses"));
    insta::assert_snapshot!(gates(&plan, &evidence), @r#"
    passed tests.unit: 2 tests passed; 1 ignored test not run; 1 quarantined test failed: core a::parses. ["quarantined: core a::parses"]
    passed flake.run: None of 7 tests that is not quarantined failed and then passed. ["quarantined: core a::adds"]
    passed quarantine: 2 tests quarantined; failed in every attempt, so broken and not flaky: core a::parses. ["core a::adds (ann, #7) until 2026-11-30: waits for a clock", "core a::parses (ann, #7) until 2026-11-30: waits for a clock"]
    "#);
    assert_eq!(judge(&evidence, &plan).outcome, Outcome::Passed);
    // On the day after the last one, everything counts again.
    evidence.run.started_at = "2026-12-01T00:00:00Z".parse().unwrap();
    insta::assert_snapshot!(gates(&plan, &evidence), @r#"
    failed tests.unit: 1 of 3 tests failed: core a::parses. ["core a::parses"]
    failed flake.run: 1 of 7 tests failed in one attempt and passed in another: core a::adds. ["core a::adds"]
    failed quarantine: 2 tests quarantined; expired: core a::adds, core a::parses. ["core a::adds (ann, #7) until 2026-11-30: waits for a clock", "core a::parses (ann, #7) until 2026-11-30: waits for a clock"]
    "#);
}

#[test]
fn a_quarantine_that_is_long_or_names_no_test_is_told_of() {
    let gate = |entries: usize, narrowed: bool| {
        let mut plan = sample::plan();
        (0..entries).for_each(|at| quarantine(&mut plan, TestId::new("core", ["a::adds", "a::gone"][at % 2])));
        plan.only = narrowed.then(|| "test(adds)".into());
        let verdict = judge(&sample::evidence(), &plan);
        let gate = verdict.gates.iter().find(|gate| gate.gate.as_str() == "quarantine");
        gate.map(|gate| format!("{}: {}", gate.outcome, gate.message)).unwrap_or_default()
    };
    let mut plan = sample::plan();
    quarantine(&mut plan, TestId::new("core", "a::adds"));
    plan.policy.quarantine[0].since = Date::constant(2026, 11, 29);
    let verdict = judge(&sample::evidence(), &plan);
    assert!(verdict.gates.iter().any(|gate| gate.message.contains("begins on a day to come: core a::adds")));
    let mut plan = sample::plan();
    quarantine(&mut plan, TestId::new("core", "a::gone"));
    plan.tiers.push(tollgate_model::TierPlan { run: false, ..plan.tiers[0].clone() });
    assert_eq!(
        judge(&sample::evidence(), &plan)
            .gates
            .iter()
            .filter(|gate| gate.gate.as_str() == "quarantine" && gate.outcome == Outcome::Warned)
            .count(),
        0
    );
    assert_eq!(gate(0, false), "");
    assert_eq!(gate(1, false), "passed: 1 test quarantined.");
    assert_eq!(gate(2, false), "warned: 2 tests quarantined; there is no such test: core a::gone.");
    assert_eq!(gate(2, true), "passed: 2 tests quarantined.");
    assert_eq!(gate(5, true), "passed: 5 tests quarantined.");
    assert!(gate(5, false).starts_with("warned: 5 tests quarantined; there is no such test"));
    assert_eq!(gate(6, false), "failed: 6 tests quarantined; 5 are the most.");
    assert_eq!(gate(6, true), "unproven: 6 tests quarantined; of the tests that ran, 5 may be.");
}

#[test]
fn a_narrowed_run_does_not_fail_for_what_it_was_not_asked() {
    insta::assert_snapshot!(changed(|evidence, plan| {
        plan.only = Some("test(adds)".into());
        for tier in &mut evidence.tiers[1..] {
            tier.planned.clear();
            tier.results.clear();
        }
        evidence.load.clear();
    }), @"
    unproven tests.integration: None of the tests that were asked for is of tier integration.
    unproven tests.e2e: None of the tests that were asked for is of tier e2e.
    unproven tests.performance: None of the tests that were asked for is of tier performance.
    passed tests.reported: 3 planned tests reported, each once.
    passed flake.run: None of 3 tests failed and then passed.
    unproven coverage.floor: Only part of the tests ran, so coverage was not judged.
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
    unproven
    ");
}

#[test]
fn time_over_its_budget_fails_and_names_the_slowest() {
    insta::assert_snapshot!(changed(|evidence, _| {
        evidence.tiers[0].wall_ms = 41_234;
        evidence.tiers[1].wall_ms = 120_000;
        evidence.tiers[3].wall_ms = 180_000;
    }), @"
    failed time.unit: Running the tests on the instrumented build took 41.3 s > 30 s. Slowest: core b::refuses (9 ms), core a::parses (7 ms), core a::adds (5 ms).
        -> Make the slowest tests faster, or move them to a tier with a larger budget.
        | core b::refuses (9 ms)
        | core a::parses (7 ms)
        | core a::adds (5 ms)
    passed time.integration: Running the tests took 120.0 s of 120 s.
    failed time.performance: Running the tests took 180.0 s > 120 s. Slowest: harness::load chat (20.0 s).
        -> Make the slowest tests faster, or move them to a tier with a larger budget.
        | harness::load chat (20.0 s)
    failed time.suite: Running the tests partly on the instrumented build took 345.6 s > 300 s. Slowest: harness::load chat (20.0 s), harness::e2e scenario_a (4.2 s), identity::integration login::expires (1.2 s) and 2 more.
        -> Make the slowest tests faster, or move them to a tier with a larger budget.
        | harness::load chat (20.0 s)
        | harness::e2e scenario_a (4.2 s)
        | identity::integration login::expires (1.2 s)
        | identity::integration login::works (800 ms)
        | core b::refuses (9 ms)
        | critical path: harness::e2e scenario_a alone takes 4.2 s of the 4.3 s of tier e2e; more threads don't help
    failed
    ");
}
