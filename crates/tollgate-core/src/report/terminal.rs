//! The summary at the end of a run, for a terminal: verbs right-aligned in 12 columns, as cargo's; the answer last.

use super::facts::{Failure, answer, failures, is_echo, slowest, tier_rows};
use super::text::{clean, clip, time_of_day, wrap};
use crate::diagnose::{Cause, causes, has_telling_log};
use crate::judge::words::{count, ending_reason, time};
use tollgate_model::{Evidence, GateResult, Outcome, ServiceEvidence, Verdict};

/// Columns of the verb.
const VERB: usize = 12;

/// How many failures, causes and lines of each are shown; the other reports hold all.
const SHOWN: usize = 10;

/// How many rows one line of a log may take.
const LOG_ROWS: usize = 3;

/// How the summary is laid out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Columns of the terminal; 80 where it is 0.
    pub width: usize,
    /// Whether verbs are coloured.
    pub color: bool,
    /// Where the other reports are, as it is shown.
    pub run_dir: Option<String>,
}

/// Returns the summary of a run for a terminal, its last line the answer.
pub fn terminal(evidence: &Evidence, verdict: &Verdict, options: &Options) -> String {
    let mut out = Lines::new(options);
    out.say("Summary", Color::Plain, &headline(evidence));
    tiers(&mut out, evidence);
    slow(&mut out, evidence);
    gates(&mut out, verdict);
    let failures = failures(evidence);
    for failure in failures.iter().take(SHOWN) {
        show_failure(&mut out, failure);
    }
    if failures.len() > SHOWN {
        out.say("Failure", Color::Red, &format!("{} more in the report", failures.len() - SHOWN));
    }
    let causes = causes(evidence);
    for cause in causes.iter().take(SHOWN) {
        show_cause(&mut out, cause);
    }
    show_logs(&mut out, evidence, &causes);
    for remark in &evidence.remarks {
        out.say("Remark", Color::Yellow, remark);
    }
    if let Some(run_dir) = &options.run_dir {
        out.line("Reports", Color::Plain, run_dir);
    }
    out.say("Verdict", color(verdict.outcome), &answer(verdict));
    out.text
}

