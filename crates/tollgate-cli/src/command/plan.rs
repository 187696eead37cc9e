//! `plan`: prints what `ci` would do.

use crate::{
    args::{PlanArgs, RunFormat},
    error::CliError,
    pipeline,
    project::Project,
    session::Session,
};
use tollgate_core::plan::describe;
use tollgate_model::ExitStatus;

/// Prints the plan; nothing is built or started.
pub(crate) fn run(args: &PlanArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let survey = pipeline::survey(&project, session)?.compared_with(args.selection.base.as_deref(), session)?;
    let plan = pipeline::plan(&project, &survey, &pipeline::request(&args.selection)?)?;
    let text = match args.format {
        RunFormat::Text => describe(&plan),
        RunFormat::Json => serde_json::to_string_pretty(&plan).unwrap_or_default() + "\n",
    };
    session.reporter.console().data(&text);
    Ok(ExitStatus::Passed)
}
