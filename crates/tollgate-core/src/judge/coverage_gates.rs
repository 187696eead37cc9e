//! Gates over coverage: which there are, `coverage.floor` and `coverage.patch`.

use super::case::Case;
use super::coverage_base::{base_total, baseline, blame, is_added, is_debt, lost_gate};
use super::coverage_crates;
use super::coverage_proof::{denominator_gate, proof_gate};
use super::words::{count, listed, percent, ranges, short};
use crate::coverage::{Totals, counts, is_covered, package_totals, production_lines, total};
use std::cmp::Reverse;
use tollgate_model::{
    Blame, BuildKind, ChangeEvidence, CoverageEvidence, CoveragePolicy, FileCoverage, GateName, GateResult, Outcome,
    TierPlan,
};

/// How many files the floor's evidence names.
const FILES_SHOWN: usize = 10;

/// How many added lines may stay uncovered whatever their share is.
const UNCOVERED_ALLOWED: u64 = 2;

/// The gates of coverage, where the policy asks for them.
pub(super) fn gates(case: &Case) -> Vec<GateResult> {
    let Some(policy) = &case.plan.policy.coverage else { return Vec::new() };
    let crates = coverage_crates::is_judged(case, policy).then_some("crates");
    let of_change = case.plan.base.iter().flat_map(|_| ["patch", "lost"]);
    let numbers = || ["floor"].into_iter().chain(crates).chain(of_change.clone());
    let all = |subjects: &mut dyn Iterator<Item = &str>, outcome, message: &str| {
        subjects.map(|subject| GateResult::new(name(subject), outcome, message)).collect::<Vec<_>>()
    };
    if case.partial && !case.is_all_that_is_reached() {
        let message = "Only part of the tests ran, so coverage was not judged.";
        return all(&mut numbers(), Outcome::Unproven, message);
    }
    let mut counting = case.tiers.iter().filter(|tier| is_instrumented(tier.plan)).peekable();
    if counting.peek().is_none() {
        return all(&mut numbers(), Outcome::Unproven, "No tier that counts for coverage was asked for.");
    }
    if counting.all(|tier| case.is_unreached(tier)) {
        return all(&mut numbers(), Outcome::Unproven, "The change reaches no test that counts for coverage.");
    }
    let Some(coverage) = &case.evidence.coverage else {
        let message = format!("Coverage was not measured: {}.", case.absence());
        return all(&mut numbers().chain(["denominator", "proof"]), Outcome::Invalid, &message);
    };
    let (denominator, proof) = (denominator_gate(case, coverage), proof_gate(case, coverage));
    let doubt = [&denominator, &proof].into_iter().find(|result| result.outcome == Outcome::Invalid);
    if case.is_all_that_is_reached() {
        // Whatever can run a line of the change has run; other lines have tests that did not.
        let patch =
            case.plan.base.iter().map(|base| patch_gate(case, coverage, (policy.patch_percent, base), None, doubt));
        let patch: Vec<GateResult> = patch.collect();
        let mut others = numbers().filter(|subject| *subject != "patch");
        let message = "Only what the change can reach was tested, so lines beyond the change were not judged.";
        return [all(&mut others, Outcome::Unproven, message), patch, vec![denominator, proof]].concat();
    }
    let mut gates = vec![floor_gate(case, coverage, policy, doubt)];
    gates.extend(crates.map(|_| coverage_crates::gate(case, coverage, policy, doubt)));
    gates.extend(case.plan.base.iter().flat_map(|base| {
        let lost = lost_gate(case, coverage, doubt);
        [patch_gate(case, coverage, (policy.patch_percent, base), Some(&lost), doubt), lost]
    }));
    gates.extend([denominator, proof]);
    gates
}

/// A gate over numbers that can't be believed.
pub(super) fn doubted(subject: &str, what: &str, doubt: &GateResult) -> GateResult {
    GateResult::new(name(subject), Outcome::Invalid, format!("{what} can't be believed: see {}.", doubt.gate))
}

