//! Every key of the Compose specification, and what becomes of it: nothing of a file is passed over in silence.
//!
//! A container gets whatever its engine knows. A process of this machine has no namespaces, no image and no limits, so a
//! key is honoured, or has no meaning without a container, or is refused; `x-tollgate.without` is the file's own word
//! that a service can do without it.

use super::model::{Compose, DEFAULT_NETWORK, Service, Sited};
use super::node::{Entry, Node, Value};
use super::reader::Reader;
use crate::FileProblem;
use std::fmt::Write as _;

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// Both engines honour it.
    Honoured,
    /// Neither engine needs it, for this reason.
    Replaced(&'static str),
    /// Containers get it; for a process of this machine it has no meaning, for this reason.
    Idle(&'static str),
    /// As [`Treatment::Idle`] for the server of a recipe, and as [`Treatment::Container`] for other processes.
    IdleInRecipe(&'static str),
    /// Containers get it, or the engine's own error; a process of this machine can't have it.
    Container,
    /// No engine has it in a test run; what to do instead.
    Refused(&'static str),
}

use Treatment::{Container, Honoured, Idle, IdleInRecipe, Refused, Replaced};

/// Keys in groups: what becomes of them, and their names.
type Keys = &'static [(Treatment, &'static str)];

const NO_IMAGE: &str = "what runs is what `x-tollgate` or the recipe says; no image is made or pulled";
const NO_NETWORK: &str = "there is no network; addresses are replaced by real ones";
const NO_WORTH: &str = "it describes a container and changes nothing in it";
const RUNS_NAMES: &str = "networks and volumes have names of the run; a name is honoured beside `external`";
const ONE: &str = "every service runs once: write a second service";

/// Keys of the file.
const FILE: Keys = &[
    (Honoured, "networks services volumes"),
    (Replaced("every run has a name of its own"), "name"),
    (Replaced("Compose itself ignores it"), "version"),
    (Idle("it means something where a service names it"), "configs secrets"),
    (Refused("write the services of that file into this one"), "include"),
    (Refused("start it outside of the environment and name its address in a variable"), "models"),
];

/// Keys of a service.
pub(super) const SERVICE: Keys = &[
    (
        Honoured,
        "command depends_on deploy entrypoint env_file environment expose healthcheck image networks ports \
         stop_grace_period stop_signal volumes",
    ),
    (Idle(NO_IMAGE), "build platform pull_policy pull_refresh_after"),
    (Idle(NO_WORTH), "annotations label_file labels"),
    (Replaced("containers have names of the run"), "container_name"),
    (Idle("output goes to the service's log, which is kept with the run"), "attach logging"),
    (Idle("only `docker compose watch` reads it"), "develop"),
    (Idle("a service is not the first process of its machine, and what it leaves is collected"), "init"),
    (Replaced("tiers name the services that are up"), "profiles"),
    (Replaced("nothing is restarted in a test run: a service that dies ends it"), "restart"),
    (Idle("it enlarges what is small in a container; a process has the machine's shared memory"), "shm_size"),
    (
        IdleInRecipe("the server has a user, a name and a directory in memory of its own"),
        "domainname hostname tmpfs user",
    ),
    (
        Container,
        "blkio_config cap_add cap_drop cgroup cgroup_parent configs cpu_count cpu_percent cpu_period cpu_quota \
         cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec device_cgroup_rules devices dns dns_opt \
         dns_search extra_hosts gpus group_add ipc isolation mac_address mem_limit mem_reservation mem_swappiness \
         memswap_limit oom_kill_disable oom_score_adj pid pids_limit privileged read_only runtime secrets security_opt \
         stdin_open storage_opt sysctls tty ulimits use_api_socket userns_mode uts working_dir",
    ),
    (Refused("share keys by an anchor and `<<`"), "extends"),
    (Refused("put the service into this file"), "external_links"),
    (Refused("name the service in `depends_on` and use its own name as the host"), "links"),
    (Refused("start it outside of the environment and name its address in a variable"), "models provider"),
    (Refused("remove it: it ties the service to something outside of the run"), "network_mode"),
    (
        Refused("make it a service of its own that others wait for by `service_completed_successfully`"),
        "post_start pre_start pre_stop",
    ),
    (Refused(ONE), "scale"),
    (Refused("name the volume in both services"), "volumes_from"),
];

/// Keys of a service's `deploy`.
const DEPLOY: Keys = &[
    (Idle("only a swarm reads it"), "endpoint_mode labels mode placement restart_policy rollback_config update_config"),
    (Container, "resources"),
    (Refused(ONE), "replicas"),
];

/// Keys of one of a service's `networks`.
const NETWORK_OF_SERVICE: Keys = &[
    (Idle(NO_NETWORK), "gw_priority interface_name priority"),
    (Container, "aliases driver_opts ipv4_address ipv6_address link_local_ips mac_address"),
];

/// Keys of one of the file's `networks`.
const NETWORK: Keys = &[
    (Idle(NO_NETWORK), "attachable driver driver_opts enable_ipv4 enable_ipv6 ipam"),
    (Idle(NO_WORTH), "labels"),
    (Replaced(RUNS_NAMES), "name"),
    (Container, "external internal"),
];

/// Keys of one of the file's `volumes`.
const VOLUME: Keys =
    &[(Idle(NO_WORTH), "labels"), (Replaced(RUNS_NAMES), "name"), (Container, "driver driver_opts external")];

/// Keys at places that only containers read, for finding slips.
const INSIDE: &[(&str, &str)] = &[
    (
        "build",
        "additional_contexts args cache_from cache_to context dockerfile dockerfile_inline entitlements extra_hosts \
         isolation labels network no_cache no_cache_filter platforms privileged provenance pull sbom secrets shm_size ssh \
         tags target ulimits",
    ),
    ("logging", "driver options"),
    ("develop", "watch"),
    ("volumes", "bind consistency image read_only source target tmpfs type volume"),
    ("configs", "gid mode source target uid"),
    ("secrets", "gid mode source target uid"),
    ("secret", "driver driver_opts environment external file labels name template_driver"),
    ("config", "content environment external file labels name template_driver"),
];

/// The names of all keys at a place.
pub(super) fn known(place: &str) -> Option<Vec<&'static str>> {
    let keys = match place {
        "file" => FILE,
        "service" => SERVICE,
        "deploy" => DEPLOY,
        "network of service" => NETWORK_OF_SERVICE,
        "network" => NETWORK,
        "volume" => VOLUME,
        _ => {
            let (_, names) = INSIDE.iter().find(|(name, _)| *name == place)?;
            return Some(names.split(' ').collect());
        }
    };
    Some(names_of(keys.iter()).collect())
}

