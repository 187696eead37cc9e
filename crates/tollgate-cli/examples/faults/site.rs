//! Where faults are caused: a copy of the fixture `shop`, with a database beside its store.

use crate::{Failure, look};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tollgate_testkit::{Ended, Fixture, Invocation};

/// A second server, so that there is a data directory, shared memory and a prepared template to lose.
const DATABASE: &str = r#"
  db:
    image: postgres:15-bookworm
    environment: { POSTGRES_USER: shop, POSTGRES_PASSWORD: shop, POSTGRES_DB: shop }
    ports: ["127.0.0.1::5432"]
    healthcheck: { test: ["CMD", "pg_isready", "-h", "127.0.0.1"] }
    x-tollgate: { recipe: postgres }
"#;

/// A service whose processes go as far away as they can, and ignore what they are asked. `SHED` is for one that loses its mark
/// too, which only a control group keeps.
pub(crate) const ROGUE: &str = r#"
  rogue:
    image: debian:bookworm-slim
    command: ["sh", "-c", "trap '' TERM HUP INT; setsid sleep 900 & (setsid setsid sleep 901 &); sleep 902"]
    x-tollgate:
      command: ["sh", "-c", "trap '' TERM HUP INT; setsid sleep 900 & (SHED setsid setsid sleep 901 &); sleep 902"]
"#;

/// Longest time a run may take to its end.
const RUN_LIMIT: Duration = Duration::from_mins(2);

/// The copy and how it is used.
pub(crate) struct Site {
    pub(crate) fixture: Fixture,
    pub(crate) engine: String,
    tollgate: PathBuf,
    /// Segments that others had left before.
    pub(crate) shared_memory: BTreeSet<String>,
    /// A cache of its own, so that data directories are prepared, and lost while they are.
    cache: tempfile::TempDir,
}

impl Site {
    /// Copies the fixture and links the installed tools into a fresh cache.
    pub(crate) fn new(engine: &str) -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let tollgate = own.parent().and_then(Path::parent).ok_or("no directory")?.join("tollgate");
        if !tollgate.is_file() {
            return Err(format!("{} is not there; `cargo build -p tollgate-cli` makes it", tollgate.display()).into());
        }
        let cache = tempfile::tempdir()?;
        let inside = cache.path().join("tollgate");
        fs::create_dir(&inside)?;
        let home = std::env::var("HOME")?;
        let real = std::env::var("XDG_CACHE_HOME").map_or_else(|_| Path::new(&home).join(".cache"), PathBuf::from);
        for entry in fs::read_dir(real.join("tollgate")).into_iter().flatten().flatten() {
            if entry.file_name() != "pgdata" {
                std::os::unix::fs::symlink(entry.path(), inside.join(entry.file_name()))?;
            }
        }
        let fixture = Fixture::copy("shop");
        fixture.append("ci/compose.yaml", DATABASE);
        fixture.replace("ci/tollgate.toml", "services = [\"shop\"]", "services = [\"shop\", \"db\"]");
        fixture.replace("ci/tollgate.toml", "ready-timeout = \"5s\"", "ready-timeout = \"60s\"");
        fixture.replace("ci/compose.yaml", "debian:bookworm-slim", &own_image());
        Ok(Self { fixture, engine: engine.to_owned(), tollgate, shared_memory: look::shared_memory(), cache })
    }

    /// Prepared data directories are forgotten, so that the next run prepares one.
    pub(crate) fn forget_templates(&self) {
        // There may be none yet.
        let _ = fs::remove_dir_all(self.cache.path().join("tollgate/pgdata"));
    }

    /// tollgate to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.run_by(&[], args)
    }

    /// tollgate to its end, started by another program: its words come first.
    pub(crate) fn run_by(&self, starter: &[&str], args: &[&str]) -> Ended {
        let cache = self.cache.path().to_string_lossy().into_owned();
        let tollgate = self.tollgate.to_string_lossy().into_owned();
        let words: Vec<&str> = starter.iter().copied().chain([tollgate.as_str()]).chain(args.iter().copied()).collect();
        Invocation::new(words[0], &self.fixture).args(&words[1..]).env("XDG_CACHE_HOME", &cache).run()
    }

    /// Starts `ci`; what it says goes to a file, so that no pipe ties anything to this process.
    pub(crate) fn start_ci(&self) -> Result<Child, Failure> {
        self.start_ci_by(&[])
    }

    /// The same, started by another program that makes way for it: its words come first.
    pub(crate) fn start_ci_by(&self, starter: &[String]) -> Result<Child, Failure> {
        let said = File::create(self.said())?;
        let tollgate = self.tollgate.to_string_lossy().into_owned();
        let words: Vec<&String> = starter.iter().chain([&tollgate]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["ci", "--engine", &self.engine]).current_dir(self.fixture.root());
        command.env("XDG_CACHE_HOME", self.cache.path()).env_remove("CI").stdin(Stdio::null());
        Ok(command.stdout(said.try_clone()?).stderr(said).spawn()?)
    }

    /// What the last `ci` said.
    pub(crate) fn said(&self) -> PathBuf {
        self.cache.path().join("said.txt")
    }

    /// A source of the fixture is newer than its build.
    pub(crate) fn dirty(&self) -> Result<(), Failure> {
        let source = self.fixture.root().join("shop/src/lib.rs");
        Ok(File::options().append(true).open(source)?.set_modified(std::time::SystemTime::now())?)
    }

    /// The compose file with more services, each needed by the e2e tier; gives back what restores it.
    pub(crate) fn with_services(&self, name: &str, services: &str) -> Restore<'_> {
        let files = ["ci/compose.yaml", "ci/tollgate.toml"].map(|path| (path, self.fixture.read(path)));
        let shed = if tollgate_env::may_contain() { "env -i PATH=/usr/bin:/bin" } else { "" };
        let services = services.replace("debian:bookworm-slim", &own_image()).replace("SHED", shed);
        self.fixture.append("ci/compose.yaml", &services);
        let wanted = format!("services = [\"shop\", \"db\", \"{name}\"]");
        self.fixture.replace("ci/tollgate.toml", "services = [\"shop\", \"db\"]", &wanted);
        Restore { site: self, files }
    }
}

/// An image that has what programs of this machine are linked to: that of Ubuntu where this is one.
pub(crate) fn own_image() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field =
        |name: &str| release.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_matches('"'));
    match (field("ID="), field("VERSION_ID=")) {
        (Some("ubuntu"), Some(version)) => format!("ubuntu:{version}"),
        _ => "debian:bookworm-slim".to_owned(),
    }
}

/// Puts files back when it is dropped.
pub(crate) struct Restore<'a> {
    site: &'a Site,
    files: [(&'static str, String); 2],
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        for (path, text) in &self.files {
            self.site.fixture.write(path, text);
        }
    }
}

/// Waits for a child, bounded; `None` where it did not end.
pub(crate) fn wait(child: &mut Child) -> Result<Option<std::process::ExitStatus>, Failure> {
    let deadline = Instant::now() + RUN_LIMIT;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}
