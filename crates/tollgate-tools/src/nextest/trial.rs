//! Building and running a few tests on code that may not compile: what mutation testing does again and again.
//!
//! One command builds and runs. What the exit code means is told apart here, since a mutant is only caught by a test that
//! failed, or by a program that can't even list its tests (code 104): code 101 is code that does not compile, code 4 is
//! "no tests", which proves nothing, and code 100 is looked up in JUnit, since a test that was stopped at its time limit is
//! none that failed.

use super::{Built, build::missing_binary, command, exit, junit, list::select, profile, refused};
use crate::cargo;
use crate::coverage::wrapper;
use crate::{ToolError, Toolbox, files};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;
use tollgate_exec::{Cmd, ExecError, Output, Status};
use tollgate_model::{Attempt, AttemptOutcome, Milliseconds, TestId, TestOutcome, TestResult};

/// Name of the profile; no configuration of a workspace has it.
const PROFILE: &str = "tollgate-mutants";

/// What keeps a test that fails from looking up the names of a backtrace, which takes 0.2 s of a small program and nobody reads.
pub const NO_BACKTRACE: (&str, &str) = ("RUST_BACKTRACE", "0");

/// Longest filterset on a command line: the system takes 128 KiB in one argument.
const FILTER_BYTES_MAX: usize = 100 << 10;

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Filterset of the tests; only the packages in `packages` are built.
    pub filter: String,
    /// Packages whose tests are built.
    pub packages: Vec<String>,
    /// Ids of the test binaries that the filterset selects tests of; only these are built.
    pub binaries: BTreeSet<String>,
    /// The tests, where they are known by name: only these are run, and only their binaries are built.
    pub tests: Option<Vec<TestId>>,
    /// Tests to start before all others, in this order.
    pub first: Vec<TestId>,
    /// Time after which a test is stopped.
    pub test_timeout_ms: Milliseconds,
    /// Time after which the build and the tests are stopped as a whole.
    pub timeout: Duration,
    /// Tests at once; absent means one per core.
    pub threads: Option<u32>,
    /// Variables for the tests.
    pub env: Vec<(String, String)>,
    /// Program that every test is run by, where there is one: target triple and path.
    pub runner: Option<(String, Utf8PathBuf)>,
    /// Where the configuration and JUnit are written.
    pub directory: Utf8PathBuf,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialEnd {
    /// Every test that was run passed, and so many were.
    Passed(usize),
    /// This test failed.
    Failed(TestId),
    /// None failed, and this one was stopped at its time limit, or the whole trial was.
    TimedOut(Option<TestId>),
    /// The code does not compile.
    NotBuilt,
    /// A program did not list its tests: it panicked, aborted, or asked for too much memory.
    NotListed,
    /// There was no test to run.
    NoTests,
}

/// Builds and runs; ends with the first test that fails.
///
/// # Errors
/// When nextest could not work, or was stopped.
pub fn trial(toolbox: &Toolbox, trial: &Trial) -> Result<TrialEnd, ToolError> {
    let ids = match &trial.tests {
        Some(tests) => tests.iter().map(|test| test.binary.as_str()).collect(),
        None => trial.binaries.iter().map(String::as_str).collect(),
    };
    let cmd = command(toolbox, "run").args(targets(&trial.packages, &ids)).args(["--filterset", &filterset(trial)]);
    attempt(toolbox, cmd, trial)
}

/// Runs tests of a build without asking cargo; ends with the first that fails.
///
/// # Errors
/// As [`trial`].
pub fn trial_of(toolbox: &Toolbox, built: &Built, trial: &Trial) -> Result<TrialEnd, ToolError> {
    attempt(toolbox, select(command(toolbox, "run"), built, &filterset(trial), None), trial)
}

/// Runs what is told by a command of nextest, as the trial says.
fn attempt(toolbox: &Toolbox, cmd: Cmd, trial: &Trial) -> Result<TrialEnd, ToolError> {
    files::create_dir(&trial.directory)?;
    let junit = trial.directory.join("junit.xml");
    // What an earlier trial left must never be taken for this one's.
    let _ = fs::remove_file(&junit);
    let config = trial.directory.join("nextest.toml");
    files::write(&config, &config_of(trial, &junit))?;
    let cmd = cmd
        .arg("--tool-config-file")
        .arg(format!("tollgate:{config}"))
        .args(["--profile", PROFILE, "--no-tests", "fail", "--show-progress", "none"])
        .args(trial.threads.map(|threads| format!("--test-threads={threads}")))
        .env(NO_BACKTRACE.0, NO_BACKTRACE.1)
        .envs(trial.env.iter().map(|(name, value)| (name, value)))
        .timeout(trial.timeout);
    let cmd = match &trial.runner {
        Some((triple, path)) => cmd.env(runner_variable(triple), path),
        None => cmd,
    };
    let Some((cmd, output)) = instrumented(toolbox, cmd)? else { return Ok(TrialEnd::TimedOut(None)) };
    match without_results(output.status) {
        Some(end) => Ok(end),
        None if matches!(output.status, Status::Code(0 | exit::TESTS_FAILED)) => {
            Ok(end(&junit::parse(&files::read(&junit)?)?.results))
        }
        None => Err(refused(&cmd, &output, &trial.filter)),
    }
}

