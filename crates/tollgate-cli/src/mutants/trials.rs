//! Trying mutants, one after the other.

use super::{Baseline, interrupted, millis, record::Records};
use crate::{console::Tone, error::CliError, reporter::seconds, session::Session};
use camino::Utf8Path;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tollgate_core::mutation::{Candidate, LeftOut, Selection, Why};
use tollgate_model::{MutantOutcome, MutantResult, TestId};
use tollgate_tools::{
    ToolError, Toolbox,
    mutants::Scratch,
    nextest::{self, Trial, TrialEnd},
};

/// A mutant can make the compiler or a test binary's listing run for ever.
const TRIAL_TIMEOUT: Duration = Duration::from_mins(10);

/// After so many trials beside services the unchanged workspace is tried again: seldom enough to cost little, and often
/// enough that an interrupted run does not lose much.
const TRIALS_UNPROVEN_MAX: usize = 20;

/// Tries the queue until it is done or the time is up. What is not tried goes to the left-out ones, with the reason.
///
/// Services are shared by all trials, so results beside them are only written down once the tests of the unchanged workspace
/// have passed after them: what a mutant leaves in a service must not count as the end of another one.
///
/// # Errors
/// When a tool can't work, a service has died or was spoilt, and when a signal ends the run; what was found until then is
/// written down.
#[expect(clippy::too_many_arguments, reason = "one caller, and each is a thing of its own")]
pub(super) fn try_all(
    scratch: &Scratch,
    baseline: &Baseline,
    noticing: &BTreeMap<String, Vec<String>>,
    selection: &mut Selection,
    records: &mut Records,
    budget: Option<Duration>,
    one_a_line: bool,
    is_dead: &dyn Fn() -> bool,
    session: &Session,
) -> Result<Vec<MutantResult>, CliError> {
    let console = session.reporter.console();
    let began = Instant::now();
    let queue = std::mem::take(&mut selection.queue);
    let (total, mut results) = (queue.len(), Vec::new());
    let mut surviving: BTreeSet<(String, u32)> = BTreeSet::new();
    let (mut taken, mut missed) = (0, 0);
    for (index, candidate) in queue.into_iter().enumerate() {
        if let Some(error) = interrupted(session) {
            return Err(error);
        }
        let place = (candidate.mutant.file.clone(), candidate.line);
        if one_a_line && surviving.contains(&place) {
            selection.left_out.push(LeftOut { mutant: candidate.mutant, why: Why::SameLine });
            continue;
        }
        let known = records.of(&candidate.mutant).cloned();
        if known.is_none() && budget.is_some_and(|budget| began.elapsed() >= budget) {
            selection.left_out.push(LeftOut { mutant: candidate.mutant, why: Why::Budget });
            continue;
        }
        console.live("Trying", &format!("{}/{total} · {missed} missed · {}", index + 1, candidate.mutant.name));
        taken += u32::from(known.is_some());
        let result = if let Some(result) = known {
            result
        } else {
            let packages = noticing.get(&candidate.mutant.package).map(Vec::as_slice).unwrap_or_default();
            let result = try_one(scratch, baseline, packages, candidate)?;
            if is_dead() {
                return Err(CliError::Services { detail: "a service died while a mutant was tried".to_owned() });
            }
            records.add(&result);
            if !baseline.has_services() {
                records.write()?;
            } else if records.unwritten() >= TRIALS_UNPROVEN_MAX {
                prove(scratch, baseline, noticing, records, session)?;
            }
            tell(session, &result, index + 1, total);
            result
        };
        if result.outcome == MutantOutcome::Missed {
            missed += 1;
            surviving.insert(place);
        }
        results.push(result);
    }
    if records.unwritten() > 0 {
        prove(scratch, baseline, noticing, records, session)?;
    }
    if taken > 0 {
        console.status(Tone::Good, "Taken over", &format!("{taken} results of an earlier run"));
    }
    Ok(results)
}

