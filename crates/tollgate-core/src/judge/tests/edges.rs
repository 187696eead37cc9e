//! Edges at which a gate turns, and what it must not mistake for something else.

use super::confirmed::confirmed;
use super::slow::grown;
use super::stressed::stressed;
use super::{changed, quarantine, result};
use crate::coverage::{line_totals, lines};
use crate::judge::load_gates::percentile;
use crate::judge::{judge, load_doubt, sample};
use tollgate_model::{
    Blame, ChangeEvidence, CoverageBase, Evidence, GateResult, LoadEvidence, Novelty, Outcome, Plan, TestCount, TestId,
};

/// A gate of the sample with a change.
fn gate(name: &str, change: impl FnOnce(&mut Evidence, &mut Plan)) -> GateResult {
    let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
    change(&mut evidence, &mut plan);
    let gates = judge(&evidence, &plan).gates;
    gates.into_iter().find(|gate| gate.gate.as_str() == name).unwrap_or_else(|| panic!("no gate {name}"))
}

fn base() -> CoverageBase {
    let lines = lines(&sample::coverage());
    CoverageBase { tree: "99aa".into(), packages: line_totals(&lines), kept: lines, ..CoverageBase::default() }
}

#[test]
fn a_test_that_ran_unplanned_is_not_taken_for_an_ignored_one() {
    let unit = gate("tests.unit", |evidence, _| {
        evidence.tiers[0].results.push(result("c::surprise", vec![sample::passed(5)]));
    });
    assert_eq!(unit.message, "3 tests passed; 1 ignored test not run.");
}

#[test]
fn without_any_test_nothing_is_known_of_flakes() {
    let flakes = gate("flake.run", |evidence, _| {
        evidence.tiers.iter_mut().for_each(|tier| (tier.planned, tier.results) = (Vec::new(), Vec::new()));
    });
    assert_eq!(flakes.outcome, Outcome::Invalid);
}

#[test]
fn eight_tenths_of_the_tests_are_missed_and_fewer_fail() {
    let ran = |tests, before| {
        gate("tests.count", |evidence, _| {
            sample::fail(&mut evidence.tiers[0], tests, 0);
            let executed = TestCount { executed: before };
            evidence.base = Some(CoverageBase { tests: [(sample::tier("unit"), executed)].into(), ..base() });
        })
        .outcome
    };
    // Beside those of the unit tier, four are run.
    assert_eq!([ran(4, 10), ran(3, 10)], [Outcome::Warned, Outcome::Failed]);
}

#[test]
fn a_test_without_a_result_did_not_run() {
    let count = gate("tests.count", |evidence, _| {
        evidence.tiers[1].results.pop();
        let executed = TestCount { executed: 7 };
        evidence.base = Some(CoverageBase { tests: [(sample::tier("unit"), executed)].into(), ..base() });
    });
    assert_eq!((count.outcome, count.k), (Outcome::Warned, Some(6)));
}

#[test]
fn requests_of_sessions_that_ended_early_pass_nothing_and_still_fail() {
    let of = |name, completed, errors| {
        gate(name, |evidence, _| {
            let load = sample::first_load(evidence);
            (load.sessions, load.sessions_completed, load.errors) = (400, completed, errors);
        })
        .outcome
    };
    let all = ["perf.p95.chat", "perf.error.chat", "perf.completion.chat"];
    assert_eq!(all.map(|name| of(name, 200, 0)), [Outcome::Unproven, Outcome::Unproven, Outcome::Failed]);
    assert_eq!(all.map(|name| of(name, 200, 400)), [Outcome::Unproven, Outcome::Failed, Outcome::Failed]);
    // 320 of 400 are neither enough nor too few.
    assert_eq!(all.map(|name| of(name, 320, 0)), [Outcome::Passed, Outcome::Passed, Outcome::Unproven]);
}

#[test]
fn one_number_of_a_load_that_contradicts_another_is_enough() {
    let is_doubted = |change: fn(&mut LoadEvidence)| {
        let mut load = sample::load();
        change(&mut load);
        load_doubt(&load).is_some_and(|doubt| doubt.contains("contradict"))
    };
    assert!(!is_doubted(|_| ()));
    assert!(is_doubted(|load| load.requests = load.latencies_us.len() as u64 - 1));
    assert!(is_doubted(|load| load.errors = load.requests + 1));
    assert!(is_doubted(|load| load.sent_late = load.requests + 1));
    assert!(is_doubted(|load| load.sessions_completed = load.sessions + 1));
    assert!(is_doubted(|load| load.latencies_us.reverse()));
}

