//! Many mutants in one program, before any is tried by itself.
//!
//! All mutants of a package that it has tests for which enter their functions are written into the copy at once, each behind a
//! switch, and built once; those that don't compile there are left out. With none switched on, the tests of a mutant must pass. Then
//! they run with that one on. Now and then, and at the end, all of them must pass again with none on, before what was found is
//! written down: what a mutant leaves behind must not count as the end of another one.
//!
//! What a test notices here is certain: it passed in this program while no mutant was on, and failed, or was stopped at
//! its time limit, running mutated code. What passes proves less: these are not all tests, and it may not compile by itself.
//!
//! - Where somebody is asked about survivors it proves nothing: what passes is tried by itself, as is every mutant that is not in the
//!   program. No finding rests on it. That is so of mutants that are named, and of a change whose own program ([`super::change`]) can't be had.
//! - For a score, a mutant that a process came to, with it on, while these tests passed is tried once more, in a program with the
//!   tests of other packages that enter its function. Where those pass too, it is missed. A mistake in this can only make the score
//!   lower: a mutant that would be noticed by itself, or that its package's lints refuse there, is counted as missed, never one as
//!   noticed that is not. Its result says that it was not tried by itself (`joint`), a run that asks about survivors does not take it
//!   over, and the command that reproduces it tries it so. What no process came to is tried by itself here too, and so is what would
//!   be a new survivor where those block or are stored ([`Counted`](super::counted::Counted)), and what decides whether a floor is kept.
//!
//! Mutants are tried one at a time: tests keep out of each other's way, but not of another run of themselves.

mod program;
mod switch;

pub(super) use program::{Joined, Wish, blamed, build, control, rewritten, say_built};
pub(super) use switch::Switch;

use super::{
    interrupted,
    record::Records,
    trials::{Ground, result, tell, unchanged},
};
use crate::{console::Tone, error::CliError};
use program::{Program, program};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tollgate_core::mutation::Candidate;
use tollgate_model::{LogLevel, Milliseconds, MutantOutcome, MutantResult, TestId};
use tollgate_tools::{
    mutants::Put,
    nextest::{self, Built, Trial, TrialEnd},
};

/// Of fewer mutants one build costs as much as theirs.
pub(super) const MUTANTS_MIN: usize = 3;

/// The tests are seen to pass again once trials have taken so many times as long as that takes: a twentieth of the time is
/// spent on it, and no more is lost where they don't.
const PROOF_SHARE: u32 = 20;

/// The tests of a mutant are run in the order of their durations in so many milliseconds; equals as they are given, those that
/// enter the fewest functions first. Before all of them comes the one that noticed the mutant before this one, its neighbour.
const SLOW_MS: Milliseconds = 100;

/// A mutant that may be in a program.
struct Wanted<'a> {
    /// What switches it on: its place in the queue, from 1.
    id: u32,
    candidate: &'a Candidate,
    /// The tests that are run with it on.
    tests: Vec<TestId>,
    /// Those of other packages that enter its function, which are run if these pass; none where it is tried by itself then.
    others: Vec<TestId>,
}

impl<'a> Wanted<'a> {
    /// Those that are tried with the tests that are left.
    fn further(&self) -> Option<Wanted<'a>> {
        let tests = self.others.clone();
        (!tests.is_empty()).then_some(Wanted { id: self.id, candidate: self.candidate, tests, others: Vec::new() })
    }
}

/// Names of the mutants that were tried so.
#[derive(Default)]
pub(super) struct Tried {
    /// What became of them is written down.
    pub(super) decided: BTreeSet<String>,
    /// The tests of their own packages that enter their functions pass.
    pub(super) passed: BTreeSet<String>,
    /// Trials so far.
    trials: usize,
}

impl Tried {
    /// What is left of it where a proof failed: what was written down before.
    pub(super) fn spoilt(self) -> Self {
        Self { passed: BTreeSet::new(), ..self }
    }
}

/// Tries what can be tried so, as long as time is left, and writes down what is certain. Every package has a program of its own:
/// an error in one keeps no other from being compiled. Those that others depend on come last, as they are compiled anew when
/// the mutants are out again.
///
/// # Errors
/// When a signal ends the run, the copy can't be written, a tool can't work, and when results can't be written.
pub(super) fn try_all(
    ground: &Ground<'_>,
    queue: &[Candidate],
    records: &mut Records,
    left: &dyn Fn() -> Duration,
) -> Result<Tried, CliError> {
    let mut tried = Tried::default();
    for (package, wanted) in wanted(ground, queue, records) {
        let (own, other): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|one| !one.tests.is_empty());
        let mut further: Vec<Wanted<'_>> = other.iter().filter_map(Wanted::further).collect();
        further.extend(try_program(ground, &package, &own, queue.len(), records, left, &mut tried)?);
        try_program(ground, &package, &further, queue.len(), records, left, &mut tried)?;
    }
    Ok(tried)
}

