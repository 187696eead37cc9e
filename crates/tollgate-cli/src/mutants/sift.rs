//! Mutants that don't compile, found many at once by a check that makes nothing.
//!
//! The compiler checks the bodies of functions one by one. So each function of a package gets one of its mutants, as it is
//! written where it is tried by itself, and an error of the compiler's own in a function is about the mutant in it. Bodies of which others see
//! something, and errors by lints, which one mutant can cause in another's place, are left to trials. A package that does not compile
//! so without any of them, as one may that needs features which only others ask for, is left to them as well.
//!
//! This is for a score, which has hundreds of these, each of them a build. Of a change they are tried by themselves.

use super::{
    interrupted,
    joint::{MUTANTS_MIN, Tried, blamed, rewritten},
    record::Records,
    trials::{Ground, result, tell},
};
use crate::{console::Tone, error::CliError};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tollgate_core::mutation::{Candidate, Schemata, applied};
use tollgate_model::{MutantOutcome, MutantResult};
use tollgate_tools::{
    Toolbox,
    nextest::{self, CompilerError},
};

/// Of fewer mutants, trials take no longer than the first checks of a package, for which its dependencies are checked too.
const FIRST_MIN: usize = 10;

/// Writes down which mutants of the queue don't compile, of those that nothing is known of, as long as time is left.
///
/// # Errors
/// When a signal ends the run, the copy can't be written, a tool can't work, and when results can't be written.
pub(super) fn sift(
    ground: &Ground<'_>,
    queue: &[Candidate],
    tried: &mut Tried,
    records: &mut Records,
    left: &dyn Fn() -> Duration,
) -> Result<(), CliError> {
    let mut packages: BTreeMap<&str, BTreeMap<u32, &Candidate>> = BTreeMap::new();
    for (id, candidate) in (1..).zip(queue) {
        let mutant = &candidate.mutant;
        if records.of(mutant).is_none() && !tried.passed.contains(&mutant.name) {
            packages.entry(&mutant.package).or_default().insert(id, candidate);
        }
    }
    let mut refused = 0;
    for (package, mut unknown) in packages {
        let mut is_first = true;
        while !left().is_zero() {
            let began = Instant::now();
            let files =
                rewritten(&ground.scratch.toolbox.root, unknown.iter().map(|(id, one)| (*id, &one.mutant)), &applied)?;
            let ids: BTreeSet<u32> = files.values().flat_map(|file| &file.ids).copied().collect();
            if ids.len() < if is_first { FIRST_MIN } else { MUTANTS_MIN } {
                break;
            }
            ground.session.reporter.console().live("Checking", &format!("{} mutants of {package}", ids.len()));
            // Without any of them there must be no error: it would be each one's.
            if is_first && check(ground, package, &BTreeMap::new(), left)? != Some(Vec::new()) {
                break;
            }
            is_first = false;
            let Some(errors) = check(ground, package, &files, left)? else { break };
            let hard = errors.iter().filter(|error| error.is_hard);
            let found: BTreeSet<u32> = hard.flat_map(|error| blamed(&files, error, |_| Vec::new())).collect();
            refused += found.len();
            let took = began.elapsed() / u32::try_from(ids.len()).unwrap_or(u32::MAX);
            for id in ids {
                if let Some(one) = unknown.remove(&id).filter(|_| found.contains(&id)) {
                    let result = MutantResult { joint: true, ..result(one, MutantOutcome::Unviable, None, took) };
                    records.add(&result);
                    tell(ground.session, &result, id as usize, queue.len());
                    tried.decided.insert(result.mutant.name);
                }
            }
            records.write()?;
        }
    }
    if refused > 0 {
        let text = format!("{refused} mutants don't compile");
        ground.session.reporter.console().status(Tone::Good, "Checked", &text);
    }
    Ok(())
}

/// What the compiler has against a package with these files in it; none where there is no telling.
fn check(
    ground: &Ground<'_>,
    package: &str,
    files: &BTreeMap<String, Schemata>,
    left: &dyn Fn() -> Duration,
) -> Result<Option<Vec<CompilerError>>, CliError> {
    let timeout = ground.baseline.limit.min(left());
    if timeout.is_zero() {
        return Ok(None);
    }
    let texts = files.iter().map(|(file, applied)| (file.clone(), applied.text.clone())).collect();
    let packages = [package.to_owned()];
    let binaries = ground.baseline.binaries(&packages);
    let work = |toolbox: &Toolbox| nextest::checked(toolbox, &packages, &binaries, timeout);
    let errors = ground.scratch.with_texts(&texts, work);
    match interrupted(ground.session) {
        Some(error) => Err(error),
        None => Ok(errors?),
    }
}
