//! The compose file as data: the keys that are understood, each with its place where a message may need it.

use super::node::{Entry, Node, Place};
use crate::FileProblem;
use camino::Utf8PathBuf;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tollgate_model::ServiceName;

/// The network of services that name none.
pub(super) const DEFAULT_NETWORK: &str = "default";

/// A compose file that was read and understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Compose {
    /// The file, as it was named.
    pub file: Utf8PathBuf,
    /// Directory that relative paths in it start from.
    pub directory: Utf8PathBuf,
    /// Its services.
    pub services: BTreeMap<ServiceName, Service>,
    /// Names of its volumes.
    pub volumes: BTreeSet<String>,
    /// The whole file after merge keys, before variables.
    pub(crate) source: Node,
    /// The same with variables.
    pub(crate) filled: Node,
    /// The variables it was read with.
    pub(crate) variables: BTreeMap<String, String>,
    /// Variables of the file `.env` and of every `env_file`.
    pub(crate) file_variables: Vec<(String, String)>,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sited<T> {
    /// The value.
    pub value: T,
    /// Where it is.
    pub at: Place,
}

/// When a dependency is good enough for its dependent to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Once it was started.
    Started,
    /// Once it is ready.
    Healthy,
    /// Once it has run to its end with success.
    CompletedSuccessfully,
}

/// A dependency on another service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// When it is good enough.
    pub condition: Condition,
    /// Whether it must exist in the file; an absent optional one is passed over.
    pub required: bool,
    /// Where it is asked for.
    pub at: Place,
}

/// A container's health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthcheck {
    /// Command that says whether the service is healthy, as an argument list; a shell line is `["sh", "-c", line]`.
    pub test: Vec<String>,
    /// How long one check may take.
    pub timeout: Duration,
    /// Where it is.
    pub at: Place,
}

/// A port in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Port in the container.
    pub target: u16,
    /// Whether it is UDP.
    pub udp: bool,
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Host path or volume name; absent for an anonymous volume.
    pub source: Option<String>,
    /// Path in the container.
    pub target: String,
    /// Whether it can't be written.
    pub read_only: bool,
    /// Where it is.
    pub at: Place,
}

impl Mount {
    /// Whether it shows a path of the host, not a volume.
    pub fn is_bind(&self) -> bool {
        self.source.as_deref().is_some_and(|source| source.starts_with(['.', '/', '~']))
    }
}

/// A service that can be made without a container by knowing its program. Its name is that of the official image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipe {
    /// A PostgreSQL server with a private data directory.
    Postgres,
    /// A Redis server without persistence.
    Redis,
    /// A Valkey server without persistence.
    Valkey,
    /// A NATS server.
    Nats,
    /// A RabbitMQ node of its own.
    RabbitMq,
    /// A MariaDB server with a private data directory.
    MariaDb,
    /// nginx with the configuration that the file mounts, as a reverse proxy of other services.
    Nginx,
}

impl Recipe {
    /// Every recipe.
    pub const ALL: [Self; 7] =
        [Self::Postgres, Self::Redis, Self::Valkey, Self::Nats, Self::RabbitMq, Self::MariaDb, Self::Nginx];

    /// The recipe's name in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::Nats => "nats",
            Self::RabbitMq => "rabbitmq",
            Self::MariaDb => "mariadb",
            Self::Nginx => "nginx",
        }
    }

    /// The port the server is known for.
    pub fn port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Redis | Self::Valkey => 6379,
            Self::Nats => 4222,
            Self::RabbitMq => 5672,
            Self::MariaDb => 3306,
            Self::Nginx => 80,
        }
    }
}

/// What runs where there is no container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A known server.
    Recipe(Recipe),
    /// A binary of the workspace, by name.
    Binary(String),
    /// A command of this machine.
    Command(Vec<String>),
}

/// A language in which a server that is ready answers at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `PING` is answered; Redis and Valkey.
    Redis,
    /// The server greets with `INFO`.
    Nats,
    /// AMQP 0-9-1: a protocol header is answered by `connection.start`.
    Amqp,
    /// The server greets with its handshake; MariaDB and MySQL.
    MySql,
    /// Any HTTP status: a proxy is ready, whatever it has behind itself.
    AnyHttp,
}

impl Protocol {
    /// Every protocol that the file can name.
    pub const NAMED: [Self; 4] = [Self::Redis, Self::Nats, Self::Amqp, Self::MySql];

    /// Its name in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Amqp => "amqp",
            Self::MySql => "mysql",
            Self::AnyHttp => "http",
        }
    }

    /// The port it is usually spoken on.
    pub fn port(self) -> u16 {
        match self {
            Self::Redis => Recipe::Redis.port(),
            Self::Nats => Recipe::Nats.port(),
            Self::Amqp => Recipe::RabbitMq.port(),
            Self::MySql => Recipe::MariaDb.port(),
            Self::AnyHttp => Recipe::Nginx.port(),
        }
    }
}

