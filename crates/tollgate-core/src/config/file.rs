//! The form of `ci/tollgate.toml`: the one definition that the reader, the JSON Schema and the reference share.
//!
//! A field's doc comment is its explanation in all three. Every field can be absent for serde, so that whatever is right
//! in a faulty file can still be checked; `required` of the schema says which must be there.

use super::form::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The stage to run where neither the command line nor the file names one, of several.
pub(super) const DEFAULT_STAGE: &str = "production";

/// Configuration of tollgate for one workspace: `ci/tollgate.toml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[schemars(title = "ci/tollgate.toml")]
#[schemars(extend("required" = ["version", "tiers", "stages"]))]
pub(super) struct File {
    /// Version of the form of this file: 1.
    #[schemars(extend("const" = 1))]
    pub(super) version: Option<u32>,
    /// The stage to run where none is asked for with `--stage`. Where there is a single stage, it need not be named.
    #[schemars(extend("format" = "name", "default" = DEFAULT_STAGE))]
    pub(super) default_stage: Option<String>,
    /// The services that tests need, and how they are brought up.
    pub(super) environment: Environment,
    /// Versions of the tools that a run uses; `cargo xtask setup` installs exactly these.
    pub(super) tools: Tools,
    /// Programs that tests start, each with the Debian package it is in. A run that lacks one installs the package where it
    /// may, as `cargo xtask setup` does, and says what to install where it may not.
    #[schemars(extend("propertyNames" = { "format": "program", "title": "PROGRAM" }))]
    #[schemars(with = "BTreeMap<String, Package>")]
    pub(super) programs: BTreeMap<String, String>,
    /// Environment variables handed to tests. In a value, `${service.host}`, `${service.port:5432}` (the port inside the
    /// service) and `${run.id}` stand for what the run has chosen. A variable that refers to a service is set for the
    /// tiers that need that service.
    #[schemars(extend("propertyNames" = { "format": "variable", "title": "VARIABLE" }))]
    #[schemars(with = "BTreeMap<String, Template>")]
    pub(super) exports: BTreeMap<String, String>,
    /// Tiers: classes of tests with their own environment needs, budget and gates. They run in the order of the file, and
    /// every test of the workspace must be in exactly one of them.
    #[schemars(extend("propertyNames" = { "format": "name", "title": "tier" }, "minProperties" = 1))]
    pub(super) tiers: BTreeMap<String, Tier>,
    /// Stages: named choices of tiers.
    #[schemars(extend("propertyNames" = { "format": "name", "title": "stage" }, "minProperties" = 1))]
    pub(super) stages: BTreeMap<String, Stage>,
    /// What a run is judged by.
    pub(super) gates: Gates,
    /// How the tests themselves are tested, by `cargo xtask mutants`.
    pub(super) mutants: Mutants,
}

/// A text with placeholders.
#[derive(JsonSchema)]
#[schemars(extend("format" = "template"))]
pub(super) struct Template(#[expect(dead_code, reason = "the type only stands for its schema")] String);

/// The name of a package.
#[derive(JsonSchema)]
#[schemars(extend("format" = "package"))]
pub(super) struct Package(#[expect(dead_code, reason = "the type only stands for its schema")] String);

/// The services that tests need, and how they are brought up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(super) struct Environment {
    /// The compose file that describes the services, from the root of the workspace.
    #[schemars(extend("format" = "workspace-path"))]
    pub(super) compose: Option<String>,
    /// What runs the services where nothing is asked for with `--engine`.
    pub(super) engine: Engine,
    /// How long all services together may take to become ready.
    pub(super) ready_timeout: Span,
}

impl Default for Environment {
    fn default() -> Self {
        Self { compose: None, engine: Engine::Auto, ready_timeout: Span(60_000) }
    }
}

/// What runs the services.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Engine {
    /// Compose where a container engine answers, else native.
    Auto,
    /// Containers, by `docker compose` or podman.
    Compose,
    /// Supervised processes of this machine.
    Native,
}

/// Versions of the tools that a run uses.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the keys are the names of the tools")]
pub(super) struct Tools {
    /// Runs the tests.
    pub(super) cargo_nextest: Option<ToolPin>,
    /// Writes coverage reports.
    pub(super) cargo_llvm_cov: Option<ToolPin>,
    /// Tests the tests by mutations.
    pub(super) cargo_mutants: Option<ToolPin>,
}

