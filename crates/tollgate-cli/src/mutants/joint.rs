//! Many mutants in one program, before any is tried by itself.
//!
//! All mutants of a package that it has tests for which enter their functions are written into the copy at once, each behind a
//! switch, and built once; those that don't compile there are left out. With none switched on, the tests of a mutant must pass. Then
//! they run with that one on. Now and then, and at the end, all of them must pass again with none on, before what was found is
//! written down: what a mutant leaves behind must not count as the end of another one.
//!
//! Only what a test notices is certain here: it passed in this program while no mutant was on, and failed, or was stopped at
//! its time limit, running mutated code. What passes proves nothing, as the switch may not have reached the mutant: it is
//! tried by itself, as is every mutant that is not in the program. So no finding rests on it, and that it can't be had is none.
//!
//! Mutants are tried one at a time: tests keep out of each other's way, but not of another run of themselves.

use super::{
    interrupted, millis,
    record::Records,
    trials::{Ground, TRIAL_TIMEOUT, own, tell, unchanged},
};
use crate::{console::Tone, error::CliError};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};
use tollgate_core::mutation::{Candidate, SWITCH_VARIABLE, Schemata, schemata};
use tollgate_model::{LogLevel, Milliseconds, Mutant, MutantOutcome, MutantResult, TestId, TestOutcome};
use tollgate_tools::{
    ToolError, Toolbox,
    nextest::{self, Built, CompilerError, Joint, Trial, TrialEnd},
};

/// Of fewer mutants one build costs as much as theirs.
const MUTANTS_MIN: usize = 3;

/// The compiler finds errors of names, types and borrows one kind after the other, and what a part of a crate hides.
const ROUNDS_MAX: usize = 8;

/// A program with a thousand mutants takes the compiler longer than one.
const BUILD_TIMEOUT: Duration = Duration::from_mins(30);

/// The tests are seen to pass again once trials have taken so many times as long as that takes: a twentieth of the time is
/// spent on it, and no more is lost where they don't.
const PROOF_SHARE: u32 = 20;

/// What was asked for, or why it can't be had.
type Had<T> = Result<Result<T, String>, CliError>;

/// A mutant that may be in a program.
struct Wanted<'a> {
    /// What switches it on: its place in the queue, from 1.
    id: u32,
    candidate: &'a Candidate,
    own: Vec<TestId>,
}

/// The program, and what its tests take while no mutant is on.
struct Program {
    built: Built,
    ids: BTreeSet<u32>,
    /// Of the tests that pass.
    durations: BTreeMap<TestId, Milliseconds>,
    /// What all of them take together.
    took: Duration,
}

/// Names of the mutants that were tried so.
#[derive(Default)]
pub(super) struct Tried {
    /// What became of them is written down.
    pub(super) noticed: BTreeSet<String>,
    /// The tests of their own packages that enter their functions pass.
    pub(super) passed: BTreeSet<String>,
}

/// Tries what can be tried so, as long as time is left, and writes down what was noticed. Every package has a program of its own:
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
        if wanted.len() < MUTANTS_MIN || left().is_zero() {
            continue;
        }
        let program = program(ground, &package, &wanted, left);
        if let Some(error) = interrupted(ground.session) {
            return Err(error);
        }
        match program? {
            Ok(program) => {
                let before = tried.noticed.len();
                try_those(ground, &program, &wanted, queue.len(), records, left, &mut tried)?;
                let text = format!("{} of {} mutants in one program", tried.noticed.len() - before, program.ids.len());
                ground.session.reporter.console().status(Tone::Good, "Noticed", &text);
            }
            Err(why) => {
                let text =
                    format!("mutants of `{package}` are tried one by one, as one program can't have them: {why}");
                ground.session.reporter.say(LogLevel::Note, text);
            }
        }
    }
    Ok(tried)
}

