//! Which runs count, which were flaky, and what is said about them.

use super::*;
use tollgate_model::{
    Digest, FailureRecord, Outcome, RunId, RunSummary, Source, StageName, TestId, TestOutcome, TestRecord,
};

fn stage() -> StageName {
    StageName::new("production").unwrap()
}

/// A clean run of 100 tests; runs of greater numbers are later. Runs of the same inputs tested the same.
fn run(number: u32, inputs: char) -> RunSummary {
    RunSummary {
        record: None,
        run: RunId::new(format!("run-{number}")).unwrap(),
        parts: Vec::new(),
        started_at: jiff::Timestamp::from_second(1_795_000_000 + 86_400 * i64::from(number)).unwrap(),
        wall_ms: 90_000,
        commit: None,
        tree: None,
        branch: None,
        source: Source::Main,
        inputs: Some(Digest::new(inputs.to_string().repeat(64)).unwrap()),
        stage: stage(),
        complete: true,
        outcome: Outcome::Passed,
        tests: 100,
        unusual: Vec::new(),
    }
}

fn id(name: &str) -> TestId {
    TestId::new("core", name)
}

fn test(name: &str, outcome: TestOutcome, message: &str) -> TestRecord {
    let failure = FailureRecord { fingerprint: crate::history::fingerprint(message), message: message.into() };
    TestRecord { id: id(name), outcome, attempts: 2, failures: 1, duration_ms: 5, failure: Some(failure) }
}

fn flaky(name: &str) -> TestRecord {
    test(name, TestOutcome::Flaky, "port 7 is taken")
}

fn failed(name: &str) -> TestRecord {
    test(name, TestOutcome::Failed, "left is not right")
}

fn with(mut run: RunSummary, tests: impl IntoIterator<Item = TestRecord>) -> RunSummary {
    run.unusual.extend(tests);
    run
}

/// The runs that count with their flaky tests, and those that don't.
fn check(runs: &[RunSummary], muted: &Muted) -> String {
    let series = series(runs, &stage(), |run| run.source.is_main(), muted);
    let name = |test: &&TestRecord| test.id.name.clone();
    let mut lines: Vec<String> = series
        .trials
        .iter()
        .map(|trial| format!("{} [{}]", trial.run.run, trial.flaky.iter().map(name).collect::<Vec<_>>().join(" ")))
        .collect();
    lines.extend(series.left_out.iter().map(|(why, n)| format!("{n} {}", why.as_str())));
    lines.join("; ")
}

#[test]
fn a_flake_is_what_failed_and_passed_with_the_same_inputs() {
    let none = Muted::default();
    assert_eq!(check(&[run(1, 'a'), with(run(2, 'a'), [flaky("x"), flaky("y")])], &none), "run-1 []; run-2 [x y]");
    // Run 1 failed for good, as far as anybody knew, until run 2 passed on the same inputs.
    let first = with(run(1, 'a'), [failed("x")]);
    assert_eq!(check(std::slice::from_ref(&first), &none), "1 with failures that nothing contradicts");
    assert_eq!(check(&[first.clone(), run(2, 'b')], &none), "run-2 []; 1 with failures that nothing contradicts");
    assert_eq!(check(&[first.clone(), run(2, 'a')], &none), "run-1 [x]; run-2 []");
    assert_eq!(check(&[first.clone(), with(run(2, 'a'), [failed("y")])], &none), "run-1 [x]; run-2 [y]");
    assert_eq!(
        check(&[first.clone(), with(run(2, 'a'), [failed("x")])], &none),
        "2 with failures that nothing contradicts"
    );
    // Inputs that are not known are those of no other run.
    let unknown = RunSummary { inputs: None, ..first };
    assert_eq!(
        check(&[unknown, RunSummary { inputs: None, ..run(2, 'a') }], &none),
        "run-2 []; 1 with failures that nothing contradicts"
    );
}

#[test]
fn attempts_at_one_run_of_several_shards_are_one_trial() {
    let of = |number: u32, parts: &[&str]| {
        let parts = parts.iter().map(|part| RunId::new(*part).unwrap()).collect();
        RunSummary { parts, ..run(number, 'a') }
    };
    let none = Muted::default();
    // x failed in a shard, which was run again and passed: both gates know of the failure, and there was one run.
    let first = with(of(1, &["s1", "s2"]), [failed("x")]);
    let again = with(of(2, &["s1", "s3"]), [flaky("x")]);
    assert_eq!(check(&[first.clone(), again.clone()], &none), "run-2 [x]; 1 tried again");
    assert_eq!(check(&[again.clone(), first.clone()], &none), "run-2 [x]; 1 tried again", "whatever their order");
    let third = of(3, &["s4", "s3"]);
    assert_eq!(check(&[first.clone(), again, third], &none), "run-3 []; 2 tried again");
    assert_eq!(check(&[of(1, &["s1"]), of(2, &["s2"])], &none), "run-1 []; run-2 []", "nothing is shared");
    let forged = RunSummary { source: Source::Fork, ..of(9, &["s1"]) };
    assert_eq!(check(&[of(1, &["s1"]), forged], &none), "run-1 []", "a fork takes no run away");
    let local = RunSummary { source: Source::Local, ..of(9, &["s1"]) };
    assert_eq!(check(&[of(1, &["s1"]), local], &none), "run-1 []", "nor does one of a branch or of another machine");
    let other = RunSummary { commit: Some("c0ffee".into()), ..of(2, &["s1"]) };
    assert_eq!(check(&[of(1, &["s1"]), other], &none), "run-1 []; run-2 []", "nor one of another commit");
}