/// A version, or a table of where to get it too.
///
/// serde tries the forms in turn, and its message for neither is poor; the walk has refused such a value long before.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum ToolPin {
    /// The exact version.
    Version(#[schemars(extend("format" = "version-number"))] String),
    /// The exact version and where to get it.
    Table(ToolTable),
}

/// The exact version of a tool and where to get it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[schemars(extend("required" = ["version"]))]
pub(super) struct ToolTable {
    /// The exact version.
    #[schemars(extend("format" = "version-number"))]
    pub(super) version: Option<String>,
    /// A Python package that carries the tool's binary, for machines on which it can't be had otherwise.
    #[schemars(length(min = 1))]
    pub(super) python_package: Option<String>,
}

/// A class of tests with its own environment needs, budget and gates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[schemars(extend("required" = ["filter"]))]
pub(super) struct Tier {
    /// nextest filterset of its tests: `binary(integration)`.
    #[schemars(length(min = 1))]
    pub(super) filter: Option<String>,
    /// Services of the compose file that must be ready; those they depend on come with them.
    #[schemars(with = "Vec<Name>", extend("uniqueItems" = true))]
    pub(super) services: Vec<String>,
    /// Longest wall time of running its tests; building and listing don't count.
    pub(super) budget: Option<Span>,
    /// Wall time that one of its tests should not take longer than; those that do are named by a warning.
    pub(super) test_budget: Option<Span>,
    /// Whether it runs on the instrumented build and counts for coverage.
    pub(super) instrumented: bool,
    /// The cargo profile it is built with: `dev` where nothing else is said, and `performance` for a tier that is not
    /// instrumented. All tiers of one build have the same.
    #[schemars(length(min = 1))]
    pub(super) cargo_profile: Option<String>,
    /// Packages that are built for it, with the binaries of its services; none means the whole workspace. Only for a tier
    /// that is not instrumented: coverage is measured over all members.
    #[schemars(with = "Vec<Text>", extend("uniqueItems" = true))]
    pub(super) packages: Vec<String>,
    /// How often a failed test is tried again; one that then passes is a flake.
    #[schemars(range(max = 10))]
    pub(super) retries: u32,
    /// Time after which a test is stopped and has failed.
    pub(super) timeout: Span,
    /// Tests at once; one per core where nothing is said.
    #[schemars(range(min = 1, max = 1024))]
    pub(super) threads: Option<u32>,
    /// What the tier's failed tests make of the run.
    pub(super) policy: TestPolicy,
}

/// What failed tests make of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TestPolicy {
    /// Every failed test makes it red.
    Strict,
    /// Green above 90 % passed tests, yellow from 80 % to 90 %, red below 80 %.
    Bands,
}

impl Default for Tier {
    fn default() -> Self {
        Self {
            filter: None,
            services: Vec::new(),
            budget: None,
            test_budget: None,
            instrumented: true,
            cargo_profile: None,
            packages: Vec::new(),
            retries: 0,
            timeout: Span(60_000),
            threads: None,
            policy: TestPolicy::Strict,
        }
    }
}

/// A name of a tier, stage or service.
#[derive(JsonSchema)]
#[schemars(extend("format" = "name"))]
pub(super) struct Name(#[expect(dead_code, reason = "the type only stands for its schema")] String);

/// A text that says something.
#[derive(JsonSchema)]
#[schemars(extend("minLength" = 1))]
pub(super) struct Text(#[expect(dead_code, reason = "the type only stands for its schema")] String);

/// A named choice of tiers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[schemars(extend("required" = ["tiers"]))]
pub(super) struct Stage {
    /// The tiers it runs.
    #[schemars(with = "Vec<Name>", length(min = 1), extend("uniqueItems" = true))]
    pub(super) tiers: Vec<String>,
    /// Which packages' tests a run that is compared with a base (`--base`) runs; without a base all run. Packages that are left
    /// out are named with the reason, and leave the verdict unproven.
    pub(super) reach: StageReach,
}

/// Which packages' tests are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StageReach {
    /// All of them.
    #[default]
    All,
    /// Those that the change can reach: with a file that differs, or depending on such a package. Files in no package,
    /// manifests, the lock file, the toolchain, the configuration and the compose file reach all of them, and a program of an
    /// environment every test of its tiers.
    Changed,
}

/// What a run is judged by.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(super) struct Gates {
    /// The suite as a whole.
    pub(super) suite: SuiteGate,
    /// Tests that pass only when tried again.
    pub(super) flake: FlakeGate,
    /// Load limits of tiers that measure load; such a tier is not instrumented, since counters slow it down.
    #[schemars(extend("propertyNames" = { "format": "name", "title": "tier" }))]
    pub(super) load: BTreeMap<String, LoadGate>,
    /// Tests that a change makes slower.
    pub(super) regression: RegressionGate,
    /// Coverage, by the policy in `coverage/policy.toml`.
    pub(super) coverage: CoverageGate,
    /// Mutants that the tests don't notice.
    pub(super) mutation: MutationGate,
}

