//! In which order services are started, and what becomes of a failure. The engine here is a script.

use super::*;
use crate::FileProblem;
use crate::compose::sample;
use crate::engine::{Removed, Started};
use camino::Utf8PathBuf;
use std::collections::BTreeMap;
use std::sync::Arc;
use tollgate_exec::Interrupt;
use tollgate_model::{EngineKind, RunId};

/// What a service of the script does after it was started.
#[derive(Clone, Copy)]
enum Act {
    Runs,
    Ends(i32),
    CantStart,
    NeverReady,
}

/// An engine that starts nothing and notes what it is asked.
struct Script {
    acts: BTreeMap<&'static str, Act>,
    noted: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn act(&self, service: &ServiceName) -> Act {
        self.acts.get(service.as_str()).copied().unwrap_or(Act::Runs)
    }
}

impl Engine for Script {
    fn unsupported(&self, _: &Compose, _: &[ServiceName]) -> Vec<FileProblem> {
        Vec::new()
    }
    fn prepare(&self, _: &[&Service], _: &StartContext<'_>) -> Result<(), EnvError> {
        Ok(())
    }
    fn start(&self, service: &Service, context: &StartContext<'_>) -> Result<Started, EnvError> {
        assert_eq!(context.log, format!("run/services/{}.log", service.name));
        self.noted.lock().unwrap().push(format!("start {}", service.name));
        if let Act::CantStart = self.act(&service.name) {
            let detail = "no".to_owned();
            return Err(EnvError::Start { service: service.name.clone(), detail, log_tail: Vec::new(), hint: None });
        }
        Ok(Started { program: "script".to_owned(), detail: String::new(), version: None })
    }
    fn endpoint(&self, _: &ServiceName, _: u16) -> Option<SocketAddr> {
        None
    }
    fn state(&self, service: &ServiceName) -> RunState {
        match self.act(service) {
            Act::Ends(code) => RunState::Exited { code: Some(code), how: format!("exit code {code}") },
            _ => RunState::Running,
        }
    }
    fn await_log(&self, _: &ServiceName) {}
    fn exec(&self, service: &ServiceName, _: &[String], _: Duration) -> Result<i32, EnvError> {
        Ok(if let Act::NeverReady = self.act(service) { 1 } else { 0 })
    }
    fn stop(&self, _: &[ServiceName]) {}
    fn down(&self) -> Removed {
        Removed::default()
    }
}

const FILE: &str = "
services:
  db: { image: x, healthcheck: { test: [CMD, ok] } }
  migrate: { image: x, depends_on: { db: { condition: service_healthy } } }
  app:
    image: x
    healthcheck: { test: [CMD, ok] }
    depends_on: { db: { condition: service_healthy }, migrate: { condition: service_completed_successfully } }
  proxy: { image: x, depends_on: { app: { condition: service_healthy } } }
";

/// Brings the file's services up and tells all that was noted, then the error.
fn check(file: &str, acts: &[(&'static str, Act)], interrupted: Option<i32>, expect: &str) {
    let compose = sample(file);
    let noted: Arc<Mutex<Vec<String>>> = Arc::default();
    let engine = Script { acts: acts.iter().copied().collect(), noted: Arc::clone(&noted) };
    let setting = Setting {
        engine: EngineKind::Native,
        engine_reason: String::new(),
        run: RunId::new("r1").unwrap(),
        run_dir: Utf8PathBuf::from("run"),
        workspace_root: Utf8PathBuf::from("."),
        ready_timeout: Duration::from_millis(200),
        interrupt: Interrupt::new().unwrap(),
        profiles: Utf8PathBuf::from("profiles"),
        masks: tollgate_model::Masks::default(),
    };
    if let Some(signal) = interrupted {
        setting.interrupt.trigger(signal);
    }
    let events = Arc::clone(&noted);
    let on_event = move |event: EnvEvent| match event {
        EnvEvent::Ready { service, .. } => events.lock().unwrap().push(format!("ready {service}")),
        EnvEvent::Completed { service, .. } => events.lock().unwrap().push(format!("completed {service}")),
        _ => {}
    };
    let services: Vec<ServiceName> = compose.services.keys().cloned().collect();
    let board = Board::default();
    let result = BringUp {
        compose: &compose,
        engine: &engine,
        board: &board,
        setting: &setting,
        binaries: None,
        on_event: &on_event,
        deadline: Instant::now() + setting.ready_timeout,
        services: &services,
        failure: Mutex::default(),
    }
    .run(&services);
    let mut lines = noted.lock().unwrap().clone();
    lines.extend(result.err().map(|error| error.to_string()));
    assert_eq!(lines.join("\n"), expect.trim());
}

#[test]
fn each_service_starts_when_its_dependencies_conditions_hold() {
    check(
        FILE,
        &[("migrate", Act::Ends(0))],
        None,
        "start db\nready db\nstart migrate\ncompleted migrate\nstart app\nready app\nstart proxy\nready proxy",
    );
}

#[test]
fn a_one_shot_that_fails_ends_it_for_all_and_every_service_is_accounted_for() {
    let expect = "
start db
ready db
start migrate
the environment did not come up: service `migrate` ended with exit code 3
  app: not started, since what it depends on is not there
  migrate: ended with exit code 3 before it was ready
  proxy: not started, since what it depends on is not there";
    check(FILE, &[("migrate", Act::Ends(3))], None, expect);
}

#[test]
fn a_deadline_says_what_was_last_seen() {
    let expect = "
start db
the environment did not come up: services were not ready after 0.2 s
  app: not started, since what it depends on is not there
  db: started, not ready: `ok` exited with 1
  migrate: not started, since what it depends on is not there
  proxy: not started, since what it depends on is not there";
    check(FILE, &[("db", Act::NeverReady)], None, expect);
}

#[test]
fn an_engine_that_can_not_start_a_service_is_believed_at_once() {
    check(FILE, &[("db", Act::CantStart)], None, "start db\nservice `db` could not be started: no");
}

#[test]
fn an_interrupt_ends_the_waiting() {
    check(FILE, &[("db", Act::NeverReady)], Some(15), "start db\ninterrupted by signal 15");
}

#[test]
fn a_service_that_was_only_to_be_started_is_not_waited_for() {
    let file = "
services:
  slow: { image: x, healthcheck: { test: [CMD, ok] } }
  quick: { image: x, depends_on: [slow, absent] }
  absent: { image: x, x-tollgate: { ready: { exit: 4 } } }
";
    let expect = "
start absent
completed absent
start slow
start quick
ready quick
the environment did not come up: services were not ready after 0.2 s
  slow: started, not ready: `ok` exited with 1";
    let file = file.replace(
        "slow: { image: x,",
        "slow: { image: x, depends_on: { absent: { condition: service_completed_successfully } },",
    );
    check(&file, &[("slow", Act::NeverReady), ("absent", Act::Ends(4))], None, expect);
}
