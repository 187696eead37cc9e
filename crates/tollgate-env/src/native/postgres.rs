//! The PostgreSQL recipe: what the official image makes of its variables and mounts, as a process of this machine.

use super::launch::Account;
use super::program::{self, Found};
use crate::compose::{Compose, Mount, Service};
use crate::{EnvError, FileProblem};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::fs;

/// Where the official image looks for scripts that it runs once, on an empty data directory.
const INIT_DIRECTORY: &str = "/docker-entrypoint-initdb.d";

/// Where the official image keeps its data.
const DATA_DIRECTORY: &str = "/var/lib/postgresql";

/// Longest path of a unix socket that the kernel takes.
const SOCKET_PATH_MAX: usize = 107;

/// Settings of a server whose data nobody will ever want back.
const THROWAWAY: [&str; 7] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    // In files of the data directory: POSIX shared memory would stay behind when the server is killed.
    "dynamic_shared_memory_type=mmap",
    "max_connections=200",
    // As in the official image, whatever the zone of this machine.
    "timezone=UTC",
    "log_timezone=UTC",
];

/// What a server is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cluster {
    pub(super) found: Found,
    pub(super) account: Option<Account>,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: String,
    /// How connections over TCP prove who they are: `scram-sha-256`.
    pub(super) auth_method: String,
    /// More arguments of `initdb`.
    pub(super) initdb_args: Vec<String>,
    /// Scripts to run once, in order: name and path.
    pub(super) scripts: Vec<(String, Utf8PathBuf)>,
    /// All variables of the service; scripts see them.
    pub(super) environment: BTreeMap<String, String>,
}

impl Cluster {
    /// Reads the variables and mounts of a service the way the official image does.
    pub(super) fn of(
        service: &Service,
        compose: &Compose,
        environment: BTreeMap<String, String>,
    ) -> Result<Self, EnvError> {
        let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
        let user = variable("POSTGRES_USER").unwrap_or_else(|| "postgres".to_owned());
        Ok(Self {
            found: program::postgres(service)?,
            account: Account::unprivileged(),
            password: variable("POSTGRES_PASSWORD"),
            database: variable("POSTGRES_DB").unwrap_or_else(|| user.clone()),
            auth_method: variable("POSTGRES_HOST_AUTH_METHOD").unwrap_or_else(|| "scram-sha-256".to_owned()),
            initdb_args: words(&variable("POSTGRES_INITDB_ARGS").unwrap_or_default()),
            scripts: scripts(service, compose)?,
            user,
            environment,
        })
    }

    /// The command line of the server.
    pub(super) fn argv(&self, service: &Service, data: &Utf8Path, sockets: &Utf8Path, port: u16) -> Vec<String> {
        let mut argv = vec![self.found.program.to_string(), "-D".to_owned(), data.to_string()];
        let mut set = |setting: String| argv.extend(["-c".to_owned(), setting]);
        for setting in THROWAWAY {
            set(setting.to_owned());
        }
        argv.extend(flags(service));
        // Last, since the last one counts: where it listens is not the file's choice here.
        let mut set = |setting: String| argv.extend(["-c".to_owned(), setting]);
        set("listen_addresses=127.0.0.1".to_owned());
        set(format!("port={port}"));
        set(format!("unix_socket_directories={}", socket_directory(sockets, port)));
        argv
    }

    /// Variables for client programs that run beside the server: health checks, scripts.
    pub(super) fn client_environment(&self, host: &str, port: u16) -> BTreeMap<String, String> {
        let mut environment = self.environment.clone();
        let path = std::env::var("PATH").unwrap_or_default();
        environment.insert("PATH".to_owned(), format!("{}:{path}", self.found.directory()));
        environment.insert("PGHOST".to_owned(), host.to_owned());
        environment.insert("PGPORT".to_owned(), port.to_string());
        environment
    }
}

/// The directory of the unix socket; none where its path would be too long.
fn socket_directory(directory: &Utf8Path, port: u16) -> &str {
    let path = format!("{directory}/.s.PGSQL.{port}");
    if path.len() > SOCKET_PATH_MAX { "" } else { directory.as_str() }
}

/// Flags of the file's `command`: those after `postgres`, or all where it begins with a flag.
fn flags(service: &Service) -> Vec<String> {
    let words = service.command.as_ref().map(|command| command.value.as_slice()).unwrap_or_default();
    let first_is_server = words.first().is_some_and(|word| word == "postgres");
    words.iter().skip(usize::from(first_is_server)).cloned().collect()
}

