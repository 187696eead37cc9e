//! Data directories of PostgreSQL, made once and copied ever after.
//!
//! Making one takes a second, copying it less than a tenth of that. A template is kept under a digest of all that went
//! into it, built in a run's state directory and renamed into the cache when it is complete; a lock keeps two runs from
//! building the same one.

use super::cache::{cache_directory, draft_of, is_complete, lock_of, touch};
use super::launch::{Ended, Launch, Launcher, log_end, log_tail};
use super::mark::{MARK, mark};
use super::postgres::Cluster;
use super::state::{copy_tree, create_private};
use crate::EnvError;
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::time::{Duration, Instant};
use tollgate_exec::{Interrupt, Signal};
use tollgate_model::{RunId, ServiceName};

/// Part of the digest; to be raised when the way templates are made changes.
const RECIPE: &str = "1";

/// Longest time that one step of building may take, and longest wait for another run that builds the same.
const STEP_LIMIT: Duration = Duration::from_mins(2);

/// Between two looks at a lock, or at a server that starts.
const LOOK: Duration = Duration::from_millis(5);

/// What building a template takes.
pub(super) struct Workshop<'a> {
    pub(super) run: &'a RunId,
    pub(super) service: &'a ServiceName,
    pub(super) launcher: &'a Launcher,
    pub(super) interrupt: &'a Interrupt,
    /// A directory of the run that is gone after it.
    pub(super) state: &'a Utf8Path,
    pub(super) log: &'a Utf8Path,
}

/// Puts a fresh data directory for the cluster at `data`.
pub(super) fn provide(cluster: &Cluster, workshop: &Workshop<'_>, data: &Utf8Path) -> Result<(), EnvError> {
    let cache = cache_directory();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&cache)
        .map_err(EnvError::io("create the directory", &cache))?;
    let digest = digest(cluster)?;
    let template = cache.join(&digest);
    // Any number of runs copy a template at once; held so that nobody removes it meanwhile.
    let lock = lock(&lock_of(&template), Hold::Shared, workshop)?;
    if is_complete(&template) {
        touch(&template);
        return copy_tree(&template, data);
    }
    drop(lock);
    let _lock = self::lock(&lock_of(&template), Hold::Alone, workshop)?;
    // Another run may have built it while this one waited.
    if !is_complete(&template) {
        build(cluster, workshop, &template)?;
    }
    copy_tree(&template, data)
}

/// Names a template by all that goes into it.
fn digest(cluster: &Cluster) -> Result<String, EnvError> {
    let mut hasher = Sha256::new();
    // Each part with its length, so that no two lists of parts read the same.
    let mut add = |part: &[u8]| {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    };
    let account = format!("{:?}", cluster.account);
    let own = [RECIPE, &cluster.found.version, &account, &cluster.user, &cluster.database, &cluster.auth_method];
    for part in own.into_iter().chain(cluster.initdb_args.iter().map(String::as_str)) {
        add(part.as_bytes());
    }
    add(cluster.password.as_deref().unwrap_or_default().as_bytes());
    if !cluster.scripts.is_empty() {
        for (name, value) in &cluster.environment {
            add(format!("{name}={value}").as_bytes());
        }
    }
    for (name, path) in &cluster.scripts {
        add(name.as_bytes());
        add(&fs::read(path).map_err(EnvError::io("read", path))?);
    }
    Ok(hasher.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

/// How the lock of a template is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Shared,
    Alone,
}

/// Takes the lock of a template; bounded, since its holder's steps are.
fn lock(path: &Utf8Path, hold: Hold, workshop: &Workshop<'_>) -> Result<File, EnvError> {
    let file = File::options().create(true).append(true).open(path).map_err(EnvError::io("create", path))?;
    let deadline = Instant::now() + STEP_LIMIT;
    loop {
        let tried = if hold == Hold::Shared { file.try_lock_shared() } else { file.try_lock() };
        match tried {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(EnvError::io("lock", path)(source)),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                let source = io::Error::new(io::ErrorKind::TimedOut, "another run has held it for 120 s");
                return Err(EnvError::io("lock", path)(source));
            }
            Err(TryLockError::WouldBlock) => pause(workshop)?,
        }
    }
}

fn pause(workshop: &Workshop<'_>) -> Result<(), EnvError> {
    std::thread::sleep(LOOK);
    workshop.interrupt.signal().map_or(Ok(()), |signal| Err(EnvError::Interrupted { signal }))
}

