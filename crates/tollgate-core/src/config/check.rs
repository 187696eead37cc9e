//! What a schema can't say: references between tables, and values that contradict each other.

use super::file::{DEFAULT_STAGE, Engine, File, LoadGate, PolicyFile, StageReach, TestPolicy, Tier, ToolPin};
use super::form::Span;
use super::nearest;
use super::place::Places;
use super::problem::Problem;
use super::settings::{Config, Program, StageConfig, TierConfig, Tool};
use super::walk::Walked;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ops::Range;
use tollgate_model::{
    BuildKind, CoveragePolicy, EngineChoice, Exclusion, Export, LoadLimits, ServiceName, StageName, StressPolicy,
    TierName,
};

/// A file that was read, with the places of its keys.
pub(super) struct Subject<'a, T> {
    name: &'a str,
    text: &'a str,
    pub(super) places: Places,
    pub(super) file: T,
}

impl<'a, T: DeserializeOwned> Subject<'a, T> {
    /// Makes the file's type of what the walk found to fit.
    pub(super) fn new(name: &'a str, text: &'a str, walked: Walked, problems: &mut Vec<Problem>) -> Option<Self> {
        let Walked { value, places } = walked;
        match serde_json::from_value(value) {
            Ok(file) => Some(Self { name, text, places, file }),
            Err(error) => {
                problems.push(Problem::new(name, text, 0..0, format!("this file can't be read: {error}")));
                None
            }
        }
    }
}

impl<T> Subject<'_, T> {
    fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::new(self.name, self.text, span, message)
    }

    pub(super) fn at_value(&self, path: &[&str], message: impl Into<String>) -> Problem {
        self.problem(self.places.value(path), message)
    }

    pub(super) fn at_key(&self, path: &[&str], message: impl Into<String>) -> Problem {
        self.problem(self.places.key(path), message)
    }

    /// Entries of a table in the order of the file.
    fn in_order<'m, V>(&self, table: &[&str], entries: &'m BTreeMap<String, V>) -> Vec<(&'m str, &'m V)> {
        let find = |key: &str| entries.get_key_value(key).map(|(key, value)| (key.as_str(), value));
        self.places.keys(table).into_iter().filter_map(find).collect()
    }
}

/// Checks `ci/tollgate.toml`. Without a problem there is a configuration; with one there may be none.
pub(super) fn config(subject: &Subject<'_, File>, problems: &mut Vec<Problem>) -> Option<Config> {
    let file = &subject.file;
    builds(subject, problems);
    services(subject, problems);
    let stages = stages(subject, problems);
    let load = load(subject, problems);
    let default_stage = default_stage(subject, problems);
    Some(Config {
        compose: file.environment.compose.as_deref().map(Into::into),
        engine: match file.environment.engine {
            Engine::Auto => EngineChoice::Auto,
            Engine::Compose => EngineChoice::Compose,
            Engine::Native => EngineChoice::Native,
        },
        ready_timeout_ms: file.environment.ready_timeout.0,
        tools: tools(subject),
        programs: programs(subject),
        exports: exports(subject),
        tiers: tiers(subject),
        stages,
        default_stage: default_stage?,
        suite_budget_ms: file.gates.suite.budget.map(|budget| budget.0),
        fail_on_flake: file.gates.flake.fail,
        new_tests: stress(file.gates.flake.new.enabled, file.gates.flake.new.budget),
        change_flakes: stress(file.gates.flake.pr.enabled, file.gates.flake.pr.budget),
        regression: super::regression::regression(subject, problems),
        load,
        coverage: file.gates.coverage.enabled.then(default_policy),
        mutation: super::mutation::mutation(subject, problems),
        quarantine: super::Quarantine::default(),
    })
}

fn stress(enabled: bool, budget: Span) -> Option<StressPolicy> {
    enabled.then_some(StressPolicy { budget_ms: budget.0 })
}

/// The stage to run where none is asked for; none where what is written is no name.
fn default_stage(subject: &Subject<'_, File>, problems: &mut Vec<Problem>) -> Option<StageName> {
    let known = subject.places.keys(&["stages"]);
    let written = subject.file.default_stage.as_deref();
    let absent = !subject.places.keys(&[]).contains(&"default-stage");
    let unnamed = if let [only] = known[..] { only } else { DEFAULT_STAGE };
    let name = written.or(absent.then_some(unnamed))?;
    if !known.is_empty() && !known.contains(&name) {
        let problem = match written {
            Some(_) => subject.at_value(&["default-stage"], format!("there is no stage `{name}`")),
            None => subject
                .at_key(&["stages"], format!("there is no stage `{name}`, which runs where none is asked for"))
                .hint("name another one with `default-stage = \"STAGE\"` at the top of the file"),
        };
        problems.push(problem.note(listed("stages", &known)).meant(nearest(name, known.iter().copied())));
    }
    StageName::new(name).ok()
}

