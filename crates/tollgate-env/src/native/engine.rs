//! The native engine: services as supervised processes of this machine.

use super::launch::{Launched, Launcher, log_end, log_tail, make_log_directory};
use super::mark::{self, MARK, mark};
use super::port;
use super::recipe::{Ground, Yard, unsupported};
use super::segment::{Removal, Segment};
use super::state;
use super::stop::{self, KILL_LIMIT, StopPlan};
use crate::compose::{Compose, Service};
use crate::engine::{Engine, Removed, RunState, StartContext, Started};
use crate::ledger::{Entry, Ledger, StopKind};
use crate::process::{self, ProcessId, boot_id};
use crate::{EnvError, FileProblem, Setting};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tollgate_exec::{Cmd, Interrupt, Signal, Status, signal_by_name};
use tollgate_model::{Leftover, RunId, ServiceName};

/// How often a service is started anew because somebody took its port meanwhile.
const PORT_ATTEMPTS: u32 = 5;

/// How long a start waits for the service to take its ports.
const SETTLE: Duration = Duration::from_millis(250);

/// A service that was started.
#[derive(Debug)]
struct Running {
    launched: Launched,
    /// Host port of each container port.
    ports: BTreeMap<u16, u16>,
    stop: StopPlan,
    /// Variables for commands that run beside it.
    environment: BTreeMap<String, String>,
    /// Which start it was; later ones are stopped first.
    number: usize,
}

#[derive(Debug, Default)]
struct Inner {
    running: BTreeMap<ServiceName, Running>,
    starts: usize,
    /// The state directory, once it was made.
    state: Option<Utf8PathBuf>,
    /// Every service process there ever was.
    started: Vec<ProcessId>,
    /// What had to be forced so far.
    forced: Vec<Leftover>,
}

/// The engine of one environment.
#[derive(Debug)]
pub(crate) struct NativeEngine {
    run: RunId,
    directory: Utf8PathBuf,
    interrupt: Interrupt,
    ledger: Arc<Ledger>,
    launcher: Launcher,
    inner: Mutex<Inner>,
}