/// The end of a trial that has no results, where the status says one.
fn without_results(status: Status) -> Option<TrialEnd> {
    match status {
        Status::Code(exit::NO_TESTS) => Some(TrialEnd::NoTests),
        Status::Code(exit::BUILD_FAILED) => Some(TrialEnd::NotBuilt),
        Status::Code(exit::LIST_FAILED) => Some(TrialEnd::NotListed),
        _ => None,
    }
}

/// How programs were built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuilt {
    /// They are there.
    Built,
    /// The code does not compile.
    NotBuilt,
    /// The build was stopped at its time limit.
    TimedOut,
}

/// What cargo says of a file that it made, or found made.
#[derive(Deserialize)]
struct Artifact {
    target: ArtifactTarget,
    executable: Option<Utf8PathBuf>,
}

#[derive(Deserialize)]
struct ArtifactTarget {
    name: String,
}

/// Builds programs of these packages from code that may not compile, and puts them into a directory under their names.
///
/// # Errors
/// [`ToolError::MissingBinary`] where the packages have no such program, and where cargo could not work or was stopped.
pub fn rebuild(
    toolbox: &Toolbox,
    packages: &[String],
    programs: &[String],
    directory: &Utf8Path,
    timeout: Duration,
) -> Result<Rebuilt, ToolError> {
    files::create_dir(directory)?;
    let cmd = toolbox
        .cmd(&cargo::program())
        .args(["build", "--color", "never", "--message-format", "json-render-diagnostics"])
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .args(programs.iter().flat_map(|program| ["--bin", program]))
        .timeout(timeout);
    let Some((cmd, output)) = instrumented(toolbox, cmd)? else { return Ok(Rebuilt::TimedOut) };
    match output.status {
        Status::Code(0) => {}
        Status::Code(exit::BUILD_FAILED) => return Ok(Rebuilt::NotBuilt),
        _ => return Err(refused(&cmd, &output, "")),
    }
    let made = executables(&output.stdout);
    for program in programs {
        let path = made.get(program).ok_or_else(|| missing_binary(program, made.keys()))?;
        files::link_or_copy(path, &directory.join(program))?;
    }
    Ok(Rebuilt::Built)
}

/// The programs that cargo names, by name.
fn executables(messages: &str) -> BTreeMap<String, Utf8PathBuf> {
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    artifacts.filter_map(|artifact| Some((artifact.target.name, artifact.executable?))).collect()
}

/// Runs a command that builds with what counts coverage; none where its time was up.
pub(super) fn instrumented(toolbox: &Toolbox, cmd: Cmd) -> Result<Option<(Cmd, Output)>, ToolError> {
    let target = target_of(toolbox);
    let cmd = cmd.env("RUSTC_WORKSPACE_WRAPPER", wrapper::write(&target)?).env("LLVM_PROFILE_FILE", "/dev/null");
    let mut output = cmd.run(&toolbox.interrupt);
    if output.as_ref().is_ok_and(|output| failed_to_link(output.status, &output.stderr)) {
        // A compiler that was killed leaves a cache whose parts don't fit; a mutant is hardly ever the cause.
        let _ = fs::remove_dir_all(target.join("debug/incremental"));
        output = cmd.run(&toolbox.interrupt);
    }
    match output {
        Err(ExecError::TimedOut { .. }) => Ok(None),
        output => Ok(Some((cmd, output?))),
    }
}

/// Where cargo builds.
pub(super) fn target_of(toolbox: &Toolbox) -> Utf8PathBuf {
    toolbox.target_directory.clone().unwrap_or_else(|| toolbox.root.join("target"))
}

/// Whether everything compiled and the linker then refused it.
fn failed_to_link(status: Status, stderr: &str) -> bool {
    status == Status::Code(exit::BUILD_FAILED) && stderr.lines().any(|line| line.starts_with("error: linking with"))
}

