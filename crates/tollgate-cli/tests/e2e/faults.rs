//! One thing broken at a time: the expected gate, exit code and message.

use crate::support::{assert_nothing_left, ci, evidence, gate, not_passed, shop, verdict};
use std::{fs, process::Command};
use tollgate_model::{Ending, Outcome, ServiceState};

#[test]
fn a_good_workspace_passes_every_gate_and_leaves_its_reports() {
    let shop = shop();
    let figures = r#"{"gate":"flake.run","false-alarms":{"k":0,"n":62},"missed":{"k":1,"n":62}}"#;
    let test = format!(r#"{{"schema":1,"at":"{}","wall-ms":9,"gates":[{figures}]}}"#, jiff::Timestamp::now());
    fs::create_dir(shop.root().join(".tollgate")).expect("a directory");
    shop.write(".tollgate/self-tests.jsonl", &format!("{test}\nhalf a line\n"));
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 0, "{ended}");
    assert_eq!(not_passed(&shop), Vec::<String>::new(), "{ended}");
    assert!(shop.read("target/tollgate/latest/summary.md").contains("| flake.run | 0 of 62, at most 4.7 % | 1 of 62,"));
    assert!(shop.read("target/tollgate/latest/report.html").contains("Gates in 1 self-test of 90 days"));
    assert!(ended.stderr.contains("1 line of .tollgate/self-tests.jsonl can't be read"), "{ended}");
    let counted = fs::read_to_string("/proc/pressure/cpu").is_ok();
    assert!(evidence(&shop).tiers.iter().all(|tier| tier.machine.is_some() == counted), "the machine was watched");
    assert!(ended.stdout.trim_end().lines().any(|line| line.trim_start().starts_with("Verdict passed")), "{ended}");
    for report in [
        "plan.json",
        "events.jsonl",
        "junit.xml",
        "summary.md",
        "report.html",
        "run.log",
        "services/shop.log",
        "services/store.log",
        "coverage/lcov.info",
        "coverage/cobertura.xml",
        "coverage/html/index.html",
    ] {
        let path = shop.root().join("target/tollgate/latest").join(report);
        assert!(
            path.metadata().is_ok_and(|file| file.len() > 0 || report.starts_with("services/")),
            "{report} is missing or empty"
        );
    }
    let coverage = evidence(&shop).coverage.expect("coverage");
    let main = coverage.files.iter().find(|file| file.path == "shop/src/main.rs").expect("the service is measured");
    assert!(main.lines.iter().any(|line| line.counts.iter().sum::<u64>() > 0), "the service's process counted");
    assert_nothing_left(&shop);
}

#[test]
fn a_failing_test_makes_its_tier_red_and_names_the_command_that_reproduces_it() {
    let shop = shop();
    shop.replace("shop/src/lib.rs", "[25, 250, 250]", "[25, 250, 275]");
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!(gate(&shop, "tests.unit"), Outcome::Failed);
    assert_eq!(gate(&shop, "tests.e2e"), Outcome::Passed, "a failing tier does not end the run");
    assert!(ended.stdout.contains("cargo xtask test unit 'unit::the_eleventh_item_is_free'"), "{ended}");
    assert!(ended.stdout.contains("tests.unit"), "{ended}");
}

