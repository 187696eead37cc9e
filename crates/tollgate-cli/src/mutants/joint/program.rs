//! The program: built again and again without the mutants that don't compile there, and seen to pass its tests with none on.

use super::{MUTANTS_MIN, Wanted};
use crate::{console::Tone, error::CliError, mutants::trials::Ground, session::Session};
use camino::Utf8Path;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};
use tollgate_core::mutation::{Schemata, schemata};
use tollgate_model::{LogLevel, Milliseconds, Mutant, TestId, TestOutcome, count};
use tollgate_tools::{
    mutants::{Put, Scratch},
    nextest::{self, Built, Chosen, CompilerError, Joint},
};

/// The compiler finds errors of names, types and borrows one kind after the other, and what a part of a crate hides.
const ROUNDS_MAX: usize = 8;

/// A program with a thousand mutants takes the compiler longer than one.
const BUILD_TIMEOUT: Duration = Duration::from_mins(30);

/// What was asked for, or why it can't be had.
type Had<T> = Result<Result<T, String>, CliError>;

/// The program, and what its tests take while no mutant is on.
pub(super) struct Program {
    pub(super) built: Built,
    pub(super) ids: BTreeSet<u32>,
    /// Of the tests that pass.
    pub(super) durations: BTreeMap<TestId, Milliseconds>,
    /// What all of them take together.
    pub(super) took: Duration,
}

/// Builds the program and sees its tests pass while no mutant is on. Mutants of a test that does not are left out.
pub(super) fn program(
    ground: &Ground<'_>,
    package: &str,
    wanted: &[Wanted<'_>],
    left: &dyn Fn() -> Duration,
) -> Had<Program> {
    let console = ground.session.reporter.console();
    let all = tests(wanted.iter());
    let packages: BTreeSet<&str> = all.iter().map(TestId::package).collect();
    let packages: Vec<String> = packages.into_iter().map(str::to_owned).collect();
    let wish = Wish {
        whose: package,
        packages: &packages,
        chosen: Chosen::Of(&all),
        // Of what other packages' tests depend on, much is compiled already with what counts coverage.
        is_instrumented: !ground.counted.is_score() || packages.iter().any(|other| other != package),
        directory: &ground.directory().join("joint"),
        least: MUTANTS_MIN,
    };
    let mutants = wanted.iter().map(|one| (one.id, &one.candidate.mutant)).collect();
    let (built, mut ids) = match build(ground.scratch, ground.switch.path(), ground.session, &wish, mutants, left)? {
        Ok(Joined { built, ids, put, .. }) => {
            put.restore()?;
            (built, ids)
        }
        Err(why) => return Ok(Err(why)),
    };
    let tests = tests(wanted.iter().filter(|one| ids.contains(&one.id)));
    console.live("Running", "the tests of the program while no mutant is on");
    let began = Instant::now();
    let durations = match control(ground, &built, &tests, ground.baseline.limit.min(left())) {
        Ok(durations) => durations,
        Err(why) => return Ok(Err(why)),
    };
    let took = began.elapsed();
    if let Some(test) = tests.iter().find(|test| !durations.contains_key(test)) {
        let is_sure = |one: &&Wanted<'_>| one.tests.iter().all(|test| durations.contains_key(test));
        let sure: BTreeSet<u32> = wanted.iter().filter(is_sure).map(|one| one.id).collect();
        ids.retain(|id| sure.contains(id));
        let why = format!("test `{test}` does not pass there while none is switched on");
        if ids.is_empty() {
            return Ok(Err(why));
        }
        ground.session.reporter.say(LogLevel::Note, format!("{why}; mutants that it enters are tried one by one"));
    }
    say_built(ground.session, package, ids.len(), wanted.len());
    Ok(Ok(Program { built, ids, durations, took }))
}

/// Runs tests of a program while no mutant is on: what those take that pass; why there is no telling.
pub(in crate::mutants) fn control(
    ground: &Ground<'_>,
    built: &Built,
    tests: &BTreeSet<TestId>,
    limit: Duration,
) -> Result<BTreeMap<TestId, Milliseconds>, String> {
    let directory = ground.directory().join("control");
    let mut tier = ground.baseline.tier(ground.scratch, tests.iter().cloned().collect(), directory);
    tier.limit = Some(limit);
    let ran = nextest::run(&ground.scratch.toolbox, built, &tier, &mut |_| ()).map_err(|error| error.to_string())?;
    let passed = ran.results.iter().filter(|test| test.outcome() == TestOutcome::Passed);
    Ok(passed.map(|test| (test.id.clone(), test.duration_ms())).collect())
}

/// All tests that these mutants need.
fn tests<'a>(wanted: impl Iterator<Item = &'a Wanted<'a>>) -> BTreeSet<TestId> {
    wanted.flat_map(|one| one.tests.iter().cloned()).collect()
}

