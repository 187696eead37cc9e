//! `mutants`: tests the tests.

use crate::{
    args::{MutantsArgs, RunFormat},
    error::CliError,
    mutants::{self, Request},
    project::Project,
    session::Session,
};
use tollgate_core::mutation::{MutationReport, Scope, annotation, render};
use tollgate_github::{Annotation, warning};
use tollgate_model::{ExitStatus, LogLevel, Outcome};

/// Most annotations of a step that GitHub shows.
const ANNOTATIONS_MAX: usize = 10;

/// Tries mutants, judges what the tests noticed, and reports it.
pub(crate) fn run(args: &MutantsArgs, session: &Session) -> Result<ExitStatus, CliError> {
    if args.accept && args.shard.is_some() {
        return Err(CliError::usage(
            "a part of the survivors can't be stored",
            ["`cargo xtask gate --mutants DIR --accept` stores those of all parts".to_owned()],
        ));
    }
    let project = Project::load()?;
    let base = std::env::var("GITHUB_BASE_REF").ok();
    let request = Request {
        scope: scope(args, base.as_deref())?,
        shard: args.shard,
        packages: args.packages.clone(),
        budget: args.budget,
        iterate: args.iterate,
        accept: args.accept,
        engine: args.engine,
    };
    let report = mutants::run(&project, &request, session).inspect_err(|_| {
        if session.interrupt.signal().is_some() {
            session.reporter.say(LogLevel::Note, "what was found is kept; the same command goes on where this one was");
        }
    })?;
    Ok(conclude(&report, args.strict, args.format, session))
}

/// Shows a report and says what it ends with; `strict` lets warnings and unproven gates fail.
pub(super) fn conclude(report: &MutationReport, strict: bool, format: RunFormat, session: &Session) -> ExitStatus {
    show(report, format, session);
    match report.gates.iter().map(|gate| gate.outcome).max() {
        Some(Outcome::Invalid) => ExitStatus::Invalid,
        Some(Outcome::Failed) => ExitStatus::Failed,
        Some(Outcome::Warned | Outcome::Unproven) if strict => ExitStatus::Failed,
        _ => ExitStatus::Passed,
    }
}

/// What was asked for; in a pull request, its diff.
fn scope(args: &MutantsArgs, base: Option<&str>) -> Result<Scope, CliError> {
    let of_pull_request = base.filter(|base| !base.is_empty()).map(|base| format!("origin/{base}"));
    match (&args.diff, args.all, &args.only, of_pull_request) {
        (_, true, ..) => Ok(Scope::All),
        (_, _, Some(name), _) => Ok(Scope::Only { name: name.clone() }),
        (Some(base), ..) => Ok(Scope::Diff { base: base.clone() }),
        (.., Some(base)) => Ok(Scope::Diff { base }),
        _ => Err(CliError::usage(
            "which mutants?",
            [
                "`--diff main` takes the lines that differ from the branch main".to_owned(),
                "`--all` takes everything; `--package PACKAGE` narrows it down".to_owned(),
            ],
        )),
    }
}

fn show(report: &MutationReport, format: RunFormat, session: &Session) {
    let console = session.reporter.console();
    if format == RunFormat::Json {
        console.data(&format!("{}\n", serde_json::to_string(report).unwrap_or_default()));
        return;
    }
    console.data(&render(report));
    let Some(actions) = session.reporter.actions() else { return };
    for missed in report.missed().take(ANNOTATIONS_MAX) {
        let (title, message) = annotation(missed);
        let place = Annotation { file: Some(missed.mutant.file.clone()), line: Some(missed.line), title, message };
        console.command(&warning(&place));
    }
    let summary = format!("### Mutants\n\n```text\n{}```\n", render(report));
    if let Err(error) = actions.append_summary(&summary) {
        session.reporter.say(LogLevel::Warning, error.to_string());
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser as _;

    fn asked(words: &[&str], base: Option<&str>) -> Result<Scope, String> {
        let words = ["x", "mutants"].iter().chain(words);
        let Command::Mutants(args) = Cli::try_parse_from(words).expect("it is right").command else { unreachable!() };
        scope(&args, base).map_err(|error| error.to_string())
    }

    #[test]
    fn a_pull_request_is_looked_at_by_its_diff_unless_more_is_asked_for() {
        let diff = |base: &str| Ok(Scope::Diff { base: base.to_owned() });
        assert_eq!(asked(&[], Some("main")), diff("origin/main"));
        assert_eq!(asked(&["--diff", "v1"], Some("main")), diff("v1"));
        assert_eq!(asked(&["--all"], Some("main")), Ok(Scope::All));
        assert_eq!(asked(&["--only", "a.rs"], None), Ok(Scope::Only { name: "a.rs".to_owned() }));
        assert_eq!(asked(&[], Some("")), Err("which mutants?".to_owned()));
        assert!(Cli::try_parse_from(["x", "mutants", "--all", "--diff", "main"]).is_err());
        assert!(Cli::try_parse_from(["x", "mutants", "--accept", "--diff", "main"]).is_err());
        assert!(Cli::try_parse_from(["x", "mutants", "--all", "--accept", "--budget", "1m"]).is_err());
        assert!(Cli::try_parse_from(["x", "mutants", "--all", "--strict"]).is_ok());
        assert!(Cli::try_parse_from(["x", "gate", "--accept"]).is_err());
        assert!(Cli::try_parse_from(["x", "gate", "--accept", "--mutants", "parts"]).is_ok());
    }
}
