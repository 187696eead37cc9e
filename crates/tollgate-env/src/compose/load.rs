//! From a file to a [`Compose`]: everything that is wrong with it at once.

use super::interpolate::interpolate;
use super::keys;
use super::model::{Compose, Condition, DEFAULT_NETWORK, Service};
use super::node::{self, Entry, Node, Value};
use super::reader::Reader;
use super::service::{self, Surroundings};
use super::{Protocol, Ready, Recipe, env_file, names};
use crate::FileProblem;
use camino::{Utf8Path, Utf8PathBuf};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use tollgate_model::ServiceName;

/// Reads a compose file with these variables, and with those of the file `.env` beside it that they don't have, as
/// `docker compose` does.
///
/// # Errors
/// All its problems, in the order of the file.
pub fn load(file: &Utf8Path, variables: &BTreeMap<String, String>) -> Result<Compose, Vec<FileProblem>> {
    let text = fs::read_to_string(file).map_err(|error| {
        let message = format!("can't be read: {error}");
        vec![FileProblem { file: file.to_owned(), line: 0, column: 0, message, hint: None }]
    })?;
    let beside = beside(file)?;
    let all = beside.clone().into_iter().chain(variables.clone()).collect();
    let mut compose = parse(&text, file, &all, &|path| fs::read_to_string(path))?;
    compose.file_variables.extend(beside);
    Ok(compose)
}

/// The variables of the file `.env` beside a compose file; none where there is no such file.
fn beside(file: &Utf8Path) -> Result<BTreeMap<String, String>, Vec<FileProblem>> {
    let path = directory_of(file).join(".env");
    let problem = |line, message| vec![FileProblem { file: path.clone(), line, column: 0, message, hint: None }];
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(problem(0, format!("can't be read: {error}"))),
        Ok(text) => match env_file::parse(&text) {
            Ok(variables) => Ok(variables.into_iter().collect()),
            Err(line) => Err(problem(line, "is not `KEY=value`".to_owned())),
        },
    }
}

/// Reads a compose file's text; `file_text` reads the files it names by `env_file`.
pub(crate) fn parse(
    text: &str,
    file: &Utf8Path,
    variables: &BTreeMap<String, String>,
    file_text: &dyn Fn(&Utf8Path) -> io::Result<String>,
) -> Result<Compose, Vec<FileProblem>> {
    let mut reader = Reader::new(file);
    let source = match node::parse(text) {
        Ok(source) => source,
        Err((at, message)) => {
            reader.problem(at, message, None);
            return Err(reader.into_problems());
        }
    };
    let root = fill(&mut reader, &source, variables);
    keys::check_names(&mut reader, &root);
    keys::refused_of_file(&mut reader, &root);
    let directory = directory_of(file);
    let read = RefCell::new(Vec::new());
    let file_text = |path: &Utf8Path| {
        let text = file_text(path)?;
        read.borrow_mut().extend(env_file::parse(&text).unwrap_or_default());
        Ok(text)
    };
    let surroundings = Surroundings { variables, directory: &directory, file_text: &file_text };
    let services = services(&mut reader, &root, &surroundings);
    let volumes = root.get("volumes").map(Node::entries).unwrap_or_default();
    let volumes = volumes.iter().map(|entry| entry.key.clone()).collect();
    let (file, variables, file_variables) = (file.to_owned(), variables.clone(), read.take());
    let compose = Compose { file, directory, services, volumes, source, filled: root, variables, file_variables };
    check(&mut reader, &compose);
    let problems = reader.into_problems();
    if problems.is_empty() { Ok(compose) } else { Err(problems) }
}

fn directory_of(file: &Utf8Path) -> Utf8PathBuf {
    let parent = file.parent().filter(|parent| !parent.as_str().is_empty());
    parent.map_or_else(|| Utf8PathBuf::from("."), Utf8Path::to_owned)
}

/// Puts variables into every value but those of top-level extensions, which mean nothing by themselves.
pub(super) fn fill(reader: &mut Reader<'_>, root: &Node, variables: &BTreeMap<String, String>) -> Node {
    let entries = root.entries().iter().map(|entry| {
        let extension = entry.key.starts_with("x-");
        let node = if extension { entry.node.clone() } else { filled(reader, &entry.node, variables, false) };
        Entry { node, ..entry.clone() }
    });
    let value = if let Value::Map(_) = root.value { Value::Map(entries.collect()) } else { root.value.clone() };
    Node { value, at: root.at }
}

