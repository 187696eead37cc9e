//! The summary of a run as the index has it: JSON without names of fields, which would be most of it to read.

use serde::{Deserialize, Serialize};
use tollgate_model::{
    Digest, FailureRecord, Fingerprint, Milliseconds, Outcome, RunId, RunSummary, Source, StageName, TestId,
    TestOutcome, TestRecord, TreeId,
};

/// The fields of a [`RunSummary`] in their order, without the record's name, which has a column of its own. Whoever changes this
/// raises the version of the index.
#[derive(Serialize, Deserialize)]
struct Row(
    RunId,
    Vec<RunId>,
    /// Seconds and nanoseconds since 1970.
    (i64, i32),
    Milliseconds,
    Option<String>,
    Option<TreeId>,
    Option<String>,
    Source,
    Option<Digest>,
    StageName,
    bool,
    Outcome,
    u64,
    Vec<Test>,
);

/// The fields of a [`TestRecord`] in their order.
#[derive(Serialize, Deserialize)]
struct Test(String, String, TestOutcome, u32, u32, Milliseconds, Option<(Fingerprint, String)>);

/// The summary's row, without the record's name.
pub(super) fn to_row(summary: RunSummary) -> serde_json::Result<String> {
    let started = (summary.started_at.as_second(), summary.started_at.subsec_nanosecond());
    let RunSummary { run, parts, wall_ms, commit, tree, branch, source, inputs, stage, complete, outcome, .. } =
        summary;
    let tests = summary.unusual.into_iter().map(|test| {
        let TestRecord { id, outcome, attempts, failures, duration_ms, failure } = test;
        let failure = failure.map(|failure| (failure.fingerprint, failure.message));
        Test(id.binary, id.name, outcome, attempts, failures, duration_ms, failure)
    });
    serde_json::to_string(&Row(
        run,
        parts,
        started,
        wall_ms,
        commit,
        tree,
        branch,
        source,
        inputs,
        stage,
        complete,
        outcome,
        summary.tests,
        tests.collect(),
    ))
}

/// Reads a row of the record with this name.
pub(super) fn from_row(record: Digest, row: &str) -> Result<RunSummary, Box<dyn std::error::Error + Send + Sync>> {
    let row: Row = serde_json::from_str(row)?;
    let Row(
        run,
        parts,
        started,
        wall_ms,
        commit,
        tree,
        branch,
        source,
        inputs,
        stage,
        complete,
        outcome,
        tests,
        unusual,
    ) = row;
    let unusual = unusual.into_iter().map(|Test(binary, name, outcome, attempts, failures, duration_ms, failure)| {
        let failure = failure.map(|(fingerprint, message)| FailureRecord { fingerprint, message });
        TestRecord { id: TestId { binary, name }, outcome, attempts, failures, duration_ms, failure }
    });
    Ok(RunSummary {
        record: Some(record),
        run,
        parts,
        started_at: jiff::Timestamp::new(started.0, started.1)?,
        wall_ms,
        commit,
        tree,
        branch,
        source,
        inputs,
        stage,
        complete,
        outcome,
        tests,
        unusual: unusual.collect(),
    })
}
