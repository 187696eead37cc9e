//! Tests of a change that flaked, and that were executed again on it and on its base.

use super::changed;
use crate::judge::sample;
use tollgate_model::{
    ChangeEvidence, ConfirmedFlake, Evidence, Executions, FlakeConfirmation, Plan, Repeats, StressPolicy, TestId,
    Unconfirmed,
};

type Ran = [(u64, u64); 2];

/// A change in which `core a::adds` flaked, and was executed again so often and failed so often: alone, and beside burners.
pub(super) fn confirmed(evidence: &mut Evidence, plan: &mut Plan, head: Ran, base: Option<Ran>) {
    flaked(evidence, plan, 0);
    add(evidence, "a::adds", head, base);
}

/// Lets a test of tier `unit` fail and then pass, with a base and without anything executed again.
fn flaked(evidence: &mut Evidence, plan: &mut Plan, test: usize) {
    plan.base = Some("main".into());
    plan.policy.change_flakes = Some(StressPolicy { budget_ms: 120_000 });
    let commit = "d4e1f2a9c1e77d0b1a2c".to_owned();
    evidence.change = Some(ChangeEvidence { commit, ..ChangeEvidence::default() });
    let confirmation = FlakeConfirmation { burners: 4, ..FlakeConfirmation::default() };
    evidence.confirmation.get_or_insert(confirmation);
    evidence.tiers[0].results[test].attempts = vec![sample::failed(5, "timed out", ""), sample::passed(5)];
}

fn add(evidence: &mut Evidence, name: &str, head: Ran, base: Option<Ran>) {
    let repeats = |ran: Ran| {
        let [plain, stressed] = ran.map(|(all, failed)| Executions { failed, all });
        Repeats { plain, stressed }
    };
    evidence.confirmation.as_mut().unwrap().tests.push(ConfirmedFlake {
        id: TestId::new("core", name),
        tier: sample::tier("unit"),
        wanted: 20,
        head: repeats(head),
        base: base.map(repeats),
        message: Some("no reply within 25ms".into()),
    });
}

/// What the gates of flakes say.
fn check(change: impl FnOnce(&mut Evidence, &mut Plan)) -> String {
    let said = changed(|evidence, plan| {
        plan.policy.coverage = None;
        change(evidence, plan);
    });
    said.lines().filter(|line| !line.starts_with("gone coverage")).collect::<Vec<_>>().join("\n")
}

/// The line of one gate.
fn of(gate: &str, said: &str) -> String {
    said.lines().find(|line| line.contains(gate)).unwrap_or_default().to_owned()
}

const NONE: Ran = [(10, 0), (10, 0)];

#[test]
fn a_flake_that_is_shown_to_be_the_changes_fails_and_one_that_was_there_blocks_nothing() {
    let said = check(|evidence, plan| {
        flaked(evidence, plan, 1);
        add(evidence, "a::parses", [(10, 1), (10, 1)], Some([(10, 0), (10, 2)]));
        confirmed(evidence, plan, [(10, 2), (10, 7)], Some(NONE));
    });
    assert_eq!(
        of("flake.pr:", &said),
        "failed flake.pr: core a::adds flaked; executed again, it failed 9 of 20 times here and 0 of 20 times on a checkout \
         of d4e1f2a9c1e7 (p = 0.0006): the change's; 1 more flaked."
    );
    assert!(
        said.contains("| core a::parses here plain 1/10, stressed 1/10; base plain 0/10, stressed 2/10: no reply"),
        "{said}"
    );
    assert!(said.contains("-> cargo xtask flaky stress 'core a::adds' --tier unit --burners 4"), "{said}");
    let said = check(|evidence, plan| confirmed(evidence, plan, [(10, 0), (10, 5)], Some([(10, 0), (10, 3)])));
    assert!(of("flake.pr:", &said).starts_with("warned flake.pr: "), "{said}");
    assert!(of("flake.run:", &said).starts_with("warned flake.run: "), "{said}");
    assert!(said.ends_with("\nwarned"), "{said}");
}

#[test]
fn a_base_that_fails_every_time_excuses_no_flake() {
    let always: Ran = [(10, 10), (10, 10)];
    let said = check(|evidence, plan| confirmed(evidence, plan, [(10, 1), (10, 3)], Some(always)));
    assert_eq!(
        of("flake.pr:", &said),
        "invalid flake.pr: core a::adds flaked, and whose that is can't be told: executed again, it failed 4 of 20 times \
         here and 20 of 20 times on a checkout of d4e1f2a9c1e7, and what fails every time is no flake."
    );
    assert!(of("flake.run:", &said).starts_with("failed flake.run: "), "{said}");
    let both = check(|evidence, plan| confirmed(evidence, plan, always, Some(always)));
    assert!(of("flake.pr:", &both).starts_with("warned flake.pr: "), "{both}");
}

