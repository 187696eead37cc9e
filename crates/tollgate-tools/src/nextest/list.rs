//! Which tests there are, and which of them a filterset matches.

use super::{Built, command, refused};
use crate::{ToolError, Toolbox};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tollgate_exec::{Cmd, Status};
use tollgate_model::{Partition, TestId};

/// Every binary is executed twice for its list, each in milliseconds.
const TIMEOUT: Duration = Duration::from_mins(2);

/// What a test is to a filterset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// It matches, and it is in the partition.
    Matched,
    /// It is marked `#[ignore]`; whether it would match is not known.
    Ignored,
    /// It does not match.
    Other,
    /// It matches, and it is in another partition.
    OtherPartition,
}

/// The tests of a build in the light of one filterset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Every test of the binaries that were asked.
    pub tests: BTreeMap<TestId, Membership>,
    /// Ids of the binaries that were not asked, since the filterset rules out all of their tests.
    pub unlisted_binaries: Vec<String>,
}

impl Listing {
    /// The tests with this membership, in order.
    pub fn with(&self, membership: Membership) -> impl Iterator<Item = &TestId> {
        self.tests.iter().filter(move |(_, of)| **of == membership).map(|(id, _)| id)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct TestList {
    rust_suites: BTreeMap<String, Suite>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Suite {
    status: String,
    testcases: BTreeMap<String, TestCase>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct TestCase {
    filter_match: FilterMatch,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct FilterMatch {
    status: String,
    #[serde(default)]
    reason: String,
}

/// Lists the tests of a build; `all()` as filterset asks every binary.
///
/// # Errors
/// [`ToolError::BadFilter`] where nextest does not accept the filterset, others where it or a test binary could not work.
pub fn list(
    toolbox: &Toolbox,
    built: &Built,
    filter: &str,
    partition: Option<Partition>,
) -> Result<Listing, ToolError> {
    listing(toolbox, select(command(toolbox, "list"), built, filter, partition), filter)
}

fn listing(toolbox: &Toolbox, cmd: Cmd, filter: &str) -> Result<Listing, ToolError> {
    let cmd = cmd.args(["--message-format", "json"]).env("LLVM_PROFILE_FILE", "/dev/null").timeout(TIMEOUT);
    let output = cmd.run(&toolbox.interrupt)?;
    match output.status {
        Status::Code(0) => parse(&output.stdout),
        _ => Err(refused(&cmd, &output, filter)),
    }
}

/// The tests that a filterset selects and that are marked `#[ignore]`.
///
/// # Errors
/// Those of [`list`].
pub fn ignored(toolbox: &Toolbox, built: &Built, filter: &str) -> Result<Vec<TestId>, ToolError> {
    let cmd = select(command(toolbox, "list"), built, filter, None).args(["--run-ignored", "only"]);
    Ok(listing(toolbox, cmd, filter)?.with(Membership::Matched).cloned().collect())
}

/// Adds what says which tests of which build; listing and running say it alike.
pub(super) fn select(cmd: Cmd, built: &Built, filter: &str, partition: Option<Partition>) -> Cmd {
    let cmd = cmd.arg("--binaries-metadata").arg(&built.binaries_metadata);
    let cmd = cmd.arg("--cargo-metadata").arg(&built.cargo_metadata).args(["--filterset", filter]);
    let cmd = match &built.moved_to {
        Some(root) => cmd.arg("--workspace-remap").arg(root).arg("--target-dir-remap").arg(&built.target_directory),
        None => cmd,
    };
    match partition {
        // Slices are taken across all binaries, after the filterset; they are even where hashes are not.
        Some(partition) => cmd.arg("--partition").arg(format!("slice:{partition}")),
        None => cmd,
    }
}

fn parse(json: &str) -> Result<Listing, ToolError> {
    let list: TestList = serde_json::from_str(json).map_err(|error| ToolError::parse("`cargo nextest list`", error))?;
    let mut listing = Listing::default();
    for (binary, suite) in list.rust_suites {
        if suite.status != "listed" {
            listing.unlisted_binaries.push(binary);
            continue;
        }
        let tests = suite.testcases.into_iter();
        listing.tests.extend(tests.map(|(name, test)| (TestId::new(&binary, name), membership(&test.filter_match))));
    }
    Ok(listing)
}

fn membership(found: &FilterMatch) -> Membership {
    match (found.status.as_str(), found.reason.as_str()) {
        ("matches", _) => Membership::Matched,
        (_, "ignored") => Membership::Ignored,
        (_, "partition") => Membership::OtherPartition,
        _ => Membership::Other,
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    // `cargo nextest list --message-format json --filterset 'package(greeter) & test(name) + binary(integration)'
    // --partition slice:1/2` on fixtures/sample, with the root put as /w.
    const LIST: &str = include_str!("../../tests/recorded/list.json");

    #[test]
    fn every_test_of_a_listed_binary_has_its_membership() {
        let listing = parse(LIST).expect("it is a list");
        let names = |membership| listing.with(membership).map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            names(Membership::Matched),
            [
                "greeter unit::a_name_is_greeted",
                "greeter::integration greets_from_outside",
                "greeter::integration passes_when_it_is_tried_again",
            ]
        );
        assert_eq!(
            names(Membership::OtherPartition),
            [
                "greeter::integration fails_when_it_is_told_to",
                "greeter::integration has_a_retry_of_its_own",
                "greeter::integration sleeps_when_it_is_told_to",
            ]
        );
        assert_eq!(names(Membership::Ignored), ["greeter unit::an_ignored_test"]);
        assert_eq!(
            names(Membership::Other),
            ["greeter unit::a_letter_is_stamped", "greeter unit::nobody_is_not_greeted"]
        );
        assert_eq!(listing.unlisted_binaries, ["server::bin/server", "server::e2e", "stamp"]);
    }

    #[test]
    fn anything_else_is_an_error_that_says_whose_output_it_was() {
        assert_eq!(parse("{}").unwrap_err().to_string(), "the output of `cargo nextest list` can't be read");
    }
}