/// How one sees that a service is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// `GET path` answers 200.
    Http {
        /// The path.
        path: String,
        /// Container port.
        port: u16,
    },
    /// The port accepts a connection and does not close it at once.
    Tcp {
        /// Container port.
        port: u16,
    },
    /// A PostgreSQL server accepts connections.
    Postgres {
        /// Container port.
        port: u16,
        /// Role to ask for.
        user: String,
        /// Database to ask for.
        database: String,
    },
    /// A server speaks first, or answers, as one of its kind does.
    Speaks {
        /// The language.
        protocol: Protocol,
        /// Container port.
        port: u16,
    },
    /// A command inside the service's environment exits with 0.
    Command {
        /// The command.
        argv: Vec<String>,
        /// How long it may take.
        timeout: Duration,
    },
    /// The service itself ends with this exit code.
    Exit {
        /// The exit code.
        code: i32,
    },
    /// It runs; more can't be said.
    Running,
}

/// How a service is asked to stop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stop {
    /// Signal by name: `SIGINT`.
    pub signal: Option<String>,
    /// How long it may take before it is killed.
    pub grace: Option<Duration>,
}

/// The `x-tollgate` key of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// What runs natively, where that is said.
    pub program: Option<Program>,
    /// Arguments of a binary natively, where they aren't those of the container's command.
    pub arguments: Option<Sited<Vec<String>>>,
    /// Keys of the service that its process can do without.
    pub without: BTreeSet<String>,
    /// Variables that replace those of the file natively.
    pub environment: BTreeMap<String, Sited<String>>,
    /// Container ports the service listens on.
    pub ports: Vec<u16>,
    /// How one sees that it is ready.
    pub ready: Option<Ready>,
    /// How it is asked to stop.
    pub stop: Stop,
    /// Where it is.
    pub at: Place,
}

/// A service of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Where it is.
    pub at: Place,
    /// Its image.
    pub image: Option<Sited<String>>,
    /// Where it asks for a build.
    pub build: Option<Place>,
    /// Replaces the image's command.
    pub command: Option<Sited<Vec<String>>>,
    /// Replaces the image's entry point.
    pub entrypoint: Option<Sited<Vec<String>>>,
    /// Variables, those of `env_file` included.
    pub environment: BTreeMap<String, Sited<String>>,
    /// Ports it publishes, by `ports`.
    pub ports: Vec<Port>,
    /// Ports it has for other services, by `expose`.
    pub expose: Vec<u16>,
    /// Mounts.
    pub volumes: Vec<Mount>,
    /// Its health check.
    pub healthcheck: Option<Healthcheck>,
    /// Services it needs.
    pub depends_on: BTreeMap<ServiceName, Dependency>,
    /// How it is asked to stop, by `stop_signal` and `stop_grace_period`.
    pub stop: Stop,
    /// Its working directory in the container.
    pub working_dir: Option<Sited<String>>,
    /// User in the container.
    pub user: Option<Sited<String>>,
    /// The `x-tollgate` key.
    pub extension: Option<Extension>,
    /// Networks it is in, by `networks`; none named is the file's default one.
    pub networks: Vec<Sited<String>>,
    /// Every key that was given.
    pub(crate) keys: Vec<Entry>,
}

impl Service {
    /// Container ports (TCP) that the service is known to listen on, ascending.
    pub fn tcp_ports(&self) -> Vec<u16> {
        let published = self.ports.iter().filter(|port| !port.udp).map(|port| port.target);
        let said = self.extension.iter().flat_map(|extension| extension.ports.iter().copied());
        let probed = self.extension.iter().filter_map(|extension| extension.ready.as_ref()?.port());
        let known = self.recipe().map(Recipe::port).filter(|_| self.ports.is_empty());
        let all = published.chain(self.expose.iter().copied()).chain(said).chain(probed).chain(known);
        all.collect::<BTreeSet<u16>>().into_iter().collect()
    }

    /// The container port that a recipe's server has: the one it is known for where that is among the service's, else the
    /// service's first.
    pub fn port_of(&self, recipe: Recipe) -> u16 {
        let ports = self.tcp_ports();
        let known = recipe.port();
        if ports.contains(&known) { known } else { ports.first().copied().unwrap_or(known) }
    }

    /// How it is asked to stop: `x-tollgate` before `stop_signal` and `stop_grace_period`.
    pub fn stop(&self) -> Stop {
        let said = self.extension.as_ref().map(|extension| extension.stop.clone()).unwrap_or_default();
        Stop { signal: said.signal.or_else(|| self.stop.signal.clone()), grace: said.grace.or(self.stop.grace) }
    }

    /// Whether containers of both would see each other.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let named = |service: &'_ Self| -> BTreeSet<String> {
            let names = service.networks.iter().map(|network| network.value.clone());
            if service.networks.is_empty() { [DEFAULT_NETWORK.to_owned()].into() } else { names.collect() }
        };
        !named(self).is_disjoint(&named(other))
    }

    /// A variable of the service in its container.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(|value| value.value.as_str())
    }
}

impl Ready {
    /// The container port that it asks.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Http { port, .. } | Self::Tcp { port } | Self::Postgres { port, .. } | Self::Speaks { port, .. } => {
                Some(*port)
            }
            Self::Command { .. } | Self::Exit { .. } | Self::Running => None,
        }
    }
}

impl Compose {
    /// Variables of the file `.env` and of every `env_file`, which often are in no repository; a name may come twice.
    pub fn file_variables(&self) -> &[(String, String)] {
        &self.file_variables
    }

    /// A problem at a place of this file.
    pub fn problem(&self, at: Place, message: impl Into<String>, hint: Option<String>) -> FileProblem {
        FileProblem { file: self.file.clone(), line: at.line, column: at.column, message: message.into(), hint }
    }
}
