//! The recorded run that a change is compared with: of the commit where it parted from its base, or of one before it.

use crate::{
    memory::{COVERAGE_LINES, open_history},
    session::Session,
};
use camino::Utf8Path;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
};
use tollgate_core::coverage::{Moves, kept, line_totals, losing_functions, moves, unstable};
use tollgate_core::flake::removed_tests;
use tollgate_model::{
    ChangeEvidence, CoverageBase, CoverageLines, Digest, LogLevel, Plan, RunRecord, StageName, TestCount, TestId,
    TestOutcome, TestRecord, TierName, TierRecord, TreeId,
};
use tollgate_store::History;
use tollgate_tools::git;

/// How many commits before the merge-base are looked at for a run to compare with.
const BEFORE_MAX: u32 = 20;

/// How many commits before the merge-base are looked at for trees that were run more than once.
pub(crate) const UNSTABLE_BEFORE_MAX: u32 = 100;

/// How many runs, of all of them, are asked which lines are unstable.
const RUNS_MAX: usize = 40;

/// The newest recorded run of `commit`, or of the nearest commit before it that has one, with its coverage where that is
/// judged; none where no such run is recorded. Lines that flipped between runs of its tree, or of that of one of the commits
/// before it, are unstable wherever they are now.
pub(super) fn coverage_base(
    root: &Utf8Path,
    change: &ChangeEvidence,
    plan: &Plan,
    session: &Session,
) -> Result<Option<CoverageBase>, Box<dyn Error>> {
    let interrupt = &session.interrupt;
    let is_measured = plan.policy.coverage.is_some();
    let history = open_history(root)?;
    let index = history.index()?;
    let commits = git::ancestors(root, &change.commit, UNSTABLE_BEFORE_MAX, interrupt)?;
    let mut base: Option<Base> = None;
    let mut unstable_now: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    let mut asked = 0;
    for (age, commit) in (0..).zip(commits) {
        if base.is_none() && age > BEFORE_MAX || base.is_some() && !is_measured || asked >= RUNS_MAX {
            break;
        }
        let records = index.baselines(&TreeId::new(commit.tree.as_str())?, &plan.stage)?;
        // What a single run of a tree says of lines that flip is nothing.
        if records.len() < 1 + usize::from(base.is_some()) {
            continue;
        }
        let runs = records.iter().filter_map(|record| remembered(&history, record, is_measured));
        let mut runs: Vec<_> = runs.take(if is_measured { RUNS_MAX - asked } else { 1 }).collect();
        asked += runs.len();
        if runs.is_empty() {
            continue;
        }
        let compared = git::changes(root, &commit.commit, interrupt).map_err(Box::from).and_then(|diff| {
            let moves = moves(&diff)?;
            Ok::<_, Box<dyn Error>>((diff, moves))
        });
        let (diff, moves) = match compared {
            Err(why) if base.is_some() => {
                let what = format!("which lines flip was asked up to {}: {why}", &commit.commit);
                session.reporter.say(LogLevel::Warning, what);
                break;
            }
            compared => compared?,
        };
        for (path, line) in flipping(&runs) {
            if let Some((path, line)) = moves.line(path, line) {
                unstable_now.entry(path.to_owned()).or_default().insert(line);
            }
        }
        if base.is_none() {
            // The newest one that says what tests reach; of a broken one nothing could be lost.
            let newest = runs.iter().position(|(record, _)| is_green(record)).unwrap_or(0);
            let (record, lines) = runs.swap_remove(newest);
            base = Some(Base { commit, age, record, lines, diff, moves });
        }
    }
    let Some(Base { commit, age, record, lines, diff, moves }) = base else { return Ok(None) };
    let (kept, unstable) = kept(&lines, &unstable_now, &moves);
    let ran: Vec<TestId> = record.tiers.iter().flat_map(executed).map(|test| test.id.clone()).collect();
    let before = |path: &str| git::text(root, &commit.commit, path, interrupt);
    let now = |path: &str| fs::read_to_string(root.join(path)).ok();
    let files = losing_functions(&diff);
    let removed = removed_tests((change, &moves), &files, &plan.members, (&before, &now), &ran);
    Ok(Some(CoverageBase {
        commit: commit.commit,
        tree: commit.tree,
        age,
        tests: tests(&record),
        removed: removed.into_iter().collect(),
        tests_ms: record.tiers.iter().map(|tier| tier.wall_ms).sum(),
        packages: line_totals(&lines),
        kept,
        unstable,
    }))
}

/// Lines about which runs disagree that tested the same, and whose tests all passed: what a broken environment left unreached
/// does not flip.
fn flipping(runs: &[(RunRecord, CoverageLines)]) -> BTreeSet<(&str, u32)> {
    let mut same: BTreeMap<&str, Vec<&CoverageLines>> = BTreeMap::new();
    for (record, lines) in runs.iter().filter(|(record, _)| is_green(record)) {
        same.entry(record.inputs.as_ref().map_or("", Digest::as_str)).or_default().push(lines);
    }
    same.values().flat_map(|lines| unstable(lines)).collect()
}

fn is_green(record: &RunRecord) -> bool {
    record.count(TestOutcome::Failed) == 0
}

/// The run that is compared with, and what differs from its commit.
struct Base {
    commit: git::Commit,
    age: u32,
    record: RunRecord,
    lines: CoverageLines,
    diff: String,
    moves: Moves,
}

/// The tests of this very commit, by the newest recorded run of each stage: a test that another stage ran is there as well.
/// None where no run of this stage is recorded.
pub(super) fn tests_of(
    root: &Utf8Path,
    commit: &str,
    stage: &StageName,
) -> Result<Option<BTreeSet<TestId>>, Box<dyn Error>> {
    let Some(tree) = git::tree(root, commit) else { return Ok(None) };
    let (history, tree) = (open_history(root)?, TreeId::new(tree)?);
    let index = history.index()?;
    let newest = index.baselines(&tree, stage)?.iter().find_map(|record| history.record(record).ok());
    let Some(newest) = newest else { return Ok(None) };
    let others = index.baselines_of_stages(&tree)?;
    let others = others.iter().filter_map(|record| history.record(record).ok());
    let tests = std::iter::once(newest).chain(others).flat_map(|record| record.tiers).flat_map(|tier| tier.tests);
    Ok(Some(tests.map(|test| test.id).collect()))
}

/// A record with the lines that it has attached, where they are asked for: then one of a run without coverage is as good as
/// none, as is always one that was removed or altered this very moment.
fn remembered(history: &History, name: &Digest, with_lines: bool) -> Option<(RunRecord, CoverageLines)> {
    let record = history.record(name).ok()?;
    if !with_lines {
        return Some((record, CoverageLines::default()));
    }
    let bytes = history.read(record.blobs.get(COVERAGE_LINES)?).ok()?;
    Some((record, serde_json::from_slice(&bytes).ok()?))
}

/// How many tests of each tier ran.
fn tests(record: &RunRecord) -> BTreeMap<TierName, TestCount> {
    let counted = |tier: &TierRecord| (tier.name.clone(), TestCount { executed: executed(tier).count() as u64 });
    record.tiers.iter().map(counted).collect()
}

fn executed(tier: &TierRecord) -> impl Iterator<Item = &TestRecord> {
    tier.tests.iter().filter(|test| test.outcome != TestOutcome::Ignored)
}