/// The variable that names the program which runs a target's tests.
pub fn runner_variable(triple: &str) -> String {
    format!("CARGO_TARGET_{}_RUNNER", triple.to_uppercase().replace(['-', '.'], "_"))
}

/// A failure ends the trial at once, so the tests beside it were killed; those prove nothing, and neither does a timeout.
fn end(results: &[TestResult]) -> TrialEnd {
    let failures = || results.iter().filter(|test| test.outcome() == TestOutcome::Failed);
    let attempt = |test: &TestResult, is: &dyn Fn(&Attempt) -> bool| test.first_failure().is_some_and(is);
    let timed_out = |test: &&TestResult| attempt(test, &|attempt| attempt.outcome == AttemptOutcome::TimedOut);
    let killed = |test: &&TestResult| attempt(test, &was_killed);
    let failed = failures().find(|test| !timed_out(test) && !killed(test));
    match (failed, failures().find(timed_out), failures().next()) {
        (Some(test), ..) | (None, None, Some(test)) => TrialEnd::Failed(test.id.clone()),
        (None, Some(test), _) => TrialEnd::TimedOut(Some(test.id.clone())),
        (None, None, None) if results.is_empty() => TrialEnd::NoTests,
        (None, None, None) => TrialEnd::Passed(results.len()),
    }
}

fn was_killed(attempt: &Attempt) -> bool {
    attempt.outcome == AttemptOutcome::Failed
        && ["SIGTERM", "SIGKILL"].iter().any(|signal| attempt.message.contains(signal))
}

fn config_of(trial: &Trial, junit: &Utf8Path) -> String {
    let text = format!(
        "[profile.{PROFILE}]\n\
         fail-fast = {{ max-fail = 1, terminate = \"immediate\" }}\n\
         retries = 0\n\
         slow-timeout = {{ period = \"{timeout}ms\", terminate-after = 1, grace-period = \"1s\" }}\n\
         status-level = \"fail\"\n\
         final-status-level = \"none\"\n\
         success-output = \"never\"\n\
         failure-output = \"never\"\n\
         \n[profile.{PROFILE}.junit]\n\
         path = {path:?}\n",
        timeout = trial.test_timeout_ms,
        path = junit.as_str(),
    );
    text + &profile::first(PROFILE, &trial.first)
}

/// What makes cargo build these binaries of packages. One that is no library, program or integration test can't be asked for
/// among several packages; then all are built.
pub(super) fn targets(packages: &[String], ids: &BTreeSet<&str>) -> Vec<String> {
    let packages = packages.iter().flat_map(|package| ["--package", package]).map(str::to_owned);
    let target = |id: &&str| match id.split_once("::").map(|(_, name)| name.split_once('/').ok_or(name)) {
        None => Some(vec!["--lib".to_owned()]),
        Some(Ok(("bin", name))) => Some(vec!["--bin".to_owned(), name.to_owned()]),
        Some(Ok(_)) => None,
        Some(Err(name)) => Some(vec!["--test".to_owned(), name.to_owned()]),
    };
    let targets: Option<BTreeSet<Vec<String>>> = ids.iter().map(target).collect();
    packages.chain(targets.into_iter().flatten().flatten()).collect()
}

/// The tests by name, as one regular expression a binary, which is as fast as no filter; the policy's filterset where they
/// are not known or too many for a command line.
fn filterset(trial: &Trial) -> String {
    let Some(tests) = &trial.tests else { return trial.filter.clone() };
    let mut by_binary: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for test in tests {
        by_binary.entry(&test.binary).or_default().push(escape(&test.name));
    }
    let one =
        |(binary, names): (&&str, &Vec<String>)| format!("(binary_id(={binary}) & test(/^({})$/))", names.join("|"));
    let text = by_binary.iter().map(one).collect::<Vec<_>>().join(" | ");
    if text.len() <= FILTER_BYTES_MAX { text } else { trial.filter.clone() }
}

