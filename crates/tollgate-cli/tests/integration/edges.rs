//! The crates and the edges between them are those of ARCHITECTURE.md.

use std::{collections::BTreeMap, process::Command};

const MODEL: &str = "tollgate-model";
const EXEC: &str = "tollgate-exec";

/// What a crate may depend on within the workspace; development dependencies are not edges.
fn allowed(package: &str) -> &'static [&'static str] {
    match package {
        "tollgate-core" | "tollgate-store" => &[MODEL],
        "tollgate-tools" | "tollgate-env" | "tollgate-github" => &[MODEL, EXEC],
        "tollgate-cli" => {
            &[MODEL, EXEC, "tollgate-core", "tollgate-tools", "tollgate-env", "tollgate-store", "tollgate-github"]
        }
        "tollgate-testkit" => &[EXEC],
        "xtask" => &["tollgate-cli"],
        "harness" | "identity" | "accounting" | "chat" | "gateway" => &["contract", "harness"],
        "scenarios" => &["contract", "harness", "tollgate-load"],
        _ => &[],
    }
}

/// Dependencies within the workspace by package: normal ones, and development ones.
fn edges() -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(crate::root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let mut edges = BTreeMap::new();
    for package in packages {
        let inside = |development: bool| {
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            let kept = dependencies.filter(|d| d["path"].is_string() && (d["kind"] == "dev") == development);
            kept.filter_map(|d| d["name"].as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        edges.insert(package["name"].as_str().expect("a name").to_owned(), (inside(false), inside(true)));
    }
    edges
}

#[test]
fn no_crate_depends_on_more_than_the_architecture_allows() {
    let edges = edges();
    assert!(edges.len() >= 17, "{edges:?}");
    for (package, (normal, _)) in &edges {
        for dependency in normal {
            let allowed = allowed(package);
            assert!(allowed.contains(&dependency.as_str()), "{package} may depend on {allowed:?}, not on {dependency}");
        }
    }
}

#[test]
fn the_testkit_is_only_for_tests_and_the_platform_knows_no_orchestrator() {
    for (package, (normal, development)) in edges() {
        assert!(!normal.iter().any(|name| name == "tollgate-testkit"), "{package}");
        let is_platform = !package.starts_with("tollgate-") && package != "xtask";
        if is_platform {
            let known = normal.iter().chain(&development).filter(|name| name.starts_with("tollgate-"));
            assert!(known.clone().all(|name| name == "tollgate-load"), "{package}: {:?}", known.collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_table_of_the_architecture_names_every_crate() {
    let text = std::fs::read_to_string(crate::root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    for package in edges().keys().filter(|name| name.starts_with("tollgate-")) {
        assert!(text.contains(&format!("| `{package}` |")), "ARCHITECTURE.md has no row for {package}");
    }
}