#[test]
fn a_change_may_contradict_a_failure_of_the_main_branch_and_a_fork_may_not() {
    let failed = with(run(1, 'a'), [failed("x")]);
    let of = |source| RunSummary { source, ..run(2, 'a') };
    let none = Muted::default();
    assert_eq!(check(&[failed.clone(), of(Source::Change)], &none), "run-1 [x]");
    assert_eq!(check(&[failed.clone(), of(Source::Fork)], &none), "1 with failures that nothing contradicts");
    let half = RunSummary { complete: false, ..of(Source::Change) };
    assert_eq!(check(&[failed, half], &none), "1 with failures that nothing contradicts");
}

#[test]
fn runs_that_say_nothing_about_the_tests_are_left_out() {
    let mass = |n: u32| with(run(n, 'a'), (0..n).map(|at| flaky(&format!("t{at}"))));
    let forked = RunSummary { source: Source::Fork, ..run(1, 'a') };
    let all = [
        forked,
        RunSummary { stage: StageName::new("dev").unwrap(), ..run(2, 'a') },
        RunSummary { complete: false, ..run(3, 'a') },
        mass(30),
        mass(31),
    ];
    let everything = series(&all, &stage(), |_| true, &Muted::default());
    let left_out: Vec<_> = everything.left_out.into_iter().collect();
    assert_eq!(everything.trials.len(), 0);
    assert_eq!(
        left_out,
        [(LeftOut::Untrusted, 1), (LeftOut::OtherStage, 1), (LeftOut::Incomplete, 1), (LeftOut::MassFailure, 2)]
    );
    let few = RunSummary { tests: 12, ..with(run(1, 'a'), (0..9).map(|at| flaky(&format!("t{at}")))) };
    let kept = check(&[few, mass(29)], &Muted::default());
    assert!(
        kept.starts_with("run-1 [t0 ") && kept.contains("; run-29 [t0 "),
        "nine failures, and 29 %, are no mass: {kept}"
    );
    let ignored = |n: u32| TestRecord { failures: 0, ..test(&format!("t{n}"), TestOutcome::Ignored, "") };
    let ignoring = with(run(1, 'a'), (0..40).map(ignored));
    assert_eq!(
        check(&[ignoring, run(2, 'a')], &Muted::default()),
        "run-1 []; run-2 []",
        "what is ignored has not failed"
    );
}

#[test]
fn flakes_of_quarantined_tests_and_of_tests_before_they_were_mended_do_not_count() {
    let runs = [with(run(1, 'a'), [flaky("x"), failed("z")]), with(run(3, 'b'), [flaky("x"), flaky("y")])];
    let mut muted = Muted { quarantined: [id("z")].into(), ..Muted::default() };
    assert_eq!(check(&runs, &muted), "run-1 [x]; run-3 [x y]");
    muted.fixed.insert(id("x"), run(1, 'a').started_at);
    assert_eq!(check(&runs, &muted), "run-1 [x]; run-3 [x y]", "a run that begins when it is mended has it mended");
    muted.fixed.insert(id("x"), run(2, 'a').started_at);
    assert_eq!(check(&runs, &muted), "run-1 []; run-3 [x y]");
}

fn entry(name: &str) -> tollgate_model::QuarantinedTest {
    let [since, expires] = ["2026-12-01", "2026-12-20"].map(|day| day.parse().unwrap());
    let [owner, reason, issue] = ["ann", "slow", "#7"].map(str::to_owned);
    tollgate_model::QuarantinedTest { test: id(name), owner, reason, issue, since, expires }
}

#[test]
fn a_report_ranks_tests_and_groups_causes() {
    let mut runs: Vec<RunSummary> = (1..=40).map(|number| run(number, 'a')).collect();
    for number in [3, 20, 21] {
        runs[number].unusual.push(test("waits", TestOutcome::Flaky, &format!("port {number} is taken")));
    }
    runs[20].unusual.push(test("listens", TestOutcome::Flaky, "port 8 is taken"));
    runs[30].unusual.push(test("sorts", TestOutcome::Flaky, "order differs"));
    runs[35].complete = false;
    let series = series(&runs, &stage(), |_| true, &Muted::default());
    let report =
        FlakeReport::new(stage(), Population::Main, &series, quarantined(&[entry("listens"), entry("new")], &series));
    insta::assert_snapshot!(render(&report), @"
    Stage production: 39 runs of the main branch (not counted: 1 incomplete)
      4 of the last 39 runs flaky = 10.26 % (3.57 % to 21.95 %, each bound 95 % sure): that is above 1 %
      detector at 1533.4, alarm at 1000: THE ALARM IS RAISED
      5 of 3900 executions failed where another one passed

      FLAKY RUNS  EXPECTED  LAST SEEN   TEST
               3    4.04 %  2026-12-10  core waits
               1    1.52 %  2026-12-09  core listens
               1    1.52 %  2026-12-19  core sorts

      3 runs, 2 tests: port 21 is taken
        core listens, core waits

      1 run, 1 test: order differs
        core sorts

      CLEAN RUNS  QUARANTINED UNTIL  TEST
              18  2026-12-20  core listens (ann, #7)
              39  2026-12-20  core new (ann, #7)
      100 executions without a failure, 20 of them stressed, end a quarantine: cargo xtask flaky stress TEST -n 100
    ");
    let none = FlakeReport::new(stage(), Population::All, &Series::default(), Vec::new());
    insta::assert_snapshot!(render(&none), @r"
    Stage production: 0 runs of every trusted source
    No run that counts is recorded, so nothing is known of flakiness.
    ");
    assert_eq!(none.outcome, Outcome::Unproven, "no run proves nothing");
}
