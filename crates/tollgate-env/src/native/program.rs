//! Finding the programs of services on this machine, and naming the package of those that aren't there.

use crate::EnvError;
use crate::compose::{Compose, Program, Recipe, Service};
use camino::{Utf8Path, Utf8PathBuf};
use std::{fmt, fs};
use tollgate_exec::{find_program, query};
use tollgate_model::ServiceName;

/// Where Debian keeps the servers of all its PostgreSQL versions.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// A program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) program: Utf8PathBuf,
    /// Version it gives of itself: `15.18`.
    pub(super) version: String,
}

impl Found {
    /// The directory with the programs that come with it.
    pub(super) fn directory(&self) -> &Utf8Path {
        self.program.parent().unwrap_or(Utf8Path::new("/"))
    }

    fn whole(self) -> (Utf8PathBuf, Option<String>) {
        (self.program, Some(self.version))
    }

    /// The first number of the version.
    pub(super) fn major(&self) -> &str {
        self.version.split('.').next().unwrap_or_default()
    }
}

/// A program that a service needs natively.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeProgram {
    /// The service.
    pub service: ServiceName,
    /// The program.
    pub program: String,
    /// What was found: its path, and the version it gives of itself where it is a server of a known kind.
    pub found: Option<(Utf8PathBuf, Option<String>)>,
}

impl NativeProgram {
    /// The program and the Debian package that has it, where it is not on this machine. A program without a known package
    /// is named with itself as the package.
    pub fn missing(&self) -> Option<(&str, &str)> {
        self.found.is_none().then(|| (self.program.as_str(), package(&self.program)))
    }
}

impl fmt::Display for NativeProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.service, self.program)?;
        match &self.found {
            Some((path, Some(version))) => write!(f, " {version} ({path})"),
            Some((path, None)) => write!(f, " ({path})"),
            None => write!(f, " is missing; package {}", package(&self.program)),
        }
    }
}

/// The programs that the services need natively, found or not. Workspace binaries are not among them: those are built.
pub fn native_programs(compose: &Compose, services: &[ServiceName]) -> Vec<NativeProgram> {
    let services = services.iter().filter_map(|name| compose.services.get(name));
    let program = |service: &Service| {
        let (program, found) = match service.native_program()? {
            Program::Recipe(Recipe::Postgres) => ("postgres".to_owned(), postgres(service).map(Found::whole)),
            Program::Recipe(Recipe::Redis) => ("redis-server".to_owned(), redis(service).map(Found::whole)),
            Program::Command(argv) => {
                let program = argv.first()?.clone();
                let found = command(service, &program).map(|path| (path, None));
                (program, found)
            }
            Program::Binary(_) => return None,
        };
        Some(NativeProgram { service: service.name.clone(), program, found: found.ok() })
    };
    services.filter_map(program).collect()
}

/// The Debian package of a program.
fn package(program: &str) -> &str {
    match program {
        "postgres" | "initdb" => "postgresql",
        "psql" => "postgresql-client",
        "redis-cli" => "redis-tools",
        "node" | "npm" => "nodejs",
        "mysqld" | "mariadbd" => "mariadb-server",
        "rabbitmq-server" => "rabbitmq-server",
        other => other.rsplit('/').next().unwrap_or(other),
    }
}

/// The error of a service whose program isn't there.
pub(super) fn missing(service: &ServiceName, program: &str) -> EnvError {
    let hint =
        format!("`cargo xtask setup` installs it where it may; on Debian it is in the package {}", package(program));
    EnvError::MissingProgram { service: service.clone(), program: program.to_owned(), hint }
}

/// Finds a PostgreSQL server: of the major version that the image asks for, else that of `PATH`, else the newest.
pub(super) fn postgres(service: &Service) -> Result<Found, EnvError> {
    let wanted = image_major(service);
    let mut candidates = Vec::new();
    if let Some(major) = wanted {
        candidates.push(format!("{POSTGRES_VERSIONS}/{major}/bin/postgres"));
    }
    let on_path = find_program("postgres").and_then(|path| fs::canonicalize(path).ok());
    candidates.extend(on_path.and_then(|path| Some(path.to_str()?.to_owned())));
    candidates.extend(installed_majors().into_iter().map(|major| format!("{POSTGRES_VERSIONS}/{major}/bin/postgres")));
    // What runs must bring its own `initdb`: a data directory belongs to one major version.
    let whole = |path: &String| find_program(path).is_some() && Utf8Path::new(path).with_file_name("initdb").exists();
    let program = candidates.into_iter().find(whole).ok_or_else(|| missing(&service.name, "postgres"))?;
    Ok(found(program))
}

/// Finds a Redis server, or the Valkey server that took over its protocol.
pub(super) fn redis(service: &Service) -> Result<Found, EnvError> {
    let program = ["redis-server", "valkey-server"].iter().find_map(find_program);
    let program = program.and_then(|path| Some(path.to_str()?.to_owned()));
    Ok(found(program.ok_or_else(|| missing(&service.name, "redis-server"))?))
}

/// Finds the program of a command.
pub(super) fn command(service: &Service, program: &str) -> Result<Utf8PathBuf, EnvError> {
    let path = find_program(program).and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
    path.ok_or_else(|| missing(&service.name, program))
}

fn found(program: String) -> Found {
    let answer = query(std::path::Path::new("/"), &[&program, "--version"]).unwrap_or_default();
    Found { version: version_in(&answer).unwrap_or("unknown").to_owned(), program: Utf8PathBuf::from(program) }
}

/// The version in what a server says of itself: `postgres (PostgreSQL) 15.18 (Debian 15.18-0)`, `Redis server v=7.0.15`.
fn version_in(answer: &str) -> Option<&str> {
    let words = answer.split_whitespace().map(|word| word.strip_prefix("v=").unwrap_or(word));
    words.into_iter().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

fn installed_majors() -> Vec<u32> {
    let entries = fs::read_dir(POSTGRES_VERSIONS).into_iter().flatten().flatten();
    let mut majors: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    majors.sort_unstable_by(|a, b| b.cmp(a));
    majors
}

/// The major version in the tag of an image: `16` of `postgres:16.3-alpine`.
pub(super) fn image_major(service: &Service) -> Option<u32> {
    let image = service.image.as_ref()?.value.split('@').next()?;
    let (_, tag) = image.rsplit('/').next()?.split_once(':')?;
    tag.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What differs between the image that was asked for and the server that runs, where something does.
pub(super) fn version_skew(service: &Service, found: &Found) -> Option<String> {
    let wanted = image_major(service)?;
    let image = &service.image.as_ref()?.value;
    (found.major() != wanted.to_string())
        .then(|| format!("warning: the image is `{image}`, and this machine has version {}", found.version))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_server_says_its_version_in_its_own_way() {
        for (answer, version) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some("15.18")),
            ("postgres (PostgreSQL) 18beta1", Some("18beta1")),
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64", Some("7.0.15")),
            ("", None),
        ] {
            assert_eq!(version_in(answer), version, "{answer}");
        }
    }

    #[test]
    fn a_program_is_named_with_its_package() {
        assert_eq!(package("postgres"), "postgresql");
        assert_eq!(package("redis-server"), "redis-server");
        assert_eq!(package("/opt/nats-server"), "nats-server");
        let service = ServiceName::new("db").expect("a valid name");
        let error = missing(&service, "postgres");
        assert_eq!(error.to_string(), "service `db` needs `postgres`, which is not on this machine");
        let hint = "`cargo xtask setup` installs it where it may; on Debian it is in the package postgresql";
        assert_eq!(error.hint().as_deref(), Some(hint));
    }
}
