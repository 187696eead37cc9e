//! The environment alone: it comes up, stays, can be looked at, and goes without a trace.

use crate::support::{assert_nothing_left, gate, shop, tollgate};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};
use tollgate_model::Outcome;
use tollgate_testkit::{Ended, Fixture};

fn env(shop: &Fixture, args: &[&str]) -> Ended {
    tollgate(shop, &[&["env"], args].concat()).run()
}

fn up(shop: &Fixture, args: &[&str]) -> Ended {
    let ended = env(shop, &[&["up", "--engine", "native"], args].concat());
    assert_eq!(ended.code, 0, "{ended}");
    ended
}

/// What the shop answers at the address of a line such as `SHOP=127.0.0.1:80`.
fn ask(exports: &str, path: &str) -> String {
    let address = exports.lines().find_map(|line| line.strip_prefix("SHOP=")).expect("the shop's address");
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

#[test]
fn an_environment_stays_up_after_the_command_and_goes_when_it_is_told_to() {
    let shop = shop();
    let first = up(&shop, &[]);
    assert!(ask(&first.stdout, "/ready").starts_with("HTTP/1.1 200 OK"), "{first}");
    assert!(first.stderr.contains("`cargo xtask env down` ends it"), "{first}");

    let status = env(&shop, &["status"]);
    assert!(status.stdout.starts_with("environment ") && status.stdout.contains("native engine, up since"), "{status}");
    assert!(status.stdout.lines().all(|line| line.chars().count() <= 80), "{status}");
    for service in ["  shop     ready ", "  store    ready "] {
        assert!(status.stdout.contains(service), "{status}");
    }
    let json = env(&shop, &["status", "--format", "json"]);
    assert!(json.stdout.contains("\"ready\": true") && json.stdout.contains("\"engine\": \"native\""), "{json}");

    let again = up(&shop, &[]);
    assert_eq!(again.stdout, first.stdout, "what is up is not brought up twice");
    let shell = up(&shop, &["--shell"]);
    assert!(shell.stdout.contains("export SHOP='127.0.0.1:"), "{shell}");
    let other = env(&shop, &["up", "--engine", "compose"]);
    assert_eq!(other.code, 2, "{other}");
    assert!(other.stderr.contains("is up already, on the native engine"), "{other}");

    let run = tollgate(&shop, &["test", "integration", "--engine", "native"]).run();
    assert_eq!(run.code, 0, "a run beside it: {run}");
    assert!(ask(&first.stdout, "/ready").starts_with("HTTP/1.1 200 OK"), "and the run leaves it alone");

    let down = env(&shop, &["down"]);
    assert_eq!(down.code, 0, "{down}");
    assert!(down.stderr.contains("is down, nothing is left of it"), "{down}");
    assert_nothing_left(&shop);
    assert_eq!(env(&shop, &["status"]).stdout, "no environment is up\n");
    assert_eq!(env(&shop, &["down"]).code, 0, "it is down already");
}

#[test]
fn a_run_leaves_its_environment_up_where_it_is_asked_to_red_or_not() {
    let shop = shop();
    shop.append("shop/tests/integration.rs", "#[test]\nfn it_fails() {\n    panic!();\n}");
    let red = tollgate(&shop, &["ci", "--engine", "native", "--keep-env"]).run();
    assert_eq!(red.code, 1, "{red}");
    assert!(
        red.stdout.contains("it_fails") && red.stderr.contains("stays up; `cargo xtask env down` ends it"),
        "{red}"
    );
    assert_eq!(gate(&shop, "environment.teardown"), Outcome::Warned);
    assert_eq!(env(&shop, &["gc", "--dry-run"]).stdout, "nothing is left behind\n", "it is alive");

    let exports = up(&shop, &[]).stdout;
    assert!(ask(&exports, "/ready").starts_with("HTTP/1.1 200 OK"), "`env up` finds it: {exports}");
    let beside = tollgate(&shop, &["test", "e2e", "--engine", "native"]).run();
    assert_eq!(beside.code, 0, "{beside}");
    assert!(ask(&exports, "/ready").starts_with("HTTP/1.1 200 OK"), "the next run leaves it alone");
    let down = env(&shop, &["down"]);
    assert!(down.code == 0 && down.stderr.contains("is down, nothing is left of it"), "{down}");
    assert_nothing_left(&shop);

    shop.replace("ci/compose.yaml", "http: /ready", "http: /never").replace("ci/tollgate.toml", "\"5s\"", "\"1s\"");
    let broken = tollgate(&shop, &["ci", "--engine", "native", "--keep-env"]).run();
    assert_eq!((broken.code, env(&shop, &["status"]).stdout.as_str()), (5, "no environment is up\n"), "{broken}");
    assert_nothing_left(&shop);
}

#[test]
fn an_environment_in_which_a_run_is_testing_is_nobody_elses_and_ends_with_the_command() {
    let shop = shop();
    shop.replace("ci/tollgate.toml", "\"5s\"", "\"60s\"");
    shop.append(
        "shop/tests/integration.rs",
        "#[test]\nfn it_never_ends() {\n    loop {\n        std::thread::park();\n    }\n}",
    );
    let running = tollgate(&shop, &["ci", "--engine", "native", "--keep-env"]).start_until("Ready");
    let shared = env(&shop, &["up", "--engine", "native"]);
    assert!(shared.code == 2 && shared.stderr.contains("is still testing"), "{shared}");
    let down = env(&shop, &["down"]);
    assert!(down.code == 0 && down.stderr.contains("is still testing; `cargo xtask env down 2"), "{down}");
    assert!(env(&shop, &["status"]).stdout.contains("native engine, testing since"), "it is alive");

    running.signal("KILL");
    assert_eq!(running.wait().code, 137);
    let status = || env(&shop, &["status"]).stdout;
    assert!((0..1000).any(|_| status() == "no environment is up\n"), "{}", status());
    assert_nothing_left(&shop);
}

#[test]
fn a_service_that_dies_is_shown_and_the_rest_stays_up() {
    let shop = shop();
    let exports = up(&shop, &[]).stdout;
    assert_eq!(ask(&exports, "/die"), "");
    // It follows for as long as the environment is up; the death is in the log before that is over.
    let follow = tollgate(&shop, &["env", "logs", "--follow", "shop"]);
    let follow = std::thread::spawn(move || follow.run());
    let died = || env(&shop, &["status"]).stdout.contains("exit code 3");
    assert!((0..1000).any(|_| died()), "{}", env(&shop, &["status"]));
    assert!(env(&shop, &["status"]).stdout.contains("store"), "the store is up");
    assert_eq!(env(&shop, &["down"]).code, 0);
    let followed = follow.join().expect("it ends with the environment");
    // Counters that are set up by another hand may have complained before.
    assert!(followed.code == 0 && followed.stdout.ends_with("asked to die\n"), "{followed}");
    let later = env(&shop, &["logs", "shop"]);
    assert_eq!((later.code, &later.stdout), (0, &followed.stdout), "{later}");
    let unknown = env(&shop, &["logs", "shopp"]);
    assert_eq!(unknown.code, 2, "{unknown}");
    assert!(unknown.stderr.contains("there are logs of: shop, store"), "{unknown}");
    assert_nothing_left(&shop);
}

#[test]
fn an_environment_that_can_not_come_up_says_why_and_leaves_nothing() {
    let shop = shop();
    shop.replace("ci/compose.yaml", "http: /ready", "http: /never").replace("ci/tollgate.toml", "\"5s\"", "\"1s\"");
    let ended = env(&shop, &["up", "--engine", "native"]);
    assert_eq!(ended.code, 5, "{ended}");
    assert!(ended.stdout.is_empty() && ended.stderr.contains("404"), "{ended}");
    assert_nothing_left(&shop);
    shop.replace("ci/tollgate.toml", "ready-timeout", "ready-timout");
    let ended = env(&shop, &["up"]);
    assert_eq!(ended.code, 2, "{ended}");
    assert!(ended.stderr.contains("ci/tollgate.toml:5:1"), "{ended}");
}

#[test]
fn an_interrupt_on_the_way_up_ends_the_environment() {
    let shop = shop();
    shop.replace("ci/compose.yaml", "http: /ready", "http: /never").replace("ci/tollgate.toml", "\"5s\"", "\"600s\"");
    let running = tollgate(&shop, &["env", "up", "--engine", "native"]).start_until("Ready store");
    running.signal("INT");
    let ended = running.wait();
    assert_eq!(ended.code, 130, "{ended}");
    assert_nothing_left(&shop);
}

#[test]
fn in_the_foreground_an_interrupt_takes_it_down() {
    let shop = shop();
    let running = tollgate(&shop, &["env", "up", "--engine", "native", "--foreground"]).start_until("Ctrl-C ends it");
    running.signal("INT");
    let ended = running.wait();
    assert_eq!(ended.code, 0, "it was up, and went as it was told to: {ended}");
    assert_nothing_left(&shop);
}

#[test]
fn an_environment_whose_processes_are_killed_is_none_any_more() {
    let shop = shop();
    up(&shop, &[]);
    let json: serde_json::Value =
        serde_json::from_str(&env(&shop, &["status", "--format", "json"]).stdout).expect("JSON");
    let run = json["environments"][0]["run"].as_str().expect("its name").to_owned();
    let ledger = shop.read(&format!("target/tollgate/runs/{run}/ledger.jsonl"));
    let first: serde_json::Value = serde_json::from_str(ledger.lines().next().expect("a line")).expect("JSON");
    let orchestrator = first["process"]["pid"].to_string();
    let kill = std::process::Command::new("kill").args(["-KILL", &orchestrator]).status().expect("kill runs");
    assert!(kill.success());
    // A killed process is there for a moment more, and its environment with it. After that, whether its keeper is done or
    // not, what is left is found by its ledger.
    let over = || env(&shop, &["status"]).stdout == "no environment is up\n";
    assert!((0..1000).any(|_| over()), "{}", env(&shop, &["status"]));
    let gone = || env(&shop, &["gc", "--dry-run"]).stdout == "nothing is left behind\n";
    assert!((0..1000).any(|_| gone()), "{}", env(&shop, &["gc", "--dry-run"]));
    assert_nothing_left(&shop);
}

#[test]
fn the_doctor_says_which_engine_it_would_be_and_what_is_missing() {
    let shop = shop();
    shop.replace(
        "ci/tollgate.toml",
        "compose = \"ci/compose.yaml\"",
        "compose = \"ci/compose.yaml\"\nengine = \"native\"",
    );
    let ended = env(&shop, &["doctor"]);
    assert_eq!(ended.code, 0, "{ended}");
    for text in ["native engine:  store: redis-server ", "would run on:   native: asked for", "left behind:    nothing"]
    {
        assert!(ended.stdout.contains(text), "{ended}");
    }
    shop.replace(
        "ci/compose.yaml",
        "      recipe: redis",
        "      command: [\"/nowhere/mosquitto\"]\n      ready: { tcp: 6379 }",
    );
    let ended = env(&shop, &["doctor"]);
    assert_eq!(ended.code, 5, "{ended}");
    assert!(ended.stdout.contains("store: /nowhere/mosquitto is missing; package mosquitto"), "{ended}");
}
