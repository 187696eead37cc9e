//! `ci`: everything that the stage asks for, then the verdict.

use super::apart::{self, Parting};
use crate::{args::CiArgs, error::CliError, memory::Memory, pipeline, project::Project, session::Session};
use tollgate_env::detached;
use tollgate_model::{ExitStatus, LogLevel};

/// Walks the straight line with all gates; with `--keep-env` in a process of its own, which stays with the environment.
pub(crate) fn run(args: &CiArgs, session: &Session) -> Result<ExitStatus, CliError> {
    if args.keep_env && !args.detached {
        return keep(session);
    }
    if args.detached {
        apart::end_with_starter(session);
    }
    let project = Project::load()?;
    let survey = pipeline::survey(&project, session)?.compared_with(args.selection.base.as_deref(), session)?;
    let plan = pipeline::plan(&project, &survey, &pipeline::request(&args.selection)?)?;
    let survey = survey.with_baseline(&plan, session);
    let memory = Some(Memory::open(&project));
    if !args.detached {
        return Ok(pipeline::execute(&project, &survey, &plan, session, memory)?.exit_status(args.strict));
    }
    let mut status = ExitStatus::Passed;
    pipeline::execute_and_stay(&project, &survey, &plan, session, memory, &mut |run, verdict| {
        status = verdict.exit_status(args.strict);
        // Where nobody hears it, nobody wants the environment any more.
        run.is_some_and(|run| detached::leave(&format!("{run} {}", status.code())).is_ok())
    })?;
    Ok(status)
}

/// Has a process of its own do it, which stays when there is a verdict.
fn keep(session: &Session) -> Result<ExitStatus, CliError> {
    match apart::start(session)? {
        Parting::Ended(status) => Ok(apart::status(status)),
        Parting::Stays(word) => {
            let (run, code) = word.split_once(' ').unwrap_or((&word, ""));
            let said = format!("environment {run} stays up; `cargo xtask env down` ends it");
            session.reporter.say(LogLevel::Note, said);
            Ok(apart::known(code.parse().ok()))
        }
    }
}
