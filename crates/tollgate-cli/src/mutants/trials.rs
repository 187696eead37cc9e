//! Trying mutants, one after the other: first those that fit into one program, then every one that is left by itself.

use super::{
    Noticing,
    alone::{Alone, passing},
    baseline::Baseline,
    change::{self, Change},
    counted::Counted,
    half, interrupted,
    joint::{self, Switch},
    millis, packages,
    record::Records,
    sift::sift,
};
use crate::{
    console::Tone,
    error::CliError,
    pipeline::{Afresh, Beside},
    reporter::seconds,
    session::Session,
};
use camino::Utf8Path;
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tollgate_core::mutation::{Candidate, LeftOut, Selection, Why, floors_in_doubt, is_below};
use tollgate_env::{Binaries, EnvError};
use tollgate_model::{Mutant, MutantOutcome, MutantResult, ReachedBy, TestId};
use tollgate_tools::{
    ToolError,
    mutants::Scratch,
    nextest::{self, Rebuilt, Trial, TrialEnd},
};

/// After so many trials beside services, or noticed mutants of a change, the unchanged workspace is tried again: seldom enough to cost little, and often
/// enough that an interrupted run does not lose much.
pub(super) const TRIALS_UNPROVEN_MAX: usize = 20;

/// What is said where a program panics or aborts before it has a test to run.
const NOT_LISTED: &str = "listing the tests fails";

/// What every trial stands on.
pub(super) struct Ground<'a> {
    pub(super) scratch: &'a Scratch,
    /// What turns a mutant on, in programs that have many.
    pub(super) switch: &'a Switch,
    pub(super) baseline: &'a Baseline,
    /// By mutated package.
    pub(super) noticing: &'a BTreeMap<String, Noticing>,
    /// The services, where tests need some.
    pub(super) beside: Option<&'a Beside<'a>>,
    /// Whether services of their own were seen to do, with the unchanged programs, since the last proof.
    pub(super) is_controlled: Cell<bool>,
    /// Which tests pass where fewer packages are compiled than the baseline was.
    pub(super) alone: Alone,
    /// What counts that was not tried by itself.
    pub(super) counted: Counted,
    /// Least shares that are to be noticed below paths, in percent.
    pub(super) floors: &'a BTreeMap<String, u32>,
    pub(super) session: &'a Session,
}

/// Tries the queue until it is done or the time is up, first what is in the program of a change, where there is one. What is not tried goes to the left-out ones, with the reason.
///
/// Services are shared by trials, so results beside them are only written down once the tests of the unchanged workspace
/// have passed after them: what a mutant leaves in a service must not count as the end of another one. A mutant that is in
/// a service itself has services of its own; before the first of these and after the last, the unchanged programs are tried so.
///
/// # Errors
/// When a tool can't work, a service has died or was spoilt, and when a signal ends the run; what was found until then is
/// written down.
pub(super) fn try_all(
    ground: &Ground<'_>,
    change: Option<Change>,
    selection: &mut Selection,
    records: &mut Records,
    budget: Option<Duration>,
    one_a_line: bool,
) -> Result<Vec<MutantResult>, CliError> {
    let session = ground.session;
    let console = session.reporter.console();
    let began = Instant::now();
    let mut queue = std::mem::take(&mut selection.queue);
    let is_late = || budget.is_some_and(|budget| began.elapsed() >= budget);
    let left = || half(budget, began);
    let mut jointly = match change {
        Some(change) => change::try_all(ground, change, &queue, records, &left, &is_late)?,
        None => joint::try_all(ground, &queue, records, &left)?,
    };
    if ground.counted.is_score() && ground.beside.is_none() {
        sift(ground, &queue, &mut jointly, records, &left)?;
    }
    let in_doubt = in_doubt(ground, &queue, &selection.left_out, records);
    // What is known to be noticed costs nothing, and a survivor would leave it out of its line.
    let is_noticed =
        |one: &Candidate| records.of(&one.mutant).is_some_and(|known| known.outcome != MutantOutcome::Missed);
    queue.sort_by_cached_key(|one| (!is_noticed(one), !jointly.passed.contains(&one.mutant.name)));
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
        let known = records.of(&candidate.mutant).filter(|known| {
            let is_open = known.joint && known.outcome == MutantOutcome::Missed;
            !is_open || in_doubt.iter().all(|path| !is_below(&candidate.mutant.file, path))
        });
        // Of another change another of its lines may have been touched.
        let known = known.map(|known| MutantResult { line: candidate.line, ..known.clone() });
        if known.is_none() && is_late() {
            selection.left_out.push(LeftOut { mutant: candidate.mutant, why: Why::Budget });
            continue;
        }
        console.live("Trying", &format!("{}/{total} · {missed} missed · {}", index + 1, candidate.mutant.name));
        taken += u32::from(known.is_some() && !jointly.decided.contains(&candidate.mutant.name));
        let result = if let Some(result) = known {
            result
        } else {
            let has_passed = jointly.passed.contains(&candidate.mutant.name);
            let tried = try_one(ground, candidate, has_passed)?;
            if ground.beside.is_some_and(Beside::is_dead) {
                return Err(CliError::Services { detail: "a service died while a mutant was tried".to_owned() });
            }
            let result = match tried {
                Ok(result) => result,
                Err(left_out) => {
                    let text = format!(
                        "{}: it takes longer than {}",
                        left_out.mutant.name,
                        seconds(u64::try_from(ground.baseline.limit.as_millis()).unwrap_or(u64::MAX))
                    );
                    console.status(Tone::Warning, "Stopped", &text);
                    selection.left_out.push(left_out);
                    continue;
                }
            };
            records.add(&result);
            if ground.beside.is_none() {
                records.write()?;
            } else if records.unwritten() >= TRIALS_UNPROVEN_MAX {
                prove(ground, records)?;
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
        prove(ground, records)?;
    }
    if taken > 0 {
        console.status(Tone::Good, "Taken over", &format!("{taken} results of an earlier run"));
    }
    Ok(results)
}

/// The paths whose floors may be kept or not, depending on survivors that were not tried by themselves.
fn in_doubt<'a>(ground: &Ground<'a>, queue: &[Candidate], left_out: &[LeftOut], records: &Records) -> Vec<&'a str> {
    let so_far = queue.iter().map(|one| (one.mutant.file.as_str(), records.of(&one.mutant).map(|known| known.outcome)));
    let uncovered = left_out.iter().filter(|left| left.why == Why::Uncovered);
    let uncovered = uncovered.map(|left| (left.mutant.file.as_str(), Some(MutantOutcome::Missed)));
    floors_in_doubt(ground.floors, &so_far.chain(uncovered).collect::<Vec<_>>())
}

