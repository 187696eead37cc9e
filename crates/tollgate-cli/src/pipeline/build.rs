//! Provision and build: the environment boots while cargo compiles.

use super::run::{Packed, Record, Run, Stop, millis};
use camino::Utf8PathBuf;
use std::{collections::BTreeMap, thread, time::Instant};
use tollgate_env::{Binaries, EnvError, Environment};
use tollgate_model::{BuildEvidence, BuildKind, BuildPlan, Ending, Event, ServiceName, Step};
use tollgate_tools::nextest::{self, Built};

/// One finished build.
pub(super) struct Build {
    pub(super) built: Built,
    /// The workspace binaries that services run, out of the way of later builds.
    pub(super) binaries: Binaries,
}

/// The builds of a run, in the plan's order.
pub(super) type Builds = BTreeMap<BuildKind, Build>;

/// Starts the services that need no build, and builds meanwhile; the build stops when they can't be had.
pub(super) fn provision_and_build(run: &Run<'_>, record: &mut Record) -> Result<Builds, Stop> {
    if let Some(error) = record.environment_failed.take() {
        return Err(error.into());
    }
    let roots = services(run);
    let names = match &record.environment {
        Some(environment) => {
            environment.check(&roots).map_err(EnvError::File)?;
            environment.workspace_services(&roots).into_iter().map(|(_, binary)| binary).collect()
        }
        None => Vec::new(),
    };
    let environment = &mut record.environment;
    let (provisioned, built) = thread::scope(|scope| {
        let provision = scope.spawn(|| {
            let provisioned = provision(environment.as_mut(), &roots);
            if provisioned.is_err() {
                // Nothing can run on what is being built.
                run.session.halt.trigger(signal_hook::consts::SIGTERM);
            }
            provisioned
        });
        let built = build_all(run, &names);
        (provision.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), built)
    });
    match (built, provisioned) {
        (Ok((builds, evidence)), provisioned) => {
            record.builds = evidence;
            provisioned?;
            Ok(builds)
        }
        // The build was stopped for want of the environment.
        (Err(Stop::Ending(Ending::Interrupted { .. })), Err(error)) => Err(error.into()),
        (Err(stop), _) => Err(stop),
    }
}

/// Services that the tiers of this run need.
fn services(run: &Run<'_>) -> Vec<ServiceName> {
    let mut services: Vec<ServiceName> = run.plan.tiers_to_run().flat_map(|tier| tier.services.clone()).collect();
    services.sort();
    services.dedup();
    services
}

fn provision(environment: Option<&mut Environment>, roots: &[ServiceName]) -> Result<(), EnvError> {
    let Some(environment) = environment else { return Ok(()) };
    let infrastructure = environment.infrastructure(roots);
    environment.up(&infrastructure, None)
}

fn build_all(run: &Run<'_>, names: &[String]) -> Result<(Builds, Vec<BuildEvidence>), Stop> {
    let mut builds = Builds::new();
    let mut evidence = Vec::new();
    for plan in &run.plan.builds {
        let (name, began) = (plan.kind.as_str(), Instant::now());
        let packed = run.packed.as_ref().filter(|_| plan.kind == BuildKind::Instrumented);
        let shown = packed.map_or_else(|| name.to_owned(), |_| plan.kind.unpacked());
        let build = run.step(Step::Build, &shown, || build(run, plan, name, packed, names))?;
        evidence.push(BuildEvidence { name: shown, wall_ms: millis(began) });
        builds.insert(plan.kind, build);
    }
    Ok((builds, evidence))
}

fn build(
    run: &Run<'_>,
    plan: &BuildPlan,
    name: &str,
    packed: Option<&Packed>,
    names: &[String],
) -> Result<Build, Stop> {
    let out: Utf8PathBuf = run.directory.file(&format!("build/{name}"));
    let reporter = &run.session.reporter;
    let on_line = &mut |line: &str| {
        reporter.emit(&Event::Output { tool: "cargo".to_owned(), line: line.to_owned() });
    };
    let built = match packed {
        Some(packed) => {
            let same_place = packed.target_directory == run.plan.target_directory;
            let programs_at = same_place.then_some(run.plan.target_directory.as_path());
            nextest::unpack(&run.toolbox, &packed.file, &packed.archive, programs_at, &out.join("unpacked"))?
        }
        None => nextest::build(&run.toolbox, plan, &out, names, on_line)?,
    };
    let directory = out.join("bin");
    nextest::copy_binaries(&built, names, &directory)?;
    let binaries = Binaries { directory, instrumented: plan.kind == BuildKind::Instrumented };
    Ok(Build { built, binaries })
}