/// Tries the mutants of a program.
fn try_those(
    ground: &Ground<'_>,
    program: &Program,
    wanted: &[Wanted<'_>],
    total: usize,
    records: &mut Records,
    left: &dyn Fn() -> Duration,
    tried: &mut Tried,
) -> Result<(), CliError> {
    let session = ground.session;
    let (mut unproven, mut proven_at) = (Vec::new(), Instant::now());
    for one in wanted.iter().filter(|one| program.ids.contains(&one.id)) {
        if left().is_zero() {
            break;
        }
        let mutant = &one.candidate.mutant;
        session.reporter.console().live("Trying", &format!("{}/{total} · {}", one.id, mutant.name));
        let (began, end) = (Instant::now(), try_one(ground, program, one));
        if let Some(error) = interrupted(session) {
            return Err(error);
        }
        let (outcome, noticed_by) = match end {
            Ok(TrialEnd::Failed(test)) if one.own.contains(&test) => (MutantOutcome::Caught, Some(test)),
            Ok(TrialEnd::TimedOut(Some(test))) if one.own.contains(&test) => (MutantOutcome::TimedOut, Some(test)),
            Ok(TrialEnd::Passed(_)) => {
                tried.passed.insert(mutant.name.clone());
                continue;
            }
            // It is tried by itself, and what is wrong is said there.
            Ok(_) | Err(_) => continue,
        };
        let reached_by = one.candidate.tests.clone().unwrap_or_default();
        let wall_ms = millis(began);
        let result = MutantResult { mutant: mutant.clone(), outcome, noticed_by, fell: None, reached_by, wall_ms };
        records.add(&result);
        tell(session, &result, one.id as usize, total);
        unproven.push(result.mutant.name);
        if proven_at.elapsed() >= program.took * PROOF_SHARE {
            if !prove(ground, program, records)? {
                return Ok(());
            }
            tried.noticed.extend(unproven.drain(..));
            proven_at = Instant::now();
        }
    }
    if !unproven.is_empty() && prove(ground, program, records)? {
        tried.noticed.extend(unproven);
    }
    Ok(())
}

/// Writes down what was noticed, if every test that passed before still does while no mutant is on; else it was not noticed.
fn prove(ground: &Ground<'_>, program: &Program, records: &mut Records) -> Result<bool, CliError> {
    ground.session.reporter.console().live("Running", "the tests of the program while no mutant is on");
    let tests: BTreeSet<TestId> = program.durations.keys().cloned().collect();
    let ran = control(ground, &program.built, &tests, TRIAL_TIMEOUT);
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
    let text = format!("{trials} mutants that seemed noticed in one program are tried one by one: {why}");
    ground.session.reporter.say(LogLevel::Warning, text);
    // What fails without any mutant would notice each of those that are tried alone.
    match unchanged(ground)? {
        None => Ok(false),
        Some(failed) => Err(CliError::Spoilt { failed, trials }),
    }
}

/// The mutants of the queue that may be in programs, by package; none beside services, which are not told the switch.
fn wanted<'a>(ground: &Ground<'_>, queue: &'a [Candidate], records: &Records) -> Vec<(String, Vec<Wanted<'a>>)> {
    if ground.beside.is_some() {
        return Vec::new();
    }
    let mut packages: BTreeMap<&str, Vec<Wanted<'a>>> = BTreeMap::new();
    for (id, candidate) in (1..).zip(queue) {
        let own = own(&candidate.mutant, candidate.tests.as_deref());
        if !own.is_empty() && records.of(&candidate.mutant).is_none() {
            packages.entry(&candidate.mutant.package).or_default().push(Wanted { id, candidate, own });
        }
    }
    let mut packages: Vec<_> = packages.into_iter().map(|(package, wanted)| (package.to_owned(), wanted)).collect();
    packages.sort_by_key(|(package, _)| ground.noticing.get(package).map(|noticing| noticing.packages.len()));
    packages
}

