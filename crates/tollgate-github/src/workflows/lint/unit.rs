//! Each rule has a file that breaks it and nothing else.

use super::*;

/// A workflow without a pitfall, in which one thing is broken at a time.
const GOOD: &str = r"
name: good
on:
  pull_request:
  merge_group:
permissions: {}
concurrency:
  group: ${{ github.workflow }}-${{ github.sha }}
  cancel-in-progress: ${{ github.event_name == 'pull_request' }}
jobs:
  shard:
    timeout-minutes: 5
    strategy:
      fail-fast: false
      matrix:
        shard: [1/2, 2/2]
    steps:
      - uses: actions/checkout@0123456789abcdef0123456789abcdef01234567 # v7.0.1
        with:
          persist-credentials: false
      - run: exec cargo xtask ci
      - if: always()
        uses: actions/upload-artifact@0123456789abcdef0123456789abcdef01234567 # v7.0.0
        with:
          name: shard-${{ strategy.job-index }}-${{ github.run_attempt }}
  gate:
    needs: [shard]
    if: always()
    timeout-minutes: 5
    steps:
      - run: exec cargo xtask gate
";

fn file(name: &str, text: &str) -> Files {
    Files::from([(name.to_owned(), text.to_owned())])
}

/// What is found where `from` is replaced, as `rule place`.
fn broken(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    lint(&file("a.yml", &GOOD.replace(from, to))).iter().map(|f| format!("{} {}", f.rule, f.place)).collect()
}

#[test]
fn a_good_workflow_has_no_finding() {
    assert_eq!(lint(&file("a.yml", GOOD)), []);
}

#[test]
fn a_file_of_ones_own_with_the_name_of_a_written_one_is_found() {
    let written = format!("{}\n{}", crate::workflows::HEADER, GOOD.trim_start());
    let files =
        |own: &str| Files::from([("a.yml".to_owned(), written.clone()), ("own.yml".to_owned(), own.to_owned())]);
    let [found] = lint(&files(GOOD)).try_into().expect("one finding");
    assert_eq!((found.file.as_str(), found.rule), ("own.yml", "name"));
    assert!(found.message.starts_with("it has the name `good`, as a.yml has"), "{found}");
    assert_eq!(lint(&files(&GOOD.replace("name: good", "name: own"))), []);
}

#[test]
fn a_writing_token_beside_what_a_stranger_proposes_is_found() {
    let stranger = |from: &str, to: &str| {
        let text = GOOD.replace("  pull_request:\n  merge_group:", "  workflow_run:").replace(from, to);
        lint(&file("a.yml", &text)).iter().map(|f| format!("{} {}", f.rule, f.place)).collect::<Vec<_>>()
    };
    assert_eq!(stranger("", ""), Vec::<String>::new());
    let checked_out = "persist-credentials: false\n          ref: x";
    assert_eq!(stranger("persist-credentials: false", checked_out), ["privileged job shard, step 1"]);
    let download = |path: &str| {
        let pin = "0123456789abcdef0123456789abcdef01234567 # v8.0.1";
        format!(
            "- uses: actions/download-artifact@{pin}\n        with:\n          path: {path}\n      - run: exec cargo xtask ci"
        )
    };
    let outside = download("${{ runner.temp }}/untrusted");
    assert_eq!(stranger("- run: exec cargo xtask ci", &outside), Vec::<String>::new());
    for inside in ["target", "${{ runner.temp }}/../x"] {
        let found = stranger("- run: exec cargo xtask ci", &download(inside));
        assert_eq!(found, ["privileged job shard, step 2"], "{inside}");
    }
}

#[test]
fn a_finding_names_file_place_and_rule() {
    let found = lint(&file("a.yml", &GOOD.replace("exec cargo xtask ci", "cargo xtask ci")));
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(shown.join("\n"), @"a.yml, job shard, step 2: a cancelled job leaves its services running, since the signal reaches only the shell: one line, `run: exec cargo xtask ...`, without a pipe [exec]");
}

#[test]
fn a_command_that_no_signal_reaches_is_found() {
    for run in ["cargo xtask ci", "exec cargo xtask ci | tee log", "|\n          exec cargo xtask ci\n          true"] {
        assert_eq!(broken("exec cargo xtask ci", run), ["exec job shard, step 2"], "{run}");
    }
}

#[test]
fn a_job_without_a_limit_is_found() {
    assert_eq!(broken("if: always()\n    timeout-minutes: 5", "if: always()"), ["timeout job gate"]);
}

#[test]
fn an_expression_in_a_script_is_found() {
    assert_eq!(
        broken("exec cargo xtask ci", "exec cargo xtask ci ${{ github.head_ref }}"),
        ["expression job shard, step 2"]
    );
}

#[test]
fn a_gate_that_overlooks_a_job_or_can_be_skipped_is_found() {
    assert_eq!(broken("needs: [shard]", "needs: []"), ["gate job gate"]);
    assert_eq!(broken("    if: always()\n    timeout", "    if: ${{ !cancelled() }}\n    timeout"), ["gate job gate"]);
    assert_eq!(broken("  gate:\n    needs: [shard]", "  end:\n    needs: [shard]"), ["gate "]);
}

