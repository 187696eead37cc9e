//! Which runs count as trials, and which of them were flaky.

use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{Digest, RunId, RunSummary, StageName, TestId, TestOutcome, TestRecord};

/// From this share of first attempts that failed on, in percent, it is the machine or the environment and not the tests.
const MASS_PERCENT: u64 = 30;

/// Fewer failures than this are no mass failure.
const MASS_MIN: u64 = 10;

/// Why a run is no trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOut {
    /// It is an attempt at a run of several shards, of which a later one is recorded.
    Superseded,
    /// It comes from a fork.
    Untrusted,
    /// It is of another stage, whose tests are others.
    OtherStage,
    /// Not every test was run and reported.
    Incomplete,
    /// So many tests failed that the environment is to blame.
    MassFailure,
    /// A test failed, and no run of the same inputs says whether that was a flake.
    Unresolved,
}

impl LeftOut {
    /// The reason as part of a sentence: `3 incomplete`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "tried again",
            Self::Untrusted => "of forks",
            Self::OtherStage => "of other stages",
            Self::Incomplete => "incomplete",
            Self::MassFailure => "failed at large",
            Self::Unresolved => "with failures that nothing contradicts",
        }
    }
}

/// Tests whose flakes don't count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Muted {
    /// Quarantined tests: they make no run red.
    pub quarantined: BTreeSet<TestId>,
    /// Tests that were mended, and when: what they did before says nothing about the tests as they are.
    pub fixed: BTreeMap<TestId, Timestamp>,
}

impl Muted {
    fn covers(&self, test: &TestId, at: Timestamp) -> bool {
        self.quarantined.contains(test) || self.fixed.get(test).is_some_and(|fixed| at < *fixed)
    }
}

/// A run that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial<'a> {
    /// The run.
    pub run: &'a RunSummary,
    /// Its flaky tests; a run without one is clean.
    pub flaky: Vec<&'a TestRecord>,
}

/// The runs that count, oldest first, and how many don't.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series<'a> {
    /// The runs that count.
    pub trials: Vec<Trial<'a>>,
    /// How many of the runs that were asked about don't, by the reason.
    pub left_out: BTreeMap<LeftOut, u64>,
}

/// Judges which of the runs, oldest first, that `asked` picks were flaky; all trusted ones may contradict a failure.
pub fn series<'a>(
    runs: &'a [RunSummary],
    stage: &StageName,
    asked: impl Fn(&RunSummary) -> bool,
    muted: &Muted,
) -> Series<'a> {
    let (witnesses, superseded) = (witnesses(runs), superseded(runs));
    let mut series = Series::default();
    for run in runs.iter().filter(|run| asked(run)) {
        let counts = if superseded.contains(&run.run) { Err(LeftOut::Superseded) } else { Ok(()) };
        match counts.and_then(|()| trial(run, stage, &witnesses, muted)) {
            Ok(trial) => series.trials.push(trial),
            Err(why) => *series.left_out.entry(why).or_default() += 1,
        }
    }
    series
}

/// Attempts at a run of several shards whose gate was asked again: the later one has their shards, those that were run again
/// apart, and knows of tests that failed in them. Names of runs begin with their time. A run of another source or commit is
/// no attempt at this one, whatever parts it names.
fn superseded(runs: &[RunSummary]) -> BTreeSet<&RunId> {
    fn key<'a>(run: &'a RunSummary, part: &'a RunId) -> (&'a RunId, &'a str, Option<&'a str>) {
        (part, run.source.as_str(), run.commit.as_deref())
    }
    let mut last: BTreeMap<_, &RunId> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.source.is_trusted()) {
        for part in &run.parts {
            let known = last.entry(key(run, part)).or_insert(&run.run);
            *known = (&run.run).max(*known);
        }
    }
    let is_last =
        |run: &RunSummary| run.parts.iter().all(|part| last.get(&key(run, part)).is_none_or(|last| **last <= run.run));
    runs.iter().filter(|run| !is_last(run)).map(|run| &run.run).collect()
}

/// By inputs, the tests that failed throughout in each of the runs with them; all other tests of such a run passed.
type Witnesses<'a> = BTreeMap<&'a Digest, Vec<BTreeSet<&'a TestId>>>;

fn witnesses(runs: &[RunSummary]) -> Witnesses<'_> {
    let mut witnesses: Witnesses = BTreeMap::new();
    for run in runs.iter().filter(|run| run.source.is_trusted() && run.complete) {
        if let Some(inputs) = &run.inputs {
            witnesses.entry(inputs).or_default().push(failed(run).map(|test| &test.id).collect());
        }
    }
    witnesses
}

fn failed(run: &RunSummary) -> impl Iterator<Item = &TestRecord> {
    run.unusual.iter().filter(|test| test.outcome == TestOutcome::Failed)
}

fn trial<'a>(
    run: &'a RunSummary,
    stage: &StageName,
    witnesses: &Witnesses,
    muted: &Muted,
) -> Result<Trial<'a>, LeftOut> {
    let first_failures = run.unusual.iter().filter(|test| test.failures > 0).count() as u64;
    match () {
        () if !run.source.is_trusted() => return Err(LeftOut::Untrusted),
        () if run.stage != *stage => return Err(LeftOut::OtherStage),
        () if !run.complete => return Err(LeftOut::Incomplete),
        () if first_failures >= MASS_MIN && first_failures * 100 >= run.tests * MASS_PERCENT => {
            return Err(LeftOut::MassFailure);
        }
        () => (),
    }
    let is_contradicted = |test: &TestId| {
        let same_inputs = run.inputs.as_ref().and_then(|inputs| witnesses.get(inputs));
        same_inputs.is_some_and(|runs| runs.iter().any(|failed| !failed.contains(test)))
    };
    let heard = run.unusual.iter().filter(|test| !muted.covers(&test.id, run.started_at));
    let (flaky, unresolved): (Vec<&TestRecord>, Vec<&TestRecord>) = heard
        .filter(|test| test.failures > 0)
        .partition(|test| test.outcome == TestOutcome::Flaky || is_contradicted(&test.id));
    // One proven flake makes the run flaky, whatever the other failures are.
    if flaky.is_empty() && !unresolved.is_empty() { Err(LeftOut::Unresolved) } else { Ok(Trial { run, flaky }) }
}
