//! The index says what the records say, whatever became of its file.

use crate::sample::{history, record, stage, tree};
use camino::Utf8Path;
use std::fs;
use tollgate_model::{RunRecord, Source, TestOutcome};
use tollgate_store::History;

/// Names of the runs that the index knows, oldest first.
fn runs(history: &History) -> Vec<String> {
    let index = history.index().expect("an index");
    index.runs(100).expect("runs").iter().map(|run| run.run.to_string()).collect()
}

#[test]
fn the_baseline_is_the_newest_whole_and_trusted_run_of_the_first_tree_that_has_one() {
    let (_guard, _, history) = history();
    let of = |number: u32, digit: char| RunRecord { tree: Some(tree(digit)), ..record(number) };
    for record in [
        of(1, 'a'),
        of(2, 'a'),
        RunRecord { source: Source::Fork, ..of(3, 'a') },
        RunRecord { complete: false, ..of(4, 'a') },
        RunRecord { tree: None, ..record(5) },
        RunRecord { stage: tollgate_model::StageName::new("dev").expect("a name"), ..of(6, 'a') },
        of(7, 'b'),
        RunRecord { source: Source::Fork, ..of(8, 'c') },
    ] {
        history.add(&record).expect("added");
    }
    let nearest = |digits: &str| {
        let trees: Vec<_> = digits.chars().map(tree).collect();
        let found = history.nearest(&trees, &stage()).expect("asked");
        found.map(|record| record.run.to_string())
    };
    assert_eq!(nearest("a").as_deref(), Some("run-2"));
    assert_eq!(nearest("ba").as_deref(), Some("run-7"));
    assert_eq!(nearest("dcba").as_deref(), Some("run-7"));
    assert_eq!(nearest("cd"), None);
    assert_eq!(nearest(""), None);
    let all = history.index().expect("an index").baselines(&tree('a'), &stage()).expect("asked");
    let runs: Vec<String> = all.iter().map(|name| history.record(name).expect("there").run.to_string()).collect();
    assert_eq!(runs, ["run-2", "run-1"], "the newest comes first");
}

#[test]
fn a_summary_has_what_did_not_simply_pass_and_the_newest_runs_come_last() {
    let (_guard, _, history) = history();
    for number in [3, 1, 2] {
        history.add(&record(number)).expect("added");
    }
    let index = history.index().expect("an index");
    let last: Vec<String> = index.runs(2).expect("runs").iter().map(|run| run.run.to_string()).collect();
    assert_eq!(last, ["run-2", "run-3"]);
    let run = index.runs(1).expect("runs").remove(0);
    assert_eq!((run.tests, run.count(TestOutcome::Failed), run.count(TestOutcome::Flaky)), (5, 1, 1));
    assert_eq!(run.unusual, record(3).tiers[0].tests[1..3]);
}

#[test]
fn runs_of_forks_take_none_of_the_main_branchs_away() {
    let (_guard, _, history) = history();
    for number in [1, 2, 3] {
        history.add(&RunRecord { source: Source::Main, ..record(number) }).expect("added");
    }
    for number in 4..20 {
        history.add(&RunRecord { source: Source::Fork, ..record(number) }).expect("added");
    }
    let index = history.index().expect("an index");
    let newest = index.runs_of_each_source(2).expect("runs");
    let names: Vec<String> = newest.iter().map(|run| run.run.to_string()).collect();
    assert_eq!(names, ["run-2", "run-3", "run-18", "run-19"], "two of each, oldest first");
}

#[test]
fn the_typical_duration_is_the_median_of_the_last_runs_across_layouts() {
    let (_guard, _, history) = history();
    for (number, ms) in [(1, 9_000), (2, 100), (3, 200), (4, 900)] {
        let mut record = record(number);
        record.tiers[0].tests[4].duration_ms = ms;
        if number == 4 {
            // Another layout: a test has gone.
            record.tiers[0].tests.remove(0);
        }
        history.add(&record).expect("added");
    }
    history.add(&RunRecord { complete: false, ..record(5) }).expect("added");
    let typical = history.index().expect("an index").typical(3).expect("durations");
    let shown: Vec<String> =
        typical.iter().map(|test| format!("{} {} {} of {}", test.tier, test.id, test.median_ms, test.runs)).collect();
    assert_eq!(
        shown,
        [
            "e2e shop::e2e buys 2459 of 3",
            "unit core adds 3 of 2",
            "unit core flakes 122032 of 3",
            "unit core waits 200 of 3",
        ]
    );
}

#[test]
fn a_typical_duration_can_be_that_of_some_sources_alone() {
    let (_guard, _, history) = history();
    for (number, source, ms) in [(1, Source::Main, 100), (2, Source::Nightly, 200), (3, Source::Fork, 9_000)] {
        let mut record = RunRecord { source, ..record(number) };
        record.tiers[0].tests[4].duration_ms = ms;
        history.add(&record).expect("added");
    }
    let index = history.index().expect("an index");
    let of = |sources: &[Source]| {
        let typical = index.typical_of(20, sources).expect("durations");
        typical.into_iter().find(|test| test.id.name == "waits").map(|test| (test.runs, test.median_ms))
    };
    assert_eq!(of(&[Source::Main, Source::Nightly]), Some((2, 200)));
    // 100 ms in the steps that durations are kept in.
    assert_eq!(of(&[Source::Main]), Some((1, 99)));
    assert_eq!((of(&[Source::Local]), of(&[])), (None, None));
}

