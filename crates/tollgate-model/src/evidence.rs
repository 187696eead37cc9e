//! Evidence: what a run observed. No opinions.

use crate::{
    CoverageBase, CoverageEvidence, Ending, FlakeConfirmation, FlakeHistory, Growth, Partition, RunId, SelfTests,
    ServiceName, StageName, StressEvidence, TierEvidence, TierName, TimeComparison,
};
use camino::Utf8PathBuf;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A duration in whole milliseconds.
pub type Milliseconds = u64;

/// An engine that can bring up the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// Containers, by a compose command.
    Compose,
    /// Supervised processes of this machine.
    Native,
}

impl EngineKind {
    /// The engine as it is written on the command line: `compose`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::Native => "native",
        }
    }
}

/// Which run, of what, where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunInfo {
    /// Name of the run.
    pub id: RunId,
    /// When it started.
    pub started_at: Timestamp,
    /// The stage that was run.
    pub stage: StageName,
    /// Commit that was checked out, where this is a git checkout.
    pub commit: Option<String>,
    /// Whether the checkout differs from that commit.
    pub dirty: bool,
    /// The compiler, its host, and its targets where they are others: `rustc 1.95.0 (59807616e 2026-04-14) on x86_64-unknown-linux-gnu`.
    pub toolchain: String,
    /// The part of the tests that this run was asked for.
    pub partition: Option<Partition>,
    /// The runs of the shards that it was united from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<RunId>,
    /// Wall time of the whole run up to the verdict.
    pub wall_ms: Milliseconds,
}

/// One build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildEvidence {
    /// What was built: `instrumented`, `optimised`, `instrumented, unpacked`.
    pub name: String,
    /// Wall time.
    pub wall_ms: Milliseconds,
}

/// How a service was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum ServiceState {
    /// It answered its readiness probe and was alive when it was stopped.
    Ready,
    /// It ran to its end with success, as a one-shot service should.
    Completed,
    /// It never became ready.
    NeverReady {
        /// The last answer of its probe.
        last_seen: String,
    },
    /// It ended on its own while it was needed.
    Died {
        /// `exit code 1`, `signal SIGKILL`.
        how: String,
    },
    /// It was not started, since a service it depends on failed.
    NotStarted,
}

impl ServiceState {
    /// Whether it was up at some time.
    pub fn was_up(&self) -> bool {
        !matches!(self, Self::NotStarted | Self::NeverReady { .. })
    }
}

/// What became of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceEvidence {
    /// The service.
    pub name: ServiceName,
    /// What ran: an image, or a program.
    pub program: String,
    /// Version the program gives of itself, where it does.
    pub version: Option<String>,
    /// How it was last seen.
    pub state: ServiceState,
    /// From start to ready.
    pub ready_ms: Option<Milliseconds>,
    /// Its log in the run directory.
    pub log: Option<Utf8PathBuf>,
    /// The last lines of the log before the service was stopped, or when it had ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<String>,
}

/// Something that should be gone and is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Leftover {
    /// `process`, `container`, `network`, `volume`, `directory`.
    pub kind: String,
    /// Which one, and how it came about where that is known.
    pub what: String,
}

/// The end of the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TeardownEvidence {
    /// Wall time.
    pub wall_ms: Milliseconds,
    /// What did not go by itself and had to be killed or removed by force, or is still there.
    pub leftovers: Vec<Leftover>,
    /// Whether it was asked to stay (`--keep-env`).
    pub kept: bool,
}

/// The environment of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EnvironmentEvidence {
    /// The engine that ran it.
    pub engine: EngineKind,
    /// Why that engine: asked for, or what `auto` found.
    pub engine_reason: String,
    /// Its services.
    pub services: Vec<ServiceEvidence>,
    /// From the first start to the last service ready.
    pub ready_ms: Milliseconds,
    /// Its end; absent only where it never came that far.
    pub teardown: Option<TeardownEvidence>,
}

/// What a load test measured. One entry per load scenario.
///
/// The file a performance test writes to `$TOLLGATE_LOAD_DIR/<name>.json` has this form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadEvidence {
    /// Name of the load scenario.
    pub name: String,
    /// Concurrent users.
    pub users: u32,
    /// Requests that were due.
    pub requests: u64,
    /// Requests that failed or were never answered.
    pub errors: u64,
    /// Latencies from the intended start of a request to its answer, in microseconds, ascending, answered ones only.
    pub latencies_us: Vec<u64>,
    /// Sessions that were started.
    pub sessions: u64,
    /// Sessions that reached their end.
    pub sessions_completed: u64,
    /// Requests that the generator itself sent more than 10 ms late.
    pub sent_late: u64,
    /// Wall time of the measurement.
    pub wall_ms: Milliseconds,
    /// Each request by itself, where the load test tells; what they say beyond the numbers above decides nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<LoadSample>,
    /// How many times more the load was run, since its gates were unproven; what it measured then is in the numbers above.
    #[serde(default, skip_serializing_if = "is_none")]
    pub extended: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_none(number: &u32) -> bool {
    *number == 0
}

