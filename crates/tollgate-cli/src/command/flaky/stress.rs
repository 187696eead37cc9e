//! `flaky stress TEST`: whether a test fails when it is run again and again, alone and on a busy machine.

use crate::{
    args::{RunFormat, Selection, StressArgs},
    burners,
    error::CliError,
    memory::open_history,
    pipeline::{self, Stress},
    project::Project,
    session::Session,
};
use tollgate_core::flake::StressReport;
use tollgate_model::{ExitStatus, TestId, TierName};
use tollgate_tools::ToolError;

/// How many of the newest runs are looked at for the tier of a test.
const RUNS_LOOKED_AT: u32 = 20;

/// Runs the test, shows the report, and exits with 1 where it failed.
pub(super) fn run(args: &StressArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let tier = tier(&project, args)?;
    let survey = pipeline::survey(&project, session)?;
    let selection = Selection { tiers: vec![tier], engine: args.engine, ..Selection::default() };
    let mut request = pipeline::request(&selection)?;
    request.only = Some(filterset(&args.test)?);
    request.gates = false;
    let plan = pipeline::plan(&project, &survey, &request)?;
    let burners = args.burners.unwrap_or_else(burners::usual);
    let stress = Stress { test: args.test.clone(), executions: args.executions, burners };
    let json = |report: &StressReport| serde_json::to_string_pretty(report).unwrap_or_default() + "\n";
    let stressed = pipeline::stress(&project, &survey, &plan, session, &stress);
    if args.format == RunFormat::Json && stressed.as_ref().is_err_and(|error| is_absent(error, &args.test)) {
        // For a program, that there is no such test is an answer.
        session.reporter.console().data(&json(&StressReport::new(&args.test, burners)));
    }
    let (mut report, failure) = stressed?;
    report.quarantined = project.config.quarantine.tests.iter().any(|entry| is_meant(&entry.test, &args.test));
    session.reporter.console().data(&match args.format {
        RunFormat::Text => report.render(),
        RunFormat::Json => json(&report),
    });
    Ok(failure.unwrap_or_else(|| status(&report)))
}

fn status(report: &StressReport) -> ExitStatus {
    if report.failed() > 0 { ExitStatus::Failed } else { ExitStatus::Passed }
}

/// Whether the workspace has no such test; nextest refuses a filterset with a binary that there is none of.
fn is_absent(error: &CliError, test: &str) -> bool {
    match error {
        CliError::NothingSelected { .. } => true,
        CliError::Tool(ToolError::BadFilter { message, .. }) => test.contains(' ') && message.contains("binary IDs"),
        _ => false,
    }
}

/// The tier that was named; else the one the test was in when it last passed.
fn tier(project: &Project, args: &StressArgs) -> Result<String, CliError> {
    if let Some(tier) = &args.tier {
        return Ok(tier.clone());
    }
    let known = open_history(&project.root)?.index()?.typical(RUNS_LOOKED_AT)?;
    let found = known.iter().find(|test| is_meant(&test.id, &args.test)).map(|test| test.tier.to_string());
    found.ok_or_else(|| {
        let tiers: Vec<&str> = project.config.tiers.iter().map(|tier| TierName::as_str(&tier.name)).collect();
        let hint = format!("name its tier with `--tier`: {}", tiers.join(", "));
        CliError::usage(format!("no remembered run has a test `{}`", args.test), [hint])
    })
}

/// Whether the words name the test, with or without its binary.
fn is_meant(test: &TestId, words: &str) -> bool {
    test.name == words || test.to_string() == words
}

/// nextest's words for exactly this test.
fn filterset(test: &str) -> Result<String, CliError> {
    let (binary, name) = test.split_once(' ').map_or((None, test), |(binary, name)| (Some(binary), name));
    if name.is_empty() || test.contains([')', ',']) {
        let hint = "a test is named by its whole path, or by binary and path as reports write them".to_owned();
        return Err(CliError::usage(format!("`{test}` is not the name of a test"), [hint]));
    }
    Ok(match binary {
        Some(binary) => format!("binary_id(={binary}) & test(={name})"),
        None => format!("test(={name})"),
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_test_is_named_by_its_path_with_or_without_its_binary() {
        assert_eq!(filterset("a::waits").ok().as_deref(), Some("test(=a::waits)"));
        assert_eq!(filterset("shop::e2e waits").ok().as_deref(), Some("binary_id(=shop::e2e) & test(=waits)"));
        for bad in ["", "shop ", "all())", "a, b"] {
            assert!(filterset(bad).is_err(), "{bad}");
        }
    }
}