/// Builds the program and sees its tests pass while no mutant is on. Mutants of a test that does not are left out.
fn program(ground: &Ground<'_>, package: &str, wanted: &[Wanted<'_>], left: &dyn Fn() -> Duration) -> Had<Program> {
    let console = ground.session.reporter.console();
    let (built, mut ids) = match built(ground, package, wanted, left)? {
        Ok(had) => had,
        Err(why) => return Ok(Err(why)),
    };
    let tests = tests(wanted.iter().filter(|one| ids.contains(&one.id)));
    console.live("Running", "the tests of the program while no mutant is on");
    let began = Instant::now();
    let durations = match control(ground, &built, &tests, TRIAL_TIMEOUT.min(left())) {
        Ok(durations) => durations,
        Err(why) => return Ok(Err(why)),
    };
    let took = began.elapsed();
    if let Some(test) = tests.iter().find(|test| !durations.contains_key(test)) {
        let is_sure = |one: &&Wanted<'_>| one.own.iter().all(|test| durations.contains_key(test));
        let sure: BTreeSet<u32> = wanted.iter().filter(is_sure).map(|one| one.id).collect();
        ids.retain(|id| sure.contains(id));
        let why = format!("test `{test}` does not pass there while none is switched on");
        if ids.is_empty() {
            return Ok(Err(why));
        }
        ground.session.reporter.say(LogLevel::Note, format!("{why}; mutants that it enters are tried one by one"));
    }
    let alone = match wanted.len() - ids.len() {
        0 => String::new(),
        alone => format!(", {alone} can't be in it"),
    };
    console.status(Tone::Good, "Built", &format!("one program with {} mutants of {package}{alone}", ids.len()));
    Ok(Ok(Program { built, ids, durations, took }))
}

/// Runs tests of a program while no mutant is on: what those take that pass; why there is no telling.
fn control(
    ground: &Ground<'_>,
    built: &Built,
    tests: &BTreeSet<TestId>,
    limit: Duration,
) -> Result<BTreeMap<TestId, Milliseconds>, String> {
    let directory = ground.directory().join("control");
    let mut tier = ground.baseline.tier(ground.scratch, tests.iter().cloned().collect(), directory);
    tier.limit = Some(limit);
    tier.env.push((SWITCH_VARIABLE.to_owned(), "0".to_owned()));
    let ran = nextest::run(&ground.scratch.toolbox, built, &tier, &mut |_| ()).map_err(|error| error.to_string())?;
    let passed = ran.results.iter().filter(|test| test.outcome() == TestOutcome::Passed);
    Ok(passed.map(|test| (test.id.clone(), test.duration_ms())).collect())
}

/// All tests that these mutants need.
fn tests<'a>(wanted: impl Iterator<Item = &'a Wanted<'a>>) -> BTreeSet<TestId> {
    wanted.flat_map(|one| one.own.iter().cloned()).collect()
}

/// Writes mutants into the copy and builds it, again and again without those that don't compile.
fn built(
    ground: &Ground<'_>,
    package: &str,
    wanted: &[Wanted<'_>],
    left: &dyn Fn() -> Duration,
) -> Had<(Built, BTreeSet<u32>)> {
    let console = ground.session.reporter.console();
    let mut wanted: Vec<&Wanted<'_>> = wanted.iter().collect();
    let directory = ground.directory().join("joint");
    let mut refusal = "no switch can be before them".to_owned();
    for _ in 0..ROUNDS_MAX {
        let files = switched(ground, &wanted)?;
        let ids: BTreeSet<u32> = files.values().flat_map(|file| &file.ids).copied().collect();
        wanted.retain(|one| ids.contains(&one.id));
        if wanted.len() < MUTANTS_MIN {
            return Ok(Err(format!("too few can be in it: {refusal}")));
        }
        let timeout = BUILD_TIMEOUT.min(left());
        if timeout.is_zero() {
            return Ok(Err("there is no time left for it".to_owned()));
        }
        console.live("Building", &format!("{} mutants of {package} into one program", wanted.len()));
        let tests = tests(wanted.iter().copied());
        let rewritten = files.iter().map(|(file, schemata)| (file.clone(), schemata.text.clone())).collect();
        let work = |toolbox: &Toolbox| nextest::joint(toolbox, package, &tests, &directory, timeout);
        let errors = match ground.scratch.with_texts(&rewritten, work)? {
            Joint::Built(built) => return Ok(Ok((built, ids))),
            Joint::TimedOut => return Ok(Err("the build takes too long".to_owned())),
            Joint::Refused(errors) => errors,
        };
        let blamed = blamed(&files, &errors);
        refusal = errors.first().map_or_else(|| "its build fails".to_owned(), |error| error.message.clone());
        if blamed.is_empty() {
            break;
        }
        wanted.retain(|one| !blamed.contains(&one.id));
    }
    Ok(Err(refusal))
}

/// The files of these mutants with all of them in them, as far as they can be.
fn switched(ground: &Ground<'_>, wanted: &[&Wanted<'_>]) -> Result<BTreeMap<String, Schemata>, CliError> {
    let mut by_file: BTreeMap<&str, Vec<(u32, &Mutant)>> = BTreeMap::new();
    for one in wanted {
        by_file.entry(&one.candidate.mutant.file).or_default().push((one.id, &one.candidate.mutant));
    }
    let rewrite = |(file, mutants): (&str, Vec<(u32, &Mutant)>)| {
        let path = ground.scratch.toolbox.root.join(file);
        let source = match fs::read_to_string(&path) {
            Ok(source) => source,
            Err(source) => return Some(Err(CliError::Read { path, source, hints: Vec::new() })),
        };
        Some(Ok((file.to_owned(), schemata(&source, &mutants)?)))
    };
    by_file.into_iter().filter_map(rewrite).collect()
}

