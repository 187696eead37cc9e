//! The compose engine on real containers.
//!
//! Where no container engine answers, each test asserts instead that asking for one is refused as documented.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that panics here has said where; what it left out is said"
)]

use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tollgate_env::{Binaries, EnvError, EnvEvent, Environment, Setting, choose, load};
use tollgate_exec::{Cmd, Interrupt};
use tollgate_model::{EngineChoice, EngineKind, RunId, ServiceName, ServiceState};

/// How long an event may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A scratch workspace with a compose file, on an engine that answers.
struct Scratch {
    directory: TempDir,
    reason: String,
    interrupt: Interrupt,
}

impl Scratch {
    /// Makes one; where no engine answers, checks that this is said as documented and gives none.
    fn new() -> Option<Self> {
        let interrupt = Interrupt::new().unwrap();
        match choose(EngineChoice::Compose, &interrupt) {
            Ok((kind, reason)) => {
                assert_eq!(kind, EngineKind::Compose);
                Some(Self { directory: tempfile::tempdir().unwrap(), reason, interrupt })
            }
            Err(error) => {
                println!("no container engine here: {error}");
                assert!(matches!(&error, EnvError::NoEngine { tried } if !tried.is_empty()), "{error}");
                assert!(error.hint().unwrap().contains("--engine native"));
                let (kind, reason) = choose(EngineChoice::Auto, &interrupt).unwrap();
                assert_eq!(kind, EngineKind::Native);
                assert!(reason.starts_with("no container engine: docker: "), "{reason}");
                None
            }
        }
    }

    fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.directory.path()).unwrap()
    }

    fn environment(&self, compose: &str, limit: Duration) -> (Environment, Receiver<EnvEvent>) {
        let file = self.path().join("compose.yaml");
        std::fs::write(&file, compose).unwrap();
        let setting = Setting {
            engine: EngineKind::Compose,
            engine_reason: self.reason.clone(),
            run: RunId::new(format!("test-{}", std::process::id())).unwrap(),
            run_dir: self.path().join("run"),
            workspace_root: self.path().to_owned(),
            ready_timeout: limit,
            interrupt: self.interrupt.clone(),
            profiles: self.path().join("profiles"),
            masks: tollgate_model::Masks::default(),
        };
        let (sender, events) = channel();
        let sender = Mutex::new(sender);
        // nobody may be listening any more while the environment goes down
        let on_event = move |event| drop(sender.lock().unwrap().send(event));
        let compose = load(&file, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:?}"));
        (Environment::new(compose, setting, Arc::new(on_event)).unwrap(), events)
    }

    /// The directory of binaries of a build: one shell script.
    fn binaries(&self, name: &str, script: &str) -> Binaries {
        let directory = self.path().join("bin");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(directory.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        Binaries { directory, instrumented: true }
    }

    fn log(&self, service: &str) -> String {
        std::fs::read_to_string(self.path().join(format!("run/services/{service}.log"))).unwrap()
    }

    /// Name of the project, as it was announced.
    fn project(&self) -> String {
        let ledger = std::fs::read_to_string(self.path().join("run/ledger.jsonl")).unwrap();
        let name = ledger.split("\"entry\":\"project\",\"name\":\"").nth(1).unwrap();
        name.split('"').next().unwrap().to_owned()
    }

    /// Everything the engine has of this scratch workspace's project; the ledger must say that it is finished.
    fn remains(&self) -> Vec<String> {
        let ledger = std::fs::read_to_string(self.path().join("run/ledger.jsonl")).unwrap();
        assert!(ledger.trim_end().ends_with("{\"entry\":\"finished\"}"), "{ledger}");
        self.listed()
    }

    /// Everything the engine has of this scratch workspace's project.
    fn listed(&self) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.project());
        let lists = [vec!["ps", "-aq"], vec!["network", "ls", "-q"], vec!["volume", "ls", "-q"]];
        let listed = lists.iter().map(|list| docker(&[list, &["--filter", filter.as_str()][..]].concat()));
        listed.filter(|found| !found.is_empty()).collect()
    }
}

