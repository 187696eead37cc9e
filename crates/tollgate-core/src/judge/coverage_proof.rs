//! Why a number of coverage may be believed: `coverage.denominator` and `coverage.proof`.

use super::case::{Case, TierTests};
use super::coverage_gates::{is_instrumented, name};
use super::words::{count, len, listed, percent};
use crate::coverage::{Standing, denominator, total};
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{CoverageEvidence, GateResult, Outcome, ServiceName, ServiceProfile};

/// Every member of the workspace is measured or excluded with a reason.
pub(super) fn denominator_gate(case: &Case, coverage: &CoverageEvidence) -> GateResult {
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
    let sized = |member: &&str| match coverage.unmeasured.get(*member) {
        Some(lines) => format!("{member} ({})", count(*lines, "source line")),
        None => (*member).to_owned(),
    };
    let message = format!(
        "There is no coverage of {}, whose lines are missing from the {} of the total: {}.",
        count(len(&unmeasured), "member"),
        percent(total(&coverage.files).permille()),
        listed(unmeasured.iter().map(sized))
    );
    numbers(GateResult {
        fix: Some("Run a test of it, or exclude it with a reason in coverage/policy.toml.".to_owned()),
        evidence: unmeasured.into_iter().map(str::to_owned).chain(excluded).collect(),
        ..GateResult::new(name("denominator"), Outcome::Invalid, message)
    })
}

/// The number may be believed: every process that should have counted did.
pub(super) fn proof_gate(case: &Case, coverage: &CoverageEvidence) -> GateResult {
    let proof = &coverage.proof;
    let mut doubts: Vec<String> = proof.services.iter().flat_map(service_doubts).collect();
    doubts.extend(absent_services(case, coverage));
    let counting = case.tiers.iter().filter(|tier| is_instrumented(tier.plan) && !case.is_unreached(tier));
    doubts.extend(counting.filter_map(|tier| {
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
    let asked = asked.filter(|tier| !case.is_unreached(tier));
    let asked: BTreeSet<_> = asked.flat_map(|tier| &tier.plan.services).collect();
    asked
        .into_iter()
        .filter(|name| programs.get(name).is_some_and(|program| is_ours(program)) && !proven(name))
        .map(|name| format!("service {name}: nothing is known of its profile"))
        .collect()
}
