//! The compose engine itself.

use super::containers::{self, Containers};
use super::detect::detect;
use super::removal::remove_project;
use super::tool::{QUICK, Tool};
use super::watch::{self, End, now};
use crate::compose::{Generated, generate};
use crate::engine::{Engine, Removed, RunState, StartContext, Started};
use crate::ledger::{Entry, Ledger};
use crate::{Compose, EnvError, FileProblem, Service, Setting};
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tollgate_exec::{Cmd, ExecError, Interrupt};
use tollgate_model::{Masks, ServiceName};

/// Images may have to be pulled first.
const CREATE: Duration = Duration::from_mins(10);
/// How long a service has to stop where the file does not say.
const GRACE: Duration = Duration::from_secs(10);
/// How long the engine may take to hand on the last lines of a container that ended.
const LOG_END: Duration = Duration::from_secs(2);
/// Where an instrumented service finds the directory for its profiles.
const PROFILES: &str = "/opt/tollgate/profiles";

/// Containers, by the compose command.
pub(crate) struct ComposeEngine {
    compose: Arc<Compose>,
    tool: Tool,
    project: String,
    run: String,
    /// The generated file.
    file: Utf8PathBuf,
    interrupt: Interrupt,
    masks: Masks,
    ledger: Arc<Ledger>,
    containers: Arc<Containers>,
    end: Arc<End>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Word of the end of each log that is followed.
    logs: Mutex<BTreeMap<ServiceName, Receiver<()>>>,
    /// How far creation went: one batch at a time, since parallel `up`s of a project trip over each other.
    creation: Mutex<Creation>,
}

#[derive(Debug, Default)]
struct Creation {
    begun: bool,
    /// A command that creates was cut off, and the engine may not be done with it.
    cut_off: bool,
}

impl ComposeEngine {
    /// Finds the tool; nothing is created yet.
    ///
    /// # Errors
    /// When no container engine answers.
    pub(crate) fn new(compose: Arc<Compose>, setting: &Setting, ledger: Arc<Ledger>) -> Result<Self, EnvError> {
        let tool = detect(&setting.interrupt).map_err(|tried| EnvError::NoEngine { tried })?;
        let end = End::new().map_err(EnvError::io("watch containers from", setting.run_dir.clone()))?;
        Ok(Self {
            compose,
            tool,
            project: project_name(&setting.workspace_root, setting.run.as_str()),
            run: setting.run.to_string(),
            file: setting.run_dir.join("compose.json"),
            interrupt: setting.interrupt.clone(),
            masks: setting.masks.clone(),
            ledger,
            containers: Arc::default(),
            end: Arc::new(end),
            threads: Mutex::default(),
            logs: Mutex::default(),
            creation: Mutex::default(),
        })
    }

    fn container(&self, service: &str) -> String {
        container_name(&self.project, service)
    }

    /// Announces the project and begins to watch it, before the first thing of it is created.
    fn begin(&self, creation: &mut Creation) -> Result<(), EnvError> {
        if creation.begun {
            return Ok(());
        }
        self.ledger.record(&Entry::Project { name: self.project.clone(), command: self.tool.compose.clone() })?;
        let project = self.project.clone();
        let name_of = move |service: &str| container_name(&project, service);
        let thread = watch::events(&self.tool, &self.project, name_of, &self.containers, &self.end);
        self.keep(thread.map_err(EnvError::io("watch containers from", self.file.clone()))?);
        creation.begun = true;
        Ok(())
    }

    fn keep(&self, thread: JoinHandle<()>) {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    /// Writes the file that the compose command gets. It has the values of variables, so nobody else may read it.
    fn write_file(&self, context: &StartContext<'_>) -> Result<(), EnvError> {
        let binaries = context.binaries.map(|binaries| ("TOLLGATE_BIN".to_owned(), binaries.directory.to_string()));
        let extra = |service: &Service| {
            let profile = context.profile_file(service, Utf8Path::new(PROFILES));
            let directory = context.profiles.join(service.name.as_str());
            let mounts = profile.iter().map(|_| format!("{directory}:{PROFILES}/{}", service.name)).collect();
            (profile.into_iter().map(|value| ("LLVM_PROFILE_FILE".to_owned(), value)).collect(), mounts)
        };
        let name = |service: &Service| self.container(service.name.as_str());
        let changes =
            Generated { variables: binaries.into_iter().collect(), run: &self.run, container: &name, extra: &extra };
        let text = format!("{:#}\n", generate(&self.compose, &changes));
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&self.file);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(EnvError::io("write", self.file.clone()))
    }