#[test]
fn a_generator_is_late_beyond_a_twentieth() {
    let is_late = |late| load_doubt(&LoadEvidence { sent_late: late, ..sample::load() }).is_some();
    // Of 1500 requests.
    assert_eq!([is_late(75), is_late(76)], [false, true]);
}

#[test]
fn what_can_not_be_judged_has_no_interval() {
    let with = |change: fn(&mut LoadEvidence)| {
        let gate = gate("perf.error.chat", |evidence, _| change(sample::first_load(evidence)));
        (gate.outcome, gate.lo, gate.hi, gate.margin)
    };
    let nothing = (Outcome::Invalid, None, None, None);
    assert_eq!(with(|load| load.sent_late = load.requests), nothing);
    assert!(with(|_| ()).1.is_some());
}

#[test]
fn a_file_that_tests_never_reached_is_not_missed() {
    let lost = |was_reached: bool| {
        gate("coverage.lost", |evidence, plan| {
            plan.base = Some("main".into());
            evidence.change = Some(ChangeEvidence::default());
            let mut base = base();
            let mut gone = base.kept.0["crates/core/src/lib.rs"].clone();
            if !was_reached {
                gone.covered = tollgate_model::LineRanges::default();
            }
            base.kept.0.insert("crates/core/src/gone.rs".into(), gone);
            evidence.base = Some(base);
        })
    };
    let gone = lost(true);
    assert_eq!((gone.outcome, gone.k), (Outcome::Warned, Some(0)));
    assert_eq!(gone.fix.as_deref(), Some("Compile the files again, delete them, or exclude them with a reason."));
    assert_eq!(lost(false).outcome, Outcome::Passed);
}

#[test]
fn of_20_999_lines_twenty_may_be_lost() {
    let lost = gate("coverage.lost", |evidence, plan| {
        plan.base = Some("main".into());
        evidence.change = Some(ChangeEvidence::default());
        evidence.base = Some(base());
        let file = &mut evidence.coverage.as_mut().unwrap().files[1];
        let last = file.lines.last().unwrap().clone();
        let more = (1..=20_979).map(|n| {
            let mut line = last.clone();
            line.line += n;
            line
        });
        file.lines.extend(more);
    });
    assert_eq!(lost.limit.as_deref(), Some("20 lost"));
}

#[test]
fn a_crate_that_falls_below_its_floor_is_no_debt() {
    let crates = gate("coverage.crates", |evidence, plan| {
        plan.base = Some("main".into());
        plan.policy.coverage.as_mut().unwrap().floors.insert("identity".into(), 90);
        evidence.change = Some(ChangeEvidence::default());
        evidence.base = Some(base());
        evidence.coverage.as_mut().unwrap().files[1].lines[..2].iter_mut().for_each(|line| line.counts.fill(0));
    });
    assert_eq!((crates.outcome, crates.blame), (Outcome::Failed, Some(Blame::Change)));
    assert!(crates.baseline.is_some());
}

#[test]
fn what_a_doubt_leaves_open_says_what_it_would_be_compared_with() {
    for name in ["coverage.lost", "coverage.crates"] {
        let doubted = gate(name, |evidence, plan| {
            plan.base = Some("main".into());
            evidence.change = Some(ChangeEvidence::default());
            evidence.base = Some(base());
            evidence.coverage.as_mut().unwrap().proof.services[0].profiles = 0;
        });
        assert_eq!((doubted.outcome, doubted.baseline.is_some()), (Outcome::Invalid, true), "{name}");
    }
}

#[test]
fn code_that_is_added_to_a_measured_file_is_measured() {
    let patch = gate("coverage.patch", |evidence, plan| {
        plan.base = Some("main".into());
        let code = ["crates/core/src/lib.rs".to_owned()].into();
        evidence.change = Some(ChangeEvidence { code, ..ChangeEvidence::default() });
    });
    assert_eq!(patch.outcome, Outcome::Passed, "{}", patch.message);
}

