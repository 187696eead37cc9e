//! The tiers: which test is in which, and running them one after the other.

use super::{
    build::{Build, Builds},
    load,
    run::{Record, Run, Stop},
};
use crate::{durations, error::CliError, machine::MachineWatch, session::Session};
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};
use tollgate_core::plan::{Listed, PlanError, PlanErrors, assign, exports_for, reached_filter};
use tollgate_env::{EnvError, Environment};
use tollgate_model::{
    BuildKind, Ending, EngineKind, Event, LogLevel, Plan, ServiceName, ServiceProfile, Step, TestId, TestOutcome,
    TestResult, TierEvidence, TierName, TierPlan, TierStatus,
};
use tollgate_tools::{
    ToolError, Toolbox, coverage,
    nextest::{self, Built, Listing, LiveEvent, MOST_FIRST, Membership, TierRun},
};

/// The tests that each tier has to run.
pub(super) type Selection = BTreeMap<TierName, Selected>;

/// The tests of one tier.
#[derive(Debug, Clone, Default)]
pub(super) struct Selected {
    pub(super) tests: Vec<TestId>,
    /// Those marked `#[ignore]`, which are reported and not run.
    pub(super) ignored: Vec<TestId>,
}

/// Tests that were chosen elsewhere; the ignored ones stand in the plan that chose them.
pub(super) fn selected(chosen: &BTreeMap<TierName, Vec<TestId>>) -> Selection {
    let selected = |tests: &Vec<TestId>| Selected { tests: tests.clone(), ignored: Vec::new() };
    chosen.iter().map(|(tier, tests)| (tier.clone(), selected(tests))).collect()
}

/// Lists the tests and finds each its tier.
pub(super) fn select(run: &Run<'_>, builds: &Builds) -> Result<Selection, Stop> {
    // The first build has the tests of the whole workspace; what it lists is what must be in a tier.
    let Some(first) = run.plan.builds.first().and_then(|plan| builds.get(&plan.kind)) else {
        return Ok(Selection::new());
    };
    run.step(Step::List, "each test found in one tier", || {
        let listed = list(&run.toolbox, run.plan, &first.built)?;
        let assigned = assign(run.plan, &listed).map_err(|errors| refused(&errors))?;
        say_left_out(&assigned.left_out, run.session);
        let mut ignored = ignored(&run.toolbox, run.plan, &first.built, &listed)?;
        let selected = assigned.tests.into_iter().map(|(tier, tests)| {
            let ignored = ignored.remove(&tier).unwrap_or_default();
            (tier, Selected { tests, ignored })
        });
        Ok(selected.collect())
    })
}

/// Why the tests that were listed make no run.
fn refused(errors: &PlanErrors) -> CliError {
    let (message, hints) = (errors.to_string(), errors.hints());
    match errors.0.as_slice() {
        [PlanError::NothingSelected { .. }] => CliError::NothingSelected { message, hints },
        _ => CliError::usage(message, hints),
    }
}

/// Says which tests don't run since the change can't reach them.
pub(super) fn say_left_out(left_out: &BTreeMap<TierName, Vec<TestId>>, session: &Session) {
    for (tier, tests) in left_out.iter().filter(|(_, tests)| !tests.is_empty()) {
        let packages: BTreeSet<&str> = tests.iter().map(TestId::package).collect();
        let packages = packages.into_iter().collect::<Vec<_>>().join(", ");
        let number = tests.len();
        let said =
            format!("left out of tier {tier}, since the change can't reach them: tests of {packages} ({number})");
        session.reporter.say(LogLevel::Note, said);
    }
}

/// The ignored tests of each tier that runs; nextest is asked only where there are any.
pub(super) fn ignored(
    toolbox: &Toolbox,
    plan: &Plan,
    built: &Built,
    listed: &BTreeMap<TierName, Listed>,
) -> Result<BTreeMap<TierName, Vec<TestId>>, ToolError> {
    if plan.partition.is_some_and(|partition| partition.index > 1) {
        // The first part reports them all.
        return Ok(BTreeMap::new());
    }
    let tiers = plan.tiers_to_run().filter(|tier| listed.get(&tier.name).is_some_and(|l| !l.ignored.is_empty()));
    let ask = |tier: &TierPlan| {
        let filter = narrow(&reached_filter(plan, tier), plan.only.as_deref());
        Ok((tier.name.clone(), nextest::ignored(toolbox, built, &filter)?))
    };
    tiers.map(ask).collect()
}

