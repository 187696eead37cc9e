//! A run spread over shards gives the verdict of a single run, and never passes because a shard is missing.

use crate::support::{ci, evidence, gate, not_passed, shop, tollgate, verdict};
use tollgate_model::{Evidence, Outcome, Receipt, TestId, Verdict};
use tollgate_testkit::{Ended, Fixture, Invocation};

const PLAN: &str = "target/tollgate/plan/plan.json";
const ARCHIVE: &str = "target/tollgate/plan/tests.tar.zst";

/// Makes the plan of two shards on the native engine.
fn plan(shop: &Fixture) -> Ended {
    let ended = tollgate(shop, &["plan", "--engine", "native", "--shards", "2", "--format", "matrix"]).run();
    assert_eq!(ended.code, 0, "{ended}");
    ended
}

fn shard(shop: &Fixture, which: &str, out: &str, attempt: &str) -> Invocation {
    tollgate(shop, &["shard", "--plan", PLAN, which, "--out", out, "--attempt", attempt])
}

/// Runs a shard from the build that the plan has packed up.
fn unpacked(shop: &Fixture, which: &str, out: &str) -> Ended {
    shard(shop, which, out, "1").args(&["--archive", ARCHIVE]).run()
}

fn run_gate(shop: &Fixture, receipts: &[&str]) -> Ended {
    let args: Vec<&str> = ["gate", "--plan", PLAN].iter().chain(receipts).copied().collect();
    tollgate(shop, &args).run()
}

/// Tests with what became of them, and lines with whether they are covered.
type Seen = (Vec<(TestId, String)>, Vec<(String, u32, bool)>);

fn seen(evidence: &Evidence) -> Seen {
    let results = evidence.tiers.iter().flat_map(|tier| &tier.results);
    let mut tests: Vec<_> = results.map(|test| (test.id.clone(), format!("{:?}", test.outcome()))).collect();
    tests.sort();
    let files = &evidence.coverage.as_ref().expect("coverage").files;
    let covered = |counts: &[u64]| counts.iter().any(|count| *count > 0);
    let lines = files
        .iter()
        .flat_map(|file| file.lines.iter().map(|line| (file.path.clone(), line.line, covered(&line.counts))));
    (tests, lines.collect())
}

/// Gates that count, with what they counted.
fn counted(verdict: &Verdict) -> Vec<String> {
    let gates = verdict.gates.iter().filter(|gate| gate.gate.as_str() != "shards.receipts");
    let k = |gate: &tollgate_model::GateResult| if gate.gate.as_str() == "coverage.floor" { gate.k } else { None };
    gates.map(|gate| format!("{} {} {:?} of {:?}", gate.gate, gate.outcome, k(gate), gate.n)).collect()
}

