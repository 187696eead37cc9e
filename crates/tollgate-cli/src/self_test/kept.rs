//! `.tollgate/self-tests.jsonl`: what self-tests of this checkout showed, one a line.

use crate::{durations, error::CliError, session::Session};
use camino::Utf8Path;
use jiff::Timestamp;
use std::{fs, io};
use tollgate_core::truths::together;
use tollgate_model::{LogLevel, SCHEMA, SelfTest, SelfTests, count};

const FILE: &str = ".tollgate/self-tests.jsonl";

/// How many are kept: more than a day has hours, for ninety days.
const KEPT_MAX: usize = 2_500;

/// Adds a self-test to those that are kept.
///
/// # Errors
/// When they can't be read or written.
pub(crate) fn remember(root: &Utf8Path, test: &SelfTest) -> Result<(), CliError> {
    let write = || -> io::Result<()> {
        durations::hide(root)?;
        let mut lines: Vec<String> = lines(root)?;
        lines.push(serde_json::to_string(test)?);
        let newest = &lines[lines.len().saturating_sub(KEPT_MAX)..];
        // One self-test is under way at a time, so that what a killed one left here is overwritten.
        let draft = root.join(format!("{FILE}.draft"));
        fs::write(&draft, newest.join("\n") + "\n")?;
        fs::rename(&draft, root.join(FILE))
    };
    write().map_err(|source| CliError::Machine { what: format!("can't keep the figures in {FILE}"), source })
}

/// What the self-tests of the last days showed together; none where there was none. A line that can't be read is told of.
pub(crate) fn recent(root: &Utf8Path, now: Timestamp, session: &Session) -> Option<SelfTests> {
    let lines = lines(root).unwrap_or_else(|error| {
        session.reporter.say(LogLevel::Warning, format!("{FILE} can't be read: {error}"));
        Vec::new()
    });
    let tests: Vec<SelfTest> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let tests: Vec<SelfTest> = tests.into_iter().filter(|test| test.schema == SCHEMA).collect();
    if tests.len() < lines.len() {
        let lost = count((lines.len() - tests.len()) as u64, "line");
        session.reporter.say(LogLevel::Warning, format!("{lost} of {FILE} can't be read and are left out"));
    }
    together(&tests, now)
}

fn lines(root: &Utf8Path) -> io::Result<Vec<String>> {
    match fs::read_to_string(root.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        text => Ok(text?.lines().map(str::to_owned).collect()),
    }
}
