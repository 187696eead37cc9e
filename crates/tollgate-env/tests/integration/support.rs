//! What the tests of real processes share: compose files, environments, and a look at the machine.

use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tollgate_env::{Compose, EnvEvent, Environment, ProcessId, Setting, load};
use tollgate_exec::{Cmd, Interrupt};
use tollgate_model::{EngineKind, RunId, ServiceName};

/// A PostgreSQL and a Redis server.
pub(crate) const SERVERS: &str = r#"
services:
  db:
    image: postgres:15
    environment: { POSTGRES_USER: app, POSTGRES_PASSWORD: secret, POSTGRES_DB: shop }
    ports: ["127.0.0.1::5432"]
  cache:
    image: redis:7
    ports: ["127.0.0.1::6379"]
"#;

/// A run's directory with a compose file in it.
pub(crate) struct Scene {
    pub(crate) directory: TempDir,
    pub(crate) run: RunId,
    pub(crate) events: Arc<Mutex<Vec<EnvEvent>>>,
}

impl Scene {
    /// A run with a name that no other test and no other process of this machine has.
    pub(crate) fn new(test: &str, compose: &str) -> Self {
        let directory = TempDir::with_prefix("tollgate-test-").expect("a temporary directory");
        let run = RunId::new(format!("{test}-{}", std::process::id())).expect("a valid name");
        let scene = Self { directory, run, events: Arc::default() };
        fs::create_dir_all(scene.run_dir()).expect("a directory");
        fs::write(scene.file(), compose).expect("a file");
        scene
    }

    pub(crate) fn path(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.directory.path().to_owned()).expect("a path of plain text")
    }

    pub(crate) fn runs_root(&self) -> Utf8PathBuf {
        self.path().join("runs")
    }

    pub(crate) fn run_dir(&self) -> Utf8PathBuf {
        self.runs_root().join(self.run.as_str())
    }

    pub(crate) fn file(&self) -> Utf8PathBuf {
        self.path().join("compose.yaml")
    }

    pub(crate) fn compose(&self) -> Compose {
        load(&self.file(), &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    /// The run's state directory, wherever it is; none where there is none.
    pub(crate) fn state(&self) -> Option<Utf8PathBuf> {
        let user = rustix::process::geteuid().as_raw();
        let roots = ["/dev/shm".to_owned(), std::env::temp_dir().to_string_lossy().into_owned(), "/tmp".to_owned()];
        let places = roots.map(|root| Utf8PathBuf::from(root).join(format!("tollgate-{user}")).join(self.run.as_str()));
        places.into_iter().find(|place| place.exists())
    }

    pub(crate) fn setting(&self) -> Setting {
        Setting {
            engine: EngineKind::Native,
            engine_reason: "asked for".to_owned(),
            run: self.run.clone(),
            run_dir: self.run_dir(),
            workspace_root: self.path(),
            ready_timeout: Duration::from_mins(1),
            interrupt: Interrupt::new().expect("a pipe"),
            profiles: self.path().join("profiles"),
            masks: tollgate_model::Masks::default(),
        }
    }

    pub(crate) fn environment(&self) -> Environment {
        let events = Arc::clone(&self.events);
        let on_event = Arc::new(move |event| events.lock().expect("no test panics in it").push(event));
        Environment::new(self.compose(), self.setting(), on_event).expect("an environment")
    }

    pub(crate) fn log(&self, service: &str) -> String {
        fs::read_to_string(self.run_dir().join(format!("services/{service}.log"))).unwrap_or_default()
    }

    pub(crate) fn ledger(&self) -> String {
        fs::read_to_string(self.run_dir().join("ledger.jsonl")).unwrap_or_default()
    }

    /// The processes that the ledger lists.
    pub(crate) fn recorded(&self) -> Vec<ProcessId> {
        let number = |line: &str, key: &str| -> Option<u64> {
            let after = line.split(&format!("\"{key}\":")).nth(1)?;
            after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let ledger = self.ledger();
        let lines = ledger.lines().filter(|line| line.contains("\"entry\":\"process\""));
        let read = |line| {
            Some(ProcessId { pid: i32::try_from(number(line, "pid")?).ok()?, start_time: number(line, "start-time")? })
        };
        lines.filter_map(read).collect()
    }
}

pub(crate) fn names(names: &[&str]) -> Vec<ServiceName> {
    names.iter().map(|name| ServiceName::new(*name).expect("a valid name")).collect()
}

/// The probe, which cargo builds with the tests.
pub(crate) fn probe() -> Utf8PathBuf {
    let test = Utf8PathBuf::from_path_buf(std::env::current_exe().expect("a path")).expect("plain text");
    let probe = test.parent().and_then(Utf8Path::parent).expect("two levels").join("examples/keeper_probe");
    assert!(probe.exists(), "{probe} is not there; `cargo test -p tollgate-env` builds it");
    probe
}

/// Parent, group and identity of a process that has not ended.
pub(crate) fn stat(pid: i32) -> Option<(ProcessId, i32)> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = line.rsplit_once(") ")?.1.split(' ').collect();
    let id = ProcessId { pid, start_time: fields.get(19)?.parse().ok()? };
    (!matches!(fields[0], "Z" | "X")).then(|| Some((id, fields[1].parse().ok()?)))?
}

/// Every running process below one, at any depth.
pub(crate) fn tree(root: i32) -> Vec<ProcessId> {
    let entries = fs::read_dir("/proc").expect("it is mounted").flatten();
    let all: Vec<(ProcessId, i32)> =
        entries.filter_map(|entry| stat(entry.file_name().to_str()?.parse().ok()?)).collect();
    let mut below = vec![root];
    let mut found = Vec::new();
    while let Some(parent) = below.pop() {
        let children = all.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id);
        children.for_each(|id| (below.push(id.pid), found.push(id)).0);
    }
    found
}

