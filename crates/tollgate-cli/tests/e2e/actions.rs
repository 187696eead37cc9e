//! The generated workflows, step by step, on a model of GitHub's runner.

use crate::support::shop;
use serde_json::{Value, json};
use tollgate_model::{SpreadPlan, Verdict};
use tollgate_testkit::{Conclusion, Fate, Fixture, GitHub, Runner, TOKEN};

const CI: &str = include_str!("../../../../.github/workflows/ci.yml");
const NIGHTLY: &str = include_str!("../../../../.github/workflows/nightly.yml");
const REPORT: &str = include_str!("../../../../.github/workflows/report.yml");

/// A shop with a test that waits for ever where it is told to.
fn waiting_shop() -> Fixture {
    let shop = shop();
    let test = "#[cfg(test)]\nmod patience {\n    #[test]\n    fn it_waits_where_it_is_told_to() {\n        \
                while std::env::var_os(\"WAIT\").is_some() {\n            std::thread::park();\n        }\n    }\n}";
    shop.append("shop/src/lib.rs", test);
    shop
}

/// A record by which two tests fill a shard, so that seven take four.
fn durations() -> String {
    let tier = |binary: &str, names: &[&str]| {
        let tests = names.iter().map(|name| (format!("{binary} {name}"), json!(140_000)));
        json!({ "wall-ms": 140_000 * names.len(), "tests": tests.collect::<serde_json::Map<_, _>>() })
    };
    let unit = [
        "patience::it_waits_where_it_is_told_to",
        "unit::an_unknown_path_has_no_answer",
        "unit::the_eleventh_item_is_free",
    ];
    let tiers = json!({
        "unit": tier("shop", &unit),
        "integration": tier("shop::integration", &["a_price_is_an_answer", "the_store_answers"]),
        "e2e": tier("shop::e2e", &["a_customer_sees_a_price", "a_customer_who_is_lost_is_told_so"]),
    });
    json!({ "schema": 1, "setup-ms": 1000, "tiers": tiers }).to_string()
}

fn github(server: &GitHub) -> Value {
    json!({
        "repository": "o/r", "run_id": 42, "run_attempt": 1, "server_url": "https://github.test", "api_url": server.url(),
        "event_name": "pull_request", "sha": "abc", "token": TOKEN, "event": { "pull_request": { "number": 9 } },
    })
}

/// The stage that tells the pull request, started by the end of the checks.
fn report(runner: &mut Runner, conclusion: &str) {
    let own = runner.github.clone();
    runner.github["event"] = json!({ "workflow_run": {
        "id": 42, "path": ".github/workflows/ci.yml", "event": "pull_request", "conclusion": conclusion, "run_attempt": own["run_attempt"], "head_sha": "abc",
        "head_repository": { "full_name": "fork/r" }, "html_url": "https://github.test/o/r/actions/runs/42",
    }});
    let ended = runner.job(REPORT, "comment", &Value::Null, 0, &Fate::default());
    assert_eq!(ended, Conclusion::Success, "{}", runner.ended["comment"].log);
    runner.github = own;
}

fn verdict(runner: &Runner, attempt: u32) -> Verdict {
    let file = runner.artifact_file(&format!("run-attempt-{attempt}"), "verdict.json");
    serde_json::from_str(&std::fs::read_to_string(file).expect("it was kept")).expect("a verdict")
}

/// How much a job said on the diff.
fn annotations(runner: &Runner, job: &str) -> usize {
    let is_one = |command: &&String| command.starts_with("::error") || command.starts_with("::warning");
    runner.ended[job].commands.iter().filter(is_one).count()
}

