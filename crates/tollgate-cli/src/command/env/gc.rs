//! `env gc`: what killed runs left behind.

use crate::{
    error::CliError,
    project::{Project, runs},
    session::Session,
};
use tollgate_model::ExitStatus;

/// Removes it, or only says what there is.
pub(super) fn run(dry_run: bool, session: &Session) -> Result<ExitStatus, CliError> {
    let found = tollgate_env::gc(&runs(&Project::locate()?).directory(), dry_run)?;
    let console = session.reporter.console();
    let verb = if dry_run { "left behind" } else { "removed" };
    for leftover in &found {
        console.data(&format!("{verb}: {} {}\n", leftover.kind, leftover.what));
    }
    if found.is_empty() {
        console.data("nothing is left behind\n");
    }
    Ok(ExitStatus::Passed)
}
