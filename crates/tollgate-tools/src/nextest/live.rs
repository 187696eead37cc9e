//! Live progress, read from nextest's lines.
//!
//! The lines are for people and may change; nothing but the progress display rests on them. With `--show-progress
//! counter` the line of a test's last attempt carries `(i/n)`, those of earlier attempts carry dashes.

use tollgate_model::{Milliseconds, TestId, TestOutcome};

/// Something that nextest said while a tier runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveEvent {
    /// A test ended for good.
    TestFinished {
        /// Which one.
        id: TestId,
        /// How.
        outcome: TestOutcome,
        /// Wall time of its last attempt.
        wall_ms: Milliseconds,
    },
    /// Any other line.
    Line(String),
}

/// Reads one line of standard error.
pub(super) fn parse(line: &str) -> LiveEvent {
    finished(line).unwrap_or_else(|| LiveEvent::Line(line.to_owned()))
}

/// `  TRY 2 PASS [   0.006s] (5/9) greeter::integration the_name`
fn finished(line: &str) -> Option<LiveEvent> {
    let (status, rest) = line.split_once('[')?;
    let (time, rest) = rest.split_once(']')?;
    let (counter, rest) = rest.trim_start().strip_prefix('(')?.split_once(')')?;
    let (done, all) = counter.split_once('/')?;
    done.trim().parse::<u64>().ok()?;
    all.trim().parse::<u64>().ok()?;
    let (binary, name) = rest.trim_start().split_once(' ')?;
    let seconds: f64 = time.trim_start_matches(['>', ' ']).trim_end_matches('s').trim().parse().ok()?;
    let wall_ms = u64::try_from(std::time::Duration::try_from_secs_f64(seconds).ok()?.as_millis()).ok()?;
    Some(LiveEvent::TestFinished { id: TestId::new(binary, name), outcome: outcome(status.trim()), wall_ms })
}

fn outcome(status: &str) -> TestOutcome {
    let (retried, word) = match status.strip_prefix("TRY ").and_then(|rest| rest.split_once(' ')) {
        Some((attempt, word)) => (attempt != "1", word),
        None => (status.starts_with("FLAKY"), status.split(' ').next().unwrap_or_default()),
    };
    match (word, retried) {
        ("PASS" | "LEAK" | "FLAKY", false) => TestOutcome::Passed,
        ("PASS" | "LEAK" | "FLAKY", true) => TestOutcome::Flaky,
        _ => TestOutcome::Failed,
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    /// Standard error of a tier over fixtures/sample with its switches on, two retries and a timeout of 1 s.
    const LINES: &str = include_str!("../../tests/recorded/run-stderr.txt");

    #[test]
    fn a_test_is_finished_by_the_line_with_a_counter() {
        let finished: Vec<String> = LINES
            .lines()
            .filter_map(|line| match parse(line) {
                LiveEvent::TestFinished { id, outcome, wall_ms } => Some(format!("{id} {outcome:?} {wall_ms}")),
                LiveEvent::Line(_) => None,
            })
            .collect();
        insta::assert_snapshot!(finished.join("\n"), @r#"
        greeter unit::a_letter_is_stamped Passed 5
        greeter unit::a_name_is_greeted Passed 7
        greeter unit::nobody_is_not_greeted Passed 10
        greeter::integration greets_from_outside Passed 7
        greeter::integration fails_when_it_is_told_to Failed 11
        greeter::integration has_a_retry_of_its_own Flaky 13
        greeter::integration passes_when_it_is_tried_again Flaky 5
        server::e2e the_server_shouts_until_it_is_killed Passed 16
        greeter::integration sleeps_when_it_is_told_to Failed 1004
        "#);
    }

    #[test]
    fn every_other_line_is_handed_on_as_it_is() {
        for line in [
            "    Starting 9 tests across 3 binaries (1 test and 2 binaries skipped)",
            "  TRY 1 FAIL [   0.013s] (───) greeter::integration fails_when_it_is_told_to",
            "     Summary [   3.064s] 9 tests run: 7 passed (2 flaky), 1 failed, 1 timed out, 1 skipped",
            "        PASS [   oddly] (1/9) greeter unit::a",
            "",
        ] {
            assert_eq!(parse(line), LiveEvent::Line(line.to_owned()));
        }
    }

    #[test]
    fn words_that_are_not_known_mean_a_failure() {
        use TestOutcome::{Failed, Flaky, Passed};
        let outcomes =
            ["PASS", "LEAK", "FLAKY 2/3", "TRY 2 PASS", "TRY 1 PASS", "TIMEOUT", "SIGSEGV", "LEAK-FAIL", "TRY 3 TMT"];
        let expected = [Passed, Passed, Flaky, Flaky, Passed, Failed, Failed, Failed, Failed];
        assert_eq!(outcomes.map(outcome), expected);
    }
}