/// What the filter of each tier makes of the tests of a build.
pub(super) fn list(toolbox: &Toolbox, plan: &Plan, built: &Built) -> Result<BTreeMap<TierName, Listed>, ToolError> {
    let listings = listings(toolbox, plan, built)?;
    let lost = listing_of_lost_binaries(toolbox, plan, built, &listings)?;
    Ok(listings.into_iter().map(|(tier, listing)| (tier, listed(listing, &lost))).collect())
}

fn listed(listing: Listing, lost: &Listing) -> Listed {
    let mut listed = Listed { other: lost.tests.keys().cloned().collect(), ..Listed::default() };
    for (test, membership) in listing.tests {
        let group = match membership {
            Membership::Matched => &mut listed.matched,
            Membership::OtherPartition => &mut listed.other_partition,
            Membership::Ignored => &mut listed.ignored,
            Membership::Other => &mut listed.other,
        };
        group.push(test);
    }
    listed
}

/// nextest does not ask a binary for its tests when a filterset rules out all of it. A binary that no tier asks is asked
/// here, so that its tests can be named.
fn listing_of_lost_binaries(
    toolbox: &Toolbox,
    plan: &Plan,
    built: &Built,
    listings: &BTreeMap<TierName, Listing>,
) -> Result<Listing, ToolError> {
    let mut all = listings.values();
    let mut lost = all.next().map(|listing| listing.unlisted_binaries.clone()).unwrap_or_default();
    lost.retain(|binary| all.clone().all(|listing| listing.unlisted_binaries.contains(binary)));
    if lost.is_empty() || plan.only.is_some() {
        return Ok(Listing::default());
    }
    let filter = lost.iter().map(|binary| format!("binary_id(={binary})")).collect::<Vec<_>>().join(" + ");
    nextest::list(toolbox, built, &filter, None)
}

/// A filterset within another.
pub(super) fn narrow(filter: &str, only: Option<&str>) -> String {
    only.map_or_else(|| filter.to_owned(), |only| format!("({filter}) & ({only})"))
}

/// Puts the filterset of every tier to the same tests, side by side. Where a filter narrows the run, only the tiers that
/// run are of interest.
fn listings(toolbox: &Toolbox, plan: &Plan, built: &Built) -> Result<BTreeMap<TierName, Listing>, ToolError> {
    let (only, partition) = (plan.only.as_deref(), plan.partition);
    thread::scope(|scope| {
        let list = |tier: &TierPlan| {
            let filter = narrow(&tier.filter, only);
            scope.spawn(move || nextest::list(toolbox, built, &filter, partition))
        };
        let tiers = plan.tiers.iter().filter(|tier| tier.run || only.is_none());
        let handles: Vec<_> = tiers.map(|tier| (tier, list(tier))).collect();
        handles
            .into_iter()
            .map(|(tier, handle)| {
                let listing = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                Ok((tier.name.clone(), listing))
            })
            .collect()
    })
}

/// Runs the tiers of the plan in their order. A red tier is evidence; only what makes the next tier impossible ends it.
pub(super) fn run_all(run: &Run<'_>, record: &mut Record, builds: &Builds, selection: &Selection) -> Result<(), Stop> {
    let durations = durations::recorded(&run.survey.workspace.root, run.session);
    for (place, tier) in run.plan.tiers_to_run().enumerate() {
        let Selected { tests, ignored } = selection.get(&tier.name).cloned().unwrap_or_default();
        let ignored = ignored.into_iter().map(|id| TestResult { id, attempts: Vec::new() });
        record.tiers[place].planned.clone_from(&tests);
        let Some(build) = builds.get(&tier.build) else { continue };
        prepare(run, record, tier, build)?;
        if tests.is_empty() {
            // An empty part of a partition, or a filter that leaves nothing of this tier.
            record.tiers[place].status = TierStatus::Ran;
            record.tiers[place].results.extend(ignored);
            continue;
        }
        let first = durations.longest(&tier.name, &tests, MOST_FIRST);
        let (evidence, stop) = run_tier(run, record, tier, build, tests, first)?;
        record.tiers[place] = evidence;
        if let Some(stop) = stop {
            record.tiers[place].results.extend(ignored);
            return Err(stop);
        }
        let extended = load::extend(run, record, place, tier, build);
        record.tiers[place].results.extend(ignored);
        extended?;
    }
    if !run.keeps {
        retire_services(run, record, BuildKind::Instrumented);
    }
    Ok(())
}

