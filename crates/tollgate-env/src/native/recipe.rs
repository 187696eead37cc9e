//! What each kind of service stands on, and how it is launched from there.

use super::launch::{Launch, Launcher};
use super::limits::{self, own_variables};
use super::mariadb;
use super::nats;
use super::nginx;
use super::postgres::{self, Cluster};
use super::program::{self, Found};
use super::rabbitmq;
use super::redis;
use super::state::create_private;
use super::stop::GRACE;
use super::template::{self, Origin, Workshop};
use crate::compose::{Compose, Program, Recipe, Service, container_only};
use crate::engine::StartContext;
use crate::ledger::StopKind;
use crate::{EnvError, FileProblem};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tollgate_exec::{Interrupt, Signal};
use tollgate_model::RunId;

/// What a service stands on: found, and for servers laid out in the state directory.
#[derive(Debug)]
pub(super) enum Ground {
    /// A PostgreSQL server; `home` holds its data directory and its socket.
    Postgres { cluster: Box<Cluster>, home: Utf8PathBuf },
    /// A MariaDB server; `home` holds its data directory and its socket.
    MariaDb { cluster: Box<mariadb::Cluster>, home: Utf8PathBuf },
    /// A server of another recipe and the directory with all it has.
    Server { recipe: Recipe, found: Found, home: Utf8PathBuf },
    /// A binary of the workspace.
    Binary { program: Utf8PathBuf, directory: Utf8PathBuf },
    /// Any other program, and its command line in the file.
    Command { program: Utf8PathBuf, argv: Vec<String>, directory: Utf8PathBuf },
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
            Some(Program::Recipe(Recipe::Postgres)) => {
                let cluster = Box::new(Cluster::of(service, context.compose, own_variables(service))?);
                let home = provide(&*cluster, service, context, yard)?;
                Ok(Self::Postgres { cluster, home })
            }
            Some(Program::Recipe(Recipe::MariaDb)) => {
                let cluster = Box::new(mariadb::Cluster::of(service, context.compose)?);
                let home = provide(&*cluster, service, context, yard)?;
                Ok(Self::MariaDb { cluster, home })
            }
            Some(Program::Recipe(recipe)) => {
                let (found, home) = (program::of_recipe(recipe, service)?, home(service, yard)?);
                create_private(&home, None)?;
                Ok(Self::Server { recipe, found, home })
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
            Some(Program::Command(argv)) => {
                let first = argv.first().ok_or_else(|| program::missing(&service.name, "the empty command"))?;
                // A path is one of the workspace, a name is looked for on PATH.
                let path = if first.contains('/') { directory.join(first).into_string() } else { first.clone() };
                Ok(Self::Command { program: program::command(service, &path)?, argv, directory })
            }
            None => Err(program::missing(&service.name, "a native program")),
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
        let port = |recipe: Recipe| ports.get(&service.port_of(recipe)).copied().unwrap_or(recipe.port());
        let (argv, environment, directory) = match self {
            Self::Postgres { cluster, home } => {
                let argv = cluster.argv(service, &home.join("data"), home, port(Recipe::Postgres));
                (argv, cluster.environment.clone(), home)
            }
            Self::MariaDb { cluster, home } => {
                (cluster.argv(service, home, port(Recipe::MariaDb)), cluster.environment.clone(), home)
            }
            Self::Server { recipe, found, home } => {
                let (argv, environment) = server(*recipe, found, home, (service, context, ports, port(*recipe)))?;
                (argv, environment, home)
            }
            Self::Binary { program, directory } => {
                let (arguments, environment) = context.invocation(service, &own)?;
                ([vec![program.to_string()], arguments].concat(), environment, directory)
            }
            Self::Command { program, directory, .. } => {
                let (mut argv, environment) = context.invocation(service, &own)?;
                argv.iter_mut().take(1).for_each(|first| *first = program.to_string());
                (argv, environment, directory)
            }
        };
        let (account, death_signal) = match self {
            Self::Postgres { cluster, .. } => (cluster.account, Signal::QUIT),
            Self::MariaDb { cluster, .. } => (cluster.account, Signal::KILL),
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
            (Self::MariaDb { cluster, .. }, Some(port)) => cluster.client_environment(*port),
            _ => own.clone(),
        }
    }

    /// How the service is stopped.
    pub(super) fn stop_kind(&self) -> StopKind {
        if matches!(self, Self::Postgres { .. }) { StopKind::Postgres } else { StopKind::Plain }
    }

    /// How long the service may take to stop where the file does not say.
    pub(super) fn grace(&self) -> Duration {
        // An Erlang node takes itself apart before it ends.
        if matches!(self, Self::Server { recipe: Recipe::RabbitMq, .. }) { Duration::from_secs(10) } else { GRACE }
    }

