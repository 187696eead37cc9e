//! Results from nextest's JUnit file.
//!
//! A test that passed in the end has its earlier attempts as `flakyFailure`; one that never passed has the first attempt
//! as `failure` and the later ones as `rerunFailure`. With `flaky-result = "fail"` a passed test has a `failure` of the
//! type `flaky failure` beside its `flakyFailure`s. A timeout is a failure of the type `test timeout` without a message.
//! nextest strips terminal escapes before it writes, and so does quick-junit when it reads.

use crate::ToolError;
use quick_junit::{FlakyOrRerun, Report, TestCase, TestCaseStatus, TestRerun, XmlString};
use std::time::Duration;
use tollgate_model::{Attempt, AttemptOutcome, Milliseconds, TestId, TestResult};

/// The end of what an attempt printed is kept up to this many bytes, half of them for each stream.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// A message is one line of at most this many characters.
const MESSAGE_CHARS_MAX: usize = 400;

/// A tier's results, and the wall time of running its tests.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Results {
    pub(super) results: Vec<TestResult>,
    pub(super) wall_ms: Milliseconds,
}

pub(super) fn parse(xml: &str) -> Result<Results, ToolError> {
    let report = Report::deserialize_from_str(xml).map_err(|error| ToolError::parse("nextest's JUnit file", error))?;
    // Setup scripts are reported like tests, in suites whose names no binary can have.
    let suites = report.test_suites.iter().filter(|suite| !suite.name.as_str().starts_with('@'));
    let results = suites.flat_map(|suite| suite.test_cases.iter().map(|case| result(suite.name.as_str(), case)));
    Ok(Results { results: results.collect(), wall_ms: millis(report.time) })
}

fn result(suite: &str, case: &TestCase) -> TestResult {
    let binary = case.classname.as_ref().map_or(suite, XmlString::as_str);
    TestResult { id: TestId::new(binary, case.name.as_str()), attempts: attempts(case) }
}

/// The attempts in the order they were made.
fn attempts(case: &TestCase) -> Vec<Attempt> {
    let passed = || Attempt {
        outcome: AttemptOutcome::Passed,
        duration_ms: millis(case.time),
        message: String::new(),
        output: String::new(),
    };
    match &case.status {
        TestCaseStatus::Success { flaky_runs } => flaky_runs.iter().map(rerun).chain([passed()]).collect(),
        TestCaseStatus::NonSuccess { reruns, .. } if reruns.kind == FlakyOrRerun::Flaky && !reruns.runs.is_empty() => {
            reruns.runs.iter().map(rerun).chain([passed()]).collect()
        }
        TestCaseStatus::NonSuccess { message, ty, description, reruns, .. } => {
            let first = Failure {
                time: case.time,
                kind: ty.as_ref(),
                message: message.as_ref(),
                description: description.as_ref(),
                streams: [case.system_out.as_ref(), case.system_err.as_ref()],
            };
            std::iter::once(first.attempt()).chain(reruns.runs.iter().map(rerun)).collect()
        }
        TestCaseStatus::Skipped { .. } => Vec::new(),
    }
}

fn rerun(run: &TestRerun) -> Attempt {
    let failure = Failure {
        time: run.time,
        kind: run.ty.as_ref(),
        message: run.message.as_ref(),
        description: run.description.as_ref(),
        streams: [run.system_out.as_ref(), run.system_err.as_ref()],
    };
    failure.attempt()
}

/// One failed attempt, wherever in the file it stood.
struct Failure<'a> {
    time: Option<Duration>,
    kind: Option<&'a XmlString>,
    message: Option<&'a XmlString>,
    description: Option<&'a XmlString>,
    streams: [Option<&'a XmlString>; 2],
}

impl Failure<'_> {
    fn attempt(&self) -> Attempt {
        let kind = self.kind.map_or("", XmlString::as_str);
        let timed_out = kind == "test timeout";
        let output = self.streams.into_iter().flatten().map(|text| end_of(text.as_str(), OUTPUT_BYTES_MAX / 2));
        let output: Vec<&str> = output.filter(|text| !text.is_empty()).collect();
        Attempt {
            outcome: if timed_out { AttemptOutcome::TimedOut } else { AttemptOutcome::Failed },
            duration_ms: millis(self.time),
            message: self.one_line(kind),
            output: output.join("\n"),
        }
    }

    /// The panic's place and message where there is one, else what nextest says of the attempt.
    fn one_line(&self, kind: &str) -> String {
        let given = self.message.map(XmlString::as_str).unwrap_or_default();
        let described = self.description.map(XmlString::as_str).unwrap_or_default();
        let line = panic_line(described).unwrap_or_else(|| match given {
            "" => kind.to_owned(),
            given => given.lines().map(str::trim).collect::<Vec<_>>().join(" "),
        });
        line.chars().take(MESSAGE_CHARS_MAX).collect()
    }
}

