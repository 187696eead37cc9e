//! Running the tests of one tier.

use super::list::select;
use super::live::{self, LiveEvent};
use super::{Built, command, exit, junit, profile, refused};
use crate::{ToolError, Toolbox, files};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use std::time::Duration;
use tollgate_exec::{Status, Stream, end_marked};
use tollgate_model::{Milliseconds, Partition, RunId, TestId, TestResult, TierName};

/// How long nextest has to stop its tests. It passes SIGINT on to each test's process group, gives them 1 s and kills
/// them; on a busy machine its own end takes a second or two more. What has not ended then is stuck, and the tests that it
/// leaves are the keeper's. A machine that cancels a job leaves little more time.
const GRACE: Duration = Duration::from_secs(4);

/// Variable of a tier's tests that names the tier's directory, which no other run has.
const MARK: &str = "TOLLGATE_TIER_DIR";

/// How many tests can be told to start first: as many as nextest has priorities above the usual one.
pub const MOST_FIRST: usize = 100;

/// What to run, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierRun {
    /// The tier.
    pub name: TierName,
    /// The run it is part of.
    pub run: RunId,
    /// Filterset of its tests.
    pub filter: String,
    /// The part of them that is run.
    pub partition: Option<Partition>,
    /// Where these are known by name: exactly those that are run, whatever else the filterset selects.
    pub tests: Option<Vec<TestId>>,
    /// Tests to start before all others, in this order; at most [`MOST_FIRST`] of them are.
    pub first: Vec<TestId>,
    /// How often a failed test is tried again.
    pub retries: u32,
    /// Time after which a test is stopped.
    pub timeout_ms: Milliseconds,
    /// Tests at once; absent means one per core.
    pub threads: Option<u32>,
    /// Time after which the tier as a whole is stopped, and has no results.
    pub limit: Option<Duration>,
    /// Variables for the tests; `LLVM_PROFILE_FILE` is to be among them for an instrumented build.
    pub env: Vec<(String, String)>,
    /// Where `nextest.toml` and `junit.xml` are written.
    pub directory: Utf8PathBuf,
}

/// What became of a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierOutput {
    /// One entry per test that was run.
    pub results: Vec<TestResult>,
    /// Wall time of running tests, without listing them.
    pub wall_ms: Milliseconds,
    /// The JUnit file they were read from.
    pub junit: Utf8PathBuf,
}

/// Runs the tests of a tier to their end, whatever it is, and reads the results.
///
/// # Errors
/// [`ToolError::BadFilter`] where nextest does not accept the filterset, others where it could not work or was stopped.
pub fn run(
    toolbox: &Toolbox,
    built: &Built,
    tier: &TierRun,
    on_event: &mut dyn FnMut(LiveEvent),
) -> Result<TierOutput, ToolError> {
    files::create_dir(&tier.directory)?;
    let junit = tier.directory.join("junit.xml");
    let config = tier.directory.join("nextest.toml");
    files::write(&config, &profile::config(tier, &junit, is_ordered(&toolbox.root)))?;
    let profile = profile::name(tier);

    let cmd = select(command(toolbox, "run"), built, &tier.filter, tier.partition)
        .arg("--tool-config-file")
        .arg(format!("tollgate:{config}"))
        .args(["--profile", profile.as_str(), "--no-tests", "pass", "--show-progress", "counter"])
        // Where the caller names no profile, instrumented tests would leave one in each package.
        .env("LLVM_PROFILE_FILE", "/dev/null")
        .envs(tier.env.iter().map(|(name, value)| (name, value)))
        .env(MARK, &tier.directory)
        .grace(GRACE);
    let cmd = match tier.limit {
        Some(limit) => cmd.timeout(limit),
        None => cmd,
    };
    let mut on_line = |stream, line: &str| {
        if stream == Stream::Stderr {
            on_event(live::parse(line));
        }
    };
    let output = cmd.stream(&toolbox.interrupt, &mut on_line);
    remove_store(toolbox, built, tier, &profile);
    if output.is_err() {
        // nextest that was killed, after its grace or by a second interrupt, leaves its tests running.
        end_marked(MARK, tier.directory.as_str());
    }
    let output = output?;
    match output.status {
        Status::Code(0 | exit::TESTS_FAILED | exit::NO_TESTS) => {
            let results = junit::parse(&files::read(&junit)?)?;
            Ok(TierOutput { results: results.results, wall_ms: results.wall_ms, junit })
        }
        _ => Err(refused(&cmd, &output, &tier.filter)),
    }
}

/// Whether the workspace gives its tests priorities of its own, which are not to be overruled.
fn is_ordered(root: &Utf8Path) -> bool {
    fs::read_to_string(root.join(".config/nextest.toml")).is_ok_and(|text| text.contains("priority"))
}

/// What a run that was cut short had reported when it ended, where nextest came to write it.
pub fn partial(tier: &TierRun) -> Option<TierOutput> {
    let junit = tier.directory.join("junit.xml");
    let results = junit::parse(&files::read(&junit).ok()?).ok()?;
    Some(TierOutput { results: results.results, wall_ms: results.wall_ms, junit })
}

/// nextest makes a directory for every profile, though nothing is written there.
fn remove_store(toolbox: &Toolbox, built: &Built, tier: &TierRun, profile: &str) {
    let remove = |store: &Utf8Path| {
        // Directories that are not empty belong to others and stay.
        let _ = fs::remove_dir(store.join(profile)).and_then(|()| fs::remove_dir(store));
    };
    remove(&profile::store(tier));
    // Where the workspace has a say of its own.
    remove(&built.target_directory.join("nextest"));
    remove(&toolbox.root.join("target/nextest"));
}

#[cfg(test)]
pub(super) mod unit {
    use super::*;

    pub(in super::super) fn tier() -> TierRun {
        TierRun {
            name: TierName::new("unit").expect("a name"),
            run: RunId::new("20261121-093055-1").expect("a name"),
            filter: "kind(lib)".into(),
            partition: None,
            tests: None,
            first: Vec::new(),
            retries: 2,
            timeout_ms: 1500,
            threads: None,
            limit: None,
            env: Vec::new(),
            directory: "/run/unit".into(),
        }
    }
}
