//! `flaky stress --suspects`: the tests that the history suspects, within a time.

use super::stress::{Asked, burners, filterset, status, walk};
use crate::{
    args::{RunFormat, StressArgs},
    error::CliError,
    memory::{Memory, RUNS_MAX, open_history, today},
    pipeline::say_absent,
    project::Project,
    session::Session,
};
use jiff::Timestamp;
use std::{collections::BTreeSet, time::Duration};
use tollgate_core::flake::{FlakeReport, Population, Suspect, SuspectsReport, new_since, series, suspects};
use tollgate_model::{ExitStatus, LogLevel, RunId, RunSummary, TestResult, TierName};

/// No further execution is begun after it, unless another time is asked for.
const WITHIN: Duration = Duration::from_mins(10);

/// Stresses them all in one environment, shows and remembers what was seen, and exits with 1 where one failed that is not
/// quarantined.
pub(super) fn run(args: &StressArgs, project: &Project, session: &Session) -> Result<ExitStatus, CliError> {
    let (mut found, mut more) = find(project)?;
    if found.is_empty() {
        nothing(args, "the history suspects no test", session);
        return Ok(ExitStatus::Passed);
    }
    let mut only = Vec::new();
    // By its name alone: nextest refuses a filterset with a binary that is not there any more.
    found.retain(|suspect| match filterset(&suspect.test.name) {
        Ok(filter) => {
            only.push(filter);
            true
        }
        Err(error) => {
            session.reporter.say(LogLevel::Warning, format!("it is left out: {error}"));
            more += 1;
            false
        }
    });
    if found.is_empty() {
        return Ok(ExitStatus::Invalid);
    }
    let tiers: BTreeSet<String> = found.iter().map(|suspect| suspect.tier.to_string()).collect();
    let mut seen: Vec<(TestResult, bool)> = Vec::new();
    let bounded = StressArgs { within: args.within.or(Some(WITHIN)), ..args.clone() };
    let note = &mut |result: &TestResult, stressed: bool| seen.push((result.clone(), stressed));
    let asked = Asked {
        what: format!("{} suspected tests", found.len()),
        only: only.join(" + "),
        tiers: tiers.into_iter().collect(),
        tests: Some(found.iter().map(|suspect| suspect.test.clone()).collect()),
    };
    let stressed = match walk(&bounded, &asked, project, session, note) {
        Err(CliError::NothingSelected { .. }) => {
            for suspect in &found {
                say_absent(&suspect.test, session);
            }
            nothing(args, "no test that the history suspects is there any more", session);
            return Ok(ExitStatus::Invalid);
        }
        walked => walked?,
    };
    found.retain(|suspect| !stressed.absent.contains(&suspect.test));
    let run = &stressed.evidence.run;
    let mut report = SuspectsReport::new(run.id.clone(), run.started_at, found, more, burners(args));
    for (result, beside) in &seen {
        if let Some((_, report)) = report.tests.iter_mut().find(|(suspect, _)| suspect.test == result.id) {
            report.add(result, *beside);
        }
    }
    show(&report, args.format, session);
    for (suspect, _) in report.tests.iter().filter(|(_, report)| !report.is_begun()) {
        session
            .reporter
            .say(LogLevel::Warning, format!("{} was not executed, so nothing is known of it", suspect.test));
    }
    let failed = report.failed().next().is_some();
    if report.is_begun() {
        Memory::open(project).remember_stress(&stressed.evidence, &stressed.plan, &report, session);
    }
    Ok(stressed.failure.unwrap_or_else(|| status(report.is_begun(), failed)))
}

/// Says why there is no test to stress.
fn nothing(args: &StressArgs, why: &str, session: &Session) {
    let run = RunId::new("none").expect("a valid name");
    let report = SuspectsReport::new(run, Timestamp::now(), Vec::new(), 0, burners(args));
    session.reporter.console().data(&match args.format {
        RunFormat::Text => format!("{why}\n"),
        RunFormat::Json => json(&report),
    });
}

fn json(report: &SuspectsReport) -> String {
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

/// The tests that the recorded runs of the main branch suspect, or all where none of it is recorded, and how many more.
fn find(project: &Project) -> Result<(Vec<Suspect>, usize), CliError> {
    let history = open_history(&project.root)?;
    let runs = history.index()?.runs_of_each_source(RUNS_MAX)?;
    let is_main = |run: &RunSummary| run.source.is_main();
    let population = if runs.iter().any(is_main) { Population::Main } else { Population::All };
    let asked = |run: &RunSummary| run.source.is_trusted() && (population == Population::All || is_main(run));
    let config = &project.config;
    let muted = config.quarantine.muted(today(Timestamp::now()));
    let stage = config.default_stage.clone();
    let complete = || runs.iter().rev().filter(|run| asked(run) && run.complete && run.stage == stage);
    let record = |run: &RunSummary| run.record.as_ref().map(|name| history.record(name)).transpose();
    let Some(newest) = complete().next() else { return Ok((Vec::new(), 0)) };
    let before = complete().find(|run| run.started_at <= new_since(newest.started_at));
    let before = before.map(record).transpose()?.flatten();
    let Some(newest) = record(newest)? else { return Ok((Vec::new(), 0)) };
    let series = series(&runs, &stage, asked, &muted);
    let flaky = FlakeReport::new(stage.clone(), population, &series, Vec::new()).tests;
    // Load is judged by what was measured, and burners would only spoil that.
    let fits =
        |tier: &TierName| config.tiers.iter().any(|known| known.name == *tier) && !config.load.contains_key(tier);
    Ok(suspects(&newest, before.as_ref(), &flaky, &config.quarantine.tests, &fits))
}

fn show(report: &SuspectsReport, format: RunFormat, session: &Session) {
    let text = report.render();
    session.reporter.console().data(&match format {
        RunFormat::Text => text.clone(),
        RunFormat::Json => json(report),
    });
    let Some(actions) = session.reporter.actions() else { return };
    if let Err(error) = actions.append_summary(&format!("### Stressed tests\n\n```text\n{text}```\n")) {
        session.reporter.say(LogLevel::Warning, error.to_string());
    }
}
