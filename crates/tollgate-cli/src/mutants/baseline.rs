//! The unchanged workspace: its tests must pass, and say what they reach.

use crate::{console::Tone, error::CliError, project::Project, session::Session};
use camino::Utf8Path;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};
use tollgate_core::{
    coverage::parse_lcov,
    mutation::{FunctionTests, Reach},
};
use tollgate_model::{BuildKind, BuildPlan, Milliseconds, RunId, TestId, TestOutcome, TestResult, TierName};
use tollgate_tools::{
    cargo,
    coverage::{self, reach},
    mutants::Scratch,
    nextest::{self, TierRun, runner_variable},
};

/// A test of a mutant may take so many times what the slowest of its tests took, and so much more, before it is stopped.
const TIMEOUT_FACTOR: Milliseconds = 3;
const TIMEOUT_MORE: Milliseconds = 5_000;

/// What the tests of the unchanged workspace do.
pub(super) struct Baseline {
    /// Filterset of the tests that are to notice mutants.
    pub(super) filter: String,
    /// What they reach.
    pub(super) reach: Reach,
    /// Target triple, for the program that runs tests.
    pub(super) host: String,
    /// What tests find their services by.
    pub(super) variables: Vec<(String, String)>,
    /// Tests at once; absent means one per core.
    pub(super) threads: Option<u32>,
    durations: BTreeMap<TestId, Milliseconds>,
    timeout_ms_max: Milliseconds,
}

impl Baseline {
    /// Builds the copy and runs its tests, each with a profile of its own; `variables` say where their services are.
    ///
    /// # Errors
    /// [`CliError::Baseline`] where a test fails, and where the copy can't be built.
    pub(super) fn observe(
        project: &Project,
        scratch: &Scratch,
        directory: &Utf8Path,
        noticing: &BTreeMap<String, Vec<String>>,
        variables: &[(String, String)],
        session: &Session,
    ) -> Result<Self, CliError> {
        let console = session.reporter.console();
        let toolbox = &scratch.toolbox;
        let packages: BTreeSet<String> = noticing.values().flatten().cloned().collect();
        let plan = BuildPlan {
            kind: BuildKind::Instrumented,
            cargo_profile: "dev".to_owned(),
            packages: packages.into_iter().collect(),
        };
        console.live("Building", "the unchanged workspace");
        let on_line = &mut |line: &str| console.live("Building", line.trim());
        let built = nextest::build(toolbox, &plan, &directory.join("build"), &[], on_line)?;
        let Asked { filter, timeout_ms_max, threads } = asked(project);
        let profiles = directory.join("profiles");
        // What an interrupted run left would count for this one's tests.
        let _ = fs::remove_dir_all(&profiles);
        let host = cargo::host(&toolbox.root, &toolbox.interrupt)?;
        let tier = TierRun {
            name: TierName::new("baseline").expect("a valid name"),
            run: RunId::new("mutants").expect("a valid name"),
            filter: filter.clone(),
            partition: None,
            tests: None,
            first: Vec::new(),
            retries: 0,
            timeout_ms: timeout_ms_max,
            threads,
            limit: None,
            env: [
                (runner_variable(&host), scratch.runner.to_string()),
                (reach::PROFILES_VARIABLE.to_owned(), profiles.to_string()),
                ("LLVM_PROFILE_FILE".to_owned(), "/dev/null".to_owned()),
            ]
            .into_iter()
            .chain(variables.iter().cloned())
            .collect(),
            directory: directory.join("baseline"),
        };
        console.live("Running", "the tests of the unchanged workspace");
        let ran = nextest::run(toolbox, &built, &tier, &mut |_| ())?;
        check(&ran.results)?;
        console.status(Tone::Good, "Baseline", &format!("{} tests pass", ran.results.len()));
        console.live("Reading", "what each test reaches");
        let reach = read(scratch, &built.objects(), &profiles, directory)?;
        let _ = fs::remove_dir_all(&profiles);
        let durations = ran.results.iter().map(|test| (test.id.clone(), test.duration_ms())).collect();
        Ok(Self { filter, reach, host, variables: variables.to_vec(), threads, durations, timeout_ms_max })
    }

