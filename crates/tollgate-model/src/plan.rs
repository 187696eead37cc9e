//! The plan: everything that a run will do, decided before it starts.

use crate::{Milliseconds, RegressionPolicy, ServiceName, StageName, TestId, TierName};
use camino::Utf8PathBuf;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Which engine was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineChoice {
    /// Compose where a container engine answers, else native.
    Auto,
    /// Containers.
    Compose,
    /// Processes of this machine.
    Native,
}

/// A part of the tests of every tier: part `index` of `count`, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Partition {
    /// Which part, from 1.
    pub index: u32,
    /// Of how many.
    pub count: u32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl std::str::FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (index, count) = text.split_once('/').ok_or("a partition is written K/N, for example 1/4")?;
        let number = |t: &str| t.parse::<u32>().map_err(|_| format!("`{t}` is not a whole number; a partition is K/N"));
        let (index, count) = (number(index)?, number(count)?);
        if index == 0 || index > count {
            return Err(format!("partition {index}/{count}: K goes from 1 to N"));
        }
        Ok(Self { index, count })
    }
}

/// How a build is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildKind {
    /// The test profile with coverage counters in every workspace member.
    Instrumented,
    /// An optimised profile without counters.
    Optimised,
}

impl BuildKind {
    /// Its name in plans and reports: `instrumented`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instrumented => "instrumented",
            Self::Optimised => "optimised",
        }
    }

    /// Its name where it was made elsewhere, and unpacked.
    pub fn unpacked(self) -> String {
        format!("{}, unpacked", self.as_str())
    }
}

/// One build: all tests of its tiers and all workspace binaries that they or their services need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildPlan {
    /// How it is made.
    pub kind: BuildKind,
    /// The cargo profile: `dev`, `performance`.
    pub cargo_profile: String,
    /// Packages whose tests and binaries are built; empty means the whole workspace.
    #[serde(default)]
    pub packages: Vec<String>,
}

/// A variable handed to tests; `${service.host}` and `${service.port:5432}` in it stand for real addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Export {
    /// The variable.
    pub name: String,
    /// Its value with placeholders.
    pub template: String,
}

/// One tier of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TierPlan {
    /// The tier.
    pub name: TierName,
    /// nextest filterset.
    pub filter: String,
    /// Services that must be ready; those they depend on come with them.
    pub services: Vec<ServiceName>,
    /// Longest wall time of running its tests.
    pub budget_ms: Option<Milliseconds>,
    /// Time that a test of it should not take longer than.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_budget_ms: Option<Milliseconds>,
    /// The build it runs on.
    pub build: BuildKind,
    /// How often a failed test is tried again.
    pub retries: u32,
    /// Time after which a test is stopped.
    pub timeout_ms: Milliseconds,
    /// Tests at once; absent means one per core.
    pub threads: Option<u32>,
    /// Whether it is run by this plan; every tier is listed, so that each test can be found in exactly one.
    pub run: bool,
}

/// A member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Member {
    /// Package name.
    pub name: String,
    /// Its directory relative to the workspace root, with `/`; empty for the root package.
    pub directory: String,
    /// Names of its binary targets.
    pub binaries: Vec<String>,
}

/// Something that does not count for coverage, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exclusion {
    /// A package name, or a glob over paths relative to the workspace root.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// Limits of coverage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CoveragePolicy {
    /// Lowest share of covered lines, in percent.
    pub floor_percent: u32,
    /// Lowest share of covered lines of single members, in percent, by name.
    #[serde(default)]
    pub floors: BTreeMap<String, u32>,
    /// Lowest share of covered lines among those that a change adds, in percent.
    pub patch_percent: u32,
    /// Packages that are not measured.
    pub excluded_packages: Vec<Exclusion>,
    /// Paths that are not measured.
    pub excluded_paths: Vec<Exclusion>,
}

/// Limits of the performance tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadLimits {
    /// A request that takes longer counts as slow; at most 5 % may be.
    pub p95_ms: Milliseconds,
    /// Largest share of failed requests, in percent.
    pub error_percent: u32,
    /// Smallest share of completed sessions, in percent.
    pub completion_percent: u32,
    /// Fewest requests that can be judged.
    pub min_requests: u64,
}

/// A test whose failures are known and make nothing red for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct QuarantinedTest {
    /// The test.
    pub test: TestId,
    /// Who mends it.
    pub owner: String,
    /// What is known of it.
    pub reason: String,
    /// Where it is followed up.
    pub issue: String,
    /// The day it was quarantined.
    pub since: Date,
    /// The last day it is.
    pub expires: Date,
}

impl QuarantinedTest {
    /// Whether it mutes on that day.
    pub fn mutes(&self, day: Date) -> bool {
        self.since <= day && !self.has_expired(day)
    }

    /// Whether its last day is over.
    pub fn has_expired(&self, day: Date) -> bool {
        day > self.expires
    }
}

/// How tests are run again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StressPolicy {
    /// Longest wall time of all of it.
    pub budget_ms: Milliseconds,
}

