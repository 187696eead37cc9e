//! Making a plan.

use super::{PlanError, PlanErrors, Touched, reach};
use crate::config::{Config, StageConfig, TierConfig, export_services};
use camino::Utf8PathBuf;
use std::collections::BTreeSet;
use tollgate_model::{
    BuildKind, BuildPlan, EngineChoice, Export, Member, Partition, Plan, Policy, RegressionPolicy, SCHEMA, ServiceName,
    StageName, TierName, TierPlan,
};

/// What is known of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Root of the workspace.
    pub workspace_root: Utf8PathBuf,
    /// cargo's target directory.
    pub target_directory: Utf8PathBuf,
    /// Members of the workspace, in any order.
    pub members: Vec<Member>,
    /// What differs from the base, where one is named.
    pub touched: Option<Touched>,
}

/// What was asked for; the default asks for the tiers of the default stage, without the gates of a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The stage; absent means the default stage.
    pub stage: Option<StageName>,
    /// Tiers to run; none means those of the stage. With a stage they narrow it; without one any tier can be named.
    pub tiers: Vec<TierName>,
    /// The engine; absent means what the configuration says.
    pub engine: Option<EngineChoice>,
    /// The part of each tier's tests.
    pub partition: Option<Partition>,
    /// A nextest filterset that narrows every tier.
    pub only: Option<String>,
    /// The revision that the change is compared with.
    pub base: Option<String>,
    /// Whether the stage is judged, its coverage included; otherwise only the tiers that were asked for are. The builds are
    /// the same either way, so that `ci` and `test` share them.
    pub gates: bool,
}

/// Decides what a run will do.
///
/// Every tier of the configuration is in the plan, in the order of the file; those that were asked for are marked to run.
/// A plan that is narrowed by a filter has no limits of coverage and load: a part of a tier can't keep what the whole
/// tier promises.
///
/// # Errors
/// Every stage, tier and package that does not exist.
pub fn plan(config: &Config, facts: &Facts, request: &Request) -> Result<Plan, PlanErrors> {
    let mut errors = Vec::new();
    let stage = stage(config, request, &mut errors);
    let chosen = chosen(config, stage, request, &mut errors);
    unknown_packages(config, facts, &mut errors);
    if request.only.as_ref().is_some_and(|only| only.trim().is_empty()) {
        errors.push(PlanError::EmptyOnly);
    }
    let Some(stage) = stage.filter(|_| errors.is_empty()) else { return Err(PlanErrors(errors)) };
    let mut members = facts.members.clone();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    let running = || config.tiers.iter().filter(|tier| chosen.contains(&tier.name));
    let has_services = running().any(|tier| !tier.services.is_empty());
    Ok(Plan {
        schema: SCHEMA,
        stage: stage.name.clone(),
        workspace_root: facts.workspace_root.clone(),
        target_directory: facts.target_directory.clone(),
        members,
        compose_file: config.compose.as_ref().filter(|_| has_services).map(|file| facts.workspace_root.join(file)),
        engine: request.engine.unwrap_or(config.engine),
        ready_timeout_ms: config.ready_timeout_ms,
        exports: config.exports.clone(),
        builds: builds(running),
        tiers: config.tiers.iter().map(|tier| tier_plan(tier, chosen.contains(&tier.name))).collect(),
        judged_tiers: judged(config, stage, &chosen, request),
        partition: request.partition,
        base: request.base.clone(),
        reach: (request.gates && stage.only_changed).then(|| reach::reach(facts, config.compose.as_deref())),
        only: request.only.clone(),
        policy: policy(config, stage, request, running),
    })
}

/// The stage that was asked for, else the default one.
fn stage<'a>(config: &'a Config, request: &Request, errors: &mut Vec<PlanError>) -> Option<&'a StageConfig> {
    let name = request.stage.as_ref().unwrap_or(&config.default_stage);
    let stage = config.stage(name.as_str());
    if stage.is_none() {
        let known = config.stages.iter().map(|stage| stage.name.to_string()).collect();
        errors.push(PlanError::UnknownStage { name: name.clone(), known });
    }
    stage
}

/// The tiers to run.
fn chosen(
    config: &Config,
    stage: Option<&StageConfig>,
    request: &Request,
    errors: &mut Vec<PlanError>,
) -> BTreeSet<TierName> {
    for name in &request.tiers {
        match stage.filter(|_| request.stage.is_some()) {
            _ if config.tier(name.as_str()).is_none() => errors.push(PlanError::UnknownTier {
                name: name.clone(),
                known: config.tiers.iter().map(|tier| tier.name.to_string()).collect(),
            }),
            Some(stage) if !stage.tiers.contains(name) => errors.push(PlanError::TierNotInStage {
                tier: name.clone(),
                stage: stage.name.clone(),
                tiers: stage.tiers.iter().map(ToString::to_string).collect(),
                stages: stages_with(config, name),
            }),
            _ => {}
        }
    }
    let of_stage = || stage.map(|stage| stage.tiers.iter().cloned().collect()).unwrap_or_default();
    if request.tiers.is_empty() { of_stage() } else { request.tiers.iter().cloned().collect() }
}

