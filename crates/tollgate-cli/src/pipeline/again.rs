//! Running tests again that have been run: they are evidence of flakiness alone.
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
use tollgate_model::{BuildKind, LogLevel, Milliseconds, TestId, TestResult, TierPlan};
use tollgate_tools::{
    ToolError, coverage,
    nextest::{self, TierRun},
};

/// The variable that says where an instrumented program puts its counts.
const PROFILE: &str = "LLVM_PROFILE_FILE";

/// Time after which a test of the tier is stopped: beside burners it has so much less of the machine.
pub(super) fn timeout_ms(tier: &TierPlan, burners: Option<u32>) -> Milliseconds {
    burners.map_or(tier.timeout_ms, |burners| stretched(tier.timeout_ms, burners))
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
    limit: Option<Duration>,
) -> Result<Option<Vec<TestResult>>, Stop> {
    prepare(run, record, tier, build)?;
    let usual = tier_run(run, record.environment.as_ref(), tier)?;
    let binaries: BTreeSet<String> = tests.iter().map(|test| format!("binary_id(={})", test.binary)).collect();
    let binaries: Vec<String> = binaries.into_iter().collect();
    let again = TierRun {
        // Binaries without any of these tests are not even asked for their lists.
        filter: narrow(&usual.filter, Some(&binaries.join(" + "))),
        partition: None,
        tests: Some(tests.to_vec()),
        retries: 0,
        timeout_ms: timeout_ms(tier, burners),
        limit,
        env: usual.env.into_iter().filter(|(name, _)| name != PROFILE).collect(),
        directory: run.directory.file(&format!("again/{}", tier.name)),
        ..usual
    };
    let burning = burners.map(Burners::start);
    let output = nextest::run(&run.toolbox, &build.built, &again, &mut |_| ());
    drop(burning);
    if let Some(stop) = death(record.environment.as_ref(), tier) {
        return Err(stop);
    }
    let output = match output {
        Err(ToolError::Exec(ExecError::TimedOut { .. })) => return Ok(None),
        output => output?,
    };
    if let Err(error) = run.directory.mask_xml(&output.junit) {
        run.session.reporter.say(LogLevel::Warning, format!("{error}: it may show secrets"));
    }
    Ok(Some(output.results))
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
