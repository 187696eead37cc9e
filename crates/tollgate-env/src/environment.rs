//! The environment: brought up, watched, asked for addresses, and removed.

use crate::control_group::ControlGroup;
use crate::engine::{Engine, Removed, RunState, StartContext};
use crate::engine_compose::ComposeEngine;
use crate::keeper;
use crate::ledger::{Entry, Ledger, NOTICE};
use crate::native::NativeEngine;
use crate::scheduler::BringUp;
use crate::services::{Board, Phase, bound_log, log_file};
use crate::{Binaries, Compose, EnvError, EnvEvent, FileProblem, Service, Setting, resolve};
use camino::Utf8PathBuf;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tollgate_model::{EngineKind, EnvironmentEvidence, Leftover, Milliseconds, ServiceName, TeardownEvidence};

/// How often the death watch looks; engines know without asking anybody.
const WATCH: Duration = Duration::from_millis(100);

type OnEvent = Arc<dyn Fn(EnvEvent) + Send + Sync>;

/// The services of a compose file, up to its being torn down. Dropping it tears it down too.
pub struct Environment {
    compose: Arc<Compose>,
    setting: Setting,
    engine: Arc<dyn Engine>,
    ledger: Arc<Ledger>,
    group: Option<ControlGroup>,
    board: Arc<Board>,
    on_event: OnEvent,
    watch: Option<DeathWatch>,
    ready: Duration,
    torn_down: bool,
}

impl Environment {
    /// Prepares an environment; nothing is started. From here on the run's directory is locked and has a ledger.
    ///
    /// # Errors
    /// When the engine isn't there, or the run's directory can't be written or belongs to another run.
    pub fn new(compose: Compose, setting: Setting, on_event: OnEvent) -> Result<Self, EnvError> {
        for directory in [setting.run_dir.join("services"), setting.profiles.clone()] {
            fs::create_dir_all(&directory).map_err(EnvError::io("create", directory))?;
        }
        let ledger = Arc::new(Ledger::open(&setting.run_dir, &setting.run)?);
        let compose = Arc::new(compose);
        let engine: Arc<dyn Engine> = match setting.engine {
            EngineKind::Compose => Arc::new(ComposeEngine::new(Arc::clone(&compose), &setting, Arc::clone(&ledger))?),
            EngineKind::Native => Arc::new(NativeEngine::new(Arc::clone(&compose), &setting, Arc::clone(&ledger))?),
        };
        let mut environment = Self::assemble(compose, setting, engine, ledger, on_event);
        environment.group = contain(&environment.ledger, &environment.setting)?;
        Ok(environment)
    }

    fn assemble(
        compose: Arc<Compose>,
        setting: Setting,
        engine: Arc<dyn Engine>,
        ledger: Arc<Ledger>,
        on_event: OnEvent,
    ) -> Self {
        let (board, ready) = (Arc::default(), Duration::ZERO);
        Self { compose, setting, engine, ledger, group: None, board, on_event, watch: None, ready, torn_down: false }
    }

    /// Of these services and all they need, those that neither are workspace binaries nor need one: they can start
    /// before the build is done.
    pub fn infrastructure(&self, roots: &[ServiceName]) -> Vec<ServiceName> {
        let closure = self.closure(roots);
        let needs_build = |name: &ServiceName| {
            let needed = self.compose.closure(std::slice::from_ref(name));
            needed
                .iter()
                .any(|name| self.compose.services.get(name).is_some_and(|service| service.workspace_binary().is_some()))
        };
        closure.into_iter().filter(|name| !needs_build(name)).collect()
    }

    /// Of these services and all they need, those that are workspace binaries, with the binary's name.
    pub fn workspace_services(&self, roots: &[ServiceName]) -> Vec<(ServiceName, String)> {
        self.compose.workspace_services(roots)
    }

