//! What the compose file's model makes of texts.

use super::load::parse;
use super::*;
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::io;
use tollgate_model::ServiceName;

fn variables() -> BTreeMap<String, String> {
    [("BIN", "/bin/dir"), ("PASSED", "on")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn file_text(path: &Utf8Path) -> io::Result<String> {
    match path.file_name() {
        Some("app.env") => Ok("FROM_FILE=1\nBOTH=file\n".to_owned()),
        Some("bad.env") => Ok("nonsense\n".to_owned()),
        _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
    }
}

fn read(text: &str) -> Result<Compose, Vec<crate::FileProblem>> {
    parse(text, Utf8Path::new("ci/compose.yaml"), &variables(), &file_text)
}

fn service(keys: &str) -> Service {
    let text = format!("services:\n  app:\n    image: x\n{keys}\nvolumes:\n  data:\n");
    let compose = read(&text).unwrap_or_else(|problems| panic!("{problems:?}"));
    compose.services["app"].clone()
}

/// The problems of a text, one a line, with their hints.
fn problems(text: &str) -> String {
    let problems = read(text).expect_err("it has problems");
    let line = |problem: &crate::FileProblem| match &problem.hint {
        Some(hint) => format!("{problem} ({hint})"),
        None => problem.to_string(),
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_form_of_a_key_means_the_same() {
    let list = service("    environment: [A=1, B=two=2, PASSED, ABSENT]");
    let map = service("    environment: { A: 1, B: two=2, PASSED: , ABSENT: }");
    let values = |service: &Service| -> Vec<(String, String)> {
        service.environment.iter().map(|(key, value)| (key.clone(), value.value.clone())).collect()
    };
    assert_eq!(values(&list), values(&map));
    assert_eq!(list.variable("PASSED"), Some("on"));
    assert_eq!(list.variable("ABSENT"), None);

    let port = |target, udp| Port { target, udp };
    let ports =
        service("    ports: ['5432', 127.0.0.1::80, '8080:81/tcp', '53:53/udp', { target: 82, protocol: tcp }]").ports;
    assert_eq!(ports, [port(5432, false), port(80, false), port(81, false), port(53, true), port(82, false)]);

    let line = service("    command: redis-server --save ''").command.unwrap().value;
    assert_eq!(line, service("    command: [redis-server, --save, '']").command.unwrap().value);

    let test = |test: &str| {
        service(&format!("    healthcheck: {{ test: {test}, timeout: 3s }}")).healthcheck.map(|health| health.test)
    };
    assert_eq!(test("curl -f localhost"), test("[CMD-SHELL, curl -f localhost]"));
    assert_eq!(test("[CMD, a, b]").unwrap(), ["a", "b"]);
    assert_eq!(test("[NONE]"), None);
    assert_eq!(test("x, disable: true"), None);
}

#[test]
fn mounts_say_whether_they_show_the_host() {
    let volumes = service("    volumes: ['${BIN}:/bin:ro', 'data:/data', /anonymous, { type: bind, source: ./x, target: /x, read_only: true }]").volumes;
    let seen: Vec<(bool, bool, &str)> =
        volumes.iter().map(|mount| (mount.is_bind(), mount.read_only, mount.target.as_str())).collect();
    assert_eq!(seen, [(true, true, "/bin"), (false, false, "/data"), (false, false, "/anonymous"), (true, true, "/x")]);
}

#[test]
fn files_of_variables_come_first_and_absent_optional_ones_are_passed_over() {
    let app = service("    env_file: [app.env, { path: absent.env, required: false }]\n    environment: { BOTH: key }");
    assert_eq!((app.variable("FROM_FILE"), app.variable("BOTH")), (Some("1"), Some("key")));
}

#[test]
fn x_tollgate_says_what_runs_and_how_it_is_seen_ready() {
    let app = service(
        "    stop_signal: INT\n    stop_grace_period: 1m\n    x-tollgate:\n      binary: identity\n      port: 8080\n      environment: { LISTEN: '127.0.0.1:${port}' }\n      ready: { http: /ready }\n      stop: { signal: SIGQUIT }",
    );
    let extension = app.extension.clone().unwrap();
    assert_eq!(app.workspace_binary(), Some("identity"));
    assert_eq!(extension.environment["LISTEN"].value, "127.0.0.1:${port}");
    assert_eq!(extension.ready, Some(Ready::Http { path: "/ready".to_owned(), port: 8080 }));
    let grace = Some(std::time::Duration::from_mins(1));
    assert_eq!(app.stop(), Stop { signal: Some("SIGQUIT".to_owned()), grace });
    assert_eq!(app.tcp_ports(), [8080]);
}

#[test]
fn readiness_is_what_is_said_else_what_the_server_answers_else_the_health_check() {
    let check = |keys: &str, expect: Ready| {
        let compose = read(&format!("services:\n  app: {keys}\n")).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(compose.readiness(&compose.services["app"]), expect, "{keys}");
    };
    let postgres = |port, user: &str, database: &str| Ready::Postgres {
        port,
        user: user.to_owned(),
        database: database.to_owned(),
    };
    let speaks = |protocol, port| Ready::Speaks { protocol, port };
    check("{ image: 'postgres:15', environment: { POSTGRES_USER: u } }", postgres(5432, "u", "u"));
    check("{ image: 'docker.io/library/postgres@sha256:00', ports: ['5433'] }", postgres(5433, "postgres", "postgres"));
    check("{ image: x, x-tollgate: { ready: { postgres: { user: a, database: b } } } }", postgres(5432, "a", "b"));
    check("{ image: 'redis:7' }", speaks(Protocol::Redis, 6379));
    check("{ image: x, x-tollgate: { ready: { redis: , port: 1 } } }", speaks(Protocol::Redis, 1));
    check("{ image: 'valkey/valkey:8' }", speaks(Protocol::Redis, 6379));
    check("{ image: 'nats:2', ports: ['8222', '4222'] }", speaks(Protocol::Nats, 4222));
    check("{ image: 'rabbitmq:3-management' }", speaks(Protocol::Amqp, 5672));
    check("{ image: mariadb, ports: ['3307'] }", speaks(Protocol::MySql, 3307));
    check("{ image: mysql, x-tollgate: { ready: { mysql: { port: 9 } } } }", speaks(Protocol::MySql, 9));
    check("{ image: nginx, healthcheck: { test: [CMD, curl] } }", speaks(Protocol::AnyHttp, 80));
    let command = |argv: &[&str], seconds| Ready::Command {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        timeout: std::time::Duration::from_secs(seconds),
    };
    check("{ image: x, expose: [1], healthcheck: { test: [CMD, ok] } }", command(&["ok"], 30));
    check("{ image: x, x-tollgate: { ready: { command: a b, timeout: 1s } } }", command(&["a", "b"], 1));
    check("{ image: x, expose: [1] }", Ready::Tcp { port: 1 });
    check("{ image: x, x-tollgate: { ready: { tcp: 7 } } }", Ready::Tcp { port: 7 });
    check("{ image: x, x-tollgate: { ready: { exit: 0 } } }", Ready::Exit { code: 0 });
    check("{ image: x }", Ready::Running);
    check(
        "{ image: x }\n  b: { image: y, depends_on: { app: { condition: service_completed_successfully } } }",
        Ready::Exit { code: 0 },
    );
}

#[test]
fn services_come_after_what_they_need() {
    let text = "services:\n  a: { image: x, depends_on: [c, b] }\n  b: { image: x, depends_on: { c: { condition: service_started } } }\n  c: { image: x }\n  d: { image: x, depends_on: { absent: { condition: service_started, required: false } } }\n";
    let compose = read(text).unwrap();
    let name = |name: &str| ServiceName::new(name).unwrap();
    let order = |roots: &[&str]| {
        let roots: Vec<ServiceName> = roots.iter().map(|root| name(root)).collect();
        compose.ordered(&compose.closure(&roots)).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        (order(&["a"]).as_str(), order(&["b", "d"]).as_str(), order(&["d", "nothing"]).as_str()),
        ("c b a", "c b d", "d")
    );
}

#[test]
fn all_problems_come_at_once_with_place_and_advice() {
    insta::assert_snapshot!(problems("
services:
  db:
    imgae: postgres:15
    environment: { A: [1] }
    ports: [70000, 1-2, '']
  app:
    image: ${UNSET}
    depends_on: { bd: { condition: service_ready } }
    stop_signal: SIGTREM
    stop_grace_period: soon
    healthcheck: { test: [curl], interval: x }
    volumes: [dta:/data, a:b:c:d]
    env_file: [absent.env, bad.env]
    x-tolgate: {}
    x-tollgate:
      recipe: postgrs
      binary: app
      port: 0
      ready: { http: ready, tcp: 1, exit: 5 }
      stop: { sginal: INT }
      without: [image, mem-limit]
    deploy: { resurces: {} }
    networks: [bak]
volumes: { data: { drivr: x } }
include: [other.yaml]
servces: {}
"), @r#"
    ci/compose.yaml:3:3: service `db` has neither `image` nor `build`
    ci/compose.yaml:4:5: unknown key `imgae` in service `db` (did you mean `image`?)
    ci/compose.yaml:5:23: `environment.A` must be a string, and is a list
    ci/compose.yaml:6:13: `70000` isn't a single port (host ports are chosen by the engine: write `"127.0.0.1::5432"`)
    ci/compose.yaml:6:20: `1-2` isn't a single port (host ports are chosen by the engine: write `"127.0.0.1::5432"`)
    ci/compose.yaml:6:25: `` isn't a single port (host ports are chosen by the engine: write `"127.0.0.1::5432"`)
    ci/compose.yaml:8:12: variable `UNSET` is not set; give it a default by `${UNSET:-...}` or set it
    ci/compose.yaml:9:19: service `app` depends on `bd`, which isn't in the file (did you mean `db`?)
    ci/compose.yaml:9:36: there is no condition `service_ready` (did you mean `service_healthy`?)
    ci/compose.yaml:10:18: `stop_signal` `SIGTREM` isn't known (did you mean `SIGTERM`?)
    ci/compose.yaml:11:24: `stop_grace_period` must be a duration, and is `soon` (durations are written `500ms`, `10s`, `1m30s`)
    ci/compose.yaml:12:26: `healthcheck.test` must begin with `CMD`, `CMD-SHELL` or `NONE` (write `["CMD", "program", ...]`, `["CMD-SHELL", "line"]` or a line)
    ci/compose.yaml:12:44: `healthcheck.interval` must be a duration, and is `x` (durations are written `500ms`, `10s`, `1m30s`)
    ci/compose.yaml:13:15: there is no volume `dta` among the top-level `volumes` (did you mean `data`?)
    ci/compose.yaml:13:26: `a:b:c:d` isn't `SOURCE:TARGET[:MODE]`
    ci/compose.yaml:14:16: can't read `absent.env`: no such file
    ci/compose.yaml:14:28: line 1 of `bad.env` isn't `KEY=value`
    ci/compose.yaml:15:5: unknown key `x-tolgate` (did you mean `x-tollgate`?)
    ci/compose.yaml:17:15: there is no recipe `postgrs` (did you mean `postgres`?)
    ci/compose.yaml:18:7: `x-tollgate` has both `recipe` and `binary`; a service is one of them
    ci/compose.yaml:19:13: `x-tollgate.port` must be a port from 1 to 65535, and is `0`
    ci/compose.yaml:20:14: `x-tollgate.ready` needs exactly one way to see it, and has 3 (known are `http`, `tcp`, `postgres`, `redis`, `nats`, `amqp`, `mysql`, `command`, `exit`)
    ci/compose.yaml:21:15: unknown key `sginal` in `x-tollgate.stop` (did you mean `signal`?)
    ci/compose.yaml:22:17: `image` is no key that only a container has (known are `command`, `deploy`, `entrypoint`, `networks`, `ports`, `volumes`, `domainname`, `hostname`, `tmpfs`, `user`, `blkio_config`, `cap_add`, `cap_drop`, `cgroup`, `cgroup_parent`, `configs`, `cpu_count`, `cpu_percent`, `cpu_period`, `cpu_quota`, `cpu_rt_period`, `cpu_rt_runtime`, `cpu_shares`, `cpus`, `cpuset`, `credential_spec`, `device_cgroup_rules`, `devices`, `dns`, `dns_opt`, `dns_search`, `extra_hosts`, `gpus`, `group_add`, `ipc`, `isolation`, `mac_address`, `mem_limit`, `mem_reservation`, `mem_swappiness`, `memswap_limit`, `oom_kill_disable`, `oom_score_adj`, `pid`, `pids_limit`, `privileged`, `read_only`, `runtime`, `secrets`, `security_opt`, `stdin_open`, `storage_opt`, `sysctls`, `tty`, `ulimits`, `use_api_socket`, `userns_mode`, `uts`, `working_dir`)
    ci/compose.yaml:22:24: `mem-limit` is no key that only a container has (did you mean `mem_limit`?)
    ci/compose.yaml:23:15: unknown key `resurces` in `deploy` (did you mean `resources`?)
    ci/compose.yaml:24:16: there is no network `bak` among the top-level `networks` (there are none)
    ci/compose.yaml:25:20: unknown key `drivr` in `volumes.data` (did you mean `driver`?)
    ci/compose.yaml:26:1: the file has `include`, which a test run can't have (write the services of that file into this one)
    ci/compose.yaml:27:1: unknown key `servces` in a compose file (did you mean `services`?)
    "#);
}

#[test]
fn readiness_must_be_askable() {
    insta::assert_snapshot!(problems("
services:
  a: { image: x, x-tollgate: { ready: { http: nowhere } } }
  b: { image: x, x-tollgate: { ready: { http: /ready } } }
  c: { image: x, x-tollgate: { ready: { exit: 300 } } }
  d: { image: x, depends_on: { e: { condition: service_healthy } } }
  e: { image: x }
  f: { image: x, command: \"'open\", x-tollgate: { ports: [a], command: { x: y } } }
"), @r#"
    ci/compose.yaml:3:47: `x-tollgate.ready.http` must be a path that begins with `/`, and is `nowhere`
    ci/compose.yaml:4:41: `x-tollgate.ready` does not say which port, and the service has none (write `ready: { http: /ready, port: 8080 }`)
    ci/compose.yaml:5:47: `x-tollgate.ready.exit` must be an exit code from 0 to 255
    ci/compose.yaml:6:32: service `d` waits for `e` to be healthy, and nothing says when it is (give `e` a `healthcheck`, or `x-tollgate: { ready: ... }`)
    ci/compose.yaml:8:27: `command` has a quote that isn't closed
    ci/compose.yaml:8:58: `x-tollgate.ports` must be a port from 1 to 65535, and is `a`
    ci/compose.yaml:8:71: `x-tollgate.command` must be a string or a list, and is a map
    "#);
}

#[test]
fn a_circle_of_dependencies_is_shown_as_one() {
    insta::assert_snapshot!(problems("services:\n  z: { image: x, depends_on: [a] }\n  a: { image: x, depends_on: [b] }\n  b: { image: x, depends_on: [a] }\n"), @r#"ci/compose.yaml:3:3: services depend on each other in a circle: a -> b -> a"#);
}

#[test]
fn what_is_no_compose_file_is_refused() {
    insta::assert_snapshot!(problems("a: [1"), @r#"ci/compose.yaml:1:4: unclosed bracket '['"#);
    insta::assert_snapshot!(problems("services: []"), @r#"ci/compose.yaml:1:1: the file has no services"#);
    insta::assert_snapshot!(problems("- 1"), @r#"
    ci/compose.yaml:1:1: a compose file must be a map, and is a list
    ci/compose.yaml:1:1: the file has no services
    "#);
    insta::assert_snapshot!(problems("services: { Bad Name: { image: x } }"), @r#"ci/compose.yaml:1:13: `Bad Name` is not a valid name: 1 to 63 of a-z, 0-9, `-` and `_`, a letter or digit first"#);
}

#[test]
fn the_file_for_the_compose_command_has_no_fixed_names_ports_or_restarts() {
    let compose = read(
        "
name: fixed
x-env: &env { A: 'cost: 5$$', B: '${BIN}' }
services:
  db:
    image: postgres:15
    container_name: fixed
    restart: always
    ports: ['5432:5432', '53:53/udp']
    labels: [a=b]
    healthcheck: { test: pg_isready, interval: 1s }
    volumes: ['data:/data']
  app:
    image: x
    profiles: [extra]
    environment: { <<: *env, C: 1 }
    labels: { a: b }
    depends_on: [db]
    tmpfs: /tmp
    volumes: ['${BIN:-x}:/bin:ro']
    x-tollgate: { binary: app, port: 80 }
volumes: { data: { name: fixed }, other: { name: kept, external: true } }
",
    )
    .unwrap();
    let extra = |service: &Service| match service.workspace_binary() {
        Some(_) => (vec![("P".to_owned(), "%p".to_owned())], vec!["/host:/profiles".to_owned()]),
        None => (Vec::new(), Vec::new()),
    };
    let variables = BTreeMap::from([("BIN".to_owned(), "/late".to_owned())]);
    let container = |service: &Service| format!("tg-{}", service.name);
    let file = generate(&compose, &Generated { variables, run: "r1", container: &container, extra: &extra });
    insta::assert_snapshot!(format!("{file:#}"), @r#"
    {
      "volumes": {
        "data": {},
        "other": {
          "name": "kept",
          "external": true
        }
      },
      "services": {
        "app": {
          "image": "x",
          "tmpfs": "/tmp",
          "environment": {
            "A": "cost: 5$$",
            "B": "/bin/dir",
            "C": "1",
            "P": "%p"
          },
          "labels": {
            "a": "b",
            "tollgate.run": "r1"
          },
          "volumes": [
            "/late:/bin:ro",
            "/host:/profiles"
          ],
          "container_name": "tg-app",
          "restart": "no",
          "healthcheck": {
            "disable": true
          },
          "ports": [
            {
              "target": 80,
              "host_ip": "127.0.0.1",
              "protocol": "tcp"
            }
          ],
          "init": true
        },
        "db": {
          "image": "postgres:15",
          "container_name": "tg-db",
          "restart": "no",
          "ports": [
            {
              "target": 5432,
              "host_ip": "127.0.0.1",
              "protocol": "tcp"
            },
            {
              "target": 53,
              "host_ip": "127.0.0.1",
              "protocol": "udp"
            }
          ],
          "labels": [
            "a=b",
            "tollgate.run=r1"
          ],
          "healthcheck": {
            "disable": true
          },
          "volumes": [
            "data:/data"
          ],
          "environment": {}
        }
      }
    }
    "#);
}
