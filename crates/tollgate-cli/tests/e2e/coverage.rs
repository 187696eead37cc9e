//! `coverage` alone, its forms, and a stored run judged again.

use crate::support::{assert_nothing_left, evidence, not_passed, shop, tollgate, verdict};

#[test]
fn coverage_is_shown_by_crate_and_tier_and_written_in_every_form() {
    let shop = shop();
    let forms = ["--lcov=out/lcov.info", "--cobertura=out/cobertura.xml", "--sonar=out/sonar.xml", "--html=out/html"];
    let args: Vec<&str> = ["coverage", "--engine", "native"].into_iter().chain(forms).collect();
    let ended = tollgate(&shop, &args).run();
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stdout.starts_with("crate"), "{ended}");
    for word in ["unit", "integration", "e2e", "no other tier", "Verdict passed"] {
        assert!(ended.stdout.contains(word), "{word}: {ended}");
    }
    assert_eq!(not_passed(&shop), Vec::<String>::new());
    assert!(verdict(&shop).gates.iter().all(|gate| !gate.gate.as_str().starts_with("time.")), "{ended}");
    assert!(shop.read("out/lcov.info").contains("SF:shop/src/lib.rs\n"));
    assert!(shop.read("out/cobertura.xml").contains("filename=\"shop/src/lib.rs\""));
    assert!(shop.read("out/sonar.xml").contains("<file path=\"shop/src/lib.rs\">\n    <lineToCover lineNumber="));
    assert!(shop.read("out/html/index.html").contains("shop"));
    assert_nothing_left(&shop);

    // The same run again, without running anything.
    let json = tollgate(&shop, &["coverage", "--run", "latest", "--json"]).run();
    assert_eq!(json.code, 0, "{json}");
    let table: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON alone");
    assert_eq!(table["tiers"], serde_json::json!(["unit", "integration", "e2e"]));
    let lines: usize = evidence(&shop).coverage.expect("coverage").files.iter().map(|file| file.lines.len()).sum();
    let total = table["all"]["total"].as_u64().expect("a number");
    assert!(total > 0 && total < lines as u64, "production lines are fewer than all: {total} of {lines}");

    // Judged again: the run's own verdict stays.
    let before = shop.read("target/tollgate/latest/verdict.json");
    shop.write("strict.toml", "version = 1\nfloor = 100\n");
    let again = tollgate(&shop, &["gate", "--run", "latest", "--policy", "strict.toml"]).run();
    assert_eq!(again.code, 1, "{again}");
    assert!(again.stdout.contains("< 100 %"), "{again}");
    assert_eq!(tollgate(&shop, &["gate", "--run", "latest"]).run().code, 0);
    assert_eq!(shop.read("target/tollgate/latest/verdict.json"), before);

    let refused = |args: &[&str], text: &str| {
        let ended = tollgate(&shop, args).run();
        assert_eq!(ended.code, 2, "{args:?}: {ended}");
        assert!(ended.stderr.contains(text), "{args:?}: {ended}");
    };
    shop.write("bad.toml", "version = 1\nfloor = 80\n[floors]\nshop = 120\n");
    refused(&["gate", "--run", "latest", "--policy", "bad.toml"], "bad.toml:4:8");
    refused(&["gate", "--policy", "strict.toml"], "--run");
    refused(&["gate", "--run", "latest", "--policy", "none.toml"], "can't read none.toml");
    refused(&["coverage", "--run", "yesterday"], "there is no run `yesterday`");
    refused(&["coverage", "--run", "latest", "--base", "main"], "--base");
    shop.write("coverage/policy.toml", "version = 1\n[floors]\nshoop = 80\n");
    refused(&["coverage"], "shoop");
}
