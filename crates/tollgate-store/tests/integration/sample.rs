//! Histories in a temporary directory, and records to put into them.

use camino::Utf8PathBuf;
use std::collections::BTreeMap;
use tempfile::TempDir;
use tollgate_model::{
    Ending, EngineKind, FailureRecord, Fingerprint, Outcome, RunId, RunRecord, SCHEMA, Source, StageName, TestId,
    TestOutcome, TestRecord, TierName, TierRecord, TreeId,
};
use tollgate_store::History;

/// A history of its own; the directory is removed when the guard is dropped.
pub(crate) fn history() -> (TempDir, Utf8PathBuf, History) {
    let directory = TempDir::with_prefix("tollgate-test-").expect("a temporary directory");
    let path = Utf8PathBuf::from_path_buf(directory.path().join("history")).expect("UTF-8");
    let history = History::open(&path).expect("a history");
    (directory, path, history)
}

/// Forty times the same digit.
pub(crate) fn tree(digit: char) -> TreeId {
    TreeId::new(digit.to_string().repeat(40)).expect("a tree")
}

pub(crate) fn stage() -> StageName {
    StageName::new("production").expect("a name")
}

fn tier(name: &str, tests: Vec<TestRecord>) -> TierRecord {
    TierRecord { name: TierName::new(name).expect("a name"), wall_ms: 4_000, tests }
}

fn broken(outcome: TestOutcome, name: &str, attempts: u32, failures: u32) -> TestRecord {
    let failure = FailureRecord {
        fingerprint: Fingerprint::new("0123456789abcdef").expect("a fingerprint"),
        message: "the clock went backwards".into(),
    };
    let id = TestId::new("core", name);
    TestRecord { id, outcome, attempts, failures, duration_ms: 123_457, failure: Some(failure) }
}

/// A run of two tiers with tests of every outcome; runs of greater numbers are later.
pub(crate) fn record(number: u32) -> RunRecord {
    let passed = |name: &str, ms| TestRecord::passed(TestId::new("core", name), ms);
    let unit = vec![
        passed("adds", 3),
        broken(TestOutcome::Failed, "breaks", 2, 2),
        broken(TestOutcome::Flaky, "flakes", 2, 1),
        TestRecord::ignored(TestId::new("core", "later")),
        passed("waits", 1_000),
    ];
    let second = i64::from(number);
    RunRecord {
        schema: SCHEMA,
        run: RunId::new(format!("run-{number}")).expect("a name"),
        parts: Vec::new(),
        started_at: jiff::Timestamp::from_second(1_795_000_000 + second).expect("a time"),
        wall_ms: 90_000,
        commit: Some("c".repeat(40)),
        tree: Some(tree('a')),
        branch: Some("main".into()),
        source: Source::Main,
        inputs: None,
        stage: stage(),
        engine: Some(EngineKind::Native),
        ending: Ending::Completed,
        complete: true,
        outcome: Outcome::Failed,
        gates: Vec::new(),
        tiers: vec![tier("unit", unit), tier("e2e", vec![TestRecord::passed(TestId::new("shop::e2e", "buys"), 2_500)])],
        blobs: BTreeMap::new(),
    }
}
