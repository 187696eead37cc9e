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
use camino::{Utf8Path, Utf8PathBuf};
use std::{cell::Cell, collections::BTreeSet, fs};
use tollgate_env::{Binaries, EnvError, Environment};
use tollgate_model::{Plan, RunId, ServiceName, Step};

/// Services that are up.
pub(crate) struct Beside<'a> {
    run: &'a Run<'a>,
    environment: Option<&'a Environment>,
    roots: Vec<ServiceName>,
    /// What tests find the services by.
    pub(crate) variables: Vec<(String, String)>,
    /// The programs of the workspace that they run.
    pub(crate) programs: Vec<String>,
    /// Raw coverage profiles of these programs.
    pub(crate) profiles: Utf8PathBuf,
    /// Environments that were brought up beside this one.
    others: Cell<u32>,
}

/// What became of work beside other programs.
#[derive(Debug)]
pub(crate) enum Afresh<T> {
    /// One of the programs ended; with what was seen of it.
    Fell(String),
    /// Services with them were not ready in time, which says as much of the machine as of the programs.
    Late(String),
    /// All of them ran until the work was done.
    Stood(T),
}

/// Brings up the services that the plan's tiers need, does the work beside them, and tears down. The services are this run's
/// alone, as in any run. `make` builds the programs of the workspace that are among them, and whatever else the work needs.
///
/// # Errors
/// When the run can't begin, a service can't be had or dies, and those of `make` and `work`.
pub(crate) fn beside_services<B, T>(
    project: &Project,
    survey: &Survey,
    plan: &Plan,
    session: &Session,
    make: impl FnOnce(&[String]) -> Result<(B, Binaries), CliError>,
    work: impl FnOnce(&Beside<'_>, B) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let run = Run::open(project, survey, plan, session, Purpose::Stress)?;
    let mut record = Record::begin(&run);
    let mut worked = None;
    let walked = up(&run, &mut record, make).map(|(beside, built)| worked = Some(work(&beside, built)));
    record.end(&run, walked)?;
    match (record.failure(), session.interrupt.signal(), worked) {
        // Whatever the work says then, it was interrupted for this.
        (Some((_, detail)), ..) => Err(CliError::Services { detail }),
        (None, Some(signal), None | Some(Err(_))) => Err(CliError::Interrupted { signal: signal_name(signal) }),
        (None, _, Some(worked)) => worked,
        (None, None, None) => unreachable!("a walk without work ends with a failure or for a signal"),
    }
}

fn up<'a, B>(
    run: &'a Run<'a>,
    record: &'a mut Record,
    make: impl FnOnce(&[String]) -> Result<(B, Binaries), CliError>,
) -> Result<(Beside<'a>, B), Stop> {
    if let Some(error) = record.environment_failed.take() {
        return Err(error.into());
    }
    let mut roots: Vec<ServiceName> = run.plan.tiers_to_run().flat_map(|tier| tier.services.clone()).collect();
    roots.sort();
    roots.dedup();
    let mut programs = Vec::new();
    if let Some(environment) = &record.environment {
        environment.check(&roots).map_err(EnvError::File)?;
        programs = environment.workspace_services(&roots).into_iter().map(|(_, program)| program).collect();
    }
    programs.sort();
    programs.dedup();
    let (built, binaries) = make(&programs)?;
    if let Some(environment) = &mut record.environment {
        let names = roots.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ");
        run.step(Step::Provision, &names, || environment.up(&roots, Some(&binaries)))?;
    }
    let environment = record.environment.as_ref();
    let variables = variables(run, environment, run.directory.path())?;
    let profiles = run.profiles();
    Ok((Beside { run, environment, roots, variables, programs, profiles, others: Cell::new(0) }, built))
}

/// What tests find an environment by, and the directory of its run.
fn variables(
    run: &Run<'_>,
    environment: Option<&Environment>,
    directory: &Utf8Path,
) -> Result<Vec<(String, String)>, EnvError> {
    let own = ("TOLLGATE_RUN_DIR".to_owned(), directory.to_string());
    Ok(std::iter::once(own).chain(tiers::exports_of_all(run, environment)?).collect())
}

