//! Whether a change makes tests slower: they are executed on it and on its base in turns.

use crate::support::{assert_no_checkout, ci, commit, evidence, gate, git, shop, tollgate, verdict};
use tollgate_model::{ComparedTest, Incomparable, Outcome};
use tollgate_testkit::Fixture;

/// A module of tests in which one takes so many milliseconds.
fn bench(ms: u32, more: &str) -> String {
    format!(
        "#[test]\nfn it_adds_up() {{\n    let began = std::time::Instant::now();\n    \
         while began.elapsed().as_millis() < {ms} {{\n        std::hint::spin_loop();\n    }}\n}}\n{more}"
    )
}

/// A shop whose base has this module of tests in a tier of their own, and whose checkout has that one.
fn shops(base: &str, head: &str) -> Fixture {
    let shop = shop();
    let bench = "[tiers.bench]\nfilter = \"test(/^bench::/)\"\ninstrumented = false\ncargo-profile = \"dev\"\n";
    shop.replace(
        "ci/tollgate.toml",
        "[tiers.unit]\nfilter = \"kind(lib)\"",
        &format!("{bench}\n[tiers.unit]\nfilter = \"kind(lib) - test(/^bench::/)\""),
    );
    shop.append(
        "ci/tollgate.toml",
        "[stages.bench]\ntiers = [\"bench\"]\n\n[gates.regression]\ntier = \"bench\"\npairs = 19\n",
    );
    shop.write(".gitignore", "/target\n/Cargo.lock\n/.tollgate\n");
    shop.write("shop/src/bench.rs", base);
    shop.append("shop/src/lib.rs", "#[cfg(test)]\nmod bench;\n");
    git(&shop, &["init", "--quiet", "--initial-branch", "main"]);
    commit(&shop);
    shop.write("shop/src/bench.rs", head);
    shop
}

/// Of 19 pairs the fourth smallest ratio decides: a busy machine would have to make a base that does nothing take as long as the
/// change in four of them.
#[test]
fn a_test_that_takes_much_longer_than_on_the_base_is_found_and_a_new_one_is_not_compared() {
    let shop = shops(&bench(0, ""), &bench(200, "#[test]\nfn it_is_new() {}\n"));
    let ended = ci(&shop, &["--stage", "bench", "--base", "main"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!(gate(&shop, "perf.regression"), Outcome::Failed, "{ended}");
    let compared = evidence(&shop).comparison.expect("there is a base");
    let of = |test: &ComparedTest| (test.id.name.clone(), test.pairs.len(), test.incomparable.clone());
    let seen: Vec<_> = compared.tests.iter().map(of).collect();
    let expected =
        [("bench::it_adds_up".to_owned(), 19, None), ("bench::it_is_new".to_owned(), 0, Some(Incomparable::Added))];
    assert_eq!(seen, expected);
    assert!(compared.tests[0].pairs.iter().all(|pair| pair.head_ms >= 200), "{compared:?}");
    assert!(!shop.root().join("target/tollgate/latest/compared").exists());
    assert_no_checkout(&shop);
    let explained = tollgate(&shop, &["explain", "perf.regression"]).run();
    assert!(explained.stdout.contains("bench::it_is_new: new, not compared"), "{explained}");
}

#[test]
fn a_base_that_is_instrumented_there_or_does_not_compile_makes_nothing_pass() {
    let shop = shops("no code", &bench(0, ""));
    let ended = ci(&shop, &["--stage", "bench", "--base", "main"]);
    assert_eq!((ended.code, gate(&shop, "perf.regression")), (3, Outcome::Invalid), "{ended}");
    let message = &verdict(&shop)
        .gates
        .iter()
        .find(|gate| gate.gate.as_str() == "perf.regression")
        .expect("it is there")
        .message
        .clone();
    assert!(message.contains("the base can't be built: error"), "{message}");
    assert_no_checkout(&shop);
    let config = shop.read("ci/tollgate.toml");
    shop.replace("ci/tollgate.toml", "instrumented = false\ncargo-profile = \"dev\"\n", "");
    shop.replace("ci/tollgate.toml", "[gates.regression]\ntier = \"bench\"\npairs = 19\n", "");
    commit(&shop);
    shop.write("ci/tollgate.toml", &config);
    let ended = ci(&shop, &["--stage", "bench", "--base", "main"]);
    assert_eq!((ended.code, gate(&shop, "perf.regression")), (0, Outcome::Unproven), "{ended}");
    assert_no_checkout(&shop);
}