/// Runs the tests of the unchanged workspace once more, and writes down what was found since they last passed.
fn prove(
    scratch: &Scratch,
    baseline: &Baseline,
    noticing: &BTreeMap<String, Vec<String>>,
    records: &mut Records,
    session: &Session,
) -> Result<(), CliError> {
    session.reporter.console().live("Running", "the tests of the unchanged workspace");
    let packages: BTreeSet<String> = noticing.values().flatten().cloned().collect();
    let packages: Vec<String> = packages.into_iter().collect();
    let failed = match whole(&scratch.toolbox, scratch, baseline, &packages)? {
        TrialEnd::Passed(_) | TrialEnd::NoTests => return records.write(),
        TrialEnd::Failed(test) | TrialEnd::TimedOut(Some(test)) => format!("test `{test}` fails"),
        TrialEnd::TimedOut(None) => "the tests take too long".to_owned(),
        TrialEnd::NotBuilt => "it does not compile".to_owned(),
    };
    Err(CliError::Spoilt { failed, trials: records.unwritten() })
}

fn tell(session: &Session, result: &MutantResult, index: usize, total: usize) {
    let console = session.reporter.console();
    let text = format!("{} ({index}/{total}, {})", result.mutant.name, seconds(result.wall_ms));
    match result.outcome {
        MutantOutcome::Missed => console.status(Tone::Warning, "Missed", &text),
        MutantOutcome::TimedOut => console.status(Tone::Plain, "Timed out", &text),
        MutantOutcome::Caught | MutantOutcome::Unviable if !console.is_live() => {
            let verb = if result.outcome == MutantOutcome::Caught { "Caught" } else { "Unviable" };
            console.status(Tone::Good, verb, &text);
        }
        MutantOutcome::Caught | MutantOutcome::Unviable => {}
    }
}

/// First the tests of the mutant's own package that enter its function, which need the least building; then all.
fn try_one(
    scratch: &Scratch,
    baseline: &Baseline,
    packages: &[String],
    candidate: Candidate,
) -> Result<MutantResult, CliError> {
    let began = Instant::now();
    let Candidate { mutant, tests, .. } = candidate;
    let own: Vec<TestId> = tests.iter().flatten().filter(|test| test.package() == mutant.package).cloned().collect();
    let end = scratch.with_mutant(&mutant, |toolbox| {
        if !own.is_empty() {
            let first = trial(scratch, baseline, std::slice::from_ref(&mutant.package), Some(own));
            match nextest::trial(toolbox, &first)? {
                TrialEnd::Passed(_) | TrialEnd::NoTests => {}
                end => return Ok(end),
            }
        }
        whole(toolbox, scratch, baseline, packages)
    })?;
    let (outcome, noticed_by) = match end {
        TrialEnd::Failed(test) => (MutantOutcome::Caught, Some(test)),
        TrialEnd::TimedOut(test) => (MutantOutcome::TimedOut, test),
        TrialEnd::NotBuilt => (MutantOutcome::Unviable, None),
        // Where there is no test, none notices it.
        TrialEnd::Passed(_) | TrialEnd::NoTests => (MutantOutcome::Missed, None),
    };
    Ok(MutantResult { mutant, outcome, noticed_by, reached_by: tests.unwrap_or_default(), wall_ms: millis(began) })
}

fn whole(
    toolbox: &Toolbox,
    scratch: &Scratch,
    baseline: &Baseline,
    packages: &[String],
) -> Result<TrialEnd, ToolError> {
    nextest::trial(toolbox, &trial(scratch, baseline, packages, None))
}

fn trial(scratch: &Scratch, baseline: &Baseline, packages: &[String], tests: Option<Vec<TestId>>) -> Trial {
    Trial {
        filter: baseline.filter.clone(),
        packages: packages.to_vec(),
        test_timeout_ms: baseline.timeout_ms(tests.as_deref()),
        tests,
        timeout: TRIAL_TIMEOUT,
        threads: baseline.threads,
        env: baseline.variables.clone(),
        runner: Some((baseline.host.clone(), scratch.runner.clone())),
        directory: scratch.runner.parent().unwrap_or(Utf8Path::new(".")).join("trial"),
    }
}