pub(super) fn listed(what: &str, known: &[&str]) -> String {
    if known.is_empty() { format!("there are no {what}") } else { format!("{what}: {}", known.join(", ")) }
}

/// A filter is missing only where that has been reported.
fn tiers(subject: &Subject<'_, File>) -> Vec<TierConfig> {
    let tier = |(name, tier): (&str, &Tier)| {
        Some(TierConfig {
            name: TierName::new(name).ok()?,
            filter: tier.filter.clone()?,
            services: tier.services.iter().filter_map(|service| ServiceName::new(service).ok()).collect(),
            budget_ms: tier.budget.map(|budget| budget.0),
            test_budget_ms: tier.test_budget.map(|budget| budget.0),
            build: build_of(tier),
            cargo_profile: profile_of(tier).to_owned(),
            packages: tier.packages.clone(),
            retries: tier.retries,
            timeout_ms: tier.timeout.0,
            threads: tier.threads,
            bands: tier.policy == TestPolicy::Bands,
        })
    };
    subject.in_order(&["tiers"], &subject.file.tiers).into_iter().filter_map(tier).collect()
}

fn build_of(tier: &Tier) -> BuildKind {
    if tier.instrumented { BuildKind::Instrumented } else { BuildKind::Optimised }
}

fn profile_of(tier: &Tier) -> &str {
    match (&tier.cargo_profile, tier.instrumented) {
        (Some(profile), _) => profile,
        (None, true) => "dev",
        (None, false) => "performance",
    }
}

/// There is one build of each kind: its tiers agree on the profile, and the instrumented one holds the whole workspace.
fn builds(subject: &Subject<'_, File>, problems: &mut Vec<Problem>) {
    let tiers = subject.in_order(&["tiers"], &subject.file.tiers);
    for (index, (name, tier)) in tiers.iter().enumerate() {
        if tier.instrumented && !tier.packages.is_empty() {
            let message = format!("tier `{name}` is instrumented, and is built for some packages only");
            let problem = subject.at_key(&["tiers", name, "packages"], message);
            let note = "coverage is measured over every member, so the instrumented build holds the whole workspace";
            problems.push(problem.note(note).hint("remove `packages`, or set `instrumented = false`"));
        }
        let same_build = |(_, other): &&(&str, &Tier)| other.instrumented == tier.instrumented;
        let Some((first, other)) = tiers[..index].iter().find(same_build) else { continue };
        if profile_of(other) != profile_of(tier) {
            let kind = if tier.instrumented { "instrumented" } else { "uninstrumented" };
            let message = format!(
                "tier `{name}` has the cargo profile `{}`, and `{first}` has `{}`",
                profile_of(tier),
                profile_of(other)
            );
            let problem = subject.at_value(&["tiers", name, "cargo-profile"], message);
            problems.push(problem.note(format!("all {kind} tiers share one build, and so one profile")));
        }
    }
}

/// Services need a file that describes them.
fn services(subject: &Subject<'_, File>, problems: &mut Vec<Problem>) {
    if !subject.places.keys(&["environment"]).contains(&"compose") {
        for (name, _) in subject.file.tiers.iter().filter(|(_, tier)| !tier.services.is_empty()) {
            let message = format!("tier `{name}` needs services, and no file describes them");
            let problem = subject.at_value(&["tiers", name, "services"], message);
            problems.push(problem.hint("add `compose = \"ci/compose.yaml\"` to `[environment]`"));
        }
    }
}

fn stages(subject: &Subject<'_, File>, problems: &mut Vec<Problem>) -> Vec<StageConfig> {
    let known = subject.places.keys(&["tiers"]);
    let mut stages = Vec::new();
    for (name, stage) in subject.in_order(&["stages"], &subject.file.stages) {
        let unknown = |(_, tier): &(usize, &String)| !known.contains(&tier.as_str());
        for (index, tier) in stage.tiers.iter().enumerate().filter(unknown) {
            let path = ["stages", name, "tiers", &index.to_string()];
            let problem =
                subject.at_value(&path, format!("stage `{name}` names a tier `{tier}`, which does not exist"));
            problems.push(problem.note(listed("tiers", &known)).meant(nearest(tier, known.iter().copied())));
        }
        let tiers = stage.tiers.iter().filter_map(|tier| TierName::new(tier).ok()).collect();
        let only_changed = stage.reach == StageReach::Changed;
        stages.extend(StageName::new(name).ok().map(|name| StageConfig { name, tiers, only_changed }));
    }
    stages
}

