//! `evidence`: what a verdict rests on is known: which tests, in which environment, compared with what.
//!
//! Whether every shard handed its evidence back is no part of it. `shards.receipts` says so where there are shards, by receipts
//! that are gone when the evidence is united, so that a stored run that is judged again can't say it anew.

use super::case::Case;
use super::coverage_base::{baseline, named};
use super::words::{count, len, listed, short};
use crate::history::environment_digest;
use std::{cmp::Reverse, collections::BTreeSet};
use tollgate_model::{GateName, GateResult, Outcome, ServiceEvidence};

/// What is known of one of them: how sure it is, a sentence, and what to do where it is not.
type Known = (Outcome, String, Option<String>);

/// In every verdict.
pub(super) fn gate(case: &Case) -> GateResult {
    let mut known = [tests(case), environment(case), base(case)];
    // The worst counts, and comes first.
    known.sort_by_key(|(outcome, ..)| Reverse(*outcome));
    let sentences: Vec<&str> = known.iter().map(|(_, sentence, _)| sentence.as_str()).collect();
    let environment = case.evidence.environment.as_ref();
    GateResult {
        value: environment.map(|environment| short(&environment_digest(environment))),
        baseline: case.evidence.base.as_ref().map(baseline),
        fix: known[0].2.clone(),
        ..GateResult::new(GateName::plain("evidence"), known[0].0, sentences.join(" "))
    }
}

/// Whether they are those of the stage, or one part of several.
fn tests(case: &Case) -> Known {
    let run = &case.evidence.run;
    let changed = if run.dirty { " with changes" } else { "" };
    let of = run.commit.as_ref().map_or("a directory that is no checkout".to_owned(), |commit| short(commit) + changed);
    match case.plan.partition {
        None => (Outcome::Passed, format!("Tests of {of}."), None),
        Some(part) => {
            let fix = "`cargo xtask gate` makes one verdict of all parts.".to_owned();
            (Outcome::Unproven, format!("Part {part} of the tests of {of} alone."), Some(fix))
        }
    }
}

/// Whether it can be told from another one.
fn environment(case: &Case) -> Known {
    let is_needed = case.tiers.iter().any(|tier| !case.is_unreached(tier) && !tier.plan.services.is_empty());
    let Some(environment) = &case.evidence.environment else {
        return if is_needed {
            (Outcome::Invalid, format!("No environment: {}.", case.absence()), None)
        } else {
            (Outcome::Passed, "No environment was needed.".to_owned(), None)
        };
    };
    let programs: BTreeSet<&str> =
        case.plan.members.iter().flat_map(|member| &member.binaries).map(String::as_str).collect();
    let is_unknown = |service: &&ServiceEvidence| {
        // A program of the workspace is told by its sources.
        let name = service.program.rsplit('/').next().unwrap_or_default();
        // `unknown` is what older runs recorded of a program that gave none.
        let version = service.version.as_deref().filter(|version| *version != "unknown");
        service.state.was_up() && version.is_none() && !programs.contains(name)
    };
    let unknown: Vec<_> = environment.services.iter().filter(is_unknown).map(|service| &service.name).collect();
    if !unknown.is_empty() {
        let fix = "Nothing tells this environment from another one. A run of an older version did not record it: run again. Else see \
                   why the engine does not say which image or program ran.";
        let sentence = format!("Of {} nobody knows what ran.", listed(unknown));
        return (Outcome::Invalid, sentence, Some(fix.to_owned()));
    }
    let engine = environment.engine.as_str();
    let services = count(len(&environment.services), "service");
    let digest = short(&environment_digest(environment));
    (Outcome::Passed, format!("Environment {digest} ({engine} engine, {services})."), None)
}

/// Whether the recorded run that a change is compared with is there, or is said not to be.
fn base(case: &Case) -> Known {
    let (evidence, plan) = (case.evidence, case.plan);
    let Some(revision) = &plan.base else {
        return (Outcome::Passed, "No base was asked for.".to_owned(), None);
    };
    let Some(change) = &evidence.change else {
        return (Outcome::Invalid, format!("What differs from {revision} is not known."), None);
    };
    let commit = short(&change.commit);
    if let Some(base) = &evidence.base {
        return (Outcome::Passed, format!("Base {}.", named(base)), None);
    }
    if let Some(why) = &change.unreadable {
        let fix = "Mend what is named, or move .tollgate/history away: runs fill a new one.".to_owned();
        let why = why.trim_end_matches('.');
        return (Outcome::Invalid, format!("Whether a run of {commit} is recorded can't be told: {why}."), Some(fix));
    }
    let fix = format!("Run `cargo xtask ci --stage {}` on the base once; a clean run is recorded.", case.plan.stage);
    let sentence =
        format!("No run of stage {} at {commit} or at one of the commits before it is recorded.", plan.stage);
    (Outcome::Warned, sentence, Some(fix))
}