impl Beside<'_> {
    /// Whether a service has died. Word of that interrupts the work too, but may come later than a test that fails for want of
    /// the service.
    pub(crate) fn is_dead(&self) -> bool {
        self.environment.is_some_and(|environment| !environment.deaths().is_empty())
    }

    /// Does the work beside services of its own, which run these programs, and removes every trace of them: whatever a
    /// program leaves in a database is gone before anything else is tried.
    ///
    /// # Errors
    /// When a service that is no program of the workspace can't be had or dies, and those of the work.
    pub(crate) fn afresh<T>(
        &self,
        binaries: &Binaries,
        work: impl FnOnce(&[(String, String)]) -> Result<T, CliError>,
    ) -> Result<Afresh<T>, CliError> {
        self.others.set(self.others.get() + 1);
        let id =
            RunId::new(format!("{}-{}", self.run.id, self.others.get())).expect("a valid name with digits behind it");
        let directory = self.run.directory.path().with_file_name(id.as_str());
        let Some(environment) = self.run.environment_of_its_own(id, &directory) else {
            return Ok(Afresh::Stood(work(&self.variables)?));
        };
        let mut environment = environment?;
        let worked = self.work_in(&mut environment, &directory, binaries, work);
        // By then nobody knows this directory any more, which is the mark of what tests left.
        let is_ended = tollgate_env::end_tests(&directory);
        let leftovers = environment.down().teardown.map(|teardown| teardown.leftovers).unwrap_or_default();
        if !is_ended || !tollgate_env::is_gone(&directory) {
            let what =
                leftovers.iter().map(|left| format!("{} {}", left.kind, left.what)).collect::<Vec<_>>().join(", ");
            return Err(CliError::Services { detail: format!("services of a mutant are still there: {what}") });
        }
        // What is left of it is nobody's concern, and the next run prunes it.
        let _ = fs::remove_dir_all(&directory);
        worked
    }

    fn work_in<T>(
        &self,
        environment: &mut Environment,
        directory: &Utf8Path,
        binaries: &Binaries,
        work: impl FnOnce(&[(String, String)]) -> Result<T, CliError>,
    ) -> Result<Afresh<T>, CliError> {
        // Servers are none of the programs' doing, so what keeps them from coming up is an error.
        environment.up(&environment.infrastructure(&self.roots), None)?;
        let programs: BTreeSet<ServiceName> =
            environment.workspace_services(&self.roots).into_iter().map(|(service, _)| service).collect();
        let came = match environment.up(&self.roots, Some(binaries)) {
            Ok(()) => Afresh::Stood(work(&variables(self.run, Some(environment), directory)?)?),
            Err(error) => unready(error, &programs)?,
        };
        blame(came, environment.deaths(), &programs)
    }
}

/// What it says of the programs that services with them did not become ready; an error where it says nothing.
fn unready<T>(error: EnvError, programs: &BTreeSet<ServiceName>) -> Result<Afresh<T>, EnvError> {
    match error {
        EnvError::NotReady { reason, ended: None, .. } => Ok(Afresh::Late(reason)),
        EnvError::NotReady { reason, ended: Some(service), .. } if programs.contains(&service) => {
            Ok(Afresh::Fell(reason))
        }
        error => Err(error),
    }
}

/// What it was, with what has died by then. The end of a server can be why a program ended or a test failed, and is none of
/// the programs' doing.
fn blame<T>(
    came: Afresh<T>,
    deaths: Vec<(ServiceName, String)>,
    programs: &BTreeSet<ServiceName>,
) -> Result<Afresh<T>, CliError> {
    let (of_programs, of_servers): (Vec<_>, Vec<_>) =
        deaths.into_iter().partition(|(service, _)| programs.contains(service));
    let told = |(service, how): (ServiceName, String)| format!("service `{service}` died: {how}");
    if let Some(death) = of_servers.into_iter().next() {
        return Err(CliError::Services { detail: told(death) });
    }
    Ok(match (came, of_programs.into_iter().next()) {
        (Afresh::Stood(_), Some(death)) => Afresh::Fell(told(death)),
        (came, _) => came,
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    fn name(name: &str) -> ServiceName {
        ServiceName::new(name).unwrap()
    }

    fn programs() -> BTreeSet<ServiceName> {
        [name("shop")].into()
    }

    #[test]
    fn only_a_program_that_ended_fell() {
        let of = |ended: Option<&str>| {
            let error = EnvError::NotReady { reason: "why".into(), ended: ended.map(name), services: Vec::new() };
            unready::<()>(error, &programs())
        };
        assert!(matches!(of(Some("shop")), Ok(Afresh::Fell(why)) if why == "why"));
        assert!(matches!(of(None), Ok(Afresh::Late(why)) if why == "why"));
        assert!(matches!(of(Some("db")), Err(EnvError::NotReady { .. })));
        let start = EnvError::Start { service: name("shop"), detail: String::new(), log_tail: Vec::new(), hint: None };
        assert!(matches!(unready::<()>(start, &programs()), Err(EnvError::Start { .. })));
    }

    #[test]
    fn a_server_that_died_is_no_end_of_a_program() {
        let death = |service: &str| (name(service), "exit code 3".to_owned());
        let blamed = |came, deaths: &[&str]| blame(came, deaths.iter().map(|one| death(one)).collect(), &programs());
        assert!(matches!(blamed(Afresh::Stood(1), &[]), Ok(Afresh::Stood(1))));
        let fell = blamed(Afresh::Stood(1), &["shop"]).unwrap();
        assert!(matches!(fell, Afresh::Fell(how) if how == "service `shop` died: exit code 3"));
        for came in [Afresh::Stood(1), Afresh::Fell("shop ended".to_owned()), Afresh::Late("late".to_owned())] {
            let error = blamed(came, &["alone", "db", "shop"]).unwrap_err();
            assert_eq!(error.to_string(), "service `alone` died: exit code 3");
        }
        assert!(matches!(blamed(Afresh::Late("late".to_owned()), &["shop"]), Ok(Afresh::Late(_))));
    }
}
