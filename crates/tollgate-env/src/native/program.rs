//! Finding the programs of services on this machine, and naming the package of those that aren't there.

use crate::EnvError;
use crate::compose::{Compose, Program, Recipe, Service};
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};
use std::{fmt, fs};
use tollgate_exec::{find_program, query};
use tollgate_model::ServiceName;

/// Where Debian keeps the servers of all its PostgreSQL versions.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// The version of a program that gives none.
const UNKNOWN: &str = "unknown";

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

    /// The version, where it gave one.
    pub(super) fn said(&self) -> Option<String> {
        (self.version != UNKNOWN).then(|| self.version.clone())
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
    /// Whether it is not on this machine.
    pub fn is_missing(&self) -> bool {
        self.found.is_none()
    }

    /// The Debian package that has it, where one is known.
    pub fn package(&self) -> Option<&'static str> {
        package(&self.program)
    }
}

impl fmt::Display for NativeProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.service, self.program)?;
        match &self.found {
            Some((path, Some(version))) => write!(f, " {version} ({path})"),
            Some((path, None)) => write!(f, " ({path})"),
            None => match self.package() {
                Some(package) => write!(f, " is missing; package {package}"),
                None => f.write_str(" is missing"),
            },
        }
    }
}

/// The programs that the services need natively, found or not. Workspace binaries are not among them: those are built.
pub fn native_programs(compose: &Compose, services: &[ServiceName]) -> Vec<NativeProgram> {
    let services = services.iter().filter_map(|name| compose.services.get(name));
    let program = |service: &Service| {
        let (program, found) = match service.native_program()? {
            Program::Recipe(recipe) => (program_of(recipe).to_owned(), of_recipe(recipe, service).map(Found::whole)),
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

/// The Debian package of a program; none where it is not known.
fn package(program: &str) -> Option<&'static str> {
    Some(match program.rsplit('/').next().unwrap_or(program) {
        "postgres" | "initdb" => "postgresql",
        "psql" => "postgresql-client",
        "redis-server" => "redis-server",
        "redis-cli" => "redis-tools",
        // From Debian 13 on.
        "valkey-server" => "valkey-server",
        "nats-server" => "nats-server",
        "mysqld" | "mariadbd" => "mariadb-server",
        "rabbitmq-server" => "rabbitmq-server",
        "nginx" => "nginx-light",
        "memcached" => "memcached",
        "mosquitto" => "mosquitto",
        "node" | "npm" => "nodejs",
        "python3" => "python3",
        _ => return None,
    })
}

/// The error of a service whose program isn't there.
pub(super) fn missing(service: &ServiceName, program: &str) -> EnvError {
    let hint = match package(program) {
        Some(package) => {
            format!("`cargo xtask setup` installs it where it may; on Debian it is in the package {package}")
        }
        None => "install it, or name another program in `x-tollgate`".to_owned(),
    };
    EnvError::MissingProgram { service: service.clone(), program: program.to_owned(), hint }
}

/// The server of a recipe.
fn program_of(recipe: Recipe) -> &'static str {
    match recipe {
        Recipe::Postgres => "postgres",
        Recipe::Redis => "redis-server",
        Recipe::Valkey => "valkey-server",
        Recipe::Nats => "nats-server",
        Recipe::RabbitMq => "rabbitmq-server",
        Recipe::MariaDb => "mariadbd",
        Recipe::Nginx => "nginx",
    }
}

/// Finds the server of a recipe.
pub(super) fn of_recipe(recipe: Recipe, service: &Service) -> Result<Found, EnvError> {
    match recipe {
        Recipe::Postgres => postgres(service),
        Recipe::Redis => redis(service),
        Recipe::RabbitMq => rabbitmq(service),
        Recipe::Nginx => nginx(service),
        Recipe::Valkey | Recipe::Nats | Recipe::MariaDb => server(service, program_of(recipe)),
    }
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
fn redis(service: &Service) -> Result<Found, EnvError> {
    server(service, "redis-server").or_else(|error| server(service, "valkey-server").map_err(|_| error))
}

/// Finds a server that says its version.
pub(super) fn server(service: &Service, name: &str) -> Result<Found, EnvError> {
    Ok(found(path_of(name).ok_or_else(|| missing(&service.name, name))?))
}

/// Finds nginx, which says its version where others complain.
fn nginx(service: &Service) -> Result<Found, EnvError> {
    let program = path_of("nginx").ok_or_else(|| missing(&service.name, "nginx"))?;
    let answer = query(std::path::Path::new("/"), &["sh", "-c", "exec \"$0\" -v 2>&1", &program]).unwrap_or_default();
    let version = answer.rsplit('/').next().and_then(version_in).unwrap_or(UNKNOWN).to_owned();
    Ok(Found { program: program.into(), version })
}

/// Finds RabbitMQ's own script; the one that Debian has on `PATH` becomes another user. Its directory names the version.
fn rabbitmq(service: &Service) -> Result<Found, EnvError> {
    let own = find_program("/usr/lib/rabbitmq/bin/rabbitmq-server").or_else(|| find_program("rabbitmq-server"));
    let program = own.and_then(|path| Utf8PathBuf::from_path_buf(fs::canonicalize(path).ok()?).ok());
    let program = program.ok_or_else(|| missing(&service.name, "rabbitmq-server"))?;
    let version = program.components().find_map(|part| part.as_str().strip_prefix("rabbitmq_server-"));
    Ok(Found { version: version.unwrap_or(UNKNOWN).to_owned(), program })
}

/// A program on `PATH`, or where servers are that not everybody has on it.
fn path_of(name: &str) -> Option<String> {
    let path = find_program(name).or_else(|| find_program(format!("/usr/sbin/{name}")))?;
    path.to_str().map(str::to_owned)
}

/// A program that comes with a server: in its directory, or else on `PATH`.
pub(super) fn beside(found: &Found, name: &str) -> String {
    let beside = found.directory().join(name);
    if beside.is_file() { beside.into_string() } else { path_of(name).unwrap_or_else(|| name.to_owned()) }
}

/// Finds the program of a command.
pub(super) fn command(service: &Service, program: &str) -> Result<Utf8PathBuf, EnvError> {
    let path = find_program(program).and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
    path.ok_or_else(|| missing(&service.name, program))
}

/// Which file a program is, by the start of its digest: what has a name today can be another program tomorrow.
pub(super) fn file(program: &Utf8Path) -> Option<String> {
    let digest = Sha256::digest(fs::read(program).ok()?);
    digest.first_chunk().map(|bytes| format!("file {:012x}", u64::from_be_bytes(*bytes) >> 16))
}

fn found(program: String) -> Found {
    let answer = query(std::path::Path::new("/"), &[&program, "--version"]).unwrap_or_default();
    Found { version: version_in(&answer).unwrap_or(UNKNOWN).to_owned(), program: Utf8PathBuf::from(program) }
}

/// The version in what a server says of itself: `postgres (PostgreSQL) 15.18 (Debian 15.18-0)`, `Redis server v=7.0.15`,
/// `nats-server: v2.9.10`.
fn version_in(answer: &str) -> Option<&str> {
    let bare = |word: &'_ str| word.trim_start_matches(['v', '=']).starts_with(|c: char| c.is_ascii_digit());
    let word = answer.split_whitespace().find(|word| bare(word))?;
    word.trim_start_matches(['v', '=']).split('-').next()
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
            ("nats-server: v2.9.10", Some("2.9.10")),
            ("mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)", Some("10.11.19")),
            ("", None),
        ] {
            assert_eq!(version_in(answer), version, "{answer}");
        }
    }

    #[test]
    fn a_program_is_named_with_its_package() {
        assert_eq!(package("postgres"), Some("postgresql"));
        assert_eq!(package("redis-server"), Some("redis-server"));
        assert_eq!(package("/opt/nats-server"), Some("nats-server"));
        assert_eq!(package("my-server"), None);
        let service = ServiceName::new("db").expect("a valid name");
        let error = missing(&service, "postgres");
        assert_eq!(error.to_string(), "service `db` needs `postgres`, which is not on this machine");
        let hint = "`cargo xtask setup` installs it where it may; on Debian it is in the package postgresql";
        assert_eq!(error.hint().as_deref(), Some(hint));
    }
}
