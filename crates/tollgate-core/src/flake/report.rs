//! What `flaky` shows: the rate of flaky runs and what it proves, the flaky tests by rank, and their causes.

use super::gate::{bound, percent, tally};
use super::{EXECUTIONS, LeftOut, P0, Quarantined, STRESSED, Series, SuspectsReport, THRESHOLD, flake_history};
use crate::judge::words::{count, listed};
use crate::judge::{ALPHA, judge_rate, lower_bound, upper_bound};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use tollgate_model::{Fingerprint, Outcome, RunId, SCHEMA, StageName, TestId};

/// The prior of a test's rate, Beta(0.2, 40): most tests are flaky in far fewer than one of a hundred runs, so that one flake
/// in three runs does not outrank ten in a hundred.
const PRIOR: (f64, f64) = (0.2, 40.0);

/// Which runs were asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Population {
    /// Runs of the main branch.
    Main,
    /// Every trusted run: changes and local ones too, whose tests may be half done.
    All,
}

/// A test that was flaky in some run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FlakyTest {
    /// The test.
    pub test: TestId,
    /// Runs in which it both failed and passed.
    pub flaky_runs: u64,
    /// Runs that count.
    pub runs: u64,
    /// The share of runs in which it is to be expected to be flaky: the mean of the posterior of Beta(0.2, 40).
    pub expected: f64,
    /// The last run in which it was.
    pub last_run: RunId,
    /// When that started.
    pub last_at: Timestamp,
}

/// Flakes whose messages are the same but for numbers and names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cause {
    /// What they have in common.
    pub fingerprint: Fingerprint,
    /// The message of the newest one.
    pub message: String,
    /// Runs that showed it.
    pub runs: u64,
    /// Tests that showed it.
    pub tests: BTreeSet<TestId>,
}

/// What the recorded runs say about flakiness.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FlakeReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The stage.
    pub stage: StageName,
    /// Which runs were asked about.
    pub population: Population,
    /// Runs that don't count, by the reason.
    pub left_out: BTreeMap<LeftOut, u64>,
    /// Flaky runs among the newest ones.
    pub k: u64,
    /// The newest runs, at most [`super::WINDOW`].
    pub n: u64,
    /// What the rate is not below, at 95 % confidence (Clopper–Pearson).
    pub lower: f64,
    /// What the rate is not above, at 95 % confidence (Clopper–Pearson).
    pub upper: f64,
    /// What that proves about the limit of 1 %.
    pub outcome: Outcome,
    /// How many further clean runs would prove that the limit is kept.
    pub more_needed: Option<u64>,
    /// The detector's value; the alarm is raised at [`THRESHOLD`].
    pub detector: f64,
    /// Whether the alarm was raised.
    pub alarmed: bool,
    /// Executions of tests in all runs that count.
    pub executions: u64,
    /// How many of them failed where another one of the same inputs passed.
    pub flaky_executions: u64,
    /// Flaky tests, those first that are to be expected most.
    pub tests: Vec<FlakyTest>,
    /// Causes, the most frequent first.
    pub causes: Vec<Cause>,
    /// Quarantined tests.
    pub quarantined: Vec<Quarantined>,
    /// What the last stress of suspected tests showed, where one is remembered.
    pub last_stress: Option<SuspectsReport>,
}

impl FlakeReport {
    /// Looks at a series of runs.
    pub fn new(stage: StageName, population: Population, series: &Series, quarantined: Vec<Quarantined>) -> Self {
        let tally = tally(&flake_history(series));
        let (k, n) = (tally.k, tally.n);
        let rate = judge_rate(k, n, P0, ALPHA);
        Self {
            schema: SCHEMA,
            stage,
            population,
            left_out: series.left_out.clone(),
            k,
            n,
            lower: lower_bound(k, n, ALPHA),
            upper: upper_bound(k, n, ALPHA),
            outcome: if n == 0 { Outcome::Unproven } else { rate.outcome },
            more_needed: rate.more_needed,
            detector: tally.detector.value(),
            alarmed: tally.detector.is_alarmed(),
            executions: series.trials.iter().map(|trial| trial.run.tests).sum(),
            flaky_executions: series.trials.iter().map(|trial| trial.flaky.len() as u64).sum(),
            tests: flaky_tests(series),
            causes: causes(series),
            quarantined,
            last_stress: None,
        }
    }
}

fn flaky_tests(series: &Series) -> Vec<FlakyTest> {
    let runs = series.trials.len() as u64;
    let mut tests: BTreeMap<&TestId, FlakyTest> = BTreeMap::new();
    for trial in &series.trials {
        for test in &trial.flaky {
            let entry = tests.entry(&test.id).or_insert_with(|| FlakyTest {
                test: test.id.clone(),
                flaky_runs: 0,
                runs,
                expected: 0.0,
                last_run: trial.run.run.clone(),
                last_at: trial.run.started_at,
            });
            entry.flaky_runs += 1;
            (entry.last_run, entry.last_at) = (trial.run.run.clone(), trial.run.started_at);
            entry.expected = (entry.flaky_runs as f64 + PRIOR.0) / (runs as f64 + PRIOR.0 + PRIOR.1);
        }
    }
    let mut tests: Vec<_> = tests.into_values().collect();
    tests.sort_by(|a, b| (b.flaky_runs, &a.test).cmp(&(a.flaky_runs, &b.test)));
    tests
}

