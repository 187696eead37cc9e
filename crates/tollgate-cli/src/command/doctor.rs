//! `doctor`: what is here and what is missing.

use crate::{error::CliError, pipeline, project::Project, session::Session};
use tollgate_model::{EngineChoice, ExitStatus};

/// Prints one line for everything a run needs; exits with 5 where something is missing.
pub(crate) fn run(session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let console = session.reporter.console();
    console.data("configuration: ci/tollgate.toml is good\n");
    let engine = match tollgate_env::choose(EngineChoice::Auto, &session.interrupt) {
        Ok((engine, reason)) => format!("{}: {reason}", engine.as_str()),
        Err(error) => error.to_string(),
    };
    console.data(&format!("engine: {engine}\n"));
    let kept = if tollgate_env::may_contain() { "a control group, a keeper" } else { "a keeper" };
    console.data(&format!("processes: those of a run with services are kept together by {kept} and marks\n"));
    let missing = pipeline::lacking(&project, session)?;
    for name in missing.names() {
        console.data(&format!("missing: {name}\n"));
    }
    if missing.is_empty() {
        console.data("tools: everything is installed\n");
        return Ok(ExitStatus::Passed);
    }
    console.data("\n`cargo xtask setup` installs what is missing\n");
    Ok(ExitStatus::Environment)
}