#[test]
fn a_lost_and_a_cancelled_shard_keep_the_gate_shut_until_they_are_run_again() {
    let (shop, server) = (waiting_shop(), GitHub::start());
    server.pull_request(9, "abc", "fork/r");
    let mut runner = Runner::new(&shop, env!("CARGO_BIN_EXE_tollgate"), github(&server));
    runner.cache = Some((".tollgate/durations.json".to_owned(), durations()));
    let planned = runner.job(CI, "plan", &Value::Null, 0, &Fate::default());
    assert_eq!(planned, Conclusion::Success, "{}", runner.ended["plan"].log);
    let rows = runner.rows(CI, "shard");
    assert_eq!(rows.len(), 4, "{rows:?}");
    let plan = std::fs::read_to_string(runner.artifact_file("plan-attempt-1", "plan.json")).expect("it was kept");
    let plan: SpreadPlan = serde_json::from_str(&plan).expect("a plan");
    let waits = |shard: &tollgate_model::Shard| shard.tests.values().flatten().any(|test| test.name.contains("waits"));
    let cancelled = plan.shards.iter().position(waits).expect("it is in a shard");
    let lost = (cancelled + 1) % 4;

    for (index, row) in rows.iter().enumerate() {
        let wait = Fate {
            cancel_at: Some("Running unit".to_owned()),
            env: vec![("WAIT".to_owned(), "1".to_owned())],
            ..Fate::default()
        };
        let (fate, expected) = match index {
            _ if index == cancelled => (wait, Conclusion::Cancelled),
            _ if index == lost => (Fate { lost: true, ..Fate::default() }, Conclusion::Failure),
            _ => (Fate::default(), Conclusion::Success),
        };
        let ended = runner.job(CI, "shard", row, index, &fate);
        let log = &runner.ended["shard"].log;
        assert_eq!(ended, expected, "{log}");
        assert!(!log.contains("-TERM was not enough") && !log.contains("orphan"), "{log}");
        assert_eq!(annotations(&runner, "shard"), 0, "the gate annotates what all shards saw: {log}");
    }
    assert_eq!(runner.job(CI, "gate", &Value::Null, 0, &Fate::default()), Conclusion::Failure);
    let (log, gates) = (runner.ended["gate"].log.clone(), verdict(&runner, 1).gates);
    assert!((1..=10).contains(&annotations(&runner, "gate")), "{log}");
    assert!(gates[0].message.contains(&format!("shard {}/4 left no receipt", lost + 1)), "{log}");
    assert!(gates.iter().any(|gate| gate.message.contains("was interrupted by SIGINT")), "{log}");
    assert!(runner.ended["gate"].summary.contains("tollgate: invalid"), "{log}");
    report(&mut runner, "failure");
    let comment = &server.bodies(9)[0].1;
    assert!(comment.contains("the run's conclusion is ` failure `") && comment.contains("no receipt"), "{comment}");

    // "Re-run this job": that of the lost shard and the gate. The other red one was not started again, so what it left in the
    // first attempt is what it did.
    again(&mut runner, 2, &rows[lost], lost, &Fate::default());
    let (log, judged) = (runner.ended["gate"].log.clone(), verdict(&runner, 2));
    assert!(judged.gates[0].message.starts_with("4 of 4 shards left a receipt"), "{log}");
    assert!(judged.gates.iter().any(|gate| gate.message.contains("was interrupted by SIGINT")), "{log}");
    let kept =
        format!("shard {}/4 did not say in attempt 2 that it started: what it left in attempt 1 counts", cancelled + 1);
    assert!(runner.ended["gate"].summary.contains(&kept), "{}", runner.ended["gate"].summary);

    // Now the machine of that one is lost, and what its shard left in the first attempt is not what it did in this one.
    again(&mut runner, 3, &rows[cancelled], cancelled, &Fate { lost: true, ..Fate::default() });
    let (log, gates) = (runner.ended["gate"].log.clone(), verdict(&runner, 3).gates);
    let named =
        format!("shard {}/4 left no receipt of attempt 3: there is only a red one of attempt 1.", cancelled + 1);
    assert!(gates[0].message.ends_with(&format!("The receipts are not those of the plan: {named}")), "{log}");

    again(&mut runner, 4, &rows[cancelled], cancelled, &Fate::default());
    assert_eq!(runner.ended["gate"].conclusion, Conclusion::Success, "{}", runner.ended["gate"].log);
    assert!(verdict(&runner, 4).gates[0].message.starts_with("4 of 4 shards left a receipt"));
    report(&mut runner, "success");
    let comments = server.bodies(9);
    assert_eq!(comments.len(), 1);
    assert!(comments[0].1.contains("## ✅ tollgate: the run's conclusion is ` success `"), "{}", comments[0].1);
    let receipts = runner.artifacts().into_iter().filter(|name| name.starts_with("receipt"));
    let (marks, receipts): (Vec<String>, Vec<String>) = receipts.partition(|name| name.ends_with("-started"));
    assert_eq!((marks.len(), receipts.len()), (7, 5), "two machines were lost: {marks:?}, {receipts:?}");
}

