//! `history`: the runs that are remembered, and the way to another machine.

use crate::{
    args::{HistoryArgs, HistoryCommand, RunFormat},
    error::CliError,
    memory::open_history,
    project::Project,
    reporter::seconds,
    session::Session,
};
use camino::Utf8Path;
use serde::Serialize;
use std::fmt::Write as _;
use tollgate_model::{ExitStatus, LogLevel, RunSummary, SCHEMA, TestOutcome, count};
use tollgate_store::{History, history::Trust};

/// Lists runs, or writes or reads an archive.
pub(crate) fn run(args: &HistoryArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let history = open_history(&Project::locate()?)?;
    match &args.command {
        None => list(&history, args, session)?,
        Some(HistoryCommand::Export { file }) => export(&history, file, session)?,
        Some(HistoryCommand::Import { file, fork }) => {
            import(&history, file, if *fork { Trust::Fork } else { Trust::AsStated }, session)?;
        }
    }
    Ok(ExitStatus::Passed)
}

fn list(history: &History, args: &HistoryArgs, session: &Session) -> Result<(), CliError> {
    let index = history.index()?;
    for skipped in index.skipped() {
        session.reporter.say(LogLevel::Warning, format!("a record is skipped: {skipped}"));
    }
    let runs = index.runs(args.last)?;
    let text = match args.format {
        RunFormat::Json => json(&runs),
        RunFormat::Text if runs.is_empty() => "no run is remembered\n".to_owned(),
        RunFormat::Text => table(&runs),
    };
    session.reporter.console().data(&text);
    Ok(())
}

fn export(history: &History, file: &Utf8Path, session: &Session) -> Result<(), CliError> {
    let (records, skipped) = history.export(file)?;
    for skipped in skipped {
        session.reporter.say(LogLevel::Warning, format!("left out: {skipped}"));
    }
    session.reporter.console().data(&format!("{} written to {file}\n", count(records, "run")));
    Ok(())
}

fn import(history: &History, file: &Utf8Path, trust: Trust, session: &Session) -> Result<(), CliError> {
    let imported = history.import(file, trust)?;
    for skipped in &imported.skipped {
        session.reporter.say(LogLevel::Warning, format!("left out: {skipped}"));
    }
    let marked = if trust == Trust::Fork { ", marked as those of a fork" } else { "" };
    let text = format!("{}{marked}, {} known before\n", count(imported.new, "new run"), imported.known);
    session.reporter.console().data(&text);
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Runs<'a> {
    schema: u32,
    runs: &'a [RunSummary],
}

fn json(runs: &[RunSummary]) -> String {
    serde_json::to_string_pretty(&Runs { schema: SCHEMA, runs }).unwrap_or_default() + "\n"
}

/// A line for each run, oldest first.
fn table(runs: &[RunSummary]) -> String {
    let mut text = format!(
        "{:22}  {:16}  {:7}  {:10}  {:8}  {:8}  {:>6}  {:>6}  {:>5}  {:>9}\n",
        "RUN", "STARTED (UTC)", "SOURCE", "STAGE", "TREE", "OUTCOME", "TESTS", "FAILED", "FLAKY", "TOOK"
    );
    for run in runs {
        let tree = run.tree.as_ref().map_or("-", |tree| tree.short());
        let note = if run.complete { "" } else { "  incomplete" };
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{:22}  {}  {:7}  {:10}  {tree:8}  {:8}  {:>6}  {:>6}  {:>5}  {:>9}{note}",
            run.run,
            run.started_at.strftime("%Y-%m-%d %H:%M"),
            run.source,
            run.stage,
            run.outcome,
            run.tests,
            run.count(TestOutcome::Failed),
            run.count(TestOutcome::Flaky),
            seconds(run.wall_ms),
        );
    }
    text
}