fn filled(reader: &mut Reader<'_>, node: &Node, variables: &BTreeMap<String, String>, own: bool) -> Node {
    let value = match &node.value {
        Value::Text(text) => {
            // `${port}` of `x-tollgate` is filled in when the port is known
            let result = interpolate(text, variables, &|name| own && name == "port");
            Value::Text(result.unwrap_or_else(|mistakes| {
                for mistake in mistakes {
                    reader.problem(node.at, mistake, None);
                }
                text.clone()
            }))
        }
        Value::List(items) => Value::List(items.iter().map(|item| filled(reader, item, variables, own)).collect()),
        Value::Map(entries) => {
            let entry = |entry: &Entry| {
                let own = own || entry.key == "x-tollgate";
                Entry { node: filled(reader, &entry.node, variables, own), ..entry.clone() }
            };
            Value::Map(entries.iter().map(entry).collect())
        }
        other => other.clone(),
    };
    Node { value, at: node.at }
}

fn services(reader: &mut Reader<'_>, root: &Node, surroundings: &Surroundings<'_>) -> BTreeMap<ServiceName, Service> {
    let Some(node) = root.get("services").filter(|node| !node.entries().is_empty()) else {
        reader.problem(root.at, "the file has no services", None);
        return BTreeMap::new();
    };
    let mut services = BTreeMap::new();
    for entry in node.entries() {
        if let Some(name) = service::service_name(reader, &entry.key, entry.at) {
            services.insert(name.clone(), service::read(reader, name, entry, surroundings));
        }
    }
    services
}

/// What can only be seen with all services at hand.
fn check(reader: &mut Reader<'_>, compose: &Compose) {
    let known: Vec<&str> = compose.services.keys().map(ServiceName::as_str).collect();
    for service in compose.services.values() {
        if service.image.is_none() && service.build.is_none() {
            reader.problem(service.at, format!("service `{}` has neither `image` nor `build`", service.name), None);
        }
        for (name, dependency) in &service.depends_on {
            let Some(needed) = compose.services.get(name) else {
                if dependency.required {
                    let message = format!("service `{}` depends on `{name}`, which isn't in the file", service.name);
                    reader.problem(dependency.at, message, Some(names::offer(name.as_str(), &known)));
                }
                continue;
            };
            if dependency.condition == Condition::Healthy && compose.readiness(needed) == Ready::Running {
                let message =
                    format!("service `{}` waits for `{name}` to be healthy, and nothing says when it is", service.name);
                let hint = format!("give `{name}` a `healthcheck`, or `x-tollgate: {{ ready: ... }}`");
                reader.problem(dependency.at, message, Some(hint));
            }
        }
        let volumes = service.volumes.iter().filter(|mount| !mount.is_bind());
        let volumes = volumes.filter_map(|mount| Some(("volume", "volumes", mount.source.as_deref()?, mount.at)));
        let networks = service.networks.iter().filter(|network| network.value != DEFAULT_NETWORK);
        let networks = networks.map(|network| ("network", "networks", network.value.as_str(), network.at));
        for (kind, key, name, at) in volumes.chain(networks) {
            let defined = compose.filled.get(key).map(Node::entries).unwrap_or_default();
            let known: Vec<&str> = defined.iter().map(|entry| entry.key.as_str()).collect();
            if !known.contains(&name) {
                let message = format!("there is no {kind} `{name}` among the top-level `{key}`");
                reader.problem(at, message, Some(names::offer(name, &known)));
            }
        }
    }
    if let Some(cycle) = compose.cycle() {
        let at = compose.services.get(&cycle[0]).map(|service| service.at).unwrap_or_default();
        let path: Vec<&str> = cycle.iter().chain(cycle.first()).map(ServiceName::as_str).collect();
        reader.problem(at, format!("services depend on each other in a circle: {}", path.join(" -> ")), None);
    }
}