#[test]
fn a_test_that_passes_on_its_second_attempt_is_a_flake_and_both_attempts_are_kept() {
    let shop = shop();
    shop.replace("coverage/policy.toml", "floor = 80", "floor = 0");
    shop.replace("ci/tollgate.toml", "filter = \"kind(lib)\"", "filter = \"kind(lib)\"\nretries = 1");
    shop.append(
        "shop/src/lib.rs",
        r#"
#[cfg(test)]
mod flaky {
    #[test]
    fn the_second_attempt_passes() {
        assert_eq!(std::env::var("NEXTEST_ATTEMPT").as_deref(), Ok("2"));
    }
}"#,
    );
    let ended = ci(&shop, &["--stage", "dev"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!(not_passed(&shop), ["flake.run failed"], "{ended}");
    let junit = shop.read("target/tollgate/latest/junit.xml");
    assert!(junit.contains("flakyFailure") && junit.contains("the_second_attempt_passes"), "{junit}");
}

#[test]
fn uncovered_lines_push_coverage_below_the_floor() {
    let shop = shop();
    let branches: Vec<String> = (0..20).map(|n| format!("        {n} => {n} + items,")).collect();
    let branches = branches.join("\n");
    let function = format!(
        "\n/// Never called.\npub fn discount(items: u32) -> u32 {{\n    match items {{\n{branches}\n        _ => 0,\n    }}\n}}"
    );
    shop.append("shop/src/lib.rs", &function);
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!(not_passed(&shop), ["coverage.floor failed"], "{ended}");
    assert!(ended.stdout.contains("80"), "the message names the floor: {ended}");
}

#[test]
fn a_unit_test_that_sleeps_breaks_the_budget_of_its_tier() {
    let shop = shop();
    shop.replace("coverage/policy.toml", "floor = 80", "floor = 0");
    shop.replace("ci/tollgate.toml", "budget = \"30s\"", "budget = \"1s\"");
    shop.replace(
        "shop/src/lib.rs",
        "        assert_eq!([price(1)",
        "        std::thread::sleep(std::time::Duration::from_millis(1200));\n        assert_eq!([price(1)",
    );
    let ended = ci(&shop, &["--stage", "dev"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!(not_passed(&shop), ["time.unit failed"], "{ended}");
}

#[test]
fn a_service_that_never_gets_ready_is_named_with_what_was_last_seen_of_it() {
    let shop = shop();
    shop.replace("ci/compose.yaml", "http: /ready", "http: /never").replace("ci/tollgate.toml", "\"5s\"", "\"1s\"");
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 5, "{ended}");
    assert!(matches!(verdict(&shop).ending, Ending::EnvironmentFailed { .. }), "{ended}");
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert!(all.contains("shop") && all.contains("404"), "{ended}");
    assert_ne!(gate(&shop, "tests.e2e"), Outcome::Passed, "nothing passes because it did not run");
    assert_nothing_left(&shop);
}

#[test]
fn a_build_is_not_waited_for_when_a_server_it_is_for_never_gets_ready() {
    let shop = shop();
    shop.replace("ci/compose.yaml", "recipe: redis", "recipe: redis\n      ready: { http: /never, port: 6379 }");
    shop.replace("ci/tollgate.toml", "\"5s\"", "\"1s\"");
    shop.write("shop/build.rs", "fn main() {\n    loop {\n        std::thread::park();\n    }\n}\n");
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 5, "{ended}");
    assert!(format!("{}{}", ended.stdout, ended.stderr).contains("store"), "{ended}");
    assert_nothing_left(&shop);
}

#[test]
fn a_service_that_dies_in_the_middle_ends_the_run_and_is_named_with_its_exit_code() {
    let shop = shop();
    shop.append("shop/tests/e2e.rs", "#[test]\nfn a_customer_breaks_the_shop() {\n    get(\"/die\");\n}");
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 5, "{ended}");
    let services = evidence(&shop).environment.expect("an environment").services;
    let service = services.iter().find(|service| service.name.as_str() == "shop").expect("the shop");
    assert_eq!(service.state, ServiceState::Died { how: "exit code 3".into() });
    assert!(service.log_tail.iter().any(|line| line.contains("asked to die")), "{service:?}");
    assert!(ended.stdout.contains("exit code 3"), "{ended}");
    assert_nothing_left(&shop);
}

#[test]
fn a_test_in_no_tier_is_a_planning_error_that_names_it() {
    let shop = shop();
    shop.write("shop/tests/lost.rs", "//! Nobody's.\n\n#[test]\nfn a_test_nobody_runs() {}\n");
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 2, "{ended}");
    assert!(ended.stderr.contains("a_test_nobody_runs"), "{ended}");
    assert_nothing_left(&shop);
}

#[test]
fn a_test_in_two_tiers_is_a_planning_error_that_names_both() {
    let shop = shop();
    shop.replace("ci/tollgate.toml", "filter = \"binary(e2e)\"", "filter = \"binary(e2e) + binary(integration)\"");
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 2, "{ended}");
    assert!(ended.stderr.contains("the_store_answers"), "{ended}");
    assert!(ended.stderr.contains("integration") && ended.stderr.contains("e2e"), "{ended}");
}

