//! A service of the compose file: its keys, in all the forms compose allows.

use super::extension::{self, Around};
use super::keys;
use super::model::{Condition, Dependency, Healthcheck, Mount, Port, Service, Sited, Stop};
use super::names;
use super::node::{Entry, Node, Value};
use super::reader::Reader;
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::time::Duration;
use tollgate_model::ServiceName;

const HEALTH_KEYS: [&str; 7] = ["test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"];
const HEALTH_TIMEOUT: Duration = Duration::from_secs(30);

/// What a service is read with.
pub(super) struct Surroundings<'a> {
    /// Variables of the caller.
    pub(super) variables: &'a BTreeMap<String, String>,
    /// Directory that relative paths start from.
    pub(super) directory: &'a Utf8Path,
    /// Text of a file.
    pub(super) file_text: &'a dyn Fn(&Utf8Path) -> std::io::Result<String>,
}

/// Reads a service.
pub(super) fn read(
    reader: &mut Reader<'_>,
    name: ServiceName,
    entry: &Entry,
    surroundings: &Surroundings<'_>,
) -> Service {
    let node = &entry.node;
    let known = keys::known("service").unwrap_or_default();
    let entries = reader.record(node, &format!("service `{name}`"), &known);
    refuse_unknown_extension(reader, entries);
    let environment = environment(reader, node, surroundings);
    let ports = node.get("ports").map(|node| ports(reader, node)).unwrap_or_default();
    let expose = node.get("expose").map(|node| expose(reader, node)).unwrap_or_default();
    let around = Around {
        environment: &environment,
        port: ports.iter().map(|port| port.target).chain(expose.iter().copied()).next(),
    };
    let extension = node.get("x-tollgate").map(|node| extension::read(reader, node, &around));
    Service {
        name,
        at: entry.at,
        image: sited(node, "image", |node| reader.text(node, "`image`")),
        build: node.get("build").map(|node| node.at),
        command: sited(node, "command", |node| Some(reader.argv(node, "`command`"))),
        entrypoint: sited(node, "entrypoint", |node| Some(reader.argv(node, "`entrypoint`"))),
        volumes: node.get("volumes").map(|node| volumes(reader, node)).unwrap_or_default(),
        healthcheck: node.get("healthcheck").and_then(|node| healthcheck(reader, node)),
        depends_on: node.get("depends_on").map(|node| depends_on(reader, node)).unwrap_or_default(),
        stop: Stop {
            signal: node.get("stop_signal").and_then(|node| reader.signal(node, "`stop_signal`")),
            grace: node.get("stop_grace_period").and_then(|node| reader.duration(node, "`stop_grace_period`")),
        },
        working_dir: sited(node, "working_dir", |node| reader.text(node, "`working_dir`")),
        user: sited(node, "user", |node| reader.text(node, "`user`")),
        networks: node.get("networks").map(|node| networks(reader, node)).unwrap_or_default(),
        keys: entries.to_vec(),
        environment,
        ports,
        expose,
        extension,
    }
}

fn sited<T>(node: &Node, key: &str, read: impl FnOnce(&Node) -> Option<T>) -> Option<Sited<T>> {
    let node = node.get(key).filter(|node| node.value != Value::Null)?;
    Some(Sited { value: read(node)?, at: node.at })
}

/// A slip in `x-tollgate` itself would otherwise be an extension of somebody else's.
fn refuse_unknown_extension(reader: &mut Reader<'_>, entries: &[Entry]) {
    for entry in entries.iter().filter(|entry| entry.key.starts_with("x-") && entry.key != "x-tollgate") {
        if names::nearest(&entry.key, ["x-tollgate"]).is_some() {
            reader.problem(
                entry.at,
                format!("unknown key `{}`", entry.key),
                Some("did you mean `x-tollgate`?".to_owned()),
            );
        }
    }
}

fn environment(
    reader: &mut Reader<'_>,
    node: &Node,
    surroundings: &Surroundings<'_>,
) -> BTreeMap<String, Sited<String>> {
    let mut result = BTreeMap::new();
    if let Some(files) = node.get("env_file") {
        let single = std::slice::from_ref(files);
        let files = if let Value::List(items) = &files.value { items } else { single };
        for file in files {
            result.extend(env_file(reader, file, surroundings));
        }
    }
    let Some(node) = node.get("environment") else { return result };
    for (key, value, at) in pairs(reader, node) {
        // a key without a value passes the caller's on
        match value.or_else(|| surroundings.variables.get(&key).cloned()) {
            Some(value) => result.insert(key, Sited { value, at }),
            None => result.remove(&key),
        };
    }
    result
}

