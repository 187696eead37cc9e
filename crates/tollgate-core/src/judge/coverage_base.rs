//! Coverage against the recorded run of a base: `coverage.lost`, and what was below its floor before a change.

use super::case::Case;
use super::coverage_gates::{doubted, name};
use super::words::{count, listed, ranges, share, short};
use crate::coverage::{Totals, counts, is_covered, production_lines, total};
use std::{cmp::Reverse, collections::BTreeSet};
use tollgate_model::{
    Baseline, Blame, CoverageBase, CoverageEvidence, Evidence, GateResult, LineTotals, Outcome, TestId,
};

/// How many lines may be lost before the gate is red, whatever the size of the workspace.
const LOST_ALLOWED: u64 = 10;

/// Of so many lines one may be lost before the gate is red.
const LINES_PER_LOST: u64 = 1000;

/// How many files with lost lines are named.
const FILES_SHOWN: usize = 10;

/// The base as verdicts name it.
pub(super) fn baseline(base: &CoverageBase) -> Baseline {
    Baseline { tree: base.tree.clone(), age: base.age }
}

/// Whose a finding about the lines of a change is: red is the change's, a warning is what it found.
pub(super) fn blame(outcome: Outcome) -> Option<Blame> {
    match outcome {
        Outcome::Failed => Some(Blame::Change),
        Outcome::Warned => Some(Blame::Existing),
        _ => None,
    }
}

pub(super) fn totals(base: LineTotals) -> Totals {
    Totals { covered: base.covered, total: base.total }
}

/// All production lines of the base.
pub(super) fn base_total(base: &CoverageBase) -> Totals {
    let mut sum = Totals::default();
    base.packages.values().for_each(|package| sum.add(totals(*package)));
    sum
}

/// Whether it was below the floor before, and is not worse: neither fewer covered lines nor more uncovered ones.
pub(super) fn is_debt(before: Totals, now: Totals, floor: u32) -> bool {
    !before.reaches(floor) && now.covered >= before.covered && now.uncovered() <= before.uncovered()
}

/// `4f2a9c1e77d0 (merge-base)`, `4f2a9c1e77d0 (3 commits before the merge-base)`.
pub(super) fn named(base: &CoverageBase) -> String {
    let age = match base.age {
        0 => "merge-base".to_owned(),
        age => format!("{} before the merge-base", count(u64::from(age), "commit")),
    };
    format!("{} ({age})", short(&base.commit))
}

/// No line that the change left alone, and that was covered before, is uncovered now.
pub(super) fn lost_gate(case: &Case, coverage: &CoverageEvidence, doubt: Option<&GateResult>) -> GateResult {
    let name = name("lost");
    let Some(base) = &case.evidence.base else {
        let base = case.evidence.change.as_ref().map_or("the base".to_owned(), |change| short(&change.commit));
        if let Some(why) = case.evidence.change.as_ref().and_then(|change| change.unreadable.as_ref()) {
            let message = format!("No baseline: the history can't be read, so lost lines can't be told: {why}.");
            let fix = Some("Mend what is named, or move .tollgate/history away: runs fill a new one.".to_owned());
            return GateResult { fix, blame: Some(Blame::Unknown), ..GateResult::new(name, Outcome::Warned, message) };
        }
        let message = format!(
            "No baseline: no run of stage {} at {base} or at one of the commits before it is recorded, so lost lines can't be \
             told.",
            case.plan.stage
        );
        let fix = Some(format!(
            "Run `cargo xtask ci --stage {}` on the base once; a clean run is recorded.",
            case.plan.stage
        ));
        return GateResult { fix, blame: Some(Blame::Unknown), ..GateResult::new(name, Outcome::Warned, message) };
    };
    if let Some(doubt) = doubt {
        return GateResult { baseline: Some(baseline(base)), ..doubted("lost", "Lost lines", doubt) };
    }
    let files = lost(coverage, base);
    let k: u64 = files.iter().map(|(_, lines)| lines.len() as u64).sum();
    let kept: u64 = base.kept.0.values().map(|file| file.covered.count()).sum();
    let limit = LOST_ALLOWED.max(total(&coverage.files).total / LINES_PER_LOST);
    let unstable = match base.unstable {
        0 => String::new(),
        n => format!(" {} that flip between runs of one tree were left out.", count(n, "line")),
    };
    let unmeasured = unmeasured(case, coverage, base);
    let outcome = match k {
        0 if unmeasured.is_empty() => Outcome::Passed,
        k if k <= limit => Outcome::Warned,
        _ => Outcome::Failed,
    };
    let others = files.len().saturating_sub(1) as u64;
    let mut places: Vec<String> =
        files.into_iter().map(|(path, lines)| format!("{path}:{}", ranges(lines))).take(FILES_SHOWN).collect();
    let reached = format!("that tests reached on {}", named(base));
    let mut message = match places.first() {
        None if !unmeasured.is_empty() => format!("No measured line {reached} is lost.{unstable}"),
        None => {
            format!("Each of {} {reached}, and that were left alone, is reached still.{unstable}", count(kept, "line"))
        }
        Some(first) => {
            let are = if k == 1 { "is" } else { "are" };
            let more = if others == 0 { String::new() } else { format!(" and {} more", count(others, "file")) };
            let likely = likely(&removed(case, base));
            format!(
                "{} {reached} {are} no longer reached (limit {limit}): {first}{more}.{likely}{unstable}",
                count(k, "line")
            )
        }
    };
    if !unmeasured.is_empty() {
        message = format!("{message} Not measured any more: {}.", listed(&unmeasured));
        places.extend(unmeasured.into_iter().take(FILES_SHOWN));
    }
    GateResult {
        k: Some(k),
        n: Some(kept),
        value: Some(format!("{k} lost ({})", share(k, kept))),
        limit: Some(format!("{limit} lost")),
        margin: Some(match k.checked_sub(limit) {
            None | Some(0) => format!("{} to spare", count(limit - k, "line")),
            Some(over) => format!("{} too many", count(over, "line")),
        }),
        blame: (outcome > Outcome::Passed).then_some(Blame::Change),
        baseline: Some(baseline(base)),
        fix: match (k, outcome) {
            (0, Outcome::Passed) => None,
            (0, _) => Some("Compile the files again, delete them, or exclude them with a reason.".to_owned()),
            _ => Some("See which test of these lines the change removed or altered, and bring it back.".to_owned()),
        },
        evidence: places,
        ..GateResult::new(name, outcome, message)
    }
}

