//! `ci`: everything that the stage asks for, then the verdict.

use crate::{args::CiArgs, error::CliError, memory::Memory, pipeline, project::Project, session::Session};
use tollgate_model::ExitStatus;

/// Walks the straight line with all gates.
pub(crate) fn run(args: &CiArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let survey = pipeline::survey(&project, session)?.compared_with(args.selection.base.as_deref(), session)?;
    let plan = pipeline::plan(&project, &survey, &pipeline::request(&args.selection)?)?;
    let survey = survey.with_baseline(&plan, session);
    let verdict = pipeline::execute(&project, &survey, &plan, session, Some(Memory::open(&project)))?;
    Ok(verdict.exit_status(args.strict))
}