#[test]
fn a_mistyped_key_is_shown_in_its_line_with_the_key_that_was_meant() {
    let shop = shop();
    shop.replace("ci/tollgate.toml", "ready-timeout", "ready-timout");
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 2, "{ended}");
    assert!(ended.stderr.contains("ci/tollgate.toml:5:1") && !ended.stderr.contains("error: error"), "{ended}");
    assert!(ended.stderr.contains("ready-timeout"), "{ended}");
    assert!(!shop.root().join("target").exists(), "nothing was spent");
}

#[test]
fn a_program_that_a_service_needs_and_is_missing_is_named() {
    let shop = shop();
    shop.replace(
        "ci/compose.yaml",
        "      recipe: redis",
        "      command: [\"no-such-server\"]\n      ready: { tcp: 6379 }",
    );
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 5, "{ended}");
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert!(all.contains("no-such-server") && all.contains("store"), "{ended}");
    assert_nothing_left(&shop);
}

#[test]
fn a_pinned_tool_that_cant_be_had_is_named_with_its_version() {
    let shop = shop();
    shop.replace("ci/tollgate.toml", "version = \"0.9.143\"", "version = \"0.0.1\"");
    let ended = tollgate_setup_check(&shop);
    assert_eq!(ended.code, 5, "{ended}");
    assert!(ended.stdout.contains("cargo-nextest 0.0.1"), "{ended}");
}

fn tollgate_setup_check(shop: &tollgate_testkit::Fixture) -> tollgate_testkit::Ended {
    crate::support::tollgate(shop, &["setup", "--check"]).run()
}

#[test]
fn a_build_that_fails_ends_the_run_with_the_compilers_words() {
    let shop = shop();
    shop.append("shop/src/lib.rs", "pub fn broken() -> u32 { \"no number\" }");
    let ended = ci(&shop, &["--stage", "staging"]);
    assert_eq!(ended.code, 4, "{ended}");
    assert!(matches!(verdict(&shop).ending, Ending::BuildFailed { .. }), "{ended}");
    assert!(ended.stderr.contains("mismatched types"), "{ended}");
    assert_nothing_left(&shop);
}

#[test]
fn a_service_that_is_killed_keeps_what_it_counted() {
    let shop = shop();
    shop.replace("coverage/policy.toml", "floor = 80", "floor = 0");
    shop.replace("ci/compose.yaml", "      binary: shop\n", "      binary: shop\n      stop: { signal: SIGKILL }\n");
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 0, "a killed service keeps its counters: {ended}");
    assert_eq!(gate(&shop, "coverage.proof"), Outcome::Passed);
}