fn docker(args: &[&str]) -> String {
    let cmd = Cmd::new("docker").args(args).timeout(PATIENCE);
    cmd.run(&Interrupt::new().unwrap()).unwrap().stdout.trim().to_owned()
}

fn name(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

/// Waits for an event.
fn await_event(events: &Receiver<EnvEvent>, wanted: impl Fn(&EnvEvent) -> bool) -> EnvEvent {
    loop {
        let event = events.recv_timeout(PATIENCE).expect("the event comes");
        if wanted(&event) {
            return event;
        }
    }
}

fn ping(address: &str) -> String {
    let address: SocketAddr = address.parse().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

const STORES: &str = r#"
services:
  db:
    image: postgres:15-bookworm
    environment: { POSTGRES_USER: tollgate, POSTGRES_PASSWORD: tollgate }
    volumes: ['data:/extra']
    restart: always
  cache:
    image: redis:7.0-bookworm
    ports: ['127.0.0.1:6379:6379']
    container_name: fixed
  migrate:
    image: debian:bookworm-slim
    command: [sh, -c, "echo 'cost $$5'; echo migrated"]
    depends_on: { db: { condition: service_healthy } }
  app:
    image: debian:bookworm-slim
    command: [/opt/bin/app]
    volumes: ['${TOLLGATE_BIN:-./nowhere}:/opt/bin:ro']
    init: true
    healthcheck: { test: [CMD, test, -e, /tmp/up] }
    depends_on:
      migrate: { condition: service_completed_successfully }
      cache: { condition: service_healthy }
    x-tollgate: { binary: app }
volumes: { data: }
"#;

const APP: &str =
    "echo profile $LLVM_PROFILE_FILE; echo raw > \"${LLVM_PROFILE_FILE%/*}/seen\"; touch /tmp/up; exec sleep 600";

#[test]
fn a_whole_environment_comes_up_in_order_is_swapped_and_leaves_nothing() {
    let Some(scratch) = Scratch::new() else { return };
    let (mut environment, events) = scratch.environment(STORES, PATIENCE);
    let app = [name("app")];
    let infrastructure: Vec<String> = environment.infrastructure(&app).iter().map(ToString::to_string).collect();
    assert_eq!(infrastructure, ["cache", "db", "migrate"]);
    assert_eq!(environment.workspace_services(&app), [(name("app"), "app".to_owned())]);

    environment.up(&environment.infrastructure(&app), None).unwrap_or_else(|error| panic!("{error}"));
    let seen: Vec<EnvEvent> = events.try_iter().collect();
    let position = |wanted: &dyn Fn(&EnvEvent) -> bool| seen.iter().position(wanted).unwrap();
    let db_ready = position(&|event| matches!(event, EnvEvent::Ready { service, .. } if service.as_str() == "db"));
    let migrate =
        position(&|event| matches!(event, EnvEvent::Started { service, .. } if service.as_str() == "migrate"));
    assert!(db_ready < migrate, "{seen:?}");
    assert_eq!(ping(&environment.resolve("${cache.host}:${cache.port:6379}").unwrap()), "+PONG\r\n");
    assert_ne!(environment.resolve("${cache.port}").unwrap(), "6379");

    let refused = environment.up(&app, None).unwrap_err();
    assert_eq!(refused.to_string(), "service `app` needs `app`, which is not on this machine");
    let binaries = scratch.binaries("app", APP);
    environment.up(&app, Some(&binaries)).unwrap_or_else(|error| panic!("{error}"));
    let address = environment.resolve("${cache.port}").unwrap();
    let plain =
        Binaries { instrumented: false, ..scratch.binaries("app", "echo plain; touch /tmp/up; exec sleep 600") };
    environment.stop(&app);
    await_event(&events, |event| *event == EnvEvent::Stopped { service: name("app") });
    environment.up(&app, Some(&plain)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(environment.resolve("${cache.port}").unwrap(), address, "what was up stays up");
    assert_eq!(environment.deaths(), []);

    let anonymous = docker(&["volume", "ls", "-q", "--filter", "dangling=false"]);
    let evidence = environment.down();
    let states: Vec<(&str, &ServiceState)> =
        evidence.services.iter().map(|service| (service.name.as_str(), &service.state)).collect();
    let expect = [
        ("app", &ServiceState::Ready),
        ("cache", &ServiceState::Ready),
        ("db", &ServiceState::Ready),
        ("migrate", &ServiceState::Completed),
    ];
    assert_eq!(states, expect);
    assert_eq!(evidence.services[2].program, "postgres:15-bookworm");
    assert_eq!(evidence.teardown.unwrap().leftovers, []);
    assert_eq!(scratch.remains(), Vec::<String>::new());
    let still: Vec<&str> = anonymous
        .lines()
        .filter(|volume| docker(&["volume", "inspect", "-f", "{{.Name}}", volume]) == *volume)
        .collect();
    let used = docker(&["volume", "ls", "-q", "--filter", "dangling=true"]);
    assert!(still.iter().all(|volume| !used.contains(volume)), "an anonymous volume stayed: {still:?}");

    assert!(scratch.log("migrate").contains("cost $5") && scratch.log("migrate").contains("migrated"));
    let app_log = scratch.log("app");
    assert!(
        app_log.contains("profile /opt/tollgate/profiles/app/%p-%m%c.profraw") && app_log.contains("plain"),
        "{app_log}"
    );
    assert_eq!(std::fs::read_to_string(scratch.path().join("profiles/app/seen")).unwrap(), "raw\n");
}

#[test]
fn a_service_that_dies_while_it_is_needed_is_noticed_and_named() {
    let Some(scratch) = Scratch::new() else { return };
    let file = "
services:
  cache: { image: 'redis:7.0-bookworm', x-tollgate: { ready: { tcp: 6379 } } }
  app:
    image: debian:bookworm-slim
    command: [sh, -c, 'echo about to fall; sleep 600']
    depends_on: [cache]
";
    let (mut environment, events) = scratch.environment(file, PATIENCE);
    environment.up(&[name("app")], None).unwrap_or_else(|error| panic!("{error}"));
    let started =
        await_event(&events, |event| matches!(event, EnvEvent::Started { service, .. } if service.as_str() == "app"));
    let EnvEvent::Started { detail, .. } = started else { unreachable!() };
    let container = detail.split("container ").nth(1).unwrap().trim_end_matches(')').to_owned();
    docker(&["kill", "--signal", "KILL", &container]);
    let died = await_event(&events, |event| matches!(event, EnvEvent::Died { .. }));
    let how = "exit code 137 (SIGKILL)".to_owned();
    assert_eq!(died, EnvEvent::Died { service: name("app"), how: how.clone() });
    assert_eq!(environment.deaths(), [(name("app"), how.clone())]);

    let evidence = environment.down();
    assert_eq!(evidence.services[0].state, ServiceState::Died { how });
    assert!(evidence.services[0].log_tail.iter().any(|line| line.contains("about to fall")), "{evidence:?}");
    assert_eq!(evidence.services[0].log, Some(Utf8PathBuf::from("services/app.log")));
    assert_eq!(evidence.services[1].state, ServiceState::Ready);
    assert_eq!(scratch.remains(), Vec::<String>::new());
}

#[test]
fn a_service_that_fails_at_the_start_is_reported_with_its_exit_code_and_log() {
    let Some(scratch) = Scratch::new() else { return };
    let file = "
services:
  broken:
    image: debian:bookworm-slim
    command: [sh, -c, 'echo no such table >&2; exit 3']
    expose: [80]
  needy: { image: 'debian:bookworm-slim', depends_on: { broken: { condition: service_healthy } } }
";
    let (mut environment, _events) = scratch.environment(file, PATIENCE);
    let error = environment.up(&[name("needy")], None).unwrap_err();
    let EnvError::NotReady { reason, ended, services } = &error else { panic!("{error}") };
    assert_eq!(reason, "service `broken` ended with exit code 3");
    assert_eq!(ended.as_ref().map(ServiceName::as_str), Some("broken"));
    assert_eq!(services[0].last_seen, "ended with exit code 3 before it was ready");
    assert_eq!(services[1].last_seen, "not started, since what it depends on is not there");
    assert!(services[0].log_tail.iter().any(|line| line.ends_with("no such table")), "{error}");
    let evidence = environment.down();
    assert!(evidence.services[0].log_tail.iter().any(|line| line.ends_with("no such table")), "{evidence:?}");
    assert_eq!(evidence.services[1].state, ServiceState::NotStarted);
    assert_eq!(scratch.remains(), Vec::<String>::new());
}

#[test]
fn a_service_that_never_answers_is_given_up_with_what_was_last_seen() {
    let Some(scratch) = Scratch::new() else { return };
    let file = "
services:
  deaf:
    image: debian:bookworm-slim
    command: [sleep, '600']
    init: true
    x-tollgate: { ready: { http: /ready, port: 80 } }
  sick:
    image: debian:bookworm-slim
    command: [sleep, '600']
    init: true
    healthcheck: { test: 'exit 7' }
";
    let (mut environment, _events) = scratch.environment(file, Duration::from_secs(4));
    let error = environment.up(&[name("deaf"), name("sick")], None).unwrap_err();
    let EnvError::NotReady { reason, ended, services } = &error else { panic!("{error}") };
    assert_eq!((reason.as_str(), ended), ("services were not ready after 4 s", &None));
    assert!(services[0].last_seen.starts_with("started, not ready: closes connections at once"), "{services:?}");
    assert_eq!(services[1].last_seen, "started, not ready: `sh -c exit 7` exited with 7");
    drop(environment);
    assert_eq!(scratch.remains(), Vec::<String>::new());
}

#[test]
fn what_the_engine_can_not_start_is_told_in_its_own_words() {
    let Some(scratch) = Scratch::new() else { return };
    let file = "
services:
  app: { image: 'debian:bookworm-slim', command: [/no/such/program], network_mode: host }
  built: { build: . }
  bare: { image: 'debian:bookworm-slim', command: [/no/such/program] }
";
    let (mut environment, _events) = scratch.environment(file, PATIENCE);
    let problems = environment.check(&[name("app"), name("built"), name("ap")]).unwrap_err();
    let problems: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        problems,
        [
            "there is no service `ap`",
            "service `app` sets `network_mode`, which a test run can't have",
            "service `built` has a `build` without an `image`, and would leave an image behind",
        ]
    );
    let error = environment.up(&[name("bare")], None).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, EnvError::Start { .. }) && text.contains("/no/such/program"), "{text}");
    assert_eq!(environment.down().teardown.unwrap().leftovers, []);
    assert_eq!(scratch.remains(), Vec::<String>::new());
}

