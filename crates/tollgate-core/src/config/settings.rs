//! The checked configuration.

use super::quarantine::Quarantine;
use crate::mutation::Suppression;
use camino::Utf8PathBuf;
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{
    BuildKind, CoveragePolicy, EngineChoice, Export, LoadLimits, Milliseconds, RegressionPolicy, ServiceName,
    StageName, StressPolicy, TierName,
};

/// A tool whose version is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its name: `cargo-nextest`.
    pub name: String,
    /// The version: `0.9.143`.
    pub version: String,
    /// A Python package that carries the tool's binary, for machines on which it can't be had otherwise.
    pub python_package: Option<String>,
}

/// A program that tests start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its name: `ps`.
    pub name: String,
    /// The Debian package it is in: `procps`.
    pub package: String,
}

/// A tier as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierConfig {
    /// Its name.
    pub name: TierName,
    /// nextest filterset.
    pub filter: String,
    /// Services that must be ready.
    pub services: Vec<ServiceName>,
    /// Longest wall time of running its tests.
    pub budget_ms: Option<Milliseconds>,
    /// Wall time that one of its tests should not take longer than.
    pub test_budget_ms: Option<Milliseconds>,
    /// The build it runs on.
    pub build: BuildKind,
    /// The cargo profile of that build; the same for all tiers of one build.
    pub cargo_profile: String,
    /// Packages that are built for it; empty means the whole workspace.
    pub packages: Vec<String>,
    /// How often a failed test is tried again.
    pub retries: u32,
    /// Time after which a test is stopped.
    pub timeout_ms: Milliseconds,
    /// Tests at once; absent means one per core.
    pub threads: Option<u32>,
    /// Whether its tests are judged by bands of the share that passed, and not each by itself.
    pub bands: bool,
}

/// A stage as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageConfig {
    /// Its name.
    pub name: StageName,
    /// The tiers it runs.
    pub tiers: Vec<TierName>,
    /// Whether it runs no tests of packages that a change can't reach.
    pub only_changed: bool,
}

/// The checked configuration of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The compose file, relative to the root of the workspace.
    pub compose: Option<Utf8PathBuf>,
    /// The engine to use where none is asked for.
    pub engine: EngineChoice,
    /// How long services may take to become ready.
    pub ready_timeout_ms: Milliseconds,
    /// Pinned tools.
    pub tools: Vec<Tool>,
    /// Programs that tests start, in the order of the file.
    pub programs: Vec<Program>,
    /// Variables handed to tests, in the order of the file.
    pub exports: Vec<Export>,
    /// Tiers, in the order of the file, which is the order they run in.
    pub tiers: Vec<TierConfig>,
    /// Stages, in the order of the file.
    pub stages: Vec<StageConfig>,
    /// The stage to run where none is asked for.
    pub default_stage: StageName,
    /// Longest wall time of running all tests.
    pub suite_budget_ms: Option<Milliseconds>,
    /// Whether a test that passed only when tried again makes the gate fail.
    pub fail_on_flake: bool,
    /// How tests that a change adds or alters are stressed; absent where that is switched off.
    pub new_tests: Option<StressPolicy>,
    /// How tests of a change that flaked are executed again; absent where that is switched off.
    pub change_flakes: Option<StressPolicy>,
    /// How the times of a tier's tests are compared with those on a base; absent where they are not.
    pub regression: Option<RegressionPolicy>,
    /// Load limits by tier.
    pub load: BTreeMap<TierName, LoadLimits>,
    /// Limits of coverage; absent where the gate is switched off.
    pub coverage: Option<CoveragePolicy>,
    /// How mutants are chosen and judged.
    pub mutation: MutationConfig,
    /// Tests whose failures are muted.
    pub quarantine: Quarantine,
}

/// How mutants are chosen and judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MutationConfig {
    /// Tiers whose tests are to notice a mutant.
    pub tiers: Vec<TierName>,
    /// Longest time that the mutants of a change are tried for.
    pub budget_ms: Milliseconds,
    /// Mutants that are not tried.
    pub suppressions: Vec<Suppression>,
    /// Most survivors of a change; absent means that they are advice.
    pub max_missed_in_diff: Option<u64>,
    /// Whether a survivor that the stored set does not have fails.
    pub ratchet: bool,
    /// Lowest share of noticed mutants below a path, in percent.
    pub floors: BTreeMap<String, u32>,
}

impl Config {
    /// The stage of that name.
    pub fn stage(&self, name: &str) -> Option<&StageConfig> {
        self.stages.iter().find(|stage| stage.name.as_str() == name)
    }

    /// The tier of that name.
    pub fn tier(&self, name: &str) -> Option<&TierConfig> {
        self.tiers.iter().find(|tier| tier.name.as_str() == name)
    }

    /// The tiers that are judged by bands.
    pub fn bands(&self) -> BTreeSet<TierName> {
        self.tiers.iter().filter(|tier| tier.bands).map(|tier| tier.name.clone()).collect()
    }

    /// The pinned tool of that name.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }
}
