//! The committed table, and what is counted.

use super::*;
use crate::judge::rule;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use tollgate_model::{GateFigures, Outcome, SCHEMA, SelfTest, Tally};

const TABLE: &str = include_str!("../../../../fixtures/truths/truths.toml");

fn gates(gates: &[(&str, Outcome)]) -> BTreeMap<String, Outcome> {
    gates.iter().map(|(gate, outcome)| ((*gate).to_owned(), *outcome)).collect()
}

fn trial(expect: &[(&str, Outcome)], exit: i32) -> Trial {
    let (specimen, what) = (Some("flaky-test".to_owned()), "A flake".to_owned());
    Trial { specimen, what, command: "ci --stage dev".into(), exit, expect: gates(expect), scene: None }
}

fn seen(exit: i32, is: &[(&str, Outcome)]) -> Seen {
    Seen { exit: Some(exit), gates: Some(gates(is)), wall_ms: 1200, log: "logs/1".into() }
}

#[test]
fn the_committed_table_names_gates_that_there_are() {
    let truths = Truths::parse(TABLE).expect("the table");
    let commands: Vec<String> = truths.calm.iter().map(|calm| Trial::calm(calm).command_name()).collect();
    for truth in &truths.truths {
        for gate in truth.expect.keys() {
            assert!(rule(gate).is_some() || commands.contains(gate), "{}: there is no gate {gate}", truth.name);
        }
        let first = |command: &str| command.split(' ').next().map(str::to_owned);
        let is_calm = truths.calm.iter().any(|calm| first(&calm.command) == first(&truth.command));
        assert!(is_calm, "{}: never tried with nothing wrong", truth.name);
    }
    let asked_for = [
        "flaky-test",
        "slow-test",
        "leaky-test",
        "contended-test",
        "coverage-gap",
        "unmeasured-crate",
        "surviving-mutant",
        "broken-contract",
        "never-ready",
        "dying-service",
        "ignores-sigterm",
        "slow-load",
        "undecided-load",
        "lost-lines",
        "unrecorded-base",
        "untested-lines",
        "lost-test",
        "unsociable-test",
        "flake-of-the-change",
        "flake-of-the-base",
        "flaky-main-branch",
        "newly-slow-test",
    ];
    assert!(asked_for.iter().all(|name| truths.truths.iter().any(|truth| truth.name == *name)));
    assert_eq!(truths.trials(2, &[]).expect("trials").len(), 2 * truths.calm.len() + truths.truths.len());
    assert_eq!(truths.trials(2, &["slow-load".into()]).expect("trials").len(), 1);
    let error = truths.trials(2, &["slow-lode".into()]).expect_err("no such truth");
    assert!(error.starts_with("there is no truth `slow-lode`; there are failing-test, flaky-test"), "{error}");
}

#[test]
fn a_table_that_proves_nothing_is_refused() {
    let check = |text: &str| Truths::parse(&format!("calm = []\n{text}")).expect_err("refused");
    let truth = |expect: &str| {
        format!("[[truth]]\nname = \"a\"\nwhat = \"b\"\ncommand = \"ci\"\nexit = 1\nexpect = {{ {expect} }}\n")
    };
    assert!(check("[[truths]]").contains("unknown field `truths`"));
    assert_eq!(check(&truth("")), "the truth `a` must name gates that don't pass, and only those");
    assert_eq!(check(&truth("x = \"passed\"")), "the truth `a` must name gates that don't pass, and only those");
    assert_eq!(check(&truth("x = \"failed\"").repeat(2)), "the truth `a` is there twice");
}

#[test]
fn a_row_is_as_expected_only_where_every_gate_and_the_exit_code_are() {
    use Outcome::{Failed, Invalid, Passed, Warned};
    let check = |expect: &[(&str, Outcome)], exit, is: &[(&str, Outcome)]| {
        let row = row(trial(expect, 1), seen(exit, is));
        (row.as_expected, row.missed.len(), row.false_alarms.len())
    };
    assert_eq!(check(&[("a", Failed)], 1, &[("a", Failed), ("b", Passed)]), (true, 0, 0));
    assert_eq!(check(&[("a", Failed)], 0, &[("a", Failed)]), (false, 0, 0), "another exit code");
    assert_eq!(check(&[("a", Failed)], 1, &[("a", Warned)]), (false, 1, 0), "another outcome");
    assert_eq!(check(&[("a", Failed)], 1, &[("b", Passed)]), (false, 1, 0), "the gate is not there");
    assert_eq!(check(&[("a", Failed)], 1, &[("a", Failed), ("b", Invalid)]), (false, 0, 1), "another gate too");
    let none = row(trial(&[], 0), Seen { exit: Some(0), ..Seen::default() });
    assert!(!none.as_expected, "no verdict is no pass");
    assert_eq!(none.false_alarms, BTreeMap::new());
}