/// The mutants that errors are about; of an error in no rewritten file, none.
fn blamed(files: &BTreeMap<String, Schemata>, errors: &[CompilerError]) -> BTreeSet<u32> {
    let of = |error: &CompilerError| {
        let (file, schemata) = error.places.iter().find_map(|(file, _)| files.get_key_value(file))?;
        let places = error.places.iter().filter(|(name, _)| name == file).map(|(_, bytes)| bytes);
        Some(schemata.blamed(places).to_vec())
    };
    errors.iter().filter_map(of).flatten().collect()
}

/// Runs the tests of a mutant with it switched on.
fn try_one(ground: &Ground<'_>, program: &Program, one: &Wanted<'_>) -> Result<TrialEnd, ToolError> {
    let slowest = one.own.iter().filter_map(|test| program.durations.get(test)).max();
    let package = std::slice::from_ref(&one.candidate.mutant.package);
    let trial = Trial {
        test_timeout_ms: ground.baseline.bounded(slowest.copied().unwrap_or_default()),
        env: vec![(SWITCH_VARIABLE.to_owned(), one.id.to_string())],
        ..ground.trial(package, Some(one.own.clone()), &[])
    };
    nextest::trial_of(&ground.scratch.toolbox, &program.built, &trial)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn an_error_is_about_mutants_of_the_file_that_it_is_in() {
        let mutant = |file: &str, place: &str| Mutant {
            name: format!("{file}:{place}: replace f with 0"),
            file: file.to_owned(),
            package: "a".to_owned(),
            function: None,
            lines: (1, 1),
            replacement: "0".to_owned(),
            genre: "FnValue".to_owned(),
            diff: String::new(),
        };
        let source = "fn f() { 1 } fn g() { 2 }";
        let (one, two) = (mutant("a.rs", "1:10"), mutant("a.rs", "1:23"));
        let file = schemata(source, &[(7, &one), (9, &two)]).expect("both are in it");
        let at = file.text.find("return (0").expect("it is there");
        let files = BTreeMap::from([("a.rs".to_owned(), file)]);
        let error = |places: &[(&str, usize)]| {
            let places = places.iter().map(|(file, at)| ((*file).to_owned(), *at..at + 1)).collect();
            blamed(&files, &[CompilerError { message: "mismatched types".to_owned(), places }])
        };
        assert_eq!(error(&[("a.rs", at)]), [7].into());
        assert_eq!(error(&[("/rust/macros.rs", at), ("a.rs", at)]), [7].into());
        assert_eq!(error(&[("a.rs", 0)]), [7, 9].into());
        assert_eq!(error(&[("b.rs", at)]), [].into());
    }
}
