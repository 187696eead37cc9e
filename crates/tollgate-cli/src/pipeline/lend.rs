//! A checkout lends its tests: it builds a tier by its own configuration, and says what there is, so that a run elsewhere can
//! execute them.

use super::{
    Survey, build,
    run::{Purpose, Record, Run, Stop},
    tiers,
};
use crate::{error::CliError, project::Project, session::Session};
use serde::{Deserialize, Serialize};
use tollgate_model::{Ending, ExitStatus, LogLevel, Plan, TestId, TierPlan};
use tollgate_tools::nextest::Built;

/// The tests of a tier that needs no service.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Lent {
    /// The build that they are in; it stays.
    pub(super) built: Built,
    /// The tests that are not ignored.
    pub(super) tests: Vec<TestId>,
}

/// Builds what the plan's only tier needs and lists its tests; the status of a run that could not be finished.
///
/// # Errors
/// When the run can't begin, or the configuration does not fit the tests.
pub(crate) fn lend(
    project: &Project,
    survey: &Survey,
    plan: &Plan,
    tier: &TierPlan,
    session: &Session,
) -> Result<Result<Lent, ExitStatus>, CliError> {
    let run = Run::open(project, survey, plan, session, Purpose::Stress)?;
    let mut record = Record::begin(&run);
    let (lent, walked) = match walk(&run, &mut record, tier) {
        Ok(lent) => (Some(lent), Ok(())),
        Err(stop) => (None, Err(stop)),
    };
    record.end(&run, walked)?;
    Ok(match (lent, session.interrupt.signal(), record.failure()) {
        (Some(lent), None, None) => Ok(lent),
        (_, None, Some((status, detail))) => {
            session.reporter.say(LogLevel::Warning, detail);
            Err(status)
        }
        _ => Err(ExitStatus::Interrupted),
    })
}

fn walk(run: &Run<'_>, record: &mut Record, tier: &TierPlan) -> Result<Lent, Stop> {
    let mut builds = build::provision_and_build(run, record)?;
    let tests = tiers::select(run, &builds)?.remove(&tier.name).unwrap_or_default().tests;
    let no_build = || Ending::BuildFailed { detail: format!("tier {} has no build", tier.name) };
    let build = builds.remove(&tier.build).ok_or_else(|| Stop::Ending(no_build()))?;
    Ok(Lent { built: build.built, tests })
}
