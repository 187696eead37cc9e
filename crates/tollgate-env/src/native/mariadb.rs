//! The MariaDB recipe: what the official image makes of its variables and mounts, as a process of this machine.

use super::launch::Account;
use super::limits;
use super::postgres;
use super::program::{self, Found};
use super::template::{Backstage, Origin, Site};
use crate::compose::{Compose, Service};
use crate::{EnvError, FileProblem};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tollgate_exec::Signal;

/// Where the official image keeps its data.
const DATA_DIRECTORY: &str = "/var/lib/mysql";

/// Variables of the official image, without their prefix, that the recipe has no answer to.
const REFUSED: [&str; 5] =
    ["RANDOM_ROOT_PASSWORD", "ROOT_PASSWORD_HASH", "PASSWORD_HASH", "MASTER_HOST", "MYSQL_LOCALHOST_USER"];

/// Prefixes of its variables; the first counts before the second.
const PREFIXES: [&str; 2] = ["MARIADB_", "MYSQL_"];

/// Settings of a server whose data nobody will ever want back.
const THROWAWAY: [&str; 10] = [
    // 96 MiB of journal to copy for every run otherwise.
    "--innodb-log-file-size=4M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=64M",
    // Memory file systems and crowded machines refuse it.
    "--innodb-use-native-aio=0",
    "--innodb-fast-shutdown=2",
    "--performance-schema=off",
    "--max-connections=200",
    // As in the official image.
    "--skip-name-resolve",
    "--default-time-zone=+00:00",
];

/// What a server is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cluster {
    pub(super) found: Found,
    pub(super) account: Option<Account>,
    /// The password of `root`, which may be empty.
    root_password: String,
    /// From where `root` may connect beside this machine.
    root_host: String,
    database: Option<String>,
    /// A user and its password.
    user: Option<(String, String)>,
    scripts: Vec<(String, Utf8PathBuf)>,
    pub(super) environment: BTreeMap<String, String>,
}

impl Cluster {
    /// Reads the variables and mounts of a service the way the official image does.
    pub(super) fn of(service: &Service, compose: &Compose) -> Result<Self, EnvError> {
        let (found, scripts) = (program::server(service, "mariadbd")?, postgres::scripts(service, compose)?);
        Ok(Self::from(found, scripts, limits::own_variables(service)))
    }

    fn from(found: Found, scripts: Vec<(String, Utf8PathBuf)>, environment: BTreeMap<String, String>) -> Self {
        let variable = |name: &str| variable(&environment, name).map(str::to_owned);
        Self {
            found,
            account: Account::unprivileged("mysql"),
            root_password: variable("ROOT_PASSWORD").unwrap_or_default(),
            root_host: variable("ROOT_HOST").unwrap_or_else(|| "%".to_owned()),
            database: variable("DATABASE"),
            user: variable("USER").map(|user| (user, variable("PASSWORD").unwrap_or_default())),
            scripts,
            environment,
        }
    }

    /// The command line of the server.
    pub(super) fn argv(&self, service: &Service, home: &Utf8Path, port: u16) -> Vec<String> {
        let mut argv = self.server(&home.join("data"), home);
        argv.extend(limits::flags(service, server_name(service)).iter().cloned());
        // Last, since the last one counts: where it listens is not the file's choice here.
        argv.extend(["--bind-address=127.0.0.1".to_owned(), format!("--port={port}")]);
        argv
    }

    fn server(&self, data: &Utf8Path, home: &Utf8Path) -> Vec<String> {
        let mut argv = vec![self.found.program.to_string(), "--no-defaults".to_owned(), format!("--datadir={data}")];
        argv.extend(THROWAWAY.map(str::to_owned));
        argv.extend([format!("--socket={}", socket(home)), format!("--pid-file={home}/server.pid")]);
        argv
    }

    /// Variables for client programs that run beside the server: health checks.
    pub(super) fn client_environment(&self, port: u16) -> BTreeMap<String, String> {
        let own = [("MYSQL_HOST", "127.0.0.1".to_owned()), ("MYSQL_TCP_PORT", port.to_string())];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        self.environment.clone().into_iter().chain(own).collect()
    }

