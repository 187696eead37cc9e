//! Survey: everything a run has to know of the world, read once and side by side, and the plan made from it.

use super::{base, run::millis};
use crate::{
    args::Selection,
    durations,
    error::CliError,
    project::{Project, variables},
    session::{Session, signal_name},
};
use camino::Utf8Path;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, thread,
    time::Instant,
};
use tollgate_core::coverage::has_code;
use tollgate_core::mutation::{added, cuts};
use tollgate_core::plan::{Facts, Request, Touched, plan as make_plan};
use tollgate_env::{Compose, EnvError, NativeProgram, native_programs};
use tollgate_exec::{Interrupt, find_program};
use tollgate_model::{
    ChangeEvidence, CoverageBase, EngineChoice, Event, InvalidName, LogLevel, Plan, ServiceName, StageName, Step,
    StepState, TestId, TierName,
};
use tollgate_tools::{cargo, git, setup};

/// What was found.
pub(crate) struct Survey {
    /// The workspace, from cargo.
    pub(crate) workspace: cargo::Workspace,
    /// The compiler, its host and its targets.
    pub(crate) toolchain: String,
    /// Commit, and whether the checkout differs from it.
    pub(crate) head: Option<(String, bool)>,
    /// The tools, with the pinned versions.
    pub(crate) tools: setup::Tools,
    /// What was added since the base, where one was named.
    pub(crate) change: Option<ChangeEvidence>,
    /// The files that differ from the base, from the root, where one was named.
    pub(crate) touched: Option<Vec<String>>,
    /// The recorded run that is nearest to where the checkout and the base parted, where there is one.
    pub(crate) base: Option<CoverageBase>,
    /// The tests of the recorded run of where they parted, where there is one.
    pub(crate) base_tests: Option<BTreeSet<TestId>>,
}

impl Survey {
    /// Compares the checkout with a revision, where one is named.
    ///
    /// # Errors
    /// When there is no such revision.
    pub(crate) fn compared_with(mut self, base: Option<&str>, session: &Session) -> Result<Self, CliError> {
        let root = &self.workspace.root;
        self.change = base.map(|base| change(root, base, &session.interrupt)).transpose()?;
        let touched = |change: &ChangeEvidence| git::touched(root, &change.commit, &session.interrupt);
        self.touched = self.change.as_ref().map(touched).transpose()?;
        Ok(self)
    }

    /// Looks for the recorded run of the plan's stage that the change is compared with. That there is none is said by the
    /// gates; why the history could not be asked, by a warning.
    pub(crate) fn with_baseline(mut self, plan: &Plan, session: &Session) -> Self {
        let Some(change) = &mut self.change else { return self };
        let root = &self.workspace.root;
        let asked = base::coverage_base(root, change, plan, session)
            .and_then(|base| Ok((base, base::tests_of(root, &change.commit, &plan.stage)?)));
        match asked {
            Ok((base, tests)) => (self.base, self.base_tests) = (base, tests),
            Err(why) => {
                session.reporter.say(LogLevel::Warning, format!("the history can't be asked for a base: {why}"));
                change.unreadable = Some(why.to_string());
            }
        }
        self
    }
}

/// What was added since the checkout parted from a revision.
///
/// # Errors
/// When there is no such revision.
fn change(root: &Utf8Path, base: &str, interrupt: &Interrupt) -> Result<ChangeEvidence, CliError> {
    let failed = |error: String| {
        let shallow = "a shallow clone lacks the base: `git fetch --unshallow` or `fetch-depth: 0` brings it";
        // Of a checkout that belongs to another user git itself says what to do.
        let hints = (!error.contains("safe.directory")).then(|| shallow.to_owned());
        CliError::usage(format!("the change can't be compared with `{base}`: {error}"), hints)
    };
    let (commit, diff) = git::diff(root, base, interrupt).map_err(|error| failed(error.to_string()))?;
    let lines = added(&diff).map_err(|error| failed(error.to_string()))?;
    let added: BTreeMap<_, _> = lines.into_iter().map(|(file, lines)| (file, ranges(lines))).collect();
    // A file that the change takes away can't be read, and adds nothing.
    let text = |file: &String| fs::read_to_string(root.join(file)).ok();
    let is_code = |file: &String, lines: &[(u32, u32)]| text(file).is_some_and(|text| has_code(&text, lines));
    let rust = added.iter().filter(|(file, _)| Utf8Path::new(file).extension() == Some("rs"));
    let code = rust.filter(|(file, lines)| is_code(file, lines)).map(|(file, _)| file.clone()).collect();
    Ok(ChangeEvidence { commit, added, cuts: cuts(&diff), code, unreadable: None })
}

