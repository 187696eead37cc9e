//! `evidence`: a verdict that rests on something unknown is no whole one.

use crate::judge::{judge, sample};
use tollgate_model::{ChangeEvidence, Ending, Evidence, Outcome, Partition, Plan, ServiceState};

/// What the gate makes of a good run with this change.
fn evidence(change: impl FnOnce(&mut Evidence, &mut Plan)) -> String {
    let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
    change(&mut evidence, &mut plan);
    let verdict = judge(&evidence, &plan);
    let gate = verdict.gates.into_iter().find(|gate| gate.gate.as_str() == "evidence").expect("it is in every verdict");
    let value = gate.value.map_or(String::new(), |value| format!(" [{value}]"));
    format!("{}: {}{value}", gate.outcome, gate.message)
}

#[test]
fn an_environment_is_known_by_the_versions_of_what_ran_beside_the_workspace() {
    let services = |change: fn(&mut Evidence)| evidence(|evidence, _| change(evidence));
    let good = services(|_| ());
    insta::assert_snapshot!(good, @"passed: Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). No base was asked for. [7f10fa13ac32]");
    assert_eq!(services(|evidence| evidence.run.wall_ms += 1), good);
    let other = services(|evidence| evidence.environment.as_mut().unwrap().services[0].version = Some("17.6".into()));
    assert!(other.starts_with("passed") && other != good, "{other}");
    insta::assert_snapshot!(
        services(|evidence| evidence.environment.as_mut().unwrap().services[0].version = None),
        @"invalid: Of postgres nobody knows what ran. Tests of 4f2a9c1e77d0. No base was asked for. [0951e9e10cb3]"
    );
    let unknown =
        services(|evidence| evidence.environment.as_mut().unwrap().services[0].version = Some("unknown".into()));
    assert!(unknown.starts_with("invalid: Of postgres nobody knows what ran."), "of an older run: {unknown}");
    // What never ran has no version, and another gate says that it did not.
    let never = services(|evidence| {
        let service = &mut evidence.environment.as_mut().unwrap().services[0];
        (service.version, service.state) = (None, ServiceState::NotStarted);
    });
    assert!(never.starts_with("passed"), "{never}");
    insta::assert_snapshot!(
        services(|evidence| {
            evidence.environment = None;
            evidence.ending = Ending::EnvironmentFailed { detail: String::new() };
        }),
        @"invalid: No environment: the environment failed. Tests of 4f2a9c1e77d0. No base was asked for."
    );
}

#[test]
fn without_services_no_environment_has_to_be_known() {
    let said = evidence(|evidence, plan| {
        plan.tiers.iter_mut().for_each(|tier| tier.services.clear());
        evidence.environment = None;
        (evidence.run.commit, evidence.run.dirty) = (None, true);
    });
    insta::assert_snapshot!(said, @"passed: Tests of a directory that is no checkout. No environment was needed. No base was asked for.");
}

#[test]
fn a_base_that_is_asked_for_is_there_or_said_not_to_be() {
    let of = |change: Option<ChangeEvidence>, measured: bool| {
        evidence(|evidence, plan| {
            plan.base = Some("main".into());
            evidence.change = change;
            plan.policy.coverage = plan.policy.coverage.take().filter(|_| measured);
        })
    };
    let change = || ChangeEvidence { commit: "d4e1f2a9c1e77d0b1a2c".into(), ..ChangeEvidence::default() };
    let unreadable = || ChangeEvidence { unreadable: Some("it is locked.".into()), ..change() };
    let all = [of(Some(change()), true), of(Some(change()), false), of(Some(unreadable()), true), of(None, true)];
    assert_eq!(all[0], all[1], "tests are counted without coverage too");
    insta::assert_snapshot!(all.join("\n"), @"
    warned: No run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded. Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). [7f10fa13ac32]
    warned: No run of stage dev at d4e1f2a9c1e7 or at one of the commits before it is recorded. Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). [7f10fa13ac32]
    invalid: Whether a run of d4e1f2a9c1e7 is recorded can't be told: it is locked. Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). [7f10fa13ac32]
    invalid: What differs from main is not known. Tests of 4f2a9c1e77d0. Environment 7f10fa13ac32 (native engine, 2 services). [7f10fa13ac32]
    ");
}

#[test]
fn the_worst_of_what_is_not_known_counts_and_comes_first() {
    let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
    plan.partition = Some(Partition { index: 1, count: 2 });
    plan.base = Some("main".into());
    evidence.change = Some(ChangeEvidence::default());
    evidence.environment = None;
    let gate = judge(&evidence, &plan).gates.remove(0);
    assert_eq!((gate.gate.as_str(), gate.outcome), ("evidence", Outcome::Invalid));
    assert!(gate.message.starts_with("No environment: "), "{}", gate.message);
    assert!(gate.message.contains("No run of stage dev at") && gate.message.contains("Part 1/2"), "{}", gate.message);
}