#[test]
fn a_command_without_gates_is_judged_by_its_exit_code() {
    let stress = Trial { command: "flaky stress -n 4 a::b".into(), ..trial(&[("flaky stress", Outcome::Failed)], 1) };
    let check = |exit| row(stress.clone(), Seen { exit, ..Seen::default() });
    assert!(check(Some(1)).as_expected);
    for exit in [Some(0), Some(5), None] {
        assert!(check(exit).missed.contains_key("flaky stress"), "{exit:?}");
    }
}

#[test]
fn figures_count_by_gate_what_could_have_happened() {
    use Outcome::{Failed, Passed, Warned};
    let rows = [
        row(trial(&[("a", Failed)], 1), seen(1, &[("a", Failed), ("b", Passed)])),
        row(trial(&[("a", Failed)], 1), seen(1, &[("a", Passed), ("b", Warned)])),
        row(trial(&[], 0), seen(0, &[("a", Passed), ("b", Passed)])),
    ];
    let figure = |gate: &str, alarms: (u64, u64), missed: (u64, u64)| GateFigures {
        gate: gate.into(),
        false_alarms: Tally { k: alarms.0, n: alarms.1 },
        missed: Tally { k: missed.0, n: missed.1 },
    };
    let counted = figures(&rows);
    assert_eq!(counted, [figure("a", (0, 1), (1, 2)), figure("b", (1, 3), (0, 0))]);

    let at =
        |day: i8| jiff::civil::date(2026, 8, day).at(3, 0, 0, 0).to_zoned(TimeZone::UTC).expect("a time").timestamp();
    let test = |day| SelfTest { schema: SCHEMA, at: at(day), wall_ms: 1, gates: counted.clone() };
    let now = jiff::civil::date(2026, 11, 1).at(3, 0, 0, 0).to_zoned(TimeZone::UTC).expect("a time").timestamp();
    // Ninety days before the first of November is the third of August.
    let sum = together(&[test(2), test(3), test(4)], now).expect("self-tests");
    assert_eq!((sum.tests, &sum.gates[0]), (2, &figure("a", (0, 2), (2, 4))));
    assert_eq!(together(&[test(2)], now), None);
}

#[test]
fn the_text_names_what_is_wrong_and_ends_with_the_answer() {
    use Outcome::{Failed, Passed, Warned};
    let rows = [
        row(Trial::calm(&Calm { command: "ci".into(), scene: None }), seen(0, &[("a", Passed), ("b", Passed)])),
        row(trial(&[("a", Failed)], 1), seen(0, &[("a", Passed), ("b", Warned)])),
    ];
    insta::assert_snapshot!(terminal(&rows, &figures(&rows)), @"
      TRUTH                  TOOK  CONCLUDED
      -                     1.2 s  2 gates passed
    ! flaky-test            1.2 s  b warned
                                    missed: a must be failed, and is passed
                                    false alarm: b warned
                                    it must end with exit code 1, and ended with exit code 0
                                    what it said: logs/1

      GATE                         FALSE ALARMS                 MISSED
      a                            0 of 1, at most 95.0 %       1 of 1, at least 5.0 %
      b                            1 of 2, 2.5 % to 97.5 %      not tried

    2 trials in 2.4 s, 1 not as expected: flaky-test.
    ");
    insta::assert_snapshot!(markdown(&rows, &figures(&rows)), @"
    2 trials in 2.4 s, 1 not as expected: flaky-test.

    | truth | what is wrong | concluded | exit | time |
    |---|---|---|--:|--:|
    | - | Nothing is wrong | 2 gates passed | 0 | 1.2 s |
    | ❌ flaky-test | A flake | b warned<br>missed: a must be failed, and is passed<br>false alarm: b warned<br>it must end with exit code 1, and ended with exit code 0<br>what it said: logs/1 | 0 | 1.2 s |

    | gate | false alarms | missed |
    |---|---|---|
    | a | 0 of 1, at most 95.0 % | 1 of 1, at least 5.0 % |
    | b | 1 of 2, 2.5 % to 97.5 % | not tried |
    ");
}