    /// What is run, for people.
    pub(super) fn program(&self) -> String {
        match self {
            Self::Postgres { cluster, .. } => cluster.found.program.to_string(),
            Self::MariaDb { cluster, .. } => cluster.found.program.to_string(),
            Self::Server { found, .. } => found.program.to_string(),
            Self::Binary { program, .. } => program.to_string(),
            Self::Command { program, argv, .. } => [&[program.to_string()][..], &argv[1..]].concat().join(" "),
        }
    }

    /// The version of a server that says one, else which file its program is. One of the workspace is told by its sources.
    pub(super) fn version(&self) -> Option<String> {
        let (program, said) = match self {
            Self::Binary { .. } => return None,
            Self::Command { program, .. } => (program, None),
            Self::Postgres { cluster, .. } => (&cluster.found.program, cluster.found.said()),
            Self::MariaDb { cluster, .. } => (&cluster.found.program, cluster.found.said()),
            Self::Server { found, .. } => (&found.program, found.said()),
        };
        said.or_else(|| program::file(program))
    }

    /// What is to be said about it beside its process.
    pub(super) fn remark(&self, service: &Service) -> String {
        let skew = self.found().and_then(|found| program::version_skew(service, found));
        skew.map_or_else(String::new, |skew| format!("; {skew}"))
    }

    fn found(&self) -> Option<&Found> {
        match self {
            Self::Postgres { cluster, .. } => Some(&cluster.found),
            Self::MariaDb { cluster, .. } => Some(&cluster.found),
            Self::Server { found, .. } => Some(found),
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

/// The directory of a database server with a fresh data directory in it.
fn provide(
    origin: &dyn Origin,
    service: &Service,
    context: &StartContext<'_>,
    yard: &Yard<'_>,
) -> Result<Utf8PathBuf, EnvError> {
    let home = home(service, yard)?;
    create_private(&home, origin.account())?;
    let state = (yard.state)()?;
    let Yard { launcher, interrupt, run, .. } = *yard;
    let workshop = Workshop { run, service: &service.name, launcher, interrupt, state: &state, log: context.log };
    template::provide(origin, &workshop, &home.join("data"))?;
    Ok(home)
}

type Asked<'a> = (&'a Service, &'a StartContext<'a>, &'a BTreeMap<u16, u16>, u16);

/// The command line and the variables of a server that has nothing but its directory.
fn server(
    recipe: Recipe,
    found: &Found,
    home: &Utf8Path,
    (service, context, ports, port): Asked<'_>,
) -> Result<(Vec<String>, BTreeMap<String, String>), EnvError> {
    let argv = match recipe {
        Recipe::Nats => nats::argv(found, service, home, port, ports),
        Recipe::Nginx => nginx::launch(found, service, context.compose, home, ports, context.endpoints)?,
        Recipe::RabbitMq => {
            return rabbitmq::launch(found, service, home, port, ports)
                .map_err(EnvError::io("write the settings of a node in", home));
        }
        Recipe::Redis | Recipe::Valkey | Recipe::Postgres | Recipe::MariaDb => {
            redis::argv(found, service, redis::server_name(recipe), home, port)
        }
    };
    Ok((argv, own_variables(service)))
}

/// Everything of the service that can't be honoured as a process of this machine.
pub(super) fn unsupported(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let mut problems = match service.native_program() {
        Some(Program::Recipe(recipe)) => unsupported_of_image(recipe, compose, service),
        Some(Program::Binary(_) | Program::Command(_)) => limits::unsupported_of_program(compose, service),
        None => {
            let image = service.image.as_ref().map_or("its image", |image| image.value.as_str());
            let message = format!("service `{}` has no native form: nothing is known about `{image}`", service.name);
            let hint = "say what runs natively: `x-tollgate: {recipe: ...}`, `{binary: ...}` or `{command: [...]}`";
            vec![compose.problem(service.at, message, Some(hint.to_owned()))]
        }
    };
    problems.extend(limits::unsupported_ports(compose, service));
    problems.extend(container_only(compose, service));
    problems
}

/// What a recipe can't do of what its image does.
fn unsupported_of_image(recipe: Recipe, compose: &Compose, service: &Service) -> Vec<FileProblem> {
    match recipe {
        Recipe::Postgres => postgres::unsupported(compose, service),
        Recipe::Redis | Recipe::Valkey => redis::unsupported(compose, service, redis::server_name(recipe)),
        Recipe::Nats => nats::unsupported(compose, service),
        Recipe::RabbitMq => rabbitmq::unsupported(compose, service),
        Recipe::MariaDb => mariadb::unsupported(compose, service),
        Recipe::Nginx => nginx::unsupported(compose, service),
    }
}
