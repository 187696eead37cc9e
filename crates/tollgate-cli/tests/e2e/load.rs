//! Load limits: measured again while nothing is decided, and never by a test that failed.

use crate::support::{ci, evidence, gate, not_passed, shop, tollgate};
use tollgate_model::{AttemptOutcome, Evidence, Outcome};
use tollgate_testkit::Fixture;

#[test]
fn a_load_measurement_that_cant_be_read_is_invalid_for_its_tier() {
    let shop = shop();
    shop.replace(
        "ci/tollgate.toml",
        "filter = \"binary(integration)\"",
        "filter = \"binary(integration)\"\ninstrumented = false\ncargo-profile = \"release\"",
    );
    shop.append(
        "ci/tollgate.toml",
        "[gates.load.integration]\np95 = \"1s\"\nerror-rate = 5\ncompletion = 80\nmin-requests = 200",
    );
    shop.append(
        "shop/tests/integration.rs",
        r#"#[test]
fn load_is_measured() {
    let directory = std::env::var("TOLLGATE_LOAD_DIR").unwrap();
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(format!("{directory}/rush.json"), "{ half a measure").unwrap();
}"#,
    );
    let ended = ci(&shop, &["--stage", "staging"]);
    assert_eq!(ended.code, 3, "{ended}");
    assert_eq!(gate(&shop, "perf.p95.rush"), Outcome::Invalid);
    assert!(ended.stderr.contains("rush.json is no load measurement"), "{ended}");
}

/// A shop whose unit tests measure two loads of 240 requests, of which five in a hundred are slow: `rush` in its first round
/// alone, `trickle` in each.
fn measuring() -> Fixture {
    let shop = shop();
    shop.replace(
        "ci/tollgate.toml",
        "filter = \"kind(lib)\"",
        "filter = \"kind(lib)\"\ninstrumented = false\ncargo-profile = \"dev\"",
    );
    shop.append(
        "ci/tollgate.toml",
        "[gates.coverage]\nenabled = false\n\n[gates.load.unit]\np95 = \"1s\"\nerror-rate = 5\ncompletion = 80\nmin-requests = 200",
    );
    shop.append(
        "shop/src/lib.rs",
        r###"
#[cfg(test)]
mod load {
    use std::{env::var, fs};

    fn measure(name: &str, slow_later: usize) {
        let rounds = format!("{}/rounds-of-{name}", var("TOLLGATE_RUN_DIR").unwrap());
        let round = fs::read(&rounds).unwrap_or_default().len() + 1;
        fs::write(&rounds, "x".repeat(round)).unwrap();
        assert_ne!(var("FAILS"), Ok(format!("{name} {round}")), "the till is stuck");
        let slow = if round == 1 { 12 } else { slow_later };
        let latencies: Vec<u64> = (0..240).map(|n| if n < 240 - slow { 1_000 } else { 2_000_000 }).collect();
        let directory = var("TOLLGATE_LOAD_DIR").unwrap();
        fs::create_dir_all(&directory).unwrap();
        let json = format!(
            r##"{{"name": "{name}", "users": 5, "requests": 240, "errors": 0, "latencies-us": {latencies:?},
                "sessions": 40, "sessions-completed": 40, "sent-late": 0, "wall-ms": 1}}"##
        );
        fs::write(format!("{directory}/{name}.json"), json).unwrap();
    }

    #[test]
    fn rush() {
        measure("rush", 0);
    }

    #[test]
    fn trickle() {
        measure("trickle", 12);
    }
}"###,
    );
    shop
}

/// How often each load was run again, and how the attempts of each of their tests ended.
fn rounds(evidence: &Evidence) -> Vec<(String, u32, Vec<AttemptOutcome>)> {
    let loads = evidence.loads().map(|load| {
        let mut tests = evidence.tiers[0].results.iter();
        let test = tests.find(|test| test.id.name == format!("load::{}", load.name)).expect("a test of each load");
        let attempts = test.attempts.iter().map(|attempt| attempt.outcome);
        (load.name.clone(), load.extended, attempts.collect())
    });
    loads.collect()
}

#[test]
fn a_load_that_decides_nothing_is_run_again_and_a_test_that_fails_then_has_failed() {
    use AttemptOutcome::{Failed, Passed};
    let shop = measuring();
    let ended = ci(&shop, &["--stage", "dev"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert_eq!(not_passed(&shop), ["perf.p95.trickle unproven"], "{ended}");
    let all = vec![Passed; 3];
    assert_eq!(rounds(&evidence(&shop)), [("rush".into(), 1, all.clone()), ("trickle".into(), 2, all)]);

    let ended = tollgate(&shop, &["ci", "--engine", "native", "--stage", "dev"]).env("FAILS", "rush 2").run();
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!(
        not_passed(&shop),
        ["flake.run failed", "perf.p95.rush unproven", "perf.p95.trickle unproven"],
        "{ended}"
    );
    let seen = rounds(&evidence(&shop));
    assert_eq!(seen, [("rush".into(), 0, vec![Passed, Failed]), ("trickle".into(), 0, vec![Passed; 2])]);
    assert!(ended.stderr.contains("shop load::rush did not pass when its load was run again"), "{ended}");

    // Another round would be longer than the tier may take, and nothing of it is for the limits of time to fail by.
    shop.replace("ci/tollgate.toml", "budget = \"30s\"", "budget = \"1ms\"");
    let ended = ci(&shop, &["--stage", "dev"]);
    assert_eq!((ended.code, gate(&shop, "perf.p95.rush")), (1, Outcome::Unproven), "{ended}");
    assert!(ended.stderr.contains("load rush, trickle is not run again: another round is longer"), "{ended}");
}