#[test]
fn two_shards_give_the_verdict_the_tests_and_the_lines_of_a_single_run_and_one_alone_does_not() {
    let shop = shop();
    shop.append("shop/tests/integration.rs", "#[test]\n#[ignore]\nfn it_is_not_run() {\n    panic!();\n}");
    let cold = plan(&shop);
    assert!(cold.stderr.contains("no recorded duration matches any of 6 tests"), "{cold}");
    assert_eq!(cold.stdout.matches("\"shard\"").count(), 2, "{cold}");

    assert_eq!(ci(&shop, &[]).code, 0);
    let (single, single_verdict) = (evidence(&shop), verdict(&shop));
    let warm = plan(&shop);
    assert!(warm.stderr.contains("recorded durations match 6 of 6 tests"), "{warm}");

    for which in ["1", "2"] {
        let ended = unpacked(&shop, &format!("{which}/2"), &format!("receipts/{which}"));
        assert_eq!(ended.code, 0, "{ended}");
        assert!(ended.stderr.contains("instrumented, unpacked") && !ended.stderr.contains("Compiling"), "{ended}");
        for file in ["receipt.json", "junit.xml", "lcov.info"] {
            assert!(!shop.read(&format!("receipts/{which}/{file}")).is_empty());
        }
    }
    let ended = run_gate(&shop, &["receipts"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert_eq!(seen(&evidence(&shop)), seen(&single));
    assert_eq!(counted(&verdict(&shop)), counted(&single_verdict));
    assert_eq!(not_passed(&shop), Vec::<String>::new());

    // One shard is lost.
    let ended = run_gate(&shop, &["receipts/1"]);
    assert_eq!(ended.code, 3, "{ended}");
    assert!(ended.stdout.contains("shard 2/2 left no receipt"), "{ended}");
    assert_eq!(gate(&shop, "tests.reported"), Outcome::Invalid);
    assert_eq!(gate(&shop, "coverage.floor"), Outcome::Invalid);

    // One shard ran another plan.
    let text = shop.read("receipts/2/receipt.json");
    let mut receipt: Receipt = serde_json::from_str(&text).expect("a receipt");
    receipt.digest = "sha256:0".to_owned();
    shop.write("receipts/2/receipt.json", &serde_json::to_string(&receipt).expect("JSON"));
    let ended = run_gate(&shop, &["receipts"]);
    assert_eq!(ended.code, 3, "{ended}");
    assert!(verdict(&shop).gates[0].message.contains("shard 2/2 ran another plan"), "{ended}");

    // A build that is not the plan's.
    shop.write(ARCHIVE, "another");
    let ended = unpacked(&shop, "1/2", "receipts/4");
    assert_eq!(ended.code, 2, "{ended}");
    assert!(
        ended.stderr.contains("tests.tar.zst is sha256:") && ended.stderr.contains("the plan's archive is"),
        "{ended}"
    );

    // A receipt that can't be read, and a plan that somebody changed.
    shop.write("receipts/2/receipt.json", "{");
    let ended = run_gate(&shop, &["receipts"]);
    assert_eq!(ended.code, 3, "{ended}");
    assert!(verdict(&shop).gates[0].message.contains("receipts/2/receipt.json is no receipt"), "{ended}");
    shop.replace(PLAN, "the_eleventh_item_is_free", "another_test");
    for ended in [run_gate(&shop, &["receipts"]), shard(&shop, "1/2", "receipts/3", "1").run()] {
        assert_eq!(ended.code, 2, "{ended}");
        assert!(ended.stderr.contains("the plan says sha256:"), "{ended}");
    }
}

#[test]
fn a_shard_that_is_run_again_counts_once_and_what_failed_before_is_a_flake() {
    let shop = shop();
    shop.replace("coverage/policy.toml", "floor = 80", "floor = 0");
    shop.append(
        "shop/src/lib.rs",
        r#"
#[cfg(test)]
mod luck {
    #[test]
    fn it_passes_with_luck() {
        assert!(std::env::var_os("LUCK").is_some());
    }
}"#,
    );
    let ended = tollgate(&shop, &["plan", "--stage", "dev", "--shards", "2", "--no-archive"]).run();
    assert_eq!(ended.code, 0, "{ended}");
    let ended = unpacked(&shop, "1/2", "receipts/0");
    assert_eq!(ended.code, 2, "{ended}");
    assert!(ended.stderr.contains("the plan has no build packed up"), "{ended}");
    let without =
        [shard(&shop, "1/2", "receipts/1a1", "1").run().code, shard(&shop, "2/2", "receipts/2a1", "1").run().code];
    let unlucky = if without == [1, 0] { "1" } else { "2" };
    assert_eq!(without.iter().sum::<i32>(), 1, "{without:?}");
    assert_eq!(run_gate(&shop, &["receipts"]).code, 1);
    assert_eq!(gate(&shop, "tests.unit"), Outcome::Failed);

    let (which, out) = (format!("{unlucky}/2"), format!("receipts/{unlucky}a2"));
    assert_eq!(shard(&shop, &which, &out, "2").env("LUCK", "1").run().code, 0);
    let ended = run_gate(&shop, &["receipts"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!(not_passed(&shop), ["flake.run failed"], "{ended}");
    assert!(ended.stdout.contains("it_passes_with_luck"), "{ended}");
}

#[test]
fn an_interrupted_shard_leaves_a_receipt_that_says_so() {
    let shop = shop();
    shop.append(
        "shop/src/lib.rs",
        r"
#[cfg(test)]
mod slow {
    #[test]
    fn it_never_ends() {
        loop {
            std::thread::park();
        }
    }
}",
    );
    let ended = tollgate(&shop, &["plan", "--stage", "dev", "--shards", "1"]).run();
    assert_eq!(ended.code, 0, "{ended}");
    let running = shard(&shop, "1/1", "receipt", "1").start_until("Running unit");
    running.signal("INT");
    let ended = running.wait();
    assert_eq!(ended.code, 130, "{ended}");
    let ended = run_gate(&shop, &["receipt"]);
    assert_eq!(ended.code, 5, "{ended}");
    let verdict = verdict(&shop);
    assert_eq!(verdict.outcome, Outcome::Invalid);
    assert!(verdict.gates.iter().any(|gate| gate.message.contains("shard 1/1 was interrupted by SIGINT")), "{ended}");
}
