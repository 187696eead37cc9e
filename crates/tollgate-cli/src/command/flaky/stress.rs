//! `flaky stress`: whether tests fail when they are run again and again, alone and on a busy machine.

use super::suspects;
use crate::{
    args::{RunFormat, Selection, StressArgs},
    burners,
    error::CliError,
    memory::open_history,
    pipeline::{self, Stress, Stressed},
    project::Project,
    session::Session,
};
use tollgate_core::flake::StressReport;
use tollgate_model::{ExitStatus, TestId, TestResult, TierName};
use tollgate_tools::ToolError;

/// How many of the newest runs are looked at for the tier of a test.
const RUNS_LOOKED_AT: u32 = 20;

/// Runs the test, or all that are suspected, shows the report, and exits with 1 where one failed.
pub(super) fn run(args: &StressArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    match &args.test {
        Some(test) => one(args, test, &project, session),
        None => suspects::run(args, &project, session),
    }
}

fn one(args: &StressArgs, test: &str, project: &Project, session: &Session) -> Result<ExitStatus, CliError> {
    let tiers = tiers(project, args, test)?;
    let mut report = StressReport::new(test, burners(args));
    let only = filterset(test)?;
    let seen = &mut |result: &TestResult, stressed: bool| report.add(result, stressed);
    let stressed = walk(args, &Asked { what: test.to_owned(), only, tiers, tests: None }, project, session, seen);
    let json = |report: &StressReport| serde_json::to_string_pretty(report).unwrap_or_default() + "\n";
    if args.format == RunFormat::Json && stressed.as_ref().is_err_and(|error| is_absent(error, test)) {
        // For a program, that there is no such test is an answer.
        session.reporter.console().data(&json(&report));
    }
    let Stressed { failure, .. } = stressed?;
    report.quarantined = project.config.quarantine.tests.iter().any(|entry| is_meant(&entry.test, test));
    session.reporter.console().data(&match args.format {
        RunFormat::Text => report.render(),
        RunFormat::Json => json(&report),
    });
    Ok(failure.unwrap_or_else(|| status(report.is_begun(), report.failed() > 0)))
}

/// What is to be stressed.
pub(super) struct Asked {
    /// In words.
    pub(super) what: String,
    /// nextest's words for it; they may name more where `tests` names it exactly.
    pub(super) only: String,
    /// The tiers that it is in.
    pub(super) tiers: Vec<String>,
    /// The tests, where all of them are known.
    pub(super) tests: Option<Vec<TestId>>,
}

/// Stresses it in its environment.
pub(super) fn walk(
    args: &StressArgs,
    asked: &Asked,
    project: &Project,
    session: &Session,
    seen: &mut dyn FnMut(&TestResult, bool),
) -> Result<Stressed, CliError> {
    let survey = pipeline::survey(project, session)?;
    let Asked { what, only, tiers, tests } = asked;
    let selection = Selection { tiers: tiers.clone(), engine: args.engine, ..Selection::default() };
    let mut request = pipeline::request(&selection)?;
    request.only = Some(only.clone());
    request.gates = false;
    let mut plan = pipeline::plan(project, &survey, &request)?;
    if args.find {
        // What is only looked for needs no environment.
        plan.compose_file = None;
    }
    let stress = Stress {
        what: what.clone(),
        executions: if args.find { 0 } else { args.executions },
        burners: burners(args),
        within: args.within,
        tests: tests.clone(),
    };
    pipeline::stress(project, &survey, &plan, session, &stress, seen)
}

pub(super) fn burners(args: &StressArgs) -> u32 {
    args.burners.unwrap_or_else(burners::usual)
}

/// What a stress ends with; one that executed nothing shows nothing.
pub(super) fn status(begun: bool, failed: bool) -> ExitStatus {
    match (begun, failed) {
        (false, _) => ExitStatus::Invalid,
        (true, true) => ExitStatus::Failed,
        (true, false) => ExitStatus::Passed,
    }
}

/// Whether the workspace has no such test; nextest refuses a filterset with a binary that there is none of.
fn is_absent(error: &CliError, test: &str) -> bool {
    match error {
        CliError::NothingSelected { .. } => true,
        CliError::Tool(ToolError::BadFilter { message, .. }) => test.contains(' ') && message.contains("binary IDs"),
        _ => false,
    }
}

/// The tiers that were named; else the one the test was in when it last passed.
fn tiers(project: &Project, args: &StressArgs, test: &str) -> Result<Vec<String>, CliError> {
    if !args.tier.is_empty() {
        return Ok(args.tier.clone());
    }
    let known = open_history(&project.root)?.index()?.typical(RUNS_LOOKED_AT)?;
    let found = known.iter().find(|known| is_meant(&known.id, test)).map(|known| known.tier.to_string());
    found.map(|tier| vec![tier]).ok_or_else(|| {
        let tiers: Vec<&str> = project.config.tiers.iter().map(|tier| TierName::as_str(&tier.name)).collect();
        let hint = format!("name its tier with `--tier`: {}", tiers.join(", "));
        CliError::usage(format!("no remembered run has a test `{test}`"), [hint])
    })
}

/// Whether the words name the test, with or without its binary.
fn is_meant(test: &TestId, words: &str) -> bool {
    test.name == words || test.to_string() == words
}

/// nextest's words for exactly this test.
pub(super) fn filterset(test: &str) -> Result<String, CliError> {
    match test.split_once(' ') {
        Some((binary, name)) if !binary.contains([')', ',']) => Ok(format!("binary_id(={binary}) & {}", named(name)?)),
        _ => named(test),
    }
}

/// The same for a name without its binary; harnesses of their own may have spaces in it.
pub(super) fn named(name: &str) -> Result<String, CliError> {
    if name.is_empty() || name.contains([')', ',']) {
        let hint = "a test is named by its whole path, or by binary and path as reports write them".to_owned();
        return Err(CliError::usage(format!("`{name}` is not the name of a test"), [hint]));
    }
    Ok(format!("test(={name})"))
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

    #[test]
    fn a_name_may_have_spaces_where_it_stands_alone() {
        assert_eq!(named("parse file a.txt").ok().as_deref(), Some("test(=parse file a.txt)"));
        for bad in ["", "all())", "a, b"] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_stress_without_an_execution_does_not_pass() {
        let all = [(false, false), (true, false), (true, true)].map(|(begun, failed)| status(begun, failed));
        assert_eq!(all, [ExitStatus::Invalid, ExitStatus::Passed, ExitStatus::Failed]);
    }
}