/// Makes a template in the state directory and moves it into the cache.
fn build(cluster: &Cluster, workshop: &Workshop<'_>, template: &Utf8Path) -> Result<(), EnvError> {
    let bench = workshop.state.join(format!("{}-template", workshop.service));
    create_private(&bench, cluster.account)?;
    let data = bench.join("data");
    let site = Site { cluster, workshop, bench: &bench, data: &data };
    site.initialise()?;
    site.create_database()?;
    site.run_scripts()?;
    let draft = draft_of(template);
    let publish = || -> io::Result<()> {
        // On the disk before it has its name: a template that lost its content would be used for ever.
        rustix::fs::syncfs(File::open(&draft)?)?;
        fs::rename(&draft, template)?;
        fs::remove_dir_all(&bench)
    };
    copy_tree(&data, &draft).and_then(|()| publish().map_err(EnvError::io("publish", template))).inspect_err(|_| {
        // A full disk has no place for half of it; what can't be removed now is found as a draft later.
        let _ = fs::remove_dir_all(&draft);
    })
}

/// A template while it is made.
struct Site<'a> {
    cluster: &'a Cluster,
    workshop: &'a Workshop<'a>,
    bench: &'a Utf8Path,
    data: &'a Utf8Path,
}

impl Site<'_> {
    /// `initdb`: the role with its password, and how it proves itself over TCP.
    fn initialise(&self) -> Result<(), EnvError> {
        let Cluster { found, user, auth_method, password, initdb_args, .. } = self.cluster;
        let mut argv = vec![found.directory().join("initdb").into_string(), "-D".into(), self.data.to_string()];
        argv.extend(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth-local=trust"].map(str::to_owned));
        // 16 MiB of journal to copy for every run otherwise.
        argv.extend(["--wal-segsize=1".to_owned(), format!("--auth-host={auth_method}"), format!("--username={user}")]);
        if let Some(password) = password {
            let file = self.write("password", password)?;
            argv.push(format!("--pwfile={file}"));
        }
        argv.extend(initdb_args.iter().cloned());
        self.run("initdb", argv, None)
    }

    /// The database, by a server without connections, which takes a tenth of the time of a real one.
    fn create_database(&self) -> Result<(), EnvError> {
        let database = &self.cluster.database;
        if database == "postgres" {
            return Ok(());
        }
        let statement = self.write("create.sql", &format!("CREATE DATABASE {};\n", identifier(database)))?;
        let server = self.cluster.found.program.to_string();
        let argv = ["--single", "-F", "-D", self.data.as_str(), "postgres"].map(str::to_owned);
        self.run("creating the database", [vec![server], argv.to_vec()].concat(), Some(statement))
    }

    /// The init scripts, by a server that only they can reach, as the official image does.
    fn run_scripts(&self) -> Result<(), EnvError> {
        if self.cluster.scripts.is_empty() {
            return Ok(());
        }
        let sockets = format!("unix_socket_directories={}", self.bench);
        let mut argv = vec![self.cluster.found.program.to_string(), "-D".to_owned(), self.data.to_string()];
        for setting in ["listen_addresses=", "port=5432", "fsync=off", "dynamic_shared_memory_type=mmap", &sockets] {
            argv.extend(["-c".to_owned(), setting.to_owned()]);
        }
        let from = log_end(self.workshop.log);
        let failed = |detail: String| self.error(&detail, from);
        let server = self.launch(argv, None);
        let mut server = self.workshop.launcher.start(&server).map_err(|error| failed(error.to_string()))?;
        let result = self.wait_for_server(server.id, from).and_then(|()| self.run_each_script());
        server.id.signal(Signal::INT);
        if !server.id.gone_within(STEP_LIMIT) {
            server.id.signal(Signal::KILL);
        }
        server.child.wait().map_err(|error| failed(error.to_string()))?;
        server.scribe.finish();
        result
    }

    fn wait_for_server(&self, server: crate::process::ProcessId, from: u64) -> Result<(), EnvError> {
        let deadline = Instant::now() + STEP_LIMIT;
        while Instant::now() < deadline && server.runs() {
            let status = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
            if status.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
                return Ok(());
            }
            pause(self.workshop)?;
        }
        Err(self.error("the server for its init scripts did not start", from))
    }

    fn run_each_script(&self) -> Result<(), EnvError> {
        for (index, (name, path)) in self.cluster.scripts.iter().enumerate() {
            // The server's user may not reach the checkout, so it gets a copy.
            let copy = self.bench.join(format!("{index}-{}", name.replace('/', "-")));
            fs::copy(path, &copy).map_err(EnvError::io("copy", path))?;
            let mode = fs::metadata(path).map_or(0o644, |metadata| metadata.permissions().mode());
            let mode = fs::Permissions::from_mode(mode | 0o444);
            fs::set_permissions(&copy, mode).map_err(EnvError::io("change the mode of", &copy))?;
            self.run(&format!("init script `{name}`"), script_argv(&copy, self.cluster), None)?;
        }
        Ok(())
    }

    /// Writes a small file for the server's user.
    fn write(&self, name: &str, text: &str) -> Result<Utf8PathBuf, EnvError> {
        let path = self.bench.join(name);
        fs::write(&path, text).map_err(EnvError::io("write", &path))?;
        // Its directory is closed to everybody else.
        let mode = fs::Permissions::from_mode(0o644);
        fs::set_permissions(&path, mode).map_err(EnvError::io("change the mode of", &path))?;
        Ok(path)
    }

    fn launch(&self, argv: Vec<String>, input: Option<Utf8PathBuf>) -> Launch {
        let mut environment = self.cluster.client_environment(self.bench.as_str(), 5432);
        environment.insert(MARK.to_owned(), mark(self.workshop.run, self.workshop.service));
        environment.insert("POSTGRES_USER".to_owned(), self.cluster.user.clone());
        environment.insert("POSTGRES_DB".to_owned(), self.cluster.database.clone());
        Launch {
            argv,
            environment,
            directory: self.bench.to_owned(),
            account: self.cluster.account,
            log: self.workshop.log.to_owned(),
            input,
            death_signal: Signal::QUIT,
        }
    }

    fn run(&self, what: &str, argv: Vec<String>, input: Option<Utf8PathBuf>) -> Result<(), EnvError> {
        let from = log_end(self.workshop.log);
        let launch = self.launch(argv, input);
        let ended = self.workshop.launcher.run(&launch, STEP_LIMIT, self.workshop.interrupt);
        match ended.map_err(|error| self.error(&format!("{what} could not be run: {error}"), from))? {
            Ended::Status(status) if status.success() => Ok(()),
            Ended::Status(status) => {
                Err(self.error(&format!("{what} failed with {}", tollgate_exec::Status::from(status)), from))
            }
            Ended::TimedOut => Err(self.error(&format!("{what} took longer than {} s", STEP_LIMIT.as_secs()), from)),
            Ended::Interrupted(signal) => Err(EnvError::Interrupted { signal }),
        }
    }

    fn error(&self, detail: &str, from: u64) -> EnvError {
        let log_tail = log_tail(self.workshop.log, from);
        EnvError::Start { service: self.workshop.service.clone(), detail: detail.to_owned(), log_tail, hint: None }
    }
}

