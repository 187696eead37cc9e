//! Properties over any evidence: the good run with anything changed in it.

use crate::judge::judge;
use crate::judge::sample::{self, passed, tier};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tollgate_model::{
    Attempt, AttemptOutcome, Ending, EnvironmentEvidence, Evidence, Leftover, LoadEvidence, Outcome, Plan,
    ServiceState, TestId, TestResult, TierEvidence, TierStatus, Verdict,
};

fn any_attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let outcome = prop_oneof![
        4 => Just(AttemptOutcome::Passed), 1 => Just(AttemptOutcome::Failed), 1 => Just(AttemptOutcome::TimedOut)
    ];
    let attempt = (outcome, any::<u64>()).prop_map(|(outcome, ms)| Attempt { outcome, ..passed(ms) });
    prop::collection::vec(attempt, 0..3)
}

fn any_tier(name: &'static str) -> impl Strategy<Value = TierEvidence> {
    let status = prop_oneof![
        6 => Just(TierStatus::Ran),
        1 => Just(TierStatus::NotAsked),
        1 => Just(TierStatus::Broken { reason: "x".into() })
    ];
    let id = || (0u8..6).prop_map(|n| TestId::new("core", format!("t{n}")));
    let results = prop::collection::vec((id(), any_attempts()), 0..6);
    let results = results.prop_map(|r| r.into_iter().map(|(id, attempts)| TestResult { id, attempts }).collect());
    (status, prop::collection::vec(id(), 0..6), results, any::<u64>()).prop_map(
        move |(status, planned, results, wall_ms)| TierEvidence {
            name: tier(name),
            status,
            planned,
            results,
            wall_ms,
            machine: None,
        },
    )
}

fn any_state() -> impl Strategy<Value = ServiceState> {
    prop_oneof![
        4 => Just(ServiceState::Ready),
        1 => Just(ServiceState::Completed),
        1 => Just(ServiceState::NotStarted),
        1 => Just(ServiceState::Died { how: "x".into() }),
        1 => Just(ServiceState::NeverReady { last_seen: "x".into() })
    ]
}

fn any_ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        4 => Just(Ending::Completed),
        1 => Just(Ending::BuildFailed { detail: String::new() }),
        1 => Just(Ending::Interrupted { signal: "SIGTERM".into() })
    ]
}

prop_compose! {
    fn any_case()(
        tiers in (any_tier("unit"), any_tier("integration"), any_tier("e2e"), any_tier("performance")),
        tampered in any::<bool>(), kept in 0usize..5,
        state in any_state(), ending in any_ending(),
        environment in any::<bool>(), teardown in any::<bool>(), coverage in any::<bool>(), narrowed in any::<bool>(),
        counts in prop::collection::vec(0u64..2, 20), profiles in 0u32..3, fail_on_flake: bool,
        load in prop_oneof![
            (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()),
            (1000u64..2000, 0u64..200, 0u64..20, 10u64..100, 0u64..60),
        ],
        latencies in prop::collection::vec(0u64..4_000_000, 0..1000), loads in 0usize..3, floor in 0u32..120,
    ) -> (Evidence, Plan) {
        let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
        if tampered {
            evidence.tiers = vec![tiers.0, tiers.1, tiers.2, tiers.3];
            evidence.tiers.truncate(kept);
        }
        evidence.ending = ending;
        let setting = evidence.environment.as_mut().unwrap();
        setting.services[1].state = state;
        if !teardown { setting.teardown = None }
        if !environment { evidence.environment = None }
        let proof = &mut evidence.coverage.as_mut().unwrap().proof;
        proof.profiles.insert(tier("unit"), profiles);
        let files = &mut evidence.coverage.as_mut().unwrap().files;
        for (line, count) in files.iter_mut().flat_map(|file| &mut file.lines).zip(counts) {
            line.counts = vec![count];
        }
        if !coverage { evidence.coverage = None }
        let measured = sample::first_load(&mut evidence);
        measured.latencies_us = latencies;
        measured.latencies_us.sort_unstable();
        (measured.requests, measured.errors, measured.sent_late) = (load.0, load.1, load.2);
        (measured.sessions, measured.sessions_completed) = (load.3, load.3.saturating_sub(load.4));
        let measured = measured.clone();
        *sample::loads(&mut evidence) = vec![measured; loads];
        plan.only = narrowed.then(|| "test(x)".to_owned());
        plan.policy.fail_on_flake = fail_on_flake;
        plan.policy.coverage.as_mut().unwrap().floor_percent = floor;
        (evidence, plan)
    }
}

