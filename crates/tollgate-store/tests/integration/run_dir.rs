//! Run directories on a real file system.

use camino::Utf8PathBuf;
use std::fs;
use tollgate_model::{Ending, Event, LogLevel, Masks, Outcome, RunId, Verdict};
use tollgate_store::{RUNS_KEPT, RUNS_KEPT_WHOLE, Runs, StoreError};

fn target() -> (tempfile::TempDir, Runs) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = Utf8PathBuf::from_path_buf(directory.path().to_owned()).expect("UTF-8");
    let runs = Runs::below(&path, Masks::of([("A_TOKEN".to_owned(), "open sesame".to_owned())]));
    (directory, runs)
}

fn id(name: &str) -> RunId {
    RunId::new(name).expect("a valid name")
}

#[test]
fn latest_is_the_newest_run_and_older_ones_are_found_by_name() {
    let (_guard, runs) = target();
    assert!(matches!(runs.open(None), Err(StoreError::NoSuchRun { .. })));
    runs.create(&id("a")).expect("run a");
    let newest = runs.create(&id("b")).expect("run b");
    for latest in [None, Some("latest")] {
        assert_eq!(runs.open(latest).expect("latest").path(), newest.path().canonicalize_utf8().expect("real path"));
    }
    assert!(runs.open(Some("a")).expect("run a").path().ends_with("runs/a"));
    assert_eq!(
        runs.open(Some("c")).map(|_| ()).unwrap_err().to_string(),
        format!("there is no run `c` in {}", runs.directory())
    );
    assert_eq!(runs.list().expect("the list"), ["a", "b"]);
}

#[test]
fn a_verdict_is_read_back_as_it_was_written_and_a_damaged_one_is_named() {
    let (_guard, runs) = target();
    let run = runs.create(&id("a")).expect("run a");
    let verdict =
        Verdict { schema: 1, run: id("a"), outcome: Outcome::Passed, ending: Ending::Completed, gates: Vec::new() };
    let path = run.write_verdict(&verdict).expect("written");
    assert_eq!(run.verdict().expect("read"), verdict);
    fs::write(&path, "{").expect("damaged");
    let error = run.verdict().unwrap_err();
    assert_eq!(error.to_string(), format!("{path} is damaged or was written by another version of tollgate"));
    assert!(matches!(run.plan(), Err(StoreError::Read { .. })));
    assert!(matches!(run.evidence(), Err(StoreError::Read { .. })));
}

#[test]
fn events_are_json_lines_and_the_log_is_text_with_times() {
    let (_guard, runs) = target();
    let run = runs.create(&id("a")).expect("run a");
    let log = run.event_log().expect("logs");
    let at = "2026-11-21T09:30:55Z".parse().expect("a time");
    log.event(at, &Event::Message { level: LogLevel::Note, text: "hello".into() }).expect("event");
    log.line(at, "hello").expect("line");
    assert_eq!(
        fs::read_to_string(run.file("events.jsonl")).expect("events"),
        "{\"schema\":1,\"at\":\"2026-11-21T09:30:55Z\",\"event\":{\"kind\":\"message\",\"level\":\"note\",\"text\":\"hello\"}}\n"
    );
    assert_eq!(fs::read_to_string(run.file("run.log")).expect("log"), "2026-11-21T09:30:55.000Z hello\n");
}

#[test]
fn only_finished_runs_beyond_the_kept_number_are_removed_oldest_first() {
    let (_guard, runs) = target();
    for number in 0..RUNS_KEPT + 3 {
        runs.create(&id(&format!("run-{number:02}"))).expect("a run");
    }
    let removed = runs.prune(|path| !path.ends_with("run-01")).expect("pruned");
    assert_eq!(removed, ["run-00", "run-02"]);
    assert!(runs.list().expect("the list").contains(&"run-01".to_owned()));
}

#[test]
fn only_the_newest_finished_runs_keep_their_builds_and_raw_profiles() {
    let (_guard, runs) = target();
    let run_with_bulk = |number: usize| {
        let run = runs.create(&id(&format!("run-{number}"))).expect("a run");
        for name in ["build/bin/shop", "coverage/profiles/shop/1.profraw", "coverage/lcov.info"] {
            run.write(name, "x").expect("written");
        }
        run
    };
    let made: Vec<_> = (0..RUNS_KEPT_WHOLE + 3).map(run_with_bulk).collect();
    runs.slim(|path| !path.ends_with("run-1")).expect("slimmed");
    let has = |name: &str| made.iter().map(|run| run.file(name).exists()).collect::<Vec<_>>();
    assert_eq!(has("build"), [false, true, false, true, true, true]);
    assert_eq!(has("coverage/profiles"), has("build"));
    assert_eq!(has("coverage/lcov.info"), [true; RUNS_KEPT_WHOLE + 3]);
}

#[test]
fn what_cant_be_written_is_named() {
    let (_guard, runs) = target();
    let run = runs.create(&id("a")).expect("run a");
    fs::write(run.file("report"), "a file where a directory is needed").expect("a file");
    let error = run.write("report/index.html", "x").unwrap_err();
    assert_eq!(error.to_string(), format!("can't write {}", run.file("report/index.html")));
}

#[test]
fn a_secret_is_in_no_log_and_in_nothing_that_other_programs_wrote() {
    let (_guard, runs) = target();
    let run = runs.create(&id("a")).expect("a run");
    let log = run.event_log().expect("a log");
    let text = "open sesame".to_owned();
    log.event(jiff::Timestamp::UNIX_EPOCH, &Event::Message { level: LogLevel::Note, text }).expect("written");
    log.line(jiff::Timestamp::UNIX_EPOCH, "open sesame").expect("written");
    let other = run.file("other.xml");
    fs::write(&other, "<a>open sesame</a>").expect("written");
    run.mask_xml(&other).expect("masked");
    run.mask_xml(&run.file("missing.xml")).expect("nothing to do");
    for name in ["events.jsonl", "run.log", "other.xml"] {
        let text = fs::read_to_string(run.file(name)).expect("a file");
        assert!(text.contains("***") && !text.contains("sesame"), "{name}: {text}");
    }
    run.write_private("exports.json", &"open sesame").expect("written");
    assert_eq!(fs::read_to_string(run.file("exports.json")).expect("a file"), "\"open sesame\"\n");
}
