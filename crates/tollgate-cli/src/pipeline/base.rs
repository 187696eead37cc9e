//! The recorded run that a change is compared with: of the commit where it parted from its base, or of one before it.

use crate::memory::{COVERAGE_LINES, open_history};
use camino::Utf8Path;
use std::error::Error;
use tollgate_core::coverage::{kept, line_totals, moves, unstable};
use tollgate_exec::Interrupt;
use tollgate_model::{CoverageBase, CoverageLines, Digest, StageName, TreeId};
use tollgate_store::History;
use tollgate_tools::git;

/// How many commits before the merge-base are looked at.
const BEFORE_MAX: u32 = 20;

/// How many runs of one tree are asked which lines are unstable.
const RUNS_MAX: usize = 20;

/// Coverage of the newest recorded run of `commit`, or of the nearest commit before it that has one; none where no run
/// with coverage is recorded.
pub(super) fn coverage_base(
    root: &Utf8Path,
    commit: &str,
    stage: &StageName,
    interrupt: &Interrupt,
) -> Result<Option<CoverageBase>, Box<dyn Error>> {
    let history = open_history(root)?;
    let index = history.index()?;
    for (age, found) in (0..).zip(git::ancestors(root, commit, BEFORE_MAX, interrupt)?) {
        let records = index.baselines(&TreeId::new(found.tree.as_str())?, stage)?;
        let runs = records.iter().filter_map(|record| lines(&history, record)).take(RUNS_MAX);
        let runs: Vec<CoverageLines> = runs.collect();
        let Some(newest) = runs.first() else { continue };
        let moves = moves(&git::changes(root, &found.commit, interrupt)?)?;
        let (kept, unstable) = kept(newest, &unstable(&runs), &moves);
        let packages = line_totals(newest);
        return Ok(Some(CoverageBase { commit: found.commit, tree: found.tree, age, packages, kept, unstable }));
    }
    Ok(None)
}

/// What a record has attached. A record that was removed or altered this very moment is as good as none; a run without coverage has nothing, and what can't be read is as good as nothing.
fn lines(history: &History, record: &Digest) -> Option<CoverageLines> {
    let record = history.record(record).ok()?;
    let bytes = history.read(record.blobs.get(COVERAGE_LINES)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}
