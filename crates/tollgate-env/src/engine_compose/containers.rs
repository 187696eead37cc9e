//! What is known of the project's containers: their addresses, and whether they run.

use crate::engine::RunState;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tollgate_exec::signal_name;
use tollgate_model::ServiceName;

/// Variables in which official images say the version of their server.
const VERSIONS: [&str; 8] = [
    "PG_VERSION",
    "REDIS_VERSION",
    "VALKEY_VERSION",
    "NATS_SERVER",
    "RABBITMQ_VERSION",
    "MARIADB_VERSION",
    "MYSQL_VERSION",
    "NGINX_VERSION",
];

/// All containers of a project, by service.
#[derive(Debug, Default)]
pub(super) struct Containers {
    all: Mutex<BTreeMap<ServiceName, Container>>,
}

#[derive(Debug, Clone, Default)]
struct Container {
    ports: BTreeMap<u16, SocketAddr>,
    life: Life,
    /// When it was last started, in nanoseconds since 1970: what ended before does not concern this life.
    since: i128,
    out_of_memory: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Life {
    #[default]
    NotStarted,
    Running,
    /// It is being stopped or was, on request.
    Stopped,
    Exited(Option<i32>),
}

impl Containers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ServiceName, Container>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The container is about to be started.
    pub(super) fn starting(&self, service: &ServiceName, now: i128) {
        let container = Container { life: Life::Running, since: now, ..Container::default() };
        self.lock().insert(service.clone(), container);
    }

    /// The container could not be started.
    pub(super) fn not_started(&self, service: &ServiceName) {
        self.lock().remove(service);
    }

    /// The container is about to be stopped.
    pub(super) fn stopping(&self, service: &ServiceName) {
        if let Some(container) = self.lock().get_mut(service).filter(|container| container.life == Life::Running) {
            container.life = Life::Stopped;
        }
    }

    /// The container's addresses are known.
    pub(super) fn published(&self, service: &ServiceName, ports: BTreeMap<u16, SocketAddr>) {
        if let Some(container) = self.lock().get_mut(service) {
            container.ports = ports;
        }
    }

    /// The container ended at this time.
    pub(super) fn ended(&self, service: &str, code: Option<i32>, at: i128) {
        let mut all = self.lock();
        let container =
            all.get_mut(service).filter(|container| container.life == Life::Running && at >= container.since);
        if let Some(container) = container {
            container.life = Life::Exited(code);
        }
    }

    /// The kernel killed something in the container for want of memory.
    pub(super) fn out_of_memory(&self, service: &str) {
        if let Some(container) = self.lock().get_mut(service) {
            container.out_of_memory = true;
        }
    }

    /// Services whose containers should be running.
    pub(super) fn running(&self) -> Vec<ServiceName> {
        let all = self.lock();
        all.iter().filter(|(_, container)| container.life == Life::Running).map(|(name, _)| name.clone()).collect()
    }

    /// Host address of a container port.
    pub(super) fn endpoint(&self, service: &ServiceName, port: u16) -> Option<SocketAddr> {
        self.lock().get(service)?.ports.get(&port).copied()
    }

    /// Whether a service runs.
    pub(super) fn state(&self, service: &ServiceName) -> RunState {
        match self.lock().get(service) {
            None | Some(Container { life: Life::NotStarted | Life::Stopped, .. }) => RunState::NotStarted,
            Some(Container { life: Life::Running, .. }) => RunState::Running,
            Some(Container { life: Life::Exited(code), out_of_memory, .. }) => {
                RunState::Exited { code: *code, how: how(*code, *out_of_memory) }
            }
        }
    }
}

/// How a container ended, in words. A process that a signal killed makes its container exit with 128 and the signal's
/// number.
fn how(code: Option<i32>, out_of_memory: bool) -> String {
    let ending = match code {
        None => "the container engine does not answer, or has lost it".to_owned(),
        Some(code @ 129..=159) => format!("exit code {code} ({})", signal_name(code - 128)),
        Some(code) => format!("exit code {code}"),
    };
    if out_of_memory { format!("{ending}, out of memory") } else { ending }
}

/// Reads the host addresses out of what `inspect` tells of `.NetworkSettings.Ports`.
pub(super) fn published(json: &str) -> BTreeMap<u16, SocketAddr> {
    let ports: Value = serde_json::from_str(json.trim()).unwrap_or_default();
    let tcp = ports.as_object().into_iter().flatten().filter_map(|(inner, bindings)| {
        let inner = inner.strip_suffix("/tcp")?.parse().ok()?;
        let bindings = bindings.as_array()?;
        bindings.iter().find_map(|binding| Some((inner, address(binding)?)))
    });
    tcp.collect()
}

