//! Work beside services: mutants are tried there by tests that need some.

use super::{
    Survey,
    run::{Purpose, Record, Run, Stop},
    tiers,
};
use crate::{
    error::CliError,
    project::Project,
    session::{Session, signal_name},
};
use tollgate_env::EnvError;
use tollgate_model::{Plan, ServiceName, Step};

/// Brings up the services that the plan's tiers need, does the work with the variables that tests find them by, and tears
/// down. The services are this run's alone, as in any run. The work can ask whether one of them has died: word of that
/// interrupts it too, but may come later than a test that fails for want of the service.
///
/// # Errors
/// When the run can't begin, a service is a program of the workspace, one can't be had or dies, and those of the work.
pub(crate) fn beside_services<T>(
    project: &Project,
    survey: &Survey,
    plan: &Plan,
    session: &Session,
    work: impl FnOnce(&[(String, String)], &dyn Fn() -> bool) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let run = Run::open(project, survey, plan, session, Purpose::Stress)?;
    let mut record = Record::begin(&run);
    let mut worked = None;
    let walked = up(&run, &mut record).map(|variables| {
        let is_dead = || record.environment.as_ref().is_some_and(|environment| !environment.deaths().is_empty());
        worked = Some(work(&variables, &is_dead));
    });
    record.end(&run, walked)?;
    match (record.failure(), worked) {
        // Whatever the work says then, it was interrupted for this.
        (Some((_, detail)), _) => Err(CliError::Services { detail }),
        (None, Some(worked)) => worked,
        (None, None) => {
            let signal = session.interrupt.signal().map(signal_name).unwrap_or_default();
            Err(CliError::Interrupted { signal })
        }
    }
}

fn up(run: &Run<'_>, record: &mut Record) -> Result<Vec<(String, String)>, Stop> {
    if let Some(error) = record.environment_failed.take() {
        return Err(error.into());
    }
    let mut roots: Vec<ServiceName> = run.plan.tiers_to_run().flat_map(|tier| tier.services.clone()).collect();
    roots.sort();
    roots.dedup();
    if let Some(environment) = &mut record.environment {
        if let Some((service, program)) = environment.workspace_services(&roots).into_iter().next() {
            let message = format!("service `{service}` is the workspace's program `{program}`");
            let hint = "name tiers in `[mutants] tiers` whose services the workspace does not build: a mutant would be in \
                        the tests, and not in the program that they ask";
            return Err(CliError::usage(message, [hint.to_owned()]).into());
        }
        environment.check(&roots).map_err(EnvError::File)?;
        let names = roots.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ");
        run.step(Step::Provision, &names, || environment.up(&roots, None))?;
    }
    let mut variables = vec![("TOLLGATE_RUN_DIR".to_owned(), run.directory.path().to_string())];
    variables.extend(tiers::all_exports(run, record)?);
    Ok(variables)
}
