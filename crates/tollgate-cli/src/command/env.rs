//! `env`: the environment alone.

use crate::{
    args::{EnvCommand, Selection},
    error::CliError,
    pipeline,
    project::{Project, runs},
    session::Session,
};
use tollgate_model::ExitStatus;

/// Brings an environment up until Ctrl-C, or removes what killed runs left.
pub(crate) fn run(command: &EnvCommand, session: &Session) -> Result<ExitStatus, CliError> {
    match command {
        EnvCommand::Up { engine } => up(&Selection { engine: *engine, ..Selection::default() }, session),
        EnvCommand::Gc { dry_run } => gc(*dry_run, session),
    }
}

fn gc(dry_run: bool, session: &Session) -> Result<ExitStatus, CliError> {
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

fn up(selection: &Selection, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let survey = pipeline::survey(&project, session)?;
    let plan = pipeline::plan(&project, &survey, &pipeline::request(selection)?)?;
    pipeline::serve(&project, &survey, &plan, session)
}
