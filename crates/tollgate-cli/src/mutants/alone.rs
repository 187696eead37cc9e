//! Which tests pass where fewer packages are compiled than the unchanged workspace was seen to pass with.
//!
//! A package may take a feature of a dependency that only another package asks for. A test that needs it fails without it, and
//! would seem to notice every mutant.

use super::{baseline::build, interrupted, joint::control, trials::Ground};
use crate::error::CliError;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};
use tollgate_model::TestId;
use tollgate_tools::ToolError;

/// What is known of it, by the packages that were compiled alone.
pub(super) type Alone = RefCell<BTreeMap<Vec<String>, BTreeSet<TestId>>>;

/// The tests of these packages that pass, unchanged, where only these packages are compiled; found once.
///
/// # Errors
/// When a signal ends the run, and when a tool can't work.
pub(super) fn passing(ground: &Ground<'_>, packages: &[String]) -> Result<BTreeSet<TestId>, CliError> {
    let tests = ground.baseline.tests(packages);
    if tests.is_empty() || packages == ground.packages() {
        return Ok(tests);
    }
    if let Some(known) = ground.alone.borrow().get(packages) {
        return Ok(known.clone());
    }
    let found = found(ground, packages, &tests)?;
    ground.alone.borrow_mut().insert(packages.to_vec(), found.clone());
    Ok(found)
}

fn found(ground: &Ground<'_>, packages: &[String], tests: &BTreeSet<TestId>) -> Result<BTreeSet<TestId>, CliError> {
    let text = format!("the tests of the unchanged {} alone", packages.join(", "));
    ground.session.reporter.console().live("Running", &text);
    let directory = ground.directory().join("alone");
    let built = match build(&ground.scratch.toolbox, packages, &directory, &[], &mut |_| ()) {
        Err(ToolError::BuildFailed { .. }) => return Ok(BTreeSet::new()),
        built => built?,
    };
    let passed = control(ground, &built, tests, ground.baseline.limit);
    match interrupted(ground.session) {
        Some(error) => Err(error),
        // Where there is no telling, none is known to.
        None => Ok(passed.unwrap_or_default().into_keys().collect()),
    }
}