/// How far the covered lines are from a limit.
pub(super) fn margin(totals: Totals, percent: u32) -> String {
    match totals.missing(percent) {
        0 => format!("{} to spare", count(totals.spare(percent), "covered line")),
        missing => format!("{} short", count(missing, "covered line")),
    }
}

pub(super) fn name(subject: &str) -> GateName {
    GateName::new("coverage", subject)
}

pub(super) fn is_instrumented(tier: &TierPlan) -> bool {
    tier.build == BuildKind::Instrumented
}

/// At least the floor's share of production lines is covered; in doubt about the evidence it is invalid, not lower.
fn floor_gate(
    case: &Case,
    coverage: &CoverageEvidence,
    policy: &CoveragePolicy,
    doubt: Option<&GateResult>,
) -> GateResult {
    let totals = total(&coverage.files);
    let (value, floor) = (percent(totals.permille()), policy.floor_percent);
    let ratio = format!("{value} ({}/{} production lines)", totals.covered, totals.total);
    let base = case.evidence.base.as_ref();
    let is_debt = base.is_some_and(|base| is_debt(base_total(base), totals, floor));
    let (outcome, message) = match doubt {
        _ if totals.total == 0 => (Outcome::Invalid, "No production line was measured.".to_owned()),
        Some(doubt) => (Outcome::Invalid, format!("{ratio} can't be believed: see {}.", doubt.gate)),
        None if totals.reaches(floor) => (Outcome::Passed, format!("{ratio}, floor {floor} %.")),
        None if is_debt => {
            let before = percent(base.map(base_total).unwrap_or_default().permille());
            let message = format!("{ratio} < {floor} %, as before the change ({before}), which makes it no worse.");
            (Outcome::Warned, message)
        }
        None => (Outcome::Failed, failed_message(coverage, &ratio, totals, floor)),
    };
    let failed = outcome == Outcome::Failed;
    GateResult {
        k: Some(totals.covered),
        n: Some(totals.total),
        value: Some(value),
        limit: Some(format!("{floor} %")),
        margin: (outcome != Outcome::Invalid).then(|| margin(totals, floor)),
        blame: base.and(blame(outcome)),
        baseline: base.map(baseline),
        fix: failed.then(|| {
            "Test the uncovered lines; the coverage report in the run directory shows them in the source.".to_owned()
        }),
        evidence: if failed { uncovered_files(&coverage.files) } else { Vec::new() },
        ..GateResult::new(name("floor"), outcome, message)
    }
}