/// `src/lib.rs:3:5: the message; left: 1; right: 2` from what a panic prints. The thread is left out: its number differs
/// from attempt to attempt, and the same failure should read the same.
fn panic_line(description: &str) -> Option<String> {
    let mut lines = description.lines().skip_while(|line| !line.contains(" panicked at "));
    let (_, place) = lines.next()?.split_once(" panicked at ")?;
    let trailer = |line: &&str| !line.starts_with("stack backtrace:") && !line.starts_with("note: ");
    let message: Vec<&str> = lines.take_while(trailer).map(str::trim).filter(|line| !line.is_empty()).collect();
    if message.is_empty() {
        return Some(place.trim_end_matches(':').to_owned());
    }
    Some(format!("{place} {}", message.join("; ")))
}

/// The last bytes of a text, from the beginning of a line on where it had to be cut.
fn end_of(text: &str, bytes: usize) -> &str {
    let text = text.trim_matches('\n');
    if text.len() <= bytes {
        return text;
    }
    let end = &text[text.ceil_char_boundary(text.len() - bytes)..];
    end.split_once('\n').map_or(end, |(_, rest)| rest)
}

fn millis(time: Option<Duration>) -> Milliseconds {
    u64::try_from(time.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod unit {
    use super::*;

    /// The JUnit file of a tier over fixtures/sample with its switches on, two retries and a timeout of 1 s, with
    /// `RUST_BACKTRACE=0`. The workspace's own configuration gives `has_a_retry_of_its_own` one retry.
    const JUNIT: &str = include_str!("../../tests/recorded/junit.xml");

    fn line(result: &TestResult) -> String {
        let attempt = |a: &Attempt| format!("\n  {:?} {} `{}`", a.outcome, a.duration_ms, a.message);
        format!("{} {:?}{}", result.id, result.outcome(), result.attempts.iter().map(attempt).collect::<String>())
    }

    #[test]
    fn attempts_come_in_the_order_they_were_made() {
        let results = parse(JUNIT).expect("it is JUnit");
        assert_eq!(results.wall_ms, 3053);
        insta::assert_snapshot!(results.results.iter().map(line).collect::<Vec<_>>().join("\n"), @r#"
        greeter unit::a_letter_is_stamped Passed
          Passed 5 ``
        greeter unit::a_name_is_greeted Passed
          Passed 7 ``
        greeter unit::nobody_is_not_greeted Passed
          Passed 10 ``
        greeter::integration greets_from_outside Passed
          Passed 7 ``
        greeter::integration fails_when_it_is_told_to Failed
          Failed 8 `greeter/tests/integration.rs:24:9: assertion `left == right` failed: the greeting differs; left: Some("hello a"); right: Some("goodbye a")`
          Failed 14 `greeter/tests/integration.rs:24:9: assertion `left == right` failed: the greeting differs; left: Some("hello a"); right: Some("goodbye a")`
          Failed 11 `greeter/tests/integration.rs:24:9: assertion `left == right` failed: the greeting differs; left: Some("hello a"); right: Some("goodbye a")`
        greeter::integration has_a_retry_of_its_own Flaky
          Failed 5 `greeter/tests/integration.rs:39:9: assertion `left != right` failed: the first attempt fails; left: "1"; right: "1"`
          Passed 13 ``
        greeter::integration passes_when_it_is_tried_again Flaky
          Failed 7 `greeter/tests/integration.rs:15:9: the first attempt fails`
          Passed 5 ``
        greeter::integration sleeps_when_it_is_told_to Failed
          TimedOut 1001 `test timeout`
          TimedOut 1002 `test timeout`
          TimedOut 1004 `test timeout`
        server::e2e the_server_shouts_until_it_is_killed Passed
          Passed 16 ``
        "#);
    }

    #[test]
    fn a_failed_attempt_keeps_its_output_and_a_passed_one_none() {
        let results = parse(JUNIT).expect("it is JUnit").results;
        let failed = results.iter().find(|r| r.id.name == "fails_when_it_is_told_to").expect("it is there");
        insta::assert_snapshot!(failed.attempts[0].output, @r#"
        running 1 test
        red on standard output
        test fails_when_it_is_told_to ... FAILED

        failures:

        failures:
            fails_when_it_is_told_to

        test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.00s
        words on standard error

        thread 'fails_when_it_is_told_to' (18119) panicked at greeter/tests/integration.rs:24:9:
        assertion `left == right` failed: the greeting differs
          left: Some("hello a")
         right: Some("goodbye a")
        note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
        "#);
        assert!(
            results
                .iter()
                .flat_map(|r| &r.attempts)
                .all(|a| { (a.outcome == AttemptOutcome::Passed) == (a.output.is_empty() && a.message.is_empty()) })
        );
    }

    fn case(inner: &str) -> Vec<Attempt> {
        let xml = format!(
            "<testsuites name=\"x\" tests=\"1\" failures=\"0\" errors=\"0\" time=\"1.5\">\
             <testsuite name=\"@setup-script:db\" tests=\"1\" errors=\"0\" failures=\"0\">\
             <testcase name=\"db\" time=\"1\"/></testsuite>\
             <testsuite name=\"b\" tests=\"1\" errors=\"0\" failures=\"0\">\
             <testcase name=\"t\" classname=\"b\" time=\"0.020\">{inner}</testcase></testsuite></testsuites>"
        );
        let Results { mut results, wall_ms } = parse(&xml).expect("it is JUnit");
        assert_eq!((results.len(), wall_ms), (1, 1500), "setup scripts are no tests");
        results.remove(0).attempts
    }

    fn outcomes(inner: &str) -> Vec<AttemptOutcome> {
        case(inner).iter().map(|attempt| attempt.outcome).collect()
    }

    #[test]
    fn the_elements_of_a_test_say_how_its_attempts_ended() {
        use AttemptOutcome::{Failed, Passed, TimedOut};
        assert_eq!(outcomes(""), [Passed]);
        assert_eq!(outcomes("<skipped/>"), []);
        assert_eq!(outcomes("<failure type=\"test timeout\"/>"), [TimedOut]);
        assert_eq!(outcomes("<flakyFailure type=\"test timeout\" time=\"1\"/>"), [TimedOut, Passed]);
        let failed = "<failure type=\"x\"/><rerunFailure type=\"x\" time=\"1\"/>";
        assert_eq!(outcomes(failed), [Failed, Failed]);
        let forbidden = "<failure type=\"flaky failure\" message=\"passed on attempt 2/3\"/><flakyFailure type=\"x\"/>";
        assert_eq!(outcomes(forbidden), [Failed, Passed]);
    }

    #[test]
    fn long_output_is_cut_at_its_beginning_and_a_long_message_at_its_end() {
        let lines = "0123456789\n".repeat(20_000);
        let failure =
            format!("<failure type=\"x\" message=\"{}\"/><system-err>{lines}end</system-err>", "m".repeat(500));
        let attempt = case(&failure).remove(0);
        assert!(attempt.output.len() <= OUTPUT_BYTES_MAX / 2 && attempt.output.len() > OUTPUT_BYTES_MAX / 2 - 20);
        assert!(attempt.output.starts_with("0123456789\n") && attempt.output.ends_with("\nend"));
        assert_eq!(attempt.message.len(), MESSAGE_CHARS_MAX);
        assert_eq!(end_of("ööö", 3), "ö");
    }

    #[test]
    fn a_message_is_the_panic_without_its_thread() {
        let message = |text: &str| panic_line(text);
        let panic = "\nthread 'a::b' (17) panicked at src/lib.rs:3:5:\nleft is not right\n  left: 1\nnote: run with";
        assert_eq!(message(panic).as_deref(), Some("src/lib.rs:3:5: left is not right; left: 1"));
        assert_eq!(message("thread 'x' panicked at src/lib.rs:3:5:\n").as_deref(), Some("src/lib.rs:3:5"));
        assert_eq!(message("segmentation fault"), None);
        assert_eq!(case("<failure type=\"test abort\"/>")[0].message, "test abort");
        assert_eq!(case("<failure type=\"x\" message=\"two\n lines\"/>")[0].message, "two lines");
    }

    #[test]
    fn anything_else_is_an_error_that_says_whose_output_it_was() {
        assert_eq!(parse("no").unwrap_err().to_string(), "the output of nextest's JUnit file can't be read");
    }
}