/// What the evidence is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// Coverage; absent where the stage runs no instrumented tier or has switched the gate off.
    pub coverage: Option<CoveragePolicy>,
    /// Longest wall time of running all tests.
    pub suite_budget_ms: Option<Milliseconds>,
    /// Load limits by tier; the tiers named here must produce load measurements.
    pub load: BTreeMap<TierName, LoadLimits>,
    /// Whether a test that passed only when tried again makes the gate fail.
    pub fail_on_flake: bool,
    /// How tests that the change adds or alters are stressed; absent where nothing is compared, or that is switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_tests: Option<StressPolicy>,
    /// How tests of a change that flaked are executed again, on it and on its base; absent where nothing is compared, or that
    /// is switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_flakes: Option<StressPolicy>,
    /// How the times of a tier's tests are compared with those on the base; absent where nothing is compared, or nothing of it is
    /// asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regression: Option<RegressionPolicy>,
    /// Tests whose failures and flakes make nothing red, as long as their entry has not expired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantine: Vec<QuarantinedTest>,
    /// Tiers whose tests are judged by bands of the share that passed, and not each by itself.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub bands: BTreeSet<TierName>,
}

impl Policy {
    /// The policy that asks for nothing; whether tests passed and nothing was left behind is judged by any.
    pub fn without_gates() -> Self {
        Self {
            coverage: None,
            suite_budget_ms: None,
            load: BTreeMap::new(),
            fail_on_flake: false,
            new_tests: None,
            change_flakes: None,
            regression: None,
            quarantine: Vec::new(),
            bands: BTreeSet::new(),
        }
    }
}

/// What a change can reach, where the stage tests no more than that.
///
/// Nothing in it says that the tests left out would pass: a run with some of them left out is part of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reach {
    /// Why every package is tested, where that needs no look at single packages; the other fields are empty then.
    pub everything: Option<String>,
    /// The packages that are tested, each with why the change reaches it.
    pub packages: BTreeMap<String, String>,
    /// The packages that are not, each with why the change can't reach it.
    pub left_out: BTreeMap<String, String>,
    /// Tiers of which every test runs, whatever its package, each with the program of its environment that is reached.
    pub served: BTreeMap<TierName, String>,
}

impl Reach {
    /// Why a tier's test does not run; none where it does.
    pub fn leaves_out(&self, tier: &TierName, test: &TestId) -> Option<&str> {
        let why = self.left_out.get(test.package())?;
        (!self.served.contains_key(tier)).then_some(why)
    }

    /// Whether tests of the tier may be left out.
    pub fn narrows(&self, tier: &TierName) -> bool {
        !self.left_out.is_empty() && !self.served.contains_key(tier)
    }
}

/// Everything that a run will do. Printable, and executed without further choices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// [`crate::SCHEMA`].
    pub schema: u32,
    /// The stage.
    pub stage: StageName,
    /// Root of the workspace.
    pub workspace_root: Utf8PathBuf,
    /// cargo's target directory.
    pub target_directory: Utf8PathBuf,
    /// Members of the workspace, by name.
    pub members: Vec<Member>,
    /// The compose file, absolute; absent where no tier needs a service.
    pub compose_file: Option<Utf8PathBuf>,
    /// The engine that was asked for.
    pub engine: EngineChoice,
    /// How long services may take to become ready.
    pub ready_timeout_ms: Milliseconds,
    /// Variables handed to tests.
    pub exports: Vec<Export>,
    /// Builds, in order.
    pub builds: Vec<BuildPlan>,
    /// Tiers, in the order they run.
    pub tiers: Vec<TierPlan>,
    /// The tiers that the verdict speaks of; those of them that don't run were not asked for and stay unproven.
    pub judged_tiers: Vec<TierName>,
    /// The part of each tier's tests that is run.
    pub partition: Option<Partition>,
    /// The revision that the change is compared with, where it is.
    #[serde(default)]
    pub base: Option<String>,
    /// What a change can reach, where the stage tests no more than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<Reach>,
    /// A nextest filterset that narrows every tier (`tollgate test TIER FILTER`).
    pub only: Option<String>,
    /// What the evidence is judged by.
    pub policy: Policy,
}

impl Plan {
    /// The tiers that this plan runs.
    pub fn tiers_to_run(&self) -> impl Iterator<Item = &TierPlan> {
        self.tiers.iter().filter(|tier| tier.run)
    }

    /// Whether tests of tiers that run may be left out, since the change can't reach them.
    pub fn is_narrowed_by_reach(&self) -> bool {
        let reach = self.reach.iter();
        reach.flat_map(|reach| self.tiers_to_run().map(|tier| reach.narrows(&tier.name))).any(|narrows| narrows)
    }

    /// The tiers that the verdict speaks of and that this plan does not run.
    pub fn left_out(&self) -> impl Iterator<Item = &TierPlan> {
        self.tiers.iter().filter(|tier| !tier.run && self.judged_tiers.contains(&tier.name))
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_partition_is_one_based_and_within_its_count() {
        assert_eq!("2/4".parse(), Ok(Partition { index: 2, count: 4 }));
        for bad in ["", "2", "0/4", "5/4", "a/4", "1/0"] {
            assert!(bad.parse::<Partition>().is_err(), "{bad}");
        }
    }
}
