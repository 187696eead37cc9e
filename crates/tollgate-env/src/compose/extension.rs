//! The `x-tollgate` key of a service: what runs without a container, and how one sees that it is ready.

use super::keys;
use super::model::{Extension, Program, Protocol, Ready, Recipe, Sited, Stop};
use super::names;
use super::node::{Entry, Node};
use super::reader::Reader;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[rustfmt::skip]
const KEYS: [&str; 10] = [
    "recipe", "binary", "arguments", "command", "environment", "port", "ports", "ready", "stop", "without",
];
const READY_KEYS: [&str; 9] = ["http", "tcp", "postgres", "redis", "nats", "amqp", "mysql", "command", "exit"];
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// What the rest of the service says that the extension falls back to.
pub(super) struct Around<'a> {
    /// Variables of the service in its container.
    pub(super) environment: &'a BTreeMap<String, Sited<String>>,
    /// First port the service publishes or exposes.
    pub(super) port: Option<u16>,
}

/// Reads `x-tollgate`.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node, around: &Around<'_>) -> Extension {
    let entries = reader.record(node, "`x-tollgate`", &KEYS);
    let find = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node);
    let mut ports = find("ports").map(|node| ports(reader, node)).unwrap_or_default();
    ports.extend(find("port").and_then(|node| reader.port(node, "`x-tollgate.port`")));
    let around = Around { environment: around.environment, port: ports.first().copied().or(around.port) };
    Extension {
        program: program(reader, entries),
        arguments: find("arguments").map(|node| arguments(reader, node, find("binary").is_some())),
        without: find("without").map(|node| without(reader, node)).unwrap_or_default(),
        environment: find("environment").map(|node| environment(reader, node)).unwrap_or_default(),
        ready: find("ready").and_then(|node| ready(reader, node, &around)),
        stop: find("stop").map(|node| stop(reader, node)).unwrap_or_default(),
        ports,
        at: node.at,
    }
}

fn program(reader: &mut Reader<'_>, entries: &[Entry]) -> Option<Program> {
    let given: Vec<&Entry> =
        entries.iter().filter(|entry| ["recipe", "binary", "command"].contains(&entry.key.as_str())).collect();
    if let [first, second, ..] = given[..] {
        let message = format!("`x-tollgate` has both `{}` and `{}`; a service is one of them", first.key, second.key);
        reader.problem(second.at, message, None);
    }
    let entry = given.first()?;
    match entry.key.as_str() {
        "recipe" => recipe(reader, &entry.node).map(Program::Recipe),
        "binary" => reader.text(&entry.node, "`x-tollgate.binary`").map(Program::Binary),
        _ => Some(Program::Command(reader.argv(&entry.node, "`x-tollgate.command`"))),
    }
}

fn arguments(reader: &mut Reader<'_>, node: &Node, binary: bool) -> Sited<Vec<String>> {
    if !binary {
        reader.problem(node.at, "`x-tollgate.arguments` are those of a `binary`, and none is named", None);
    }
    Sited { value: reader.argv(node, "`x-tollgate.arguments`"), at: node.at }
}

fn without(reader: &mut Reader<'_>, node: &Node) -> BTreeSet<String> {
    let known: Vec<&str> = keys::dispensable().collect();
    let mut without = BTreeSet::new();
    for item in reader.list(node, "`x-tollgate.without`") {
        let Some(key) = reader.text(item, "`x-tollgate.without`") else { continue };
        if !known.contains(&key.as_str()) {
            let message = format!("`{key}` is no key that only a container has");
            reader.problem(item.at, message, Some(names::offer(&key, &known)));
        }
        without.insert(key);
    }
    without
}

fn recipe(reader: &mut Reader<'_>, node: &Node) -> Option<Recipe> {
    let name = reader.text(node, "`x-tollgate.recipe`")?;
    let found = Recipe::ALL.into_iter().find(|recipe| recipe.as_str() == name);
    if found.is_none() {
        let message = format!("there is no recipe `{name}`");
        reader.problem(node.at, message, Some(names::offer(&name, &Recipe::ALL.map(Recipe::as_str))));
    }
    found
}

fn environment(reader: &mut Reader<'_>, node: &Node) -> BTreeMap<String, Sited<String>> {
    let entries = reader.map(node, "`x-tollgate.environment`");
    let read = |entry: &Entry| {
        let value = reader.text(&entry.node, &format!("`x-tollgate.environment.{}`", entry.key))?;
        Some((entry.key.clone(), Sited { value, at: entry.node.at }))
    };
    entries.iter().filter_map(read).collect()
}

