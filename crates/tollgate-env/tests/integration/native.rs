//! The native engine with real servers and real processes.

use crate::support::{SERVERS, Scene, names, probe, psql, runs, segments, stat, tree, wait_until};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Instant;
use tollgate_env::{Binaries, EnvEvent, Environment, native_programs};
use tollgate_model::{Leftover, ServiceState};

fn kill(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).expect("a pid"), signal).expect("it runs");
}

pub(crate) fn leftovers(environment: Environment) -> Vec<Leftover> {
    environment.down().teardown.expect("it was torn down").leftovers
}

/// Sends a line and returns the first one of the answer.
fn talk(address: &str, line: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("it listens");
    connection.write_all(line.as_bytes()).expect("it reads");
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer).expect("it answers");
    answer.trim().to_owned()
}

#[test]
fn postgres_and_redis_become_ready_answer_and_leave_nothing() {
    let scene = Scene::new("servers", SERVERS);
    let mut environment = scene.environment();
    let all = names(&["db", "cache"]);
    assert_eq!(environment.check(&all), Ok(()));
    // The first time on a machine makes the template; what is timed is every later time.
    environment.up(&names(&["db"]), None).expect("PostgreSQL comes up");
    environment.stop(&names(&["db"]));
    let from = Instant::now();
    environment.up(&all, None).expect("both come up");
    println!("PostgreSQL from its template and Redis were ready after {} ms", from.elapsed().as_millis());

    let db = environment.resolve("${db.host}:${db.port:5432}").expect("an address");
    assert_eq!(psql(&db, "app", "secret", "shop", "select 1 + 1"), Ok("2".to_owned()));
    assert_eq!(psql(&db, "app", "secret", "shop", "show fsync"), Ok("off".to_owned()));
    let refused = psql(&db, "app", "wrong", "shop", "select 1").expect_err("the password is wrong");
    assert!(refused.contains("password authentication failed"), "{refused}");
    assert_eq!(talk(&environment.resolve("${cache.host}:${cache.port}").expect("an address"), "PING\r\n"), "+PONG");

    let recorded = scene.recorded();
    assert_eq!(recorded.len(), 3, "{}", scene.ledger());
    assert!(scene.state().is_some());
    let from = Instant::now();
    assert_eq!(leftovers(environment), []);
    println!("both were gone after {} ms", from.elapsed().as_millis());
    assert!(!recorded.iter().any(|id| runs(*id)));
    assert_eq!((scene.state(), segments(&recorded)), (None, 0));
    assert!(scene.ledger().ends_with("{\"entry\":\"finished\"}\n"), "{}", scene.ledger());
    assert!(scene.log("db").contains("database system is ready to accept connections"));
    assert!(scene.log("cache").contains("Ready to accept connections"));
}

#[test]
fn a_postgres_that_is_killed_is_seen_as_dead_and_leaves_nothing_either() {
    let scene = Scene::new("killed", SERVERS);
    let mut environment = scene.environment();
    environment.up(&names(&["db"]), None).expect("PostgreSQL comes up");
    let server = scene.recorded()[0];
    let backends = tree(server.pid);
    assert!(!backends.is_empty());
    kill(server.pid, rustix::process::Signal::KILL);
    wait_until("its death is told", || {
        let died = |event: &EnvEvent| matches!(event, EnvEvent::Died { how, .. } if how == "signal SIGKILL");
        scene.events.lock().expect("no test panics in it").iter().any(died)
    });
    assert_eq!(environment.deaths(), [(names(&["db"])[0].clone(), "signal SIGKILL".to_owned())]);

    let evidence = environment.down();
    assert_eq!(evidence.services[0].state, ServiceState::Died { how: "signal SIGKILL".to_owned() });
    assert_eq!(evidence.services[0].version.as_deref().and_then(|version| version.split('.').next()), Some("15"));
    let leftovers = evidence.teardown.expect("it was torn down").leftovers;
    let kinds: Vec<&str> = leftovers.iter().map(|leftover| leftover.kind.as_str()).collect();
    assert_eq!(kinds, ["segment"], "{leftovers:?}");
    assert_eq!((scene.state(), segments(&[server])), (None, 0));
    assert!(!backends.iter().any(|id| runs(*id)));
}