/// What is built with mutants in it.
pub(in crate::mutants) struct Wish<'a> {
    /// Whose mutants they are.
    pub(in crate::mutants) whose: &'a str,
    pub(in crate::mutants) packages: &'a [String],
    /// Which test binaries of these are built.
    pub(in crate::mutants) chosen: Chosen<'a>,
    pub(in crate::mutants) is_instrumented: bool,
    /// Where files about the build are written.
    pub(in crate::mutants) directory: &'a Utf8Path,
    /// Fewer mutants are not worth it.
    pub(in crate::mutants) least: usize,
}

/// A program with many mutants.
pub(in crate::mutants) struct Joined {
    pub(in crate::mutants) built: Built,
    /// Those that are in it.
    pub(in crate::mutants) ids: BTreeSet<u32>,
    /// What is in the copy.
    pub(in crate::mutants) put: Put,
    /// What all builds of it took.
    pub(in crate::mutants) took: Duration,
}

/// Says that so many mutants, of so many, are in one program.
pub(in crate::mutants) fn say_built(session: &Session, whose: &str, built: usize, wanted: usize) {
    let alone = match wanted - built {
        0 => String::new(),
        alone => format!(", {alone} can't be in it"),
    };
    let text = format!("one program with {} of {whose}{alone}", count(built as u64, "mutant"));
    session.reporter.console().status(Tone::Good, "Built", &text);
}

/// Writes mutants into the copy and builds it, again and again without those that don't compile.
pub(in crate::mutants) fn build(
    scratch: &Scratch,
    switch: &str,
    session: &Session,
    wish: &Wish<'_>,
    mut mutants: BTreeMap<u32, &Mutant>,
    left: &dyn Fn() -> Duration,
) -> Had<Joined> {
    let Wish { whose, packages, chosen, is_instrumented, directory, least } = *wish;
    let (mut refusal, began) = ("no switch can be before them".to_owned(), Instant::now());
    for _ in 0..ROUNDS_MAX {
        let by_switch: &Write<'_> = &|source, mutants| schemata(source, mutants, switch);
        let files = rewritten(&scratch.toolbox.root, mutants.iter().map(|(id, mutant)| (*id, *mutant)), by_switch)?;
        let ids: BTreeSet<u32> = files.values().flat_map(|file| &file.ids).copied().collect();
        mutants.retain(|id, _| ids.contains(id));
        if mutants.len() < least {
            return Ok(Err(format!("too few can be in it: {refusal}")));
        }
        let timeout = BUILD_TIMEOUT.min(left());
        if timeout.is_zero() {
            return Ok(Err("there is no time left for it".to_owned()));
        }
        let text = format!("{} of {whose} into one program", count(mutants.len() as u64, "mutant"));
        session.reporter.console().live("Building", &text);
        let texts = files.iter().map(|(file, schemata)| (file.clone(), schemata.text.clone())).collect();
        let put = scratch.put(&texts)?;
        let built = nextest::joint(&scratch.toolbox, packages, chosen, is_instrumented, directory, timeout);
        let built = match built {
            Ok(built) => built,
            Err(error) => {
                put.restore()?;
                return Err(error.into());
            }
        };
        let errors = match built {
            Joint::Built(built) => return Ok(Ok(Joined { built, ids, put, took: began.elapsed() })),
            Joint::TimedOut => {
                put.restore()?;
                return Ok(Err("the build takes too long".to_owned()));
            }
            Joint::Refused(errors) => errors,
        };
        put.restore()?;
        refusal = errors.first().map_or_else(|| "its build fails".to_owned(), |error| error.message.clone());
        let of_file = |file: &Schemata| file.ids.clone();
        let blamed: BTreeSet<u32> = errors.iter().flat_map(|error| blamed(&files, error, of_file)).collect();
        if blamed.is_empty() {
            break;
        }
        mutants.retain(|id, _| !blamed.contains(id));
    }
    Ok(Err(refusal))
}