#[test]
fn an_interrupted_start_leaves_nothing() {
    let Some(scratch) = Scratch::new() else { return };
    let file = "
services:
  quick: { image: 'redis:7.0-bookworm' }
  never:
    image: debian:bookworm-slim
    command: [sleep, '600']
    init: true
    healthcheck: { test: [CMD, 'false'] }
    depends_on: { quick: { condition: service_healthy } }
";
    let (mut environment, events) = scratch.environment(file, PATIENCE);
    let interrupt = scratch.interrupt.clone();
    let listener = std::thread::spawn(move || {
        await_event(&events, |event| matches!(event, EnvEvent::Started { service, .. } if service.as_str() == "never"));
        interrupt.trigger(15);
    });
    let error = environment.up(&[name("never")], None).unwrap_err();
    listener.join().unwrap();
    assert!(matches!(error, EnvError::Interrupted { signal: 15 }), "{error}");
    assert_eq!(environment.down().teardown.unwrap().leftovers, []);
    assert_eq!(scratch.remains(), Vec::<String>::new());
}

#[test]
fn what_the_compose_command_overlooks_is_removed_by_force_and_reported() {
    let Some(scratch) = Scratch::new() else { return };
    let (mut environment, _events) =
        scratch.environment("services: { cache: { image: 'redis:7.0-bookworm' } }", PATIENCE);
    environment.up(&[name("cache")], None).unwrap_or_else(|error| panic!("{error}"));
    let label = format!("com.docker.compose.project={}", scratch.project());
    // a test may start containers of its own with the run's label
    let stray = docker(&["create", "--label", &label, "debian:bookworm-slim", "true"]);
    let leftovers = environment.down().teardown.unwrap().leftovers;
    let found: Vec<(&str, &str)> = leftovers.iter().map(|left| (left.kind.as_str(), left.what.as_str())).collect();
    assert_eq!(found, [("container", format!("{stray} of {}, removed by force", scratch.project()).as_str())]);
    assert_eq!(scratch.listed(), Vec::<String>::new());
}