/// Brings up what a tier needs; services of another build make way.
pub(super) fn prepare(run: &Run<'_>, record: &mut Record, tier: &TierPlan, build: &Build) -> Result<(), Stop> {
    let previous = record.serving.replace(tier.build).filter(|previous| *previous != tier.build);
    if let Some(previous) = previous {
        retire_services(run, record, previous);
    }
    let Some(environment) = &mut record.environment else { return Ok(()) };
    environment.up(&tier.services, Some(&build.binaries))?;
    if tier.build == BuildKind::Instrumented {
        for (service, binary) in environment.workspace_services(&tier.services) {
            if record.services.iter().all(|(_, known)| known.service != service) {
                let instrumented = coverage::instrumented(&build.binaries.directory.join(&binary))?;
                let profile = ServiceProfile { service, instrumented, profiles: 0, empty: 0 };
                record.services.push((tier.name.clone(), profile));
            }
        }
    }
    Ok(())
}

/// Brings up everything the tiers of the plan need, without running them.
pub(super) fn prepare_all(run: &Run<'_>, record: &mut Record, builds: &Builds) -> Result<(), Stop> {
    for tier in run.plan.tiers_to_run().filter(|tier| tier.build == BuildKind::Instrumented) {
        let Some(build) = builds.get(&tier.build) else { continue };
        prepare(run, record, tier, build)?;
    }
    Ok(())
}

/// Stops the services of a build.
pub(super) fn retire_services(run: &Run<'_>, record: &mut Record, kind: BuildKind) {
    let Some(environment) = &mut record.environment else { return };
    let services = run.plan.tiers_to_run().filter(|tier| tier.build == kind).flat_map(|tier| tier.services.clone());
    let services: Vec<ServiceName> = services.collect();
    let workspace: Vec<ServiceName> =
        environment.workspace_services(&services).into_iter().map(|(service, _)| service).collect();
    environment.stop(&workspace);
}

fn run_tier(
    run: &Run<'_>,
    record: &mut Record,
    tier: &TierPlan,
    build: &Build,
    planned: Vec<TestId>,
    first: Vec<TestId>,
) -> Result<(TierEvidence, Option<Stop>), Stop> {
    let reporter = &run.session.reporter;
    let tier_run = TierRun { first, ..tier_run(run, record.environment.as_ref(), tier)? };
    reporter.emit(&Event::TierStarted { tier: tier.name.clone(), planned: planned.len() as u64 });
    let on_event = &mut |event: LiveEvent| match event {
        LiveEvent::TestFinished { id, outcome, wall_ms } => {
            reporter.emit(&Event::TestFinished { tier: tier.name.clone(), id, outcome, wall_ms });
        }
        LiveEvent::Line(line) => reporter.note("nextest", &line),
    };
    let watch = watch(run, tier);
    let output = nextest::run(&run.toolbox, &build.built, &tier_run, on_event);
    let machine = watch.and_then(MachineWatch::end);
    let (status, mut results, wall_ms, stop) = match output {
        Ok(output) => (TierStatus::Ran, output.results, output.wall_ms, None),
        Err(error) => {
            let reason = error.to_string();
            let (results, wall_ms) =
                nextest::partial(&tier_run).map(|partial| (partial.results, partial.wall_ms)).unwrap_or_default();
            (TierStatus::Broken { reason }, results, wall_ms, Some(Stop::from(error)))
        }
    };
    for attempt in results.iter_mut().flat_map(|test| &mut test.attempts) {
        // Before anything else sees it: every report quotes in a way of its own.
        run.directory.masks().clean(&mut attempt.message);
        run.directory.masks().clean(&mut attempt.output);
    }
    if let Err(error) = run.directory.mask_xml(&tier_run.directory.join("junit.xml")) {
        reporter.say(LogLevel::Warning, format!("{error}: it may show secrets"));
    }
    let stop = death(record.environment.as_ref(), tier).or(stop);
    let count = |wanted| results.iter().filter(|test: &&TestResult| test.outcome() == wanted).count() as u64;
    let (passed, failed, flaky) = (count(TestOutcome::Passed), count(TestOutcome::Failed), count(TestOutcome::Flaky));
    reporter.emit(&Event::TierFinished { tier: tier.name.clone(), passed: passed + flaky, failed, flaky, wall_ms });
    let measured = load::read(run, &tier_run.directory);
    if !measured.is_empty() {
        record.load.insert(tier.name.clone(), measured);
    }
    let status = match &stop {
        Some(_) => TierStatus::Broken { reason: "it was cut short".to_owned() },
        None => status,
    };
    Ok((TierEvidence { name: tier.name.clone(), status, planned, results, wall_ms, machine }, stop))
}