#[test]
fn a_test_that_misses_its_database_is_explained_with_the_end_of_the_healthy_servers_log() {
    let shop = shop();
    shop.append(
        "ci/compose.yaml",
        r#"  ledger:
    image: postgres:15-bookworm
    environment: { POSTGRES_USER: shop, POSTGRES_HOST_AUTH_METHOD: trust }
    ports: ["127.0.0.1::5432"]
    healthcheck:
      test: ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "shop"]
    x-tollgate:
      recipe: postgres"#,
    );
    shop.replace("ci/tollgate.toml", "services = [\"store\"]", "services = [\"store\", \"ledger\"]");
    shop.replace("ci/tollgate.toml", "[exports]", "[exports]\nLEDGER = \"${ledger.host}:${ledger.port:5432}\"");
    shop.append(
        "shop/tests/integration.rs",
        r#"
#[test]
fn the_ledger_is_there() {
    let parameters = b"\0\x03\0\0user\0shop\0database\0nowhere\0\0";
    let length = u32::try_from(parameters.len() + 4).unwrap().to_be_bytes();
    let mut stream = TcpStream::connect(std::env::var("LEDGER").unwrap()).unwrap();
    stream.write_all(&[&length, &parameters[..]].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    panic!("{}", answer.split('\0').find_map(|field| field.strip_prefix('M')).unwrap());
}"#,
    );
    let ended = ci(&shop, &["--stage", "staging"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert!(ended.stdout.contains("Cause database missing by ledger (1 test)"), "{ended}");
    let log = ended.stdout.split_once("Cause database missing").expect("the cause").1.replace("\n             | ", " ");
    assert!(log.contains("FATAL: database \"nowhere\" does not exist"), "wrapped at 80 columns: {ended}");
    let summary = shop.read("target/tollgate/latest/summary.md");
    assert!(summary.contains("FATAL:  database \"nowhere\" does not exist"), "{summary}");
}

#[test]
fn a_stage_without_all_of_its_tiers_is_unproven() {
    let shop = shop();
    let ended = ci(&shop, &["--tier", "unit", "--tier", "integration"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert_eq!(verdict(&shop).outcome, Outcome::Unproven);
    assert_eq!(
        not_passed(&shop),
        ["tests.e2e unproven", "coverage.floor unproven", "time.suite unproven"],
        "what was not asked for is not known: {ended}"
    );
    assert!(ended.stdout.contains("Verdict unproven: tests.e2e, coverage.floor, time.suite"), "{ended}");
    assert_eq!(ci(&shop, &["--tier", "unit", "--strict"]).code, 1);
}

#[test]
fn an_ignored_test_is_reported_in_its_tier_and_not_run() {
    let shop = shop();
    shop.append(
        "shop/tests/integration.rs",
        "#[test]\n#[ignore = \"later\"]\nfn the_store_is_fast() {\n    panic!()\n}",
    );
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stdout.contains("2 tests passed; 1 ignored test not run."), "{ended}");
    let junit = shop.read("target/tollgate/latest/junit.xml");
    let suite = junit.split_once("<testsuite name=\"integration::shop::integration\"").expect("the suite").1;
    assert!(suite.contains("skipped=\"1\"") || suite.contains("disabled=\"1\""), "{junit}");
}

#[test]
fn a_service_whose_profile_is_lost_makes_coverage_invalid_and_not_lower() {
    let shop = shop();
    shop.append(
        "shop/tests/e2e.rs",
        r#"#[test]
fn a_customer_steals_the_profile() {
    let run = std::env::var("TOLLGATE_RUN_DIR").unwrap();
    for entry in std::fs::read_dir(format!("{run}/coverage/profiles/shop")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
}"#,
    );
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 3, "{ended}");
    assert_eq!(not_passed(&shop), ["coverage.floor invalid", "coverage.proof invalid"], "{ended}");
    assert!(ended.stdout.contains("Coverage is not complete: service shop:"), "{ended}");
}

#[test]
fn lines_that_a_change_adds_and_no_test_reaches_make_the_patch_red() {
    let shop = shop();
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=shop", "-c", "user.email=shop@localhost", "-c", "commit.gpgsign=false"];
        let status = Command::new("git").args(identity).args(args).current_dir(shop.root()).status();
        assert!(status.expect("git runs").success(), "git {args:?}");
    };
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "the shop"]);
    git(&["switch", "--quiet", "--create", "change"]);
    shop.replace("coverage/policy.toml", "floor = 80", "floor = 0");
    shop.append("shop/src/lib.rs", "/// Doubles.\npub fn double(n: u32) -> u32 {\n    let m = n;\n    m + n\n}");
    git(&["commit", "--quiet", "--all", "--message", "double"]);
    let ended = ci(&shop, &["--base", "main"]);
    assert_eq!(ended.code, 1, "{ended}");
    // Nothing is recorded of the base.
    let expected = ["evidence warned", "coverage.patch failed", "coverage.lost warned"];
    assert_eq!(not_passed(&shop), expected, "{ended}");
    assert!(ended.stdout.contains("0.0 % (0/4 changed lines) < 80 %"), "{ended}");
    assert!(ended.stdout.contains("| shop/src/lib.rs:"), "{ended}");

    // A file that is not committed yet counts as well.
    shop.append("shop/tests/integration.rs", "#[test]\nfn twice() {\n    assert_eq!(shop::double(2), 4);\n}");
    shop.append("shop/src/lib.rs", "mod new;")
        .write("shop/src/new.rs", "//! New.\n\npub fn new() -> u32 {\n    1\n}\n");
    let ended = ci(&shop, &["--base", "main"]);
    assert_eq!(gate(&shop, "coverage.patch"), Outcome::Failed, "{ended}");
    assert!(ended.stdout.contains("| shop/src/new.rs:3-5"), "{ended}");

    let ended = ci(&shop, &["--base", "nowhere"]);
    assert_eq!(ended.code, 2, "{ended}");
    assert!(ended.stderr.contains("can't be compared with `nowhere`"), "{ended}");
}
