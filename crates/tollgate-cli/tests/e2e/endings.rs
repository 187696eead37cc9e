//! Every ending leaves nothing behind and has the documented exit code.

use crate::support::{assert_nothing_left, ci, shop, tollgate, verdict};
use tollgate_model::Ending;
use tollgate_testkit::{Ended, Fixture};

/// A shop whose e2e tier has a test that only a signal ends.
fn endless() -> Fixture {
    let shop = shop();
    shop.append(
        "shop/tests/e2e.rs",
        "#[test]\nfn a_customer_waits_for_ever() {\n    let server = std::net::TcpListener::bind(\"127.0.0.1:0\").unwrap();\n    server.accept().unwrap();\n}",
    );
    shop
}

/// Starts a run and sends a signal to its keeper or to the orchestrator as soon as the e2e tier runs.
fn killed(shop: &Fixture, keeper: bool, signal: &str) -> Ended {
    let running = tollgate(shop, &["ci", "--engine", "native"]).start_until("Running e2e");
    if keeper {
        running.signal(signal);
    } else {
        running.signal_child(signal);
    }
    running.wait()
}

#[test]
fn an_interrupt_ends_the_run_in_order() {
    let shop = endless();
    let ended = killed(&shop, true, "INT");
    assert_eq!(ended.code, 130, "{ended}");
    assert_eq!(verdict(&shop).ending, Ending::Interrupted { signal: "SIGINT".into() });
    assert_nothing_left(&shop);
}

#[test]
fn a_termination_ends_the_run_in_order() {
    let shop = endless();
    let ended = killed(&shop, true, "TERM");
    assert_eq!(ended.code, 130, "{ended}");
    assert_eq!(verdict(&shop).ending, Ending::Interrupted { signal: "SIGTERM".into() });
    assert_nothing_left(&shop);
}

#[test]
fn the_keeper_tears_down_after_a_killed_orchestrator() {
    let shop = endless();
    let ended = killed(&shop, false, "KILL");
    assert_eq!(ended.code, 137, "{ended}");
    assert_nothing_left(&shop);
}

#[test]
fn the_keeper_tears_down_after_a_crashed_orchestrator_and_the_next_run_works() {
    let shop = endless();
    let ended = killed(&shop, false, "ABRT");
    assert_eq!(ended.code, 134, "{ended}");
    assert_nothing_left(&shop);
    let ended = tollgate(&shop, &["test", "integration", "--engine", "native"]).run();
    assert_eq!(ended.code, 0, "{ended}");
}

#[test]
fn the_orchestrator_tears_down_after_a_killed_keeper() {
    let shop = endless();
    let running = tollgate(&shop, &["ci", "--engine", "native"]).start_until("Running e2e");
    running.signal("KILL");
    // The orchestrator holds standard error open, so the end of it is the end of the orchestrator.
    let ended = running.wait();
    assert_eq!(ended.code, 137, "{ended}");
    assert_nothing_left(&shop);
}

#[test]
fn a_process_that_a_test_leaves_behind_is_killed_and_makes_the_teardown_gate_red() {
    let shop = shop();
    shop.append(
        "shop/tests/integration.rs",
        "#[test]\nfn a_daemon_is_forgotten() {\n    std::process::Command::new(\"setsid\").args([\"-f\", \"sleep\", \"4711\"]).status().unwrap();\n}",
    );
    let ended = ci(&shop, &["--tier", "integration"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!(crate::support::gate(&shop, "environment.teardown"), tollgate_model::Outcome::Failed);
    assert!(ended.stdout.contains("(sleep 4711)"), "{ended}");
    assert_nothing_left(&shop);
}
