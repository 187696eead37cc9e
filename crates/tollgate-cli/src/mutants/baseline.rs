//! The unchanged workspace: its tests must pass, and say what they reach.

use crate::{console::Tone, error::CliError, pipeline::Beside, project::Project, session::Session};
use camino::{Utf8Path, Utf8PathBuf};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};
use tollgate_core::{
    config::TierConfig,
    coverage::{Lcov, parse_lcov},
    mutation::{FunctionTests, Reach, SWITCH_FUNCTION},
};
use tollgate_env::Binaries;
use tollgate_model::{BuildKind, BuildPlan, Member, Milliseconds, RunId, TestId, TestOutcome, TestResult, TierName};
use tollgate_tools::{
    ToolError, Toolbox,
    cargo::{self, Workspace},
    coverage::{self, reach},
    mutants::Scratch,
    nextest::{self, Membership, TierRun, runner_variable},
};

/// A test of a mutant may take so many times what the slowest of its tests took, and so much more, before it is stopped.
const TIMEOUT_FACTOR: Milliseconds = 3;
const TIMEOUT_MORE: Milliseconds = 5_000;

/// A mutant can make the compiler or a test binary's listing run for ever. A trial may take so much longer than the build and
/// the tests of the unchanged workspace, of which that build may have had nothing to do.
const TRIAL_MORE: Duration = Duration::from_mins(10);

/// What the tests of a change's program are taken to need until they have run, for the time after which they are stopped as a whole.
const TESTS_MAX: Duration = Duration::from_mins(10);

/// The copy as it was built.
pub(super) struct Built {
    tests: nextest::Built,
    /// The programs that services run.
    pub(super) binaries: Binaries,
    took: Duration,
    /// Time after which its tests are stopped as a whole, where they may be at fault themselves.
    limit: Option<Duration>,
}

impl Built {
    /// Builds the tests of packages and programs in the copy.
    ///
    /// # Errors
    /// Where the copy can't be built.
    pub(super) fn of(
        scratch: &Scratch,
        directory: &Utf8Path,
        packages: BTreeSet<String>,
        programs: &[String],
        session: &Session,
    ) -> Result<Self, CliError> {
        let (console, began) = (session.reporter.console(), Instant::now());
        console.live("Building", "the unchanged workspace");
        let on_line = &mut |line: &str| console.live("Building", line.trim());
        let packages: Vec<String> = packages.into_iter().collect();
        let out = directory.join("build");
        let built = build(&scratch.toolbox, &packages, &out, programs, on_line)?;
        let binaries = binaries(&built, programs, &out)?;
        Ok(Self { tests: built, binaries, took: began.elapsed(), limit: None })
    }

    /// Tests with mutants in them, of which none is on, that were built in so much time; no service runs a program of theirs.
    pub(super) fn of_tests(tests: nextest::Built, took: Duration) -> Self {
        let binaries = Binaries { directory: Utf8PathBuf::new(), instrumented: true };
        Self { tests, binaries, took, limit: Some(limit(took, TESTS_MAX)) }
    }
}

/// Builds the tests of packages and programs with what counts their coverage.
pub(super) fn build(
    toolbox: &Toolbox,
    packages: &[String],
    out: &Utf8Path,
    programs: &[String],
    on_line: &mut dyn FnMut(&str),
) -> Result<nextest::Built, ToolError> {
    let plan =
        BuildPlan { kind: BuildKind::Instrumented, cargo_profile: "dev".to_owned(), packages: packages.to_vec() };
    nextest::build(toolbox, &plan, out, programs, on_line)
}

/// Programs of a build, out of the way of later builds.
fn binaries(built: &nextest::Built, programs: &[String], out: &Utf8Path) -> Result<Binaries, ToolError> {
    let directory = out.join("bin");
    nextest::copy_binaries(built, programs, &directory)?;
    Ok(Binaries { directory, instrumented: true })
}

