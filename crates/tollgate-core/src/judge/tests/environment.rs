//! The environment, and runs that were not completed.

use super::changed;
use crate::judge::sample::service_evidence;
use tollgate_model::{Ending, Leftover, ServiceState, TeardownEvidence};

#[test]
fn the_environment_is_judged_by_its_services_and_its_end() {
    insta::assert_snapshot!(changed(|evidence, _| {
        let environment = evidence.environment.as_mut().unwrap();
        environment.services[1].state = ServiceState::Died { how: "signal SIGKILL".into() };
        environment.services[1].log_tail = vec!["out of memory".into()];
        let what = "4711 (identity)".into();
        environment.teardown.as_mut().unwrap().leftovers.push(Leftover { kind: "process".into(), what });
    }), @"
    failed environment.services: The environment was not whole: identity ended while it was needed: signal SIGKILL.
        -> Read services/identity.log in the run directory.
        | identity | out of memory
    failed environment.teardown: 1 thing did not go by itself: process 4711 (identity).
        -> `cargo xtask env gc` removes what is still there.
        | process 4711 (identity)
    failed
    ");
    insta::assert_snapshot!(changed(|evidence, _| {
        let environment = evidence.environment.as_mut().unwrap();
        environment.services[0].state = ServiceState::NeverReady { last_seen: "connection refused".into() };
        environment.services[1].state = ServiceState::NotStarted;
        environment.teardown = None;
    }), @"
    invalid environment.services: The environment was not whole: postgres never became ready: connection refused; identity was not started.
        -> Read services/postgres.log in the run directory.
    invalid environment.teardown: There was an environment and there is no evidence of its end.
        -> `cargo xtask env gc` removes what runs left behind.
    invalid
    ");
    insta::assert_snapshot!(changed(|evidence, _| {
        let environment = evidence.environment.as_mut().unwrap();
        environment.services.remove(0);
        environment.services.push(service_evidence("migrate", "migrate", ServiceState::Completed));
        environment.teardown = Some(TeardownEvidence { kept: true, ..TeardownEvidence::default() });
    }), @"
    invalid evidence: Of migrate nobody knows what ran. Tests of 4f2a9c1e77d0. No base was asked for.
        -> Nothing tells this environment from another one. A run of an older version did not record it: run again. Else see why the engine does not say which image or program ran.
    invalid environment.services: The environment was not whole: postgres is not in the evidence.
    warned environment.teardown: The environment was asked to stay and still runs.
        -> `cargo xtask env down` ends it.
    invalid
    ");
    insta::assert_snapshot!(changed(|evidence, _| evidence.environment = None), @"
    invalid evidence: No environment: there is no evidence of it. Tests of 4f2a9c1e77d0. No base was asked for.
    invalid environment.services: The environment never came up: there is no evidence of it.
    gone environment.teardown
    invalid
    ");
    insta::assert_snapshot!(changed(|evidence, plan| {
        evidence.environment = None;
        for tier in &mut plan.tiers {
            tier.services.clear();
        }
    }), @"
    passed evidence: Tests of 4f2a9c1e77d0. No environment was needed. No base was asked for.
    gone environment.services
    gone environment.teardown
    passed
    ");
}

#[test]
fn a_run_that_was_not_completed_passes_nothing_that_did_not_happen() {
    let ended = |ending: Ending| {
        changed(|evidence, _| {
            evidence.ending = ending;
            evidence.tiers.clear();
            evidence.coverage = None;
            evidence.environment = None;
            evidence.load.clear();
        })
    };
    insta::assert_snapshot!(ended(Ending::BuildFailed { detail: "error[E0308]: mismatched types\n --> a.rs:1:1".into() }), @"
    invalid evidence: No environment: the build failed. Tests of 4f2a9c1e77d0. No base was asked for.
    invalid run.ending: The run was not completed: the build failed: error[E0308]: mismatched types.
        -> Mend the build; `cargo build` shows the same error.
        | error[E0308]: mismatched types
        |  --> a.rs:1:1
    invalid tests.unit: Tier unit can't be judged: it did not run, since the build failed.
    invalid tests.integration: Tier integration can't be judged: it did not run, since the build failed.
    invalid tests.e2e: Tier e2e can't be judged: it did not run, since the build failed.
    invalid tests.performance: Tier performance can't be judged: it did not run, since the build failed.
    invalid tests.reported: The results are not those that were planned: tiers did not run to their end: unit: it did not run, since the build failed, integration: it did not run, since the build failed, e2e: it did not run, since the build failed and 1 more; no test was planned.
        -> Look into run.log for how the test runner ended; a test process that was killed leaves no result.
    invalid flake.run: Not all tests ran: unit: it did not run, since the build failed, integration: it did not run, since the build failed, e2e: it did not run, since the build failed and 1 more.
    invalid coverage.floor: Coverage was not measured: the build failed.
    invalid coverage.denominator: Coverage was not measured: the build failed.
    invalid coverage.proof: Coverage was not measured: the build failed.
    invalid time.unit: The time of tier unit is not known: it did not run, since the build failed.
    invalid time.integration: The time of tier integration is not known: it did not run, since the build failed.
    invalid time.e2e: The time of tier e2e is not known: it did not run, since the build failed.
    invalid time.performance: The time of tier performance is not known: it did not run, since the build failed.
    invalid time.suite: Not all tiers ran: unit: it did not run, since the build failed, integration: it did not run, since the build failed, e2e: it did not run, since the build failed and 1 more.
    invalid perf.performance: Nothing was measured by tier performance: it did not run, since the build failed.
    invalid environment.services: The environment never came up: the build failed.
    gone perf.p95.chat
    gone perf.error.chat
    gone perf.completion.chat
    gone environment.teardown
    invalid
    ");
    insta::assert_snapshot!(ended(Ending::Interrupted { signal: "SIGINT".into() }), @"
    invalid evidence: No environment: SIGINT interrupted the run. Tests of 4f2a9c1e77d0. No base was asked for.
    invalid run.ending: The run was not completed: SIGINT interrupted the run.
    invalid tests.unit: Tier unit can't be judged: it did not run, since SIGINT interrupted the run.
    invalid tests.integration: Tier integration can't be judged: it did not run, since SIGINT interrupted the run.
    invalid tests.e2e: Tier e2e can't be judged: it did not run, since SIGINT interrupted the run.
    invalid tests.performance: Tier performance can't be judged: it did not run, since SIGINT interrupted the run.
    invalid tests.reported: The results are not those that were planned: tiers did not run to their end: unit: it did not run, since SIGINT interrupted the run, integration: it did not run, since SIGINT interrupted the run, e2e: it did not run, since SIGINT interrupted the run and 1 more; no test was planned.
        -> Look into run.log for how the test runner ended; a test process that was killed leaves no result.
    invalid flake.run: Not all tests ran: unit: it did not run, since SIGINT interrupted the run, integration: it did not run, since SIGINT interrupted the run, e2e: it did not run, since SIGINT interrupted the run and 1 more.
    invalid coverage.floor: Coverage was not measured: SIGINT interrupted the run.
    invalid coverage.denominator: Coverage was not measured: SIGINT interrupted the run.
    invalid coverage.proof: Coverage was not measured: SIGINT interrupted the run.
    invalid time.unit: The time of tier unit is not known: it did not run, since SIGINT interrupted the run.
    invalid time.integration: The time of tier integration is not known: it did not run, since SIGINT interrupted the run.
    invalid time.e2e: The time of tier e2e is not known: it did not run, since SIGINT interrupted the run.
    invalid time.performance: The time of tier performance is not known: it did not run, since SIGINT interrupted the run.
    invalid time.suite: Not all tiers ran: unit: it did not run, since SIGINT interrupted the run, integration: it did not run, since SIGINT interrupted the run, e2e: it did not run, since SIGINT interrupted the run and 1 more.
    invalid perf.performance: Nothing was measured by tier performance: it did not run, since SIGINT interrupted the run.
    invalid environment.services: The environment never came up: SIGINT interrupted the run.
    gone perf.p95.chat
    gone perf.error.chat
    gone perf.completion.chat
    gone environment.teardown
    invalid
    ");
    insta::assert_snapshot!(changed(|evidence, _| {
        evidence.ending = Ending::EnvironmentFailed { detail: "postgres never became ready".into() };
    }), @"
    invalid run.ending: The run was not completed: the environment failed: postgres never became ready.
        -> The detail, run.log and the logs of the services say what is missing.
        | postgres never became ready
    invalid
    ");
}
