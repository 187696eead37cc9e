//! What is remembered of runs, and what later runs and commands take from it.

use crate::support::{assert_nothing_left, ci, commit, evidence, gate, git, not_passed, shop, tollgate, verdict};
use tollgate_model::{Outcome, StressedTest};
use tollgate_testkit::{Ended, Fixture, Invocation};

/// A shop of the stage `dev` without a limit of coverage, as a commit of a repository.
fn committed() -> Fixture {
    let shop = shop();
    shop.replace("coverage/policy.toml", "floor = 80", "floor = 0");
    shop.write(".gitignore", "/target\n/Cargo.lock\n");
    git(&shop, &["init", "--quiet", "--initial-branch", "main"]);
    commit(&shop);
    shop
}

/// A run as Actions starts it on a push to the main branch.
fn on_main(shop: &Fixture) -> Invocation {
    std::fs::create_dir_all(shop.root().join("target")).expect("a directory");
    shop.write("target/event.json", r#"{"repository": {"default_branch": "main"}}"#);
    tollgate(shop, &["ci", "--stage", "dev"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_EVENT_NAME", "push")
        .env("GITHUB_REF_TYPE", "branch")
        .env("GITHUB_REF_NAME", "main")
        .env("GITHUB_EVENT_PATH", "target/event.json")
}

fn history(shop: &Fixture, args: &[&str]) -> Ended {
    let args: Vec<&str> = ["history"].iter().chain(args).copied().collect();
    tollgate(shop, &args).run()
}

/// Adds a test that fails without luck and does not depend on anything that is an input.
const LUCK: &str = "#[cfg(test)]\nmod luck {\n    #[test]\n    fn it_passes_with_luck() {\n        assert!(std::env::var_os(\"LUCK\").is_some(), \"no luck\");\n    }\n}";

fn add_luck(shop: &Fixture) {
    shop.append("shop/src/lib.rs", LUCK);
    commit(shop);
}

#[test]
fn runs_are_remembered_listed_and_carried_to_another_checkout() {
    let shop = committed();
    assert_eq!(history(&shop, &[]).stdout, "no run is remembered\n");
    let ended = ci(&shop, &["--stage", "dev"]);
    assert_eq!(ended.code, 0, "{ended}");
    let remembered = verdict(&shop).run;
    // Tests alone have no verdict and are not remembered.
    assert_eq!(tollgate(&shop, &["test", "unit"]).run().code, 0);
    let json: serde_json::Value = serde_json::from_str(&history(&shop, &["--format", "json"]).stdout).expect("JSON");
    let run = &json["runs"][0];
    assert_eq!(json["runs"].as_array().map(Vec::len), Some(1), "{json}");
    assert_eq!(run["run"], remembered.as_str());
    assert_eq!([&run["source"], &run["stage"], &run["outcome"]], ["local", "dev", "passed"]);
    assert_eq!((run["complete"].as_bool(), run["tests"].as_u64()), (Some(true), Some(2)));
    assert_eq!(run["tree"].as_str().map(str::len), Some(40), "the checkout is clean: {run}");
    let listed = history(&shop, &[]);
    assert_eq!(listed.stdout.lines().count(), 2, "{listed}");

    let (archive, other) = (shop.root().join("target/archive"), self::shop());
    let ended = history(&shop, &["export", archive.as_str()]);
    assert_eq!((ended.code, ended.stdout), (0, format!("1 run written to {archive}\n")), "{}", ended.stderr);
    let ended = history(&other, &["import", archive.as_str(), "--fork"]);
    assert_eq!(ended.stdout, "1 new run, marked as those of a fork, 0 known before\n", "{}", ended.stderr);
    assert_eq!(history(&other, &["import", archive.as_str()]).stdout, "1 new run, 0 known before\n");
    assert_eq!(history(&other, &["import", archive.as_str()]).stdout, "0 new runs, 1 known before\n");

    other.write("torn", "tollgate history 1\n");
    let ended = history(&other, &["import", "torn"]);
    assert_eq!(ended.code, 2, "{ended}");
    assert!(ended.stderr.contains("torn ends early") && ended.stderr.contains("history export"), "{ended}");
}

#[test]
fn a_history_that_cant_be_written_changes_no_verdict_and_is_told_of() {
    let shop = committed();
    std::fs::create_dir_all(shop.root().join(".tollgate/history")).expect("a directory");
    shop.write(".tollgate/history/records", "a file where a directory is needed");
    let ended = ci(&shop, &["--stage", "dev"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stderr.contains("This run is not remembered: can't write"), "{ended}");
    for report in ["summary.md", "report.html", "evidence.json"] {
        let text = shop.read(&format!("target/tollgate/latest/{report}"));
        assert!(text.contains("This run is not remembered"), "{report} does not say it");
    }
    let ended = on_main(&shop).run();
    assert_eq!(ended.code, 0, "{ended}");
    assert_eq!(gate(&shop, "flake.repo"), Outcome::Unproven, "{ended}");
}

#[test]
fn a_checkout_that_changes_while_it_is_tested_is_no_run_of_its_commit() {
    let shop = committed();
    let edit =
        "std::fs::write(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/src/note.txt\"), \"edited\").expect(\"written\");";
    shop.append(
        "shop/src/lib.rs",
        &format!("#[cfg(test)]\nmod editor {{\n    #[test]\n    fn it_edits() {{\n        {edit}\n    }}\n}}"),
    );
    commit(&shop);
    let ended = ci(&shop, &["--stage", "dev"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stderr.contains("the checkout was changed while the run was under way"), "{ended}");
    assert!(evidence(&shop).run.dirty);
    let runs: serde_json::Value = serde_json::from_str(&history(&shop, &["--format", "json"]).stdout).expect("JSON");
    assert!(runs["runs"][0]["tree"].is_null() && runs["runs"][0]["inputs"].is_null(), "{runs}");
}

#[test]
fn a_failure_of_the_main_branch_is_a_flake_once_the_same_inputs_pass() {
    let shop = committed();
    add_luck(&shop);
    let ended = on_main(&shop).run();
    assert_eq!(ended.code, 1, "{ended}");
    let flaky = tollgate(&shop, &["flaky", "--stage", "dev"]).run();
    assert!(flaky.stdout.contains("1 with failures that nothing contradicts"), "{flaky}");
    let ended = on_main(&shop).env("LUCK", "1").run();
    assert_eq!(ended.code, 0, "{ended}");
    assert_eq!(gate(&shop, "flake.repo"), Outcome::Unproven);
    let flaky = tollgate(&shop, &["flaky", "--stage", "dev"]).run();
    assert_eq!(flaky.code, 0, "{flaky}");
    assert!(flaky.stdout.starts_with("Stage dev: 2 runs of the main branch\n  1 of the last 2 runs flaky"), "{flaky}");
    assert!(flaky.stdout.contains("shop luck::it_passes_with_luck"), "{flaky}");
    assert!(flaky.stdout.contains("1 run, 1 test: "), "{flaky}");
    let json = tollgate(&shop, &["flaky", "--stage", "dev", "--format", "json", "--of", "all"]).run();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((json["k"].as_u64(), json["n"].as_u64(), &json["population"]), (Some(1), Some(2), &"all".into()));
    let wrong = tollgate(&shop, &["flaky", "--stage", "dve"]).run();
    assert_eq!(wrong.code, 2, "{wrong}");
    assert!(wrong.stderr.contains("the stages are dev, staging, production"), "{wrong}");
    // A change shows no gate of the main branch.
    assert_eq!(ci(&shop, &["--stage", "dev"]).code, 1);
    assert!(verdict(&shop).gates.iter().all(|gate| gate.gate.as_str() != "flake.repo"));
}

#[test]
fn a_quarantined_test_is_run_and_shown_and_makes_nothing_red_until_its_last_day() {
    let shop = committed();
    add_luck(&shop);
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let quarantine = |since: jiff::civil::Date, expires: jiff::civil::Date| {
        shop.write(
            "ci/quarantine.toml",
            &format!(
                "version = 1\n[[quarantine]]\ntest = \"shop luck::it_passes_with_luck\"\nowner = \"ann\"\nreason = \"luck\"\n\
                 issue = \"#7\"\nsince = \"{since}\"\nexpires = \"{expires}\"\n"
            ),
        );
    };
    // Midnight may pass while the run is under way.
    quarantine(today, today.tomorrow().expect("a day"));
    let ended = ci(&shop, &["--stage", "dev"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert_eq!((gate(&shop, "quarantine"), gate(&shop, "tests.unit")), (Outcome::Passed, Outcome::Passed));
    let gates = verdict(&shop).gates;
    let message = &gates.iter().find(|gate| gate.gate.as_str() == "tests.unit").expect("it ran").message;
    assert!(message.ends_with("1 quarantined test failed: shop luck::it_passes_with_luck."), "{message}");
    assert!(ended.stdout.contains("Failure unit shop luck::it_passes_with_luck"), "{ended}");
    assert!(shop.read("target/tollgate/latest/junit.xml").contains("it_passes_with_luck"));

    quarantine(today.yesterday().expect("a day"), today.yesterday().expect("a day"));
    let ended = ci(&shop, &["--stage", "dev"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!((gate(&shop, "quarantine"), gate(&shop, "tests.unit")), (Outcome::Failed, Outcome::Failed));

    shop.replace("ci/quarantine.toml", "owner = \"ann\"\n", "");
    let ended = ci(&shop, &["--stage", "dev"]);
    assert_eq!(ended.code, 2, "{ended}");
    assert!(ended.stderr.contains("ci/quarantine.toml:2:1") && ended.stderr.contains("`owner` is missing"), "{ended}");
}

/// A test that can't bear burners in the process that runs it, so that it fails however fast the machine is.
const COMPANY: &str = r#"#[cfg(test)]
mod stress {
    use std::fs;

    #[test]
    fn it_bears_no_company() {
        let is_tollgate = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).expect("a name").trim() == "tollgate";
        let parent = |pid: &str| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
            stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).expect("its parent").to_owned()
        };
        // The runner of the tests, what started it, up to the process that was started by hand.
        let mut pid = std::process::id().to_string();
        while !is_tollgate(&pid) {
            pid = parent(&pid);
            let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads").flatten();
            let names = threads.map(|thread| fs::read_to_string(thread.path().join("comm")).unwrap_or_default());
            assert_eq!(names.filter(|name| name.trim() == "burner").count(), 0, "burners are at it");
        }
    }

}"#;

#[test]
fn tests_that_a_change_adds_are_stressed_before_they_count() {
    let shop = committed();
    shop.replace("ci/tollgate.toml", "enabled = false", "budget = \"4s\"");
    commit(&shop);
    assert_eq!(ci(&shop, &["--stage", "dev"]).code, 0);
    // Their functions stay as they were, and no run has seen them under these names.
    shop.replace("shop/src/lib.rs", "mod unit {", "mod units {");
    shop.append("shop/src/lib.rs", COMPANY);
    let ended = ci(&shop, &["--stage", "dev", "--base", "main"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert_eq!(gate(&shop, "flake.new"), Outcome::Failed);
    let gates = verdict(&shop).gates;
    let said = &gates.iter().find(|gate| gate.gate.as_str() == "flake.new").expect("there is a base").message;
    assert!(said.starts_with("shop stress::it_bears_no_company (added here) failed "), "{said}");
    assert!(said.contains(": timing-dependent"), "{said}");
    let seen = evidence(&shop);
    let stress = seen.stress.as_ref().expect("it was compared");
    let named = |test: &StressedTest| format!("{} {:?} {}", test.id.name, test.novelty, test.place.is_some());
    assert_eq!(
        stress.tests.iter().map(named).collect::<Vec<_>>(),
        [
            "stress::it_bears_no_company Added true",
            "units::an_unknown_path_has_no_answer Added false",
            "units::the_eleventh_item_is_free Added false"
        ]
    );
    let failed =
        |test: &StressedTest| (test.repeats.plain.failed, test.repeats.stressed.failed == test.repeats.stressed.all);
    assert_eq!(failed(&stress.tests[0]), (0, true), "{stress:?}");
    assert_eq!(stress.tests[1..].iter().map(|test| test.repeats.failed()).sum::<u64>(), 0, "{stress:?}");
    // No other gate has seen the failures, and neither has the history.
    let expected = ["evidence warned", "flake.new ", "coverage."];
    let is_expected = |gate: &String| expected.iter().any(|start| gate.starts_with(start));
    assert!(not_passed(&shop).iter().all(is_expected), "{ended}");
    let runs: serde_json::Value = serde_json::from_str(&history(&shop, &["--format", "json"]).stdout).expect("JSON");
    assert_eq!(runs["runs"][0]["unusual"].as_array().map(Vec::len), Some(0), "{runs}");
    // Switched off, it is no gate.
    shop.replace("ci/tollgate.toml", "budget = \"4s\"", "enabled = false");
    assert_eq!(ci(&shop, &["--stage", "dev", "--base", "main"]).code, 0);
    assert!(verdict(&shop).gates.iter().all(|gate| gate.gate.as_str() != "flake.new"));
    assert_nothing_left(&shop);
}

#[test]
fn stress_tells_a_test_that_fails_only_on_a_busy_machine_from_one_that_always_does() {
    let shop = committed();
    shop.append(
        "shop/src/lib.rs",
        &format!("{COMPANY}\n#[cfg(test)]\nmod broken {{\n    #[test]\n    fn it_never_passes() {{\n        panic!(\"never\");\n    }}\n}}"),
    );
    let stress = |args: &[&str]| {
        let args: Vec<&str> = ["flaky", "stress"].iter().chain(args).copied().collect();
        tollgate(&shop, &args).run()
    };
    let unknown = stress(&["stress::it_bears_no_company"]);
    assert_eq!(unknown.code, 2, "{unknown}");
    assert!(unknown.stderr.contains("name its tier with `--tier`: unit, integration, e2e"), "{unknown}");

    let ended = stress(&["stress::it_bears_no_company", "--tier", "unit", "-n", "6", "--burners", "3"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert!(ended.stdout.contains("     plain 0 of 3 executions failed"), "{ended}");
    assert!(ended.stdout.contains("  stressed 3 of 3 executions failed"), "{ended}");
    assert!(ended.stdout.contains("It passes alone and fails on a busy machine"), "{ended}");
    assert!(ended.stdout.contains("0 plain, 3 stressed: "), "{ended}");

    // The tier is known from a run.
    assert_eq!(ci(&shop, &["--stage", "dev"]).code, 1);
    let ended = stress(&["shop unit::the_eleventh_item_is_free", "-n", "2"]);
    assert_eq!(ended.code, 0, "{ended}");
    let ended = stress(&["broken::it_never_passes", "--tier", "unit", "-n", "2", "--format", "json"]);
    assert_eq!(ended.code, 1, "{ended}");
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&report["plain"]["failed"], &report["stressed"]["failed"]), (&1.into(), &1.into()), "{report}");
    let nothing = stress(&["broken::it_never", "--tier", "unit"]);
    assert_eq!(nothing.code, 2, "part of a name is not a test: {nothing}");
    // Stress says nothing about runs, so history does not have it.
    let runs: serde_json::Value = serde_json::from_str(&history(&shop, &["--format", "json"]).stdout).expect("JSON");
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(1), "{runs}");
    assert_nothing_left(&shop);
}

#[test]
fn a_stress_that_is_interrupted_or_killed_leaves_no_burner() {
    for signal in ["INT", "KILL"] {
        let shop = committed();
        shop.append(
            "shop/src/lib.rs",
            "#[cfg(test)]\nmod slow {\n    #[test]\n    fn it_never_ends() {\n        loop {\n            std::thread::park();\n        }\n    }\n}",
        );
        let args = ["flaky", "stress", "slow::it_never_ends", "--tier", "unit", "-n", "2"];
        let running = tollgate(&shop, &args).start_until("every second one beside");
        running.signal(signal);
        let ended = running.wait();
        assert_eq!(ended.code, if signal == "INT" { 130 } else { 137 }, "{ended}");
        assert_nothing_left(&shop);
    }
}

#[test]
fn tests_that_the_history_suspects_are_stressed_and_what_they_showed_is_remembered() {
    let shop = committed();
    let stress = |args: &[&str]| {
        let args: Vec<&str> = ["flaky", "stress", "--suspects", "-n", "4"].iter().chain(args).copied().collect();
        tollgate(&shop, &args).run()
    };
    shop.replace("ci/tollgate.toml", "version = 1\n", "version = 1\ndefault-stage = \"dev\"\n");
    commit(&shop);
    assert_eq!(stress(&[]).stdout, "the history suspects no test\n");
    assert!(stress(&["--format", "json"]).stdout.contains("\"tests\": []"));
    shop.replace("ci/tollgate.toml", "kind(lib)", "kind(lib) + kind(bin)");
    std::fs::create_dir(shop.root().join("shop/src/bin")).expect("a directory");
    shop.write("shop/src/bin/old.rs", &format!("fn main() {{}}\n{LUCK}"));
    add_luck(&shop);
    assert_eq!(on_main(&shop).run().code, 1);
    assert_eq!(on_main(&shop).env("LUCK", "1").run().code, 0);
    // The binary of one of the two has another name since.
    std::fs::rename(shop.root().join("shop/src/bin/old.rs"), shop.root().join("shop/src/bin/new.rs")).expect("a file");
    let ended = stress(&["--within", "10m"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert!(ended.stderr.contains("shop::bin/old luck::it_passes_with_luck is left out: no tier"), "{ended}");
    assert!(!ended.stdout.contains("shop::bin/"), "{ended}");
    assert!(ended.stdout.contains("        flaky        2/2        2/2  shop luck::it_passes_with_luck\n"), "{ended}");
    let runs: serde_json::Value = serde_json::from_str(&history(&shop, &["--format", "json"]).stdout).expect("JSON");
    let last = runs["runs"].as_array().and_then(|runs| runs.last()).expect("it is remembered");
    assert_eq!(
        (&last["stage"], &last["outcome"], &last["complete"]),
        (&"stress".into(), &"failed".into(), &false.into())
    );
    // It is no run: the rate is that of the two before it.
    let flaky = tollgate(&shop, &["flaky"]).run();
    assert!(flaky.stdout.contains("  1 of the last 2 runs flaky"), "{flaky}");
    assert!(flaky.stdout.contains("1 suspected test stressed on "), "{flaky}");
    assert!(flaky.stdout.contains("(flaky) failed 2 of 2 plain, 2 of 2 stressed"), "{flaky}");
    let wrong = stress(&["shop luck::it_passes_with_luck"]);
    assert_eq!(wrong.code, 2, "{wrong}");
    assert_nothing_left(&shop);
}
