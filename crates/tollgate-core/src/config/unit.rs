//! Tests of loading, and of the schema and the reference.

use super::*;
use serde_json::Value;
use tollgate_model::{BuildKind, EngineChoice, StressPolicy};

/// The smallest configuration.
pub(super) const SMALL: &str = r#"
version = 1
default-stage = "dev"
[tiers.unit]
filter = "kind(lib)"
[stages.dev]
tiers = ["unit"]
"#;

pub(super) const POLICY: &str = "version = 1\n";

pub(super) fn sources(config: &str, policy: &str) -> Sources {
    let named = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    Sources {
        config: named("ci/tollgate.toml", config),
        policy: Some(named("coverage/policy.toml", policy)),
        quarantine: None,
    }
}

fn good(config: &str, policy: &str) -> Config {
    load(&sources(config, policy)).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_smallest_configuration_has_every_default() {
    let config = good(SMALL, POLICY);
    assert_eq!((config.compose, config.engine, config.ready_timeout_ms), (None, EngineChoice::Auto, 60_000));
    assert_eq!((config.tools.len(), config.exports.len(), config.load.len()), (0, 0, 0));
    assert_eq!(config.programs, []);
    assert_eq!((config.suite_budget_ms, config.fail_on_flake), (None, true));
    assert_eq!(config.new_tests, Some(StressPolicy { budget_ms: 60_000 }));
    assert_eq!(config.change_flakes, Some(StressPolicy { budget_ms: 120_000 }));
    assert_eq!(config.regression, None);
    let policy = config.coverage.unwrap();
    assert_eq!((policy.floor_percent, policy.excluded_packages.len(), policy.excluded_paths.len()), (80, 0, 0));
    let [tier] = config.tiers.as_slice() else { panic!("one tier") };
    assert_eq!((tier.build, tier.cargo_profile.as_str(), tier.retries), (BuildKind::Instrumented, "dev", 0));
    assert_eq!((tier.budget_ms, tier.timeout_ms, tier.threads), (None, 60_000, None));
}

#[test]
fn without_a_policy_file_the_floor_is_80_percent() {
    let sources = Sources { policy: None, ..sources(SMALL, "") };
    assert_eq!(load(&sources).unwrap().coverage.unwrap().floor_percent, 80);
}

#[test]
fn everything_that_can_be_set_is_read() {
    let config = good(
        r#"
        version = 1
        default-stage = "b"
        [environment]
        compose = "ci/compose.yaml"
        engine = "native"
        ready-timeout = "500ms"
        [tools]
        cargo-mutants = "27.1.0"
        cargo-nextest = { version = "0.9.143", python-package = "some-package" }
        [programs]
        ps = "procps"
        curl = "curl"
        [exports]
        Z_URL = "http://${z.host}:${z.port:80}/${run.id}"
        A = "plain"
        [tiers.z]
        filter = "binary(z)"
        services = ["z"]
        budget = "2m"
        test-budget = "3s"
        cargo-profile = "fast"
        retries = 2
        timeout = "1h"
        threads = 4
        policy = "bands"
        [tiers.a]
        filter = "binary(a)"
        instrumented = false
        packages = ["p"]
        [tiers.b]
        filter = "binary(b)"
        instrumented = false
        [stages]
        b.tiers = ["z", "a"]
        a.tiers = ["a"]
        [gates]
        suite.budget = "300s"
        flake.fail = false
        flake.new = { enabled = false, budget = "5s" }
        flake.pr = { enabled = true, budget = "7s" }
        coverage.enabled = true
        regression = { tier = "b", limit = 5, pairs = 40, budget = "9s" }
        load.a = { p95 = "1s", error-rate = 1, completion = 99, min-requests = 0x10 }
        "#,
        r#"
        version = 1
        floor = 0
        [[exclude]]
        package = "generated"
        reason = "written by a tool"
        [[exclude]]
        path = "crates/*/build.rs"
        reason = "runs in cargo"
        "#,
    );
    let names = |config: &Config| config.tiers.iter().map(|tier| tier.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&config), ["z", "a", "b"], "tiers keep the order of the file");
    assert_eq!(config.stages.iter().map(|stage| stage.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(config.exports.iter().map(|export| export.name.as_str()).collect::<Vec<_>>(), ["Z_URL", "A"]);
    assert_eq!((config.engine, config.ready_timeout_ms), (EngineChoice::Native, 500));
    assert_eq!(config.compose.as_ref().unwrap(), "ci/compose.yaml");
    assert_eq!((config.suite_budget_ms, config.fail_on_flake), (Some(300_000), false));
    assert_eq!((config.new_tests, config.change_flakes), (None, Some(StressPolicy { budget_ms: 7_000 })));
    let compared = config.regression.as_ref().unwrap();
    assert_eq!(
        (compared.tier.as_str(), compared.limit_percent, compared.pairs, compared.budget_ms),
        ("b", 5, 40, 9_000)
    );
    assert_eq!(
        config.programs.iter().map(|program| (&*program.name, &*program.package)).collect::<Vec<_>>(),
        [("ps", "procps"), ("curl", "curl")]
    );
    assert_eq!(config.tool("cargo-mutants").unwrap().version, "27.1.0");
    assert_eq!(config.tool("cargo-nextest").unwrap().python_package.as_deref(), Some("some-package"));
    assert_eq!(config.tool("cargo-llvm-cov"), None);
    let (z, a) = (config.tier("z").unwrap(), config.tier("a").unwrap());
    assert_eq!((z.test_budget_ms, config.tier("a").unwrap().test_budget_ms), (Some(3_000), None));
    assert_eq!((z.budget_ms, z.timeout_ms, z.retries, z.threads), (Some(120_000), 3_600_000, 2, Some(4)));
    assert_eq!(config.bands().len(), 1, "the others are strict");
    assert_eq!((z.cargo_profile.as_str(), z.services[0].as_str()), ("fast", "z"));
    assert_eq!((a.build, a.cargo_profile.as_str()), (BuildKind::Optimised, "performance"));
    let limits = &config.load["a"];
    assert_eq!(
        (limits.p95_ms, limits.error_percent, limits.completion_percent, limits.min_requests),
        (1_000, 1, 99, 16)
    );
    let policy = config.coverage.as_ref().unwrap();
    assert_eq!(policy.floor_percent, 0);
    assert_eq!(
        (policy.excluded_packages[0].what.as_str(), policy.excluded_paths[0].what.as_str()),
        ("generated", "crates/*/build.rs")
    );
    assert_eq!(config.stage("b").unwrap().tiers.len(), 2);
}

#[test]
fn production_is_the_default_stage() {
    let config = SMALL.replace("default-stage = \"dev\"", "") + "[stages.production]\ntiers = [\"unit\"]\n";
    assert_eq!(good(&config, POLICY).default_stage.as_str(), "production");
}

#[test]
fn a_single_stage_is_the_default_one() {
    assert_eq!(good(&SMALL.replace("default-stage = \"dev\"", ""), POLICY).default_stage.as_str(), "dev");
}

#[test]
fn every_engine_can_be_chosen() {
    let engines = [("auto", EngineChoice::Auto), ("compose", EngineChoice::Compose), ("native", EngineChoice::Native)];
    for (name, engine) in engines {
        assert_eq!(good(&format!("{SMALL}[environment]\nengine = '{name}'\n"), POLICY).engine, engine);
    }
}

#[test]
fn a_coverage_gate_that_is_switched_off_leaves_no_policy() {
    assert_eq!(good(&format!("{SMALL}[gates.coverage]\nenabled = false\n"), POLICY).coverage, None);
}

#[test]
fn floors_of_crates_and_of_changes_are_those_of_the_policy() {
    let policy = good(SMALL, "version = 1\npatch = 7\n[floors]\ncore = 9\n").coverage.unwrap();
    assert_eq!((policy.patch_percent, policy.floors), (7, [("core".to_owned(), 9)].into()));
}

#[test]
fn mutants_are_excluded_by_a_path_a_function_or_a_replacement() {
    for by in ["path = 'a/*'", "function = 'f'", "replacement = '<'"] {
        let config = good(&format!("{SMALL}[[mutants.exclude]]\n{by}\nreason = 'a log'\n"), POLICY);
        assert_eq!(config.mutation.suppressions.len(), 1, "{by}");
    }
}

/// `tests/integration/generated.rs` writes them.
#[test]
fn the_reference_and_the_schemas_are_those_of_the_documentation() {
    for (generated, committed) in [
        (reference(), include_str!("../../../../docs/config.md")),
        (schema(), include_str!("../../../../docs/tollgate.schema.json")),
        (policy_schema(), include_str!("../../../../docs/policy.schema.json")),
        (quarantine_schema(), include_str!("../../../../docs/quarantine.schema.json")),
    ] {
        let other = generated.lines().zip(committed.lines()).find(|(generated, committed)| generated != committed);
        assert!(generated == committed, "{other:?}; TOLLGATE_BLESS=1 cargo test -p tollgate-core --test integration");
    }
}

/// Every key that a schema knows with what it says of it, in any depth.
fn keys<'a>(schema: &'a Value, found: &mut Vec<(&'a str, &'a str)>) {
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        found.push((key, inner["description"].as_str().unwrap_or_default()));
        for inner in [inner, &inner["items"], &inner["additionalProperties"], &inner["anyOf"][1]] {
            keys(inner, found);
        }
    }
}

#[test]
fn the_schema_explains_every_key_and_the_reference_names_it() {
    let reference = reference();
    for (schema, count) in [(schema::config_file(), 68), (schema::policy_file(), 8)] {
        let mut found = Vec::new();
        keys(&schema, &mut found);
        assert_eq!(found.len(), count, "{found:?}");
        for (key, meaning) in found {
            assert!(meaning.ends_with('.'), "`{key}` is not explained: `{meaning}`");
            let forms = [format!("`{key}`"), format!("{key}]"), format!("{key}.<"), format!(", {key} }}")];
            assert!(forms.iter().any(|form| reference.contains(form)), "the reference does not name `{key}`");
        }
        assert!(!schema.to_string().contains("null"), "TOML has no null");
    }
}

#[test]
fn the_schema_refuses_unknown_keys_in_every_table_that_is_not_a_map() {
    fn check(schema: &Value) {
        if schema["type"] == "object" {
            assert!(schema["additionalProperties"] == false || schema["additionalProperties"].is_object(), "{schema}");
        }
        match schema {
            Value::Object(object) => object.values().for_each(check),
            Value::Array(items) => items.iter().for_each(check),
            _ => {}
        }
    }
    check(&schema::config_file());
    check(&schema::policy_file());
}