/// At least the asked share of the lines that a change adds is covered, or all but two of them.
///
/// A small change may not fail for the one line that can't be reached, and a share of nothing is no share. `lost` is the
/// gate over the lines that are not the change's, where it is judged.
fn patch_gate(
    case: &Case,
    coverage: &CoverageEvidence,
    (percent_asked, base): (u32, &str),
    lost: Option<&GateResult>,
    doubt: Option<&GateResult>,
) -> GateResult {
    let name = name("patch");
    let Some(change) = &case.evidence.change else {
        return GateResult::new(name, Outcome::Invalid, format!("What differs from {base} is not known."));
    };
    let added = |file: &FileCoverage| FileCoverage {
        lines: production_lines(file)
            .filter(|line| is_added(case.evidence, lost, &file.path, line.line))
            .cloned()
            .collect(),
        ..file.clone()
    };
    let files: Vec<FileCoverage> = coverage.files.iter().map(added).collect();
    let totals = total(&files);
    let touched =
        |file: &FileCoverage| production_lines(file).filter(|line| change.has(&file.path, line.line)).count() as u64;
    let moved = match coverage.files.iter().map(touched).sum::<u64>() - totals.total {
        0 => String::new(),
        moved => format!(" {} that it only moved: see coverage.lost.", count(moved, "line")),
    };
    let (value, uncovered) = (percent(totals.permille()), totals.total - totals.covered);
    let ratio = format!("{value} ({}/{} changed lines)", totals.covered, totals.total);
    let commit = short(&change.commit);
    let since = format!("since {commit}, where it parted from {base}");
    let (outcome, message) = match doubt {
        Some(doubt) => (Outcome::Invalid, format!("{ratio} can't be believed: see {}.", doubt.gate)),
        None if totals.total == 0 => {
            (Outcome::Passed, format!("Nothing that can be covered was added {since}; there is nothing to judge."))
        }
        None if totals.reaches(percent_asked) => {
            (Outcome::Passed, format!("{ratio} {since}, limit {percent_asked} %."))
        }
        None if uncovered <= UNCOVERED_ALLOWED => {
            (Outcome::Passed, format!("{ratio} {since}; {} may stay uncovered.", count(UNCOVERED_ALLOWED, "line")))
        }
        None => {
            let places = listed(uncovered_files(&files));
            (Outcome::Failed, format!("{ratio} < {percent_asked} % {since}. Uncovered: {places}."))
        }
    };
    let failed = outcome == Outcome::Failed;
    let message = message + &moved;
    let unmeasured = unmeasured(case, coverage, change);
    let (outcome, message) = match unmeasured.first() {
        None => (outcome, message),
        Some(_) => (outcome.max(Outcome::Warned), format!("{message} Not measured: {}.", listed(&unmeasured))),
    };
    let unmeasured_fix =
        "Declare the module, or build the feature or the target that it is of; else exclude it with a reason.";
    let fix = if failed { "Test the lines that the change adds and that no test reaches." } else { unmeasured_fix };
    let uncovered = if failed { uncovered_files(&files) } else { Vec::new() };
    GateResult {
        k: Some(totals.covered),
        n: Some(totals.total),
        value: (totals.total > 0).then_some(value),
        limit: Some(format!("{percent_asked} %")),
        margin: (outcome != Outcome::Invalid && totals.total > 0).then(|| margin(totals, percent_asked)),
        blame: if unmeasured.is_empty() { blame(outcome) } else { Some(Blame::Change) },
        fix: (failed || !unmeasured.is_empty()).then(|| fix.to_owned()),
        evidence: uncovered.into_iter().chain(unmeasured.iter().map(|file| format!("not measured: {file}"))).collect(),
        ..GateResult::new(name, outcome, message)
    }
}

/// Files in which the change adds code, that count, and of which there is no coverage at all: a module that nobody declares,
/// or one of another system or of a feature that is off.
fn unmeasured<'a>(case: &Case, coverage: &CoverageEvidence, change: &'a ChangeEvidence) -> Vec<&'a String> {
    let measured = |path: &String| coverage.files.iter().any(|file| file.path == *path);
    change.code.iter().filter(|path| counts(path, case.plan) && !measured(path)).collect()
}

fn failed_message(coverage: &CoverageEvidence, ratio: &str, totals: Totals, floor: u32) -> String {
    let packages = package_totals(&coverage.files);
    let least = packages.iter().max_by_key(|(_, t)| t.total - t.covered);
    let least = least.map_or(String::new(), |(package, t)| {
        format!(" Most uncovered: {package} ({}).", count(t.total - t.covered, "line"))
    });
    format!("{ratio} < {floor} %: {} short.{least}", count(totals.missing(floor), "line"))
}

/// The files with most uncovered lines, and those lines.
fn uncovered_files(files: &[FileCoverage]) -> Vec<String> {
    let uncovered = |file: &FileCoverage| -> Vec<u32> {
        production_lines(file).filter(|line| !is_covered(line)).map(|line| line.line).collect()
    };
    let mut files: Vec<(&str, Vec<u32>)> = files.iter().map(|file| (file.path.as_str(), uncovered(file))).collect();
    files.retain(|(_, lines)| !lines.is_empty());
    files.sort_by_key(|(path, lines)| (Reverse(lines.len()), *path));
    files.into_iter().take(FILES_SHOWN).map(|(path, lines)| format!("{path}:{}", ranges(lines))).collect()
}