/// Runs the tests of the unchanged workspace once more, and writes down what was found since they last passed.
fn prove(ground: &Ground<'_>, records: &mut Records) -> Result<(), CliError> {
    match unchanged(ground)? {
        None => records.write(),
        Some(failed) => Err(CliError::Spoilt { failed, trials: records.unwritten() }),
    }
}

/// Runs the tests of the unchanged workspace once more: how they fail; none where they pass.
pub(super) fn unchanged(ground: &Ground<'_>) -> Result<Option<String>, CliError> {
    ground.session.reporter.console().live("Running", "the tests of the unchanged workspace");
    let packages = ground.packages();
    let trial = ground.trial(&packages, None, &ground.baseline.variables);
    let mut failure = End::Tests(nextest::trial(&ground.scratch.toolbox, &trial)?).failure();
    if failure.is_none()
        && ground.is_controlled.take()
        && let Some(beside) = ground.beside
    {
        failure = served(ground, beside, &packages)?.failure();
    }
    Ok(failure)
}

/// Sees the unchanged programs do in services of their own, once between two proofs: where they can't be had twice, every
/// mutant would seem to be noticed.
fn control(ground: &Ground<'_>, beside: &Beside<'_>, packages: &[String]) -> Result<(), CliError> {
    if ground.is_controlled.replace(true) {
        return Ok(());
    }
    ground
        .session
        .reporter
        .console()
        .live("Running", "the tests of the unchanged workspace beside services of their own");
    let how = match served(ground, beside, packages) {
        Ok(end) => end.failure(),
        Err(CliError::Environment(error @ EnvError::Interrupted { .. })) => return Err(error.into()),
        Err(CliError::Environment(error)) => Some(error.to_string()),
        Err(error) => return Err(error),
    };
    match how {
        None => Ok(()),
        Some(how) => Err(CliError::NotTwice { how }),
    }
}

/// Says what became of a mutant, of which there are so many.
pub(super) fn tell(session: &Session, result: &MutantResult, index: usize, total: usize) {
    let console = session.reporter.console();
    let fell = result.fell.as_ref().map(|how| format!(": {how}")).unwrap_or_default();
    let text = format!("{} ({index}/{total}, {}){fell}", result.mutant.name, seconds(result.wall_ms));
    match result.outcome {
        MutantOutcome::Missed => console.status(Tone::Warning, "Missed", &text),
        MutantOutcome::TimedOut => console.status(Tone::Plain, "Timed out", &text),
        MutantOutcome::Caught | MutantOutcome::Unviable if result.fell.is_some() || !console.is_live() => {
            let verb = if result.outcome == MutantOutcome::Caught { "Caught" } else { "Unviable" };
            console.status(Tone::Good, verb, &text);
        }
        MutantOutcome::Caught | MutantOutcome::Unviable => {}
    }
}

