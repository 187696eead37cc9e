//! One run is one straight line: survey, plan, provision and build, run tiers, tear down, collect, compare times, confirm
//! flakes, judge, report.
//!
//! [`execute`] is that line. What a step observes goes into the [`Record`]; a step that can't go on ends the walk with
//! a [`Stop`], and everything after the walk happens all the same: the environment is torn down, what there is of
//! evidence is collected, judged and reported.

mod again;
mod base;
mod base_variables;
mod beside;
mod build;
mod collect;
mod compare;
mod confirm;
mod lend;
mod load;
mod new_tests;
mod on_base;
mod parsed;
mod report;
mod run;
mod shards;
mod stress;
mod survey;
mod tiers;

#[cfg(test)]
pub(crate) use base::UNSTABLE_BEFORE_MAX;
pub(crate) use beside::{Afresh, Beside, beside_services};
pub(crate) use lend::lend;
pub(crate) use shards::{ARCHIVE, execute_gate, execute_gate_without_plan, execute_shard, read_plan, spread};
pub(crate) use stress::{Stress, Stressed, say_absent, stress};
pub(crate) use survey::{Survey, all_tools, install, lacking, plan, request, survey};

use crate::{durations, error::CliError, memory::Memory, project::Project, session::Session, standing::Standing};
use build::Builds;
use run::{Purpose, Record, Run, Stop};
use tollgate_core::shard::Durations;
use tollgate_env::Environment;
use tollgate_model::{BuildKind, Evidence, ExitStatus, LogLevel, Plan, RunId, Verdict};

/// Does what the plan says, judges it and reports; a run that is to be remembered becomes part of the history.
///
/// # Errors
/// When the run can't begin, or a mistake shows only when the tests are listed: one that belongs to no tier.
pub(crate) fn execute(
    project: &Project,
    survey: &Survey,
    plan: &Plan,
    session: &Session,
    memory: Option<Memory>,
) -> Result<Verdict, CliError> {
    let mut run = Run::open(project, survey, plan, session, Purpose::Verdict)?;
    run.memory = memory;
    let (evidence, verdict, _) = finish(&run)?;
    remember_durations(&run, project, &evidence);
    Ok(verdict)
}

/// Does the same, and leaves the environment up. `stay` is told the run, where its environment is up, and the verdict; where
/// it answers no, nobody wants the environment any more. Otherwise the environment stays until a signal comes.
///
/// # Errors
/// As [`execute`].
pub(crate) fn execute_and_stay(
    project: &Project,
    survey: &Survey,
    plan: &Plan,
    session: &Session,
    memory: Option<Memory>,
    stay: &mut dyn FnMut(Option<&RunId>, &Verdict) -> bool,
) -> Result<(), CliError> {
    let mut run = Run::open(project, survey, plan, session, Purpose::KeptVerdict)?;
    run.memory = memory;
    let finished = finish(&run);
    if let Ok((evidence, verdict, environment)) = &finished {
        remember_durations(&run, project, evidence);
        run.notice.iter().for_each(|notice| notice.tested());
        // A signal after the last test ends the environment all the same, so nobody is told that it stays.
        let staying = environment.as_ref().filter(|_| session.interrupt.signal().is_none());
        if stay(staying.map(|_| &run.id), verdict) {
            session.wait_for_end(true);
        }
    }
    let ended = finished.map(|(.., environment)| environment.map(|environment| run::tear_down(&run, environment)));
    run.notice.iter().for_each(|notice| notice.remove());
    ended.map(drop)
}

fn remember_durations(run: &Run<'_>, project: &Project, evidence: &Evidence) {
    let plan = run.plan;
    if plan.partition.is_none() && plan.only.is_none() && !plan.is_narrowed_by_reach() {
        durations::remember(&project.root, Durations::of(evidence), run.session);
    }
}

/// Walks the line of a run that is open to its end; the environment comes with it where it is to stay.
fn finish(run: &Run<'_>) -> Result<(Evidence, Verdict, Option<Environment>), CliError> {
    let mut record = Record::begin(run);
    let mut builds = Builds::new();
    let walked = walk(run, &mut record, &mut builds);
    record.end(run, walked)?;
    // Before anything is built again: coverage reads the programs that were run.
    collect::coverage(run, &mut record, builds.get(&BuildKind::Instrumented));
    compare::times(run, &mut record, &builds);
    confirm::flakes(run, &mut record);
    if let (Some(notice), Some(_)) = (&run.notice, &record.environment) {
        notice.ready(tiers::all_exports(run, &record)?)?;
    }
    let kept = record.environment.take();
    let (mut evidence, verdict) = record.judge(run);
    if let Some(memory) = &run.memory {
        let trouble = memory.remember(&evidence, &verdict, run.plan, run.session);
        evidence.remarks.extend(trouble);
    }
    report::write(run, &evidence, &verdict)?;
    Ok((evidence, verdict, kept))
}

/// The part of the line that can be cut short.
fn walk(run: &Run<'_>, record: &mut Record, builds: &mut Builds) -> Result<(), Stop> {
    *builds = build::provision_and_build(run, record)?;
    let selection = match &run.chosen {
        Some(chosen) => tiers::selected(chosen),
        None => tiers::select(run, builds)?,
    };
    tiers::run_all(run, record, builds, &selection)?;
    new_tests::stress(run, record, builds)?;
    // What made way for another build, or for what must not count, comes back.
    if run.keeps { tiers::prepare_all(run, record, builds) } else { Ok(()) }
}

/// Brings the whole environment up, tells `up` what it is, and waits for a signal; where it does not stay come what may,
/// also for the death of a service. Where `up` answers no, nobody wants the environment any more.
///
/// # Errors
/// When there is no environment, or it can't be begun.
pub(crate) fn serve(
    project: &Project,
    survey: &Survey,
    plan: &Plan,
    session: &Session,
    stays: bool,
    up: &mut dyn FnMut(&Standing) -> bool,
) -> Result<ExitStatus, CliError> {
    let run = Run::open(project, survey, plan, session, Purpose::Environment)?;
    let Some(notice) = &run.notice else {
        let hint = "name a compose file in `[environment]` of ci/tollgate.toml; docs/guide.md shows how".to_owned();
        return Err(CliError::usage("there is no environment to bring up", [hint]));
    };
    let (mut record, mut came_up) = (Record::begin(&run), false);
    let served = build::provision_and_build(&run, &mut record).and_then(|built| {
        tiers::prepare_all(&run, &mut record, &built)?;
        notice.ready(tiers::all_exports(&run, &record)?).map_err(CliError::from)?;
        came_up = up(&Standing::read(&run.directory).map_err(CliError::from)?);
        if came_up {
            session.wait_for_end(stays);
        }
        Ok(())
    });
    let ended = record.end(&run, served);
    notice.remove();
    ended?;
    match record.failure() {
        None if came_up => Ok(ExitStatus::Passed),
        None => Ok(ExitStatus::Interrupted),
        Some((status, detail)) => {
            session.reporter.say(LogLevel::Warning, detail);
            Ok(status)
        }
    }
}