fn names_of<'k>(keys: impl Iterator<Item = &'k (Treatment, &'static str)>) -> impl Iterator<Item = &'static str> {
    keys.flat_map(|(_, names)| names.split(' '))
}

fn treatment(keys: Keys, name: &str) -> Option<Treatment> {
    keys.iter().find(|(_, names)| names.split(' ').any(|one| one == name)).map(|(treatment, _)| *treatment)
}

/// Keys that a service can say it does without natively: those that only containers have, and those that only in part
/// are for them.
pub(super) fn dispensable() -> impl Iterator<Item = &'static str> {
    let whole = SERVICE.iter().filter(|(treatment, _)| matches!(treatment, Container | IdleInRecipe(_)));
    ["command", "deploy", "entrypoint", "networks", "ports", "volumes"].into_iter().chain(names_of(whole))
}

/// Reports keys that the specification doesn't have, at every place of the file that isn't read for its own sake.
pub(super) fn check_names(reader: &mut Reader<'_>, root: &Node) {
    check(reader, root, "a compose file", "file");
    for (key, place) in [("networks", "network"), ("volumes", "volume"), ("secrets", "secret"), ("configs", "config")] {
        for entry in root.get(key).map(Node::entries).unwrap_or_default() {
            check(reader, &entry.node, &format!("`{key}.{}`", entry.key), place);
        }
    }
    for service in root.get("services").map(Node::entries).unwrap_or_default() {
        for key in ["build", "deploy", "logging", "develop", "volumes", "configs", "secrets"] {
            let Some(node) = service.node.get(key) else { continue };
            let items =
                if let Value::List(items) = &node.value { items.as_slice() } else { std::slice::from_ref(node) };
            for item in items.iter().filter(|item| matches!(item.value, Value::Map(_))) {
                check(reader, item, &format!("`{key}`"), key);
            }
        }
        for network in service.node.get("networks").map(Node::entries).unwrap_or_default() {
            check(reader, &network.node, &format!("`networks.{}`", network.key), "network of service");
        }
    }
}

