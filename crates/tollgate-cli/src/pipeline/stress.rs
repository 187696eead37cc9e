//! Repeating tests in their environment, every second time beside burners.

use super::{
    Survey, again, build,
    run::{Purpose, Record, Run, Stop},
    tiers,
};
use crate::{error::CliError, project::Project, session::Session};
use std::time::{Duration, Instant};
use tollgate_model::{Evidence, ExitStatus, LogLevel, Plan, TestResult};
use tollgate_tools::nextest::TierOutput;

/// How often, and beside what.
pub(crate) struct Stress {
    /// What, in words.
    pub(crate) what: String,
    /// Executions in all.
    pub(crate) executions: u32,
    /// Threads that burn CPU.
    pub(crate) burners: u32,
    /// No further execution is begun after it.
    pub(crate) within: Option<Duration>,
}

/// What a stress leaves beside its results.
pub(crate) struct Stressed {
    /// Of the run: no tier of it counts as one that ran.
    pub(crate) evidence: Evidence,
    /// What the run was to do.
    pub(crate) plan: Plan,
    /// The status of a run that could not be finished; none where it was.
    pub(crate) failure: Option<ExitStatus>,
}

/// Builds, brings up what the tests that the plan selects need, repeats them, and tears down. Each result goes to `seen`, with
/// whether it was beside burners.
///
/// # Errors
/// When the run can't begin, or the plan selects no test.
pub(crate) fn stress(
    project: &Project,
    survey: &Survey,
    plan: &Plan,
    session: &Session,
    stress: &Stress,
    seen: &mut dyn FnMut(&TestResult, bool),
) -> Result<Stressed, CliError> {
    let run = Run::open(project, survey, plan, session, Purpose::Stress)?;
    let mut record = Record::begin(&run);
    let walked = walk(&run, &mut record, stress, seen);
    record.end(&run, walked)?;
    let failure = match session.interrupt.signal() {
        Some(_) => Some(ExitStatus::Interrupted),
        None => record.failure().map(|(status, detail)| {
            session.reporter.say(LogLevel::Warning, detail);
            status
        }),
    };
    let (evidence, _) = record.judge(&run);
    Ok(Stressed { evidence, plan: plan.clone(), failure })
}

fn walk(
    run: &Run<'_>,
    record: &mut Record,
    stress: &Stress,
    seen: &mut dyn FnMut(&TestResult, bool),
) -> Result<(), Stop> {
    let builds = build::provision_and_build(run, record)?;
    let selection = tiers::select(run, &builds)?;
    let Stress { what, executions, burners, within } = stress;
    let what = format!("{what}: {executions} executions, every second one beside {burners} burners");
    run.session.reporter.say(LogLevel::Note, what);
    let (console, began, mut failed) = (run.session.reporter.console(), Instant::now(), 0_usize);
    for at in 1..=stress.executions {
        console.live("Stressing", &format!("{at}/{executions} · {failed} failed"));
        // Plain and stressed ones take turns, so that both see the machine at its best and at its worst.
        let stressed = at % 2 == 0;
        for tier in run.plan.tiers_to_run() {
            let tests = selection.get(&tier.name).map_or(&[][..], |selected| &selected.tests);
            let Some(build) = builds.get(&tier.build).filter(|_| !tests.is_empty()) else { continue };
            let left = within.map(|within| within.saturating_sub(began.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                let said = format!("the time is up in execution {at} of {executions}");
                run.session.reporter.say(LogLevel::Note, said);
                return Ok(());
            }
            // A test that hangs is to be seen failing.
            let limit = left.map(|left| left + Duration::from_millis(tier.timeout_ms));
            let results = again::execute(run, record, tier, build, tests, stressed.then_some(*burners), limit)?;
            let Some(TierOutput { results, .. }) = results else {
                let said = format!("execution {at} of {executions} was stopped at the time limit and does not count");
                run.session.reporter.say(LogLevel::Warning, said);
                return Ok(());
            };
            for result in &results {
                failed += usize::from(result.first_failure().is_some());
                seen(result, stressed);
            }
        }
    }
    Ok(())
}
