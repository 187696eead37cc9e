//! `coverage` alone, its forms, and a stored run judged again.

use crate::support::{assert_nothing_left, ci, commit, evidence, git, not_passed, shop, tollgate, verdict};
use tollgate_model::{Blame, GateResult, Outcome};
use tollgate_testkit::Fixture;

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
    let json = tollgate(&shop, &["gate", "--run", "latest", "--format", "json"]).run();
    assert_eq!(json.stdout.lines().count(), 1, "one value a line: {json}");
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

fn lost(shop: &Fixture) -> GateResult {
    let gates = verdict(shop).gates;
    gates.into_iter().find(|gate| gate.gate.as_str() == "coverage.lost").expect("the gate is there")
}

#[test]
fn lines_that_a_change_leaves_alone_and_no_test_reaches_any_more_are_lost() {
    let shop = shop();
    shop.replace("coverage/policy.toml", "floor = 80", "floor = 0");
    shop.write(".gitignore", "/target\n/Cargo.lock\n");
    git(&shop, &["init", "--quiet", "--initial-branch", "main"]);
    commit(&shop);
    let ended = ci(&shop, &["--stage", "dev", "--base", "main"]);
    assert_eq!(ended.code, 0, "{ended}");
    let first = lost(&shop);
    assert_eq!((first.outcome, first.blame, first.baseline), (Outcome::Warned, Some(Blame::Unknown), None));
    assert!(first.message.starts_with("No baseline: "), "{}", first.message);

    // The run is the base, though a commit later; the change moves its lines down and takes their test away.
    shop.write("NOTES", "not a source\n");
    commit(&shop);
    git(&shop, &["checkout", "--quiet", "-b", "change"]);
    let source = shop.read("shop/src/lib.rs");
    let number = |source: &str| source.lines().position(|line| line.contains("let free")).expect("a line") + 1;
    let before = number(&source);
    shop.write("shop/src/lib.rs", &format!("//! Another line.\n{source}"));
    shop.replace(
        "shop/src/lib.rs",
        "        assert_eq!([price(1)",
        "        #[cfg(any())]\n        assert_eq!([price(1)",
    );
    commit(&shop);
    let ended = ci(&shop, &["--stage", "dev", "--base", "main"]);
    assert_eq!(ended.code, 0, "{ended}");
    let gate = lost(&shop);
    assert_eq!((gate.outcome, gate.blame), (Outcome::Warned, Some(Blame::Change)), "{ended}");
    assert_eq!(gate.baseline.expect("a baseline").age, 1);
    let base = evidence(&shop).base.expect("a base");
    let file = &base.kept.0["shop/src/lib.rs"];
    assert!(file.covered.contains(u32::try_from(before + 1).expect("a line number")), "{}", file.covered);
    assert!(gate.evidence[0].starts_with("shop/src/lib.rs:"), "{:?}", gate.evidence);
    let explained = tollgate(&shop, &["explain", "coverage.lost"]).run();
    let count =
        verdict(&shop).gates.into_iter().find(|gate| gate.gate.as_str() == "tests.count").expect("the gate is there");
    assert_eq!((count.outcome, count.k, count.n), (Outcome::Passed, Some(2), Some(2)), "{}", count.message);
    for row in ["rule With a base", "(1 commit before the merge-base)", "blame the change", "margin "] {
        assert!(explained.stdout.contains(row), "{row}: {explained}");
    }
}

#[test]
fn what_is_moved_or_flips_is_nobodys_fault() {
    let shop = shop();
    shop.replace("coverage/policy.toml", "floor = 80", "floor = 0");
    shop.write(".gitignore", "/target\n/Cargo.lock\n");
    let dark = "/// Nobody asks for it.\npub fn dark(items: u32) -> u32 {\n    let all = items + 1;\n    all + 1\n}\n";
    shop.append("shop/src/lib.rs", dark);
    let first = "        assert_eq!([price(1)";
    let flips =
        format!("        if std::env::var_os(\"SHOP_IS_SHUT\").is_some() {{\n            return;\n        }}\n{first}");
    shop.replace("shop/src/lib.rs", first, &flips);
    let second = "        assert_eq!(answer(";
    let breaks = format!("        assert!(std::env::var_os(\"SHOP_IS_BROKEN\").is_none());\n{second}");
    shop.replace("shop/src/lib.rs", second, &breaks);
    git(&shop, &["init", "--quiet", "--initial-branch", "main"]);
    commit(&shop);
    let run = |variable: &str, args: &[&str]| {
        let args = [&["ci", "--engine", "native", "--stage", "dev"], args].concat();
        let ended = tollgate(&shop, &args).env(variable, "1").run();
        assert_eq!(ended.code, i32::from(variable == "SHOP_IS_BROKEN"), "{ended}");
    };
    // The same tree three times, once with a test that fails; then one commit later only once.
    run("SHOP_IS_OPEN", &[]);
    run("SHOP_IS_SHUT", &[]);
    run("SHOP_IS_BROKEN", &[]);
    shop.write("shop/src/lib.rs", &format!("//! Another line.\n{}", shop.read("shop/src/lib.rs")));
    commit(&shop);
    run("SHOP_IS_OPEN", &[]);

    git(&shop, &["checkout", "--quiet", "-b", "change"]);
    shop.replace("shop/src/lib.rs", dark, "mod far;\npub use far::dark;\n");
    shop.write("shop/src/far.rs", &format!("//! Far away.\n\n{dark}"));
    run("SHOP_IS_SHUT", &["--base", "main"]);
    let gate = lost(&shop);
    assert_eq!((gate.outcome, gate.k), (Outcome::Passed, Some(0)), "{}", gate.message);
    assert!(gate.message.contains(" 4 lines that flip between runs of one tree were left out."), "{}", gate.message);
    let gates = verdict(&shop).gates;
    let patch = gates.iter().find(|gate| gate.gate.as_str() == "coverage.patch").expect("the gate is there");
    assert_eq!((patch.outcome, patch.n), (Outcome::Passed, Some(0)), "{}", patch.message);
    assert!(patch.message.ends_with(" 4 lines that it only moved: see coverage.lost."), "{}", patch.message);
}
