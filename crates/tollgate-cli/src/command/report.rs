//! `report`: prints the report of a stored run, or tells its pull request.

use crate::{
    args::{ReportArgs, ReportFormat},
    console::Console,
    error::CliError,
    project::{Project, runs},
    session::Session,
};
use tollgate_core::report::{self, Options};
use tollgate_model::{Evidence, ExitStatus, TestOutcome};

/// Prints the report; a red verdict is not a failure of this command.
pub(crate) fn run(args: &ReportArgs, session: &Session) -> Result<ExitStatus, CliError> {
    if args.comment {
        return super::comment::run(args, session);
    }
    let run = runs(&Project::locate()?).open(args.run.as_deref())?;
    let (evidence, verdict) = (run.evidence()?, run.verdict()?);
    let console = session.reporter.console();
    let text = match args.format {
        ReportFormat::Text => {
            let run_dir = Some(run.path().to_string());
            report::terminal(&evidence, &verdict, &Options { width: console.width(), color: Console::color(), run_dir })
        }
        ReportFormat::Markdown => report::markdown(&evidence, &verdict),
        ReportFormat::Counts => counts(&evidence),
        ReportFormat::Json => serde_json::to_string_pretty(&verdict).unwrap_or_default() + "\n",
    };
    console.data(&text);
    Ok(ExitStatus::Passed)
}

/// `12 passed, 0 failed, 1 skipped`, the line that other tools look for.
fn counts(evidence: &Evidence) -> String {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for test in evidence.tiers.iter().flat_map(|tier| &tier.results) {
        match test.outcome() {
            TestOutcome::Passed | TestOutcome::Flaky => passed += 1,
            TestOutcome::Failed => failed += 1,
            TestOutcome::Ignored => skipped += 1,
        }
    }
    format!("{passed} passed, {failed} failed, {skipped} skipped\n")
}