/// The start of an image's digest, where this is one: Docker writes `sha256:` before it, podman nothing, and some podmans answer
/// with the image's name.
pub(super) fn digest(image: &str) -> Option<&str> {
    let image = image.trim();
    let digest = image.strip_prefix("sha256:").unwrap_or(image);
    digest.get(..12).filter(|_| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Which image ran: the version of what it holds, as official images say it in a variable such as `PG_VERSION`, and the start of
/// its digest, since a tag can mean another image tomorrow, and an image that is made of another has its variables.
pub(super) fn version(digest: Option<&str>, variables: &str) -> Option<String> {
    let variables: Vec<String> = serde_json::from_str(variables.trim()).unwrap_or_default();
    let said = VERSIONS.iter().find_map(|name| {
        let value = variables.iter().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))?;
        (!value.is_empty()).then(|| value.to_owned())
    });
    match (said, digest) {
        (Some(said), Some(digest)) => Some(format!("{said} (image {digest})")),
        (said, digest) => said.or_else(|| digest.map(|digest| format!("image {digest}"))),
    }
}

fn address(binding: &Value) -> Option<SocketAddr> {
    let port = binding.get("HostPort")?.as_str()?.parse().ok().filter(|port: &u16| *port > 0)?;
    let ip: Option<IpAddr> = binding.get("HostIp")?.as_str()?.parse().ok();
    let ip = ip.filter(|ip| !ip.is_unspecified()).unwrap_or(Ipv4Addr::LOCALHOST.into());
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn host_addresses_are_read_from_what_inspect_tells() {
        let json = r#"{"5432/tcp":[{"HostIp":"127.0.0.1","HostPort":"32768"}],"53/udp":[{"HostIp":"","HostPort":"9"}],
            "80/tcp":[{"HostIp":"::","HostPort":"32770"}],"81/tcp":null,"82/tcp":[{"HostIp":"0.0.0.0","HostPort":"0"}]}"#;
        let found: Vec<String> = published(json).iter().map(|(inner, outer)| format!("{inner}={outer}")).collect();
        assert_eq!(found, ["80=127.0.0.1:32770", "5432=127.0.0.1:32768"]);
        assert_eq!(published("null"), BTreeMap::new());
    }

    #[test]
    fn an_image_says_its_version_and_is_named_by_its_digest() {
        let (image, says) = (Some("5ce117fde3c6"), r#"["PATH=/bin","PG_MAJOR=15","PG_VERSION=15.8-1"]"#);
        assert_eq!(version(image, says).as_deref(), Some("15.8-1 (image 5ce117fde3c6)"));
        assert_eq!(version(None, says).as_deref(), Some("15.8-1"));
        assert_eq!(version(image, r#"["PATH=/bin"]"#).as_deref(), Some("image 5ce117fde3c6"));
        assert_eq!(version(None, "null"), None);
    }

    #[test]
    fn a_digest_is_one_with_and_without_its_algorithm_and_a_name_is_none() {
        let whole = format!("5ce117fde3c6{}", "aa88874d47b3f".repeat(4));
        assert_eq!(digest(&format!("sha256:{whole}\n")), Some("5ce117fde3c6"));
        assert_eq!(digest(&whole), Some("5ce117fde3c6"), "as podman writes it");
        for name in ["", "docker.io/library/debian:bookworm-slim", "facade", "decafacedecaf", &format!("{whole}0")] {
            assert_eq!(digest(name), None, "{name}");
        }
    }

    #[test]
    fn an_end_counts_only_for_the_life_it_ended() {
        let containers = Containers::default();
        let db = ServiceName::new("db").unwrap();
        assert_eq!(containers.state(&db), RunState::NotStarted);
        containers.starting(&db, 100);
        containers.ended("db", Some(0), 99);
        assert_eq!(containers.state(&db), RunState::Running);
        containers.out_of_memory("db");
        containers.ended("db", Some(137), 101);
        let how = "exit code 137 (SIGKILL), out of memory".to_owned();
        assert_eq!(containers.state(&db), RunState::Exited { code: Some(137), how });
        assert!(containers.running().is_empty());
        containers.starting(&db, 200);
        containers.stopping(&db);
        containers.ended("db", Some(0), 201);
        assert_eq!(containers.state(&db), RunState::NotStarted);
    }

    #[test]
    fn the_end_of_a_container_is_told_in_words() {
        assert_eq!(how(Some(3), false), "exit code 3");
        assert_eq!(how(None, false), "the container engine does not answer, or has lost it");
    }
}