/// What became of a mutant that was tried by itself, as far as this says it.
pub(super) fn result(
    candidate: &Candidate,
    outcome: MutantOutcome,
    noticed_by: Option<TestId>,
    took: Duration,
) -> MutantResult {
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

/// How a mutant was noticed, or was not.
enum End {
    Tests(TrialEnd),
    /// A program that carries it ended.
    Fell(String),
    /// Services with it were not ready in time.
    Late(String),
}

impl End {
    /// Why the unchanged workspace must not end so; none where it may.
    fn failure(self) -> Option<String> {
        match self {
            Self::Tests(TrialEnd::Passed(_) | TrialEnd::NoTests) => None,
            Self::Tests(TrialEnd::Failed(test) | TrialEnd::TimedOut(Some(test))) => {
                Some(format!("test `{test}` fails"))
            }
            Self::Tests(TrialEnd::TimedOut(None)) => Some("build and tests take too long".to_owned()),
            Self::Tests(TrialEnd::NotBuilt) => Some("it does not compile".to_owned()),
            Self::Tests(TrialEnd::NotListed) => Some(NOT_LISTED.to_owned()),
            Self::Fell(how) | Self::Late(how) => Some(how),
        }
    }
}

/// The tests of the mutant's own package that enter its function.
pub(super) fn own(mutant: &Mutant, tests: Option<&[TestId]>) -> Vec<TestId> {
    tests.into_iter().flatten().filter(|test| test.package() == mutant.package).cloned().collect()
}

/// First the tests of the mutant's own package that enter its function, which need the least building, unless they have
/// passed with it among others already; then all, these included, also where the package does not compile alone. Packages whose
/// tests don't pass without others are compiled with all that the baseline compiled. What says nothing is left out.
fn try_one(
    ground: &Ground<'_>,
    candidate: Candidate,
    has_passed: bool,
) -> Result<Result<MutantResult, LeftOut>, CliError> {
    let Candidate { mutant, line, tests } = candidate;
    let (packages, beside) = match ground.noticing.get(&mutant.package) {
        Some(noticing) => (noticing.packages.as_slice(), ground.beside.filter(|_| noticing.is_served)),
        None => (&[][..], None),
    };
    if let Some(beside) = beside {
        control(ground, beside, packages)?;
    }
    let began = Instant::now();
    let mut own = own(&mutant, tests.as_deref());
    if has_passed {
        own.clear();
    }
    if beside.is_some() {
        // The others need a service, which has the mutant in it.
        own.retain(|test| ground.baseline.alone.contains(test));
    }
    let all = ground.packages();
    let mut sure = BTreeSet::new();
    if !own.is_empty() {
        sure = passing(ground, std::slice::from_ref(&mutant.package))?;
        own.retain(|test| sure.contains(test));
    }
    let packages = if passing(ground, packages)? == ground.baseline.tests(packages) { packages } else { &all };
    let shared = &ground.baseline.variables;
    let end = ground.scratch.with_mutant(&mutant, |toolbox| {
        let mut refused = 0;
        if !own.is_empty() {
            let first = ground.trial(std::slice::from_ref(&mutant.package), Some(own.clone()), shared);
            match nextest::trial(toolbox, &first)? {
                TrialEnd::Passed(_) | TrialEnd::NoTests => {}
                TrialEnd::NotBuilt => refused = 1,
                // Too many to be named on a command line: others ran as well, under the time limit of these.
                TrialEnd::TimedOut(Some(test)) if !own.contains(&test) => {}
                TrialEnd::Failed(test) if !sure.contains(&test) => {}
                end => return Ok(End::Tests(end)),
            }
        }
        match beside {
            Some(beside) => served(ground, beside, packages),
            None => Ok(End::Tests(all_tests(ground, packages, refused)?)),
        }
    })?;
    let Some((outcome, noticed_by, fell)) = outcome(end) else {
        return Ok(Err(LeftOut { mutant, why: Why::Stopped }));
    };
    let (reached_by, wall_ms) = (ReachedBy::of(&tests.unwrap_or_default()), millis(began));
    Ok(Ok(MutantResult { mutant, line, outcome, noticed_by, fell, joint: false, reached_by, wall_ms }))
}

/// What became of a mutant with this end, which test noticed it, and how else it was noticed; none where nothing did before the trial
/// as a whole was stopped, which may be for the machine.
fn outcome(end: End) -> Option<(MutantOutcome, Option<TestId>, Option<String>)> {
    Some(match end {
        End::Tests(TrialEnd::Failed(test)) => (MutantOutcome::Caught, Some(test), None),
        End::Tests(TrialEnd::TimedOut(test)) => (MutantOutcome::TimedOut, Some(test?), None),
        End::Tests(TrialEnd::NotBuilt) => (MutantOutcome::Unviable, None, None),
        // The unchanged programs listed theirs.
        End::Tests(TrialEnd::NotListed) => (MutantOutcome::Caught, None, Some(NOT_LISTED.to_owned())),
        // Where there is no test, none notices it.
        End::Tests(TrialEnd::Passed(_) | TrialEnd::NoTests) => (MutantOutcome::Missed, None, None),
        End::Fell(how) => (MutantOutcome::Caught, None, Some(how)),
        End::Late(how) => (MutantOutcome::TimedOut, None, Some(how)),
    })
}

/// Runs all tests of these packages, after so many of them did not compile without the others. A package may need a feature of a
/// dependency that only another package asks for, so what does not compile is the mutant's only where it does not in all packages that
/// the baseline compiled.
fn all_tests(ground: &Ground<'_>, packages: &[String], mut refused: usize) -> Result<TrialEnd, ToolError> {
    for packages in [packages, &ground.packages()] {
        if packages.len() > refused {
            let trial = ground.trial(packages, None, &ground.baseline.variables);
            match nextest::trial(&ground.scratch.toolbox, &trial)? {
                TrialEnd::NotBuilt => refused = packages.len(),
                end => return Ok(end),
            }
        }
    }
    Ok(TrialEnd::NotBuilt)
}

/// Runs all tests beside services of their own, whose programs are built from the copy as it is: with the mutant, or unchanged.
fn served(ground: &Ground<'_>, beside: &Beside<'_>, packages: &[String]) -> Result<End, CliError> {
    let (toolbox, directory) = (&ground.scratch.toolbox, ground.directory().join("served"));
    match nextest::rebuild(toolbox, packages, &beside.programs, &directory, ground.baseline.limit)? {
        Rebuilt::Built => {}
        Rebuilt::NotBuilt => return Ok(End::Tests(TrialEnd::NotBuilt)),
        Rebuilt::TimedOut => return Ok(End::Tests(TrialEnd::TimedOut(None))),
    }
    let binaries = Binaries { directory, instrumented: true };
    let worked =
        beside.afresh(&binaries, |variables| Ok(nextest::trial(toolbox, &ground.trial(packages, None, variables))?))?;
    Ok(match worked {
        Afresh::Fell(how) => End::Fell(how),
        Afresh::Late(how) => End::Late(how),
        Afresh::Stood(end) => End::Tests(end),
    })
}

impl Ground<'_> {
    /// All packages whose tests could notice a mutant, as the baseline compiled them.
    pub(super) fn packages(&self) -> Vec<String> {
        packages(self.noticing).into_iter().collect()
    }

    /// Where trials write their files.
    pub(super) fn directory(&self) -> &Utf8Path {
        self.scratch.runner.parent().unwrap_or(Utf8Path::new("."))
    }

    pub(super) fn trial(
        &self,
        packages: &[String],
        tests: Option<Vec<TestId>>,
        variables: &[(String, String)],
    ) -> Trial {
        let baseline = self.baseline;
        Trial {
            filter: baseline.filter.clone(),
            packages: packages.to_vec(),
            binaries: baseline.binaries(packages),
            test_timeout_ms: baseline.timeout_ms(tests.as_deref()),
            tests,
            first: Vec::new(),
            timeout: baseline.limit,
            threads: baseline.threads,
            env: variables.to_vec(),
            runner: Some((baseline.host.clone(), self.scratch.runner.clone())),
            directory: self.directory().join("trial"),
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_trial_that_is_stopped_as_a_whole_says_nothing_and_one_of_a_test_that_hangs_does() {
        let test = TestId::new("a", "unit::x");
        let hung = outcome(End::Tests(TrialEnd::TimedOut(Some(test.clone()))));
        assert_eq!(hung, Some((MutantOutcome::TimedOut, Some(test), None)));
        assert_eq!(outcome(End::Tests(TrialEnd::TimedOut(None))), None);
        let late = outcome(End::Late("not ready".to_owned()));
        assert_eq!(late, Some((MutantOutcome::TimedOut, None, Some("not ready".to_owned()))));
    }
}