/// Runs one shard again and the gate, as a later attempt at the run.
fn again(runner: &mut Runner, attempt: u32, row: &Value, index: usize, fate: &Fate) {
    runner.github["run_attempt"] = json!(attempt);
    let (ended, expected) = (runner.job(CI, "shard", row, index, fate), [Conclusion::Success, Conclusion::Failure]);
    assert_eq!(ended, expected[usize::from(fate.lost)], "{}", runner.ended["shard"].log);
    runner.job(CI, "gate", &Value::Null, 0, &Fate::default());
}

#[test]
fn mutants_whose_machines_are_lost_are_no_score() {
    let (shop, server) = (shop(), GitHub::start());
    let mut runner = Runner::new(&shop, env!("CARGO_BIN_EXE_tollgate"), github(&server));
    let lost = Fate { lost: true, ..Fate::default() };
    assert_eq!(runner.job(NIGHTLY, "mutants", &json!({ "shard": "1/4" }), 0, &lost), Conclusion::Failure);
    assert_eq!(runner.artifacts(), ["mutants-0-attempt-1-started"]);
    assert_eq!(runner.job(NIGHTLY, "score", &Value::Null, 0, &Fate::default()), Conclusion::Failure);
    let said = "there is no part; job `mutants` ended as failure";
    assert!(runner.ended["score"].summary.contains(said), "{}", runner.ended["score"].log);
}

#[test]
fn without_a_plan_the_gate_is_shut_and_no_shard_runs() {
    let (shop, server) = (shop(), GitHub::start());
    shop.append("shop/src/lib.rs", "this does not compile");
    let mut runner = Runner::new(&shop, env!("CARGO_BIN_EXE_tollgate"), github(&server));
    assert_eq!(runner.job(CI, "plan", &Value::Null, 0, &Fate::default()), Conclusion::Failure);
    assert_eq!(runner.job(CI, "shard", &json!({ "shard": "1/1" }), 0, &Fate::default()), Conclusion::Skipped);
    assert_eq!(runner.job(CI, "gate", &Value::Null, 0, &Fate::default()), Conclusion::Failure);
    let (ended, said) = (&runner.ended["gate"], "There is no plan: job `plan` ended as failure.");
    assert!(
        ended.summary.contains("tollgate: invalid") && ended.summary.contains("There is no plan: job"),
        "{}",
        ended.summary
    );
    assert_eq!(ended.commands, [format!("::error title=shards.receipts invalid::{said}")], "{}", ended.log);
    server.pull_request(9, "abc", "fork/r");
    report(&mut runner, "failure");
    assert!(server.bodies(9)[0].1.contains("There is no plan"), "{:?}", server.bodies(9));
}

/// A job of one workflow for the model itself.
fn model(steps: &str) -> String {
    let pin = "0123456789abcdef0123456789abcdef01234567";
    format!("jobs:\n  only:\n    outputs: {{ seen: '${{{{ steps.first.outputs.seen }}}}', kept: '${{{{ steps.first.outputs.kept }}}}' }}\n    steps:\n{steps}")
        .replace("PIN", pin)
}

#[test]
fn a_step_has_the_files_the_masks_and_the_conditions_of_the_runner() {
    let (shop, server) = (shop(), GitHub::start());
    let mut runner = Runner::new(&shop, "/bin/true", github(&server));
    let steps = r"
      - id: first
        run: |
          echo '::add-mask::hush'
          echo 'seen<<END' >> $GITHUB_OUTPUT
          printf 'one\ntwo\nEND\nkept=hush\n' >> $GITHUB_OUTPUT
          echo LATER=yes >> $GITHUB_ENV
          mkdir here; echo here >> $GITHUB_PATH
          echo '# summary' >> $GITHUB_STEP_SUMMARY
          echo say hush
      - run: 'echo $LATER $GIVEN; [[ $PATH == here:* ]]; echo x > a.txt'
        env: { GIVEN: '${{ github.repository || matrix.none }}' }
      - uses: actions/upload-artifact@PIN
        with: { name: a, path: a.txt }
      - uses: actions/upload-artifact@PIN
        with: { name: a, path: a.txt }
      - run: echo not reached
      - if: always()
        run: echo reached
";
    assert_eq!(runner.job(&model(steps), "only", &Value::Null, 0, &Fate::default()), Conclusion::Failure);
    let ended = &runner.ended["only"];
    assert_eq!(ended.outputs, json!({ "seen": "one\ntwo" }).as_object().cloned().expect("an object"), "{}", ended.log);
    let log: Vec<&str> = ended.log.lines().collect();
    assert!(log[0].contains("add-mask") && !log[1..].join(" ").contains("hush"), "{log:?}");
    assert!(log.contains(&"say ***") && log.contains(&"yes o/r") && log.contains(&"reached"), "{log:?}");
    assert!(!log.contains(&"not reached") && ended.log.contains("409: an artifact a is there already"), "{log:?}");
    assert_eq!(ended.summary, "# summary\n");
}