#[test]
fn a_service_that_will_not_stop_is_killed_with_all_it_started_and_named() {
    let scene = Scene::new(
        "stubborn",
        r#"
services:
  rock:
    image: rock
    stop_grace_period: 100ms
    x-tollgate:
      command: ["sh", "-c", "trap '' TERM; setsid sleep 600 & (setsid setsid sleep 600 &); touch up; sleep 600; sleep 600"]
      ready: { command: ["test", "-e", "up"] }
"#,
    );
    let mut environment = scene.environment();
    environment.up(&names(&["rock"]), None).expect("it comes up");
    let shell = scene.recorded()[0];
    let family = tree(shell.pid);
    assert!(!family.is_empty());
    let evidence = environment.down();
    let version = evidence.services[0].version.as_deref().and_then(|version| version.strip_prefix("file "));
    assert!(version.is_some_and(|digits| digits.len() == 12), "which shell it was: {:?}", evidence.services);
    let leftovers = evidence.teardown.expect("it was torn down").leftovers;
    let told: Vec<String> = leftovers.into_iter().map(|leftover| leftover.what).collect();
    assert!(told.iter().any(|what| what.contains("did not stop within 100 ms of SIGTERM and was killed")), "{told:?}");
    assert!(told.iter().any(|what| what.contains(") outlived service `rock` and was killed")), "{told:?}");
    assert!(told.iter().any(|what| what.contains(") had left its service's process group")), "{told:?}");
    assert!(!family.iter().any(|id| runs(*id)));
    assert!(stat(shell.pid).is_none_or(|(id, _)| id != shell));
    assert!(scene.ledger().ends_with("{\"entry\":\"finished\"}\n"), "nothing is left for others: {}", scene.ledger());
}

#[test]
fn a_binary_gets_its_addresses_and_its_profile_and_another_port_when_its_own_was_taken() {
    let marker = std::env::temp_dir().join(format!("tollgate-port-taken-{}", std::process::id()));
    let compose = r#"
services:
  web:
    image: web
    environment: { ADDRESS: "web:8080", MARKER: "@MARKER@" }
    expose: ["8080"]
    x-tollgate: { binary: web, ready: { tcp: 8080 } }
"#;
    let scene = Scene::new("binary", &compose.replace("@MARKER@", &marker.to_string_lossy()));
    let binaries = Binaries { directory: scene.path().join("bin"), instrumented: true };
    fs::create_dir(&binaries.directory).expect("a directory");
    std::os::unix::fs::symlink(probe(), binaries.directory.join("web")).expect("a link");
    let mut environment = scene.environment();
    environment.up(&names(&["web"]), Some(&binaries)).expect("it comes up");

    let address = environment.resolve("${web.host}:${web.port}").expect("an address");
    let profile = scene.path().join("profiles/web/%p-%m%c.profraw");
    assert_eq!(talk(&address, "\n"), profile.as_str());
    assert!(scene.log("web").contains("Address already in use"), "{}", scene.log("web"));
    assert_eq!(scene.recorded().len(), 2, "{}", scene.ledger());
    environment.stop(&names(&["web"]));
    environment.up(&names(&["web"]), Some(&binaries)).expect("it comes up again");
    assert_eq!(leftovers(environment), []);
    fs::remove_file(marker).expect("the first start made it");
}

#[test]
fn every_line_of_a_log_has_its_time_and_the_last_words_are_in_it() {
    let before = jiff::Timestamp::now();
    let command = r#"["sh", "-c", "printf 'one\\ntwo' >&2; printf ' words'; exit 3"]"#;
    let file = format!(
        "services:\n  s:\n    image: s\n    healthcheck: {{ test: [CMD, \"false\"] }}\n    x-tollgate: {{ command: {command} }}\n"
    );
    let scene = Scene::new("times", &file);
    let mut environment = scene.environment();
    environment.up(&names(&["s"]), None).expect_err("it ends at once");
    let tail = environment.down().services[0].log_tail.clone();
    let (times, words): (Vec<_>, Vec<_>) = tail.iter().filter_map(|line| line.split_once(' ')).unzip();
    assert_eq!(words, ["one", "two words"], "{tail:?}");
    for time in times {
        let time: jiff::Timestamp = time.parse().expect("a time");
        assert!(before <= time && time <= jiff::Timestamp::now(), "{time}");
    }
}

#[test]
fn a_program_that_is_missing_is_named_with_its_package() {
    let scene =
        Scene::new("missing", "services:\n  q:\n    image: q\n    x-tollgate: { command: [\"no-such-server\"] }\n");
    let q = names(&["q"]);
    let programs = native_programs(&scene.compose(), &q);
    assert!(programs[0].is_missing() && programs[0].package().is_none(), "{programs:?}");
    assert_eq!(programs[0].to_string(), "q: no-such-server is missing");
    let mut environment = scene.environment();
    let error = environment.up(&q, None).expect_err("there is no such program");
    assert_eq!(error.to_string(), "service `q` needs `no-such-server`, which is not on this machine");
    assert!(error.hint().expect("a hint").starts_with("install it"));
    assert_eq!(leftovers(environment), []);
    let servers = Scene::new("installed", SERVERS);
    let programs = native_programs(&servers.compose(), &names(&["db", "cache"]));
    assert_eq!(
        programs.iter().filter_map(tollgate_env::NativeProgram::package).collect::<Vec<_>>(),
        ["postgresql", "redis-server"]
    );
    assert!(programs.iter().all(|program| matches!(&program.found, Some((_, Some(_))))), "{programs:?}");
}