fn pairs(reader: &mut Reader<'_>, node: &Node) -> Vec<(String, Option<String>, super::Place)> {
    if let Value::List(items) = &node.value {
        let texts = items.iter().filter_map(|item| Some((reader.text(item, "`environment`")?, item.at)));
        let split = |(text, at): (String, super::Place)| match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned()), at),
            None => (text, None, at),
        };
        return texts.map(split).collect();
    }
    let entries = reader.map(node, "`environment`");
    let read = |entry: &Entry| {
        let value = match entry.node.value {
            Value::Null => None,
            _ => reader.text(&entry.node, &format!("`environment.{}`", entry.key)),
        };
        (entry.key.clone(), value, if entry.node.value == Value::Null { entry.at } else { entry.node.at })
    };
    entries.iter().map(read).collect()
}

fn env_file(reader: &mut Reader<'_>, node: &Node, surroundings: &Surroundings<'_>) -> Vec<(String, Sited<String>)> {
    if let Value::Map(_) = node.value {
        reader.record(node, "`env_file`", &["path", "required"]);
    }
    let required = node.get("required").is_none_or(|node| reader.boolean(node, "`env_file.required`"));
    let Some(path) = reader.text(node.get("path").unwrap_or(node), "`env_file`") else { return Vec::new() };
    let text = match (surroundings.file_text)(&surroundings.directory.join(&path)) {
        Ok(text) => text,
        Err(_) if !required => return Vec::new(),
        Err(error) => {
            reader.problem(node.at, format!("can't read `{path}`: {error}"), None);
            return Vec::new();
        }
    };
    match super::env_file::parse(&text) {
        Ok(variables) => variables.into_iter().map(|(key, value)| (key, Sited { value, at: node.at })).collect(),
        Err(line) => {
            reader.problem(node.at, format!("line {line} of `{path}` isn't `KEY=value`"), None);
            Vec::new()
        }
    }
}

fn ports(reader: &mut Reader<'_>, node: &Node) -> Vec<Port> {
    let items = reader.list(node, "`ports`");
    items.iter().filter_map(|item| port(reader, item)).collect()
}