impl NativeEngine {
    /// Makes an engine that has started nothing.
    ///
    /// # Errors
    /// When its thread can't be started.
    pub(crate) fn new(_compose: Arc<Compose>, setting: &Setting, ledger: Arc<Ledger>) -> Result<Self, EnvError> {
        let launcher = Launcher::new(setting.masks.clone())
            .map_err(EnvError::io("start a thread for", setting.run_dir.clone()))?;
        Ok(Self {
            run: setting.run.clone(),
            directory: setting.workspace_root.clone(),
            interrupt: setting.interrupt.clone(),
            ledger,
            launcher,
            inner: Mutex::default(),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run's state directory, made when it is first needed.
    fn state_directory(&self) -> Result<Utf8PathBuf, EnvError> {
        let mut inner = self.inner();
        if let Some(state) = &inner.state {
            return Ok(state.clone());
        }
        let state = state::place(&self.run);
        self.ledger.record(&Entry::Directory { path: state.clone() })?;
        state::create(&state)?;
        inner.state = Some(state.clone());
        Ok(state)
    }

    /// Prepares what the service stands on: its program, its data directory.
    fn ground(&self, service: &Service, context: &StartContext<'_>) -> Result<Ground, EnvError> {
        let state = || self.state_directory();
        let (directory, launcher, interrupt, run) = (&*self.directory, &self.launcher, &self.interrupt, &self.run);
        Ground::lay(service, context, &Yard { state: &state, directory, launcher, interrupt, run })
    }

    /// One attempt to start a service; `None` when its port was taken meanwhile.
    fn attempt(
        &self,
        service: &Service,
        context: &StartContext<'_>,
        ground: &Ground,
        last: bool,
    ) -> Result<Option<Running>, EnvError> {
        let from = log_end(context.log);
        let failed = |detail: String| EnvError::Start {
            service: service.name.clone(),
            detail,
            log_tail: log_tail(context.log, from),
            hint: None,
        };
        let port = |target: u16| port::free().map(|port| (target, port));
        let ports: Result<BTreeMap<u16, u16>, _> = service.tcp_ports().into_iter().map(port).collect();
        let ports = ports.map_err(|error| failed(format!("no port is free: {error}")))?;
        let mut launch = ground.launch(service, context, &ports)?;
        launch.environment.insert(MARK.to_owned(), mark(&self.run, &service.name));
        let environment = ground.client_environment(&launch.environment, &ports);
        self.ledger.record(&Entry::Starting { service: service.name.clone(), program: ground.program() })?;
        let started = self.launcher.start(&launch);
        let mut launched = started.map_err(|error| failed(format!("`{}` can't be run: {error}", ground.program())))?;
        let stop = stop_plan(service, ground);
        self.inner().started.push(launched.id);
        self.record(service, &mut launched, stop)?;
        let hosts: Vec<u16> = ports.values().copied().collect();
        let settled = hosts.is_empty() || port::settle(launched.id, &hosts, SETTLE);
        launched.scribe.catch_up();
        if !settled && !last && names_taken_port(&log_tail(context.log, from)) {
            drop(stop::stop(&service.name, &mut launched, stop, &self.interrupt));
            return Ok(None);
        }
        Ok(Some(Running { launched, ports, stop, environment, number: 0 }))
    }

    /// Writes down that a service runs; one that can't be written down must not run.
    fn record(&self, service: &Service, launched: &mut Launched, plan: StopPlan) -> Result<(), EnvError> {
        let entry =
            Entry::Process { service: service.name.clone(), process: launched.id, boot_id: boot_id(), stop: plan.kind };
        self.ledger.record(&entry).map_err(|error| {
            drop(stop::stop(&service.name, launched, plan, &self.interrupt));
            error.into()
        })
    }

    /// Takes a service out and stops it.
    fn stop_one(&self, name: &ServiceName) {
        let Some(mut running) = self.inner().running.remove(name) else { return };
        let forced = stop::stop(name, &mut running.launched, running.stop, &self.interrupt);
        self.inner().forced.extend(forced);
    }

    /// Processes that carry this run's mark.
    fn strays(&self) -> Vec<process::Stat> {
        mark::of_services(&self.run)
    }

    /// Ends processes that carry this run's mark but are in no service's family any more.
    fn end_strays(&self) -> Vec<Leftover> {
        let strays = self.strays();
        let ids: Vec<_> = strays.iter().map(|stat| stat.id).collect();
        process::signal_all(&ids, Signal::KILL);
        let immortal = process::wait_gone(&ids, KILL_LIMIT);
        let tell = |stat: &process::Stat| {
            let end = if immortal.contains(&stat.id) { "is still there after SIGKILL" } else { "was killed" };
            let what = format!("{} ({}) had left its service's process group and {end}", stat.id.pid, stat.comm);
            Leftover { kind: "process".to_owned(), what }
        };
        strays.iter().map(tell).collect()
    }
}

impl Engine for NativeEngine {
    fn unsupported(&self, compose: &Compose, services: &[ServiceName]) -> Vec<FileProblem> {
        services
            .iter()
            .filter_map(|name| compose.services.get(name))
            .flat_map(|service| unsupported(compose, service))
            .collect()
    }

    fn prepare(&self, _services: &[&Service], _context: &StartContext<'_>) -> Result<(), EnvError> {
        Ok(())
    }

    fn start(&self, service: &Service, context: &StartContext<'_>) -> Result<Started, EnvError> {
        make_log_directory(context.log)?;
        self.stop_one(&service.name);
        let ground = self.ground(service, context)?;
        for attempt in 1..=PORT_ATTEMPTS {
            let Some(mut running) = self.attempt(service, context, &ground, attempt == PORT_ATTEMPTS)? else {
                continue;
            };
            let detail = format!("pid {}{}", running.launched.id.pid, ground.remark(service));
            let mut inner = self.inner();
            inner.starts += 1;
            running.number = inner.starts;
            inner.running.insert(service.name.clone(), running);
            return Ok(Started { program: ground.program(), detail, version: ground.version() });
        }
        unreachable!("the last attempt is never given up")
    }

    fn endpoint(&self, service: &ServiceName, port: u16) -> Option<SocketAddr> {
        let inner = self.inner();
        let host = inner.running.get(service)?.ports.get(&port)?;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, *host)))
    }

    fn state(&self, service: &ServiceName) -> RunState {
        let mut inner = self.inner();
        let Some(running) = inner.running.get_mut(service) else { return RunState::NotStarted };
        let id = running.launched.id;
        // Not collected here: as long as it isn't, its process group is its own and can be stopped safely.
        match process::peek_exit(id) {
            Ok(Some(status)) => RunState::Exited { code: status.code(), how: status.to_string() },
            Err(_) if !id.runs() => RunState::Exited { code: None, how: "an unknown end".to_owned() },
            Ok(None) | Err(_) => RunState::Running,
        }
    }

