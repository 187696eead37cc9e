//! Test results as JUnit XML, for tools that show tests: every attempt is kept, and what is missing is an error.

use super::facts::missing;
use super::text::clean;
use crate::judge::words::duration_ms;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};
use std::collections::BTreeMap;
use std::time::Duration;
use tollgate_model::{
    Attempt, AttemptOutcome, Evidence, Milliseconds, TestId, TestOutcome, TestResult, TierEvidence, TierStatus,
};

/// Returns the test results as JUnit XML: one suite per tier and test binary, named `unit::core`.
///
/// A flaky test is a success with its `flakyFailure`s, a failed one has a `rerunFailure` for every further attempt, an
/// ignored one is skipped. A planned test without a result is an error, so that no tool takes its absence for success.
pub fn junit(evidence: &Evidence) -> String {
    let mut report = Report::new("tollgate");
    report.set_time(duration(evidence.tiers.iter().fold(0, |sum: Milliseconds, t| sum.saturating_add(t.wall_ms))));
    for tier in &evidence.tiers {
        report.add_test_suites(suites(tier));
    }
    report.to_string().expect("writing to memory does not fail, and every string was made fit for XML")
}

fn suites(tier: &TierEvidence) -> Vec<TestSuite> {
    let mut suites: BTreeMap<String, TestSuite> = BTreeMap::new();
    let mut add = |binary: &str, case: TestCase| {
        let name = format!("{}::{binary}", tier.name);
        suites.entry(name.clone()).or_insert_with(|| TestSuite::new(name)).add_test_case(case);
    };
    for test in &tier.results {
        add(&test.id.binary, result_case(test));
    }
    let (missing, broken) = (missing(tier), broken(tier));
    for test in &missing {
        add(&test.binary, error_case(test, broken.unwrap_or("the test runner left no result of it")));
    }
    if let Some(reason) = broken.filter(|_| missing.is_empty()) {
        add("tier", error_case(&TestId::new("tier", "runs to its end"), reason));
    }
    for suite in suites.values_mut() {
        let time = suite.test_cases.iter().filter_map(|case| case.time).fold(Duration::ZERO, Duration::saturating_add);
        suite.set_time(time);
    }
    suites.into_values().collect()
}

fn broken(tier: &TierEvidence) -> Option<&str> {
    match &tier.status {
        TierStatus::Broken { reason } => Some(reason),
        TierStatus::Ran | TierStatus::NotAsked => None,
    }
}

fn result_case(test: &TestResult) -> TestCase {
    let mut failed = test.attempts.iter().filter(|attempt| attempt.outcome != AttemptOutcome::Passed);
    let mut status = match test.outcome() {
        TestOutcome::Passed | TestOutcome::Flaky => TestCaseStatus::success(),
        TestOutcome::Ignored => TestCaseStatus::skipped(),
        TestOutcome::Failed => failed.next().map_or_else(TestCaseStatus::success, failure),
    };
    status.add_reruns(failed.map(rerun));
    let mut case = TestCase::new(clean(&test.id.name), status);
    case.set_classname(test.id.binary.as_str()).set_time(duration(duration_ms(test)));
    case
}

fn error_case(test: &TestId, reason: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type("not reported").set_message(format!("not reported: {reason}"));
    let mut case = TestCase::new(test.name.as_str(), status);
    case.set_classname(test.binary.as_str());
    case
}

fn kind(attempt: &Attempt) -> &'static str {
    if attempt.outcome == AttemptOutcome::TimedOut { "timeout" } else { "failure" }
}

fn failure(attempt: &Attempt) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(kind(attempt)).set_message(clean(&attempt.message)).set_description(clean(&attempt.output));
    status
}

fn rerun(attempt: &Attempt) -> TestRerun {
    let mut rerun = TestRerun::new(NonSuccessKind::Failure);
    rerun.set_type(kind(attempt)).set_message(clean(&attempt.message)).set_description(clean(&attempt.output));
    rerun.set_time(duration(attempt.duration_ms));
    rerun
}

