//! The program of a change: all of its mutants, each behind a switch, with every test that could notice one, built once.
//!
//! While none is on it is the unchanged workspace: its tests must pass, and what they reach says which mutants are tried. Then
//! each of these is tried with the tests that enter its function, and what they don't notice with all. So a change costs one build of
//! the packages that depend on it, which takes most of the time that mutants take.
//!
//! What no test notices here is a survivor as it is by itself, since
//!
//! - every process is told by a file which mutant is on, and aborts where it can't read it, as tests would show while none is on;
//! - a process came to the mutant while these tests passed, and they are all that there are;
//! - no procedural macro and no build script may have code of its package, in which it would be on while others compile;
//! - it compiles by itself, in all packages that a trial of it compiles: a lint may refuse what it leaves alone here. The compiler is
//!   asked, which makes nothing.
//!
//! What one of these does not hold for is tried by itself, and so are mutants that can't be in the program. Where it can't be built
//! or a test of it fails while none is on, there is none, and all is done without it. Nor is there one where tests need
//! services, whose programs have none of it.

use super::{
    baseline::Built,
    interrupted,
    joint::{Joined, Switch, Tried, Wish, build, prove, said, say_built},
    record::Records,
    trials::{Ground, TRIALS_UNPROVEN_MAX, result, tell},
};
use crate::{console::Tone, error::CliError, session::Session};
use camino::Utf8Path;
use std::{
    cell::{Cell, OnceCell},
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tollgate_core::mutation::Candidate;
use tollgate_model::{LogLevel, Mutant, MutantOutcome, MutantResult, TestId};
use tollgate_tools::{
    ToolError,
    mutants::{Put, Scratch},
    nextest::{self, Chosen, Trial},
};

/// What is said where there is none.
pub(super) const NOT_IN_ONE: &str = "mutants of the change are not tried in one program";

/// The program, and what is in the copy while tests may compile that.
pub(super) struct Change {
    tests: nextest::Built,
    /// What switches a mutant on, by its name.
    ids: BTreeMap<String, u32>,
    put: Put,
}

impl Change {
    /// Builds tests of these packages with these mutants in them; none where that can't be, for whatever reason, which is said.
    /// `left` is the time for it since then.
    ///
    /// # Errors
    /// When a signal ends the run, and when the copy can't be read or written.
    pub(super) fn of(
        scratch: &Scratch,
        switch: &Switch,
        directory: &Utf8Path,
        (packages, chosen): (&BTreeSet<String>, Chosen<'_>),
        mutants: &[Mutant],
        session: &Session,
        left: &dyn Fn(Instant) -> Duration,
    ) -> Result<Option<(Built, Self)>, CliError> {
        let packages: Vec<String> = packages.iter().cloned().collect();
        let wish = Wish {
            whose: "the change",
            packages: &packages,
            chosen,
            is_instrumented: true,
            directory: &directory.join("change"),
            least: 1,
        };
        // Without any mutant the unchanged workspace would be built; only what comes after it is on somebody's time.
        let (is_first, later) = (Cell::new(true), OnceCell::new());
        let left = || if is_first.replace(false) { Duration::MAX } else { left(*later.get_or_init(Instant::now)) };
        let had = build(scratch, switch.path(), session, &wish, (1..).zip(mutants).collect(), &left);
        if let Some(error) = interrupted(session) {
            return Err(error);
        }
        let had = match had {
            // The copy may not be what the workspace is.
            Err(error @ (CliError::Tool(ToolError::File { .. }) | CliError::Read { .. })) => return Err(error),
            Err(error) => Err(error.to_string()),
            Ok(had) => had,
        };
        let Joined { built: tests, ids, put, took } = match had {
            Ok(joined) => joined,
            Err(why) => {
                session.reporter.say(LogLevel::Note, format!("{NOT_IN_ONE}: {why}"));
                return Ok(None);
            }
        };
        say_built(session, wish.whose, ids.len(), mutants.len());
        let named = (1..).zip(mutants).filter(|(id, _)| ids.contains(id));
        let ids = named.map(|(id, mutant)| (mutant.name.clone(), id)).collect();
        Ok(Some((Built::of_tests(tests.clone(), took), Self { tests, ids, put })))
    }

    /// Takes the mutants out of the copy.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn restore(self) -> Result<(), CliError> {
        Ok(self.put.restore()?)
    }
}

/// Tries those of the queue that are in the program, as long as time is left, and writes down what became of them; whether what no
/// test noticed compiles by itself is asked until the time is up.
///
/// # Errors
/// When a signal ends the run, the copy can't be written, a tool can't work, and when results can't be written.
pub(super) fn try_all(
    ground: &Ground<'_>,
    change: Change,
    queue: &[Candidate],
    records: &mut Records,
    left: &dyn Fn() -> Duration,
    is_late: &dyn Fn() -> bool,
) -> Result<Tried, CliError> {
    let Change { tests, ids, put } = change;
    let session = ground.session;
    let (mut tried, mut put, mut passed) = (Tried::default(), Some(put), Vec::new());
    let (mut unproven, mut noticing) = (Vec::new(), BTreeSet::new());
    // A line has one survivor at most; others of it are worth no more than the tests that enter their functions.
    let mut surviving = BTreeSet::new();
    for (index, candidate) in queue.iter().enumerate() {
        let (mutant, place) = (&candidate.mutant, (&candidate.mutant.file, candidate.line));
        let Some(id) = ids.get(&mutant.name).filter(|_| records.of(mutant).is_none()) else { continue };
        if left().is_zero() {
            break;
        }
        session.reporter.console().live("Trying", &format!("{}/{} · {}", index + 1, queue.len(), mutant.name));
        let began = Instant::now();
        let is_first = !surviving.contains(&place);
        let (end, is_reached) = ground.switch.with(*id, index, || try_one(ground, &tests, candidate, is_first))?;
        if let Some(error) = interrupted(session) {
            return Err(error);
        }
        // Where it proves nothing the mutant is tried by itself, and what is wrong is said there.
        let Some((outcome, noticed_by)) = end.ok().flatten() else { continue };
        if outcome == MutantOutcome::Missed {
            tried.passed.insert(mutant.name.clone());
            if is_reached && ground.noticing.get(&mutant.package).is_some_and(|noticing| !noticing.is_compiling) {
                surviving.insert(place);
                passed.push((index, candidate, began.elapsed()));
            }
            continue;
        }
        noticing.extend(noticed_by.clone());
        let result = MutantResult { joint: true, ..result(candidate, outcome, noticed_by, began.elapsed()) };
        records.add(&result);
        tell(session, &result, index + 1, queue.len());
        unproven.push(result.mutant.name);
        if unproven.len() >= TRIALS_UNPROVEN_MAX {
            if !prove(ground, &tests, &noticing, records, &mut put)? {
                return Ok(tried.spoilt());
            }
            tried.decided.extend(unproven.drain(..));
        }
    }
    if !unproven.is_empty() && !prove(ground, &tests, &noticing, records, &mut put)? {
        return Ok(tried.spoilt());
    }
    tried.decided.extend(unproven);
    put.map_or(Ok(()), Put::restore)?;
    let text = format!("{} of {} mutants in one program", tried.decided.len(), ids.len());
    session.reporter.console().status(Tone::Good, "Noticed", &text);
    for (index, candidate, took) in passed {
        if is_late() {
            break;
        }
        let began = Instant::now();
        if compiles(ground, &candidate.mutant)? {
            let result = result(candidate, MutantOutcome::Missed, None, took + began.elapsed());
            records.add(&result);
            records.write()?;
            tell(session, &result, index + 1, queue.len());
            tried.decided.insert(result.mutant.name);
        }
    }
    Ok(tried)
}

/// Runs the tests that enter a mutant's function, and then all if `is_thorough`: what became of it; none where they don't say.
fn try_one(
    ground: &Ground<'_>,
    tests: &nextest::Built,
    candidate: &Candidate,
    is_thorough: bool,
) -> Result<Option<(MutantOutcome, Option<TestId>)>, ToolError> {
    let packages = ground.packages();
    let run = |trial: &Trial| nextest::trial_of(&ground.scratch.toolbox, tests, trial);
    let entering = candidate.tests.clone().unwrap_or_default();
    if !entering.is_empty() {
        let trial = Trial { first: entering.clone(), ..ground.trial(&packages, Some(entering.clone()), &[]) };
        match said(run(&trial)?, &entering) {
            Some((MutantOutcome::Missed, _)) | None => {}
            noticed => return Ok(noticed),
        }
    }
    if !is_thorough {
        return Ok(None);
    }
    let all: Vec<TestId> = ground.baseline.tests(&packages).into_iter().collect();
    Ok(said(run(&ground.trial(&packages, None, &[]))?, &all))
}

/// Whether what a trial of the mutant by itself compiles does compile.
fn compiles(ground: &Ground<'_>, mutant: &Mutant) -> Result<bool, CliError> {
    ground.session.reporter.console().live("Checking", &mutant.name);
    let packages = ground.noticing.get(&mutant.package).map_or(&[][..], |noticing| &noticing.packages);
    let binaries = ground.baseline.binaries(packages);
    let work = |toolbox: &_| nextest::checked(toolbox, packages, &binaries, ground.baseline.limit);
    let errors = ground.scratch.with_mutant(mutant, work);
    match interrupted(ground.session) {
        Some(error) => Err(error),
        None => Ok(errors? == Some(Vec::new())),
    }
}
