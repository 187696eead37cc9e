//! The gates where it is known what they must conclude.

use crate::support::{shop, tollgate};
use serde_json::Value;
use std::process::Command;

#[test]
fn a_truth_is_concluded_and_what_the_gates_did_is_counted_and_kept() {
    let shop = shop();
    let ended = tollgate(&shop, &["gates", "self-test", "--only", "flaky-test", "--format", "json"]).run();
    assert_eq!(ended.code, 0, "{ended}");
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(report["rows"][0]["seen"]["gates"]["flake.run"], "failed", "{ended}");
    let gates = report["gates"].as_array().expect("gates");
    let figures = |name: &str| gates.iter().find(|gate| gate["gate"] == name).expect("the gate").clone();
    assert_eq!(figures("flake.run")["missed"], serde_json::json!({ "k": 0, "n": 1 }));
    assert_eq!(figures("tests.unit")["false-alarms"], serde_json::json!({ "k": 0, "n": 1 }));
    assert_eq!(shop.read(".tollgate/self-tests.jsonl").lines().count(), 1);
    let processes = Command::new("ps").args(["-eo", "args"]).output().expect("ps runs");
    assert!(!String::from_utf8_lossy(&processes.stdout).contains(shop.root().as_str()), "nothing of it runs still");

    let ended = tollgate(&shop, &["gates", "self-test", "--only", "flaky"]).run();
    assert_eq!(ended.code, 2, "{ended}");
    assert!(ended.stderr.contains("there is no truth `flaky`; there are failing-test, flaky-test"), "{ended}");
}