/// A name as a regular expression within `/.../`.
fn escape(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_: ".contains(c);
    name.chars().fold(String::new(), |mut text, c| {
        if !plain(c) {
            text.push('\\');
        }
        text.push(c);
        text
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    fn test(name: &str, outcomes: &[AttemptOutcome]) -> TestResult {
        let attempt = |&outcome| Attempt { outcome, duration_ms: 1, message: String::new(), output: String::new() };
        TestResult { id: TestId::new("shop", name), attempts: outcomes.iter().map(attempt).collect() }
    }

    #[test]
    fn only_a_test_that_failed_catches_a_mutant() {
        use AttemptOutcome::{Failed, Passed, TimedOut};
        let (passed, stuck, failed) = (test("a", &[Passed]), test("b", &[TimedOut]), test("c", &[Failed]));
        assert_eq!(end(&[]), TrialEnd::NoTests);
        assert_eq!(end(&[passed.clone(), passed.clone()]), TrialEnd::Passed(2));
        assert_eq!(end(&[passed.clone(), stuck.clone()]), TrialEnd::TimedOut(Some(stuck.id.clone())));
        assert_eq!(end(&[stuck, failed.clone(), passed]), TrialEnd::Failed(failed.id));
    }

    fn sample(packages: &[&str], tests: Option<&[(&str, &str)]>) -> Trial {
        Trial {
            filter: "kind(lib)".into(),
            packages: packages.iter().map(ToString::to_string).collect(),
            binaries: BTreeSet::new(),
            tests: tests.map(|tests| tests.iter().map(|(binary, name)| TestId::new(*binary, *name)).collect()),
            first: vec![TestId::new("a", "unit::x")],
            test_timeout_ms: 1500,
            timeout: Duration::from_secs(9),
            threads: None,
            env: Vec::new(),
            runner: None,
            directory: "/d".into(),
        }
    }

    #[test]
    fn only_the_binaries_that_are_asked_for_are_built() {
        let shown = |packages: &[&str], ids: &[&str]| {
            let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
            targets(&packages, &ids.iter().copied().collect()).join(" ")
        };
        assert_eq!(shown(&["a", "b"], &[]), "--package a --package b");
        assert_eq!(shown(&["a"], &["a"]), "--package a --lib");
        assert_eq!(shown(&["a"], &["a", "a::e2e", "a::bin/tool"]), "--package a --bin tool --lib --test e2e");
        assert_eq!(shown(&["a", "b"], &["a", "b", "b::e2e"]), "--package a --package b --lib --test e2e");
        assert_eq!(shown(&["a", "b"], &["a", "a::example/x"]), "--package a --package b");
    }

    #[test]
    fn tests_are_named_exactly() {
        assert_eq!(filterset(&sample(&["a"], None)), "kind(lib)");
        let two = [("a", "unit::x"), ("a", "unit::r#y"), ("a::e2e", "z")];
        assert_eq!(
            filterset(&sample(&["a"], Some(&two))),
            r"(binary_id(=a) & test(/^(unit::x|unit::r\#y)$/)) | (binary_id(=a::e2e) & test(/^(z)$/))"
        );
    }

    #[test]
    fn what_keeps_tests_from_running_is_told_apart_and_another_code_is_an_error() {
        let codes = [0, 4, 94, 100, 101, 104].map(|code| without_results(Status::Code(code)));
        let (none, built, listed) = (Some(TrialEnd::NoTests), Some(TrialEnd::NotBuilt), Some(TrialEnd::NotListed));
        assert_eq!(codes, [None, none, None, None, built, listed]);
    }

    #[test]
    fn a_refusal_of_the_linker_is_none_of_the_compiler() {
        let linker = "   Compiling a v0.1.0\nerror: linking with `cc` failed: exit status: 1\n";
        assert!(failed_to_link(Status::Code(exit::BUILD_FAILED), linker));
        assert!(!failed_to_link(Status::Code(exit::BUILD_FAILED), "error[E0308]: mismatched types\n"));
        assert!(!failed_to_link(Status::Code(exit::TESTS_FAILED), linker));
    }

    #[test]
    fn programs_are_found_where_cargo_says_they_are() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"shop"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"till"},"executable":"/t/debug/till","fresh":true}
{"reason":"build-finished","success":true}
"#;
        let made = executables(messages);
        assert_eq!(made.into_iter().collect::<Vec<_>>(), [("till".to_owned(), "/t/debug/till".into())]);
    }

    #[test]
    fn the_runner_is_that_of_the_target() {
        assert_eq!(runner_variable("x86_64-unknown-linux-gnu"), "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER");
    }

    #[test]
    fn the_profile_ends_with_the_first_failure_and_bounds_every_test() {
        let text = config_of(&sample(&["a"], None), "/d/junit.xml".into());
        let first =
            "[[profile.tollgate-mutants.overrides]]\nfilter = \"binary_id(=a) & test(=unit::x)\"\npriority = 100\n";
        assert!(text.ends_with(first), "{text}");
        assert!(text.contains("max-fail = 1") && text.contains("period = \"1500ms\", terminate-after = 1"), "{text}");
    }
}
