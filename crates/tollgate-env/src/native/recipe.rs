//! What each kind of service stands on, and how it is launched from there.

use super::launch::{Launch, Launcher};
use super::postgres::{self, Cluster};
use super::program::{self, Found};
use super::redis;
use super::state::create_private;
use super::template::{self, Workshop};
use crate::compose::{Compose, Program, Recipe, Service};
use crate::engine::StartContext;
use crate::ledger::StopKind;
use crate::{EnvError, FileProblem};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use tollgate_exec::{Interrupt, Signal};
use tollgate_model::RunId;

/// What a service stands on: found, and for servers laid out in the state directory.
#[derive(Debug)]
pub(super) enum Ground {
    /// A PostgreSQL server; `home` holds its data directory and its socket.
    Postgres { cluster: Box<Cluster>, home: Utf8PathBuf },
    /// A Redis server and its directory.
    Redis { found: Found, home: Utf8PathBuf },
    /// A binary of the workspace.
    Binary { program: Utf8PathBuf, directory: Utf8PathBuf },
    /// Any other program with its arguments.
    Command { argv: Vec<String>, directory: Utf8PathBuf },
}

/// What laying the ground takes.
pub(super) struct Yard<'a> {
    /// The run's state directory, made when it is asked for.
    pub(super) state: &'a dyn Fn() -> Result<Utf8PathBuf, EnvError>,
    /// Where programs of the workspace run.
    pub(super) directory: &'a Utf8Path,
    pub(super) launcher: &'a Launcher,
    pub(super) interrupt: &'a Interrupt,
    pub(super) run: &'a RunId,
}

impl Ground {
    /// Finds the service's program and, for a server, gives it a directory with fresh data.
    pub(super) fn lay(service: &Service, context: &StartContext<'_>, yard: &Yard<'_>) -> Result<Self, EnvError> {
        let directory = yard.directory.to_owned();
        match service.native_program() {
            Some(Program::Recipe(Recipe::Postgres)) => Self::postgres(service, context, yard),
            Some(Program::Recipe(Recipe::Redis)) => {
                let (found, home) = (program::redis(service)?, home(service, yard)?);
                create_private(&home, None)?;
                Ok(Self::Redis { found, home })
            }
            Some(Program::Binary(name)) => {
                let binaries = context.binaries.map(|binaries| binaries.directory.join(&name));
                let program = binaries.filter(|path| path.is_file()).ok_or_else(|| EnvError::MissingProgram {
                    service: service.name.clone(),
                    program: name.clone(),
                    hint: format!("the build must have a binary `{name}`"),
                })?;
                Ok(Self::Binary { program, directory })
            }
            Some(Program::Command(mut argv)) => {
                let first = argv.first_mut().ok_or_else(|| program::missing(&service.name, "the empty command"))?;
                // A path is one of the workspace, a name is looked for on PATH.
                let path = if first.contains('/') { directory.join(&first).into_string() } else { first.clone() };
                *first = program::command(service, &path)?.into_string();
                Ok(Self::Command { argv, directory })
            }
            None => Err(program::missing(&service.name, "a native program")),
        }
    }

    fn postgres(service: &Service, context: &StartContext<'_>, yard: &Yard<'_>) -> Result<Self, EnvError> {
        let cluster = Cluster::of(service, context.compose, own_variables(service))?;
        let home = home(service, yard)?;
        create_private(&home, cluster.account)?;
        let state = (yard.state)()?;
        let Yard { launcher, interrupt, run, .. } = *yard;
        let workshop = Workshop { run, service: &service.name, launcher, interrupt, state: &state, log: context.log };
        template::provide(&cluster, &workshop, &home.join("data"))?;
        Ok(Self::Postgres { cluster: Box::new(cluster), home })
    }

    /// The data directory of a PostgreSQL server.
    pub(super) fn data(&self) -> Option<Utf8PathBuf> {
        match self {
            Self::Postgres { home, .. } => Some(home.join("data")),
            _ => None,
        }
    }