/// Makes a program of these mutants and tries them; those that pass and have other tests.
fn try_program<'a>(
    ground: &Ground<'_>,
    package: &str,
    wanted: &[Wanted<'a>],
    total: usize,
    records: &mut Records,
    left: &dyn Fn() -> Duration,
    tried: &mut Tried,
) -> Result<Vec<Wanted<'a>>, CliError> {
    if wanted.len() < MUTANTS_MIN || left().is_zero() {
        return Ok(Vec::new());
    }
    let had = program(ground, package, wanted, left);
    if let Some(error) = interrupted(ground.session) {
        return Err(error);
    }
    match had? {
        Ok(program) => try_those(ground, &program, wanted, total, records, left, tried),
        Err(why) => {
            let text = format!("mutants of `{package}` are tried one by one, as one program can't have them: {why}");
            ground.session.reporter.say(LogLevel::Note, text);
            Ok(Vec::new())
        }
    }
}

/// Tries the mutants of a program; those that pass and have other tests.
fn try_those<'a>(
    ground: &Ground<'_>,
    program: &Program,
    wanted: &[Wanted<'a>],
    total: usize,
    records: &mut Records,
    left: &dyn Fn() -> Duration,
    tried: &mut Tried,
) -> Result<Vec<Wanted<'a>>, CliError> {
    let session = ground.session;
    let (mut further, mut unproven, mut proven_at) = (Vec::new(), Vec::new(), Instant::now());
    let (mut noticed, mut missed) = (0, 0);
    let mut before: Option<TestId> = None;
    let tests: BTreeSet<TestId> = program.durations.keys().cloned().collect();
    for one in wanted.iter().filter(|one| program.ids.contains(&one.id)) {
        if left().is_zero() {
            break;
        }
        let mutant = &one.candidate.mutant;
        session.reporter.console().live("Trying", &format!("{}/{total} · {}", one.id, mutant.name));
        tried.trials += 1;
        let (began, trial) = (Instant::now(), trial(ground, program, one, before.as_ref()));
        let work = || nextest::trial_of(&ground.scratch.toolbox, &program.built, &trial);
        let (end, is_reached) = ground.switch.with(one.id, tried.trials, work)?;
        if let Some(error) = interrupted(session) {
            return Err(error);
        }
        // Where it proves nothing the mutant is tried by itself, and what is wrong is said there.
        let Some(said) = end.ok().and_then(|end| said(end, &one.tests)) else { continue };
        if said.0 == MutantOutcome::Missed {
            tried.passed.insert(mutant.name.clone());
            let (next, is_counted) = (one.further(), ground.counted.has(mutant));
            let is_missed = is_reached && is_counted && next.is_none();
            further.extend(next.filter(|_| is_reached || !is_counted));
            if !is_missed {
                continue;
            }
        }
        let (outcome, noticed_by) = said;
        before = noticed_by.clone().or(before);
        let result = MutantResult { joint: true, ..result(one.candidate, outcome, noticed_by, began.elapsed()) };
        records.add(&result);
        tell(session, &result, one.id as usize, total);
        *if outcome == MutantOutcome::Missed { &mut missed } else { &mut noticed } += 1;
        unproven.push(result.mutant.name);
        if proven_at.elapsed() >= program.took * PROOF_SHARE {
            if !prove(ground, &program.built, &tests, records, &mut None)? {
                return Ok(Vec::new());
            }
            tried.decided.extend(unproven.drain(..));
            proven_at = Instant::now();
        }
    }
    if !unproven.is_empty() {
        if !prove(ground, &program.built, &tests, records, &mut None)? {
            return Ok(Vec::new());
        }
        tried.decided.extend(unproven);
    }
    let also = if missed > 0 { format!("; {missed} are missed") } else { String::new() };
    let text = format!("{noticed} of {} mutants in one program{also}", program.ids.len());
    session.reporter.console().status(Tone::Good, "Noticed", &text);
    Ok(further)
}

/// What the end of a trial with these tests says of its mutant, and which test does; none where it says nothing.
pub(super) fn said(end: TrialEnd, tests: &[TestId]) -> Option<(MutantOutcome, Option<TestId>)> {
    match end {
        TrialEnd::Failed(test) if tests.contains(&test) => Some((MutantOutcome::Caught, Some(test))),
        TrialEnd::TimedOut(Some(test)) if tests.contains(&test) => Some((MutantOutcome::TimedOut, Some(test))),
        // A mutant can also make a program list fewer tests than it has.
        TrialEnd::Passed(ran) if ran >= tests.len() => Some((MutantOutcome::Missed, None)),
        _ => None,
    }
}