fn check(reader: &mut Reader<'_>, node: &Node, what: &str, place: &str) {
    reader.record(node, what, &known(place).unwrap_or_default());
}

/// What of the file itself no engine has.
pub(super) fn refused_of_file(reader: &mut Reader<'_>, root: &Node) {
    for entry in root.entries().iter().filter(|entry| asks(entry)) {
        if let Some(Refused(remedy)) = treatment(FILE, &entry.key) {
            reader.problem(
                entry.at,
                format!("the file has `{}`, which a test run can't have", entry.key),
                Some(remedy.into()),
            );
        }
    }
}

/// What of a service no engine has.
pub(crate) fn refused(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let problem = |(path, entry, treatment): Asked<'_>| {
        let Refused(remedy) = treatment else { return None };
        let message = format!("service `{}` sets `{path}`, which a test run can't have", service.name);
        Some(compose.problem(entry.at, message, Some(remedy.to_owned())))
    };
    asked(service).into_iter().filter_map(problem).collect()
}

/// What of a service only a container has, and the file does not let it do without.
pub(crate) fn container_only(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let recipe = service.recipe().is_some();
    let missed = |treatment| treatment == Container || matches!(treatment, IdleInRecipe(_)) && !recipe;
    let own = asked(service).into_iter().filter(|(.., treatment)| missed(*treatment)).filter_map(|(path, entry, _)| {
        let what = format!("sets `{path}`, which only a container has");
        missing(compose, service, path.split('.').next().unwrap_or_default(), entry.at, &what)
    });
    own.chain(outside(compose, service)).collect()
}

/// A problem with a key that only a container has, unless the service is to do without it.
pub(crate) fn missing(
    compose: &Compose,
    service: &Service,
    key: &str,
    at: super::Place,
    what: &str,
) -> Option<FileProblem> {
    let hint = || format!("`x-tollgate: {{ without: [{key}] }}` lets it run without, `--engine compose` honours it");
    let problem = || compose.problem(at, format!("service `{}` {what}", service.name), Some(hint()));
    (!service.does_without(key)).then(problem)
}

/// Networks and volumes of a service that are more than this run's own. A service that names no network is in the default one.
fn outside(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let default = [Sited { value: DEFAULT_NETWORK.to_owned(), at: service.at }];
    let named = if service.networks.is_empty() { &default[..] } else { &service.networks };
    let networks = named.iter().map(|network| ("networks", network.value.as_str(), network.at, NETWORK));
    let volumes = service.volumes.iter().filter(|mount| !mount.is_bind());
    let volumes = volumes.filter_map(|mount| Some(("volumes", mount.source.as_deref()?, mount.at, VOLUME)));
    let mut problems = Vec::new();
    for (key, name, at, keys) in networks.chain(volumes) {
        let Some(definition) = compose.filled.get(key).and_then(|all| all.get(name)) else { continue };
        let said =
            definition.entries().iter().filter(|entry| asks(entry) && treatment(keys, &entry.key) == Some(Container));
        for entry in said {
            let what = format!("has `{name}` of `{key}`, whose `{}` only a container has", entry.key);
            problems.extend(missing(compose, service, key, at, &what));
        }
    }
    problems
}

