//! The PostgreSQL recipe: what the official image makes of its variables and mounts, as a process of this machine.

use super::launch::Account;
use super::limits;
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
            account: Account::unprivileged("postgres"),
            password: variable("POSTGRES_PASSWORD"),
            database: variable("POSTGRES_DB").unwrap_or_else(|| user.clone()),
            auth_method: variable("POSTGRES_HOST_AUTH_METHOD").unwrap_or_else(|| "scram-sha-256".to_owned()),
            initdb_args: limits::words(&variable("POSTGRES_INITDB_ARGS").unwrap_or_default()),
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
        argv.extend(limits::flags(service, "postgres").iter().cloned());
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

/// The init scripts that the file mounts, in the order the official image runs them.
pub(super) fn scripts(service: &Service, compose: &Compose) -> Result<Vec<(String, Utf8PathBuf)>, EnvError> {
    let found = limits::mounted_below(compose, service, INIT_DIRECTORY);
    let mut found = found.map_err(EnvError::io("read the init scripts in", compose.directory.clone()))?;
    found.retain(|(name, _)| [".sh", ".sql", ".sql.gz"].iter().any(|ending| name.ends_with(ending)));
    Ok(found)
}

/// Mounts that are neither init scripts nor a volume for data.
pub(super) fn unsupported_mounts(compose: &Compose, service: &Service, data_directory: &str) -> Vec<FileProblem> {
    let problem = |mount: &Mount| {
        let init = mount.target.starts_with(INIT_DIRECTORY);
        let source = limits::source(compose, mount);
        match (mount.is_bind(), init) {
            (true, true) if fs::metadata(&source).is_ok() => None,
            (true, true) => {
                let message = format!("`{source}`, an init script of service `{}`, is not there", service.name);
                Some(limits::mount_problem(compose, mount, message))
            }
            (false, _) if mount.target.starts_with(data_directory) => None,
            _ => limits::useless_mount(compose, service, mount),
        }
    };
    service.volumes.iter().filter_map(problem).collect()
}

/// What a process of this machine can't do of what the file asks of the image.
pub(super) fn unsupported(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let mut problems = unsupported_mounts(compose, service, DATA_DIRECTORY);
    problems.extend(limits::unsupported_command(compose, service, "postgres"));
    problems.extend(unsupported_variables(compose, service));
    problems
}

fn unsupported_variables(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let name = &service.name;
    let mut problems = limits::unsupported_files(compose, service, &["POSTGRES_"]);
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

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_socket_whose_path_is_too_long_is_left_out() {
        assert_eq!(socket_directory(Utf8Path::new("/dev/shm/tollgate-0/r/db"), 5432), "/dev/shm/tollgate-0/r/db");
        let long = format!("/dev/shm/{}", "x".repeat(90));
        assert_eq!(socket_directory(Utf8Path::new(&long), 5432), "");
    }
}
