//! The recipes of Redis and Valkey: a server that keeps nothing.

use super::limits;
use super::program::Found;
use crate::FileProblem;
use crate::compose::{Compose, Recipe, Service};
use camino::Utf8Path;

/// Name of Valkey's server in its image.
const VALKEY: &str = "valkey-server";

/// Name of the server in its image.
pub(super) fn server_name(recipe: Recipe) -> &'static str {
    if recipe == Recipe::Valkey { VALKEY } else { "redis-server" }
}

/// Flags of the file's `command` that would put data or the process where the recipe can't clean up.
const OWN_FLAGS: [&str; 7] = ["--port", "--bind", "--save", "--appendonly", "--dir", "--daemonize", "--unixsocket"];

/// The command line of the server; `server` is its name in its image.
pub(super) fn argv(found: &Found, service: &Service, server: &str, directory: &Utf8Path, port: u16) -> Vec<String> {
    let mut argv = vec![found.program.to_string()];
    argv.extend(flags(service, server));
    let port = port.to_string();
    let own = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", directory.as_str()];
    argv.extend(own.map(str::to_owned));
    argv
}

/// Flags of the file's `command`, and for Valkey of the variable of its image, that don't concern place or persistence:
/// `--requirepass`, `--maxmemory`.
fn flags(service: &Service, server: &str) -> Vec<String> {
    let more = limits::words(service.variable("VALKEY_EXTRA_FLAGS").filter(|_| server == VALKEY).unwrap_or_default());
    let mut kept = Vec::new();
    let mut own = false;
    for word in limits::flags(service, server).iter().chain(&more) {
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
pub(super) fn unsupported(compose: &Compose, service: &Service, server: &str) -> Vec<FileProblem> {
    let mut problems = limits::unsupported_mounts(compose, service, "/data");
    problems.extend(limits::unsupported_command(compose, service, server));
    let file = limits::flags(service, server).iter().find(|word| Utf8Path::new(word).extension() == Some("conf"));
    if let (Some(command), Some(file)) = (&service.command, file) {
        let message = format!("service `{}` reads `{file}`, a file of its container", service.name);
        let hint = format!("give its settings as flags: `{server} --maxmemory 64mb`");
        problems.push(compose.problem(command.at, message, Some(hint)));
    }
    problems
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::compose::sample;

    #[test]
    fn valkey_takes_the_flags_of_its_command_and_of_its_variable() {
        let compose = sample(
            "services:\n  v:\n    image: valkey/valkey:8\n    command: [valkey-server, --maxmemory, 1mb, --port, '1']\n    \
             environment: { VALKEY_EXTRA_FLAGS: \"--requirepass 'a b' --dir /x\" }\n",
        );
        let found = Found { program: "/usr/bin/valkey-server".into(), version: "8.0.1".into() };
        let argv = argv(&found, &compose.services["v"], VALKEY, Utf8Path::new("/state"), 7);
        let own = ["--port", "7", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/state"];
        let given = ["/usr/bin/valkey-server", "--maxmemory", "1mb", "--requirepass", "a b"];
        assert_eq!(argv, [&given[..], &own[..]].concat());
    }
}