#[test]
fn a_gate_that_does_not_know_which_shards_were_started_again_is_found() {
    for command in ["--plan p", "--mutants d"] {
        assert_eq!(broken("xtask gate", &format!("xtask gate {command}")), ["needs job gate, step 1"]);
        let told = format!("xtask gate {command} --needs \"$NEEDS\"");
        assert_eq!(broken("xtask gate", &told), Vec::<String>::new());
        // Where it unites shards, these say that they started.
        let shards = |text: &str| text.replace("xtask gate", &told).replace("xtask ci", "xtask shard \"$SHARD\"");
        let found: Vec<String> =
            lint(&file("a.yml", &shards(GOOD))).iter().map(|f| format!("{} {}", f.rule, f.place)).collect();
        assert_eq!(found, ["needs job shard"]);
        let marked = shards(GOOD).replace("run_attempt }}", "run_attempt }}-started");
        assert_eq!(lint(&file("a.yml", &marked)), []);
    }
}

#[test]
fn a_filter_on_a_required_check_is_found() {
    assert_eq!(broken("pull_request:\n", "pull_request:\n    paths: [src]\n"), ["filter event pull_request"]);
    assert_eq!(broken("merge_group:\n", "merge_group:\n    branches: [main]\n"), ["filter event merge_group"]);
}

#[test]
fn a_check_that_the_merge_queue_does_not_run_is_found() {
    assert_eq!(broken("  merge_group:\n", ""), ["merge-queue "]);
}

#[test]
fn an_artifact_that_another_would_overwrite_or_that_is_lost_is_found() {
    assert_eq!(broken("-${{ github.run_attempt }}", ""), ["artifact job shard, step 3"]);
    assert_eq!(broken("-${{ strategy.job-index }}", ""), ["artifact job shard, step 3"]);
    assert_eq!(broken("if: always()\n        uses", "uses"), ["artifact job shard, step 3"]);
}

#[test]
fn a_cache_that_is_saved_by_a_change_is_found() {
    let save =
        "- uses: actions/cache@0123456789abcdef0123456789abcdef01234567 # v5.0.5\n      - run: exec cargo xtask ci";
    assert_eq!(broken("- run: exec cargo xtask ci", save), ["cache job shard, step 2"]);
    let on_main = "push:\n    branches: [main]\n";
    let good = GOOD.replace("- run: exec cargo xtask ci", &save.replace("cache@", "cache/save@"));
    let good = good.replace("pull_request:\n", on_main).replace("  merge_group:\n", "");
    assert_eq!(lint(&file("a.yml", &good)), []);
    let restore = save.replace("cache@", "cache/restore@");
    assert_eq!(broken("- run: exec cargo xtask ci", &restore), Vec::<String>::new());
}

#[test]
fn an_action_that_is_not_pinned_or_pinned_twice_is_found() {
    let pin = "actions/checkout@0123456789abcdef0123456789abcdef01234567 # v7.0.1";
    assert_eq!(broken(pin, "actions/checkout@v7"), ["pin action actions/checkout"]);
    assert_eq!(broken(pin, pin.strip_suffix(" # v7.0.1").expect("a version")), ["pin action actions/checkout"]);
    let other = GOOD.replace("actions/checkout@0", "actions/checkout@f");
    let mut files = file("a.yml", GOOD);
    files.extend(file("b.yml", &other));
    let found: Vec<_> = lint(&files).into_iter().map(|f| (f.file, f.rule, f.place)).collect();
    assert_eq!(found, [("b.yml".to_owned(), "pin", "action actions/checkout".to_owned())]);
}

#[test]
fn a_token_that_may_do_anything_is_found() {
    assert_eq!(broken("permissions: {}\n", ""), ["permissions "]);
    assert_eq!(broken("permissions: {}\n", "permissions: write-all\n"), ["permissions "]);
}

#[test]
fn secrets_for_strangers_are_found() {
    assert_eq!(broken("  merge_group:\n", "  merge_group:\n  pull_request_target:\n"), ["trigger "]);
}

#[test]
fn a_group_that_other_workflows_share_is_found() {
    assert_eq!(broken("${{ github.workflow }}-", ""), ["concurrency "]);
    assert_eq!(broken("${{ github.event_name == 'pull_request' }}", "true"), ["concurrency "]);
}

#[test]
fn a_matrix_that_ends_at_its_first_red_job_is_found() {
    assert_eq!(broken("      fail-fast: false\n", ""), ["matrix job shard"]);
}

#[test]
fn a_token_that_every_test_can_read_is_found() {
    assert_eq!(broken("persist-credentials: false", "persist-credentials: true"), ["credentials job shard, step 1"]);
}

#[test]
fn a_failure_that_is_swallowed_is_found() {
    assert_eq!(
        broken("- run: exec cargo xtask ci", "- run: exec cargo xtask ci\n        continue-on-error: true"),
        ["swallowed job shard, step 2"]
    );
}

#[test]
fn what_is_no_workflow_is_found() {
    assert_eq!(lint(&file("a.yml", "a: [")).len(), 1);
    assert_eq!(lint(&file("a.yml", "- a")).len(), 1);
}