/// Splits arguments at white space, with single and double quotes.
fn words(text: &str) -> Vec<String> {
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

/// The init scripts that the file mounts, in the order the official image runs them.
fn scripts(service: &Service, compose: &Compose) -> Result<Vec<(String, Utf8PathBuf)>, EnvError> {
    let mut found = Vec::new();
    for mount in service.volumes.iter().filter(|mount| mount.is_bind()) {
        let Some(below) = mount.target.strip_prefix(INIT_DIRECTORY) else { continue };
        let source = source(compose, mount);
        match below.trim_matches('/') {
            "" => found.extend(entries(&source)?),
            name => found.push((name.to_owned(), source)),
        }
    }
    found.retain(|(name, _)| [".sh", ".sql", ".sql.gz"].iter().any(|ending| name.ends_with(ending)));
    found.sort_unstable();
    Ok(found)
}

/// The host path that a mount shows.
fn source(compose: &Compose, mount: &Mount) -> Utf8PathBuf {
    let source = mount.source.as_deref().unwrap_or_default();
    compose.directory.join(source.strip_prefix("./").unwrap_or(source))
}

fn entries(directory: &Utf8Path) -> Result<Vec<(String, Utf8PathBuf)>, EnvError> {
    let read = directory.read_dir_utf8().map_err(EnvError::io("read the directory", directory))?;
    Ok(read.flatten().map(|entry| (entry.file_name().to_owned(), entry.path().to_owned())).collect())
}

/// What a process of this machine can't do of what the file asks of the image.
pub(super) fn unsupported(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let name = &service.name;
    let mut problems = Vec::new();
    for mount in &service.volumes {
        let init = mount.target.starts_with(INIT_DIRECTORY);
        let data = mount.target.starts_with(DATA_DIRECTORY);
        let source = source(compose, mount);
        let message = match (mount.is_bind(), init, data) {
            (true, true, _) if fs::metadata(&source).is_ok() => continue,
            (false, _, true) => continue,
            (true, true, _) => format!("`{source}`, an init script of service `{name}`, is not there"),
            _ => format!("service `{name}` mounts `{}`, which its native form has no use for", mount.target),
        };
        problems.push(compose.problem(mount.at, message, Some("`--engine compose` honours every mount".to_owned())));
    }
    problems.extend(unsupported_command(compose, service, "postgres"));
    problems.extend(unsupported_variables(compose, service));
    problems
}

fn unsupported_variables(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let name = &service.name;
    let mut problems = Vec::new();
    let from_file =
        service.environment.iter().filter(|(key, _)| key.starts_with("POSTGRES_") && key.ends_with("_FILE"));
    for (key, value) in from_file {
        let message = format!("service `{name}` reads `{key}`, a file of its container");
        let plain = key.trim_end_matches("_FILE");
        problems.push(compose.problem(value.at, message, Some(format!("set `{plain}` in `x-tollgate.environment`"))));
    }
    let overrides = service.extension.as_ref().map(|extension| &extension.environment);
    let variable = |key: &str| {
        let over = overrides.and_then(|overrides| overrides.get(key)).map(|value| value.value.as_str());
        over.or_else(|| service.variable(key)).filter(|value| !value.is_empty())
    };
    let trusts = variable("POSTGRES_HOST_AUTH_METHOD") == Some("trust");
    if problems.is_empty() && variable("POSTGRES_PASSWORD").is_none() && !trusts {
        let message = format!("service `{name}` has no `POSTGRES_PASSWORD`; the official image does not start without");
        let hint = "set it, or `POSTGRES_HOST_AUTH_METHOD: trust`".to_owned();
        problems.push(compose.problem(service.at, message, Some(hint)));
    }
    problems
}

/// A command or entry point that is more than flags for the known server.
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

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn arguments_are_split_as_a_shell_does() {
        assert_eq!(
            words("--data-checksums  -E 'SQL ASCII' --x=\"a'b\" ''"),
            ["--data-checksums", "-E", "SQL ASCII", "--x=a'b", ""]
        );
        assert_eq!(words("  "), [""; 0]);
    }

    #[test]
    fn a_socket_whose_path_is_too_long_is_left_out() {
        assert_eq!(socket_directory(Utf8Path::new("/dev/shm/tollgate-0/r/db"), 5432), "/dev/shm/tollgate-0/r/db");
        let long = format!("/dev/shm/{}", "x".repeat(90));
        assert_eq!(socket_directory(Utf8Path::new(&long), 5432), "");
    }
}
