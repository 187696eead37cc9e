//! Repeating one test in its environment, every second time beside burners.

use super::{
    Survey, again, build,
    run::{Purpose, Record, Run, Stop},
    tiers,
};
use crate::{error::CliError, project::Project, session::Session};
use tollgate_core::flake::StressReport;
use tollgate_model::{ExitStatus, LogLevel, Plan};

/// How often, and beside what.
pub(crate) struct Stress {
    /// The test, as the report names it.
    pub(crate) test: String,
    /// Executions in all.
    pub(crate) executions: u32,
    /// Threads that burn CPU.
    pub(crate) burners: u32,
}

/// Builds, brings up what the tests that the plan selects need, repeats them, and tears down. The status is that of a run
/// that could not be finished; none where it was.
///
/// # Errors
/// When the run can't begin, or the plan selects no test.
pub(crate) fn stress(
    project: &Project,
    survey: &Survey,
    plan: &Plan,
    session: &Session,
    stress: &Stress,
) -> Result<(StressReport, Option<ExitStatus>), CliError> {
    let run = Run::open(project, survey, plan, session, Purpose::Stress)?;
    let mut record = Record::begin(&run);
    let mut report = StressReport::new(&stress.test, stress.burners);
    let walked = walk(&run, &mut record, stress, &mut report);
    record.end(&run, walked)?;
    if session.interrupt.signal().is_some() {
        return Ok((report, Some(ExitStatus::Interrupted)));
    }
    let failure = record.failure().map(|(status, detail)| {
        session.reporter.say(LogLevel::Warning, detail);
        status
    });
    Ok((report, failure))
}

fn walk(run: &Run<'_>, record: &mut Record, stress: &Stress, report: &mut StressReport) -> Result<(), Stop> {
    let builds = build::provision_and_build(run, record)?;
    let selection = tiers::select(run, &builds)?;
    let Stress { test, executions, burners } = stress;
    let what = format!("{test}: {executions} executions, every second one beside {burners} burners");
    run.session.reporter.say(LogLevel::Note, what);
    let console = run.session.reporter.console();
    for at in 1..=stress.executions {
        console.live("Stressing", &format!("{at}/{} · {} failed", stress.executions, report.failed()));
        // Plain and stressed ones take turns, so that both see the machine at its best and at its worst.
        let stressed = at % 2 == 0;
        for tier in run.plan.tiers_to_run() {
            let tests = selection.get(&tier.name).map_or(&[][..], |selected| &selected.tests);
            let Some(build) = builds.get(&tier.build).filter(|_| !tests.is_empty()) else { continue };
            let results = again::execute(run, record, tier, build, tests, stressed.then_some(*burners), None)?;
            results.iter().flatten().for_each(|result| report.add(result, stressed));
        }
    }
    Ok(())
}