    /// Checks that the engine can honour everything that these services and all they need ask for.
    ///
    /// # Errors
    /// All problems at once, in the order of the file.
    pub fn check(&self, roots: &[ServiceName]) -> Result<(), Vec<FileProblem>> {
        let known: Vec<&str> = self.compose.services.keys().map(ServiceName::as_str).collect();
        let unknown = roots.iter().filter(|name| self.service(name).is_none()).map(|name| {
            let hint = crate::compose::offer(name.as_str(), &known);
            self.compose.problem(crate::Place::default(), format!("there is no service `{name}`"), Some(hint))
        });
        let mut problems: Vec<FileProblem> = unknown.collect();
        let closure = self.closure(roots);
        let services = closure.iter().filter_map(|name| self.compose.services.get(name));
        problems.extend(services.flat_map(|service| crate::compose::refused(&self.compose, service)));
        problems.extend(self.engine.unsupported(&self.compose, &closure));
        if self.setting.engine == EngineKind::Native {
            problems.extend(resolve::mapping_problems(&self.compose, &closure));
        }
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Brings these services and all they need up, in the order of their dependencies and otherwise at once; returns
    /// when all are ready. Those that are up stay as they are.
    ///
    /// # Errors
    /// The first failure, with what was last seen of every service that is not ready.
    pub fn up(&mut self, roots: &[ServiceName], binaries: Option<&Binaries>) -> Result<(), EnvError> {
        self.check(roots).map_err(EnvError::File)?;
        let wanted = self.closure(roots);
        let is_up = |name: &ServiceName| matches!(self.board.phase(name), Phase::Ready | Phase::Completed);
        let missing: Vec<ServiceName> = wanted.iter().filter(|name| !is_up(name)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let compose = Arc::clone(&self.compose);
        let services: Vec<&Service> = missing.iter().filter_map(|name| compose.services.get(name)).collect();
        services.iter().try_for_each(|service| have_binary(service, binaries))?;
        self.begin_watch()?;
        let from = Instant::now();
        for name in &missing {
            self.board.enter(name, Phase::Waiting);
        }
        let result = self.prepare(&services, binaries).and_then(|()| {
            let (engine, board, on_event) = (&*self.engine, &*self.board, &*self.on_event);
            let (compose, setting, failure) = (&*self.compose, &self.setting, Mutex::default());
            let deadline = from + self.setting.ready_timeout;
            BringUp { compose, engine, board, setting, binaries, on_event, deadline, services: &wanted, failure }
                .run(&missing)
        });
        self.ready += from.elapsed();
        result
    }

    fn prepare(&self, services: &[&Service], binaries: Option<&Binaries>) -> Result<(), EnvError> {
        let endpoints = |name: &ServiceName, port: u16| self.engine.endpoint(name, port);
        let context = StartContext {
            compose: &self.compose,
            binaries,
            profiles: &self.setting.profiles,
            log: &self.setting.run_dir,
            endpoints: &endpoints,
        };
        self.engine.prepare(services, &context)
    }

    /// Fills a template in: `${service.host}`, `${service.port}`, `${service.port:5432}`, `${run.id}`.
    ///
    /// # Errors
    /// When it names what isn't there or isn't up.
    pub fn resolve(&self, template: &str) -> Result<String, EnvError> {
        let endpoints = |name: &ServiceName, port: u16| self.address(name, port);
        resolve::resolve(template, &self.compose, &self.setting.run, &endpoints)
    }

    /// Host address of a container port of a service that is up.
    pub fn address(&self, service: &ServiceName, port: u16) -> Option<SocketAddr> {
        self.engine.endpoint(service, port)
    }

    /// Stops services gracefully, dependents first.
    pub fn stop(&mut self, services: &[ServiceName]) {
        let chosen: BTreeSet<ServiceName> = services.iter().cloned().collect();
        let mut order = self.compose.ordered(&chosen);
        order.reverse();
        order.retain(|name| matches!(self.board.phase(name), Phase::Ready | Phase::Started(_)));
        self.board.keep_logs(&self.setting.run_dir);
        // first told, then stopped: the end of one that was stopped is no death
        for name in &order {
            self.board.stopped(name);
        }
        self.engine.stop(&order);
        for service in order {
            (self.on_event)(EnvEvent::Stopped { service });
        }
    }

    /// Services that ended on their own while they were needed, and how. Looks once more before it answers: word of an end
    /// may be on its way still.
    pub fn deaths(&self) -> Vec<(ServiceName, String)> {
        self.engine.refresh();
        watch_once(&self.board, &*self.engine, &*self.on_event);
        let records = self.board.lock();
        records.iter().filter_map(|(name, record)| Some((name.clone(), record.died.clone()?))).collect()
    }

    /// Tears the environment down and says what became of it. Works also after a failed [`Environment::up`].
    pub fn down(mut self) -> EnvironmentEvidence {
        let (leftovers, wall) = self.tear_down();
        self.evidence(TeardownEvidence { wall_ms: milliseconds(wall), leftovers, kept: false })
    }

    /// What there is to say of an environment that stays.
    pub fn kept(&self) -> EnvironmentEvidence {
        let teardown = TeardownEvidence { wall_ms: 0, leftovers: Vec::new(), kept: true };
        self.evidence(teardown)
    }

    fn evidence(&self, teardown: TeardownEvidence) -> EnvironmentEvidence {
        EnvironmentEvidence {
            engine: self.setting.engine,
            engine_reason: self.setting.engine_reason.clone(),
            services: self.board.evidence(&self.setting.run_dir),
            ready_ms: milliseconds(self.ready),
            teardown: Some(teardown),
        }
    }

    fn tear_down(&mut self) -> (Vec<Leftover>, Duration) {
        let from = Instant::now();
        self.torn_down = true;
        if let Some(watch) = self.watch.take() {
            watch.end(&self.board);
        }
        // programs before the servers they talk to, so that they can end in order
        let is_program = |name: &ServiceName| self.service(name).is_some_and(|service| service.recipe().is_none());
        let programs: Vec<ServiceName> = self.board.lock().keys().filter(|name| is_program(name)).cloned().collect();
        self.stop(&programs);
        let Removed { mut leftovers, stays } = self.engine.down();
        if !stays {
            leftovers.extend(self.close());
        }
        (leftovers, from.elapsed())
    }

    /// Leaves the control group, which must be empty then, and finishes the ledger. Returns what stood in the way of either.
    fn close(&mut self) -> Vec<Leftover> {
        // What tests left is asked to end first, and told by its command line.
        let mut leftovers = if self.group.is_some() { keeper::stray_processes() } else { Vec::new() };
        let (left, gone) = self.group.take().map_or((Vec::new(), true), |group| group.leave());
        leftovers.extend(left);
        // Before the end of the ledger, so that a kill in between leaves it to the next gc. Most runs never had one.
        let _ = fs::remove_file(self.setting.run_dir.join(NOTICE));
        if gone && let Err(error) = self.ledger.finish() {
            leftovers.push(Leftover { kind: "ledger".to_owned(), what: error.to_string() });
        }
        leftovers
    }

    fn begin_watch(&mut self) -> Result<(), EnvError> {
        if self.watch.is_none() {
            let watch = DeathWatch::begin(&self.board, &self.engine, &self.on_event, self.setting.run_dir.clone());
            self.watch = Some(watch.map_err(EnvError::io("watch the services of", self.setting.run_dir.clone()))?);
        }
        Ok(())
    }

    fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.compose.services.get(name)
    }

    /// These services and all they need, in the order of their dependencies.
    pub fn closure(&self, roots: &[ServiceName]) -> Vec<ServiceName> {
        self.compose.ordered(&self.compose.closure(roots))
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if !self.torn_down {
            self.tear_down();
        }
    }
}

/// Moves an orchestrator with all it will start into a control group of the run, where it may. A program that is none may
/// have several environments, and whoever started it did not ask to find it in another group.
fn contain(ledger: &Ledger, setting: &Setting) -> Result<Option<ControlGroup>, EnvError> {
    let Some(group) = ControlGroup::place(&setting.run).filter(|_| keeper::started_this()) else { return Ok(None) };
    ledger.record(&Entry::ControlGroup { path: group.path().to_owned() })?;
    Ok(group.enter().then_some(group))
}

/// Checks that the build has what the service runs.
fn have_binary(service: &Service, binaries: Option<&Binaries>) -> Result<(), EnvError> {
    let Some(name) = service.workspace_binary() else { return Ok(()) };
    let hint = format!("does the workspace have a binary `{name}`, and was it built?");
    match binaries {
        Some(binaries) if binaries.directory.join(name).is_file() => Ok(()),
        Some(binaries) => {
            let program = binaries.directory.join(name).into_string();
            Err(EnvError::MissingProgram { service: service.name.clone(), program, hint })
        }
        None => Err(EnvError::MissingProgram { service: service.name.clone(), program: name.to_owned(), hint }),
    }
}

fn milliseconds(duration: Duration) -> Milliseconds {
    Milliseconds::try_from(duration.as_millis()).unwrap_or(Milliseconds::MAX)
}

/// A thread that notices services that end on their own.
struct DeathWatch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl DeathWatch {
    fn begin(
        board: &Arc<Board>,
        engine: &Arc<dyn Engine>,
        on_event: &OnEvent,
        run_dir: Utf8PathBuf,
    ) -> std::io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let (board, engine, on_event, seen) =
            (Arc::clone(board), Arc::clone(engine), Arc::clone(on_event), Arc::clone(&over));
        let thread = thread::Builder::new().name("death watch".to_owned()).spawn(move || {
            while !seen.load(Ordering::SeqCst) {
                watch_once(&board, &*engine, &*on_event);
                let services: Vec<ServiceName> = board.lock().keys().cloned().collect();
                for service in &services {
                    bound_log(&log_file(&run_dir, service));
                }
                board.pause(board.lock(), WATCH, || seen.load(Ordering::SeqCst));
            }
        })?;
        Ok(Self { over, thread })
    }

    fn end(self, board: &Board) {
        self.over.store(true, Ordering::SeqCst);
        board.wake();
        // a watch that panicked has nothing more to say
        drop(self.thread.join());
    }
}

fn watch_once(board: &Board, engine: &dyn Engine, on_event: &(dyn Fn(EnvEvent) + Send + Sync)) {
    for service in board.ready() {
        if let RunState::Exited { how, .. } = engine.state(&service)
            && board.died(&service, &how)
        {
            engine.await_log(&service);
            on_event(EnvEvent::Died { service, how });
        }
    }
}