    /// Time after which a test of these is stopped; of all where they are not known.
    pub(super) fn timeout_ms(&self, tests: Option<&[TestId]>) -> Milliseconds {
        let slowest = match tests {
            Some(tests) => tests.iter().filter_map(|test| self.durations.get(test)).max(),
            None => self.durations.values().max(),
        };
        (slowest.copied().unwrap_or_default() * TIMEOUT_FACTOR + TIMEOUT_MORE).min(self.timeout_ms_max)
    }

    /// Whether services are up for its tests.
    pub(super) fn has_services(&self) -> bool {
        !self.variables.is_empty()
    }

    /// What a stored result must have been found with to be this run's as well.
    pub(super) fn key(&self, scratch: &Scratch) -> String {
        format!("{} {}", scratch.digest, self.filter)
    }
}

/// What the tiers that are to notice mutants ask for.
struct Asked {
    filter: String,
    timeout_ms_max: Milliseconds,
    threads: Option<u32>,
}

/// Their tests are run together: with the longest of their timeouts, and as few at once as the most careful of them wants.
fn asked(project: &Project) -> Asked {
    let tiers = || project.config.tiers.iter().filter(|tier| project.config.mutation.tiers.contains(&tier.name));
    let filters: Vec<String> = tiers().map(|tier| format!("({})", tier.filter)).collect();
    Asked {
        filter: if filters.is_empty() { "none()".to_owned() } else { filters.join(" + ") },
        timeout_ms_max: tiers().map(|tier| tier.timeout_ms).max().unwrap_or(60_000),
        threads: tiers().filter_map(|tier| tier.threads).min(),
    }
}

/// A mutant is only told from the unchanged code by tests that pass on that.
fn check(results: &[TestResult]) -> Result<(), CliError> {
    let failed: Vec<String> = results
        .iter()
        .filter(|test| test.outcome() == TestOutcome::Failed)
        .map(|test| match test.first_failure() {
            Some(attempt) if !attempt.message.is_empty() => format!("{}: {}", test.id, attempt.message),
            _ => test.id.to_string(),
        })
        .collect();
    if failed.is_empty() { Ok(()) } else { Err(CliError::Baseline { failed }) }
}

/// Covered lines, and the tests that enter each function.
fn read(
    scratch: &Scratch,
    objects: &[camino::Utf8PathBuf],
    profiles: &Utf8Path,
    directory: &Utf8Path,
) -> Result<Reach, CliError> {
    let toolbox = &scratch.toolbox;
    let merged = coverage::merge(toolbox, &[profiles.to_owned()], &directory.join("baseline/merged.profdata"))?;
    let Some(profile) = merged.profile else { return Ok(Reach::default()) };
    let exported = coverage::export(toolbox, objects, &profile)?;
    let lcov = parse_lcov(&exported.lcov).map_err(|error| CliError::usage(format!("llvm-cov: {error}"), []))?;
    let relative = |path: &str| Utf8Path::new(path).strip_prefix(&toolbox.root).ok().map(ToString::to_string);
    let lines = lcov.into_iter().filter_map(|(file, lines)| Some((relative(&file)?, lines))).collect();
    let mut by_function: BTreeMap<String, BTreeSet<TestId>> = BTreeMap::new();
    for (test, names) in reach::entered(toolbox, profiles)? {
        for name in names {
            by_function.entry(name).or_default().insert(test.clone());
        }
    }
    let functions = reach::functions(toolbox, objects, &profile)?.into_iter().filter_map(|function| {
        let tests = by_function.get(&function.name)?.clone();
        Some(FunctionTests { file: relative(&function.file)?, lines: function.lines, tests })
    });
    Ok(Reach { lines, functions: functions.collect() })
}
