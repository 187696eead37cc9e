//! Data directories of databases, made once and copied ever after.
//!
//! Making one takes a second, copying it less than a tenth of that. A template is kept under a digest of all that went
//! into it, built in a run's state directory and renamed into the cache when it is complete; a lock keeps two runs from
//! building the same one.

use super::cache::{cache_directory, draft_of, is_complete, lock_of, touch};
use super::launch::{Account, Ended, Launch, Launcher, log_end, log_tail};
use super::mark::{MARK, mark};
use super::state::{copy_tree, create_private};
use crate::EnvError;
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::time::{Duration, Instant};
use tollgate_exec::{Interrupt, Signal};
use tollgate_model::{RunId, ServiceName};

/// Part of the digest; to be raised when the way templates are made changes.
const RECIPE: &str = "4";

/// Longest time that one step of building may take, and longest wait for another run that builds the same.
const STEP_LIMIT: Duration = Duration::from_mins(2);

/// Between two looks at a lock, or at a server that starts.
const LOOK: Duration = Duration::from_millis(5);

/// A database server by what its data directory is made from.
pub(super) trait Origin {
    /// The user of the server; absent for that of the orchestrator.
    fn account(&self) -> Option<Account>;
    /// Everything that decides what is in the directory, but for the scripts.
    fn parts(&self) -> Vec<String>;
    /// Scripts to run once, in order: name and path.
    fn scripts(&self) -> &[(String, Utf8PathBuf)];
    /// Variables of the programs that make it, whose socket is in this directory; scripts see them.
    fn environment(&self, bench: &Utf8Path) -> BTreeMap<String, String>;
    /// Makes the directory without running the scripts.
    fn initialise(&self, site: &Site<'_>) -> Result<(), EnvError>;
    /// The command line of a server that only scripts can reach, and of the server's client.
    fn backstage(&self, site: &Site<'_>) -> Backstage;
}

/// A server that only scripts can reach, as the official images start one.
pub(super) struct Backstage {
    /// The server's command line.
    pub(super) server: Vec<String>,
    /// Tells whether it takes connections.
    pub(super) is_ready: Box<dyn Fn() -> bool>,
    /// Asks it to stop, with nothing left behind.
    pub(super) stop: Signal,
    /// The command line of a client that reads SQL from its standard input.
    pub(super) client: Vec<String>,
}

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

/// Puts a fresh data directory at `data`.
pub(super) fn provide(origin: &dyn Origin, workshop: &Workshop<'_>, data: &Utf8Path) -> Result<(), EnvError> {
    let cache = cache_directory();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&cache)
        .map_err(EnvError::io("create the directory", &cache))?;
    let digest = digest(origin)?;
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
        build(origin, workshop, &template)?;
    }
    copy_tree(&template, data)
}