/// Writes numbered mutants into a file's text.
type Write<'a> = dyn Fn(&str, &[(u32, &Mutant)]) -> Option<Schemata> + 'a;

/// The files of these mutants with them in them, as `write` does it, as far as they can be.
pub(in crate::mutants) fn rewritten<'a>(
    root: &Utf8Path,
    mutants: impl Iterator<Item = (u32, &'a Mutant)>,
    write: &Write<'_>,
) -> Result<BTreeMap<String, Schemata>, CliError> {
    let mut by_file: BTreeMap<&str, Vec<(u32, &Mutant)>> = BTreeMap::new();
    for (id, mutant) in mutants {
        by_file.entry(&mutant.file).or_default().push((id, mutant));
    }
    let rewrite = |(file, mutants): (&str, Vec<(u32, &Mutant)>)| {
        let path = root.join(file);
        let source = match fs::read_to_string(&path) {
            Ok(source) => source,
            Err(source) => return Some(Err(CliError::Read { path, source, hints: Vec::new() })),
        };
        Some(Ok((file.to_owned(), write(&source, &mutants)?)))
    };
    by_file.into_iter().filter_map(rewrite).collect()
}

/// The mutants that an error is about: none of one in no rewritten file, and what `otherwise` says of one that is in none of
/// the file's functions with mutants.
pub(in crate::mutants) fn blamed(
    files: &BTreeMap<String, Schemata>,
    error: &CompilerError,
    otherwise: fn(&Schemata) -> Vec<u32>,
) -> Vec<u32> {
    let Some((file, schemata)) = error.places.iter().find_map(|(file, _)| files.get_key_value(file)) else {
        return Vec::new();
    };
    let places = error.places.iter().filter(|(name, _)| name == file).map(|(_, bytes)| bytes);
    schemata.blamed(places).map_or_else(|| otherwise(schemata), <[u32]>::to_vec)
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
        let file = schemata(source, &[(7, &one), (9, &two)], "/d/switch").expect("both are in it");
        let at = file.text.find("return (0").expect("it is there");
        let files = BTreeMap::from([("a.rs".to_owned(), file)]);
        let error = |places: &[(&str, usize)]| {
            let places = places.iter().map(|(file, at)| ((*file).to_owned(), *at..at + 1)).collect();
            let error = CompilerError { is_hard: true, message: "mismatched types".to_owned(), places };
            [blamed(&files, &error, |file| file.ids.clone()), blamed(&files, &error, |_| Vec::new())]
        };
        assert_eq!(error(&[("a.rs", at)]), [[7], [7]]);
        assert_eq!(error(&[("/rust/macros.rs", at), ("a.rs", at)]), [[7], [7]]);
        assert_eq!(error(&[("a.rs", 0)]), [vec![7, 9], Vec::new()]);
        assert_eq!(error(&[("b.rs", at)]), [const { Vec::<u32>::new() }; 2]);
    }
}