/// What the tests of the unchanged workspace do.
pub(super) struct Baseline {
    /// Filterset of the tests that are to notice mutants.
    pub(super) filter: String,
    /// Those of them that need no service, where services run programs of the workspace.
    pub(super) alone: BTreeSet<TestId>,
    /// What they reach.
    pub(super) reach: Reach,
    /// Target triple, for the program that runs tests.
    pub(super) host: String,
    /// What tests find their services by.
    pub(super) variables: Vec<(String, String)>,
    /// Tests at once; absent means one per core.
    pub(super) threads: Option<u32>,
    /// Time after which a trial is stopped as a whole.
    pub(super) limit: Duration,
    durations: BTreeMap<TestId, Milliseconds>,
    timeout_ms_max: Milliseconds,
}

impl Baseline {
    /// Runs the tests of the build, each with a profile of its own.
    ///
    /// # Errors
    /// [`CliError::Baseline`] where a test fails, and where a tool can't work.
    pub(super) fn observe(
        project: &Project,
        scratch: &Scratch,
        directory: &Utf8Path,
        built: &Built,
        workspace: &Workspace,
        beside: Option<&Beside<'_>>,
        session: &Session,
    ) -> Result<Self, CliError> {
        let console = session.reporter.console();
        let toolbox = &scratch.toolbox;
        let Built { tests: built, took: building, limit: built_limit, .. } = built;
        let variables = beside.map(|beside| beside.variables.clone()).unwrap_or_default();
        let Asked { filter, filter_alone, timeout_ms_max, threads } = asked(project);
        let profiles = directory.join("profiles");
        // What an interrupted run left would count for this one's tests.
        let _ = fs::remove_dir_all(&profiles);
        let host = cargo::host(&toolbox.root, &toolbox.interrupt)?;
        let mut env = env(&host, scratch);
        env.push((reach::PROFILES_VARIABLE.to_owned(), profiles.to_string()));
        env.extend(variables.iter().cloned());
        let mut tier = tier(filter.clone(), None, timeout_ms_max, threads, env, directory.join("baseline"));
        tier.limit = *built_limit;
        console.live("Running", "the tests of the unchanged workspace");
        let ran = nextest::run(toolbox, built, &tier, &mut |_| ())?;
        check(&ran.results)?;
        console.status(Tone::Good, "Baseline", &format!("{} tests pass", ran.results.len()));
        console.live("Reading", "what each test reaches");
        // What a service counts is nobody's in particular: its lines are reached, by tests that are not known.
        let served = beside.map(|beside| beside.profiles.clone());
        let reach = read(scratch, &built.objects(), &profiles, served, directory, packages(built, workspace))?;
        let _ = fs::remove_dir_all(&profiles);
        let alone = match beside.filter(|beside| !beside.programs.is_empty()) {
            Some(_) => nextest::list(toolbox, built, &filter_alone, None)?.with(Membership::Matched).cloned().collect(),
            None => BTreeSet::new(),
        };
        let durations = ran.results.iter().map(|test| (test.id.clone(), test.duration_ms())).collect();
        let limit = limit(*building, Duration::from_millis(ran.wall_ms));
        Ok(Self { filter, alone, reach, host, variables, threads, limit, durations, timeout_ms_max })
    }

    /// Whether there is no test that is to notice mutants.
    pub(super) fn is_untested(&self) -> bool {
        self.durations.is_empty()
    }

    /// Time after which a test of these is stopped; of all where they are not known.
    pub(super) fn timeout_ms(&self, tests: Option<&[TestId]>) -> Milliseconds {
        let slowest = match tests {
            Some(tests) => tests.iter().filter_map(|test| self.durations.get(test)).max(),
            None => self.durations.values().max(),
        };
        self.bounded(slowest.copied().unwrap_or_default())
    }

    /// Time after which a test is stopped, where the slowest takes so long without a mutant.
    pub(super) fn bounded(&self, slowest: Milliseconds) -> Milliseconds {
        (slowest * TIMEOUT_FACTOR + TIMEOUT_MORE).min(self.timeout_ms_max)
    }

