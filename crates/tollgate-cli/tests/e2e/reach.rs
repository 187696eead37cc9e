//! A stage that tests what a change can reach, and says what it leaves out.

use crate::support::{ci, commit, evidence, gate, git, shop, tollgate, verdict};
use tollgate_model::{GateResult, Outcome};
use tollgate_testkit::Fixture;

/// A shop with two packages beside it: `till` depends on it, `lone` on nothing. All is committed.
fn street() -> Fixture {
    let shop = shop();
    shop.replace("ci/tollgate.toml", "tiers = [\"unit\"]", "tiers = [\"unit\"]\nreach = \"changed\"");
    shop.replace("coverage/policy.toml", "floor = 80", "floor = 0");
    shop.replace("Cargo.toml", "\"shop\"", "\"shop\", \"till\", \"lone\"");
    for (package, dependency) in [("till", "[dev-dependencies]\nshop = { path = \"../shop\" }\n"), ("lone", "")] {
        std::fs::create_dir_all(shop.root().join(package).join("src")).expect("a directory");
        let manifest = format!(
            "[package]\nname = \"{package}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ndoctest = false\n"
        );
        shop.write(&format!("{package}/Cargo.toml"), &(manifest + dependency));
        let code = "pub fn one() -> u32 {\n    1\n}\n\n#[test]\nfn one_is_one() {\n    assert_eq!(one(), 1);\n}\n";
        shop.write(&format!("{package}/src/lib.rs"), code);
    }
    shop.write(".gitignore", "/target\n/Cargo.lock\n/receipts\n");
    git(&shop, &["init", "--quiet", "--initial-branch", "main"]);
    commit(&shop);
    shop
}

fn reach(shop: &Fixture) -> Option<GateResult> {
    verdict(shop).gates.into_iter().find(|gate| gate.gate.as_str() == "run.reach")
}

/// The packages whose tests ran, by name: what took longest the last time starts first.
fn tested(shop: &Fixture) -> Vec<String> {
    let results = evidence(shop).tiers.into_iter().flat_map(|tier| tier.results);
    let mut packages: Vec<String> = results.map(|test| test.id.package().to_owned()).collect();
    packages.sort();
    packages.dedup();
    packages
}

#[test]
fn only_packages_that_a_change_can_reach_are_tested_and_the_others_are_named_and_unproven() {
    let street = street();
    street.append(
        "shop/src/lib.rs",
        "pub fn two() -> u32 {\n    2\n}\n#[test]\nfn two_is_two() {\n    assert_eq!(two(), 2);\n}",
    );
    let planned = tollgate(&street, &["plan", "--stage", "dev", "--base", "main"]).run();
    for line in [
        "Reach 2 of 3 packages can be reached",
        "Test shop: shop/src/lib.rs differs from main",
        "Test till: it depends on shop",
        "Leave out lone: none of its files differs from main",
    ] {
        assert!(planned.stdout.contains(line), "{line}: {planned}");
    }

    let ended = ci(&street, &["--stage", "dev", "--base", "main"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(
        ended.stderr.contains("left out of tier unit, since the change can't reach them: tests of lone (1)"),
        "{ended}"
    );
    assert_eq!(tested(&street), ["shop", "till"]);
    let gate_of_reach = reach(&street).expect("something is left out");
    assert_eq!((gate_of_reach.outcome, gate_of_reach.k, gate_of_reach.n), (Outcome::Unproven, Some(1), Some(3)));
    assert_eq!(verdict(&street).outcome, Outcome::Unproven);
    assert_eq!(gate(&street, "coverage.patch"), Outcome::Passed);
    assert_eq!(gate(&street, "coverage.floor"), Outcome::Unproven);
    assert!(street.read("target/tollgate/latest/summary.md").contains("- lone: none of its files differs"), "{ended}");
    let strict = ci(&street, &["--stage", "dev", "--base", "main", "--strict"]);
    assert_eq!(strict.code, 1, "{strict}");

    // Spread: what no shard runs is skipped by the plan, with the reason.
    commit(&street);
    let plan = tollgate(&street, &["plan", "--stage", "dev", "--base", "HEAD^", "--shards", "1"]).run();
    assert_eq!(plan.code, 0, "{plan}");
    assert!(plan.stdout.contains("Leave out lone"), "{plan}");
    let file = "target/tollgate/plan/plan.json";
    assert!(street.read(file).contains("package lone: none of its files differs from HEAD^"), "{plan}");
    let archive = "target/tollgate/plan/tests.tar.zst";
    let shard = tollgate(&street, &["shard", "--plan", file, "--archive", archive, "1/1", "--out", "receipts"]).run();
    assert_eq!(shard.code, 0, "{shard}");
    let ended = tollgate(&street, &["gate", "--plan", file, "receipts"]).run();
    assert_eq!((ended.code, tested(&street)), (0, vec!["shop".to_owned(), "till".to_owned()]), "{ended}");
    assert_eq!((verdict(&street).outcome, gate(&street, "coverage.patch")), (Outcome::Unproven, Outcome::Passed));

    // A file in no package, and no base at all.
    street.write("ci/notes.txt", "");
    let ended = ci(&street, &["--stage", "dev", "--base", "HEAD^"]);
    assert_eq!((ended.code, tested(&street)), (0, ["lone", "shop", "till"].map(str::to_owned).to_vec()), "{ended}");
    assert_eq!(reach(&street), None);
    let planned = tollgate(&street, &["plan", "--stage", "dev"]).run();
    assert!(planned.stdout.contains("Reach 3 packages: no base to compare with is named (`--base`)"), "{planned}");
}
