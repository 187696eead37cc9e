//! Bringing services up: each in a thread of its own, started as soon as its dependencies' conditions hold, asked until
//! it is ready. The first failure ends it for all.

use crate::engine::{Engine, RunState, StartContext};
use crate::probe::{self, Ask};
use crate::services::{Board, Phase, Records, log_file};
use crate::{Binaries, Compose, Condition, EnvError, EnvEvent, Ready, Service, Setting};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tollgate_model::{Milliseconds, ServiceName};

/// How long a thread waits for a change before it looks at the deadline and the interrupt again.
const LOOK: Duration = Duration::from_millis(100);

/// One bring-up.
pub(crate) struct BringUp<'a> {
    pub(crate) compose: &'a Compose,
    pub(crate) engine: &'a dyn Engine,
    pub(crate) board: &'a Board,
    pub(crate) setting: &'a Setting,
    pub(crate) binaries: Option<&'a Binaries>,
    pub(crate) on_event: &'a (dyn Fn(EnvEvent) + Send + Sync),
    pub(crate) deadline: Instant,
    /// What must be up in the end, that which is up already included.
    pub(crate) services: &'a [ServiceName],
    /// Why the bring-up failed, once it has.
    pub(crate) failure: Mutex<Option<Failure>>,
}

/// Why a bring-up failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The engine said so.
    Engine(EnvError),
    /// This service ended, or the time was up.
    Reason(Option<ServiceName>, String),
}

/// Why a thread does not go on: somebody's failure is noted.
struct Over;