    /// A run of tests of the copy, under the bounds of a trial.
    pub(super) fn tier(&self, scratch: &Scratch, tests: Vec<TestId>, directory: Utf8PathBuf) -> TierRun {
        let timeout_ms = self.timeout_ms(Some(&tests));
        let env = env(&self.host, scratch).into_iter().chain(self.variables.clone()).collect();
        tier(self.filter.clone(), Some(tests), timeout_ms, self.threads, env, directory)
    }

    /// The tests of packages that are to notice mutants.
    pub(super) fn tests(&self, packages: &[String]) -> BTreeSet<TestId> {
        let tests = self.durations.keys().filter(|test| packages.iter().any(|package| package == test.package()));
        tests.cloned().collect()
    }

    /// The test binaries of packages that have tests which are to notice mutants.
    pub(super) fn binaries(&self, packages: &[String]) -> BTreeSet<String> {
        self.tests(packages).into_iter().map(|test| test.binary).collect()
    }

    /// What a stored result must have been found with to be this run's as well.
    pub(super) fn key(&self, scratch: &Scratch) -> String {
        format!("{} {} {}", env!("CARGO_PKG_VERSION"), scratch.digest, self.filter)
    }
}

/// Time after which a trial is stopped as a whole, where build and tests take so long without a mutant.
fn limit(building: Duration, testing: Duration) -> Duration {
    (building + testing) * u32::try_from(TIMEOUT_FACTOR).unwrap_or(u32::MAX) + TRIAL_MORE
}

/// What tests have that is not the caller's, while a mutant is tried and while none is: a test that only passes with something
/// else would seem to notice every mutant, so it must fail on the unchanged workspace.
fn env(host: &str, scratch: &Scratch) -> Vec<(String, String)> {
    let (name, value) = nextest::NO_BACKTRACE;
    vec![(runner_variable(host), scratch.runner.to_string()), (name.to_owned(), value.to_owned())]
}

/// All of these tests, each once.
fn tier(
    filter: String,
    tests: Option<Vec<TestId>>,
    timeout_ms: Milliseconds,
    threads: Option<u32>,
    env: Vec<(String, String)>,
    directory: Utf8PathBuf,
) -> TierRun {
    TierRun {
        name: TierName::new("baseline").expect("a valid name"),
        run: RunId::new("mutants").expect("a valid name"),
        filter,
        partition: None,
        tests,
        first: Vec::new(),
        retries: 0,
        timeout_ms,
        threads,
        limit: None,
        env,
        directory,
    }
}

/// What the tiers that are to notice mutants ask for.
struct Asked {
    filter: String,
    /// Of the tiers that need no service.
    filter_alone: String,
    timeout_ms_max: Milliseconds,
    threads: Option<u32>,
}

