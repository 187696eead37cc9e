//! Coverage and load.

use super::changed;
use crate::judge::{
    is_load_unproven,
    sample::{self, tier},
};
use tollgate_model::{BuildKind, ChangeEvidence, Evidence, LoadEvidence, Member, Partition, TestId, TestResult};

#[test]
fn coverage_below_its_floor_names_the_lines() {
    insta::assert_snapshot!(changed(|evidence, _| {
        let coverage = evidence.coverage.as_mut().unwrap();
        for line in &mut coverage.files[1].lines[1..4] {
            line.counts.fill(0);
        }
    }), @"
    failed coverage.floor: 70.0 % (14/20 production lines) < 80 %: 2 lines short. Most uncovered: identity (4 lines).
        -> Test the uncovered lines; the coverage report in the run directory shows them in the source.
        | crates/identity/src/main.rs:2-4, 10
        | crates/core/src/lib.rs:9-10
    failed
    ");
}

#[test]
fn coverage_that_cannot_be_believed_is_invalid_and_not_a_lower_number() {
    insta::assert_snapshot!(changed(|evidence, _| {
        let proof = &mut evidence.coverage.as_mut().unwrap().proof;
        proof.services[0].instrumented = false;
        proof.services[0].profiles = 0;
        proof.services[0].empty = 1;
        proof.empty_profiles = 1;
        proof.complaints.push("2 functions have mismatched data".into());
        proof.profiles.remove("integration");
        evidence.tiers[2].planned.extend((0..3).map(|n| TestId::new(format!("b{n}"), "t")));
        let more = evidence.tiers[2].planned[1..].iter();
        let more: Vec<_> = more.map(|id| TestResult { id: id.clone(), attempts: vec![sample::passed(1)] }).collect();
        evidence.tiers[2].results.extend(more);
    }), @"
    passed tests.e2e: 4 tests passed.
    passed tests.reported: 10 planned tests reported, each once.
    passed flake.run: None of 10 tests failed and then passed.
    invalid coverage.floor: 85.0 % (17/20 production lines) can't be believed: see coverage.proof.
    invalid coverage.proof: Coverage is not complete: service identity: its binary is not instrumented, service identity: it wrote no profile, service identity: it wrote an empty profile and 4 more.
        -> Lines may have run without being counted; mend this before reading the number.
        | service identity: its binary is not instrumented
        | service identity: it wrote no profile
        | service identity: it wrote an empty profile
        | the tests of tier integration left no profile
        | 4 test programs of tier e2e left 3 profiles
        | 1 profile empty
        | llvm-cov: 2 functions have mismatched data
    invalid
    ");
    insta::assert_snapshot!(changed(|evidence, plan| {
        evidence.coverage.as_mut().unwrap().proof.services.clear();
        evidence.environment.as_mut().unwrap().services[1].program = "/w/target/debug/identity".into();
        evidence.coverage.as_mut().unwrap().tiers.pop();
        plan.members.push(Member { name: "billing".into(), directory: "crates/billing".into(), binaries: vec![] });
    }), @"
    invalid coverage.floor: 85.0 % (17/20 production lines) can't be believed: see coverage.denominator.
    invalid coverage.denominator: There is no coverage of 1 member, whose lines are missing from the 85.0 % of the total: billing.
        -> Run a test of it, or exclude it with a reason in coverage/policy.toml.
        | billing
        | harness is excluded: only tests use it
    invalid coverage.proof: Coverage is not complete: service identity: nothing is known of its profile, tier e2e is not in the report.
        -> Lines may have run without being counted; mend this before reading the number.
        | service identity: nothing is known of its profile
        | tier e2e is not in the report
    invalid
    ");
    insta::assert_snapshot!(changed(|evidence, plan| {
        evidence.coverage.as_mut().unwrap().files.clear();
        plan.members.clear();
    }), @"
    invalid evidence: Of identity nobody knows what ran. Tests of 4f2a9c1e77d0. No base was asked for.
        -> Nothing tells this environment from another one. A run of an older version did not record it: run again. Else see why the engine does not say which image or program ran.
    invalid coverage.floor: No production line was measured.
    invalid coverage.denominator: The plan names no member of the workspace.
    invalid
    ");
}

#[test]
fn coverage_that_was_not_measured_is_invalid_and_part_of_it_is_unproven() {
    insta::assert_snapshot!(changed(|evidence, _| evidence.coverage = None), @"
    invalid coverage.floor: Coverage was not measured: there is no evidence of it.
    invalid coverage.denominator: Coverage was not measured: there is no evidence of it.
    invalid coverage.proof: Coverage was not measured: there is no evidence of it.
    invalid
    ");
    insta::assert_snapshot!(changed(|_, plan| plan.partition = Some(Partition { index: 1, count: 2 })), @"
    unproven evidence: Part 1/2 of the tests of 4f2a9c1e77d0 alone. Environment 7f10fa13ac32 (native engine, 2 services). No base was asked for.
        -> `cargo xtask gate` makes one verdict of all parts.
    unproven coverage.floor: Only part of the tests ran, so coverage was not judged.
    unproven time.unit: The part of the tests that ran took 121 ms; all of them have 30 s.
    unproven time.integration: The part of the tests that ran took 2.1 s; all of them have 120 s.
    unproven time.e2e: The part of the tests that ran took 4.3 s; all of them have 120 s.
    unproven time.performance: The part of the tests that ran took 20.1 s; all of them have 120 s.
    unproven time.suite: The part of the tests that ran took 26.7 s; all of them have 300 s.
    gone coverage.denominator
    gone coverage.proof
    unproven
    ");
    insta::assert_snapshot!(changed(|_, plan| {
        for tier in &mut plan.tiers {
            tier.build = BuildKind::Optimised;
        }
    }), @"
    unproven coverage.floor: No tier that counts for coverage was asked for.
    gone coverage.denominator
    gone coverage.proof
    unproven
    ");
}

#[test]
fn load_is_judged_by_its_rates() {
    insta::assert_snapshot!(changed(|evidence, _| {
        let load = sample::first_load(evidence);
        load.latencies_us.truncate(1388);
        load.errors = 65;
        load.sessions_completed = 42;
    }), @"
    failed perf.p95.chat: 112 of 1500 requests (7.4 %, at least 6.3 % at 95 %) took longer than 3 s or were not answered; limit 5 %.
        -> Look at the slowest requests in the report, and at the services' logs of that time.
    unproven perf.error.chat: 65 of 1500 requests (4.3 %, at most 5.4 % at 95 %) failed or were not answered; limit 5 %. 91 more good requests would prove it. (+91)
    unproven perf.completion.chat: 8 of 50 sessions (16.0 %, at most 27.1 % at 95 %) were not completed; limit 20 %. 19 more good sessions would prove it. (+19)
    failed
    ");
    insta::assert_snapshot!(changed(|evidence, _| {
        let load = sample::first_load(evidence);
        (load.sessions, load.sessions_completed, load.errors) = (12, 8, 110);
        load.latencies_us[1395..].fill(5_400_000);
    }), @"
    failed perf.p95.chat: 105 of 1500 requests (7.0 %, at least 5.9 % at 95 %) took longer than 3 s or were not answered; limit 5 %.
        -> Look at the slowest requests in the report, and at the services' logs of that time.
    failed perf.error.chat: 110 of 1500 requests (7.3 %, at least 6.2 % at 95 %) failed or were not answered; limit 5 %.
        -> Look at the services' logs for the requests that failed.
    unproven perf.completion.chat: 4 of 12 sessions (33.3 %, at most 61.0 % at 95 %) were not completed; limit 20 %. 32 more good sessions would prove it. (+32)
    failed
    ");
}

#[test]
fn a_load_is_run_again_only_while_that_may_decide_and_nothing_failed() {
    // Of 1500 requests so many took too long, so many failed, and of 50 sessions so many were not completed.
    for (slow, errors, incomplete, again) in [
        (0, 0, 0, false),
        (65, 0, 0, true),
        (0, 65, 0, true),
        (0, 0, 8, true),
        (112, 0, 0, false),
        (112, 65, 8, false),
        (0, 112, 8, false),
        (65, 0, 30, false),
    ] {
        let mut load = sample::load();
        load.latencies_us.truncate(1500 - slow);
        (load.errors, load.sessions_completed) = (errors, 50 - incomplete);
        let limits = &sample::plan().policy.load["performance"];
        assert_eq!(is_load_unproven(&load, limits), again, "{slow} {errors} {incomplete}");
        load.sent_late = 76;
        assert!(
            !is_load_unproven(&load, limits),
            "what measured its own machine stays that: {slow} {errors} {incomplete}"
        );
    }
}

#[test]
fn load_that_shows_nothing_is_invalid() {
    let check = |change: fn(&mut Evidence)| changed(|evidence, _| change(evidence));
    insta::assert_snapshot!(check(|evidence| evidence.load.clear()), @"
    invalid perf.performance: Tier performance ran and left no load measurement.
        -> A load test writes <name>.json into the directory that TOLLGATE_LOAD_DIR names.
    gone perf.p95.chat
    gone perf.error.chat
    gone perf.completion.chat
    invalid
    ");
    insta::assert_snapshot!(check(|evidence| sample::first_load(evidence).sent_late = 76), @"
    invalid perf.p95.chat: The measurement can't be judged: the generator itself sent 76 of 1500 requests late, so it measured its own machine.
    invalid perf.error.chat: The measurement can't be judged: the generator itself sent 76 of 1500 requests late, so it measured its own machine.
    invalid perf.completion.chat: The measurement can't be judged: the generator itself sent 76 of 1500 requests late, so it measured its own machine.
    invalid
    ");
    insta::assert_snapshot!(check(|evidence| sample::first_load(evidence).errors = 1501), @"
    invalid perf.p95.chat: The measurement can't be judged: its numbers contradict each other.
    invalid perf.error.chat: The measurement can't be judged: its numbers contradict each other.
    invalid perf.completion.chat: The measurement can't be judged: its numbers contradict each other.
    invalid
    ");
    insta::assert_snapshot!(check(|evidence| sample::loads(evidence).push(sample::load())), @"
    invalid perf.p95.chat: The measurement can't be judged: it was measured more than once.
    invalid perf.error.chat: The measurement can't be judged: it was measured more than once.
    invalid perf.completion.chat: The measurement can't be judged: it was measured more than once.
    invalid perf.p95.chat: The measurement can't be judged: it was measured more than once.
    invalid perf.error.chat: The measurement can't be judged: it was measured more than once.
    invalid perf.completion.chat: The measurement can't be judged: it was measured more than once.
    invalid
    ");
    insta::assert_snapshot!(check(|evidence| {
        let load = sample::first_load(evidence);
        load.latencies_us.truncate(199);
        (load.requests, load.sent_late, load.sessions, load.sessions_completed) = (199, 0, 9, 9);
    }), @"
    invalid perf.p95.chat: The measurement can't be judged: 199 requests are too few, at least 200 are needed.
    invalid perf.error.chat: The measurement can't be judged: 199 requests are too few, at least 200 are needed.
    invalid perf.completion.chat: The measurement can't be judged: 9 sessions are too few, at least 10 are needed.
    invalid
    ");
}

#[test]
fn every_load_tier_is_held_to_its_own_limits_and_has_to_measure() {
    insta::assert_snapshot!(changed(|evidence, plan| {
        let mut limits = plan.policy.load["performance"].clone();
        (limits.p95_ms, limits.completion_percent, limits.min_requests) = (20, 100, 1500);
        plan.policy.load.insert(tier("e2e"), limits);
        let load = LoadEvidence { name: "order".into(), ..sample::load() };
        evidence.load.insert(tier("e2e"), vec![load]);
    }), @"
    failed perf.p95.order: 1299 of 1500 requests (86.6 %, at least 85.0 % at 95 %) took longer than 20 ms or were not answered; limit 5 %.
        -> Look at the slowest requests in the report, and at the services' logs of that time.
    passed perf.error.order: 0 of 1500 requests (0.0 %, at most 0.2 % at 95 %) failed or were not answered; limit 5 %.
    passed perf.completion.order: 0 of 50 sessions (0.0 %, at most 5.9 % at 95 %) were not completed; limit 0 %.
    failed
    ");
    insta::assert_snapshot!(changed(|_, plan| {
        let limits = plan.policy.load["performance"].clone();
        plan.policy.load.insert(tier("e2e"), limits);
    }), @"
    invalid perf.e2e: Tier e2e ran and left no load measurement.
        -> A load test writes <name>.json into the directory that TOLLGATE_LOAD_DIR names.
    invalid
    ");
    insta::assert_snapshot!(changed(|evidence, plan| {
        plan.policy.load.get_mut("performance").unwrap().min_requests = 0;
        let load = sample::first_load(evidence);
        load.latencies_us.clear();
        (load.requests, load.sent_late) = (0, 0);
    }), @"
    invalid perf.p95.chat: The measurement holds no event.
    invalid perf.error.chat: The measurement holds no event.
    invalid
    ");
}

#[test]
fn the_lines_that_a_change_adds_are_judged_apart() {
    let since = |lines: &[(u32, u32)]| {
        let added = [("crates/core/src/lib.rs".to_owned(), lines.to_vec())].into();
        Some(ChangeEvidence { commit: "d4e1f2a9c1e77d0b1a2c".into(), added, ..ChangeEvidence::default() })
    };
    let check = |change: Option<ChangeEvidence>, percent: u32| {
        changed(|evidence, plan| {
            evidence.change = change;
            plan.base = Some("main".into());
            plan.policy.coverage.as_mut().unwrap().patch_percent = percent;
        })
    };
    // Lines 1 to 8 are covered, 9 and 10 are not, 11 and 12 are test code.
    insta::assert_snapshot!(check(since(&[(7, 12)]), 80), @"
    warned evidence: No run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded. Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services).
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    passed coverage.patch: 50.0 % (2/4 changed lines) since d4e1f2a9c1e7, where it parted from main; 2 lines may stay uncovered.
    warned coverage.lost: No baseline: no run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded, so lost lines can't be told.
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    warned
    ");
    insta::assert_snapshot!(check(since(&[(1, 8)]), 100), @"
    warned evidence: No run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded. Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services).
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    passed coverage.patch: 100.0 % (8/8 changed lines) since d4e1f2a9c1e7, where it parted from main, limit 100 %.
    warned coverage.lost: No baseline: no run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded, so lost lines can't be told.
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    warned
    ");
    insta::assert_snapshot!(check(since(&[(11, u32::MAX)]), 80), @"
    warned evidence: No run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded. Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services).
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    passed coverage.patch: Nothing that can be covered was added since d4e1f2a9c1e7, where it parted from main; there is nothing to judge.
    warned coverage.lost: No baseline: no run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded, so lost lines can't be told.
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    warned
    ");
    insta::assert_snapshot!(check(None, 80), @"
    invalid evidence: What differs from main is not known. Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services).
    invalid coverage.patch: What differs from main is not known.
    warned coverage.lost: No baseline: no run of stage dev at the base or at one of the commits before it is recorded, so lost lines can't be told.
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    invalid
    ");
    insta::assert_snapshot!(changed(|evidence, plan| {
        evidence.change = since(&[(1, 12)]);
        plan.base = Some("main".into());
        for line in &mut evidence.coverage.as_mut().unwrap().files[0].lines[6..8] {
            line.counts.fill(0);
        }
        plan.policy.coverage.as_mut().unwrap().floor_percent = 0;
    }), @"
    warned evidence: No run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded. Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services).
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    passed coverage.floor: 75.0 % (15/20 production lines), floor 0 %.
    failed coverage.patch: 60.0 % (6/10 changed lines) < 80 % since d4e1f2a9c1e7, where it parted from main. Uncovered: crates/core/src/lib.rs:7-10.
        -> Test the lines that the change adds and that no test reaches.
        | crates/core/src/lib.rs:7-10
    warned coverage.lost: No baseline: no run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded, so lost lines can't be told.
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    failed
    ");
    insta::assert_snapshot!(changed(|evidence, plan| {
        evidence.change = since(&[(1, 12)]);
        plan.base = Some("main".into());
        plan.tiers[3].run = false;
        evidence.tiers.pop();
        evidence.load.clear();
    }), @"
    warned evidence: No run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded. Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services).
        -> Run `cargo xtask ci --stage dev` on the base once; a clean run is recorded.
    unproven tests.performance: Tier performance was not asked for, so nothing is known of it.
        -> Run without `--tier` for the verdict of the stage.
    passed tests.reported: 6 planned tests reported, each once.
    passed flake.run: None of 6 tests failed and then passed.
    unproven coverage.floor: Only part of the tests ran, so coverage was not judged.
    unproven coverage.patch: Only part of the tests ran, so coverage was not judged.
    unproven coverage.lost: Only part of the tests ran, so coverage was not judged.
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