/// Ascending numbers as ranges with both ends.
fn ranges(lines: impl IntoIterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for line in lines {
        match ranges.last_mut().filter(|(_, last)| last.checked_add(1) == Some(line)) {
            Some((_, last)) => *last = line,
            None => ranges.push((line, line)),
        }
    }
    ranges
}

/// Reads the world; installs the pinned tools where they are missing.
///
/// # Errors
/// When the workspace can't be read, or a tool is missing and can't be installed.
pub(crate) fn survey(project: &Project, session: &Session) -> Result<Survey, CliError> {
    let (root, interrupt) = (&project.root, &session.interrupt);
    // One that came out of a cache is no change of the checkout. Where it can't be hidden, whoever writes in it says so.
    if root.join(durations::DIRECTORY).is_dir() {
        let _ = durations::hide(root);
    }
    let (workspace, toolchain, head, tools) = thread::scope(|scope| {
        let workspace = scope.spawn(|| cargo::metadata(root, interrupt));
        let toolchain = scope.spawn(|| cargo::toolchain(root, interrupt));
        let head = scope.spawn(|| git::head(root, interrupt));
        let tools = tools(project, session);
        (join(workspace), join(toolchain), join(head), tools)
    });
    if let Some(signal) = session.interrupt.signal() {
        return Err(CliError::Interrupted { signal: signal_name(signal) });
    }
    Ok(Survey {
        workspace: workspace?,
        toolchain: toolchain?,
        head,
        tools: tools?,
        change: None,
        touched: None,
        base: None,
        base_tests: None,
    })
}

/// The tools that a run uses; those that are missing are installed.
fn tools(project: &Project, session: &Session) -> Result<setup::Tools, CliError> {
    let mut pins = pins(project);
    // A run makes no mutants, and building that tool takes longer than most runs.
    pins.tools.retain(|pin| pin.name != "cargo-mutants");
    found_or_installed(&pins, &project.root, session)
}

/// Every pinned tool, that for mutants among them; those that are missing are installed.
pub(crate) fn all_tools(project: &Project, session: &Session) -> Result<setup::Tools, CliError> {
    found_or_installed(&pins(project), &project.root, session)
}

fn found_or_installed(pins: &setup::Pins, root: &Utf8Path, session: &Session) -> Result<setup::Tools, CliError> {
    let missing = match setup::find(pins, root, &session.interrupt) {
        Ok(tools) => return Ok(tools),
        Err(missing) => missing,
    };
    install(&Lacking { tools: missing, packages: BTreeSet::new() }, root, session)?;
    setup::find(pins, root, &session.interrupt).map_err(|missing| CliError::Machine {
        what: "a pinned tool is still missing after it was installed; `cargo xtask setup` says more".to_owned(),
        source: std::io::Error::other(missing.to_string()),
    })
}

fn pins(project: &Project) -> setup::Pins {
    let tools = project.config.tools.iter().map(|tool| setup::Pin {
        name: tool.name.clone(),
        version: tool.version.clone(),
        python_package: tool.python_package.clone(),
    });
    setup::Pins { tools: tools.collect() }
}

/// What has to be installed before everything of a configuration can be run.
#[derive(Debug, Default)]
pub(crate) struct Lacking {
    tools: setup::Missing,
    /// Debian packages of programs that native services need and that tests start.
    packages: BTreeSet<String>,
}

impl Lacking {
    /// What is missing, by name.
    pub(crate) fn names(&self) -> Vec<String> {
        self.tools.names().into_iter().chain(self.packages.iter().map(|package| format!("package {package}"))).collect()
    }

    /// Whether nothing is missing.
    pub(crate) fn is_empty(&self) -> bool {
        self.tools.is_empty() && self.packages.is_empty()
    }

    /// What a run on this engine lacks but for its tools, which it has found before.
    pub(super) fn of_run(project: &Project, native: Option<(&Compose, &[ServiceName])>) -> Self {
        let mut packages = packages_of_tests(project);
        packages.extend(native.into_iter().flat_map(|(compose, services)| packages_of_services(compose, services)));
        Self { packages, ..Self::default() }
    }
}