    fn await_log(&self, service: &ServiceName) {
        let scribe = self.inner().running.get(service).map(|running| Arc::clone(&running.launched.scribe));
        if let Some(scribe) = scribe {
            scribe.finish();
        }
    }

    fn exec(&self, service: &ServiceName, argv: &[String], timeout: Duration) -> Result<i32, EnvError> {
        let environment = self.inner().running.get(service).map(|running| running.environment.clone());
        let program = argv.first().map_or("true", String::as_str);
        let cmd = Cmd::new(program)
            .args(argv.iter().skip(1))
            .envs(environment.unwrap_or_default())
            .cwd(&self.directory)
            .timeout(timeout);
        let output = cmd.run(&self.interrupt);
        let output = output
            .map_err(|source| EnvError::Command { operation: format!("a command for service `{service}`"), source })?;
        Ok(match output.status {
            Status::Code(code) => code,
            // As a shell has it.
            Status::Signal(signal) => 128 + signal,
        })
    }

    fn stop(&self, services: &[ServiceName]) {
        for name in services {
            self.stop_one(name);
        }
    }

    fn down(&self) -> Removed {
        let mut names: Vec<(usize, ServiceName)> =
            self.inner().running.iter().map(|(name, running)| (running.number, name.clone())).collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        for (_, name) in &names {
            self.stop_one(name);
        }
        let mut leftovers = self.end_strays();
        let mut inner = self.inner();
        leftovers.extend(std::mem::take(&mut inner.forced));
        let mut gone = true;
        if let Some(state) = &inner.state {
            for segment in Segment::all_in(state) {
                gone &= remove_segment(segment, &mut leftovers);
            }
            // A segment that stays is found again by its name in there.
            gone = gone && remove_state(state, &mut leftovers);
        }
        gone &= !inner.started.iter().any(|id| id.runs()) && self.strays().is_empty();
        if gone {
            inner.state = None;
        }
        // What had to be forced and is gone is nothing for others to clean up.
        Removed { leftovers, stays: !gone }
    }
}

/// Removes the segment that a server left in spite of all; tells whether none is there now.
fn remove_segment(segment: Segment, leftovers: &mut Vec<Leftover>) -> bool {
    let removal = segment.remove();
    let told = match removal {
        Removal::Gone => return true,
        Removal::Removed => "was left behind and removed",
        Removal::Stays => "is still there",
    };
    leftovers.push(Leftover { kind: "segment".to_owned(), what: format!("{segment} {told}") });
    removal == Removal::Removed
}

/// Removes the state directory; tells whether it is gone.
fn remove_state(state: &Utf8Path, leftovers: &mut Vec<Leftover>) -> bool {
    let removed = fs::remove_dir_all(state);
    let gone = !state.exists();
    if gone {
        state::remove_root_of(state);
    } else {
        let why = removed.err().map_or_else(String::new, |error| format!(": {error}"));
        leftovers.push(Leftover { kind: "directory".to_owned(), what: format!("{state} is still there{why}") });
    }
    gone
}

fn stop_plan(service: &Service, ground: &Ground) -> StopPlan {
    let (said, kind) = (service.stop(), ground.stop_kind());
    let usual = match kind {
        StopKind::Plain => Signal::TERM,
        StopKind::Postgres => Signal::INT,
    };
    let signal = said.signal.as_deref().and_then(signal_by_name).unwrap_or(usual);
    StopPlan { kind, signal, grace: said.grace.unwrap_or(ground.grace()) }
}

/// Whether a log says that an address was taken, in the words of any server.
fn names_taken_port(log: &[String]) -> bool {
    log.iter().any(|line| {
        let line = line.to_ascii_lowercase();
        line.contains("address already in use") || line.contains("address in use") || line.contains("eaddrinuse")
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_port_that_was_taken_is_told_by_the_log() {
        for line in [
            "LOG:  could not bind IPv4 address \"127.0.0.1\": Address already in use",
            "Warning: Could not create server TCP listening socket 127.0.0.1:1: bind: Address already in use",
            "Error: listen EADDRINUSE: address already in use",
        ] {
            assert!(names_taken_port(&[line.to_owned()]), "{line}");
        }
        assert!(!names_taken_port(&["FATAL: role missing".to_owned()]));
    }
}