    /// Takes the secrets out of the file that is of no more use and stays with the run.
    fn mask_file(&self) {
        if let Ok(text) = fs::read_to_string(&self.file) {
            // Where it can't be written it is still nobody else's to read.
            let _ = fs::write(&self.file, self.masks.apply(&text).as_bytes());
        }
    }

    fn create(&self, services: &[&Service], creation: &mut Creation) -> Result<(), EnvError> {
        let directory = self.compose.directory.canonicalize_utf8();
        let directory = directory.map_err(EnvError::io("find", self.compose.directory.clone()))?;
        let head = ["-p", &self.project, "-f", self.file.as_str(), "--project-directory", directory.as_str()];
        let names = services.iter().map(|service| service.name.as_str());
        let args: Vec<&str> =
            head.into_iter().chain(["up", "--no-start", "--no-deps", "--quiet-pull"]).chain(names).collect();
        let created = self.tool.compose(&args, CREATE, &self.interrupt);
        creation.cut_off |= matches!(created, Err(ExecError::Interrupted { .. } | ExecError::TimedOut { .. }));
        let failed = |source| command_failed("creating the containers", source);
        created.map(drop).map_err(failed)
    }

    fn run_container(&self, service: &Service, context: &StartContext<'_>) -> Result<Started, ExecError> {
        let name = self.container(service.name.as_str());
        let from = now();
        self.containers.starting(&service.name, from);
        self.tool.run(&["start", &name], QUICK, &self.interrupt)?;
        // without a log the run is poorer, not wrong
        if let Ok(follower) = watch::logs(&self.tool, name.clone(), from, context.log, self.masks.clone(), &self.end) {
            self.keep(follower.thread);
            let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            logs.insert(service.name.clone(), follower.complete);
        }
        let format = "{{json .NetworkSettings.Ports}}\n{{.Image}}\n{{json .Config.Env}}";
        let told = self.tool.run(&["inspect", "--format", format, &name], QUICK, &self.interrupt)?.stdout;
        let mut told = told.lines();
        self.containers.published(&service.name, containers::published(told.next().unwrap_or_default()));
        let image = self.digest(told.next().unwrap_or_default());
        let version = containers::version(image.as_deref(), told.next().unwrap_or_default());
        let program = service.image.as_ref().map_or_else(|| "a built image".to_owned(), |image| image.value.clone());
        Ok(Started { program, detail: format!("container {name}"), version })
    }

    /// The start of the digest of an image that a container says it is of, by its digest or by its name.
    fn digest(&self, image: &str) -> Option<String> {
        let by_name = || {
            let told = self.tool.run(&["image", "inspect", "--format", "{{.Id}}", image], QUICK, &self.interrupt);
            // Where nobody knows it the evidence says so.
            containers::digest(&told.ok()?.stdout).map(str::to_owned)
        };
        containers::digest(image).map(str::to_owned).or_else(by_name)
    }
}

impl Engine for ComposeEngine {
    fn unsupported(&self, compose: &Compose, services: &[ServiceName]) -> Vec<FileProblem> {
        let mut problems = Vec::new();
        for service in services.iter().filter_map(|name| compose.services.get(name)) {
            if let (Some(build), None) = (service.build, &service.image) {
                let message = format!(
                    "service `{}` has a `build` without an `image`, and would leave an image behind",
                    service.name
                );
                problems.push(compose.problem(
                    build,
                    message,
                    Some("name the image that is built by `image`".to_owned()),
                ));
            }
        }
        problems
    }

    fn prepare(&self, services: &[&Service], context: &StartContext<'_>) -> Result<(), EnvError> {
        let mut creation = self.creation.lock().unwrap_or_else(PoisonError::into_inner);
        self.begin(&mut creation)?;
        for service in services.iter().filter(|service| context.profile_file(service, context.profiles).is_some()) {
            let directory = context.profiles.join(service.name.as_str());
            fs::create_dir_all(&directory).map_err(EnvError::io("create", directory.clone()))?;
            // the service may run as any user in its container
            let open = fs::set_permissions(&directory, Permissions::from_mode(0o777));
            open.map_err(EnvError::io("open", directory))?;
        }
        self.write_file(context)?;
        self.create(services, &mut creation)
    }

    fn start(&self, service: &Service, context: &StartContext<'_>) -> Result<Started, EnvError> {
        self.run_container(service, context).map_err(|error| {
            self.containers.not_started(&service.name);
            match error {
                ExecError::Interrupted { signal, .. } => EnvError::Interrupted { signal },
                other => EnvError::Start {
                    service: service.name.clone(),
                    hint: hint(&other.to_string()),
                    detail: other.to_string(),
                    log_tail: Vec::new(),
                },
            }
        })
    }

