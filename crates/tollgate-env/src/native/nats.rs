//! The NATS recipe: a server whose streams live as long as the run.

use super::limits;
use super::program::Found;
use crate::FileProblem;
use crate::compose::{Compose, Service};
use camino::Utf8Path;
use std::collections::BTreeMap;

/// Flags with a value that say where it listens or writes; those of the recipe stand in their place.
const PLACE: [&str; 11] = ["p", "port", "a", "addr", "net", "sd", "store_dir", "P", "pid", "l", "log"];

/// Flags that say at which port it can be watched over HTTP.
const MONITOR: [&str; 2] = ["m", "http_port"];

/// Flags that need other nodes, files of the container, or ports that nobody maps.
const REFUSED: [&str; 15] = [
    "c",
    "config",
    "cluster",
    "cluster_listen",
    "cluster_advertise",
    "cluster_name",
    "routes",
    "ms",
    "https_port",
    "profile",
    "ports_file_dir",
    "sl",
    "signal",
    "tlscert",
    "tlskey",
];

/// A flag of the command, in one of the forms of Go: `-m 8222`, `--m 8222`, `-m=8222`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag<'a> {
    /// It is the recipe's.
    Place,
    /// The port of the monitor in the container.
    Monitor(Option<u16>),
    /// It can't be honoured.
    Refused(&'a str),
    /// Words that are handed on.
    Kept(&'a str),
}

/// The command line of the server, whose ports of the container are at these of the host.
pub(super) fn argv(
    found: &Found,
    service: &Service,
    directory: &Utf8Path,
    port: u16,
    ports: &BTreeMap<u16, u16>,
) -> Vec<String> {
    let mut argv = vec![found.program.to_string()];
    for flag in read(limits::flags(service, "nats-server")) {
        match flag {
            Flag::Kept(word) => argv.push(word.to_owned()),
            Flag::Monitor(inner) => {
                let outer = inner.and_then(|inner| ports.get(&inner));
                argv.extend(outer.iter().flat_map(|outer| ["-m".to_owned(), outer.to_string()]));
            }
            Flag::Place | Flag::Refused(_) => {}
        }
    }
    argv.extend(["-a", "127.0.0.1", "-p", &port.to_string(), "-sd", directory.as_str()].map(str::to_owned));
    argv
}

fn read(words: &[String]) -> Vec<Flag<'_>> {
    let mut flags = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let bare = word.trim_start_matches('-');
        let (name, inside) = bare.split_once('=').map_or((bare, None), |(name, value)| (name, Some(value)));
        let mut value = || inside.or_else(|| words.next().map(String::as_str));
        flags.push(match name {
            _ if !word.starts_with('-') => Flag::Kept(word),
            name if PLACE.contains(&name) => {
                value();
                Flag::Place
            }
            name if MONITOR.contains(&name) => Flag::Monitor(value().and_then(|port| port.parse().ok())),
            name if REFUSED.contains(&name) => Flag::Refused(word),
            _ => Flag::Kept(word),
        });
    }
    flags
}

/// What a process of this machine can't do of what the file asks of the image.
pub(super) fn unsupported(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let mut problems = limits::unsupported_mounts(compose, service, "/data");
    problems.extend(limits::unsupported_command(compose, service, "nats-server"));
    let ports = service.tcp_ports();
    for flag in read(limits::flags(service, "nats-server")) {
        problems.extend(match flag {
            Flag::Refused(word) => {
                limits::unsupported_flag(compose, service, word, "a single server is set up by its other flags")
            }
            Flag::Monitor(inner) if !inner.is_some_and(|inner| ports.contains(&inner)) => {
                let port = inner.map_or_else(|| "its port".to_owned(), |inner| inner.to_string());
                limits::unsupported_flag(compose, service, "-m", &format!("add {port} to `ports` or `expose`"))
            }
            _ => None,
        });
    }
    problems
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::compose::sample;

    fn file(command: &str) -> Compose {
        sample(&format!(
            "services:\n  bus:\n    image: nats:2.9\n    command: {command}\n    ports: ['4222', '8222']\n"
        ))
    }

    #[test]
    fn its_places_are_the_recipes_and_its_ports_are_mapped() {
        let compose = file("'-js -m 8222 --port=4222 --store_dir /data --user a --pass p'");
        let found = Found { program: "/usr/sbin/nats-server".into(), version: "2.9.10".into() };
        let ports = BTreeMap::from([(4222, 1), (8222, 2)]);
        let argv = argv(&found, &compose.services["bus"], Utf8Path::new("/state"), 1, &ports);
        let given = ["/usr/sbin/nats-server", "-js", "-m", "2", "--user", "a", "--pass", "p"];
        assert_eq!(argv, [&given[..], &["-a", "127.0.0.1", "-p", "1", "-sd", "/state"]].concat());
    }

    #[test]
    fn what_needs_a_file_or_another_node_is_refused() {
        let check = |command: &str| {
            let compose = file(command);
            let problems = unsupported(&compose, &compose.services["bus"]);
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(check("[nats-server, -js]"), "");
        assert_eq!(
            check("[--cluster=nats://0:6222, -c, nats.conf, -m, '9']"),
            "compose.yaml:4:14: service `bus` has the flag `--cluster=nats://0:6222`, which its native form can't honour\n\
             compose.yaml:4:14: service `bus` has the flag `-c`, which its native form can't honour\n\
             compose.yaml:4:14: service `bus` has the flag `-m`, which its native form can't honour"
        );
    }
}