impl BringUp<'_> {
    /// Starts these of the services and returns when all are ready.
    ///
    /// # Errors
    /// The first failure, with what was last seen of every service that is not ready.
    pub(crate) fn run(self, missing: &[ServiceName]) -> Result<(), EnvError> {
        let missing: Vec<&Service> = missing.iter().filter_map(|name| self.compose.services.get(name)).collect();
        for service in &missing {
            self.board.enter(&service.name, Phase::Waiting);
        }
        thread::scope(|scope| {
            for service in &missing {
                scope.spawn(|| self.one(service));
            }
        });
        match self.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(Failure::Engine(error)) => Err(error),
            Some(Failure::Reason(ended, reason)) => {
                let services = self.board.reports(self.services, &self.setting.run_dir);
                Err(EnvError::NotReady { reason, ended, services })
            }
        }
    }

    /// One service from waiting to ready; what stops it is noted where it happens.
    fn one(&self, service: &Service) {
        let name = &service.name;
        let Ok(()) = self.await_dependencies(service) else { return };
        self.board.enter(name, Phase::Starting);
        let started_at = Instant::now();
        if self.start(service).is_err() {
            return;
        }
        let ready = self.compose.readiness(service);
        let Ok(end) = self.await_ready(service, &ready) else { return };
        let after_ms = Milliseconds::try_from(started_at.elapsed().as_millis()).unwrap_or(Milliseconds::MAX);
        self.board.update(name, |record| record.ready_ms = Some(after_ms));
        let service = name.clone();
        // told before others can act on it, so that events come in the order of their causes
        (self.on_event)(match end {
            Phase::Completed => EnvEvent::Completed { service, after_ms },
            _ => EnvEvent::Ready { address: self.first_address(name, &ready), service, after_ms },
        });
        self.board.enter(name, end);
    }

    fn first_address(&self, name: &ServiceName, ready: &Ready) -> Option<SocketAddr> {
        let known = self.compose.services.get(name).map(Service::tcp_ports).unwrap_or_default();
        ready.port().into_iter().chain(known).find_map(|port| self.engine.endpoint(name, port))
    }

    fn await_dependencies(&self, service: &Service) -> Result<(), Over> {
        let mut records = self.board.lock();
        loop {
            let holds = |(name, needed): (&ServiceName, Condition)| {
                let phase = records.get(name).map(|record| &record.phase);
                phase.is_some_and(|phase| condition_holds(needed, phase))
            };
            let mut needs = service.depends_on.iter().map(|(name, dependency)| (name, dependency.condition));
            if needs.all(|(name, needed)| !self.compose.services.contains_key(name) || holds((name, needed))) {
                return Ok(());
            }
            self.look(&records)?;
            records = self.board.wait(records, LOOK);
        }
    }

    fn start(&self, service: &Service) -> Result<(), Over> {
        let endpoints = |name: &ServiceName, port: u16| self.engine.endpoint(name, port);
        let log = log_file(&self.setting.run_dir, &service.name);
        let context = StartContext {
            compose: self.compose,
            binaries: self.binaries,
            profiles: &self.setting.profiles,
            log: &log,
            endpoints: &endpoints,
        };
        match self.engine.start(service, &context) {
            Ok(started) => {
                self.board.update(&service.name, |record| {
                    record.program.clone_from(&started.program);
                    record.version.clone_from(&started.version);
                });
                self.board.enter(&service.name, Phase::Started("it was just started".to_owned()));
                let detail = format!("{} ({})", started.program, started.detail);
                (self.on_event)(EnvEvent::Started { service: service.name.clone(), detail });
                Ok(())
            }
            Err(error) => {
                let seen = format!("not started: {error}");
                self.board.enter(&service.name, Phase::Failed(seen));
                Err(self.fail(Failure::Engine(error)))
            }
        }
    }

    /// Asks until the service is ready.
    fn await_ready(&self, service: &Service, ready: &Ready) -> Result<Phase, Over> {
        let asked_of = Asked { engine: self.engine, service: &service.name };
        let (mut asked, mut well) = (0, 0);
        loop {
            if let RunState::Exited { code, how } = self.engine.state(&service.name) {
                return self.ended(service, ready, code, &how);
            }
            let answer = probe::ask(ready, &asked_of);
            asked += 1;
            match answer {
                Ok(()) => well += 1,
                Err(seen) => {
                    well = 0;
                    self.board.enter(&service.name, Phase::Started(seen));
                }
            }
            if well >= probe::needed(ready, self.setting.engine) {
                return Ok(Phase::Ready);
            }
            let records = self.board.lock();
            self.look(&records)?;
            self.board.pause(records, probe::pause(asked, well), || self.has_failed());
        }
    }

    fn ended(&self, service: &Service, ready: &Ready, code: Option<i32>, how: &str) -> Result<Phase, Over> {
        if let Ready::Exit { code: expected } = ready
            && code == Some(*expected)
        {
            return Ok(Phase::Completed);
        }
        self.engine.await_log(&service.name);
        self.board.enter(&service.name, Phase::Failed(format!("ended with {how} before it was ready")));
        let reason = format!("service `{}` ended with {how}", service.name);
        Err(self.fail(Failure::Reason(Some(service.name.clone()), reason)))
    }

    fn has_failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether there is a reason to give up.
    fn look(&self, records: &Records<'_>) -> Result<(), Over> {
        if self.has_failed() {
            return Err(Over);
        }
        let dead = self.services.iter().find_map(|name| match &records.get(name)?.phase {
            Phase::Died(how) => Some((name, format!("service `{name}` died: {how}"))),
            _ => None,
        });
        if let Some((name, reason)) = dead {
            return Err(self.fail(Failure::Reason(Some(name.clone()), reason)));
        }
        if let Some(signal) = self.setting.interrupt.signal() {
            return Err(self.fail(Failure::Engine(EnvError::Interrupted { signal })));
        }
        if Instant::now() >= self.deadline {
            let limit = self.setting.ready_timeout.as_secs_f64();
            return Err(self.fail(Failure::Reason(None, format!("services were not ready after {limit} s"))));
        }
        Ok(())
    }

    /// Notes a failure; the first one counts. Takes no lock of the board, which the caller may hold.
    fn fail(&self, failure: Failure) -> Over {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        self.board.wake();
        Over
    }
}

fn condition_holds(needed: Condition, phase: &Phase) -> bool {
    match needed {
        Condition::Started => matches!(phase, Phase::Started(_) | Phase::Ready | Phase::Completed),
        Condition::Healthy => *phase == Phase::Ready,
        Condition::CompletedSuccessfully => *phase == Phase::Completed,
    }
}

/// What a probe asks of its service.
struct Asked<'a> {
    engine: &'a dyn Engine,
    service: &'a ServiceName,
}

impl Ask for Asked<'_> {
    fn endpoint(&self, port: u16) -> Option<SocketAddr> {
        self.engine.endpoint(self.service, port)
    }

    fn exec(&self, argv: &[String], timeout: Duration) -> Result<i32, String> {
        self.engine.exec(self.service, argv, timeout).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        })
    }
}

#[cfg(test)]
mod tests;