/// How the official image runs a script: SQL by `psql`, programs as such, other shell scripts in a shell.
///
/// A program is run by the interpreter of its first line, since memory file systems are often mounted `noexec`.
fn script_argv(path: &Utf8Path, cluster: &Cluster) -> Vec<String> {
    let psql = [
        "psql",
        "-v",
        "ON_ERROR_STOP=1",
        "--no-password",
        "--no-psqlrc",
        "--username",
        &cluster.user,
        "--dbname",
        &cluster.database,
    ];
    let psql = psql.map(str::to_owned).to_vec();
    let executable = fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o100 != 0);
    let name = path.to_string();
    match path.extension() {
        Some("sql") => [psql, vec!["--file".to_owned(), name]].concat(),
        Some("gz") => {
            let pipe = r#"set -o pipefail; file=$1; shift; gzip -dc "$file" | "$@""#;
            [["bash", "-c", pipe, "bash", &name].map(str::to_owned).to_vec(), psql].concat()
        }
        _ => {
            let text = fs::read_to_string(path).unwrap_or_default();
            [interpreter(&text).filter(|_| executable).unwrap_or_else(|| vec!["bash".into()]), vec![name]].concat()
        }
    }
}

/// The interpreter that the first line of a script names, with its argument.
fn interpreter(script: &str) -> Option<Vec<String>> {
    let words: Vec<String> =
        script.lines().next()?.strip_prefix("#!")?.trim().splitn(2, ' ').map(str::to_owned).collect();
    words.first().is_some_and(|word| !word.is_empty()).then_some(words)
}

/// Quotes a name for SQL.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::native::program::Found;
    use std::collections::BTreeMap;

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

    #[test]
    fn a_script_is_run_by_what_its_name_says() {
        let argv = |path: &str| script_argv(Utf8Path::new(path), &cluster());
        assert_eq!(argv("/s/1.sql").last().map(String::as_str), Some("/s/1.sql"));
        assert_eq!(argv("/s/1.sql").first().map(String::as_str), Some("psql"));
        assert_eq!(argv("/s/1.sql.gz")[3..5], ["bash", "/s/1.sql.gz"]);
        assert_eq!(argv("/s/1.sh"), ["bash", "/s/1.sh"]);
        assert_eq!(interpreter("#! /usr/bin/env python3\n"), Some(vec!["/usr/bin/env".into(), "python3".into()]));
        assert_eq!(interpreter("#!/bin/sh -e -u"), Some(vec!["/bin/sh".into(), "-e -u".into()]));
        assert_eq!(interpreter("echo"), None);
    }
}
