//! The journal of a scenario: a log with a line a step, and a markdown report, both with the time in their names.

use std::fmt::{Display, Write as _};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Where scenarios are written when no run directory is given: this workspace's target directory.
const DIRECTORY_DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target");

/// A journal that is being written; its report is written when it is dropped, as failed if the test panicked.
#[derive(Debug)]
pub struct Journal {
    record: Record,
    log: File,
    report: PathBuf,
}

/// What happened so far.
#[derive(Debug)]
struct Record {
    scenario: String,
    started: Timestamp,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    at: Timestamp,
    text: String,
    details: Vec<(String, String)>,
}

impl Journal {
    /// Opens a journal under `$TOLLGATE_RUN_DIR/scenarios`, or `target/scenarios` without a run.
    ///
    /// # Panics
    ///
    /// When the files can't be written.
    pub fn open(scenario: &str) -> Self {
        let run = std::env::var_os("TOLLGATE_RUN_DIR").map_or_else(|| PathBuf::from(DIRECTORY_DEFAULT), PathBuf::from);
        Self::open_in(&run.join("scenarios"), scenario)
    }

    /// Opens a journal in a directory, which is made if it doesn't exist.
    ///
    /// # Panics
    ///
    /// When the files can't be written.
    pub fn open_in(directory: &Path, scenario: &str) -> Self {
        let started = Timestamp::now();
        let stem = format!("{scenario}-{}", started.strftime("%Y%m%dT%H%M%S%.3fZ"));
        fs::create_dir_all(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let path = directory.join(format!("{stem}.log"));
        let log = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let record = Record { scenario: scenario.to_owned(), started, steps: Vec::new() };
        let mut journal = Self { record, log, report: directory.join(format!("{stem}.md")) };
        journal.line(started, &format!("scenario {scenario}"));
        journal
    }

    /// Begins the next step.
    pub fn step(&mut self, text: impl Into<String>) {
        let step = Step { at: Timestamp::now(), text: text.into(), details: Vec::new() };
        self.line(step.at, &format!("step {}: {}", self.record.steps.len() + 1, step.text));
        self.record.steps.push(step);
    }

    /// Notes a value that was seen in the current step.
    pub fn detail(&mut self, name: &str, value: impl Display) {
        let value = value.to_string();
        self.line(Timestamp::now(), &format!("  {name} = {value}"));
        if let Some(step) = self.record.steps.last_mut() {
            step.details.push((name.to_owned(), value));
        }
    }

    /// Where the report will be.
    pub fn report_path(&self) -> &Path {
        &self.report
    }

    /// Where the log is.
    pub fn log_path(&self) -> PathBuf {
        self.report.with_extension("log")
    }

    fn line(&mut self, at: Timestamp, text: &str) {
        writeln!(self.log, "{at:.3} {text}").unwrap_or_else(|error| panic!("the journal can't be written: {error}"));
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        let ended = Timestamp::now();
        let written = writeln!(self.log, "{ended:.3} {}", outcome(failed))
            .and_then(|()| fs::write(&self.report, report(&self.record, ended, failed)));
        assert!(written.is_ok() || failed, "the report {} can't be written", self.report.display());
    }
}

fn outcome(failed: bool) -> &'static str {
    if failed { "failed" } else { "passed" }
}

/// The report as markdown: when, how it ended, and what each step saw. A failed scenario failed in its last step.
fn report(record: &Record, ended: Timestamp, failed: bool) -> String {
    let elapsed_ms = |from: Timestamp, to: Timestamp| to.as_millisecond() - from.as_millisecond();
    let last = record.steps.len();
    let mut text = format!(
        "# {}: {}\n\nStarted {:.3}, took {} ms.\n\n| step | | outcome | ms |\n|---:|---|---|---:|\n",
        record.scenario,
        outcome(failed),
        record.started,
        elapsed_ms(record.started, ended),
    );
    for (number, step) in (1..).zip(&record.steps) {
        let until = record.steps.get(number).map_or(ended, |next| next.at);
        let seen = step.details.iter().map(|(name, value)| format!("{name} = `{}`", cell(value)));
        let told = [cell(&step.text)].into_iter().chain(seen).collect::<Vec<_>>().join("<br>");
        let (ending, took) = (outcome(failed && number == last), elapsed_ms(step.at, until));
        writeln!(text, "| {number} | {told} | {ending} | {took} |").expect("writing to a string does not fail");
    }
    text
}

/// Text that stays within its cell of a markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod unit {
    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).unwrap()
    }

    fn record() -> Record {
        let step = |millisecond, text: &str, details: &[(&str, &str)]| Step {
            at: at(millisecond),
            text: text.to_owned(),
            details: details.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        let steps = vec![step(10, "log in", &[("status", "200")]), step(40, "a | b", &[])];
        Record { scenario: "a2_login".to_owned(), started: at(0), steps }
    }

    #[test]
    fn a_report_tells_every_step_with_its_time() {
        assert_eq!(
            report(&record(), at(100), false),
            "# a2_login: passed\n\nStarted 1970-01-01T00:00:00.000Z, took 100 ms.\n\n\
             | step | | outcome | ms |\n|---:|---|---|---:|\n\
             | 1 | log in<br>status = `200` | passed | 30 |\n\
             | 2 | a \\| b | passed | 60 |\n"
        );
    }

    #[test]
    fn a_failed_scenario_failed_in_its_last_step() {
        let text = report(&record(), at(100), true);
        assert!(text.starts_with("# a2_login: failed\n"), "{text}");
        assert!(text.contains("| 1 | log in<br>status = `200` | passed |"), "{text}");
        assert!(text.contains("| 2 | a \\| b | failed |"), "{text}");
    }
}