#[test]
fn the_file_of_the_reference_platform_is_understood() {
    let file = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ci/compose.yaml");
    let compose = load(&file, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let closure: Vec<String> =
        compose.ordered(&compose.closure(&[name("gateway")])).iter().map(ToString::to_string).collect();
    assert_eq!(closure, ["postgres", "redis", "accounting", "chat", "identity", "gateway"]);
    let missing = load(Utf8Path::new("no/such/compose.yaml"), &BTreeMap::new()).unwrap_err();
    assert!(missing[0].to_string().starts_with("no/such/compose.yaml: can't be read: "), "{missing:?}");
}

#[test]
fn variables_come_from_the_caller_and_from_the_file_beside_the_compose_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(directory.path()).unwrap();
    let write = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    write("compose.yaml", "services: { a: { image: '${KIND}:${TAG:-1}' } }");
    write(".env", "KIND=beside\nTAG=2\n");
    let load = || load(&path.join("compose.yaml"), &BTreeMap::from([("TAG".to_owned(), "caller".to_owned())]));
    assert_eq!(load().unwrap().services[&name("a")].image.as_ref().unwrap().value, "beside:caller");
    write(".env", "KIND=beside\nTAG\n");
    assert_eq!(load().unwrap_err()[0].to_string(), format!("{path}/.env:2:0: is not `KEY=value`"));
    std::fs::remove_file(path.join(".env")).unwrap();
    assert!(load().unwrap_err()[0].to_string().contains("variable `KIND` is not set"));
}

