//! No secret of the caller, of `.env` or of an `env_file` is in anything that is shown or kept, on either engine.

use crate::support::{assert_nothing_left, shop, tollgate};
use std::process::Command;
use tollgate_testkit::{Ended, Fixture};

/// Variables with a secret: of the caller, of an `env_file` (the second is also the name of a test), of `.env`.
const VARIABLES: [&str; 4] = ["SHOP_TOKEN", "HIDDEN_KEY", "NAME_KEY", "SIDE_PASSWORD"];

/// A part of each secret that nothing else has.
const PARTS: [&str; 3] = ["sesame", "w4s-h1dden", "be5ide-the-file"];

/// A shop whose service and whose test tell every secret they can get hold of.
fn telltale() -> Fixture {
    let shop = shop();
    shop.replace(
        "ci/compose.yaml",
        "    environment:\n      LISTEN: 0.0.0.0:8080",
        "    env_file: secrets.env\n    environment:\n      LISTEN: 0.0.0.0:8080\n      SHOP_TOKEN: $SHOP_TOKEN\n      \
         SIDE_PASSWORD: $SIDE_PASSWORD",
    );
    shop.write("ci/secrets.env", "HIDDEN_KEY=w4s-h1dden\nNAME_KEY=it_is_told\n");
    shop.write("ci/.env", "SIDE_PASSWORD=be5ide-the-file\n");
    let names = format!("{VARIABLES:?}");
    shop.replace(
        "shop/src/main.rs",
        "fn main() {",
        &format!("fn main() {{\n    for name in {names} {{\n        eprintln!(\"{{name}} {{:?}}\", std::env::var(name));\n    }}"),
    );
    shop.append(
        "shop/tests/e2e.rs",
        "#[test]\nfn it_is_told() {\n    let file = |name| std::fs::read_to_string(name).unwrap();\n    panic!(\"{:?} {} {}\", \
         std::env::var(\"SHOP_TOKEN\"), file(\"../ci/secrets.env\"), file(\"../ci/.env\"));\n}",
    );
    shop
}

/// Runs a command as a caller who has a secret.
fn run(shop: &Fixture, args: &[&str]) -> Ended {
    tollgate(shop, args).env("SHOP_TOKEN", "open & \"sesame\"").run()
}

/// Asserts that no secret is in what a command said, nor in a file below these directories.
fn assert_silent(shop: &Fixture, said: &Ended, kept: &[&str]) {
    for part in PARTS {
        assert!(!said.to_string().contains(part), "{part}: {said}");
        let grep = Command::new("grep").args(["-rl", part]).args(kept).current_dir(shop.root()).output();
        assert_eq!(String::from_utf8_lossy(&grep.expect("grep runs").stdout), "", "files with {part}");
    }
}

/// Asserts that the newest run was given every secret, shows stars in their places, and has the names of its tests.
fn assert_masked(shop: &Fixture) {
    let log = shop.read("target/tollgate/latest/services/shop.log");
    for name in VARIABLES {
        assert!(log.contains(&format!("{name} Ok(\"***\")")), "the service was given {name}: {log}");
    }
    for file in ["junit.xml", "evidence.json"] {
        let text = shop.read(&format!("target/tollgate/latest/{file}"));
        assert!(text.contains("***") && text.contains("it_is_told"), "a test's name is no secret: {text}");
    }
}

#[test]
fn a_secret_is_in_nothing_that_is_shown_or_kept_on_either_engine_or_in_a_receipt() {
    let shop = telltale();
    let ended = run(&shop, &["ci", "--engine", "native"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert_masked(&shop);
    assert_silent(&shop, &ended, &["target/tollgate", ".tollgate"]);

    let engine = if has_images() { "compose" } else { "native" };
    eprintln!("the shard runs on the {engine} engine");
    let plan = run(&shop, &["plan", "--engine", engine, "--shards", "1", "--no-archive"]);
    assert_eq!(plan.code, 0, "the plan knows the caller's variables: {plan}");
    let ended = run(&shop, &["shard", "--plan", "target/tollgate/plan/plan.json", "1/1", "--out", "receipts"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert!(ended.stderr.contains(&format!("Engine {engine}")), "{ended}");
    assert_masked(&shop);
    let receipt = shop.read("receipts/receipt.json");
    assert!(receipt.contains("***") && receipt.contains("it_is_told"), "{receipt}");
    assert_silent(&shop, &ended, &["target/tollgate", ".tollgate", "receipts"]);
    assert_nothing_left(&shop);
}

/// Whether a container engine answers that has the images; none is fetched for a test.
fn has_images() -> bool {
    let images = ["debian:bookworm-slim", "redis:7.0-bookworm"];
    let inspect = Command::new("docker").args(["image", "inspect"]).args(images).output();
    inspect.is_ok_and(|output| output.status.success())
}
