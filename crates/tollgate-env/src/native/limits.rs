//! What recipes have in common: reading the file's `command` and mounts, and refusing what only a container can do.

use crate::FileProblem;
use crate::compose::{Compose, Mount, Service, missing};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;

/// Words of the file's `command`: those behind the server's name, or all where it begins with a flag.
pub(super) fn flags<'a>(service: &'a Service, server: &str) -> &'a [String] {
    let words = service.command.as_ref().map(|command| command.value.as_slice()).unwrap_or_default();
    let first_is_server = words.first().is_some_and(|word| word == server);
    &words[usize::from(first_is_server)..]
}

/// The variables of a service as the file has them: they are a recipe's settings, so no address in them is replaced.
pub(super) fn own_variables(service: &Service) -> BTreeMap<String, String> {
    let over = service.extension.iter().flat_map(|extension| &extension.environment);
    let all = service.environment.iter().chain(over);
    all.map(|(name, value)| (name.clone(), value.value.clone())).collect()
}

/// The host path that a mount shows.
pub(super) fn source(compose: &Compose, mount: &Mount) -> Utf8PathBuf {
    let source = mount.source.as_deref().unwrap_or_default();
    compose.directory.join(source.strip_prefix("./").unwrap_or(source))
}

/// A problem with a mount, which containers have no trouble with.
pub(super) fn mount_problem(compose: &Compose, mount: &Mount, message: String) -> FileProblem {
    compose.problem(mount.at, message, Some("`--engine compose` honours every mount".to_owned()))
}

/// What a program that is no recipe's does not get of what its container does.
pub(super) fn unsupported_of_program(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let words = service.container_words();
    let program = words.as_ref().and_then(|words| words.value.first()).map(Utf8Path::new);
    // What brings the program into the container is no loss where the program runs from its own place.
    let idle = |mount: &&Mount| mount.is_bind() && program.is_some_and(|program| program.starts_with(&mount.target));
    let mounts = service.volumes.iter().filter(|mount| !idle(mount));
    let mounts = mounts.filter_map(|mount| {
        let what = format!("mounts `{}`, a path that only a container has", mount.target);
        missing(compose, service, "volumes", mount.at, &what)
    });
    let command = service.native_words().err().map(|at| {
        let message =
            format!("the command of service `{}` is not its `x-tollgate.binary` with arguments", service.name);
        let hint = "say the `arguments` in `x-tollgate`, or `without: [command]` for none";
        compose.problem(at, message, Some(hint.to_owned()))
    });
    mounts.chain(command).collect()
}

/// Ports that only the network of containers has.
pub(super) fn unsupported_ports(compose: &Compose, service: &Service) -> Option<FileProblem> {
    let udp = service.ports.iter().find(|port| port.udp)?;
    let at = service.keys.iter().find(|entry| entry.key == "ports").map_or(service.at, |entry| entry.at);
    let what = format!("has the UDP port {} in `ports`, and only TCP ports are mapped", udp.target);
    missing(compose, service, "ports", at, &what)
}

/// Mounts that have no meaning for a server without a container: all but volumes for its data.
pub(super) fn unsupported_mounts(compose: &Compose, service: &Service, data: &str) -> Vec<FileProblem> {
    let idle = service.volumes.iter().filter(|mount| !mount.target.starts_with(data) || mount.is_bind());
    idle.filter_map(|mount| useless_mount(compose, service, mount)).collect()
}

/// A mount that a recipe does not know.
pub(super) fn useless_mount(compose: &Compose, service: &Service, mount: &Mount) -> Option<FileProblem> {
    let what = format!("mounts `{}`, which its native form has no use for", mount.target);
    missing(compose, service, "volumes", mount.at, &what)
}

/// An entry point of the file's own, or a command that is more than flags for the known server.
pub(super) fn unsupported_command(compose: &Compose, service: &Service, server: &str) -> Option<FileProblem> {
    let hint = || Some("say what runs natively in `x-tollgate.command`".to_owned());
    let name = &service.name;
    if let Some(entrypoint) = &service.entrypoint {
        let message = format!("service `{name}` replaces the entry point, which only a container has");
        return Some(compose.problem(entrypoint.at, message, hint()));
    }
    let command = service.command.as_ref()?;
    let first = command.value.first()?;
    let known = first == server || first.starts_with('-');
    let message =
        || format!("the command of service `{name}` is not `{server}` with flags: `{}`", command.value.join(" "));
    (!known).then(|| compose.problem(command.at, message(), hint()))
}