    fn endpoint(&self, service: &ServiceName, port: u16) -> Option<SocketAddr> {
        self.containers.endpoint(service, port)
    }

    fn state(&self, service: &ServiceName) -> RunState {
        self.containers.state(service)
    }

    fn refresh(&self) {
        watch::look(&self.tool, &|service| self.container(service), &self.containers, &self.end);
    }

    fn await_log(&self, service: &ServiceName) {
        let follower = self.logs.lock().unwrap_or_else(PoisonError::into_inner).remove(service);
        // nothing is ever sent: the wait ends when the thread does, or when it has been long enough
        if let Some(complete) = follower {
            let _ = complete.recv_timeout(LOG_END);
        }
    }

    fn exec(&self, service: &ServiceName, argv: &[String], timeout: Duration) -> Result<i32, EnvError> {
        let container = self.container(service.as_str());
        let cmd = Cmd::new(&self.tool.program).args(["exec", &container]).args(argv).timeout(timeout).die_with_parent();
        let output = cmd.run(&self.interrupt);
        let output =
            output.map_err(|source| command_failed(&format!("a command in the container of `{service}`"), source))?;
        // a signal to the client says nothing about the command
        Ok(output.status.code().unwrap_or(255))
    }

    fn stop(&self, services: &[ServiceName]) {
        let running = self.containers.running();
        let services: Vec<&ServiceName> = services.iter().filter(|service| running.contains(service)).collect();
        let grace = |name: &ServiceName| {
            self.compose.services.get(name).and_then(|service| service.stop().grace).unwrap_or(GRACE)
        };
        let Some(longest) = services.iter().map(|name| grace(name)).max() else { return };
        for name in &services {
            self.containers.stopping(name);
        }
        let seconds = longest.as_secs().max(1).to_string();
        let names: Vec<String> = services.iter().map(|name| self.container(name.as_str())).collect();
        let args: Vec<&str> =
            ["stop", "--time", &seconds].into_iter().chain(names.iter().map(String::as_str)).collect();
        // an interrupted run still has to stop what it started; what stays is removed by force in the end
        if let Ok(calm) = Interrupt::new() {
            let _ = self.tool.run(&args, longest + QUICK, &calm);
        }
    }

    fn down(&self) -> Removed {
        let mut creation = self.creation.lock().unwrap_or_else(PoisonError::into_inner);
        self.containers.running().iter().for_each(|name| self.containers.stopping(name));
        let leftovers =
            if creation.begun { remove_project(&self.tool, &self.project, creation.cut_off) } else { Vec::new() };
        *creation = Creation::default();
        self.end.trigger();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // a follower that panicked has followed to its end
            drop(thread.join());
        }
        self.mask_file();
        Removed { stays: !leftovers.is_empty(), leftovers }
    }
}

fn command_failed(operation: &str, source: ExecError) -> EnvError {
    match source {
        ExecError::Interrupted { signal, .. } => EnvError::Interrupted { signal },
        source => EnvError::Command { operation: operation.to_owned(), source },
    }
}

/// What is known to help against a failure of the engine.
fn hint(message: &str) -> Option<String> {
    let known = [
        ("non-overlapping IPv4", "earlier runs left networks behind: run `cargo xtask env gc`"),
        ("No such image", "pull the image, or check its name"),
        ("permission denied", "the user needs access to the container engine's socket"),
    ];
    known.iter().find(|(part, _)| message.contains(part)).map(|(_, hint)| (*hint).to_owned())
}

/// Name of the project of a run: the workspace, so that two checkouts can't meet, and the run.
fn project_name(workspace: &Utf8Path, run: &str) -> String {
    let digest = Sha256::digest(workspace.as_str());
    let [a, b, c, d, ..] = digest.0;
    format!("tg-{a:02x}{b:02x}{c:02x}{d:02x}-{run}")
}

fn container_name(project: &str, service: &str) -> String {
    format!("{project}-{service}")
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_project_is_named_by_its_workspace_and_its_run() {
        let name = |root: &str| project_name(Utf8Path::new(root), "20261121-093055-4711");
        assert_ne!(name("/a"), name("/b"));
        assert_eq!(name("/a").len(), "tg-12345678-20261121-093055-4711".len());
        assert_eq!(container_name(&name("/a"), "db"), format!("{}-db", name("/a")));
    }

    #[test]
    fn known_failures_come_with_what_helps() {
        let pool = "could not find an available, non-overlapping IPv4 address pool";
        assert_eq!(hint(pool).as_deref(), Some("earlier runs left networks behind: run `cargo xtask env gc`"));
        assert_eq!(hint("something else"), None);
    }
}
