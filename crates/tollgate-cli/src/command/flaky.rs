//! `flaky`: how often runs are red for nothing, what that proves, and which tests and causes it comes from.

mod stress;
mod suspects;

use crate::{
    args::{FlakyArgs, FlakyCommand, RunFormat, RunsOf},
    error::CliError,
    memory::{RUNS_MAX, last_stress, open_history, today},
    project::Project,
    session::Session,
};
use jiff::Timestamp;
use tollgate_core::flake::{FlakeReport, Population, quarantined, render, series};
use tollgate_model::{ExitStatus, LogLevel, RunSummary, StageName};

/// Shows the report, or stresses a test.
pub(crate) fn run(args: &FlakyArgs, session: &Session) -> Result<ExitStatus, CliError> {
    match &args.command {
        None => report(args, session),
        Some(FlakyCommand::Stress(args)) => stress::run(args, session),
    }
}

/// Shows the report; what it says is not a failure of this command.
fn report(args: &FlakyArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let stage = stage(&project, args.stage.as_deref())?;
    let history = open_history(&project.root)?;
    let index = history.index()?;
    for skipped in index.skipped() {
        session.reporter.say(LogLevel::Warning, format!("a record is skipped: {skipped}"));
    }
    let runs = index.runs_of_each_source(RUNS_MAX)?;
    let population = population(args.of, &runs);
    let muted = project.config.quarantine.muted(today(Timestamp::now()));
    let asked = |run: &RunSummary| population == Population::All || run.source.is_main();
    let series = series(&runs, &stage, asked, &muted);
    let quarantined = quarantined(&project.config.quarantine.tests, &series);
    let mut report = FlakeReport::new(stage.clone(), population, &series, quarantined);
    report.last_stress = last_stress(&history, &runs);
    session.reporter.console().data(&match args.format {
        RunFormat::Text => render(&report),
        RunFormat::Json => serde_json::to_string_pretty(&report).unwrap_or_default() + "\n",
    });
    Ok(ExitStatus::Passed)
}

/// What was asked for; else the main branch, where a run of it is remembered.
fn population(asked: Option<RunsOf>, runs: &[RunSummary]) -> Population {
    match asked {
        Some(RunsOf::Main) => Population::Main,
        None if runs.iter().any(|run| run.source.is_main()) => Population::Main,
        Some(RunsOf::All) | None => Population::All,
    }
}

fn stage(project: &Project, asked: Option<&str>) -> Result<StageName, CliError> {
    let Some(asked) = asked else { return Ok(project.config.default_stage.clone()) };
    let known = project.config.stage(asked).map(|stage| stage.name.clone());
    known.ok_or_else(|| {
        let stages: Vec<&str> = project.config.stages.iter().map(|stage| stage.name.as_str()).collect();
        CliError::usage(format!("there is no stage `{asked}`"), [format!("the stages are {}", stages.join(", "))])
    })
}
