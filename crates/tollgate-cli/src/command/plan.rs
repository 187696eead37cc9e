//! `plan`: prints what `ci` would do, or spreads it over several machines.

use crate::{
    args::{PlanArgs, PlanFormat, Shards},
    error::CliError,
    pipeline,
    project::Project,
    session::Session,
};
use camino::Utf8Path;
use std::{fmt::Write as _, fs};
use tollgate_core::{
    plan::{describe, describe_reach},
    shard::{Count, rows},
};
use tollgate_model::{ExitStatus, LogLevel, Plan, SpreadPlan, TierName, count};

/// Without `--shards` prints the plan, and nothing is built or started.
pub(crate) fn run(args: &PlanArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let survey = pipeline::survey(&project, session)?.compared_with(args.selection.base.as_deref(), session)?;
    let plan = pipeline::plan(&project, &survey, &pipeline::request(&args.selection)?)?;
    let text = match args.shards {
        None => single(args.format, &plan)?,
        Some(shards) => {
            let count = match shards {
                Shards::Fixed(count) => Count::Fixed(count),
                Shards::Auto => Count::Within(args.target * 1000),
            };
            let out = args.out.clone().unwrap_or_else(|| plan.target_directory.join("tollgate/plan/plan.json"));
            let archive = (!args.no_archive).then(|| out.with_file_name(pipeline::ARCHIVE));
            let spread = pipeline::spread(&project, &survey, &plan, session, count, archive.as_deref())?;
            let level = if spread.shards.iter().all(|shard| shard.estimate_ms.is_none()) {
                LogLevel::Warning
            } else {
                LogLevel::Note
            };
            session.reporter.say(level, spread.history.clone());
            write(&spread, &out, session)?;
            spread_text(args.format, &spread)
        }
    };
    session.reporter.console().data(&text);
    Ok(ExitStatus::Passed)
}

fn single(format: PlanFormat, plan: &Plan) -> Result<String, CliError> {
    match format {
        PlanFormat::Text => Ok(describe(plan)),
        PlanFormat::Json => Ok(serde_json::to_string_pretty(plan).unwrap_or_default() + "\n"),
        PlanFormat::Matrix => Err(CliError::usage(
            "a matrix has shards",
            ["say how many with `--shards N` or `--shards auto`".to_owned()],
        )),
    }
}

fn spread_text(format: PlanFormat, plan: &SpreadPlan) -> String {
    match format {
        PlanFormat::Text => table(plan),
        PlanFormat::Json => serde_json::to_string_pretty(plan).unwrap_or_default() + "\n",
        PlanFormat::Matrix => rows(plan) + "\n",
    }
}

/// One line a shard.
fn table(plan: &SpreadPlan) -> String {
    let mut text = format!("{}\n{}\n", plan.digest, plan.history);
    for shard in &plan.shards {
        let tests: u64 = shard.tests.values().map(|tests| tests.len() as u64).sum();
        let tiers: Vec<&str> = shard.tests.keys().map(TierName::as_str).collect();
        let estimate = shard.estimate_ms.map_or_else(|| "unknown".to_owned(), |ms| format!("{} s", ms.div_ceil(1000)));
        // Writing to a string can't fail.
        let _ =
            writeln!(text, "shard {}: {} of {}, about {estimate}", shard.shard, count(tests, "test"), tiers.join(", "));
    }
    let _ = writeln!(text, "left out: {}", count(plan.skips.len() as u64, "test"));
    text + &describe_reach(&plan.plan)
}

/// Writes the plan, and in a step of GitHub Actions the outputs that later jobs read.
fn write(plan: &SpreadPlan, out: &Utf8Path, session: &Session) -> Result<(), CliError> {
    let fail = |source| CliError::Machine { what: format!("can't write {out}"), source };
    if let Some(directory) = out.parent() {
        fs::create_dir_all(directory).map_err(fail)?;
    }
    fs::write(out, serde_json::to_string(plan).unwrap_or_default() + "\n").map_err(fail)?;
    let Some(actions) = session.reporter.actions() else { return Ok(()) };
    let attempt = tollgate_github::attempt(|name| std::env::var(name).ok()).unwrap_or(1);
    // A job that runs again alone takes the plan of the attempt that made it. Where nothing is packed up there is no build to take.
    let archive = plan.archive.as_ref().map_or_else(String::new, |_| format!("tests-attempt-{attempt}"));
    let artifact = format!("plan-attempt-{attempt}");
    let outputs =
        [("matrix", rows(plan)), ("attempt", attempt.to_string()), ("artifact", artifact), ("archive", archive)];
    for (name, value) in outputs {
        actions
            .append_output(name, &value)
            .map_err(|source| CliError::Machine { what: format!("can't write the output `{name}`"), source })?;
    }
    Ok(())
}
