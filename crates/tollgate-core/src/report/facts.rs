//! What all reports show, taken from evidence and verdict once.

use super::text::{OUTPUT_MAX, clean, head_and_tail};
use crate::judge::words::{count, duration_ms, ending_reason, listed, reproduce};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use tollgate_model::{
    AttemptOutcome, Evidence, GateResult, Milliseconds, Outcome, TestId, TestOutcome, TestResult, TierEvidence,
    TierName, TierStatus, Verdict,
};

/// Returns the answer in one line: `failed: 2 gates red: tests.unit, coverage.floor`.
pub fn answer(verdict: &Verdict) -> String {
    let names = |outcome| -> Vec<&str> {
        verdict.gates.iter().filter(|gate| gate.outcome == outcome).map(|gate| gate.gate.as_str()).collect()
    };
    let red = names(Outcome::Failed);
    let red = if red.is_empty() { None } else { Some(format!("{} red: {}", gates(red.len()), listed(red))) };
    let why = match verdict.outcome {
        Outcome::Passed => gates(verdict.gates.len()),
        Outcome::Failed => red.unwrap_or_default(),
        Outcome::Invalid if verdict.gates.is_empty() => "nothing was judged".to_owned(),
        Outcome::Invalid => {
            let invalid = names(Outcome::Invalid);
            let unjudged = format!("{} can't be judged: {}", gates(invalid.len()), listed(invalid));
            let why = ending_reason(&verdict.ending).unwrap_or(unjudged);
            [Some(why), red].into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
        outcome => listed(names(outcome)),
    };
    format!("{}: {why}", verdict.outcome)
}

fn gates(n: usize) -> String {
    count(n as u64, "gate")
}

/// Whether a gate only says again that the run was not completed; `run.ending` says why.
pub(super) fn is_echo(gate: &GateResult, verdict: &Verdict) -> bool {
    gate.outcome == Outcome::Invalid && ending_reason(&verdict.ending).is_some() && gate.gate.as_str() != "run.ending"
}

/// A tier in numbers.
pub(super) struct TierRow<'a> {
    pub(super) name: &'a TierName,
    pub(super) planned: u64,
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) flaky: u64,
    pub(super) ignored: u64,
    pub(super) missing: u64,
    pub(super) wall_ms: Milliseconds,
    /// Why it has no numbers.
    pub(super) trouble: Option<&'a str>,
}

/// The tiers that were asked for, in numbers.
pub(super) fn tier_rows(evidence: &Evidence) -> Vec<TierRow<'_>> {
    evidence.tiers.iter().filter(|tier| tier.status != TierStatus::NotAsked).map(tier_row).collect()
}

fn tier_row(tier: &TierEvidence) -> TierRow<'_> {
    let of = |outcome| tier.results.iter().filter(|test| test.outcome() == outcome).count() as u64;
    TierRow {
        name: &tier.name,
        planned: tier.planned.len() as u64,
        passed: of(TestOutcome::Passed),
        failed: of(TestOutcome::Failed),
        flaky: of(TestOutcome::Flaky),
        ignored: of(TestOutcome::Ignored),
        missing: missing(tier).len() as u64,
        wall_ms: tier.wall_ms,
        trouble: match &tier.status {
            TierStatus::Broken { reason } => Some(reason),
            _ => None,
        },
    }
}

/// The planned tests that left no result.
pub(super) fn missing(tier: &TierEvidence) -> Vec<&TestId> {
    let reported: BTreeSet<&TestId> =
        tier.results.iter().filter(|test| !test.attempts.is_empty()).map(|test| &test.id).collect();
    tier.planned.iter().filter(|test| !reported.contains(test)).collect()
}

/// A test that failed, at least once.
pub(super) struct Failure<'a> {
    pub(super) tier: &'a TierName,
    pub(super) test: &'a TestResult,
    pub(super) flaky: bool,
    /// The first failure in words, without control characters.
    pub(super) message: String,
    /// What the first failure printed, without control characters; of a long output, head and tail.
    pub(super) output: String,
    pub(super) reproduce: String,
}

/// The failed tests, and after them the flaky ones, in the order of their tiers.
pub(super) fn failures(evidence: &Evidence) -> Vec<Failure<'_>> {
    let tests = evidence.tiers.iter().flat_map(|tier| tier.results.iter().map(move |test| (&tier.name, test)));
    let mut failures: Vec<Failure> = tests.filter_map(|(tier, test)| failure(tier, test)).collect();
    failures.sort_by_key(|failure| failure.flaky);
    failures
}