/// XML holds seconds as a float; a year is more than any test and keeps every number finite.
fn duration(ms: Milliseconds) -> Duration {
    Duration::from_millis(ms.min(365 * 24 * 3600 * 1000))
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::sample;

    #[test]
    fn every_attempt_is_kept_and_what_is_missing_is_an_error() {
        let mut evidence = sample::evidence();
        sample::make_red(&mut evidence);
        evidence.tiers.truncate(3);
        evidence.tiers[1].results.pop();
        evidence.tiers[2].results[0].attempts[1].outcome = AttemptOutcome::TimedOut;
        evidence.tiers.push(TierEvidence {
            status: TierStatus::Broken { reason: "no <nextest>".into() },
            planned: Vec::new(),
            results: Vec::new(),
            ..sample::tier_evidence("performance", "harness::load", &[])
        });
        insta::assert_snapshot!(junit(&evidence), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="tollgate" tests="8" skipped="1" failures="2" errors="2" time="6.621">
            <testsuite name="unit::core" tests="4" skipped="1" errors="0" failures="1" time="0.059">
                <testcase name="a::adds" classname="core" time="0.005"/>
                <testcase name="a::parses" classname="core" time="0.014">
                    <failure message="assertion `left == right` failed: &lt;b&gt;|x|&lt;/b&gt;" type="failure">thread &apos;a::parses&apos; panicked at crates/core/src/a.rs:41:9:
        assertion `left == right` failed
          left: &quot;&lt;b&gt;|x|&lt;/b&gt;&quot;
         right: &quot;`y` &amp; *z*&quot;</failure>
                    <rerunFailure time="0.007" message="assertion `left == right` failed: &lt;b&gt;|x|&lt;/b&gt;" type="failure">thread &apos;a::parses&apos; panicked at crates/core/src/a.rs:41:9:
        assertion `left == right` failed
          left: &quot;&lt;b&gt;|x|&lt;/b&gt;&quot;
         right: &quot;`y` &amp; *z*&quot;</rerunFailure>
                </testcase>
                <testcase name="b::refuses" classname="core" time="0.040">
                    <flakyFailure time="0.031" message="the clock went backwards" type="failure">tick
        tock</flakyFailure>
                </testcase>
                <testcase name="b::later" classname="core" time="0.000">
                    <skipped/>
                </testcase>
            </testsuite>
            <testsuite name="integration::identity::integration" tests="2" skipped="0" errors="1" failures="0" time="0.800">
                <testcase name="login::works" classname="identity::integration" time="0.800"/>
                <testcase name="login::expires" classname="identity::integration">
                    <error message="not reported: the test runner left no result of it" type="not reported"/>
                </testcase>
            </testsuite>
            <testsuite name="e2e::harness::e2e" tests="1" skipped="0" errors="0" failures="1" time="8.300">
                <testcase name="scenario_a" classname="harness::e2e" time="8.300">
                    <failure message="called `Result::unwrap()` on an `Err` value: Connection refused (os error 111), http://127.0.0.1:43211" type="failure">GET /health
        called `Result::unwrap()` on an `Err` value: Connection refused (os error 111), http://127.0.0.1:43211
        note: run with `RUST_BACKTRACE=1`</failure>
                    <rerunFailure time="4.100" message="called `Result::unwrap()` on an `Err` value: Connection refused (os error 111), http://127.0.0.1:43211" type="timeout">GET /health
        called `Result::unwrap()` on an `Err` value: Connection refused (os error 111), http://127.0.0.1:43211
        note: run with `RUST_BACKTRACE=1`</rerunFailure>
                </testcase>
            </testsuite>
            <testsuite name="performance::tier" tests="1" skipped="0" errors="1" failures="0" time="0.000">
                <testcase name="runs to its end" classname="tier">
                    <error message="not reported: no &lt;nextest&gt;" type="not reported"/>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn any_output_is_fit_for_xml() {
        let mut evidence = sample::evidence();
        evidence.tiers[0].results[0].attempts = vec![sample::failed(u64::MAX, "\u{0}]]>&\u{1b}[1m", "\u{ffff}\u{b}")];
        let xml = junit(&evidence);
        assert!(!xml.contains(['\u{0}', '\u{1b}', '\u{b}', '\u{ffff}']), "{xml}");
    }
}