/// One request of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadSample {
    /// When it was due, from the start of the load.
    pub due_ms: Milliseconds,
    /// From then to its answer, in microseconds; absent where it failed or was never answered.
    pub latency_us: Option<u64>,
    /// What was asked for: `POST /checkout`; empty where all requests are alike.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
}

impl LoadEvidence {
    /// Takes in what the same load measured when it was run once more.
    pub fn extend(&mut self, again: Self) {
        let sums = [
            (&mut self.requests, again.requests),
            (&mut self.errors, again.errors),
            (&mut self.sessions, again.sessions),
            (&mut self.sessions_completed, again.sessions_completed),
            (&mut self.sent_late, again.sent_late),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        self.latencies_us.extend(again.latencies_us);
        self.latencies_us.sort_unstable();
        let before = self.wall_ms;
        let later = |sample: LoadSample| LoadSample { due_ms: sample.due_ms.saturating_add(before), ..sample };
        self.samples.extend(again.samples.into_iter().map(later));
        self.wall_ms = before.saturating_add(again.wall_ms);
        self.extended = self.extended.saturating_add(1);
    }
}

/// What a change adds, compared with the commit where it parted from its base.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChangeEvidence {
    /// The commit that it was compared with: the merge-base.
    pub commit: String,
    /// Added and altered lines by file from the root of the workspace, as ranges with both ends, ascending.
    pub added: BTreeMap<String, Vec<(u32, u32)>>,
    /// Lines after which others were only taken away, by file as it is now; 0 is the place before the first line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cuts: BTreeMap<String, Vec<u32>>,
    /// Of these files, those in which lines of functions were added that are no test code.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub code: BTreeSet<String>,
    /// Why the history could not be asked for a run of the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl ChangeEvidence {
    /// Whether the change added or altered this line.
    pub fn has(&self, file: &str, line: u32) -> bool {
        let ranges = self.added.get(file).map_or(&[][..], Vec::as_slice);
        ranges.iter().any(|&(first, last)| (first..=last).contains(&line))
    }
}

/// Everything a run observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Evidence {
    /// [`crate::SCHEMA`].
    pub schema: u32,
    /// Which run.
    pub run: RunInfo,
    /// How it ended.
    pub ending: Ending,
    /// Builds, in order.
    pub builds: Vec<BuildEvidence>,
    /// The environment, where one was needed.
    pub environment: Option<EnvironmentEvidence>,
    /// One entry per planned tier.
    pub tiers: Vec<TierEvidence>,
    /// What the change adds, where it was compared with a base.
    #[serde(default)]
    pub change: Option<ChangeEvidence>,
    /// Coverage of the recorded run that the change is compared with, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<CoverageBase>,
    /// Coverage, where an instrumented tier ran.
    pub coverage: Option<CoverageEvidence>,
    /// Load measurements, by the tier whose tests made them.
    #[serde(default)]
    pub load: BTreeMap<TierName, Vec<LoadEvidence>>,
    /// What recorded runs say about flakes, where this is a run of the main branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flakes: Option<FlakeHistory>,
    /// What repeating the tests that the change adds or alters showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stress: Option<StressEvidence>,
    /// What executing its flaky tests again on the change and on its base showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<FlakeConfirmation>,
    /// What executing a tier's tests in turns with those of its base showed of their time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<TimeComparison>,
    /// Tests that took longer than in recorded runs, where there are enough of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// How the gates did in recent self-tests of this checkout, where there were some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_tests: Option<SelfTests>,
    /// What a reader should know and what changes no verdict: this run could not be remembered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

impl Evidence {
    /// That of a run which observed nothing.
    pub fn new(run: RunInfo, ending: Ending) -> Self {
        Self {
            schema: crate::SCHEMA,
            run,
            ending,
            builds: Vec::new(),
            environment: None,
            tiers: Vec::new(),
            change: None,
            base: None,
            coverage: None,
            load: BTreeMap::new(),
            flakes: None,
            stress: None,
            confirmation: None,
            comparison: None,
            growth: None,
            self_tests: None,
            remarks: Vec::new(),
        }
    }

    /// What the run took beside building and running tests, once and again: environment, listing, coverage.
    pub fn setup_ms(&self) -> Milliseconds {
        let running: Milliseconds = self.tiers.iter().map(|tier| tier.wall_ms).sum();
        let building: Milliseconds = self.builds.iter().map(|build| build.wall_ms).sum();
        let stressing = self.stress.as_ref().map_or(0, |stress| stress.wall_ms);
        let confirming = self.confirmation.as_ref().map_or(0, |confirmation| confirmation.wall_ms);
        let comparing = self.comparison.as_ref().map_or(0, |comparison| comparison.wall_ms);
        let others = [running, building, stressing, confirming, comparing]
            .iter()
            .fold(0, |sum: u64, ms| sum.saturating_add(*ms));
        self.run.wall_ms.saturating_sub(others)
    }

    /// All load measurements, tier by tier.
    pub fn loads(&self) -> impl Iterator<Item = &LoadEvidence> {
        self.load.values().flatten()
    }
}