/// Tests that would rather speak to the runner than to people, one more than annotations are shown of.
const SPEAKERS: &str = r###"
#[cfg(test)]
mod speakers {
    fn speak() {
        let secret = std::env::var("DEPLOY_TOKEN").expect("the job has it");
        println!("::error::forged by output\r::warning::forged behind a return\n  ::group::forged\n##[error]forged");
        eprintln!("::add-mask::shop\nsaid ##[warning]forged\n::set-output name=forged::{secret}");
        panic!("no\n::error file=a.rs::forged by a message\n##[error]forged {secret}");
    }
    macro_rules! speakers {
        ($($name:ident)*) => { $(#[test] fn $name() { speak() })* };
    }
    speakers!(a b c d e f g h i j k);
    #[test]
    fn it_warns() {
        let forged = "##[error]forged in the source";
    }
}
"###;

#[test]
fn whatever_tests_print_only_tollgate_speaks_to_the_runner_and_says_what_matters_most() {
    let (shop, server) = (shop(), GitHub::start());
    shop.append("shop/src/lib.rs", SPEAKERS);
    let mut runner = Runner::new(&shop, env!("CARGO_BIN_EXE_tollgate"), github(&server));
    let steps = "      - uses: actions/checkout@PIN\n        with: { fetch-depth: 1 }\n      - run: exec cargo xtask ci --stage dev\n";
    let secret = "hunter2-of-the-deployment";
    let fate = Fate { env: vec![("DEPLOY_TOKEN".to_owned(), secret.to_owned())], ..Fate::default() };
    assert_eq!(runner.job(&model(steps), "only", &Value::Null, 0, &fate), Conclusion::Failure);
    let ended = &runner.ended["only"];
    let (log, commands) = (&ended.log, &ended.commands);
    assert!(
        !commands.iter().any(|command| command.contains("forged") && !command.starts_with("::error file=shop/")),
        "{commands:?}"
    );
    let names: Vec<&str> = commands.iter().map(|command| command.split([' ', ':']).nth(2).expect("a name")).collect();
    // The build is folded, and what the compiler quotes in it is no command.
    assert_eq!(names[..2], ["group", "endgroup"], "{commands:?}");
    assert!(log.contains("## [error]forged in the source"), "{log}");
    assert!(names[2..].iter().all(|name| *name == "error") && names[2..].len() == 10, "{commands:?}");
    assert!(commands[2].starts_with("::error file=shop/src/lib.rs,line="), "{commands:?}");
    assert!(commands.iter().any(|command| command.starts_with("::error title=tests.unit failed::")), "{commands:?}");
    // Said to the runner, and said by nobody, in this job's later steps as well.
    assert_eq!(log.matches("::add-mask::").count(), log.matches("::add-mask::***").count(), "{log}");
    assert!(log.contains("::add-mask::***") && !log.contains(secret) && !ended.summary.contains(secret), "{log}");
    assert!(log.contains("shop"), "a test masks nothing");
}

#[test]
fn a_command_without_exec_never_hears_of_the_cancelling_and_is_left_behind() {
    let (shop, server) = (shop(), GitHub::start());
    let mut runner = Runner::new(&shop, "/bin/true", github(&server));
    let cancel = Fate { cancel_at: Some("here".to_owned()), ..Fate::default() };
    let cancelled = |runner: &mut Runner, script: &str| {
        let workflow = model(&format!("      - run: |\n          {script}\n"));
        assert_eq!(runner.job(&workflow, "only", &Value::Null, 0, &cancel), Conclusion::Cancelled);
        runner.ended["only"].log.clone()
    };
    let log = cancelled(&mut runner, "echo here\n          exec sleep 600");
    assert_eq!(log, "here\n");
    // With a trap bash outlives the first signal whether it waits for the command already or is about to.
    let script = "trap : INT\n          sh -c 'echo here; exec sleep 600 >/dev/null 2>&1'\n          echo after";
    let log = cancelled(&mut runner, script);
    assert!(log.contains("runner: -INT was not enough") && log.contains("runner: orphan"), "{log}");
}