fn port(reader: &mut Reader<'_>, node: &Node) -> Option<Port> {
    if let Value::Map(_) = node.value {
        reader.record(node, "`ports`", &["target", "published", "host_ip", "protocol", "mode", "name", "app_protocol"]);
        let udp = node.get("protocol").and_then(Node::scalar).as_deref() == Some("udp");
        let target = node.get("target");
        if target.is_none() {
            reader.problem(node.at, "a port needs its `target`", None);
        }
        return Some(Port { target: reader.port(target?, "`ports.target`")?, udp });
    }
    let text = reader.text(node, "`ports`")?;
    let (address, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let target = address.rsplit(':').next().unwrap_or(address);
    match target.parse() {
        Ok(target) if target > 0 => Some(Port { target, udp: protocol == "udp" }),
        _ => {
            let hint = Some("host ports are chosen by the engine: write `\"127.0.0.1::5432\"`".to_owned());
            reader.problem(node.at, format!("`{text}` isn't a single port"), hint);
            None
        }
    }
}

fn expose(reader: &mut Reader<'_>, node: &Node) -> Vec<u16> {
    let items = reader.list(node, "`expose`");
    items.iter().filter_map(|item| reader.port(item, "`expose`")).collect()
}

fn volumes(reader: &mut Reader<'_>, node: &Node) -> Vec<Mount> {
    let items = reader.list(node, "`volumes`");
    items.iter().filter_map(|item| mount(reader, item)).collect()
}

fn mount(reader: &mut Reader<'_>, node: &Node) -> Option<Mount> {
    if let Value::Map(_) = node.value {
        let target = node.get("target").and_then(Node::scalar);
        if target.is_none() {
            reader.problem(node.at, "a mount needs its `target`", None);
        }
        let source = node.get("source").and_then(Node::scalar);
        let read_only = node.get("read_only").is_some_and(|node| reader.boolean(node, "`volumes.read_only`"));
        return Some(Mount { source, target: target?, read_only, at: node.at });
    }
    let text = reader.text(node, "`volumes`")?;
    let parts: Vec<&str> = text.split(':').collect();
    let mount = |source: Option<&str>, target: &str, mode: &str| Mount {
        source: source.map(str::to_owned),
        target: target.to_owned(),
        read_only: mode.split(',').any(|option| option == "ro"),
        at: node.at,
    };
    match parts[..] {
        [target] => Some(mount(None, target, "")),
        [source, target] => Some(mount(Some(source), target, "")),
        [source, target, mode] => Some(mount(Some(source), target, mode)),
        _ => {
            reader.problem(node.at, format!("`{text}` isn't `SOURCE:TARGET[:MODE]`"), None);
            None
        }
    }
}

/// Names of networks: a list of them, or a map with settings of each.
fn networks(reader: &mut Reader<'_>, node: &Node) -> Vec<Sited<String>> {
    if let Value::List(items) = &node.value {
        let name = |item: &Node| Some(Sited { value: reader.text(item, "`networks`")?, at: item.at });
        return items.iter().filter_map(name).collect();
    }
    let entries = reader.map(node, "`networks`").iter();
    entries.map(|entry| Sited { value: entry.key.clone(), at: entry.at }).collect()
}

fn healthcheck(reader: &mut Reader<'_>, node: &Node) -> Option<Healthcheck> {
    reader.record(node, "`healthcheck`", &HEALTH_KEYS);
    for key in ["interval", "start_period", "start_interval"] {
        node.get(key).map(|node| reader.duration(node, &format!("`healthcheck.{key}`")));
    }
    let timeout = node.get("timeout").and_then(|node| reader.duration(node, "`healthcheck.timeout`"));
    if node.get("disable").is_some_and(|node| reader.boolean(node, "`healthcheck.disable`")) {
        return None;
    }
    let test = node.get("test")?;
    let mut argv = if let Value::Text(line) = &test.value {
        vec!["CMD-SHELL".to_owned(), line.clone()]
    } else {
        reader.texts(test, "`healthcheck.test`")
    };
    let test_at = test.at;
    match argv.first().map(String::as_str) {
        Some("NONE") => return None,
        Some("CMD") if argv.len() > 1 => drop(argv.remove(0)),
        Some("CMD-SHELL") if argv.len() == 2 => argv.splice(..1, ["sh".to_owned(), "-c".to_owned()]).for_each(drop),
        _ => {
            let hint = Some("write `[\"CMD\", \"program\", ...]`, `[\"CMD-SHELL\", \"line\"]` or a line".to_owned());
            reader.problem(test_at, "`healthcheck.test` must begin with `CMD`, `CMD-SHELL` or `NONE`", hint);
            return None;
        }
    }
    Some(Healthcheck { test: argv, timeout: timeout.unwrap_or(HEALTH_TIMEOUT), at: node.at })
}

fn depends_on(reader: &mut Reader<'_>, node: &Node) -> BTreeMap<ServiceName, Dependency> {
    if let Value::List(items) = &node.value {
        let started = |item: &Node| {
            let name = service_name(reader, &item.scalar()?, item.at)?;
            Some((name, Dependency { condition: Condition::Started, required: true, at: item.at }))
        };
        return items.iter().filter_map(started).collect();
    }
    let entries = reader.map(node, "`depends_on`");
    entries.iter().filter_map(|entry| dependency(reader, entry)).collect()
}

fn dependency(reader: &mut Reader<'_>, entry: &Entry) -> Option<(ServiceName, Dependency)> {
    const CONDITIONS: [(&str, Condition); 3] = [
        ("service_started", Condition::Started),
        ("service_healthy", Condition::Healthy),
        ("service_completed_successfully", Condition::CompletedSuccessfully),
    ];
    let name = service_name(reader, &entry.key, entry.at)?;
    reader.record(&entry.node, &format!("`depends_on.{name}`"), &["condition", "restart", "required"]);
    let required = entry.node.get("required").is_none_or(|node| reader.boolean(node, "`depends_on.required`"));
    let mut condition = Condition::Started;
    if let Some(node) = entry.node.get("condition") {
        let text = reader.text(node, "`condition`")?;
        if let Some((_, found)) = CONDITIONS.iter().find(|(name, _)| *name == text) {
            condition = *found;
        } else {
            let hint = names::offer(&text, &CONDITIONS.map(|(name, _)| name));
            reader.problem(node.at, format!("there is no condition `{text}`"), Some(hint));
        }
    }
    Some((name, Dependency { condition, required, at: entry.at }))
}

/// A service's name, or the problem with it.
pub(super) fn service_name(reader: &mut Reader<'_>, name: &str, at: super::Place) -> Option<ServiceName> {
    ServiceName::new(name).map_err(|error| reader.problem(at, error.to_string(), None)).ok()
}
