//! `env down`: the end of environments that `env up` and `ci --keep-env` left up.

use crate::{error::CliError, session::Session, standing::chosen};
use std::time::Duration;
use tollgate_model::{ExitStatus, LogLevel};

/// Containers may take their grace, and the engine its time to remove them.
const LIMIT: Duration = Duration::from_mins(2);

/// Ends one environment, or all of this checkout but those in which a run is still testing.
pub(super) fn run(run: Option<&str>, session: &Session) -> Result<ExitStatus, CliError> {
    let all = chosen(run)?;
    if all.is_empty() {
        session.reporter.say(LogLevel::Note, "no environment is up");
    }
    let mut status = ExitStatus::Passed;
    for (living, standing) in all {
        if standing.testing && run.is_none() {
            let said = format!("run {0} is still testing; `cargo xtask env down {0}` ends it", living.run);
            session.reporter.say(LogLevel::Note, said);
            continue;
        }
        let run = living.run.clone();
        if !living.end(LIMIT) {
            let seconds = LIMIT.as_secs();
            let hint = "`cargo xtask env gc` removes it once its processes are gone";
            session.reporter.say(LogLevel::Warning, format!("environment {run} is not down after {seconds} s; {hint}"));
            status = ExitStatus::Environment;
            continue;
        }
        // What its teardown could not remove is in its ledger still.
        let left = tollgate_env::left_by(&living.run_dir)?;
        if left.is_empty() {
            session.reporter.say(LogLevel::Note, format!("environment {run} is down, nothing is left of it"));
            continue;
        }
        status = ExitStatus::Environment;
        for leftover in left {
            session.reporter.say(LogLevel::Warning, format!("left behind: {} {}", leftover.kind, leftover.what));
        }
    }
    Ok(status)
}