/// The suite as a whole.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(super) struct SuiteGate {
    /// Longest wall time of running all tests; building doesn't count.
    pub(super) budget: Option<Span>,
}

/// Tests that pass only when tried again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(super) struct FlakeGate {
    /// Whether such a test makes the run fail; otherwise it is a warning.
    pub(super) fail: bool,
    /// Tests that a change adds or alters, run again and again before they count: with `--base`, after all tests passed.
    pub(super) new: NewTestsGate,
    /// Tests of a change that flaked, executed again on it and on its base, so that it is known whose the flake is: with
    /// `--base`, after all tests passed.
    pub(super) pr: ChangeFlakesGate,
}

impl Default for FlakeGate {
    fn default() -> Self {
        Self { fail: true, new: NewTestsGate::default(), pr: ChangeFlakesGate::default() }
    }
}

/// Tests that a change adds or alters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(super) struct NewTestsGate {
    /// Whether they are stressed.
    pub(super) enabled: bool,
    /// Longest wall time of all of it, once more at most where a test hangs; it is part of no other budget.
    pub(super) budget: Span,
}

impl Default for NewTestsGate {
    fn default() -> Self {
        Self { enabled: true, budget: Span(60_000) }
    }
}

/// Tests of a change that flaked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(super) struct ChangeFlakesGate {
    /// Whether they are executed again; otherwise a flake is judged by `fail` alone.
    pub(super) enabled: bool,
    /// Longest wall time of the executions; building the base comes before, and is part of no budget either.
    pub(super) budget: Span,
}

impl Default for ChangeFlakesGate {
    fn default() -> Self {
        Self { enabled: true, budget: Span(120_000) }
    }
}

/// Load limits of a tier. Shares stop short of 0 % and 100 %: no number of samples can prove those.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(super) struct LoadGate {
    /// A request that takes longer is slow, and fewer than 5 % may be.
    pub(super) p95: Span,
    /// Share of failed requests that is not reached, in percent.
    #[schemars(range(min = 1, max = 99))]
    pub(super) error_rate: u32,
    /// Smallest share of completed sessions, in percent.
    #[schemars(range(min = 1, max = 99))]
    pub(super) completion: u32,
    /// Fewest requests that can be judged.
    #[schemars(range(min = 1))]
    pub(super) min_requests: u64,
}

impl Default for LoadGate {
    fn default() -> Self {
        Self { p95: Span(3_000), error_rate: 5, completion: 80, min_requests: 200 }
    }
}

/// Tests that a change makes slower: with `--base`, after all tests passed, those of a tier are executed on the change and on its
/// base in turns, and their times compared. It is meant for tests that compute: what waits for a clock or keeps a pace takes as
/// long as ever.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[schemars(extend("required" = ["tier"]))]
pub(super) struct RegressionGate {
    /// The tier; it is not instrumented, since counters have a time of their own, and needs no service.
    #[schemars(extend("format" = "name"))]
    pub(super) tier: Option<String>,
    /// By how much a test may become slower, in percent.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) limit: u32,
    /// Most executions of a test on each of the two; fewer where they decide. 10 are too few for more than five tests.
    #[schemars(range(min = 10, max = 1000))]
    pub(super) pairs: u32,
    /// Longest wall time of the executions; building the base comes before, and is part of no budget either.
    pub(super) budget: Span,
}

impl Default for RegressionGate {
    fn default() -> Self {
        Self { tier: None, limit: 3, pairs: 100, budget: Span(300_000) }
    }
}

/// Coverage.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(super) struct CoverageGate {
    /// Whether coverage is judged.
    pub(super) enabled: bool,
}

