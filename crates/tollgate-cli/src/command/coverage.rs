//! `coverage`: the tiers that count for it, then the table, and reports in the forms of other tools.

use crate::{
    args::CoverageArgs,
    console::Console,
    error::CliError,
    pipeline,
    project::{Project, runs},
    session::Session,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use tollgate_core::{
    coverage::{Table, table},
    plan::for_coverage,
    report::{self, Options},
};
use tollgate_model::{CoverageEvidence, Evidence, ExitStatus, LogLevel, Plan, Verdict};
use tollgate_store::RunDir;

/// Runs the instrumented tiers with no gate but those of coverage, or looks at a stored run.
pub(crate) fn run(args: &CoverageArgs, session: &Session) -> Result<ExitStatus, CliError> {
    match &args.run {
        Some(run) => stored(args, run, session),
        None => fresh(args, session),
    }
}

fn fresh(args: &CoverageArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let survey = pipeline::survey(&project, session)?.compared_with(args.selection.base.as_deref(), session)?;
    let plan = pipeline::plan(&project, &survey, &pipeline::request(&args.selection)?)?;
    let plan = for_coverage(measurable(plan)?);
    let mut survey = survey.with_baseline(&plan, session);
    // Only some tiers run here, so the tests are not counted.
    survey.base.iter_mut().for_each(|base| base.tests.clear());
    let verdict = pipeline::execute(&project, &survey, &plan, session, None)?;
    let run = project.runs.open(Some(verdict.run.as_str()))?;
    let evidence = run.evidence()?;
    if let Some(coverage) = &evidence.coverage {
        print(args, &table(&evidence.run.id, coverage), session);
    }
    if args.json {
        session.reporter.say(LogLevel::Note, report::answer(&verdict));
    } else {
        session.reporter.console().data(&summary(&evidence, &verdict, &run, &project.root, session));
    }
    if let Some(coverage) = &evidence.coverage {
        write(args, coverage, &run, session)?;
    }
    Ok(verdict.exit_status(args.strict))
}

/// A red verdict of a stored run is no failure of this command.
fn stored(args: &CoverageArgs, run: &str, session: &Session) -> Result<ExitStatus, CliError> {
    let run = runs(&Project::locate()?).open(Some(run))?;
    let evidence = run.evidence()?;
    let coverage = evidence.coverage.as_ref().ok_or_else(|| {
        let hint = "`cargo xtask coverage` measures it; `cargo xtask report` says how that run ended".to_owned();
        CliError::usage(format!("run {} has no coverage", evidence.run.id), [hint])
    })?;
    print(args, &table(&evidence.run.id, coverage), session);
    write(args, coverage, &run, session)?;
    Ok(ExitStatus::Passed)
}

/// A plan of which coverage can come.
fn measurable(plan: Plan) -> Result<Plan, CliError> {
    let counts = |tier: &&tollgate_model::TierPlan| tier.build == tollgate_model::BuildKind::Instrumented;
    if !plan.tiers_to_run().any(|tier| counts(&tier)) {
        let known: Vec<&str> = plan.tiers.iter().filter(counts).map(|tier| tier.name.as_str()).collect();
        let hint = format!("tiers that count: {}", known.join(", "));
        return Err(CliError::usage("no tier that was asked for counts for coverage", [hint]));
    }
    if plan.policy.coverage.is_none() {
        let hint = "remove `enabled = false` from `[gates.coverage]` in ci/tollgate.toml".to_owned();
        return Err(CliError::usage("coverage is switched off", [hint]));
    }
    Ok(plan)
}

fn print(args: &CoverageArgs, table: &Table, session: &Session) {
    let console = session.reporter.console();
    let text = if args.json {
        serde_json::to_string_pretty(table).unwrap_or_default() + "\n"
    } else {
        report::coverage_table(table, console.width()) + "\n"
    };
    console.data(&text);
}

fn summary(evidence: &Evidence, verdict: &Verdict, run: &RunDir, root: &Utf8Path, session: &Session) -> String {
    let shown = run.path().strip_prefix(root).unwrap_or(run.path()).to_string();
    let width = session.reporter.console().width();
    report::terminal(evidence, verdict, &Options { width, color: Console::color(), run_dir: Some(shown) })
}

/// Writes coverage as another tool reads it.
type Form = fn(&CoverageEvidence) -> String;

/// Writes the reports that were asked for, and says where they are.
fn write(args: &CoverageArgs, coverage: &CoverageEvidence, run: &RunDir, session: &Session) -> Result<(), CliError> {
    let say = |what: &str, path: &Utf8Path| session.reporter.say(LogLevel::Note, format!("{what}: {path}"));
    let forms: [(_, &str, &str, Form); 3] = [
        (&args.lcov, "LCOV", "lcov.info", report::lcov),
        (&args.cobertura, "Cobertura", "cobertura.xml", report::cobertura),
        (&args.sonar, "SonarQube", "sonar.xml", report::sonar),
    ];
    for (wanted, what, name, form) in forms {
        let Some(wanted) = wanted else { continue };
        let path = wanted.clone().unwrap_or_else(|| run.file("coverage").join(name));
        write_file(&path, &form(coverage)).map_err(|source| cannot_write(&path, source))?;
        say(what, &path);
    }
    if let Some(wanted) = &args.html {
        say("HTML", &html(run, wanted.as_deref())?.join("index.html"));
    }
    Ok(())
}

fn cannot_write(path: &Utf8Path, source: std::io::Error) -> CliError {
    CliError::Machine { what: format!("can't write {path}"), source }
}

fn write_file(path: &Utf8Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)
}

/// The pages that the run has left, or a copy of them.
fn html(run: &RunDir, wanted: Option<&Utf8Path>) -> Result<Utf8PathBuf, CliError> {
    let pages = run.file("coverage/html");
    if !pages.is_dir() {
        let hint = "shards have no pages in common; `cargo xtask coverage --html` makes some".to_owned();
        return Err(CliError::usage(format!("{} has no pages", run.path()), [hint]));
    }
    let Some(wanted) = wanted else { return Ok(pages) };
    copy_tree(&pages, wanted).map_err(|source| cannot_write(wanted, source))?;
    Ok(wanted.to_owned())
}

fn copy_tree(from: &Utf8Path, to: &Utf8Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