/// Watches the machine while tests of a tier run. Containers are no descendants of this run, so that their work would look like
/// that of others.
pub(super) fn watch(run: &Run<'_>, tier: &TierPlan) -> Option<MachineWatch> {
    let apart = !tier.services.is_empty() && run.engine_kind() == Some(EngineKind::Compose);
    MachineWatch::start().filter(|_| !apart)
}

/// How the tests of a tier are run.
pub(super) fn tier_run(run: &Run<'_>, environment: Option<&Environment>, tier: &TierPlan) -> Result<TierRun, Stop> {
    let directory = run.directory.file(&format!("nextest/{}", tier.name));
    let mut env = vec![
        ("TOLLGATE_RUN_DIR".to_owned(), run.directory.path().to_string()),
        ("TOLLGATE_LOAD_DIR".to_owned(), directory.join("load").to_string()),
        ("TOLLGATE_TIER".to_owned(), tier.name.to_string()),
    ];
    if tier.build == BuildKind::Instrumented {
        let pattern = run.profiles().join(format!("tier-{}", tier.name)).join("%m%c.profraw");
        env.push(("LLVM_PROFILE_FILE".to_owned(), pattern.into_string()));
    }
    env.extend(exports(run, environment, &tier.services)?);
    Ok(TierRun {
        name: tier.name.clone(),
        run: run.id.clone(),
        filter: narrow(&reached_filter(run.plan, tier), run.plan.only.as_deref()),
        // A shard is told its tests by name.
        partition: run.plan.partition.filter(|_| run.chosen.is_none()),
        tests: run.chosen.as_ref().map(|chosen| chosen.get(&tier.name).cloned().unwrap_or_default()),
        first: Vec::new(),
        retries: tier.retries,
        timeout_ms: tier.timeout_ms,
        threads: tier.threads,
        limit: None,
        env,
        directory,
    })
}

/// The exports that speak only of services this tier has.
fn exports(
    run: &Run<'_>,
    environment: Option<&Environment>,
    services: &[ServiceName],
) -> Result<Vec<(String, String)>, EnvError> {
    let there = environment.map(|environment| environment.closure(services)).unwrap_or_default();
    exports_for(&there, &run.plan.exports)
        .into_iter()
        .map(|export| {
            let value = match environment {
                Some(environment) => environment.resolve(&export.template)?,
                None => export.template.clone(),
            };
            Ok((export.name.clone(), value))
        })
        .collect()
}

/// The variables of all services.
pub(super) fn all_exports(run: &Run<'_>, record: &Record) -> Result<BTreeMap<String, String>, EnvError> {
    exports_of_all(run, record.environment.as_ref())
}

/// The same, in an environment that need not be the run's.
pub(super) fn exports_of_all(
    run: &Run<'_>,
    environment: Option<&Environment>,
) -> Result<BTreeMap<String, String>, EnvError> {
    let services: Vec<ServiceName> = run.plan.tiers_to_run().flat_map(|tier| tier.services.clone()).collect();
    Ok(exports(run, environment, &services)?.into_iter().collect())
}

/// What a service's death means for the run.
pub(super) fn death(environment: Option<&Environment>, tier: &TierPlan) -> Option<Stop> {
    let (service, how) = environment?.deaths().into_iter().next()?;
    let detail = format!("service `{service}` died during tier {}: {how}", tier.name);
    Some(Stop::Ending(Ending::EnvironmentFailed { detail }))
}