    /// What the official image does once, on an empty data directory.
    fn statements(&self) -> String {
        let Self { root_password, root_host, database, user, .. } = self;
        let password = literal(root_password);
        // The privileges are those of the tables from the second statement on.
        let mut text =
            "DELETE FROM mysql.global_priv WHERE NOT (User IN ('root', 'mariadb.sys') AND Host = 'localhost');\n\
             FLUSH PRIVILEGES;\n"
                .to_owned();
        let mut add = |statement: String| writeln!(text, "{statement};").unwrap_or_default();
        add(format!("SET PASSWORD FOR 'root'@'localhost' = PASSWORD({password})"));
        if root_host != "localhost" {
            let root = format!("'root'@{}", literal(root_host));
            add(format!("CREATE USER {root} IDENTIFIED BY {password}"));
            add(format!("GRANT ALL ON *.* TO {root} WITH GRANT OPTION"));
        }
        if let Some(database) = database {
            add(format!("CREATE DATABASE IF NOT EXISTS {}", identifier(database)));
        }
        if let Some((user, password)) = user {
            let user = format!("{}@'%'", literal(user));
            add(format!("CREATE USER {user} IDENTIFIED BY {}", literal(password)));
            if let Some(database) = database {
                // In the name of a grant `_` stands for any character.
                add(format!("GRANT ALL ON {}.* TO {user}", identifier(&database.replace('_', "\\_"))));
            }
        }
        text
    }
}

impl Origin for Cluster {
    fn account(&self) -> Option<Account> {
        self.account
    }

    fn parts(&self) -> Vec<String> {
        vec!["mariadb".to_owned(), self.found.version.clone(), self.statements()]
    }

    fn scripts(&self) -> &[(String, Utf8PathBuf)] {
        &self.scripts
    }

    fn environment(&self, bench: &Utf8Path) -> BTreeMap<String, String> {
        let own = [
            ("MYSQL_UNIX_PORT", socket(bench).into_string()),
            ("MYSQL_PWD", self.root_password.clone()),
            ("HOME", bench.to_string()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        self.environment.clone().into_iter().chain(own).collect()
    }

    fn initialise(&self, site: &Site<'_>) -> Result<(), EnvError> {
        let install = program::beside(&self.found, "mariadb-install-db");
        let mut argv = vec![install, "--no-defaults".to_owned(), format!("--datadir={}", site.data)];
        argv.extend(
            ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"].map(str::to_owned),
        );
        argv.push(THROWAWAY[0].to_owned());
        site.run("mariadb-install-db", argv, None)?;
        // Clients of scripts read the machine's settings, which name the machine's socket, and then these.
        site.write(".my.cnf", &format!("[client]\nsocket={}\n", socket(site.bench)))?;
        let statements = site.write("setup.sql", &self.statements())?;
        let argv = [self.found.program.as_str(), "--no-defaults", "--bootstrap", THROWAWAY[0]];
        let argv = argv.into_iter().map(str::to_owned).chain([format!("--datadir={}", site.data)]).collect();
        site.run("creating users and the database", argv, Some(statements))
    }

    fn backstage(&self, site: &Site<'_>) -> Backstage {
        let mut server = self.server(site.data, site.bench);
        server.push("--skip-networking".to_owned());
        let client = ["mariadb", "--no-defaults", "--protocol=socket", "--user=root"].into_iter();
        let client = client.chain(self.database.as_deref()).map(str::to_owned).collect();
        let socket = socket(site.bench);
        let is_ready = move || std::os::unix::net::UnixStream::connect(&socket).is_ok();
        Backstage { server, is_ready: Box::new(is_ready), stop: Signal::TERM, client }
    }
}

/// The socket in a directory.
fn socket(directory: &Utf8Path) -> Utf8PathBuf {
    directory.join("server.sock")
}

fn variable<'a>(environment: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let named = PREFIXES.iter().find_map(|prefix| environment.get(&format!("{prefix}{name}")));
    named.map(String::as_str).filter(|value| !value.is_empty())
}

/// The name of the server in the file's command.
fn server_name(service: &Service) -> &'static str {
    let first = service.command.as_ref().and_then(|command| command.value.first());
    if first.is_some_and(|word| word == "mysqld") { "mysqld" } else { "mariadbd" }
}