#[test]
fn a_flake_that_was_not_executed_often_enough_on_both_is_judged_as_without_a_base() {
    let check = |change: fn(&mut Evidence)| {
        let said = check(|evidence, plan| {
            confirmed(evidence, plan, NONE, Some(NONE));
            change(evidence);
        });
        [of("flake.run:", &said), of("flake.pr:", &said)]
            .map(|line| line.split(':').next().unwrap_or_default().to_owned())
    };
    assert_eq!(check(|_| ()), ["warned flake.run", "unproven flake.pr"]);
    let unproven = ["failed flake.run", "unproven flake.pr"];
    assert_eq!(check(|evidence| evidence.confirmation = None), unproven);
    assert_eq!(check(|evidence| evidence.confirmation.as_mut().unwrap().tests[0].head.plain.all = 9), unproven);
    assert_eq!(
        check(|evidence| evidence.confirmation.as_mut().unwrap().tests[0].base.as_mut().unwrap().stressed.all = 9),
        unproven
    );
    assert_eq!(
        check(|evidence| {
            let left = Unconfirmed::LeftOut { why: "core b failed, and all tests have to pass first".into() };
            evidence.confirmation = Some(FlakeConfirmation { unconfirmed: Some(left), ..FlakeConfirmation::default() });
        }),
        unproven
    );
    assert_eq!(
        check(|evidence| {
            let broken = Unconfirmed::Broken { why: "the base can't be built".into() };
            evidence.confirmation =
                Some(FlakeConfirmation { unconfirmed: Some(broken), ..FlakeConfirmation::default() });
        }),
        ["failed flake.run", "invalid flake.pr"]
    );
}

#[test]
fn a_flake_that_nothing_executed_again_is_unproven_and_what_would_tell_is_named() {
    let unproven = |change: fn(&mut Evidence)| {
        check(|evidence, plan| {
            flaked(evidence, plan, 0);
            evidence.confirmation = None;
            change(evidence);
        })
    };
    let united = unproven(|evidence| evidence.run.parts = vec![evidence.run.id.clone()]);
    assert_eq!(
        of("flake.pr:", &united),
        "unproven flake.pr: core a::adds flaked, and whose that is can't be told: it failed in one attempt at its shard and \
         passed in a later one, and neither saw both."
    );
    let fix =
        "-> cargo xtask flaky stress 'core a::adds' --tier unit --burners 1, here and on a checkout of d4e1f2a9c1e7";
    assert!(united.contains(fix), "{united}");
    let load = unproven(|evidence| {
        evidence.tiers[0].results[0].attempts.remove(0);
        evidence.tiers[3].results[0].attempts.push(sample::failed(5, "not answered", ""));
    });
    assert!(of("flake.pr:", &load).ends_with("what measures load is not executed beside burners."), "{load}");
    assert!(!load.contains("--burners"), "{load}");
    assert!(load.contains("-> cargo xtask test performance"), "{load}");
    assert!(of("flake.run:", &load).starts_with("failed flake.run: 1 of 7 tests failed in one attempt"), "{load}");
}

#[test]
fn how_much_more_would_decide_is_said_where_something_would() {
    let said = |head| of("flake.pr:", &check(|evidence, plan| confirmed(evidence, plan, head, Some(NONE))));
    let some = said([(10, 0), (10, 3)]);
    assert!(some.contains("(p = 0.12): 27 more of each would show"), "{some}");
    assert!(some.ends_with("Not blocking. (+27)"), "{some}");
    let none = said(NONE);
    assert!(
        none.ends_with("it fails at most 14.0 % of the time, 95 % sure, so nobody is blamed. Not blocking."),
        "{none}"
    );
    let short =
        of("flake.pr:", &check(|evidence, plan| confirmed(evidence, plan, [(5, 1), (5, 0)], Some([(5, 0), (5, 0)]))));
    assert!(short.contains("can't be told: 20 executions did not fit into 120 s. (+20)"), "{short}");
}

#[test]
fn without_a_flake_or_without_a_test_nothing_is_executed_again() {
    let without = |change: fn(&mut Evidence, &mut Plan)| {
        of(
            "flake.pr:",
            &check(|evidence, plan| {
                flaked(evidence, plan, 0);
                evidence.confirmation = None;
                evidence.tiers[0].results[0].attempts.remove(0);
                change(evidence, plan);
            }),
        )
    };
    assert!(without(|_, _| ()).starts_with("passed flake.pr: No test failed and then passed"));
    let none = without(|evidence, _| {
        for tier in &mut evidence.tiers {
            tier.planned.clear();
            tier.results.clear();
        }
    });
    assert!(none.starts_with("unproven flake.pr: No test ran"), "{none}");
    let broken = without(|evidence, _| evidence.tiers.truncate(1));
    assert!(broken.starts_with("invalid flake.pr: Not all tests ran"), "{broken}");
    assert_eq!(without(|_, plan| plan.policy.change_flakes = None), "");
}