    /// The process that the service is, listening on these host ports.
    pub(super) fn launch(
        &self,
        service: &Service,
        context: &StartContext<'_>,
        ports: &BTreeMap<u16, u16>,
    ) -> Result<Launch, EnvError> {
        let own = |port: u16| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, *ports.get(&port)?)));
        let port =
            |recipe: Recipe| ports.get(&recipe.port()).or(ports.values().next()).copied().unwrap_or(recipe.port());
        let (argv, environment, directory) = match self {
            Self::Postgres { cluster, home } => {
                let argv = cluster.argv(service, &home.join("data"), home, port(Recipe::Postgres));
                (argv, cluster.environment.clone(), home)
            }
            Self::Redis { found, home } => {
                (redis::argv(found, service, home, port(Recipe::Redis)), own_variables(service), home)
            }
            Self::Binary { program, directory } => {
                (vec![program.to_string()], context.environment(service, &own)?, directory)
            }
            Self::Command { argv, directory } => (argv.clone(), context.environment(service, &own)?, directory),
        };
        let (account, death_signal) = match self {
            Self::Postgres { cluster, .. } => (cluster.account, Signal::QUIT),
            _ => (None, Signal::KILL),
        };
        let (directory, log) = (directory.clone(), context.log.to_owned());
        Ok(Launch { argv, environment, directory, account, log, input: None, death_signal })
    }

    /// Variables of commands that run beside the service.
    pub(super) fn client_environment(
        &self,
        own: &BTreeMap<String, String>,
        ports: &BTreeMap<u16, u16>,
    ) -> BTreeMap<String, String> {
        match (self, ports.values().next()) {
            (Self::Postgres { cluster, .. }, Some(port)) => cluster.client_environment("127.0.0.1", *port),
            _ => own.clone(),
        }
    }

    /// How the service is stopped.
    pub(super) fn stop_kind(&self) -> StopKind {
        if matches!(self, Self::Postgres { .. }) { StopKind::Postgres } else { StopKind::Plain }
    }

    /// What is run, for people.
    pub(super) fn program(&self) -> String {
        match self {
            Self::Postgres { cluster, .. } => cluster.found.program.to_string(),
            Self::Redis { found, .. } => found.program.to_string(),
            Self::Binary { program, .. } => program.to_string(),
            Self::Command { argv, .. } => argv.join(" "),
        }
    }

    /// The version of a server that says one.
    pub(super) fn version(&self) -> Option<String> {
        self.found().map(|found| found.version.clone())
    }

    /// What is to be said about it beside its process.
    pub(super) fn remark(&self, service: &Service) -> String {
        let skew = self.found().and_then(|found| program::version_skew(service, found));
        skew.map_or_else(String::new, |skew| format!("; {skew}"))
    }

    fn found(&self) -> Option<&Found> {
        match self {
            Self::Postgres { cluster, .. } => Some(&cluster.found),
            Self::Redis { found, .. } => Some(found),
            _ => None,
        }
    }
}

/// The directory of a server below the state directory; that of an earlier start is removed.
fn home(service: &Service, yard: &Yard<'_>) -> Result<Utf8PathBuf, EnvError> {
    let home = (yard.state)()?.join(service.name.as_str());
    if home.exists() {
        fs::remove_dir_all(&home).map_err(EnvError::io("remove", &home))?;
    }
    Ok(home)
}

/// Variables of a recipe as the file has them: they are settings, so no address in them is replaced.
fn own_variables(service: &Service) -> BTreeMap<String, String> {
    let over = service.extension.iter().flat_map(|extension| &extension.environment);
    let all = service.environment.iter().chain(over);
    all.map(|(name, value)| (name.clone(), value.value.clone())).collect()
}

/// Everything of the service that can't be honoured as a process of this machine.
pub(super) fn unsupported(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    match service.native_program() {
        Some(Program::Recipe(Recipe::Postgres)) => postgres::unsupported(compose, service),
        Some(Program::Recipe(Recipe::Redis)) => redis::unsupported(compose, service),
        Some(Program::Binary(_) | Program::Command(_)) => Vec::new(),
        None => {
            let image = service.image.as_ref().map_or("its image", |image| image.value.as_str());
            let message = format!("service `{}` has no native form: nothing is known about `{image}`", service.name);
            let hint = "say what runs natively: `x-tollgate: {recipe: ...}`, `{binary: ...}` or `{command: [...]}`";
            vec![compose.problem(service.at, message, Some(hint.to_owned()))]
        }
    }
}