#[test]
fn lines_that_were_only_moved_are_of_the_patch_where_no_other_gate_asks_for_them() {
    let patch = |kept: Option<(u32, u32)>, reached_only: bool| {
        gate("coverage.patch", |evidence, plan| {
            plan.base = Some("main".into());
            let file = &mut evidence.coverage.as_mut().unwrap().files[0];
            file.lines.iter_mut().for_each(|line| line.counts.fill(0));
            let added = [(file.path.clone(), vec![(3, 8)])].into();
            evidence.change = Some(ChangeEvidence { added, ..ChangeEvidence::default() });
            evidence.base = kept.map(|(covered, uncovered)| {
                let mut base = base();
                let before = base.kept.0.get_mut(&file.path).unwrap();
                (before.covered, before.uncovered) =
                    ([covered].into_iter().collect(), [uncovered].into_iter().collect());
                base
            });
            if reached_only {
                plan.reach = Some(sample::reach(&["core"]));
            }
        })
    };
    let (all, some) = (patch(None, false), patch(Some((4, 6)), false));
    assert_eq!((all.outcome, all.n), (Outcome::Failed, Some(6)), "{}", all.message);
    assert_eq!((some.outcome, some.n), (Outcome::Failed, Some(4)));
    assert!(some.message.ends_with(" 2 lines that it only moved: see coverage.lost."), "{}", some.message);
    assert_eq!(patch(Some((4, 6)), true).n, Some(6));
}

#[test]
fn a_service_of_a_tier_that_counts_nothing_owes_no_profile() {
    let proof = gate("coverage.proof", |evidence, plan| {
        let services = &mut evidence.environment.as_mut().unwrap().services;
        let mut other = services.iter().find(|service| service.name.as_str() == "identity").unwrap().clone();
        other.name = sample::service("loaded");
        services.push(other);
        plan.tiers[3].services.push(sample::service("loaded"));
    });
    assert_eq!(proof.outcome, Outcome::Passed, "{}", proof.message);
}

#[test]
fn without_a_flake_there_is_none_to_execute_again() {
    let flakes = gate("flake.pr", |evidence, plan| {
        confirmed(evidence, plan, [(0, 0); 2], None);
        evidence.tiers[0].results[0].attempts = vec![sample::passed(5)];
    });
    assert_eq!((flakes.outcome, flakes.n), (Outcome::Passed, Some(0)));
}

#[test]
fn floors_of_crates_that_were_not_measured_are_kept_by_none() {
    let crates = gate("coverage.crates", |_, plan| {
        plan.policy.coverage.as_mut().unwrap().floors = [("billing".to_owned(), 80)].into();
    });
    let said = (crates.outcome, crates.message.as_str());
    assert_eq!(said, (Outcome::Invalid, "No crate with a floor was measured."));
}

#[test]
fn the_crate_with_most_uncovered_lines_is_named() {
    let floor = gate("coverage.floor", |_, plan| plan.policy.coverage.as_mut().unwrap().floor_percent = 90);
    assert!(floor.message.contains("Most uncovered: core (2 lines)"), "{}", floor.message);
}

#[test]
fn one_profile_for_each_test_program_is_enough() {
    let proof = gate("coverage.proof", |evidence, _| {
        evidence.coverage.as_mut().unwrap().proof.profiles.insert(sample::tier("unit"), 1);
    });
    assert_eq!(proof.outcome, Outcome::Passed, "{}", proof.message);
}

#[test]
fn a_test_that_is_newly_slow_and_one_over_its_budget_are_two() {
    let time = gate("time.tests", |evidence, plan| {
        grown(evidence, 12_000, 3_100);
        plan.tiers[0].test_budget_ms = Some(8);
    });
    assert_eq!((time.k, time.value.as_deref()), (Some(3), Some("3 slow")), "{}", time.message);
}

#[test]
fn a_test_that_others_slowed_down_a_little_is_slow_all_the_same() {
    let time = gate("time.tests", |evidence, _| {
        sample::contend(&mut evidence.tiers[0], 23_000);
        grown(evidence, 40_000, 1_000);
    });
    assert_eq!(time.outcome, Outcome::Warned, "{}", time.message);
}

#[test]
fn tests_that_take_no_time_cost_none() {
    let time = gate("time.tests", |evidence, _| {
        grown(evidence, 0, 0);
        let results = evidence.tiers.iter_mut().flat_map(|tier| &mut tier.results);
        results.flat_map(|test| &mut test.attempts).for_each(|attempt| attempt.duration_ms = 0);
        evidence.tiers.iter_mut().for_each(|tier| tier.wall_ms = 0);
    });
    let costs = |line: &String| line.contains("of the time") || line.contains("critical path");
    assert!(!time.evidence.iter().any(costs), "{:?}", time.evidence);
}

