//! The Redis recipe: a server that keeps nothing.

use super::postgres::unsupported_command;
use super::program::Found;
use crate::FileProblem;
use crate::compose::{Compose, Service};
use camino::Utf8Path;

/// Flags of the file's `command` that would put data or the process where the recipe can't clean up.
const OWN_FLAGS: [&str; 7] = ["--port", "--bind", "--save", "--appendonly", "--dir", "--daemonize", "--unixsocket"];

/// The command line of the server.
pub(super) fn argv(found: &Found, service: &Service, directory: &Utf8Path, port: u16) -> Vec<String> {
    let mut argv = vec![found.program.to_string()];
    argv.extend(flags(service));
    let port = port.to_string();
    let own = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", directory.as_str()];
    argv.extend(own.map(str::to_owned));
    argv
}

/// Flags of the file's `command` that don't concern place or persistence: `--requirepass`, `--maxmemory`.
fn flags(service: &Service) -> Vec<String> {
    let words = service.command.as_ref().map(|command| command.value.as_slice()).unwrap_or_default();
    let first_is_server = words.first().is_some_and(|word| word == "redis-server");
    let mut kept = Vec::new();
    let mut own = false;
    for word in words.iter().skip(usize::from(first_is_server)) {
        if word.starts_with("--") {
            own = OWN_FLAGS.contains(&word.as_str());
        }
        if !own {
            kept.push(word.clone());
        }
    }
    kept
}

/// What a process of this machine can't do of what the file asks of the image.
pub(super) fn unsupported(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let mut problems = Vec::new();
    for mount in service.volumes.iter().filter(|mount| mount.target != "/data" || mount.is_bind()) {
        let message =
            format!("service `{}` mounts `{}`, which its native form has no use for", service.name, mount.target);
        problems.push(compose.problem(mount.at, message, Some("`--engine compose` honours every mount".to_owned())));
    }
    problems.extend(unsupported_command(compose, service, "redis-server"));
    let words = service.command.as_ref().map(|command| command.value.as_slice()).unwrap_or_default();
    if let (Some(command), Some(file)) =
        (&service.command, words.iter().skip(1).find(|word| Utf8Path::new(word).extension() == Some("conf")))
    {
        let message = format!("service `{}` reads `{file}`, a file of its container", service.name);
        let hint = "give its settings as flags: `redis-server --maxmemory 64mb`".to_owned();
        problems.push(compose.problem(command.at, message, Some(hint)));
    }
    problems
}