/// Makes the evidence worse in one way.
fn worsen(evidence: &mut Evidence, way: u8) {
    match way {
        0..=2 => evidence.tiers.iter_mut().take(1).for_each(|tier| worsen_tier(tier, way)),
        3..=5 => sample::loads(evidence).iter_mut().take(1).for_each(|load| worsen_load(load, way)),
        6..=7 => evidence.environment.iter_mut().for_each(|environment| worsen_environment(environment, way)),
        8 => evidence.coverage.iter_mut().for_each(|coverage| coverage.proof.empty_profiles += 1),
        _ => {
            for line in evidence.coverage.iter_mut().flat_map(|coverage| &mut coverage.files[0].lines) {
                line.counts.fill(0);
            }
        }
    }
}

fn worsen_tier(tier: &mut TierEvidence, way: u8) {
    match (way, tier.results.first_mut()) {
        (0, Some(test)) => test.attempts.iter_mut().for_each(|attempt| attempt.outcome = AttemptOutcome::Failed),
        (1, _) => tier.wall_ms = tier.wall_ms.saturating_mul(2),
        _ => tier.status = TierStatus::Broken { reason: "x".into() },
    }
}

fn worsen_load(load: &mut LoadEvidence, way: u8) {
    match way {
        3 => load.errors = load.errors.saturating_add(1),
        4 => load.latencies_us.truncate(load.latencies_us.len() / 2),
        _ => load.sessions_completed = load.sessions_completed.saturating_sub(1),
    }
}

fn worsen_environment(environment: &mut EnvironmentEvidence, way: u8) {
    let leftover = Leftover { kind: "process".into(), what: "1".into() };
    match (way, &mut environment.teardown) {
        (6, Some(teardown)) => teardown.leftovers.push(leftover),
        _ => environment.services[0].state = ServiceState::Died { how: "x".into() },
    }
}

fn outcomes(verdict: &Verdict) -> BTreeMap<&str, Outcome> {
    verdict.gates.iter().map(|gate| (gate.gate.as_str(), gate.outcome)).collect()
}

proptest! {
    #[test]
    fn the_verdict_is_the_worst_of_its_gates_and_the_same_each_time((evidence, plan) in any_case()) {
        let verdict = judge(&evidence, &plan);
        prop_assert_eq!(Some(verdict.outcome), verdict.gates.iter().map(|gate| gate.outcome).max());
        prop_assert_eq!(&verdict, &judge(&evidence, &plan));
        prop_assert!(verdict.gates.iter().all(|gate| !gate.message.is_empty()));
        prop_assert!(evidence.ending == Ending::Completed || verdict.outcome == Outcome::Invalid);
    }

    #[test]
    fn worse_evidence_never_improves_the_verdict((evidence, plan) in any_case(), way in 0u8..10) {
        let before = judge(&evidence, &plan);
        let mut worse = evidence.clone();
        worsen(&mut worse, way);
        let after = judge(&worse, &plan);
        prop_assert!(after.outcome >= before.outcome, "{way}: {:?} {:?}", before.outcome, after.outcome);
        let (before, after) = (outcomes(&before), outcomes(&after));
        let improved = before.iter().filter(|(gate, outcome)| after.get(*gate).is_some_and(|after| after < outcome));
        // A flaky test that now fails is no longer flaky; its tier's gate says so.
        let improved: Vec<_> = improved.filter(|(gate, _)| way != 0 || **gate != "flake.run").collect();
        prop_assert!(improved.is_empty(), "{way}: {improved:?}");
    }
}