#[test]
fn a_flake_is_not_confirmed_where_nobody_asks_for_it() {
    let flakes = |asked: bool| {
        gate("flake.run", |evidence, plan| {
            confirmed(evidence, plan, [(10, 0), (10, 5)], Some([(10, 0), (10, 3)]));
            if !asked {
                plan.policy.change_flakes = None;
            }
        })
        .message
    };
    assert!(flakes(true).contains("flake.pr says"));
    assert!(!flakes(false).contains("flake.pr says"));
}

#[test]
fn more_time_is_the_remedy_only_where_executions_are_missing() {
    let fix = |head| {
        let gate = gate("flake.pr", |evidence, plan| confirmed(evidence, plan, head, Some(head)));
        (gate.outcome, gate.fix.unwrap_or_default().starts_with("Raise `budget`"))
    };
    assert_eq!(fix([(4, 0), (3, 0)]), (Outcome::Unproven, true));
    assert_eq!(fix([(10, 0), (10, 0)]), (Outcome::Unproven, false));
}

#[test]
fn a_new_test_that_always_fails_again_is_said_to() {
    let said = |failed| {
        gate("flake.new", |evidence, plan| stressed(evidence, plan, Novelty::Added, 20, [(10, failed), (10, 10)]))
            .message
    };
    assert!(said(10).contains("it fails whenever it is run again"));
    assert!(!said(9).contains("it fails whenever it is run again"));
}

#[test]
fn packages_that_are_left_out_are_counted() {
    let reach = gate("run.reach", |_, plan| plan.reach = Some(sample::reach(&["core"])));
    assert_eq!((reach.k, reach.n, reach.value.as_deref()), (Some(1), Some(3), Some("1 left out")));
    assert!(changed(|_, plan| plan.reach = Some(sample::reach(&["core"]))).contains("run.reach"));
}

#[test]
fn a_quarantine_is_counted_and_one_that_holds_needs_nothing() {
    let gate = gate("quarantine", |_, plan| quarantine(plan, TestId::new("core", "a::adds")));
    assert_eq!((gate.outcome, gate.k, gate.n, gate.fix), (Outcome::Passed, Some(1), Some(7), None));
    assert_eq!((gate.value.as_deref(), gate.limit.as_deref()), (Some("1 quarantined"), Some("5 quarantined")));
}

#[test]
fn a_quarantine_may_begin_on_the_day_of_the_run() {
    let gate = gate("quarantine", |_, plan| {
        quarantine(plan, TestId::new("core", "a::adds"));
        plan.policy.quarantine[0].since = jiff::civil::Date::constant(2026, 11, 21);
    });
    assert_eq!(gate.outcome, Outcome::Passed, "{}", gate.message);
}

#[test]
fn more_time_helps_no_test_that_is_quarantined() {
    let fix = gate("flake.new", |evidence, plan| {
        stressed(evidence, plan, Novelty::Added, 20, [(10, 3), (10, 3)]);
        quarantine(plan, TestId::new("pay", "tests::retry_backs_off"));
    });
    assert_eq!((fix.outcome, fix.fix), (Outcome::Unproven, None));
}

#[test]
fn a_load_tier_without_a_test_has_measured_nothing() {
    let load = gate("perf.performance", |evidence, _| {
        evidence.load.clear();
        let tier = evidence.tiers.last_mut().unwrap();
        (tier.planned, tier.results) = (Vec::new(), Vec::new());
    });
    assert_eq!(load.outcome, Outcome::Invalid, "{}", load.message);
}

#[test]
fn how_often_a_load_was_run_is_said() {
    let load = gate("perf.error.chat", |evidence, _| sample::first_load(evidence).extended = 2);
    assert!(load.message.ends_with(" The load was run 3 times."), "{}", load.message);
}

#[test]
fn a_percentile_is_that_of_all_requests_that_were_due() {
    let of_ten = LoadEvidence { requests: 10, latencies_us: (1..=10).collect(), ..sample::load() };
    assert_eq!([1, 50, 95].map(|percent| percentile(&of_ten, percent)), [Some(1), Some(5), Some(10)]);
    assert_eq!(percentile(&LoadEvidence { requests: 20, ..of_ten }, 95), None);
}