fn stages_with(config: &Config, tier: &TierName) -> Vec<String> {
    config.stages.iter().filter(|stage| stage.tiers.contains(tier)).map(|stage| stage.name.to_string()).collect()
}

fn unknown_packages(config: &Config, facts: &Facts, errors: &mut Vec<PlanError>) {
    let of_tiers = config
        .tiers
        .iter()
        .flat_map(|tier| tier.packages.iter().map(|package| (format!("tier `{}`", tier.name), package)));
    let of_policy = config.coverage.iter().flat_map(|policy| {
        policy.excluded_packages.iter().map(|exclusion| &exclusion.what).chain(policy.floors.keys())
    });
    let of_policy = of_policy.map(|package| ("the coverage policy".to_owned(), package));
    for (place, package) in of_tiers.chain(of_policy) {
        if !facts.members.iter().any(|member| member.name == *package) {
            let mut known: Vec<String> = facts.members.iter().map(|member| member.name.clone()).collect();
            known.sort_unstable();
            errors.push(PlanError::UnknownPackage { place, package: package.clone(), known });
        }
    }
}

/// One build of each kind that is needed, the instrumented one first.
fn builds<'a, Tiers: Iterator<Item = &'a TierConfig>>(running: impl Fn() -> Tiers) -> Vec<BuildPlan> {
    let build = |kind: BuildKind| {
        let tiers: Vec<&TierConfig> = running().filter(|tier| tier.build == kind).collect();
        let cargo_profile = tiers.first()?.cargo_profile.clone();
        let whole_workspace = tiers.iter().any(|tier| tier.packages.is_empty());
        let mut packages: Vec<String> = Vec::new();
        for package in tiers.iter().flat_map(|tier| &tier.packages).filter(|_| !whole_workspace) {
            if !packages.contains(package) {
                packages.push(package.clone());
            }
        }
        Some(BuildPlan { kind, cargo_profile, packages })
    };
    [BuildKind::Instrumented, BuildKind::Optimised].into_iter().filter_map(build).collect()
}

fn tier_plan(tier: &TierConfig, run: bool) -> TierPlan {
    TierPlan {
        name: tier.name.clone(),
        filter: tier.filter.clone(),
        services: tier.services.clone(),
        budget_ms: tier.budget_ms,
        test_budget_ms: tier.test_budget_ms,
        build: tier.build,
        retries: tier.retries,
        timeout_ms: tier.timeout_ms,
        threads: tier.threads,
        run,
    }
}

/// The tiers that the verdict speaks of, in the order of the file: those of the stage, with others that were asked for.
fn judged(config: &Config, stage: &StageConfig, chosen: &BTreeSet<TierName>, request: &Request) -> Vec<TierName> {
    let of_stage = |name: &TierName| request.gates && stage.tiers.contains(name);
    let names = config.tiers.iter().map(|tier| &tier.name);
    names.filter(|name| chosen.contains(*name) || of_stage(name)).cloned().collect()
}

fn policy<'a, Tiers: Iterator<Item = &'a TierConfig>>(
    config: &Config,
    stage: &StageConfig,
    request: &Request,
    running: impl Fn() -> Tiers,
) -> Policy {
    let whole_tiers = request.only.is_none();
    let mut of_stage = config.tiers.iter().filter(|tier| stage.tiers.contains(&tier.name));
    let instrumented = |tier: &TierConfig| tier.build == BuildKind::Instrumented;
    let instrumented = running().any(instrumented) || of_stage.any(instrumented);
    let runs = |compared: &RegressionPolicy| running().any(|tier| tier.name == compared.tier);
    let loaded = running().filter(|_| whole_tiers).filter_map(|tier| config.load.get_key_value(&tier.name));
    Policy {
        coverage: config.coverage.clone().filter(|_| request.gates && instrumented && whole_tiers),
        suite_budget_ms: config.suite_budget_ms,
        load: loaded.map(|(name, limits)| (name.clone(), limits.clone())).collect(),
        fail_on_flake: config.fail_on_flake,
        new_tests: config.new_tests.filter(|_| request.base.is_some() && request.gates && whole_tiers),
        change_flakes: config.change_flakes.filter(|_| request.base.is_some() && request.gates && whole_tiers),
        regression: config
            .regression
            .clone()
            .filter(|_| request.base.is_some() && request.gates && whole_tiers)
            .filter(runs),
        quarantine: config.quarantine.tests.clone(),
        bands: config.bands(),
    }
}

/// The exports that can be resolved while `services` are up: those that refer to no other service.
///
/// `services` are the ones a tier needs with all that they depend on.
pub fn exports_for<'a>(services: &[ServiceName], exports: &'a [Export]) -> Vec<&'a Export> {
    let resolvable = |export: &&Export| export_services(&export.template).iter().all(|name| services.contains(name));
    exports.iter().filter(resolvable).collect()
}
