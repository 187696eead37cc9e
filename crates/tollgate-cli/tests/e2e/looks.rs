//! Commands that only look: plan, report, explain, doctor, help, and what they say to wrong input.

use crate::support::{ci, shop, tollgate};

#[test]
fn a_stored_run_can_be_looked_at_in_every_form() {
    let shop = shop();
    shop.replace("coverage/policy.toml", "floor = 80", "floor = 0");
    let ended = ci(&shop, &["--stage", "dev"]);
    assert_eq!(ended.code, 0, "{ended}");
    let look = |args: &[&str]| {
        let ended = tollgate(&shop, args).run();
        assert_eq!(ended.code, 0, "{args:?}: {ended}");
        ended.stdout
    };
    assert!(look(&["report"]).contains("Verdict passed"));
    assert!(look(&["report", "--format", "markdown"]).contains("tests.unit"));
    assert!(look(&["report", "--format", "json"]).contains("\"gate\": \"tests.unit\""));
    assert_eq!(look(&["report", "--format", "counts"]), "2 passed, 0 failed, 0 skipped\n");
    assert!(look(&["explain", "tests.unit"]).starts_with("tests.unit passed\n"));

    let of_mutants = tollgate(&shop, &["explain", "mutation.diff", "--run", "latest"]).run();
    assert!(of_mutants.code == 2 && of_mutants.stderr.contains("tollgate/mutants/report.json"), "{of_mutants}");
    let unknown = tollgate(&shop, &["explain", "tests.units"]).run();
    assert_eq!(unknown.code, 2, "{unknown}");
    assert!(unknown.stderr.contains("its gates are") && unknown.stderr.contains("tests.unit"), "{unknown}");
    let unknown = tollgate(&shop, &["report", "yesterday"]).run();
    assert_eq!(unknown.code, 2, "{unknown}");
    assert!(unknown.stderr.contains("there is no run `yesterday`"), "{unknown}");
}

#[test]
fn the_plan_shows_tiers_and_says_which_stages_exist() {
    let shop = shop();
    let plan = tollgate(&shop, &["plan", "--stage", "staging"]).run();
    assert_eq!(plan.code, 0, "{plan}");
    for word in ["unit", "integration", "staging"] {
        assert!(plan.stdout.contains(word), "{plan}");
    }
    assert!(plan.stdout.lines().all(|line| line.chars().count() <= 80), "{plan}");
    let json = tollgate(&shop, &["plan", "--format", "json"]).run();
    assert!(json.stdout.starts_with("{\n  \"schema\": 1,"), "{json}");

    let unknown = tollgate(&shop, &["plan", "--stage", "prodution"]).run();
    assert_eq!(unknown.code, 2, "{unknown}");
    assert!(unknown.stderr.contains("production"), "{unknown}");
}

#[test]
fn tests_are_picked_by_tier_and_name_and_need_no_gates() {
    let shop = shop();
    shop.replace("coverage/policy.toml", "floor = 80", "floor = 100");
    let picked = tollgate(&shop, &["test", "e2e", "a_customer_sees", "--engine", "native"]).run();
    assert_eq!(picked.code, 0, "{picked}");
    let counts = tollgate(&shop, &["report", "--format", "counts"]).run();
    assert_eq!(counts.stdout, "1 passed, 0 failed, 0 skipped\n");
    let nothing = tollgate(&shop, &["test", "e2e", "no_such_name", "--engine", "native"]).run();
    assert_eq!(nothing.code, 2, "a filter that finds nothing is a mistake: {nothing}");
}

#[test]
fn two_parts_of_the_tests_are_all_of_them() {
    let shop = shop();
    let mut names = Vec::new();
    for part in ["1/2", "2/2"] {
        let ended = tollgate(&shop, &["test", "unit", "--partition", part]).run();
        assert_eq!(ended.code, 0, "{ended}");
        for tier in crate::support::evidence(&shop).tiers {
            names.extend(tier.results.into_iter().map(|test| test.id.name));
        }
    }
    names.sort();
    assert_eq!(names, ["unit::an_unknown_path_has_no_answer", "unit::the_eleventh_item_is_free"]);
}

#[test]
fn outside_of_a_workspace_the_missing_configuration_is_named() {
    let shop = shop();
    std::fs::remove_file(shop.root().join("ci/tollgate.toml")).expect("removed");
    let ended = ci(&shop, &[]);
    assert_eq!(ended.code, 2, "{ended}");
    assert!(ended.stderr.contains("there is no ci/tollgate.toml"), "{ended}");
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let shop = shop();
    let ended = tollgate(&shop, &["ci", "--enginee", "native"]).run();
    assert_eq!(ended.code, 2, "{ended}");
    assert!(ended.stderr.contains("--engine"), "{ended}");
    let help = tollgate(&shop, &["--help"]).run();
    assert_eq!(help.code, 0, "{help}");
}

#[test]
fn doctor_says_what_is_here() {
    let shop = shop();
    let ended = tollgate(&shop, &["doctor"]).run();
    assert!(ended.stdout.starts_with("configuration: ci/tollgate.toml is good\nengine: "), "{ended}");
}