/// Names a template by all that goes into it.
pub(super) fn digest(origin: &dyn Origin) -> Result<String, EnvError> {
    let mut hasher = Sha256::new();
    // Each part with its length, so that no two lists of parts read the same.
    let mut add = |part: &[u8]| {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    };
    let account = format!("{:?}", origin.account());
    for part in [RECIPE.to_owned(), account].into_iter().chain(origin.parts()) {
        add(part.as_bytes());
    }
    if !origin.scripts().is_empty() {
        for (name, value) in origin.environment(Utf8Path::new("")) {
            add(format!("{name}={value}").as_bytes());
        }
    }
    for (name, path) in origin.scripts() {
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
fn build(origin: &dyn Origin, workshop: &Workshop<'_>, template: &Utf8Path) -> Result<(), EnvError> {
    let bench = workshop.state.join(format!("{}-template", workshop.service));
    create_private(&bench, origin.account())?;
    let data = bench.join("data");
    let mut environment = origin.environment(&bench);
    environment.insert(MARK.to_owned(), mark(workshop.run, workshop.service));
    let site = Site { workshop, account: origin.account(), environment, bench: &bench, data: &data };
    origin.initialise(&site)?;
    site.run_scripts(origin)?;
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
pub(super) struct Site<'a> {
    workshop: &'a Workshop<'a>,
    account: Option<Account>,
    environment: BTreeMap<String, String>,
    /// A directory of the server's user.
    pub(super) bench: &'a Utf8Path,
    /// Where the data directory comes to be.
    pub(super) data: &'a Utf8Path,
}

impl Site<'_> {
    /// The init scripts, by a server that only they can reach, as the official images do.
    fn run_scripts(&self, origin: &dyn Origin) -> Result<(), EnvError> {
        if origin.scripts().is_empty() {
            return Ok(());
        }
        let backstage = origin.backstage(self);
        let from = log_end(self.workshop.log);
        let failed = |detail: String| self.error(&detail, from);
        let server = self.launch(backstage.server.clone(), None);
        let mut server = self.workshop.launcher.start(&server).map_err(|error| failed(error.to_string()))?;
        let result = self
            .wait_for(server.id, &backstage, from)
            .and_then(|()| self.run_each_script(origin.scripts(), &backstage.client));
        server.id.signal(backstage.stop);
        if !server.id.gone_within(STEP_LIMIT) {
            server.id.signal(Signal::KILL);
        }
        server.child.wait().map_err(|error| failed(error.to_string()))?;
        server.scribe.finish();
        result
    }

    fn wait_for(&self, server: crate::process::ProcessId, backstage: &Backstage, from: u64) -> Result<(), EnvError> {
        let deadline = Instant::now() + STEP_LIMIT;
        while Instant::now() < deadline && server.runs() {
            if (backstage.is_ready)() {
                return Ok(());
            }
            pause(self.workshop)?;
        }
        Err(self.error("the server for its init scripts did not start", from))
    }

    fn run_each_script(&self, scripts: &[(String, Utf8PathBuf)], client: &[String]) -> Result<(), EnvError> {
        for (index, (name, path)) in scripts.iter().enumerate() {
            // The server's user may not reach the checkout, so it gets a copy.
            let copy = self.bench.join(format!("{index}-{}", name.replace('/', "-")));
            fs::copy(path, &copy).map_err(EnvError::io("copy", path))?;
            let mode = fs::metadata(path).map_or(0o644, |metadata| metadata.permissions().mode());
            let mode = fs::Permissions::from_mode(mode | 0o444);
            fs::set_permissions(&copy, mode).map_err(EnvError::io("change the mode of", &copy))?;
            let input = (copy.extension() == Some("sql")).then(|| copy.clone());
            self.run(&format!("init script `{name}`"), script_argv(&copy, client), input)?;
        }
        Ok(())
    }

    /// Writes a small file for the server's user.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<Utf8PathBuf, EnvError> {
        let path = self.bench.join(name);
        fs::write(&path, text).map_err(EnvError::io("write", &path))?;
        // Its directory is closed to everybody else.
        let mode = fs::Permissions::from_mode(0o644);
        fs::set_permissions(&path, mode).map_err(EnvError::io("change the mode of", &path))?;
        Ok(path)
    }

    fn launch(&self, argv: Vec<String>, input: Option<Utf8PathBuf>) -> Launch {
        Launch {
            argv,
            environment: self.environment.clone(),
            directory: self.bench.to_owned(),
            account: self.account,
            log: self.workshop.log.to_owned(),
            input,
            death_signal: Signal::QUIT,
        }
    }

    /// Runs a program as the server's user to its end, reading this file; bounded.
    pub(super) fn run(&self, what: &str, argv: Vec<String>, input: Option<Utf8PathBuf>) -> Result<(), EnvError> {
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

    /// Runs a program as [`Self::run`] does, and gives the last lines it wrote.
    pub(super) fn told(&self, what: &str, argv: Vec<String>) -> Result<Vec<String>, EnvError> {
        let from = log_end(self.workshop.log);
        self.run(what, argv, None)?;
        Ok(log_tail(self.workshop.log, from))
    }

    pub(super) fn error(&self, detail: &str, from: u64) -> EnvError {
        let log_tail = log_tail(self.workshop.log, from);
        EnvError::Start { service: self.workshop.service.clone(), detail: detail.to_owned(), log_tail, hint: None }
    }
}

/// How the official images run a script: SQL by the client, programs as such, other shell scripts in a shell.
///
/// A program is run by the interpreter of its first line, since memory file systems are often mounted `noexec`.
fn script_argv(path: &Utf8Path, client: &[String]) -> Vec<String> {
    let executable = fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o100 != 0);
    let name = path.to_string();
    match path.extension() {
        Some("sql") => client.to_vec(),
        Some("gz") => {
            let pipe = r#"set -o pipefail; file=$1; shift; gzip -dc "$file" | "$@""#;
            [&["bash", "-c", pipe, "bash", &name].map(str::to_owned)[..], client].concat()
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

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_script_is_run_by_what_its_name_says() {
        let client = ["psql".to_owned()];
        let argv = |path: &str| script_argv(Utf8Path::new(path), &client);
        assert_eq!(argv("/s/1.sql"), ["psql"]);
        assert_eq!(argv("/s/1.sql.gz")[3..], ["bash", "/s/1.sql.gz", "psql"]);
        assert_eq!(argv("/s/1.sh"), ["bash", "/s/1.sh"]);
        assert_eq!(interpreter("#! /usr/bin/env python3\n"), Some(vec!["/usr/bin/env".into(), "python3".into()]));
        assert_eq!(interpreter("#!/bin/sh -e -u"), Some(vec!["/bin/sh".into(), "-e -u".into()]));
        assert_eq!(interpreter("echo"), None);
    }
}