fn headline(evidence: &Evidence) -> String {
    let run = &evidence.run;
    let builds = evidence.builds.iter().map(|build| format!("{} {}", build.name, time(build.wall_ms)));
    let builds: Vec<String> = builds.collect();
    let engine = evidence.environment.as_ref().map(|e| format!("{} engine", e.engine.as_str()));
    let parts = [
        Some(format!("run {}", run.id)),
        Some(format!("stage {}", run.stage)),
        run.partition.map(|partition| format!("part {partition}")),
        engine,
        (!builds.is_empty()).then(|| format!("built {}", builds.join(" and "))),
        Some(format!("took {}", time(run.wall_ms))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn tiers(out: &mut Lines, evidence: &Evidence) {
    let rows = tier_rows(evidence);
    let wide = rows.iter().map(|row| row.name.as_str().len()).max().unwrap_or(0).max(4);
    let head = format!("{:wide$}  tests  passed  failed  flaky  missing      time", "tier");
    if !rows.is_empty() {
        out.line("Tiers", Color::Plain, &head);
    }
    for row in rows {
        let number = |n: u64| if n == 0 { "-".to_owned() } else { n.to_string() };
        let numbers = [row.planned, row.passed, row.failed, row.flaky, row.missing].map(number);
        let [tests, passed, failed, flaky, missing] = numbers;
        let line = match row.trouble {
            Some(trouble) => format!("{:wide$}  did not run to its end: {}", row.name, clean(trouble)),
            None => format!(
                "{:wide$}  {tests:>5}  {passed:>6}  {failed:>6}  {flaky:>5}  {missing:>7}  {:>8}",
                row.name,
                time(row.wall_ms)
            ),
        };
        out.line("", Color::Plain, &clip(&line, out.room()));
    }
}

fn slow(out: &mut Lines, evidence: &Evidence) {
    for (index, (ms, tier, test)) in slowest(evidence, 3).into_iter().enumerate() {
        let verb = if index == 0 { "Slowest" } else { "" };
        out.line(verb, Color::Plain, &clip(&format!("{:>8}  {tier}  {test}", time(ms)), out.room()));
    }
}

/// The worst gates come last: they are what is read first.
fn gates(out: &mut Lines, verdict: &Verdict) {
    let wide = verdict.gates.iter().map(|gate| gate.gate.as_str().len()).max().unwrap_or(0).min(28);
    let mut shown: Vec<&GateResult> = verdict.gates.iter().filter(|gate| !is_echo(gate, verdict)).collect();
    shown.sort_by_key(|gate| gate.outcome);
    for gate in &shown {
        show_gate(out, gate, wide);
    }
    let echoes = verdict.gates.len() - shown.len();
    if let Some(reason) = ending_reason(&verdict.ending).filter(|_| echoes > 0) {
        let gates = count(echoes as u64, "more gate");
        out.say("Invalid", Color::Red, &format!("{gates} could not be judged, since {reason}"));
    }
}

fn show_gate(out: &mut Lines, gate: &GateResult, wide: usize) {
    let verb = match gate.outcome {
        Outcome::Passed => "Passed",
        Outcome::Warned => "Warned",
        Outcome::Unproven => "Unproven",
        Outcome::Failed => "Failed",
        Outcome::Invalid => "Invalid",
    };
    let (room, message) = (out.room().saturating_sub(wide + 2), clean(&gate.message));
    if gate.outcome == Outcome::Passed {
        out.line(verb, Color::Green, &format!("{:wide$}  {}", gate.gate, brief(gate, &message, room)));
        return;
    }
    for (index, part) in wrap(&message, room).iter().enumerate() {
        let (verb, name) = if index == 0 { (verb, gate.gate.as_str()) } else { ("", "") };
        out.line(verb, color(gate.outcome), &format!("{name:wide$}  {part}"));
    }
    for line in detail(gate) {
        out.line("", Color::Plain, &clip(&format!("| {}", clean(line)), out.room()));
    }
    // A command that reproduces a failure is shown with the failure.
    let fix = gate.fix.iter().filter(|fix| !fix.starts_with("cargo "));
    for part in fix.flat_map(|fix| wrap(fix, room)) {
        out.line("", Color::Plain, &format!("{:wide$}  {part}", ""));
    }
}

/// The error that ended the run, or what is not covered; of other gates, failures and causes show what they rest on.
fn detail(gate: &GateResult) -> &[String] {
    let (skipped, shown) = match gate.gate.as_str() {
        // Its first line is in the message.
        "run.ending" => (1, 2 * SHOWN),
        "coverage.floor" | "coverage.patch" => (0, SHOWN / 2),
        _ => (0, 0),
    };
    let lines = gate.evidence.get(skipped..).unwrap_or_default();
    &lines[..lines.len().min(shown)]
}

/// The message of a passed gate on one line; where it is too long, the numbers alone.
fn brief(gate: &GateResult, message: &str, room: usize) -> String {
    match (&gate.value, &gate.limit) {
        (Some(value), Some(limit)) if message.chars().count() > room => clip(&format!("{value}, limit {limit}."), room),
        _ => clip(message, room),
    }
}

fn show_failure(out: &mut Lines, failure: &Failure) {
    let (verb, color) = if failure.flaky { ("Flaky", Color::Yellow) } else { ("Failure", Color::Red) };
    out.line(verb, color, &format!("{} {}", failure.tier, failure.test.id));
    for line in failure.message.lines().flat_map(|line| wrap(line, out.room())).take(SHOWN / 2).collect::<Vec<_>>() {
        out.line("", Color::Plain, &line);
    }
    out.line("", Color::Plain, &failure.reproduce);
}

fn show_cause(out: &mut Lines, cause: &Cause) {
    let service = cause.service.as_ref().map_or(String::new(), |service| format!(" by {service}"));
    let state = cause.state.as_ref().map_or(String::new(), |state| format!(", which {}", clean(state)));
    let tests = count(cause.tests.len() as u64, "test");
    out.say("Cause", Color::Yellow, &format!("{}{service}{state} ({tests}): {}", cause.kind, clean(&cause.symptom)));
    show_tail(out, &cause.log_tail);
    out.say("", Color::Plain, &cause.hint);
}

/// The logs of services that did not end well and that no cause shows.
fn show_logs(out: &mut Lines, evidence: &Evidence, causes: &[Cause]) {
    let services = evidence.environment.iter().flat_map(|environment| &environment.services);
    let shown = |service: &ServiceEvidence| causes.iter().any(|cause| cause.service.as_ref() == Some(&service.name));
    for service in services.filter(|service| has_telling_log(service) && !shown(service)).take(SHOWN) {
        out.say("Service", Color::Yellow, &format!("{}, the end of its log:", service.name));
        show_tail(out, &service.log_tail);
    }
}

fn show_tail(out: &mut Lines, log_tail: &[String]) {
    for line in &log_tail[log_tail.len().saturating_sub(SHOWN / 2)..] {
        // What a log line says stands behind its time and its process, so it is wrapped and not cut.
        for part in wrap(&clean(&time_of_day(line)), out.room().saturating_sub(2)).into_iter().take(LOG_ROWS) {
            out.line("", Color::Plain, &format!("| {part}"));
        }
    }
}

#[derive(Clone, Copy)]
enum Color {
    Plain,
    Green,
    Yellow,
    Red,
}

fn color(outcome: Outcome) -> Color {
    match outcome {
        Outcome::Passed => Color::Green,
        Outcome::Warned | Outcome::Unproven => Color::Yellow,
        Outcome::Failed | Outcome::Invalid => Color::Red,
    }
}

/// Lines with their verbs.
struct Lines {
    text: String,
    width: usize,
    color: bool,
}

impl Lines {
    fn new(options: &Options) -> Self {
        let width = if options.width == 0 { 80 } else { options.width.max(VERB + 28) };
        Self { text: String::new(), width, color: options.color }
    }

    /// Columns beside the verb.
    fn room(&self) -> usize {
        self.width - VERB - 1
    }

    /// One line, as it is: tables, and commands that must be copied whole.
    fn line(&mut self, verb: &str, color: Color, text: &str) {
        let (on, off) = match color {
            _ if !self.color || verb.is_empty() => ("", ""),
            Color::Plain => ("\u{1b}[1m", "\u{1b}[0m"),
            Color::Green => ("\u{1b}[1;32m", "\u{1b}[0m"),
            Color::Yellow => ("\u{1b}[1;33m", "\u{1b}[0m"),
            Color::Red => ("\u{1b}[1;31m", "\u{1b}[0m"),
        };
        let line = format!("{on}{verb:>VERB$}{off} {text}");
        self.text += line.trim_end();
        self.text.push('\n');
    }

    /// A sentence, wrapped.
    fn say(&mut self, verb: &str, color: Color, text: &str) {
        for (index, part) in wrap(text, self.room()).iter().enumerate() {
            self.line(if index == 0 { verb } else { "" }, color, part);
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::{judge, sample};
    use tollgate_model::{Ending, TierStatus};

    fn options() -> Options {
        Options { width: 80, color: false, run_dir: Some("target/tollgate/runs/20261121-093055-4711".into()) }
    }

    fn show(change: impl FnOnce(&mut Evidence)) -> String {
        let mut evidence = sample::evidence();
        change(&mut evidence);
        terminal(&evidence, &judge(&evidence, &sample::plan()), &options())
    }

    #[test]
    fn a_good_run_is_a_page_that_ends_with_passed() {
        insta::assert_snapshot!(show(|_| ()), @"
        Summary run 20261121-093055-4711, stage dev, native engine, built
                instrumented 41.0 s and performance 22.5 s, took 95.4 s
          Tiers tier         tests  passed  failed  flaky  missing      time
                unit             3       3       -      -        -    121 ms
                integration      2       2       -      -        -     2.1 s
                e2e              1       1       -      -        -     4.3 s
                performance      1       1       -      -        -    20.1 s
        Slowest   20.0 s  performance  harness::load chat
                   4.2 s  e2e  harness::e2e scenario_a
                   1.2 s  integration  identity::integration login::expires
         Passed evidence              Tests of 4f2a9c1e77d0. Environment 7f10fa13a…
         Passed tests.unit            3 tests passed; 1 ignored test not run.
         Passed tests.integration     2 tests passed.
         Passed tests.e2e             1 test passed.
         Passed tests.performance     1 test passed.
         Passed tests.reported        7 planned tests reported, each once.
         Passed flake.run             None of 7 tests failed and then passed.
         Passed coverage.floor        85.0 % (17/20 production lines), floor 80 %.
         Passed coverage.denominator  2 of 3 members measured, 1 excluded.
         Passed coverage.proof        1 service and 9 test profiles counted.
         Passed time.unit             Running the tests took 121 ms of 30 s.
         Passed time.integration      Running the tests took 2.1 s of 120 s.
         Passed time.e2e              Running the tests took 4.3 s of 120 s.
         Passed time.performance      Running the tests took 20.1 s of 120 s.
         Passed time.suite            Running the tests took 26.7 s of 300 s.
         Passed perf.p95.chat         32.2 ms, limit 3 s.
         Passed perf.error.chat       0.0 %, limit 5 %.
         Passed perf.completion.chat  100.0 %, limit 80 %.
         Passed environment.services  2 services (native engine), ready in 900 ms.
         Passed environment.teardown  Nothing is left; it went in 300 ms.
        Reports target/tollgate/runs/20261121-093055-4711
        Verdict passed: 20 gates
        ");
    }

    #[test]
    fn a_red_run_shows_why_and_how_to_see_it_again() {
        insta::assert_snapshot!(show(sample::make_red), @"
         Summary run 20261121-093055-4711, stage dev, native engine, built
                 instrumented 41.0 s and performance 22.5 s, took 95.4 s
           Tiers tier         tests  passed  failed  flaky  missing      time
                 unit             3       1       1      1        -    121 ms
                 integration      2       2       -      -        -     2.1 s
                 e2e              1       -       1      -        -     4.3 s
                 performance      1       1       -      -        -    20.1 s
         Slowest   20.0 s  performance  harness::load chat
                    8.3 s  e2e  harness::e2e scenario_a
                    1.2 s  integration  identity::integration login::expires
          Passed evidence              Tests of 4f2a9c1e77d0 with changes. Environm…
          Passed tests.integration     2 tests passed.
          Passed tests.performance     1 test passed.
          Passed tests.reported        7 planned tests reported, each once.
          Passed coverage.denominator  2 of 3 members measured, 1 excluded.
          Passed coverage.proof        1 service and 9 test profiles counted.
          Passed time.unit             Running the tests took 121 ms of 30 s.
          Passed time.integration      Running the tests took 2.1 s of 120 s.
          Passed time.e2e              Running the tests took 4.3 s of 120 s.
          Passed time.performance      Running the tests took 20.1 s of 120 s.
          Passed time.suite            Running the tests took 26.7 s of 300 s.
          Passed perf.completion.chat  100.0 %, limit 80 %.
          Passed environment.teardown  Nothing is left; it went in 300 ms.
        Unproven perf.error.chat       65 of 1500 requests (4.3 %, at most 5.4 % at
                                       95 %) failed or were not answered; limit 5 %.
                                       91 more good requests would prove it.
          Failed tests.unit            1 of 3 tests failed: core a::parses.
          Failed tests.e2e             1 of 1 test failed: harness::e2e scenario_a.
          Failed flake.run             1 of 7 tests failed in one attempt and passed
                                       in another: core b::refuses.
          Failed coverage.floor        70.0 % (14/20 production lines) < 80 %: 2
                                       lines short. Most uncovered: identity (4
                                       lines).
                 | crates/identity/src/main.rs:5-7, 10
                 | crates/core/src/lib.rs:9-10
                                       Test the uncovered lines; the coverage report
                                       in the run directory shows them in the
                                       source.
          Failed perf.p95.chat         112 of 1500 requests (7.4 %, at least 6.3 %
                                       at 95 %) took longer than 3 s or were not
                                       answered; limit 5 %.
                                       Look at the slowest requests in the report,
                                       and at the services' logs of that time.
          Failed environment.services  The environment was not whole: identity ended
                                       while it was needed: signal SIGKILL.
                                       Read services/identity.log in the run
                                       directory.
         Failure unit core a::parses
                 assertion `left == right` failed: <b>|x|</b>
                 cargo xtask test unit 'a::parses'
         Failure e2e harness::e2e scenario_a
                 called `Result::unwrap()` on an `Err` value: Connection refused (os
                 error 111), http://127.0.0.1:43211
                 cargo xtask test e2e 'scenario_a'
           Flaky unit core b::refuses
                 the clock went backwards
                 cargo xtask test unit 'b::refuses'
           Cause connection refused by identity, which ended while it was needed:
                 signal SIGKILL (1 test): called `Result::unwrap()` on an `Err`
                 value: Connection refused (os error 111), http://127.0.0.1:43211
                 | listening on 127.0.0.1:43211
                 | WARN pool <2> is `full` | waiting
                 | memory 97 %
                 The service is not listening: see whether it died, and that the
                 test uses the exported address.
         Reports target/tollgate/runs/20261121-093055-4711
         Verdict failed: 6 gates red: tests.unit, tests.e2e, flake.run and 3 more
        ");
    }

    #[test]
    fn a_run_that_was_not_completed_says_so_once() {
        insta::assert_snapshot!(show(|evidence| {
            evidence.ending = Ending::BuildFailed { detail: "error[E0308]: mismatched types\n --> a.rs:1:1".into() };
            evidence.tiers.clear();
            evidence.coverage = None;
            evidence.environment = None;
            evidence.load.clear();
        }), @"
        Summary run 20261121-093055-4711, stage dev, built instrumented 41.0 s and
                performance 22.5 s, took 95.4 s
        Invalid run.ending            The run was not completed: the build failed:
                                      error[E0308]: mismatched types.
                |  --> a.rs:1:1
                                      Mend the build; `cargo build` shows the same
                                      error.
        Invalid 17 more gates could not be judged, since the build failed
        Reports target/tollgate/runs/20261121-093055-4711
        Verdict invalid: the build failed
        ");
    }

    #[test]
    fn a_tier_that_broke_says_why_in_the_table() {
        let text = show(|evidence| evidence.tiers[1].status = TierStatus::Broken { reason: "no nextest".into() });
        assert!(text.contains("integration  did not run to its end: no nextest\n"), "{text}");
    }

    #[test]
    fn long_lists_are_cut_and_lines_fit_the_width() {
        let text = show(|evidence| {
            let tests = (0..30).map(|i| tollgate_model::TestResult {
                id: tollgate_model::TestId::new("core", format!("{i:02}")),
                attempts: vec![sample::failed(1, &"long message ".repeat(90), "")],
            });
            evidence.tiers[0].results = tests.collect();
        });
        assert!(text.contains("     Failure 20 more in the report\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80 || line.contains("cargo xtask")), "{text}");
    }

    #[test]
    fn the_log_of_a_service_that_died_is_shown_even_if_no_test_failed_for_it() {
        let text = show(|evidence| {
            let service = &mut evidence.environment.as_mut().unwrap().services[0];
            service.state = tollgate_model::ServiceState::Died { how: "exit code 1".into() };
            service.log_tail = (0..9).map(|i| format!("2026-11-21T09:30:5{i}.123456789Z line {i}")).collect();
        });
        assert!(
            text.contains("     Service postgres, the end of its log:\n             | 09:30:54.123 line 4\n"),
            "{text}"
        );
    }

    #[test]
    fn colour_is_only_on_verbs_and_only_where_it_is_wanted() {
        let (mut evidence, plan) = (sample::evidence(), sample::plan());
        sample::make_red(&mut evidence);
        let verdict = judge(&evidence, &plan);
        let colored = terminal(&evidence, &verdict, &Options { color: true, ..options() });
        assert_eq!(clean(&colored), terminal(&evidence, &verdict, &options()));
        assert!(colored.contains("\u{1b}[1;31m     Verdict\u{1b}[0m failed"), "{colored}");
        assert!(
            colored.contains("\u{1b}[1;33m      Warned") || colored.contains("\u{1b}[1;33m       Cause"),
            "{colored}"
        );
        assert_eq!(
            terminal(&evidence, &verdict, &Options { width: 0, ..options() }),
            terminal(&evidence, &verdict, &options())
        );
    }
}
