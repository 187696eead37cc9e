//! Repeating tests in their environment, every second time beside burners.

use super::{
    Survey,
    again::{self, Limits},
    build,
    run::{Purpose, Record, Run, Stop},
    tiers::{self, Selection},
};
use crate::{error::CliError, project::Project, session::Session};
use std::time::{Duration, Instant};
use tollgate_model::{Evidence, ExitStatus, LogLevel, Plan, TestId, TestResult, count};
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
    /// Which tests exactly, where that is known; else all that the plan selects.
    pub(crate) tests: Option<Vec<TestId>>,
}

/// What a stress leaves beside its results.
pub(crate) struct Stressed {
    /// Of the run: no tier of it counts as one that ran.
    pub(crate) evidence: Evidence,
    /// What the run was to do.
    pub(crate) plan: Plan,
    /// The tests that were asked for and are not there any more.
    pub(crate) absent: Vec<TestId>,
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
    let mut absent = Vec::new();
    let walked = walk(&run, &mut record, stress, &mut absent, seen);
    record.end(&run, walked)?;
    let failure = match session.interrupt.signal() {
        Some(_) => Some(ExitStatus::Interrupted),
        None => record.failure().map(|(status, detail)| {
            session.reporter.say(LogLevel::Warning, detail);
            status
        }),
    };
    let (evidence, _) = record.judge(&run);
    Ok(Stressed { evidence, plan: plan.clone(), absent, failure })
}

fn walk(
    run: &Run<'_>,
    record: &mut Record,
    stress: &Stress,
    absent: &mut Vec<TestId>,
    seen: &mut dyn FnMut(&TestResult, bool),
) -> Result<(), Stop> {
    let builds = build::provision_and_build(run, record)?;
    let mut selection = tiers::select(run, &builds)?;
    let Stress { what, executions, burners, within, tests } = stress;
    if let Some(tests) = tests {
        absent.extend(keep_only(&mut selection, tests));
        for test in &*absent {
            say_absent(test, run.session);
        }
    }
    let what = format!(
        "{what}: {}, every second one beside {}",
        count(u64::from(*executions), "execution"),
        count(u64::from(*burners), "burner")
    );
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
            let beside = stressed.then_some(*burners);
            // A test that hangs is to be seen failing.
            let test_ms = again::timeout_ms(tier, beside);
            let round = left.map(|left| left + Duration::from_millis(test_ms));
            let results = again::execute(run, record, tier, build, tests, beside, Limits { test_ms, round })?;
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

/// Leaves only these tests in a selection, and gives those that it does not have.
fn keep_only(selection: &mut Selection, tests: &[TestId]) -> Vec<TestId> {
    for selected in selection.values_mut() {
        selected.tests.retain(|test| tests.contains(test));
    }
    let is_there = |test: &TestId| selection.values().any(|selected| selected.tests.contains(test));
    tests.iter().filter(|test| !is_there(test)).cloned().collect()
}

/// Says that a test is not executed since it is not there.
pub(crate) fn say_absent(test: &TestId, session: &Session) {
    let said = format!("{test} is left out: no tier that is stressed runs such a test any more");
    session.reporter.say(LogLevel::Warning, said);
}

#[cfg(test)]
mod unit {
    use super::*;
    use tollgate_model::TierName;

    #[test]
    fn tests_that_are_not_there_any_more_are_told_and_the_others_kept() {
        let id = TestId::new;
        let selected = |tests: &[TestId]| tiers::Selected { tests: tests.to_vec(), ignored: Vec::new() };
        let mut selection = Selection::from([
            (TierName::new("unit").unwrap(), selected(&[id("a", "x"), id("b", "x"), id("b", "y")])),
            (TierName::new("e2e").unwrap(), selected(&[id("c::e2e", "x")])),
        ]);
        let asked = [id("b", "x"), id("c::e2e", "x"), id("gone::e2e", "x")];
        assert_eq!(keep_only(&mut selection, &asked), [id("gone::e2e", "x")]);
        let left: Vec<TestId> = selection.into_values().flat_map(|selected| selected.tests).collect();
        assert_eq!(left, [id("c::e2e", "x"), id("b", "x")]);
    }
}
