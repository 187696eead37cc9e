//! Gates over coverage: `coverage.floor`, `coverage.patch`, `coverage.denominator` and `coverage.proof`.

use super::case::{Case, TierTests};
use super::words::{count, len, listed, percent, ranges};
use crate::coverage::{Standing, Totals, denominator, is_covered, package_totals, production_lines, total};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{
    BuildKind, CoverageEvidence, CoveragePolicy, FileCoverage, GateName, GateResult, Outcome, ServiceName,
    ServiceProfile, TierPlan,
};

/// How many files the floor's evidence names.
const FILES_SHOWN: usize = 10;

/// How many added lines may stay uncovered whatever their share is.
const UNCOVERED_ALLOWED: u64 = 2;

/// How much of a commit's name is shown.
const COMMIT_SHOWN: usize = 12;

/// The gates of coverage, where the policy asks for them.
pub(super) fn gates(case: &Case) -> Vec<GateResult> {
    let Some(policy) = &case.plan.policy.coverage else { return Vec::new() };
    let patch = case.plan.base.as_ref().map(|_| "patch");
    let unproven = |message: &str| {
        ["floor"]
            .into_iter()
            .chain(patch)
            .map(|subject| GateResult::new(name(subject), Outcome::Unproven, message))
            .collect()
    };
    if case.partial {
        return unproven("Only part of the tests ran, so coverage was not judged.");
    }
    if !case.tiers.iter().any(|tier| is_instrumented(tier.plan)) {
        return unproven("No tier that counts for coverage was asked for.");
    }
    let Some(coverage) = &case.evidence.coverage else {
        let message = format!("Coverage was not measured: {}.", case.absence());
        let subjects = ["floor"].into_iter().chain(patch).chain(["denominator", "proof"]);
        return subjects.map(|subject| GateResult::new(name(subject), Outcome::Invalid, message.as_str())).collect();
    };
    let (denominator, proof) = (denominator_gate(case, coverage), proof_gate(case, coverage));
    let doubt = [&denominator, &proof].into_iter().find(|result| result.outcome == Outcome::Invalid);
    let mut gates = vec![floor_gate(coverage, policy, doubt)];
    gates.extend(case.plan.base.as_ref().map(|base| patch_gate(case, coverage, policy.patch_percent, base, doubt)));
    gates.extend([denominator, proof]);
    gates
}

fn name(subject: &str) -> GateName {
    GateName::new("coverage", subject)
}

fn is_instrumented(tier: &TierPlan) -> bool {
    tier.build == BuildKind::Instrumented
}

/// At least the floor's share of production lines is covered; in doubt about the evidence it is invalid, not lower.
fn floor_gate(coverage: &CoverageEvidence, policy: &CoveragePolicy, doubt: Option<&GateResult>) -> GateResult {
    let totals = total(&coverage.files);
    let (value, floor) = (percent(totals.permille()), policy.floor_percent);
    let ratio = format!("{value} ({}/{} production lines)", totals.covered, totals.total);
    let fits = totals.reaches(floor);
    let (outcome, message) = match doubt {
        _ if totals.total == 0 => (Outcome::Invalid, "No production line was measured.".to_owned()),
        Some(doubt) => (Outcome::Invalid, format!("{ratio} can't be believed: see {}.", doubt.gate)),
        None if fits => (Outcome::Passed, format!("{ratio}, floor {floor} %.")),
        None => (Outcome::Failed, failed_message(coverage, &ratio, totals, floor)),
    };
    let failed = outcome == Outcome::Failed;
    GateResult {
        k: Some(totals.covered),
        n: Some(totals.total),
        value: Some(value),
        limit: Some(format!("{floor} %")),
        fix: failed.then(|| {
            "Test the uncovered lines; the coverage report in the run directory shows them in the source.".to_owned()
        }),
        evidence: if failed { uncovered_files(&coverage.files) } else { Vec::new() },
        ..GateResult::new(name("floor"), outcome, message)
    }
}

/// At least the asked share of the lines that a change adds is covered, or all but two of them.
///
/// A small change may not fail for the one line that can't be reached, and a share of nothing is no share.
fn patch_gate(
    case: &Case,
    coverage: &CoverageEvidence,
    percent_asked: u32,
    base: &str,
    doubt: Option<&GateResult>,
) -> GateResult {
    let name = name("patch");
    let Some(change) = &case.evidence.change else {
        return GateResult::new(name, Outcome::Invalid, format!("What differs from {base} is not known."));
    };
    let added = |file: &FileCoverage| FileCoverage {
        lines: production_lines(file).filter(|line| change.has(&file.path, line.line)).cloned().collect(),
        ..file.clone()
    };
    let files: Vec<FileCoverage> = coverage.files.iter().map(added).collect();
    let totals = total(&files);
    let (value, uncovered) = (percent(totals.permille()), totals.total - totals.covered);
    let ratio = format!("{value} ({}/{} changed lines)", totals.covered, totals.total);
    let commit: String = change.commit.chars().take(COMMIT_SHOWN).collect();
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
        None => (Outcome::Failed, format!("{ratio} < {percent_asked} % {since}.")),
    };
    let failed = outcome == Outcome::Failed;
    GateResult {
        k: Some(totals.covered),
        n: Some(totals.total),
        value: (totals.total > 0).then_some(value),
        limit: Some(format!("{percent_asked} %")),
        fix: failed.then(|| "Test the lines that the change adds and that no test reaches.".to_owned()),
        evidence: if failed { uncovered_files(&files) } else { Vec::new() },
        ..GateResult::new(name, outcome, message)
    }
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