#[test]
fn durations_of_machines_of_other_speeds_are_read_back_whatever_the_order() {
    let (_guard, root, history) = history();
    let typical = || history.index().expect("an index").typical(9).expect("durations");
    let mut one_at_a_time = Vec::new();
    for (number, speed) in [(1, 1), (2, 9), (3, 1), (4, 9), (5, 9)] {
        let mut record = record(number);
        for test in record.tiers.iter_mut().flat_map(|tier| &mut tier.tests) {
            test.duration_ms *= speed;
        }
        history.add(&record).expect("added");
        one_at_a_time = typical();
    }
    let waits = one_at_a_time.iter().find(|test| test.id.name == "waits").expect("it is there");
    assert_eq!(waits.runs, 5);
    assert!(waits.median_ms.abs_diff(9_000) < 300, "the slow machine has the median, in steps of 6 %: {waits:?}");
    fs::remove_file(root.join("index.sqlite")).expect("removed");
    assert_eq!(typical(), one_at_a_time, "added in the order of their names");
}

#[test]
fn a_row_that_sqlite_takes_for_whole_is_an_error_once() {
    let (_guard, root, history) = history();
    history.add(&record(1)).expect("added");
    assert_eq!(runs(&history), ["run-1"]);
    let file = root.join("index.sqlite");
    let whole = fs::read(&file).expect("bytes");
    let damaged = |what: &[u8], by: &[u8]| {
        let at = whole.windows(what.len()).position(|window| window == what).expect("it is in there");
        let mut damaged = whole.clone();
        damaged[at..at + by.len()].copy_from_slice(by);
        fs::write(&file, damaged).expect("damaged");
    };
    damaged(b"\x05run-1", b"\xff");
    assert!(history.index().expect("an index").runs(9).is_err());
    assert_eq!(runs(&history), ["run-1"]);
    let usual = history.index().expect("an index").typical(9).expect("durations");
    let sum = rusqlite::Connection::open(&file)
        .and_then(|index| index.query_row("SELECT sum FROM layout", [], |row| row.get::<_, String>(0)))
        .expect("a digest");
    damaged(sum.as_bytes(), b"0000");
    assert!(history.index().expect("an index").typical(9).is_err());
    assert_eq!(history.index().expect("an index").typical(9).expect("durations"), usual);
    // A name of other tests, which are nowhere.
    let name = rusqlite::Connection::open(&file)
        .and_then(|index| index.query_row("SELECT name FROM layout", [], |row| row.get::<_, String>(0)))
        .expect("a digest");
    let other: String = name.chars().rev().collect();
    damaged(name.as_bytes(), other.as_bytes());
    assert!(history.index().expect("an index").typical(9).is_err());
    assert_eq!(history.index().expect("an index").typical(9).expect("durations"), usual);
}

#[test]
fn a_missing_a_damaged_and_a_foreign_index_are_made_anew() {
    let (_guard, root, history) = history();
    history.add(&record(1)).expect("added");
    assert_eq!(runs(&history), ["run-1"]);
    let file = root.join("index.sqlite");
    let whole = fs::read(&file).expect("bytes");
    let mut torn = whole.clone();
    torn[4096..].fill(0xa5);
    // The version stands in the header.
    let version = 60..64;
    let mut older = whole.clone();
    older[version.clone()].copy_from_slice(&3_u32.to_be_bytes());
    let foreign = b"not a database at all, but long enough for a header".repeat(9);
    for damaged in [Vec::new(), foreign, whole[..5000].into(), torn, older] {
        fs::write(&file, damaged).expect("damaged");
        fs::write(root.join("index.sqlite-journal"), b"left by a killed process").expect("a journal");
        assert_eq!(runs(&history), ["run-1"]);
        assert_eq!(fs::read(&file).expect("bytes")[version.clone()], whole[version.clone()]);
        assert!(!root.join("index.sqlite-journal").exists());
    }
    fs::remove_file(&file).expect("removed");
    assert_eq!(runs(&history), ["run-1"]);
    assert_eq!(left_over(&root), [""; 0]);
}

#[test]
fn the_index_follows_records_that_come_go_and_change() {
    let (_guard, root, history) = history();
    let names: Vec<_> = (1..=3).map(|number| history.add(&record(number)).expect("added")).collect();
    assert_eq!(runs(&history), ["run-1", "run-2", "run-3"]);
    let file = |at: usize| root.join("records").join(&names[at].as_str()[..2]).join(names[at].as_str());
    fs::remove_file(file(0)).expect("removed");
    assert_eq!(runs(&history), ["run-2", "run-3"]);
    let half = fs::read(file(1)).expect("bytes");
    fs::write(file(1), &half[..half.len() / 2]).expect("halved");
    let index = history.index().expect("an index");
    assert_eq!(index.runs(100).expect("runs").len(), 1);
    let skipped: Vec<String> = index.skipped().iter().map(ToString::to_string).collect();
    assert!(skipped.len() == 1 && skipped[0].starts_with(file(1).as_str()), "{skipped:?}");
    history.add(&record(4)).expect("added");
    assert_eq!(runs(&history), ["run-3", "run-4"]);
}

/// Names in the directory of drafts.
fn left_over(root: &Utf8Path) -> Vec<String> {
    let entries = root.join("drafts").read_dir_utf8().expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_owned()).collect()
}