/// Packages of programs that tests start and that are missing.
fn packages_of_tests(project: &Project) -> BTreeSet<String> {
    let missing = project.config.programs.iter().filter(|program| find_program(&program.name).is_none());
    missing.map(|program| program.package.clone()).collect()
}

/// Packages that the native engine lacks for these services and that can be named.
fn packages_of_services(compose: &Compose, services: &[ServiceName]) -> BTreeSet<String> {
    // A program that no package is known for is named by the engine, with its service.
    let programs = native_programs(compose, services).into_iter().filter(NativeProgram::is_missing);
    programs.filter_map(|program| program.package().map(str::to_owned)).collect()
}

/// Looks for every pinned tool, every program that tests start and every one that a native environment of all tiers needs.
///
/// # Errors
/// When the compose file can't be read.
pub(crate) fn lacking(project: &Project, session: &Session) -> Result<Lacking, CliError> {
    let mut packages = packages_of_tests(project);
    if let Some(file) = &project.config.compose {
        let compose = tollgate_env::load(&project.root.join(file), &variables()).map_err(EnvError::File)?;
        let services: Vec<ServiceName> = compose.services.keys().cloned().collect();
        packages.extend(packages_of_services(&compose, &services));
    }
    let tools = setup::find(&pins(project), &project.root, &session.interrupt).err().unwrap_or_default();
    Ok(Lacking { tools, packages })
}

/// Installs what is missing, showing how far it is.
///
/// # Errors
/// When something can't be installed; the error names the command to run where this process may not.
pub(crate) fn install(lacking: &Lacking, root: &Utf8Path, session: &Session) -> Result<(), CliError> {
    let (began, reporter, detail) = (Instant::now(), &session.reporter, lacking.names().join(", "));
    let emit =
        |state, wall_ms| reporter.emit(&Event::Step { step: Step::Setup, state, detail: detail.clone(), wall_ms });
    reporter.say(LogLevel::Note, format!("installing {detail}"));
    emit(StepState::Started, None);
    let on_line = &mut |line: &str| reporter.console().live("Installing", line.trim());
    let packages: Vec<&str> = lacking.packages.iter().map(String::as_str).collect();
    let installed = setup::install(&lacking.tools, root, &session.interrupt, on_line)
        .and_then(|()| setup::install_packages(&packages, &session.interrupt, on_line));
    match &installed {
        Ok(()) => emit(StepState::Finished, Some(millis(began))),
        Err(_) => emit(StepState::Failed, Some(millis(began))),
    }
    installed.map_err(CliError::from)
}

/// A panic of a thread is a panic of the run.
fn join<T>(handle: thread::ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Turns the command line's words into a request.
///
/// # Errors
/// When a name is not one.
pub(crate) fn request(selection: &Selection) -> Result<Request, CliError> {
    let bad = |error: InvalidName| CliError::usage(error.to_string(), []);
    Ok(Request {
        stage: selection.stage.clone().map(StageName::new).transpose().map_err(bad)?,
        tiers: selection.tiers.iter().map(TierName::new).collect::<Result<_, _>>().map_err(bad)?,
        engine: selection.engine.map(EngineChoice::from),
        partition: selection.partition,
        base: selection.base.clone(),
        only: None,
        gates: true,
    })
}

/// Decides what the run will do.
///
/// # Errors
/// When the request names what doesn't exist.
pub(crate) fn plan(project: &Project, survey: &Survey, request: &Request) -> Result<Plan, CliError> {
    let programs = match survey.touched.as_ref().and(project.config.compose.as_ref()) {
        None => BTreeMap::new(),
        Some(file) => {
            let compose = tollgate_env::load(&project.root.join(file), &variables()).map_err(EnvError::File)?;
            let tiers = project.config.tiers.iter();
            tiers.map(|tier| (tier.name.clone(), compose.workspace_services(&tier.services))).collect()
        }
    };
    let touched = survey.touched.clone().map(|files| Touched {
        base: request.base.clone().unwrap_or_default(),
        files,
        dependencies: survey.workspace.dependencies.clone(),
        programs,
    });
    let facts = Facts {
        workspace_root: survey.workspace.root.clone(),
        target_directory: survey.workspace.target_directory.clone(),
        members: survey.workspace.members.clone(),
        touched,
    };
    make_plan(&project.config, &facts, request).map_err(|errors| CliError::usage(errors.to_string(), errors.hints()))
}