impl Default for CoverageGate {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// Mutants that the tests don't notice. Nothing of it blocks unless it is asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(super) struct MutationGate {
    /// Most unnoticed mutants of lines that a change touches; where nothing is said they are advice.
    pub(super) max_missed_in_diff: Option<u64>,
    /// Whether a survivor that the stored set does not have makes `mutants --all` fail.
    pub(super) ratchet: bool,
    /// Lowest share of mutants that tests notice below a path, in percent: of files and directories from the root of the
    /// workspace. `mutants --all` fails below it.
    #[schemars(with = "BTreeMap<String, Percent>", extend("propertyNames" = { "title": "path" }))]
    pub(super) floors: BTreeMap<String, u32>,
}

/// How the tests themselves are tested, by `cargo xtask mutants`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(super) struct Mutants {
    /// Tiers whose tests are to notice a mutant; where none is named, the instrumented tiers that need no service. Services of
    /// the tiers that are named are up while mutants are tried; a mutant that is in one of the workspace's programs that they
    /// run is tried in services of its own.
    #[schemars(with = "Vec<Name>", extend("uniqueItems" = true))]
    pub(super) tiers: Vec<String>,
    /// Longest time that the mutants of a change are tried for; `--budget` overrules it.
    pub(super) budget: Span,
    /// Mutants that are not tried. One table for each kind of them.
    pub(super) exclude: Vec<ExcludeMutants>,
}

impl Default for Mutants {
    fn default() -> Self {
        Self { tiers: Vec::new(), budget: Span(300_000), exclude: Vec::new() }
    }
}

/// Mutants that are not tried, and why. What is not said holds for any.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[schemars(extend("required" = ["reason"]))]
pub(super) struct ExcludeMutants {
    /// A glob over files from the root of the workspace: `*` within a directory, `**` across directories.
    #[schemars(extend("format" = "workspace-path"))]
    pub(super) path: Option<String>,
    /// The function, with its type: `Price::total`.
    #[schemars(length(min = 1))]
    pub(super) function: Option<String>,
    /// What the mutant puts in place: `>=`.
    #[schemars(length(min = 1))]
    pub(super) replacement: Option<String>,
    /// Why; it is shown in every report.
    #[schemars(length(min = 1))]
    pub(super) reason: Option<String>,
}

/// What counts for coverage and how much of it must be covered: `coverage/policy.toml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[schemars(title = "coverage/policy.toml")]
#[schemars(extend("required" = ["version"]))]
pub(super) struct PolicyFile {
    /// Version of the form of this file: 1.
    #[schemars(extend("const" = 1))]
    pub(super) version: Option<u32>,
    /// Lowest share of covered lines, in percent.
    #[schemars(range(max = 100))]
    pub(super) floor: u32,
    /// Lowest share of covered lines of single members, in percent. A member that is not named has, where a run is compared
    /// with a base, the lower of `floor` and what it had there.
    #[schemars(with = "BTreeMap<String, Percent>", extend("propertyNames" = { "title": "member" }))]
    pub(super) floors: BTreeMap<String, u32>,
    /// Lowest share of covered lines among those that a change adds, in percent; judged where a run is given a base. Two
    /// uncovered lines are always allowed.
    #[schemars(range(max = 100))]
    pub(super) patch: u32,
    /// What is not measured. One table for each exclusion.
    pub(super) exclude: Vec<Exclude>,
}

impl Default for PolicyFile {
    fn default() -> Self {
        Self { version: None, floor: 80, floors: BTreeMap::new(), patch: 80, exclude: Vec::new() }
    }
}

/// A share in percent.
#[derive(JsonSchema)]
#[schemars(extend("maximum" = 100))]
pub(super) struct Percent(#[expect(dead_code, reason = "the type only stands for its schema")] u32);

/// Something that is not measured, and why: a package or a path.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[schemars(extend("required" = ["reason"]))]
pub(super) struct Exclude {
    /// A member of the workspace.
    #[schemars(length(min = 1))]
    pub(super) package: Option<String>,
    /// A glob over paths from the root of the workspace: `*` within a directory, `**` across directories.
    #[schemars(extend("format" = "workspace-path"))]
    pub(super) path: Option<String>,
    /// Why it does not count; it is shown in every report.
    #[schemars(length(min = 1))]
    pub(super) reason: Option<String>,
}