/// Whether the change adds or alters this line. One that it only moved is held to what covered it before, where `lost`, the
/// gate, was judged; the base has it then.
pub(crate) fn is_added(evidence: &Evidence, lost: Option<&GateResult>, file: &str, line: u32) -> bool {
    let is_held = || {
        let base = evidence.base.as_ref().filter(|_| lost.is_some_and(|lost| lost.n.is_some()));
        let before = base.and_then(|base| base.kept.0.get(file));
        before.is_some_and(|before| before.covered.contains(line) || before.uncovered.contains(line))
    };
    evidence.change.as_ref().is_some_and(|change| change.has(file, line)) && !is_held()
}

/// What the lines are most probably no longer reached for, where the change takes tests away.
fn likely(removed: &[&TestId]) -> String {
    match removed {
        [] => String::new(),
        [one] => format!(" Likely: {one} was removed in this change."),
        all => format!(" Likely: tests were removed in this change: {}.", listed(all)),
    }
}

/// The tests that the change takes away: what a diff says of one that was run all the same is wrong.
pub(super) fn removed<'a>(case: &Case, base: &'a CoverageBase) -> Vec<&'a TestId> {
    let results = case.evidence.tiers.iter().flat_map(|tier| &tier.results);
    let run: BTreeSet<&TestId> = results.map(|test| &test.id).collect();
    base.removed.iter().filter(|test| !run.contains(test)).collect()
}

/// Files with lines that were covered and that the change left alone, and of which nothing is known now: a module that is not
/// declared any more, or is behind a feature.
fn unmeasured(case: &Case, coverage: &CoverageEvidence, base: &CoverageBase) -> Vec<String> {
    let is_gone = |path: &str| counts(path, case.plan) && coverage.files.iter().all(|file| file.path != path);
    let gone = base.kept.0.iter().filter(|(path, file)| file.covered.count() > 0 && is_gone(path));
    gone.map(|(path, file)| format!("{path} ({})", count(file.covered.count(), "line"))).collect()
}

/// The lost lines by file, those with most of them first.
fn lost<'a>(coverage: &'a CoverageEvidence, base: &CoverageBase) -> Vec<(&'a str, Vec<u32>)> {
    let of_file = |file: &'a tollgate_model::FileCoverage| {
        let before = base.kept.0.get(&file.path)?;
        let uncovered = production_lines(file).filter(|line| !is_covered(line)).map(|line| line.line);
        let lines: Vec<u32> = uncovered.filter(|line| before.covered.contains(*line)).collect();
        (!lines.is_empty()).then_some((file.path.as_str(), lines))
    };
    let mut files: Vec<_> = coverage.files.iter().filter_map(of_file).collect();
    files.sort_by_key(|(path, lines)| (Reverse(lines.len()), *path));
    files
}