#[test]
fn a_death_that_nobody_was_told_of_is_found_when_it_is_asked_for() {
    let Some(scratch) = Scratch::new() else { return };
    let compose =
        "services:\n  s:\n    image: debian:bookworm-slim\n    command: [\"sleep\", \"600\"]\n    init: true\n";
    let (mut environment, _events) = scratch.environment(compose, Duration::from_mins(1));
    environment.up(&[name("s")], None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(environment.deaths(), []);
    // The stream of events breaks off; it is opened again half a second later.
    let project = scratch.project();
    let children = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let children = children.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<String> =
        children.flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    let line = |pid: &String| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let stream = children.iter().find(|pid| line(pid).contains("events") && line(pid).contains(&project)).unwrap();
    let kill = Cmd::new("kill").args(["-KILL", stream]).timeout(PATIENCE);
    assert!(kill.run(&Interrupt::new().unwrap()).unwrap().status.success());
    let container = docker(&["ps", "--quiet", "--filter", &format!("label=com.docker.compose.project={project}")]);
    docker(&["rm", "--force", &container]);
    // How it went depends on whether the stream is back already; that it went does not.
    let dead: Vec<ServiceName> = environment.deaths().into_iter().map(|(service, _)| service).collect();
    assert_eq!(dead, [name("s")], "it is gone, and nobody was there to hear of it");
    let evidence = environment.down();
    assert!(evidence.services[0].version.as_deref().unwrap().starts_with("image "), "{:?}", evidence.services);
    assert_eq!(scratch.remains(), [""; 0]);
}