/// Writes down what was found, if these tests, which passed before, still do while no mutant is on; else nothing was, and what is
/// put into the copy is taken out.
pub(super) fn prove(
    ground: &Ground<'_>,
    built: &Built,
    tests: &BTreeSet<TestId>,
    records: &mut Records,
    put: &mut Option<Put>,
) -> Result<bool, CliError> {
    ground.session.reporter.console().live("Running", "the tests of the program while no mutant is on");
    let ran = control(ground, built, tests, ground.baseline.limit);
    if let Some(error) = interrupted(ground.session) {
        return Err(error);
    }
    let why = match ran {
        Ok(durations) => match tests.iter().find(|test| !durations.contains_key(test)) {
            None => return records.write().map(|()| true),
            Some(test) => format!("test `{test}` fails with none on after them"),
        },
        Err(why) => why,
    };
    let trials = records.forget();
    let text = format!("{trials} mutants that were tried in one program are tried one by one: {why}");
    ground.session.reporter.say(LogLevel::Warning, text);
    put.take().map_or(Ok(()), Put::restore)?;
    // What fails without any mutant would notice each of those that are tried alone.
    match unchanged(ground)? {
        None => Ok(false),
        Some(failed) => Err(CliError::Spoilt { failed, trials }),
    }
}

/// The mutants of the queue that may be in programs, by package; none beside services, whose programs are none of them.
fn wanted<'a>(ground: &Ground<'_>, queue: &'a [Candidate], records: &Records) -> Vec<(String, Vec<Wanted<'a>>)> {
    if ground.beside.is_some() {
        return Vec::new();
    }
    let mut packages: BTreeMap<&str, Vec<Wanted<'a>>> = BTreeMap::new();
    for (id, candidate) in (1..).zip(queue) {
        let package = candidate.mutant.package.as_str();
        let entering = candidate.tests.iter().flatten().cloned();
        let (tests, mut others): (Vec<_>, Vec<_>) = entering.partition(|test| test.package() == package);
        if !ground.counted.is_score() {
            others.clear();
        }
        if records.of(&candidate.mutant).is_none() && !(tests.is_empty() && others.is_empty()) {
            packages.entry(package).or_default().push(Wanted { id, candidate, tests, others });
        }
    }
    let mut packages: Vec<_> = packages.into_iter().map(|(package, wanted)| (package.to_owned(), wanted)).collect();
    packages.sort_by_key(|(package, _)| ground.noticing.get(package).map(|noticing| noticing.packages.len()));
    packages
}

/// What runs the tests of a mutant.
fn trial(ground: &Ground<'_>, program: &Program, one: &Wanted<'_>, before: Option<&TestId>) -> Trial {
    let slowest = one.tests.iter().filter_map(|test| program.durations.get(test)).max();
    let mut first = one.tests.clone();
    first.sort_by_key(|test| (Some(test) != before, program.durations.get(test).map(|ms| ms / SLOW_MS)));
    Trial {
        first,
        test_timeout_ms: ground.baseline.bounded(slowest.copied().unwrap_or_default()),
        ..ground.trial(std::slice::from_ref(&one.candidate.mutant.package), Some(one.tests.clone()), &[])
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use MutantOutcome::{Caught, Missed, TimedOut};

    #[test]
    fn an_end_says_something_where_it_is_that_of_the_tests_of_the_mutant_and_of_all_of_them() {
        let test = |name: &str| TestId::new("a", name);
        let said = |end: TrialEnd| said(end, &[test("one"), test("two")]);
        assert_eq!(said(TrialEnd::Failed(test("two"))), Some((Caught, Some(test("two")))));
        assert_eq!(said(TrialEnd::Failed(test("three"))), None);
        assert_eq!(said(TrialEnd::TimedOut(Some(test("one")))), Some((TimedOut, Some(test("one")))));
        assert_eq!(said(TrialEnd::TimedOut(Some(test("three")))), None);
        assert_eq!(said(TrialEnd::TimedOut(None)), None);
        assert_eq!(said(TrialEnd::Passed(2)), Some((Missed, None)));
        // Too many to be named on a command line: others ran as well.
        assert_eq!(said(TrialEnd::Passed(3)), Some((Missed, None)));
        assert_eq!(said(TrialEnd::Passed(1)), None);
        assert_eq!(said(TrialEnd::NoTests), None);
        assert_eq!(said(TrialEnd::NotBuilt), None);
    }
}
