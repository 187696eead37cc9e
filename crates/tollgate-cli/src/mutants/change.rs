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
//! - no procedural macro or build script is made of its package, in which it would be on while others compile;
//! - it compiles by itself: a lint or a type may refuse what it leaves alone here. The compiler is asked, which makes nothing.
//!
//! What one of these does not hold for is tried by itself, and so are mutants that can't be in the program. Where the program can't be
//! built, or one of its tests fails while none is on, there is none, and all is done without it. Nor is there one where tests need services, whose programs have none of it.

use super::{
    baseline::Built,
    interrupted,
    joint::{Switch, Tried, Wish, build, prove, said},
    record::Records,
    trials::{Ground, tell},
};
use crate::{console::Tone, error::CliError, session::Session};
use camino::Utf8Path;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tollgate_core::mutation::Candidate;
use tollgate_model::{LogLevel, Mutant, MutantOutcome, MutantResult, ReachedBy, TestId};
use tollgate_tools::{
    ToolError,
    mutants::{Put, Scratch},
    nextest::{self, Trial},
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
    /// Builds the tests of these packages with these mutants in them; none where that can't be, which is said.
    ///
    /// # Errors
    /// When a signal ends the run, the copy can't be written, and when a tool can't work.
    pub(super) fn of(
        scratch: &Scratch,
        switch: &Switch,
        directory: &Utf8Path,
        packages: &BTreeSet<String>,
        mutants: &[Mutant],
        session: &Session,
    ) -> Result<Option<(Built, Self)>, CliError> {
        let (console, began) = (session.reporter.console(), Instant::now());
        let packages: Vec<String> = packages.iter().cloned().collect();
        let wish = Wish {
            whose: "the change",
            packages: &packages,
            tests: &BTreeSet::new(),
            is_instrumented: true,
            directory: &directory.join("change"),
            least: 1,
        };
        let had = build(scratch, switch.path(), session, &wish, (1..).zip(mutants).collect(), &|| Duration::MAX);
        if let Some(error) = interrupted(session) {
            return Err(error);
        }
        let (tests, ids, put) = match had? {
            Ok(built) => built,
            Err(why) => {
                session.reporter.say(LogLevel::Note, format!("{NOT_IN_ONE}: {why}"));
                return Ok(None);
            }
        };
        let alone = match mutants.len() - ids.len() {
            0 => String::new(),
            alone => format!(", {alone} can't be in it"),
        };
        console.status(Tone::Good, "Built", &format!("one program with {} mutants of the change{alone}", ids.len()));
        let named = (1..).zip(mutants).filter(|(id, _)| ids.contains(id));
        let ids = named.map(|(id, mutant)| (mutant.name.clone(), id)).collect();
        let built = Built::of_tests(tests.clone(), directory, began.elapsed());
        Ok(Some((built, Self { tests, ids, put })))
    }

    /// Takes the mutants out of the copy.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn restore(self) -> Result<(), CliError> {
        Ok(self.put.restore()?)
    }
}

/// Tries those of the queue that are in the program until the time is up, and writes down what became of them.
///
/// # Errors
/// When a signal ends the run, the copy can't be written, a tool can't work, and when results can't be written.
pub(super) fn try_all(
    ground: &Ground<'_>,
    change: Change,
    queue: &[Candidate],
    records: &mut Records,
    is_late: &dyn Fn() -> bool,
) -> Result<Tried, CliError> {
    let (mut tried, mut noticing, mut passed) = (Tried::default(), BTreeSet::new(), Vec::new());
    // A line has one survivor at most, and what others of it do is nobody's concern then.
    let mut surviving = BTreeSet::new();
    let (mut noticed, session) = (Vec::new(), ground.session);
    for (index, candidate) in queue.iter().enumerate() {
        let (mutant, place) = (&candidate.mutant, (&candidate.mutant.file, candidate.line));
        let Some(id) = change.ids.get(&mutant.name).filter(|_| records.of(mutant).is_none()) else { continue };
        if is_late() {
            break;
        }
        if surviving.contains(&place) {
            continue;
        }
        session.reporter.console().live("Trying", &format!("{}/{} · {}", index + 1, queue.len(), mutant.name));
        let began = Instant::now();
        let (end, is_reached) = ground.switch.with(*id, index, || try_one(ground, &change, candidate))?;
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
        noticed.push(result.mutant.name);
    }
    let Change { tests, ids, put } = change;
    put.restore()?;
    if !noticed.is_empty() && !prove(ground, &tests, &noticing, records)? {
        return Ok(Tried::default());
    }
    session.reporter.console().status(
        Tone::Good,
        "Noticed",
        &format!("{} of {} mutants in one program", noticed.len(), ids.len()),
    );
    tried.decided.extend(noticed);
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

/// Runs the tests that enter a mutant's function, and then all: what became of it; none where they don't say.
fn try_one(
    ground: &Ground<'_>,
    change: &Change,
    candidate: &Candidate,
) -> Result<Option<(MutantOutcome, Option<TestId>)>, ToolError> {
    let packages = ground.packages();
    let run = |trial: &Trial| nextest::trial_of(&ground.scratch.toolbox, &change.tests, trial);
    let entering = candidate.tests.clone().unwrap_or_default();
    if !entering.is_empty() {
        let trial = Trial { first: entering.clone(), ..ground.trial(&packages, Some(entering.clone()), &[]) };
        match said(run(&trial)?, &entering) {
            Some((MutantOutcome::Missed, _)) | None => {}
            noticed => return Ok(noticed),
        }
    }
    let all: Vec<TestId> = ground.baseline.tests(&packages).into_iter().collect();
    Ok(said(run(&ground.trial(&packages, None, &[]))?, &all))
}

/// Whether its package compiles with the mutant by itself, and so does what tests it there.
fn compiles(ground: &Ground<'_>, mutant: &Mutant) -> Result<bool, CliError> {
    ground.session.reporter.console().live("Checking", &mutant.name);
    let binaries = ground.baseline.binaries(std::slice::from_ref(&mutant.package));
    let work = |toolbox: &_| nextest::checked(toolbox, &mutant.package, &binaries, ground.baseline.limit);
    let errors = ground.scratch.with_mutant(mutant, work);
    match interrupted(ground.session) {
        Some(error) => Err(error),
        None => Ok(errors? == Some(Vec::new())),
    }
}

fn result(candidate: &Candidate, outcome: MutantOutcome, noticed_by: Option<TestId>, took: Duration) -> MutantResult {
    MutantResult {
        mutant: candidate.mutant.clone(),
        line: candidate.line,
        outcome,
        noticed_by,
        fell: None,
        joint: false,
        reached_by: ReachedBy::of(candidate.tests.as_deref().unwrap_or_default()),
        wall_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    }
}