fn failure<'a>(tier: &'a TierName, test: &'a TestResult) -> Option<Failure<'a>> {
    let attempt = test.first_failure()?;
    let message = match (attempt.outcome, attempt.message.is_empty()) {
        (_, false) => clean(&attempt.message),
        (AttemptOutcome::TimedOut, true) => "stopped at its time limit".to_owned(),
        (_, true) => "failed without a message".to_owned(),
    };
    Some(Failure {
        tier,
        test,
        flaky: test.outcome() == TestOutcome::Flaky,
        message,
        output: clean(&head_and_tail(&attempt.output, OUTPUT_MAX)),
        reproduce: reproduce(&test.id, tier),
    })
}

/// The slowest tests with their tiers and times.
pub(super) fn slowest(evidence: &Evidence, n: usize) -> Vec<(Milliseconds, &TierName, &TestId)> {
    let tests = evidence.tiers.iter().flat_map(|tier| tier.results.iter().map(move |test| (tier, test)));
    let mut tests: Vec<_> = tests
        .filter(|(_, test)| !test.attempts.is_empty())
        .map(|(tier, test)| (duration_ms(test), &tier.name, &test.id))
        .collect();
    tests.sort_by_key(|&(ms, _, id)| (Reverse(ms), id));
    tests.truncate(n);
    tests
}

/// What is known about the run, as names and values.
pub(super) fn facts(evidence: &Evidence) -> Vec<(&'static str, String)> {
    let run = &evidence.run;
    let dirty = if run.dirty { " with changes" } else { "" };
    let commit = run.commit.as_ref().map(|commit| format!("{}{dirty}", commit.chars().take(12).collect::<String>()));
    let engine = evidence.environment.as_ref().map(|e| format!("{} ({})", e.engine.as_str(), e.engine_reason));
    [
        ("run", Some(run.id.to_string())),
        ("started", Some(run.started_at.to_string())),
        ("stage", Some(run.stage.to_string())),
        ("commit", commit),
        ("part", run.partition.map(|partition| partition.to_string())),
        ("engine", engine),
        ("toolchain", Some(run.toolchain.clone())),
        ("took", Some(crate::judge::words::time(run.wall_ms))),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name, value)))
    .collect()
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::sample;
    use tollgate_model::{Ending, GateName, RunId};

    fn check(ending: Ending, outcomes: &[Outcome]) -> String {
        let gates =
            outcomes.iter().enumerate().map(|(i, &outcome)| GateResult::new(GateName::new("g", i), outcome, ""));
        let outcome = outcomes.iter().copied().max().unwrap_or(Outcome::Invalid);
        answer(&Verdict { schema: 1, run: RunId::new("r").unwrap(), outcome, ending, gates: gates.collect() })
    }

    #[test]
    fn the_answer_names_the_gates_that_decided() {
        use Outcome::{Failed, Invalid, Passed, Unproven, Warned};
        insta::assert_snapshot!(check(Ending::Completed, &[Passed]), @"passed: 1 gate");
        insta::assert_snapshot!(check(Ending::Completed, &[Passed, Warned]), @"warned: g.1");
        insta::assert_snapshot!(check(Ending::Completed, &[Unproven, Warned, Unproven]), @"unproven: g.0, g.2");
        insta::assert_snapshot!(check(Ending::Completed, &[Failed, Passed, Failed, Failed, Failed, Warned]), @"failed: 4 gates red: g.0, g.2, g.3 and 1 more");
        insta::assert_snapshot!(check(Ending::Completed, &[Failed, Invalid]), @"invalid: 1 gate can't be judged: g.1; 1 gate red: g.0");
        insta::assert_snapshot!(check(Ending::Interrupted { signal: "SIGINT".into() }, &[Invalid, Invalid]), @"invalid: SIGINT interrupted the run");
        insta::assert_snapshot!(check(Ending::Completed, &[]), @"invalid: nothing was judged");
    }

    #[test]
    fn a_failure_without_a_message_says_how_it_ended() {
        let mut evidence = sample::evidence();
        let timed_out = tollgate_model::Attempt { outcome: AttemptOutcome::TimedOut, ..sample::passed(9) };
        evidence.tiers[0].results[0].attempts = vec![timed_out];
        evidence.tiers[0].results[1].attempts = vec![sample::failed(1, "", "\u{1b}[1mx"), sample::passed(1)];
        let shown: Vec<_> = failures(&evidence).into_iter().map(|f| (f.message, f.output, f.flaky)).collect();
        let no_message = ("failed without a message".to_owned(), "x".to_owned(), true);
        assert_eq!(shown, [("stopped at its time limit".to_owned(), String::new(), false), no_message]);
    }
}