#[test]
fn what_only_a_container_can_do_is_refused_with_its_place() {
    let scene = Scene::new(
        "refused",
        r#"
services:
  db:
    image: postgres:15
    environment: { POSTGRES_PASSWORD_FILE: /run/secrets/db }
    entrypoint: ["sh"]
    volumes: ["./missing:/docker-entrypoint-initdb.d", "./conf:/etc/postgresql", "data:/var/lib/postgresql/data"]
  other:
    image: postgres:15
  cache:
    image: redis:7
    command: ["redis-server", "/etc/redis.conf"]
    volumes: ["./redis.conf:/etc/redis.conf", "kept:/data"]
  mail:
    image: mailhog/mailhog
volumes: { data: {}, kept: {} }
"#,
    );
    let environment = scene.environment();
    let problems = environment.check(&names(&["db", "other", "cache", "mail"])).expect_err("all of it is refused");
    let root = scene.path().to_string();
    let told: Vec<String> = problems.iter().map(|problem| problem.to_string().replace(&root, "")).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    /compose.yaml:5:44: service `db` reads `POSTGRES_PASSWORD_FILE`, a file of its container
    /compose.yaml:6:17: service `db` replaces the entry point, which only a container has
    /compose.yaml:7:15: `/missing`, an init script of service `db`, is not there
    /compose.yaml:7:56: service `db` mounts `/etc/postgresql`, which its native form has no use for
    /compose.yaml:8:3: service `other` has no `POSTGRES_PASSWORD`; the official image does not start without
    /compose.yaml:12:14: service `cache` reads `/etc/redis.conf`, a file of its container
    /compose.yaml:13:15: service `cache` mounts `/etc/redis.conf`, which its native form has no use for
    /compose.yaml:14:3: service `mail` has no native form: nothing is known about `mailhog/mailhog`
    ");
}

#[test]
fn a_command_beside_a_service_sees_its_variables_and_its_exit_code_decides() {
    let scene = Scene::new(
        "beside",
        r#"
services:
  db:
    image: postgres:14
    environment: { POSTGRES_HOST_AUTH_METHOD: trust, POSTGRES_USER: app }
    command: ["postgres", "-c", "work_mem=5MB"]
    x-tollgate: { ready: { command: ["pg_isready", "-U", "app"] } }
"#,
    );
    let mut environment = scene.environment();
    environment.up(&names(&["db"]), None).expect("it comes up");
    let db = environment.resolve("${db.host}:${db.port}").expect("an address");
    assert_eq!(psql(&db, "app", "any", "app", "show work_mem"), Ok("5MB".to_owned()));
    let started = scene.events.lock().expect("no test panics in it").clone();
    let skew = "warning: the image is `postgres:14`, and this machine has version 15";
    let tells = |event: &EnvEvent| matches!(event, EnvEvent::Started { detail, .. } if detail.contains(skew));
    assert!(started.iter().any(tells), "{started:?}");
    assert_eq!(leftovers(environment), []);
}

#[test]
fn a_redis_keeps_the_flags_of_the_file_but_not_its_place_and_persistence() {
    let scene = Scene::new(
        "flags",
        r#"
services:
  cache:
    image: redis:7
    command: ["redis-server", "--appendonly", "yes", "--save", "60", "1", "--maxmemory", "64mb", "--port", "1"]
"#,
    );
    let mut environment = scene.environment();
    environment.up(&names(&["cache"]), None).expect("it comes up");
    let cache = environment.resolve("${cache.host}:${cache.port}").expect("an address");
    assert_eq!(talk(&cache, "SET a b\r\n"), "+OK");
    let mut connection = TcpStream::connect(&cache).expect("it listens");
    connection.write_all(b"CONFIG GET maxmemory\r\nCONFIG GET appendonly\r\nQUIT\r\n").expect("it reads");
    let answer: Vec<String> = BufReader::new(connection).lines().map_while(Result::ok).collect();
    assert!(answer.contains(&"67108864".to_owned()) && answer.contains(&"no".to_owned()), "{answer:?}");
    assert_eq!(leftovers(environment), []);
}
