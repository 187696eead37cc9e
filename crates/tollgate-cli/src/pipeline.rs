//! One run is one straight line: survey, plan, provision and build, run tiers, tear down, collect, judge, report.
//!
//! [`execute`] is that line. What a step observes goes into the [`Record`]; a step that can't go on ends the walk with
//! a [`Stop`], and everything after the walk happens all the same: the environment is torn down, what there is of
//! evidence is collected, judged and reported.

mod build;
mod collect;
mod report;
mod run;
mod shards;
mod survey;
mod tiers;

pub(crate) use shards::{execute_gate, execute_shard, read_plan, spread};
pub(crate) use survey::{Survey, install, lacking, plan, request, survey};

use crate::{durations, error::CliError, project::Project, session::Session};
use build::Builds;
use run::{Record, Run, Stop};
use tollgate_model::{BuildKind, Evidence, ExitStatus, LogLevel, Plan, Verdict};

/// Does what the plan says, judges it and reports.
///
/// # Errors
/// When the run can't begin, or a mistake shows only when the tests are listed: one that belongs to no tier.
pub(crate) fn execute(project: &Project, survey: &Survey, plan: &Plan, session: &Session) -> Result<Verdict, CliError> {
    let run = Run::open(project, survey, plan, session)?;
    let (evidence, verdict) = finish(&run)?;
    if plan.partition.is_none() && plan.only.is_none() {
        durations::remember(&project.root, &evidence, session);
    }
    Ok(verdict)
}

/// Walks the line of a run that is open to its end.
fn finish(run: &Run<'_>) -> Result<(Evidence, Verdict), CliError> {
    let mut record = Record::begin(run);
    let mut builds = Builds::new();
    let walked = walk(run, &mut record, &mut builds);
    record.end(run, walked)?;
    collect::coverage(run, &mut record, builds.get(&BuildKind::Instrumented));
    let (evidence, verdict) = record.judge(run);
    report::write(run, &evidence, &verdict)?;
    Ok((evidence, verdict))
}

/// The part of the line that can be cut short.
fn walk(run: &Run<'_>, record: &mut Record, builds: &mut Builds) -> Result<(), Stop> {
    *builds = build::provision_and_build(run, record)?;
    let selection = match &run.chosen {
        Some(chosen) => chosen.clone(),
        None => tiers::select(run, builds)?,
    };
    tiers::run_all(run, record, builds, &selection)
}

/// Brings the whole environment up, prints its variables and waits for a signal.
///
/// # Errors
/// When the environment can't be brought up.
pub(crate) fn serve(
    project: &Project,
    survey: &Survey,
    plan: &Plan,
    session: &Session,
) -> Result<ExitStatus, CliError> {
    let run = Run::open(project, survey, plan, session)?;
    let mut record = Record::begin(&run);
    let served = build::provision_and_build(&run, &mut record).and_then(|built| {
        tiers::prepare_all(&run, &mut record, &built)?;
        session.reporter.console().data(&tiers::exports_as_shell(&run, &record)?);
        session.wait_for_signal();
        Ok(())
    });
    record.end(&run, served)?;
    match record.failure() {
        None => Ok(ExitStatus::Passed),
        Some((status, detail)) => {
            session.reporter.say(LogLevel::Warning, detail);
            Ok(status)
        }
    }
}