/// A key that asks for something: its path in the service, the key itself, what becomes of it.
type Asked<'a> = (String, &'a Entry, Treatment);

/// All keys of a service that ask for something, those inside of others too.
fn asked(service: &Service) -> Vec<Asked<'_>> {
    let mut found = Vec::new();
    for entry in service.keys.iter().filter(|entry| asks(entry)) {
        found.extend(treatment(SERVICE, &entry.key).map(|treatment| (entry.key.clone(), entry, treatment)));
        let (inner, keys): (Vec<&Entry>, Keys) = match entry.key.as_str() {
            "deploy" => (entry.node.entries().iter().collect(), DEPLOY),
            "networks" => {
                (entry.node.entries().iter().flat_map(|network| network.node.entries()).collect(), NETWORK_OF_SERVICE)
            }
            _ => continue,
        };
        for inner in inner.into_iter().filter(|inner| asks(inner)) {
            let path = format!("{}.{}", entry.key, inner.key);
            found.extend(treatment(keys, &inner.key).map(|treatment| (path, inner, treatment)));
        }
    }
    found
}

/// Whether a key asks for anything: `tty: false`, `scale: 1` and `secrets: []` say what is so anyway.
fn asks(entry: &Entry) -> bool {
    match &entry.node.value {
        Value::Null | Value::Bool(false) => false,
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
        Value::Number(one) | Value::Text(one) if one == "1" => !matches!(entry.key.as_str(), "scale" | "replicas"),
        Value::Text(text) => {
            !matches!((entry.key.as_str(), text.as_str()), (_, "" | "false") | ("driver", "local" | "bridge"))
        }
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// The page of the documentation about the keys of a compose file.
pub fn key_reference() -> String {
    let mut page = String::from(HEAD);
    for (title, keys) in [
        ("The file", FILE),
        ("A service", SERVICE),
        ("`deploy` of a service", DEPLOY),
        ("One of the `networks` of a service", NETWORK_OF_SERVICE),
        ("One of the file's `networks`", NETWORK),
        ("One of the file's `volumes`", VOLUME),
    ] {
        // Writing into a string can't fail.
        let _ =
            writeln!(page, "\n## {title}\n\n| keys | in a container | as a process of this machine |\n|---|---|---|");
        for (treatment, names) in keys {
            let names: Vec<String> = names.split(' ').map(|name| format!("`{name}`")).collect();
            let (container, process) = match treatment {
                Honoured => ("honoured".to_owned(), "honoured".to_owned()),
                Replaced(reason) => (format!("no meaning: {reason}"), "the same".to_owned()),
                Idle(reason) => ("honoured".to_owned(), format!("no meaning: {reason}")),
                IdleInRecipe(reason) => ("honoured".to_owned(), format!("an error; in a recipe no meaning: {reason}")),
                Container => ("honoured".to_owned(), "an error".to_owned()),
                Refused(remedy) => ("an error".to_owned(), format!("an error; {remedy}")),
            };
            let _ = writeln!(page, "| {} | {container} | {process} |", names.join(", "));
        }
    }
    page
}

const HEAD: &str = "\
<!-- Generated from crates/tollgate-env/src/compose/keys.rs; `TOLLGATE_BLESS=1 cargo test -p tollgate-cli --test \
integration` writes it anew. -->

# Keys of the compose file

What becomes of every key of the Compose specification. An error names the service, the key and its line, and comes before
anything is started. `x-tollgate: { without: [mem_limit, volumes] }` says that a service can do without what only a container has; it means nothing
to containers. A key that asks for nothing (`tty: false`, `scale: 1`, an empty list) is never an error.

In a test run host ports are free ones, on both engines, and health is probed by tollgate as soon as a service runs: `interval`, `retries` and
`start_*` of a `healthcheck` only matter to `docker compose up`.
";