/// Waits until a condition holds, and fails when it does not within 20 s.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "waited 20 s in vain until {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

pub(crate) fn runs(id: ProcessId) -> bool {
    stat(id.pid).is_some_and(|(now, _)| now == id)
}

/// The control group of a run with this name, wherever it is.
pub(crate) fn control_group(run: &str) -> Option<Utf8PathBuf> {
    let mut groups = vec![Utf8PathBuf::from("/sys/fs/cgroup")];
    while let Some(group) = groups.pop() {
        if group.file_name() == Some(&format!("tollgate-{run}")) {
            return Some(group);
        }
        let entries = group.read_dir_utf8().into_iter().flatten().flatten();
        groups.extend(
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(camino::Utf8DirEntry::into_path),
        );
    }
    None
}

/// Clock ticks of the start times in /proc, per second, on every architecture.
const TICKS: u64 = 100;

/// How many shared memory segments these processes made and left.
pub(crate) fn segments(creators: &[ProcessId]) -> usize {
    let booted = fs::read_to_string("/proc/stat").expect("it is mounted");
    let booted = booted.lines().find_map(|line| line.strip_prefix("btime ")?.parse::<u64>().ok()).expect("a time");
    let table = fs::read_to_string("/proc/sysvipc/shm").expect("it is mounted");
    let made_by_one = |line: &&str| {
        let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
        let [_, _, _, _, creator, _, _, _, _, _, _, _, _, made, ..] = fields[..] else { return false };
        // Somebody else may have left one and had the same pid before; the times are whole seconds.
        let made_by =
            |id: &&ProcessId| u64::try_from(id.pid) == Ok(creator) && booted + id.start_time / TICKS <= made + 1;
        creators.iter().find(made_by).is_some()
    };
    table.lines().skip(1).filter(made_by_one).count()
}

/// Asks a PostgreSQL server over TCP.
pub(crate) fn psql(
    address: &str,
    user: &str,
    password: &str,
    database: &str,
    statement: &str,
) -> Result<String, String> {
    let (host, port) = address.rsplit_once(':').expect("an address");
    let cmd = Cmd::new("psql")
        .args(["--no-psqlrc", "-X", "-A", "-t", "-h", host, "-p", port, "-U", user, "-d", database, "-c", statement])
        .env("PGPASSWORD", password)
        .timeout(Duration::from_secs(20));
    let output = cmd.run(&Interrupt::new().expect("a pipe")).expect("psql runs");
    if output.status.success() { Ok(output.stdout.trim().to_owned()) } else { Err(output.stderr.trim().to_owned()) }
}
