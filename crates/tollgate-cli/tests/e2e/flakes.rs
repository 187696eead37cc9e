//! Whose a flake of a change is: it is executed again on the change and on its base.

use crate::support::{assert_no_checkout, commit, evidence, gate, git, shop, tollgate, verdict};
use tollgate_model::Outcome;
use tollgate_testkit::Fixture;

/// A test that passes, unless `code` makes it fail.
fn test(code: &str) -> String {
    format!("#[cfg(test)]\nmod turns {{\n    #[test]\n    fn it_has_its_turn() {{\n        {code}\n    }}\n}}\n")
}

/// The first attempt fails, so that a run sees a flake, and every execution that is not tried again a failure.
const FLAKY: &str = r#"assert_ne!(std::env::var("NEXTEST_ATTEMPT").as_deref(), Ok("1"), "too early");"#;

/// A shop whose base has this test and whose checkout has that one.
fn shops(base: &str, head: &str) -> Fixture {
    let shop = shop();
    shop.replace("coverage/policy.toml", "floor = 80", "floor = 0");
    shop.replace("ci/tollgate.toml", "filter = \"kind(lib)\"", "filter = \"kind(lib)\"\nretries = 1");
    shop.write(".gitignore", "/target\n/Cargo.lock\n/.tollgate\n");
    shop.write("shop/src/turns.rs", base);
    shop.append("shop/src/lib.rs", "#[cfg(test)]\nmod turns;\n");
    git(&shop, &["init", "--quiet", "--initial-branch", "main"]);
    commit(&shop);
    shop.write("shop/src/turns.rs", head);
    shop
}

/// The change has the test as its base has it. What makes it flaky is a variable that the change's configuration of cargo sets,
/// and that `cargo xtask` therefore gives to this program; and the change has the test in another tier. A variable that the
/// base's configuration sets too it still has.
#[test]
fn a_flake_is_the_changes_where_only_its_settings_make_it_so_and_a_shard_finds_that_out() {
    let code = format!("if std::env::var_os(\"HURRY\").is_some() {{\n            {FLAKY}\n        }}");
    let shop = shops(&test(&code), &test(&code));
    std::fs::create_dir_all(shop.root().join(".cargo")).expect("a directory");
    shop.write(".cargo/config.toml", "[env]\nPACE = \"1\"\n");
    shop.replace("ci/compose.yaml", "LISTEN: 0.0.0.0:8080", "LISTEN: 0.0.0.0:8080\n      PACE: ${PACE:?}");
    commit(&shop);
    shop.write(".cargo/config.toml", "[env]\nPACE = \"1\"\nHURRY = \"1\"\n");
    shop.replace("ci/tollgate.toml", "[tiers.unit]", "[tiers.quick]");
    shop.replace("ci/tollgate.toml", "tiers = [\"unit\"", "tiers = [\"quick\"");
    let plan = "target/tollgate/plan/plan.json";
    let ran = |args: &[&str]| {
        let started = tollgate(&shop, args).env("CARGO", env!("CARGO"));
        started.env("HURRY", "1").env("PACE", "1").run()
    };
    let ended = ran(&["plan", "--engine", "native", "--stage", "dev", "--base", "main", "--shards", "1"]);
    assert_eq!(ended.code, 0, "{ended}");
    let archive = "target/tollgate/plan/tests.tar.zst";
    let ended = ran(&["shard", "--plan", plan, "1/1", "--out", "receipt", "--archive", archive]);
    assert_eq!(ended.code, 1, "{ended}");
    let ended = ran(&["gate", "--plan", plan, "receipt"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!((gate(&shop, "flake.pr"), gate(&shop, "flake.run")), (Outcome::Failed, Outcome::Warned), "{ended}");
    let seen = evidence(&shop);
    let confirmation = seen.confirmation.expect("a test flaked");
    let [flake] = confirmation.tests.as_slice() else { panic!("{confirmation:?}") };
    let base = flake.base.expect("the base has it");
    assert_eq!((flake.head.failed(), flake.head.all(), base.failed(), base.all()), (20, 20, 0, 20), "{flake:?}");
    assert_eq!((flake.head.stressed.all, base.stressed.all), (10, 10));
    assert_no_checkout(&shop);
}

#[test]
fn a_base_that_does_not_compile_can_not_be_compared_with() {
    let shop = shops("no code", &test(FLAKY));
    // As in a hook of git, which must not lead from the checkout of the base back to here.
    let own = shop.root().join(".git").canonicalize_utf8().expect("a repository");
    let args = ["ci", "--engine", "native", "--stage", "dev", "--base", "main"];
    let ended = tollgate(&shop, &args).env("GIT_DIR", own.as_str()).run();
    assert_eq!(ended.code, 3, "{ended}");
    assert_eq!(shop.read(".git/HEAD"), "ref: refs/heads/main\n");
    assert_eq!((gate(&shop, "flake.pr"), gate(&shop, "flake.run")), (Outcome::Invalid, Outcome::Failed), "{ended}");
    let verdict = verdict(&shop);
    let gate = verdict.gates.iter().find(|gate| gate.gate.as_str() == "flake.pr").expect("there is a base");
    assert!(gate.message.contains("the base can't be executed again: error"), "{}", gate.message);
    assert_no_checkout(&shop);
}

#[test]
fn a_run_that_is_killed_while_it_looks_at_the_base_leaves_no_checkout() {
    for signal in ["INT", "KILL"] {
        let endless = test("loop {\n            std::thread::park();\n        }");
        let shop = shops(&endless, &test(FLAKY));
        let args = ["ci", "--engine", "native", "--stage", "dev", "--base", "main"];
        let running = tollgate(&shop, &args).start_until("the base is checked out");
        running.signal_child(signal);
        let ended = running.wait();
        assert_eq!(ended.code, if signal == "INT" { 130 } else { 137 }, "{ended}");
        assert_no_checkout(&shop);
    }
}
