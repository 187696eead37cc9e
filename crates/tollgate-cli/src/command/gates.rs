//! `gates self-test`: what the gates conclude where it is known what they must.

use crate::{
    args::{GatesCommand, SelfTestArgs, TableFormat},
    error::CliError,
    project::Project,
    self_test::{self, Specimens},
    session::Session,
};
use jiff::Timestamp;
use serde::Serialize;
use tollgate_core::truths::{Row, figures, markdown, terminal};
use tollgate_model::{ExitStatus, GateFigures, LogLevel, SCHEMA, SelfTest};

/// Runs a command over gates.
pub(crate) fn run(command: &GatesCommand, session: &Session) -> Result<ExitStatus, CliError> {
    match command {
        GatesCommand::SelfTest(args) => self_test(args, session),
    }
}

/// Tries every truth, shows what was concluded, keeps the figures, and exits with 1 where something is not as expected.
fn self_test(args: &SelfTestArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let root = Project::locate()?;
    let trials = self_test::truths().and_then(|truths| truths.trials(args.repeat, &args.only));
    let trials = trials.map_err(|why| CliError::usage(why, []))?;
    let (at, specimens) = (Timestamp::now(), Specimens::prepare(&root)?);
    let rows = self_test::try_all(&specimens, trials, session)?;
    let gates = figures(&rows);
    let text = match args.format {
        TableFormat::Text => terminal(&rows, &gates),
        TableFormat::Markdown => markdown(&rows, &gates),
        TableFormat::Json => json(&rows, &gates),
    };
    session.reporter.console().data(&text);
    if let Some(actions) = session.reporter.actions() {
        let summary = format!("### Self-test of the gates\n\n{}\n", markdown(&rows, &gates));
        if let Err(error) = actions.append_summary(&summary) {
            session.reporter.say(LogLevel::Warning, error.to_string());
        }
    }
    let wall_ms = rows.iter().map(|row| row.seen.wall_ms).sum();
    self_test::remember(&root, &SelfTest { schema: SCHEMA, at, wall_ms, gates })?;
    let as_expected = rows.iter().all(|row| row.as_expected);
    Ok(if as_expected { ExitStatus::Passed } else { ExitStatus::Failed })
}

/// What `--format json` prints.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report<'a> {
    schema: u32,
    as_expected: bool,
    rows: &'a [Row],
    gates: &'a [GateFigures],
}

fn json(rows: &[Row], gates: &[GateFigures]) -> String {
    let as_expected = rows.iter().all(|row| row.as_expected);
    serde_json::to_string_pretty(&Report { schema: SCHEMA, as_expected, rows, gates }).unwrap_or_default() + "\n"
}