fn ports(reader: &mut Reader<'_>, node: &Node) -> Vec<u16> {
    let items = reader.list(node, "`x-tollgate.ports`");
    items.iter().filter_map(|item| reader.port(item, "`x-tollgate.ports`")).collect()
}

fn stop(reader: &mut Reader<'_>, node: &Node) -> Stop {
    reader.record(node, "`x-tollgate.stop`", &["signal", "grace"]);
    Stop {
        signal: node.get("signal").and_then(|node| reader.signal(node, "`x-tollgate.stop.signal`")),
        grace: node.get("grace").and_then(|node| reader.duration(node, "`x-tollgate.stop.grace`")),
    }
}

fn ready(reader: &mut Reader<'_>, node: &Node, around: &Around<'_>) -> Option<Ready> {
    let all: Vec<&str> = READY_KEYS.iter().copied().chain(["port", "timeout"]).collect();
    let entries = reader.record(node, "`x-tollgate.ready`", &all);
    let given: Vec<&Entry> = entries.iter().filter(|entry| READY_KEYS.contains(&entry.key.as_str())).collect();
    let [entry] = given[..] else {
        let message = format!("`x-tollgate.ready` needs exactly one way to see it, and has {}", given.len());
        reader.problem(node.at, message, Some(names::offer("", &READY_KEYS)));
        return None;
    };
    let port = match node.get("port") {
        Some(port) => reader.port(port, "`x-tollgate.ready.port`"),
        None => around.port,
    };
    match entry.key.as_str() {
        "http" => Some(Ready::Http { path: path(reader, &entry.node)?, port: needed(reader, entry, port)? }),
        "tcp" => reader.port(&entry.node, "`x-tollgate.ready.tcp`").map(|port| Ready::Tcp { port }),
        "postgres" => Some(postgres(reader, &entry.node, port, around)),
        "command" => {
            let timeout = node.get("timeout").and_then(|node| reader.duration(node, "`x-tollgate.ready.timeout`"));
            let argv = reader.argv(&entry.node, "`x-tollgate.ready.command`");
            Some(Ready::Command { argv, timeout: timeout.unwrap_or(COMMAND_TIMEOUT) })
        }
        "exit" => exit(reader, &entry.node),
        name => speaks(reader, &entry.node, name, port),
    }
}

fn path(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let path = reader.text(node, "`x-tollgate.ready.http`")?;
    if path.starts_with('/') && !path.contains(char::is_whitespace) {
        return Some(path);
    }
    reader.problem(
        node.at,
        format!("`x-tollgate.ready.http` must be a path that begins with `/`, and is `{path}`"),
        None,
    );
    None
}

fn needed(reader: &mut Reader<'_>, entry: &Entry, port: Option<u16>) -> Option<u16> {
    if port.is_none() {
        let hint = Some("write `ready: { http: /ready, port: 8080 }`".to_owned());
        reader.problem(entry.at, "`x-tollgate.ready` does not say which port, and the service has none", hint);
    }
    port
}

fn postgres(reader: &mut Reader<'_>, node: &Node, port: Option<u16>, around: &Around<'_>) -> Ready {
    reader.record(node, "`x-tollgate.ready.postgres`", &["port", "user", "database"]);
    let variable = |name: &str| around.environment.get(name).map(|value| value.value.clone());
    let mut given = |key: &str| node.get(key).and_then(|node| reader.text(node, "a name"));
    let user = given("user").or_else(|| variable("POSTGRES_USER")).unwrap_or_else(|| "postgres".to_owned());
    let database = given("database").or_else(|| variable("POSTGRES_DB")).unwrap_or_else(|| user.clone());
    let own = node.get("port").and_then(|node| reader.port(node, "`x-tollgate.ready.postgres.port`"));
    Ready::Postgres { port: own.or(port).unwrap_or(Recipe::Postgres.port()), user, database }
}

fn speaks(reader: &mut Reader<'_>, node: &Node, name: &str, port: Option<u16>) -> Option<Ready> {
    let protocol = Protocol::NAMED.into_iter().find(|protocol| protocol.as_str() == name)?;
    let place = format!("`x-tollgate.ready.{name}`");
    reader.record(node, &place, &["port"]);
    let own = node.get("port").and_then(|node| reader.port(node, &format!("`x-tollgate.ready.{name}.port`")));
    Some(Ready::Speaks { protocol, port: own.or(port).unwrap_or(protocol.port()) })
}

fn exit(reader: &mut Reader<'_>, node: &Node) -> Option<Ready> {
    let code = node.scalar().and_then(|text| text.parse::<u8>().ok());
    if code.is_none() {
        reader.problem(node.at, "`x-tollgate.ready.exit` must be an exit code from 0 to 255", None);
    }
    code.map(|code| Ready::Exit { code: code.into() })
}