fn load(subject: &Subject<'_, File>, problems: &mut Vec<Problem>) -> BTreeMap<TierName, LoadLimits> {
    let known = subject.places.keys(&["tiers"]);
    for name in subject.file.gates.load.keys() {
        let path = ["gates", "load", name.as_str()];
        if !known.contains(&name.as_str()) {
            let problem =
                subject.at_key(&path, format!("there are load limits for a tier `{name}`, which does not exist"));
            problems.push(problem.note(listed("tiers", &known)).meant(nearest(name, known.iter().copied())));
        } else if subject.file.tiers.get(name).is_some_and(|tier| tier.instrumented) {
            let problem =
                subject.at_key(&path, format!("there are load limits for tier `{name}`, which is instrumented"));
            let problem =
                problem.note("counters slow a program down, so a measurement would not be that of the product");
            problems.push(problem.hint(format!("set `instrumented = false` in `[tiers.{name}]`")));
        }
    }
    let limits = |(name, gate): (&String, &LoadGate)| {
        let limits = LoadLimits {
            p95_ms: gate.p95.0,
            error_percent: gate.error_rate,
            completion_percent: gate.completion,
            min_requests: gate.min_requests,
        };
        TierName::new(name).ok().map(|name| (name, limits))
    };
    subject.file.gates.load.iter().filter_map(limits).collect()
}

fn exports(subject: &Subject<'_, File>) -> Vec<Export> {
    let export = |(name, template): (&str, &String)| Export { name: name.to_owned(), template: template.clone() };
    subject.in_order(&["exports"], &subject.file.exports).into_iter().map(export).collect()
}

fn tools(subject: &Subject<'_, File>) -> Vec<Tool> {
    let tools = &subject.file.tools;
    let named = |name: &str, pin: &Option<ToolPin>| {
        let (version, python_package) = match pin.as_ref()? {
            ToolPin::Version(version) => (version.clone(), None),
            ToolPin::Table(table) => (table.version.clone()?, table.python_package.clone()),
        };
        Some(Tool { name: name.to_owned(), version, python_package })
    };
    let pins = [
        named("cargo-nextest", &tools.cargo_nextest),
        named("cargo-llvm-cov", &tools.cargo_llvm_cov),
        named("cargo-mutants", &tools.cargo_mutants),
    ];
    pins.into_iter().flatten().collect()
}

fn programs(subject: &Subject<'_, File>) -> Vec<Program> {
    let program = |(name, package): (&str, &String)| Program { name: name.to_owned(), package: package.clone() };
    subject.in_order(&["programs"], &subject.file.programs).into_iter().map(program).collect()
}

/// The policy where there is no file: 80 %, nothing excluded.
pub(super) fn default_policy() -> CoveragePolicy {
    let PolicyFile { floor: floor_percent, patch: patch_percent, .. } = PolicyFile::default();
    CoveragePolicy {
        floor_percent,
        floors: BTreeMap::new(),
        patch_percent,
        excluded_packages: Vec::new(),
        excluded_paths: Vec::new(),
    }
}

/// Checks `coverage/policy.toml`.
pub(super) fn policy(subject: &Subject<'_, PolicyFile>, problems: &mut Vec<Problem>) -> CoveragePolicy {
    let PolicyFile { floor: floor_percent, patch: patch_percent, .. } = subject.file;
    let floors = subject.file.floors.clone();
    let mut policy = CoveragePolicy { floor_percent, floors, patch_percent, ..default_policy() };
    for (index, exclude) in subject.file.exclude.iter().enumerate() {
        let index = index.to_string();
        let path = ["exclude", index.as_str()];
        let (list, what) = match (&exclude.package, &exclude.path) {
            (Some(package), None) => (&mut policy.excluded_packages, package),
            (None, Some(glob)) => (&mut policy.excluded_paths, glob),
            (package, _) => {
                let written = subject.places.keys(&path);
                if package.is_some() || !written.iter().any(|key| ["package", "path"].contains(key)) {
                    let number =
                        if package.is_some() { "both a package and a path" } else { "neither a package nor a path" };
                    let problem = subject.at_key(&path, format!("this exclusion names {number}"));
                    problems.push(
                        problem.hint(
                            "write `package = \"NAME\"` or `path = \"GLOB\"`; a second one is a table of its own",
                        ),
                    );
                }
                continue;
            }
        };
        if list.iter().any(|earlier| earlier.what == *what) {
            problems.push(subject.at_key(&path, format!("`{what}` is excluded twice")));
        }
        list.push(Exclusion { what: what.clone(), reason: exclude.reason.clone().unwrap_or_default() });
    }
    for package in policy.floors.keys() {
        if policy.excluded_packages.iter().any(|exclusion| exclusion.what == *package) {
            let problem = subject.at_key(&["floors", package], format!("`{package}` has a floor and is excluded"));
            problems.push(problem.hint("remove its floor, or its `[[exclude]]`"));
        }
    }
    policy
}
