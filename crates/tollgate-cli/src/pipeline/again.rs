//! Running tests again that have been run: to see whether they are flaky, or to measure more.
//!
//! What services count meanwhile is taken away again. That fails in one case: in containers a program has the same process
//! id each time, so that a service which is started again adds to the file of the tiers, and what it reached stays counted.

use super::{
    build::Build,
    run::{Record, Run, Stop},
    tiers::{death, narrow, prepare, retire_services, tier_run},
};
use crate::burners::{Burners, stretched};
use camino::Utf8PathBuf;
use std::{collections::BTreeSet, fs, io, time::Duration};
use tollgate_exec::ExecError;
use tollgate_model::{BuildKind, LogLevel, Milliseconds, TestId, TierPlan};
use tollgate_tools::{
    ToolError, Toolbox, coverage,
    nextest::{self, Built, TierOutput, TierRun},
};

/// The variable that says where an instrumented program puts its counts.
const PROFILE: &str = "LLVM_PROFILE_FILE";

/// Time after which a test of the tier is stopped: beside burners it has so much less of the machine.
pub(super) fn timeout_ms(tier: &TierPlan, burners: Option<u32>) -> Milliseconds {
    burners.map_or(tier.timeout_ms, |burners| stretched(tier.timeout_ms, burners))
}

/// How long an execution may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Of one test.
    pub(super) test_ms: Milliseconds,
    /// Of all of them together, building excluded; `None` for what ends by its tests' limits alone.
    pub(super) round: Option<Duration>,
}

/// The limits of a round that has so much time left of its budget: a test that hangs is to be seen failing, so a round may
/// outlast its time by the limit of a test, which burners stretch no further than the budget.
pub(super) fn within(left: Duration, budget_ms: Milliseconds, tier: &TierPlan, burners: Option<u32>) -> Limits {
    limits(left, budget_ms, tier.timeout_ms, timeout_ms(tier, burners))
}

fn limits(left: Duration, budget_ms: Milliseconds, usual_ms: Milliseconds, stretched_ms: Milliseconds) -> Limits {
    let test_ms = stretched_ms.min(budget_ms.max(usual_ms));
    Limits { test_ms, round: Some(left + Duration::from_millis(test_ms.min(budget_ms))) }
}

/// Executes these tests of a tier once, without trying failed ones again, beside so many burners; none where that took
/// longer than the limit and was stopped.
pub(super) fn execute(
    run: &Run<'_>,
    record: &mut Record,
    tier: &TierPlan,
    build: &Build,
    tests: &[TestId],
    burners: Option<u32>,
    limits: Limits,
) -> Result<Option<TierOutput>, Stop> {
    prepare(run, record, tier, build)?;
    let usual = tier_run(run, record.environment.as_ref(), tier)?;
    let again = TierRun {
        env: usual.env.into_iter().filter(|(name, _)| name != PROFILE).collect(),
        directory: run.directory.file(&format!("again/{}", tier.name)),
        ..usual
    };
    let burning = burners.map(Burners::start);
    let output = once(&run.toolbox, &build.built, again, tests, limits);
    drop(burning);
    if let Some(stop) = death(record.environment.as_ref(), tier) {
        return Err(stop);
    }
    let Some(output) = output? else { return Ok(None) };
    if let Err(error) = run.directory.mask_xml(&output.junit) {
        run.session.reporter.say(LogLevel::Warning, format!("{error}: it may show secrets"));
    }
    Ok(Some(output))
}

/// Executes these tests of a build once, otherwise as usual; none where that took longer than the limit and was stopped.
pub(super) fn once(
    toolbox: &Toolbox,
    built: &Built,
    usual: TierRun,
    tests: &[TestId],
    limits: Limits,
) -> Result<Option<TierOutput>, ToolError> {
    let binaries: BTreeSet<String> = tests.iter().map(|test| format!("binary_id(={})", test.binary)).collect();
    let binaries: Vec<String> = binaries.into_iter().collect();
    let again = TierRun {
        // Binaries without any of these tests are not even asked for their lists.
        filter: narrow(&usual.filter, Some(&binaries.join(" + "))),
        partition: None,
        tests: Some(tests.to_vec()),
        retries: 0,
        timeout_ms: limits.test_ms,
        limit: limits.round,
        ..usual
    };
    match nextest::run(toolbox, built, &again, &mut |_| ()) {
        Err(ToolError::Exec(ExecError::TimedOut { .. })) => Ok(None),
        output => output.map(Some),
    }
}

/// Does the work, and takes away what services counted meanwhile.
pub(super) fn uncounted(
    run: &Run<'_>,
    record: &mut Record,
    work: impl FnOnce(&mut Record) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let before = coverage::raw_profiles(&run.profiles())?;
    let worked = work(record);
    for kind in [BuildKind::Instrumented, BuildKind::Optimised] {
        retire_services(run, record, kind);
    }
    let after = coverage::raw_profiles(&run.profiles())?;
    let is_new = |profile: &Utf8PathBuf| !before.filled.contains(profile) && !before.empty.contains(profile);
    for profile in after.filled.into_iter().chain(after.empty).filter(is_new) {
        match fs::remove_file(&profile) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let what = format!("{profile} counts for coverage and should not: {error}");
                run.session.reporter.say(LogLevel::Warning, what);
            }
            _ => {}
        }
    }
    worked
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_test_that_hangs_is_over_before_its_round_where_the_budget_has_room_for_it() {
        let left = Duration::from_millis(1);
        let limits = |budget, usual, stretched| {
            let Limits { test_ms, round } = limits(left, budget, usual, stretched);
            (test_ms, round.map(|round| round.saturating_sub(left).as_millis()))
        };
        assert_eq!(
            limits(60_000, 60_000, 180_000),
            (60_000, Some(60_000)),
            "burners stretch it no further than the budget"
        );
        assert_eq!(limits(600_000, 60_000, 180_000), (180_000, Some(180_000)));
        assert_eq!(limits(60_000, 60_000, 60_000), (60_000, Some(60_000)));
        assert_eq!(limits(10_000, 60_000, 180_000), (60_000, Some(10_000)), "the usual limit is left alone");
    }
}
