//! What a data directory of PostgreSQL is made from, and how.

use super::launch::Account;
use super::postgres::Cluster;
use super::template::{Backstage, Origin, Site};
use crate::EnvError;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use tollgate_exec::Signal;

impl Origin for Cluster {
    fn account(&self) -> Option<Account> {
        self.account
    }

    fn parts(&self) -> Vec<String> {
        let Self { found, user, database, auth_method, password, initdb_args, .. } = self;
        let own = ["postgres", &found.version, user, database, auth_method, password.as_deref().unwrap_or_default()];
        own.into_iter().chain(initdb_args.iter().map(String::as_str)).map(str::to_owned).collect()
    }

    fn scripts(&self) -> &[(String, Utf8PathBuf)] {
        &self.scripts
    }

    fn environment(&self, bench: &Utf8Path) -> BTreeMap<String, String> {
        let mut environment = self.client_environment(bench.as_str(), 5432);
        environment.insert("POSTGRES_USER".to_owned(), self.user.clone());
        environment.insert("POSTGRES_DB".to_owned(), self.database.clone());
        environment
    }

    fn initialise(&self, site: &Site<'_>) -> Result<(), EnvError> {
        initdb(self, site)?;
        create_database(self, site)
    }

    fn backstage(&self, site: &Site<'_>) -> Backstage {
        let sockets = format!("unix_socket_directories={}", site.bench);
        let mut server = vec![self.found.program.to_string(), "-D".to_owned(), site.data.to_string()];
        for setting in ["listen_addresses=", "port=5432", "fsync=off", DYNAMIC_MEMORY, &sockets] {
            server.extend(["-c".to_owned(), setting.to_owned()]);
        }
        let client = ["psql", "-v", "ON_ERROR_STOP=1", "--no-password", "--no-psqlrc", "--username", &self.user];
        let client = client.into_iter().chain(["--dbname", &self.database]).map(str::to_owned).collect();
        let status = site.data.join("postmaster.pid");
        let is_ready = move || {
            let status = fs::read_to_string(&status).unwrap_or_default();
            status.lines().nth(7).is_some_and(|line| line.trim() == "ready")
        };
        Backstage { server, is_ready: Box::new(is_ready), stop: Signal::INT, client }
    }
}

/// Dynamic shared memory in files of the data directory: in `/dev/shm`, the default, it would outlive a server that is
/// killed.
const DYNAMIC_MEMORY: &str = "dynamic_shared_memory_type=mmap";

/// What `initdb` makes a data directory from, with [`DYNAMIC_MEMORY`] in the sample of the configuration, which its own
/// servers go by too; only since version 16 it can be told so.
fn samples(initdb: &str, site: &Site<'_>) -> Result<Utf8PathBuf, EnvError> {
    let shown = site.told("initdb --show", [initdb, "--show", "-D", site.data.as_str()].map(str::to_owned).to_vec())?;
    let share = shown.iter().find_map(|line| line.split_once("share_path="));
    let (_, share) = share.ok_or_else(|| site.error("`initdb --show` does not say where its samples are", 0))?;
    let share = Utf8Path::new(share.trim_end());
    let directory = site.bench.join("samples");
    fs::create_dir(&directory).map_err(EnvError::io("create the directory", &directory))?;
    // Its server's user passes through, whatever the umask is.
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&directory, mode).map_err(EnvError::io("change the mode of", &directory))?;
    for entry in share.read_dir_utf8().map_err(EnvError::io("read", share))?.flatten() {
        if entry.file_name() != SAMPLE {
            let link = directory.join(entry.file_name());
            symlink(entry.path(), &link).map_err(EnvError::io("link", &link))?;
        }
    }
    let sample = share.join(SAMPLE);
    let text = fs::read_to_string(&sample).map_err(EnvError::io("read", &sample))?;
    // Of a setting that stands twice the last one holds; `initdb` changes the first.
    site.write(&format!("samples/{SAMPLE}"), &format!("{text}\n{DYNAMIC_MEMORY}\n"))?;
    Ok(directory)
}

/// The configuration among the samples.
const SAMPLE: &str = "postgresql.conf.sample";

/// `initdb`: the role with its password, and how it proves itself over TCP.
fn initdb(cluster: &Cluster, site: &Site<'_>) -> Result<(), EnvError> {
    let Cluster { found, user, auth_method, password, initdb_args, .. } = cluster;
    let initdb = found.directory().join("initdb").into_string();
    let samples = samples(&initdb, site)?.into_string();
    let mut argv = vec![initdb, "-D".to_owned(), site.data.to_string(), "-L".to_owned(), samples];
    // What it cleans up after it was stopped is the name of its server's shared memory.
    argv.push("--no-clean".to_owned());
    argv.extend(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth-local=trust"].map(str::to_owned));
    // 16 MiB of journal to copy for every run otherwise.
    argv.extend(["--wal-segsize=1".to_owned(), format!("--auth-host={auth_method}"), format!("--username={user}")]);
    if let Some(password) = password {
        let file = site.write("password", password)?;
        argv.push(format!("--pwfile={file}"));
    }
    argv.extend(initdb_args.iter().cloned());
    site.run("initdb", argv, None)
}

/// The database, by a server without connections, which takes a tenth of the time of a real one.
fn create_database(cluster: &Cluster, site: &Site<'_>) -> Result<(), EnvError> {
    if cluster.database == "postgres" {
        return Ok(());
    }
    let statement = site.write("create.sql", &format!("CREATE DATABASE {};\n", identifier(&cluster.database)))?;
    let server = cluster.found.program.to_string();
    let argv = ["--single", "-F", "-c", DYNAMIC_MEMORY, "-D", site.data.as_str(), "postgres"].map(str::to_owned);
    site.run("creating the database", [vec![server], argv.to_vec()].concat(), Some(statement))
}

/// Quotes a name for SQL.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::native::program::Found;
    use crate::native::template::digest;

    fn cluster() -> Cluster {
        Cluster {
            found: Found { program: "/usr/lib/postgresql/15/bin/postgres".into(), version: "15.18".into() },
            account: None,
            user: "app".into(),
            password: Some("secret".into()),
            database: "app".into(),
            auth_method: "scram-sha-256".into(),
            initdb_args: Vec::new(),
            scripts: Vec::new(),
            environment: BTreeMap::new(),
        }
    }

    #[test]
    fn whatever_goes_into_a_template_changes_its_name() {
        let name = |change: &dyn Fn(&mut Cluster)| {
            let mut cluster = cluster();
            change(&mut cluster);
            digest(&cluster).expect("it has no scripts to read")
        };
        let plain = name(&|_| ());
        assert_eq!(plain.len(), 64);
        assert_eq!(plain, name(&|_| ()));
        assert_ne!(plain, name(&|c| c.found.version = "15.19".into()));
        assert_ne!(plain, name(&|c| c.password = None));
        assert_ne!(plain, name(&|c| c.database = "other".into()));
        assert_ne!(plain, name(&|c| c.auth_method = "trust".into()));
        assert_ne!(plain, name(&|c| c.initdb_args = vec!["--data-checksums".into()]));
        // Without scripts nobody reads the other variables.
        assert_eq!(plain, name(&|c| drop(c.environment.insert("A".into(), "b".into()))));
    }

    #[test]
    fn a_database_may_have_any_name() {
        assert_eq!(identifier("a\"b-c"), "\"a\"\"b-c\"");
    }
}
