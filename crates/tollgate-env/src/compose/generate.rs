//! The file that is handed to the compose command: the same services under the rules of a test run.
//!
//! Nothing restarts, nothing has a fixed name or host port, health is seen by tollgate's own probes, and an
//! instrumented workspace service can write its profile. The file is complete and has its variables filled in, so that
//! what the command understands is what was checked.

use super::load::fill;
use super::model::{Compose, Service};
use super::reader::Reader;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Variables, and mounts (`host:container`).
pub(crate) type Extra = (Vec<(String, String)>, Vec<String>);

/// What makes a generated file differ from its source.
pub(crate) struct Generated<'a> {
    /// Variables that are known only now.
    pub(crate) variables: BTreeMap<String, String>,
    /// The run, for a label on every container.
    pub(crate) run: &'a str,
    /// Name of a service's container.
    pub(crate) container: &'a dyn Fn(&Service) -> String,
    /// Variables and mounts (`host:container`) that a service gets besides its own.
    pub(crate) extra: &'a dyn Fn(&Service) -> Extra,
}

/// Makes the file, as JSON, which is YAML too.
pub(crate) fn generate(compose: &Compose, changes: &Generated<'_>) -> Value {
    let mut variables = compose.variables.clone();
    variables.extend(changes.variables.clone());
    // the same text was read without problems before; variables were only added since
    let root = fill(&mut Reader::new(&compose.file), &compose.source, &variables).json();
    let mut file = Map::new();
    for key in ["networks", "volumes", "secrets", "configs"] {
        file.extend(root.get(key).map(|value| (key.to_owned(), without_names(value))));
    }
    let services = compose.services.values().filter_map(|service| {
        let given = root.get("services")?.get(service.name.as_str())?.as_object()?;
        Some((service.name.to_string(), self::service(given.clone(), service, changes)))
    });
    file.insert("services".to_owned(), services.collect::<Map<_, _>>().into());
    escaped(file.into())
}

/// Drops the names that would tie networks and volumes to something outside of this run.
fn without_names(value: &Value) -> Value {
    let Some(entries) = value.as_object() else { return value.clone() };
    let plain = entries.iter().map(|(key, value)| {
        let mut value = value.clone();
        if let Some(fields) = value.as_object_mut().filter(|fields| !fields.contains_key("external")) {
            fields.remove("name");
        }
        (key.clone(), value)
    });
    plain.collect::<Map<_, _>>().into()
}

fn service(mut keys: Map<String, Value>, service: &Service, changes: &Generated<'_>) -> Value {
    keys.retain(|key, _| !key.starts_with("x-"));
    for key in ["depends_on", "env_file", "profiles", "links", "scale"] {
        keys.remove(key);
    }
    keys.insert("container_name".to_owned(), (changes.container)(service).into());
    let (variables, mounts) = (changes.extra)(service);
    let own = service.environment.iter().map(|(key, value)| (key.clone(), value.value.clone()));
    let environment: Map<String, Value> = own.chain(variables).map(|(key, value)| (key, value.into())).collect();
    keys.insert("environment".to_owned(), environment.into());
    keys.insert("restart".to_owned(), "no".into());
    keys.insert("healthcheck".to_owned(), json!({ "disable": true }));
    keys.insert("ports".to_owned(), ports(service));
    if service.workspace_binary().is_some() {
        // As the first process of its container a program does not end at SIGTERM unless it handles it, and every teardown
        // would wait for its grace. Images of others may have an init of their own, which must be the first.
        keys.entry("init").or_insert(true.into());
    }
    if !mounts.is_empty() {
        let volumes = keys.entry("volumes").or_insert_with(|| json!([]));
        volumes.as_array_mut().into_iter().for_each(|list| list.extend(mounts.iter().cloned().map(Value::from)));
    }
    let labels = keys.entry("labels").or_insert_with(|| json!({}));
    match labels {
        Value::Array(list) => list.push(format!("tollgate.run={}", changes.run).into()),
        Value::Object(map) => drop(map.insert("tollgate.run".to_owned(), changes.run.into())),
        _ => {}
    }
    keys.into()
}

/// Every port on an address and a host port of the engine's choice.
fn ports(service: &Service) -> Value {
    let port = |target: u16, protocol: &str| json!({ "target": target, "host_ip": "127.0.0.1", "protocol": protocol });
    let udp = service.ports.iter().filter(|port| port.udp).map(|udp| port(udp.target, "udp"));
    service.tcp_ports().into_iter().map(|target| port(target, "tcp")).chain(udp).collect()
}

/// Doubles every `$`, since the command replaces variables again.
fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) => text.replace('$', "$$").into(),
        Value::Array(items) => items.into_iter().map(escaped).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, escaped(value))).collect(),
        other => other,
    }
}