impl Compose {
    /// How one sees that a service is ready: what it says, else what its kind of server answers, else its health check,
    /// else that a port of it is served; a service that others wait for to complete is ready when it has.
    pub fn readiness(&self, service: &Service) -> Ready {
        let said = service.extension.as_ref().and_then(|extension| extension.ready.clone());
        said.unwrap_or_else(|| {
            let awaited = |other: &Service| {
                let dependency = other.depends_on.get(&service.name);
                dependency.is_some_and(|dependency| dependency.condition == Condition::CompletedSuccessfully)
            };
            if self.services.values().any(awaited) { Ready::Exit { code: 0 } } else { service.inferred_readiness() }
        })
    }

    /// The services that these need, directly or not, and themselves; names that aren't in the file are passed over.
    pub fn closure(&self, roots: &[ServiceName]) -> BTreeSet<ServiceName> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&ServiceName> = roots.iter().collect();
        while let Some(name) = open.pop() {
            let Some(service) = self.services.get(name) else { continue };
            if found.insert(name.clone()) {
                open.extend(service.depends_on.keys());
            }
        }
        found
    }

    /// Of these services and all they need, those that are workspace binaries, with the binary's name.
    pub fn workspace_services(&self, roots: &[ServiceName]) -> Vec<(ServiceName, String)> {
        let services = self.ordered(&self.closure(roots)).into_iter();
        let binary = |name: &ServiceName| self.services.get(name)?.workspace_binary().map(str::to_owned);
        services.filter_map(|name| binary(&name).map(|binary| (name, binary))).collect()
    }

    /// Services in an order in which each comes after all it depends on.
    pub fn ordered(&self, services: &BTreeSet<ServiceName>) -> Vec<ServiceName> {
        let mut order: Vec<ServiceName> = Vec::new();
        while order.len() < services.len() {
            let free = |name: &&ServiceName| {
                let needs = self.services.get(*name).map(|service| &service.depends_on);
                !order.contains(name)
                    && needs
                        .is_none_or(|needs| needs.keys().all(|need| !services.contains(need) || order.contains(need)))
            };
            let Some(next) = services.iter().find(free).cloned() else { break };
            order.push(next);
        }
        order
    }

    /// Services that depend on each other in a circle, if there are any.
    fn cycle(&self) -> Option<Vec<ServiceName>> {
        let all: BTreeSet<ServiceName> = self.services.keys().cloned().collect();
        let fine: BTreeSet<ServiceName> = self.ordered(&all).into_iter().collect();
        let mut path: Vec<&ServiceName> = vec![all.difference(&fine).next()?];
        // each service of the rest needs another of the rest, so the walk must come back to where it was
        loop {
            let last = path.last()?;
            let next = self
                .services
                .get(*last)?
                .depends_on
                .keys()
                .find(|need| all.contains(*need) && !fine.contains(*need))?;
            if let Some(start) = path.iter().position(|name| *name == next) {
                return Some(path.split_off(start).into_iter().cloned().collect());
            }
            path.push(next);
        }
    }
}

impl Service {
    fn inferred_readiness(&self) -> Ready {
        let port = self.tcp_ports().first().copied();
        let variable = |name: &str| self.variable(name).map(str::to_owned);
        if let Some(recipe) = self.recipe() {
            let port = self.port_of(recipe);
            let speaks = |protocol| Ready::Speaks { protocol, port };
            return match recipe {
                Recipe::Postgres => {
                    let user = variable("POSTGRES_USER").unwrap_or_else(|| "postgres".to_owned());
                    let database = variable("POSTGRES_DB").unwrap_or_else(|| user.clone());
                    Ready::Postgres { port, user, database }
                }
                Recipe::Redis | Recipe::Valkey => speaks(Protocol::Redis),
                Recipe::Nats => speaks(Protocol::Nats),
                Recipe::RabbitMq => speaks(Protocol::Amqp),
                Recipe::MariaDb => speaks(Protocol::MySql),
                Recipe::Nginx => speaks(Protocol::AnyHttp),
            };
        }
        match (&self.healthcheck, port) {
            (Some(health), _) => Ready::Command { argv: health.test.clone(), timeout: health.timeout },
            (None, Some(port)) => Ready::Tcp { port },
            (None, None) => Ready::Running,
        }
    }
}