/// Their tests are run together: with the longest of their timeouts, and as few at once as the most careful of them wants.
fn asked(project: &Project) -> Asked {
    let tiers = || project.config.tiers.iter().filter(|tier| project.config.mutation.tiers.contains(&tier.name));
    let any = |filters: Vec<String>| if filters.is_empty() { "none()".to_owned() } else { filters.join(" + ") };
    let filter = |tier: &TierConfig| format!("({})", tier.filter);
    Asked {
        filter: any(tiers().map(filter).collect()),
        filter_alone: any(tiers().filter(|tier| tier.services.is_empty()).map(filter).collect()),
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
    objects: &[Utf8PathBuf],
    profiles: &Utf8Path,
    served: Option<Utf8PathBuf>,
    directory: &Utf8Path,
    built: BTreeMap<String, bool>,
) -> Result<Reach, CliError> {
    let toolbox = &scratch.toolbox;
    let inputs: Vec<Utf8PathBuf> = std::iter::once(profiles.to_owned()).chain(served).collect();
    let merged = coverage::merge(toolbox, &inputs, &directory.join("baseline/merged.profdata"))?;
    let Some(profile) = merged.profile else { return Ok(Reach::default()) };
    let exported = coverage::export(toolbox, objects, &profile)?;
    let lcov = parse_lcov(&exported.lcov).map_err(|error| CliError::usage(format!("llvm-cov: {error}"), []))?;
    let relative = |path: &str| Utf8Path::new(path).strip_prefix(&toolbox.root).ok().map(ToString::to_string);
    let mut lines: Lcov = lcov.into_iter().filter_map(|(file, lines)| Some((relative(&file)?, lines))).collect();
    lines.retain(|file, lines| {
        // A switch is what is below a file with mutants in it, and no code of the workspace.
        let text = fs::read_to_string(toolbox.root.join(file)).unwrap_or_default();
        if text.lines().next_back().is_some_and(|last| last.contains(SWITCH_FUNCTION)) {
            lines.remove(&u32::try_from(text.lines().count()).unwrap_or(u32::MAX));
        }
        !lines.is_empty()
    });
    let mut by_function: BTreeMap<String, BTreeSet<TestId>> = BTreeMap::new();
    for (test, names) in reach::entered(toolbox, profiles)? {
        for name in names {
            by_function.entry(name).or_default().insert(test.clone());
        }
    }
    let functions = reach::functions(toolbox, objects, &profile)?.into_iter();
    let functions = functions.filter(|function| !function.name.contains(SWITCH_FUNCTION)).filter_map(|function| {
        let tests = by_function.get(&function.name).cloned().unwrap_or_default();
        Some(FunctionTests { file: relative(&function.file)?, lines: function.lines, tests })
    });
    Ok(Reach { lines, functions: functions.collect(), built })
}

/// Packages that test programs were made of, and whether all their code is in what was built: a library and programs that have tests
/// of their own, and other programs that were built as well.
fn packages(built: &nextest::Built, workspace: &Workspace) -> BTreeMap<String, bool> {
    let is_test = |id: &str| built.test_binaries.contains_key(id);
    let is_built = |package: &str, binary: &String| {
        is_test(&format!("{package}::bin/{binary}")) || built.binaries.contains_key(binary)
    };
    let is_whole = |member: &Member| {
        (is_test(&member.name) || !workspace.libraries.contains(&member.name))
            && member.binaries.iter().all(|binary| is_built(&member.name, binary))
    };
    let names = built.test_binaries.keys().filter_map(|id| id.split("::").next());
    let members = names.filter_map(|name| workspace.members.iter().find(|member| member.name == name));
    members.map(|member| (member.name.clone(), is_whole(member))).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_trial_may_take_longer_where_the_unchanged_workspace_does() {
        let minutes = Duration::from_mins;
        assert_eq!(limit(Duration::ZERO, Duration::ZERO), minutes(10));
        assert_eq!(limit(minutes(1), minutes(20)), minutes(73));
    }

    #[test]
    fn all_code_of_a_package_is_built_where_its_library_has_tests_and_all_its_programs_are_there() {
        let member = |name: &str, binaries: &[&str]| Member {
            name: name.to_owned(),
            directory: name.to_owned(),
            binaries: binaries.iter().map(|&name| name.to_owned()).collect(),
        };
        let members =
            [member("lib", &[]), member("bin", &["one", "two"]), member("both", &["three"]), member("no", &[])];
        let workspace = Workspace {
            root: "/w".into(),
            target_directory: "/t".into(),
            members: members.to_vec(),
            libraries: ["lib", "both", "no"].map(str::to_owned).into(),
            dependencies: BTreeMap::new(),
        };
        let whole = |tests: &[&str], programs: &[&str]| {
            let named = |names: &[&str]| names.iter().map(|&name| (name.to_owned(), "/p".into())).collect();
            let built = nextest::Built {
                kind: BuildKind::Instrumented,
                binaries_metadata: "/b".into(),
                cargo_metadata: "/c".into(),
                target_directory: "/t".into(),
                test_binaries: named(tests),
                binaries: named(programs),
                moved_to: None,
            };
            packages(&built, &workspace)
                .into_iter()
                .map(|(name, is_whole)| format!("{name} {is_whole}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(whole(&["lib", "bin::bin/one", "both"], &[]), ["bin false", "both false", "lib true"]);
        assert_eq!(whole(&["bin::bin/one", "both::e2e"], &["two", "three"]), ["bin true", "both false"]);
        assert_eq!(whole(&["both"], &["three"]), ["both true"]);
    }
}