/// What a process of this machine can't do of what the file asks of the image.
pub(super) fn unsupported(compose: &Compose, service: &Service) -> Vec<FileProblem> {
    let mut problems = postgres::unsupported_mounts(compose, service, DATA_DIRECTORY);
    problems.extend(limits::unsupported_command(compose, service, server_name(service)));
    problems.extend(limits::unsupported_files(compose, service, &PREFIXES));
    let refused = |key: &str| {
        let bare = PREFIXES.iter().find_map(|prefix| key.strip_prefix(prefix));
        bare.is_some_and(|name| REFUSED.contains(&name) || name.starts_with("REPLICATION_"))
    };
    problems.extend(limits::unsupported_variables(compose, service, refused));
    let environment = limits::own_variables(service);
    let empty = ["ALLOW_EMPTY_ROOT_PASSWORD", "ALLOW_EMPTY_PASSWORD"];
    let has_password = variable(&environment, "ROOT_PASSWORD").is_some();
    if problems.is_empty() && !has_password && !empty.iter().any(|name| variable(&environment, name).is_some()) {
        let message = format!(
            "service `{}` has no `MARIADB_ROOT_PASSWORD`; the official image does not start without",
            service.name
        );
        let hint = "set it, or `MARIADB_ALLOW_EMPTY_ROOT_PASSWORD: 1`".to_owned();
        problems.push(compose.problem(service.at, message, Some(hint)));
    }
    problems
}

/// Quotes a text for SQL.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Quotes a name for SQL.
fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::compose::sample;

    fn cluster(variables: &[(&str, &str)]) -> Cluster {
        let environment = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let found = Found { program: "/usr/sbin/mariadbd".into(), version: "10.11.19".into() };
        Cluster::from(found, Vec::new(), environment.collect())
    }

    #[test]
    fn users_and_database_are_those_of_the_image() {
        let cluster = cluster(&[
            ("MARIADB_ROOT_PASSWORD", "it's"),
            ("MYSQL_DATABASE", "my_shop"),
            ("MYSQL_USER", "old"),
            ("MARIADB_USER", "app"),
            ("MARIADB_PASSWORD", "a\\b"),
        ]);
        let statements = cluster.statements();
        let own: Vec<&str> = statements.lines().skip(2).collect();
        assert_eq!(
            own,
            [
                "SET PASSWORD FOR 'root'@'localhost' = PASSWORD('it''s');",
                "CREATE USER 'root'@'%' IDENTIFIED BY 'it''s';",
                "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;",
                "CREATE DATABASE IF NOT EXISTS `my_shop`;",
                "CREATE USER 'app'@'%' IDENTIFIED BY 'a\\\\b';",
                "GRANT ALL ON `my\\_shop`.* TO 'app'@'%';",
            ]
        );
    }

    #[test]
    fn what_has_no_native_form_is_refused_with_its_place() {
        let check = |environment: &str| {
            let compose =
                sample(&format!("services:\n  db:\n    image: mariadb:10.11\n    environment: {environment}\n"));
            let problems = unsupported(&compose, &compose.services["db"]);
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(check("{ MYSQL_ALLOW_EMPTY_PASSWORD: 'yes' }"), "");
        assert_eq!(
            check("{ MARIADB_RANDOM_ROOT_PASSWORD: '1', MARIADB_REPLICATION_USER: r, MYSQL_PASSWORD_FILE: /x }"),
            "compose.yaml:4:105: service `db` reads `MYSQL_PASSWORD_FILE`, a file of its container\n\
             compose.yaml:4:50: service `db` sets `MARIADB_RANDOM_ROOT_PASSWORD`, which its native form can't honour\n\
             compose.yaml:4:81: service `db` sets `MARIADB_REPLICATION_USER`, which its native form can't honour"
        );
        assert_eq!(
            check("{ MARIADB_DATABASE: shop }"),
            "compose.yaml:2:3: service `db` has no `MARIADB_ROOT_PASSWORD`; the official image does not start without"
        );
    }
}