fn causes(series: &Series) -> Vec<Cause> {
    let mut causes: BTreeMap<&Fingerprint, (Cause, BTreeSet<&RunId>)> = BTreeMap::new();
    for trial in &series.trials {
        for test in &trial.flaky {
            let Some(failure) = &test.failure else { continue };
            let (cause, runs) = causes.entry(&failure.fingerprint).or_insert_with(|| {
                let (fingerprint, tests) = (failure.fingerprint.clone(), BTreeSet::new());
                (Cause { fingerprint, message: String::new(), runs: 0, tests }, BTreeSet::new())
            });
            cause.message.clone_from(&failure.message);
            cause.tests.insert(test.id.clone());
            runs.insert(&trial.run.run);
        }
    }
    let counted = causes.into_values().map(|(cause, runs)| Cause { runs: runs.len() as u64, ..cause });
    let mut causes: Vec<Cause> = counted.collect();
    causes.sort_by(|a, b| (b.runs, &a.fingerprint).cmp(&(a.runs, &b.fingerprint)));
    causes
}

/// The report as text.
pub fn render(report: &FlakeReport) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", line.trim_end());
    };
    let of = match report.population {
        Population::Main => "of the main branch",
        Population::All => "of every trusted source",
    };
    let left_out: Vec<String> = report.left_out.iter().map(|(why, n)| format!("{n} {}", why.as_str())).collect();
    let left_out = if left_out.is_empty() { String::new() } else { format!(" (not counted: {})", left_out.join(", ")) };
    line(format!("Stage {}: {} {of}{left_out}", report.stage, count(report.n, "run")));
    if report.n == 0 {
        line("No run that counts is recorded, so nothing is known of flakiness.".to_owned());
        return text;
    }
    line(format!("  {}", proof(report)));
    let alarm = if report.alarmed { "THE ALARM IS RAISED" } else { "no alarm" };
    line(format!("  detector at {:.1}, alarm at {THRESHOLD}: {alarm}", report.detector));
    let executions = count(report.executions, "execution");
    line(format!("  {} of {executions} failed where another one passed", report.flaky_executions));
    if !report.tests.is_empty() {
        line(format!("\n  {:>10}  {:>8}  {:10}  TEST", "FLAKY RUNS", "EXPECTED", "LAST SEEN"));
    }
    for test in &report.tests {
        let day = test.last_at.strftime("%Y-%m-%d");
        line(format!("  {:>10}  {:>8}  {day}  {}", test.flaky_runs, percent(test.expected), test.test));
    }
    for cause in &report.causes {
        let (runs, tests) = (count(cause.runs, "run"), count(cause.tests.len() as u64, "test"));
        line(format!("\n  {runs}, {tests}: {}", cause.message));
        line(format!("    {}", listed(&cause.tests)));
    }
    if !report.quarantined.is_empty() {
        line(format!("\n  {:>10}  {:>17}  TEST", "CLEAN RUNS", "QUARANTINED UNTIL"));
    }
    for test in &report.quarantined {
        line(format!(
            "  {:>10}  {:>17}  {} ({}, {})",
            test.clean_runs, test.expires, test.test, test.owner, test.issue
        ));
    }
    if !report.quarantined.is_empty() {
        line(format!(
            "  {EXECUTIONS} executions without a failure, {STRESSED} of them stressed, end a quarantine: \
             cargo xtask flaky stress TEST -n {EXECUTIONS}"
        ));
    }
    if let Some(last) = &report.last_stress {
        line(stressed(last));
    }
    text
}

/// What the last stress showed, in lines.
fn stressed(report: &SuspectsReport) -> String {
    let executions: u64 = report.tests.iter().map(|(_, seen)| seen.plain.all + seen.stressed.all).sum();
    let tests = count(report.tests.len() as u64, "suspected test");
    let day = report.started_at.strftime("%Y-%m-%d");
    let mut text = format!("\n  {tests} stressed on {day}, {}:", count(executions, "execution"));
    let failed: Vec<_> = report.tests.iter().filter(|(_, seen)| seen.failed() > 0).collect();
    if failed.is_empty() {
        text.push_str(" none was seen to fail");
    }
    for (suspect, seen) in failed {
        // Writing to a string can't fail.
        let _ = write!(
            text,
            "\n    {} ({}) failed {} of {} plain, {} of {} stressed",
            suspect.test,
            suspect.why.as_str(),
            seen.plain.failed,
            seen.plain.all,
            seen.stressed.failed,
            seen.stressed.all
        );
    }
    text
}

/// The rate, its bounds, and what they prove.
fn proof(report: &FlakeReport) -> String {
    let rate = percent(report.k as f64 / report.n as f64);
    let bounds = format!("{} to {}", bound(report.lower), bound(report.upper));
    let proves = match (report.outcome, report.more_needed) {
        (Outcome::Passed, _) => "that is below 1 %".to_owned(),
        (Outcome::Failed, _) => "that is above 1 %".to_owned(),
        (_, Some(more)) => format!("{} would prove that it is below 1 %", count(more, "more clean run")),
        _ => "that proves nothing".to_owned(),
    };
    let runs = count(report.n, "run");
    format!("{} of the last {runs} flaky = {rate} ({bounds}, each bound 95 % sure): {proves}", report.k)
}