/// Every member of the workspace is measured or excluded with a reason.
fn denominator_gate(case: &Case, coverage: &CoverageEvidence) -> GateResult {
    let standings = denominator(coverage, case.plan);
    let of = |wanted: fn(&Standing) -> bool| -> Vec<&str> {
        standings.iter().filter(|(_, standing)| wanted(standing)).map(|(member, _)| *member).collect()
    };
    let measured = of(|standing| matches!(standing, Standing::Measured(_)));
    let unmeasured = of(|standing| *standing == Standing::Unmeasured);
    let excluded = standings.iter().filter_map(|(member, standing)| match standing {
        Standing::Excluded { reason } => Some(format!("{member} is excluded: {reason}")),
        _ => None,
    });
    let excluded: Vec<String> = excluded.collect();
    let numbers = |result: GateResult| GateResult {
        k: Some(len(&measured)),
        n: Some(standings.len() as u64),
        value: Some(format!("{} measured", measured.len())),
        ..result
    };
    if standings.is_empty() {
        return numbers(GateResult::new(
            name("denominator"),
            Outcome::Invalid,
            "The plan names no member of the workspace.",
        ));
    }
    if unmeasured.is_empty() {
        let (all, out) = (count(standings.len() as u64, "member"), excluded.len());
        let message = format!("{} of {all} measured, {out} excluded.", measured.len());
        return numbers(GateResult {
            evidence: excluded,
            ..GateResult::new(name("denominator"), Outcome::Passed, message)
        });
    }
    let message = format!(
        "There is no coverage of {}, whose lines are missing from the total: {}.",
        count(len(&unmeasured), "member"),
        listed(&unmeasured)
    );
    numbers(GateResult {
        fix: Some("Run a test of it, or exclude it with a reason in coverage/policy.toml.".to_owned()),
        evidence: unmeasured.into_iter().map(str::to_owned).chain(excluded).collect(),
        ..GateResult::new(name("denominator"), Outcome::Invalid, message)
    })
}

/// The number may be believed: every process that should have counted did.
fn proof_gate(case: &Case, coverage: &CoverageEvidence) -> GateResult {
    let proof = &coverage.proof;
    let mut doubts: Vec<String> = proof.services.iter().flat_map(service_doubts).collect();
    doubts.extend(absent_services(case, coverage));
    doubts.extend(case.tiers.iter().filter(|tier| is_instrumented(tier.plan)).filter_map(|tier| {
        let tier_name = &tier.plan.name;
        let profiles = proof.profiles.get(tier_name).copied().unwrap_or(0);
        match &tier.ran {
            Err(why) => Some(format!("tier {tier_name}: {why}")),
            Ok(_) if profiles == 0 => Some(format!("the tests of tier {tier_name} left no profile")),
            // One profile per test binary at least, and one more for every program of the workspace that a test started.
            Ok(tests) if u64::from(profiles) < binaries(tests) => Some(format!(
                "{} of tier {tier_name} left {}",
                count(binaries(tests), "test program"),
                count(u64::from(profiles), "profile")
            )),
            Ok(_) if !coverage.tiers.contains(tier_name) => Some(format!("tier {tier_name} is not in the report")),
            Ok(_) => None,
        }
    }));
    if proof.empty_profiles > 0 {
        doubts.push(format!("{} empty", count(u64::from(proof.empty_profiles), "profile")));
    }
    doubts.extend(proof.complaints.iter().map(|complaint| format!("llvm-cov: {complaint}")));
    let numbers = GateResult { k: Some(len(&doubts)), ..GateResult::new(name("proof"), Outcome::Passed, "") };
    if doubts.is_empty() {
        let profiles: u64 = proof.profiles.values().map(|&profiles| u64::from(profiles)).sum();
        let (services, profiles) = (count(len(&proof.services), "service"), count(profiles, "test profile"));
        return GateResult { message: format!("{services} and {profiles} counted."), ..numbers };
    }
    GateResult {
        outcome: Outcome::Invalid,
        message: format!("Coverage is not complete: {}.", listed(&doubts)),
        fix: Some("Lines may have run without being counted; mend this before reading the number.".to_owned()),
        evidence: doubts,
        ..numbers
    }
}

/// How many test binaries a tier ran.
fn binaries(tests: &TierTests) -> u64 {
    tests.planned.iter().map(|test| &test.binary).collect::<BTreeSet<_>>().len() as u64
}

fn service_doubts(service: &ServiceProfile) -> Vec<String> {
    let doubts = [
        (!service.instrumented, "its binary is not instrumented"),
        (service.profiles == 0, "it wrote no profile"),
        (service.empty > 0, "it wrote an empty profile"),
    ];
    let found = doubts.into_iter().filter(|(found, _)| *found);
    found.map(|(_, what)| format!("service {}: {what}", service.service)).collect()
}

/// Workspace services that instrumented tiers ask for by name and that the proof does not mention.
fn absent_services(case: &Case, coverage: &CoverageEvidence) -> Vec<String> {
    let binaries: BTreeSet<&str> = case.plan.members.iter().flat_map(|m| &m.binaries).map(String::as_str).collect();
    let environment = case.evidence.environment.iter().flat_map(|environment| &environment.services);
    let programs: BTreeMap<_, &str> = environment.map(|service| (&service.name, service.program.as_str())).collect();
    let is_ours = |program: &str| program.rsplit('/').next().is_some_and(|file| binaries.contains(file));
    let proven = |name: &ServiceName| coverage.proof.services.iter().any(|service| service.service == *name);
    let asked = case.tiers.iter().filter(|tier| tier.ran.is_ok() && is_instrumented(tier.plan));
    let asked: BTreeSet<_> = asked.flat_map(|tier| &tier.plan.services).collect();
    asked
        .into_iter()
        .filter(|name| programs.get(name).is_some_and(|program| is_ours(program)) && !proven(name))
        .map(|name| format!("service {name}: nothing is known of its profile"))
        .collect()
}