/// A word of the command that a recipe can't honour.
pub(super) fn unsupported_flag(compose: &Compose, service: &Service, word: &str, hint: &str) -> Option<FileProblem> {
    let command = service.command.as_ref()?;
    let message = format!("service `{}` has the flag `{word}`, which its native form can't honour", service.name);
    Some(compose.problem(command.at, message, Some(hint.to_owned())))
}

/// Variables of the image that name a file of the container instead of a value.
pub(super) fn unsupported_files(compose: &Compose, service: &Service, prefixes: &[&str]) -> Vec<FileProblem> {
    let of_image = |key: &str| prefixes.iter().any(|prefix| key.starts_with(prefix)) && key.ends_with("_FILE");
    let named = service.environment.iter().filter(|(key, _)| of_image(key));
    let problem = |(key, value): (&String, &crate::compose::Sited<String>)| {
        let message = format!("service `{}` reads `{key}`, a file of its container", service.name);
        let plain = key.trim_end_matches("_FILE");
        compose.problem(value.at, message, Some(format!("set `{plain}` in `x-tollgate.environment`")))
    };
    named.map(problem).collect()
}

/// Variables of the image that a recipe knows and can't honour.
pub(super) fn unsupported_variables(
    compose: &Compose,
    service: &Service,
    refused: impl Fn(&str) -> bool,
) -> Vec<FileProblem> {
    let named = service.environment.iter().filter(|(key, _)| refused(key));
    let problem = |(key, value): (&String, &crate::compose::Sited<String>)| {
        let message = format!("service `{}` sets `{key}`, which its native form can't honour", service.name);
        compose.problem(value.at, message, Some("`--engine compose` honours every variable of the image".to_owned()))
    };
    named.map(problem).collect()
}

/// Splits arguments at white space, with single and double quotes.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The files that the file mounts below a directory of the container: the name below it, and the path here. In order.
pub(super) fn mounted_below(
    compose: &Compose,
    service: &Service,
    directory: &str,
) -> std::io::Result<Vec<(String, Utf8PathBuf)>> {
    let mut found = Vec::new();
    for mount in service.volumes.iter().filter(|mount| mount.is_bind()) {
        let Some(below) = Utf8Path::new(&mount.target).strip_prefix(directory).ok() else { continue };
        let source = source(compose, mount);
        if source.is_dir() {
            for entry in source.read_dir_utf8()? {
                let entry = entry?;
                found.push((below.join(entry.file_name()).into_string(), entry.path().to_owned()));
            }
        } else {
            found.push((below.as_str().to_owned(), source));
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::compose::sample;

    #[test]
    fn arguments_are_split_as_a_shell_does() {
        assert_eq!(
            words("--data-checksums  -E 'SQL ASCII' --x=\"a'b\" ''"),
            ["--data-checksums", "-E", "SQL ASCII", "--x=a'b", ""]
        );
        assert_eq!(words("  "), [""; 0]);
    }

    #[test]
    fn what_its_container_gives_a_program_is_refused_where_it_is_asked_for() {
        let file = "services:\n  app:\n    image: x\n    command: [/opt/bin/APP, -v]\n    ports: ['53:53/udp', '80']\n    volumes: \
            ['./bin:/opt/bin:ro', './conf:/etc/app', '/data']\n    x-tollgate: { binary: app, without: [WITHOUT] }\n";
        let problems = |command: &str, without: &str| -> Vec<String> {
            let compose = sample(&file.replace("APP", command).replace("WITHOUT", without));
            let problems = crate::native::recipe::unsupported(&compose, &compose.services["app"]);
            problems.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            problems("run", ""),
            [
                "compose.yaml:6:36: service `app` mounts `/etc/app`, a path that only a container has",
                "compose.yaml:6:55: service `app` mounts `/data`, a path that only a container has",
                "compose.yaml:4:14: the command of service `app` is not its `x-tollgate.binary` with arguments",
                "compose.yaml:5:5: service `app` has the UDP port 53 in `ports`, and only TCP ports are mapped",
            ]
        );
        assert_eq!(problems("app", "ports, volumes"), [""; 0]);
    }
}
