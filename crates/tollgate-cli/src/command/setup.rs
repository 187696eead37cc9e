//! `setup`: installs the pinned tools and what the native engine needs.

use crate::{args::SetupArgs, error::CliError, pipeline, project::Project, session::Session};
use tollgate_model::ExitStatus;

/// Installs what is missing, or only says what that is.
pub(crate) fn run(args: &SetupArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let missing = pipeline::lacking(&project, session)?;
    let console = session.reporter.console();
    if args.check {
        for name in missing.names() {
            console.data(&format!("missing: {name}\n"));
        }
        return Ok(if missing.is_empty() { ExitStatus::Passed } else { ExitStatus::Environment });
    }
    if missing.is_empty() {
        console.data("everything is installed\n");
    } else {
        pipeline::install(&missing, &project.root, session)?;
    }
    Ok(ExitStatus::Passed)
}
