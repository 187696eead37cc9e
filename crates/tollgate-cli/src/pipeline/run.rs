//! What every step of a run shares, and what the steps observe.

use super::{Survey, install, survey::Lacking};
use crate::{
    error::CliError,
    memory::Memory,
    project::{Project, masks, variables},
    self_test,
    session::{Session, signal_name},
    standing::Notice,
};
use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tollgate_core::judge::judge;
use tollgate_env::{Compose, EnvError, EnvEvent, Environment, NOTICE, Setting};
use tollgate_exec::ExecError;
use tollgate_model::{
    Archive, BuildEvidence, BuildKind, CoverageEvidence, Ending, EngineKind, EnvironmentEvidence, Event, Evidence,
    ExitStatus, FlakeConfirmation, LoadEvidence, LogLevel, Masks, Plan, RunId, RunInfo, SCHEMA, ServiceName,
    ServiceProfile, Step, StepState, StressEvidence, TeardownEvidence, TestId, TierEvidence, TierName, TierStatus,
    TimeComparison, Verdict,
};
use tollgate_store::RunDir;
use tollgate_tools::{ToolError, Toolbox, git};

/// Why a walk did not get to its end.
pub(super) enum Stop {
    /// Something outside of tollgate failed; the run is judged and reported all the same.
    Ending(Ending),
    /// The plan turned out to be wrong; there is nothing to judge.
    Error(CliError),
}

impl From<EnvError> for Stop {
    fn from(error: EnvError) -> Self {
        match &error {
            EnvError::File(_) => Self::Error(error.into()),
            EnvError::Interrupted { signal } => Self::Ending(Ending::Interrupted { signal: signal_name(*signal) }),
            _ => Self::Ending(Ending::EnvironmentFailed { detail: with_hint(&error, error.hint()) }),
        }
    }
}

impl From<ToolError> for Stop {
    fn from(error: ToolError) -> Self {
        match &error {
            ToolError::BuildFailed { .. } => Self::Ending(Ending::BuildFailed { detail: error.to_string() }),
            ToolError::Exec(ExecError::Interrupted { signal, .. }) => {
                Self::Ending(Ending::Interrupted { signal: signal_name(*signal) })
            }
            ToolError::BadFilter { .. } => Self::Error(error.into()),
            _ => Self::Ending(Ending::EnvironmentFailed { detail: with_hint(&error, None) }),
        }
    }
}

impl From<CliError> for Stop {
    fn from(error: CliError) -> Self {
        Self::Error(error)
    }
}

/// The secrets of the caller and of the compose file's variables, also where the run needs no service; a file that such a run
/// can't read is none of its business.
fn secrets(project: &Project, compose: Option<&Compose>) -> Masks {
    let unused = || tollgate_env::load(&project.root.join(project.config.compose.as_ref()?), &variables()).ok();
    let compose = compose.cloned().or_else(unused);
    masks(compose.as_ref().map(Compose::file_variables).unwrap_or_default())
}

/// An error, its causes and its hint as the lines of one text.
fn with_hint(error: &(dyn std::error::Error + 'static), hint: Option<String>) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}\ncaused by: {error}");
        cause = error.source();
    }
    match hint {
        Some(hint) => format!("{text}\nhint: {hint}"),
        None => text,
    }
}

/// A run: what it is to do, where, and with what.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    pub(super) session: &'a Session,
    pub(super) survey: &'a Survey,
    pub(super) toolbox: Toolbox,
    pub(super) directory: RunDir,
    pub(super) id: RunId,
    pub(super) started_at: Timestamp,
    pub(super) began: Instant,
    /// The tests to run, where they are already known; else those that the tiers' filters select.
    pub(super) chosen: Option<BTreeMap<TierName, Vec<TestId>>>,
    /// The instrumented build, where it was made elsewhere.
    pub(super) packed: Option<Packed>,
    /// Where the run is remembered, if it is to be.
    pub(super) memory: Option<Memory>,
    compose: Option<Compose>,
    engine: Option<(EngineKind, String)>,
    /// Whether its environment outlives the verdict.
    pub(super) keeps: bool,
    /// Where an environment that stays says what it is.
    pub(super) notice: Option<Arc<Notice>>,
}

/// A build that was made and packed up on another machine, or in another directory.
pub(super) struct Packed {
    /// The file.
    pub(super) file: Utf8PathBuf,
    /// What is in it.
    pub(super) archive: Archive,
    /// Where the workspace was.
    pub(super) workspace_root: Utf8PathBuf,
    /// Where cargo built it.
    pub(super) target_directory: Utf8PathBuf,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A verdict.
    Verdict,
    /// A verdict, and an environment that stays up after it.
    KeptVerdict,
    /// An environment that stays up.
    Environment,
    /// Tests alone, again and again, without a verdict.
    Stress,
}

impl<'a> Run<'a> {
    /// Reaps what earlier runs left, makes the run's directory, takes its lock and writes the plan.
    pub(super) fn open(
        project: &Project,
        survey: &'a Survey,
        plan: &'a Plan,
        session: &'a Session,
        purpose: Purpose,
    ) -> Result<Self, CliError> {
        let began = session.began;
        let reporter = &session.reporter;
        let compose = plan.compose_file.as_deref().map(|file| tollgate_env::load(file, &variables()));
        let compose = compose.transpose().map_err(|problems| CliError::Environment(EnvError::File(problems)))?;
        let engine = compose.as_ref().map(|_| tollgate_env::choose(plan.engine, &session.interrupt)).transpose()?;
        let services: Vec<ServiceName> = plan.tiers_to_run().flat_map(|tier| tier.services.clone()).collect();
        let is_native = matches!(&engine, Some((EngineKind::Native, _)));
        let native = compose.as_ref().filter(|_| is_native).map(|compose| (compose, services.as_slice()));
        let lacking = Lacking::of_run(project, native);
        if !lacking.is_empty() {
            install(&lacking, &project.root, session)?;
        }
        for leftover in tollgate_env::gc(&project.runs.directory(), false)? {
            let what = format!("removed what an earlier run left: {} {}", leftover.kind, leftover.what);
            reporter.say(LogLevel::Warning, what);
        }
        project.runs.prune(is_over)?;
        project.runs.slim(is_over)?;
        tollgate_env::prune_cache();
        let secrets = secrets(project, compose.as_ref());
        reporter.console().mask(secrets.clone());
        let runs = project.runs.masking(secrets);
        let started_at = Timestamp::now();
        let id = run_id(started_at);
        let directory = match purpose {
            Purpose::Verdict | Purpose::KeptVerdict => runs.create(&id)?,
            Purpose::Environment | Purpose::Stress => runs.create_beside(&id)?,
        };
        reporter.log_to(directory.event_log()?);
        directory.write_plan(plan)?;
        reporter.emit(&Event::RunStarted { run: id.clone(), stage: plan.stage.clone() });
        if let Some((engine, reason)) = &engine {
            reporter.emit(&Event::Engine { engine: *engine, reason: reason.clone() });
        }
        let notice = match (purpose, &engine) {
            (Purpose::Environment | Purpose::KeptVerdict, Some(engine)) => Some(Arc::new(Notice::post(
                &directory,
                &id,
                engine.clone(),
                started_at,
                purpose == Purpose::KeptVerdict,
            )?)),
            _ => None,
        };
        let toolbox = Toolbox::new(survey.workspace.root.clone(), session.halt.clone(), &survey.tools);
        Ok(Self {
            plan,
            session,
            survey,
            toolbox,
            directory,
            id,
            started_at,
            began,
            chosen: None,
            packed: None,
            memory: None,
            compose,
            engine,
            keeps: purpose == Purpose::KeptVerdict,
            notice,
        })
    }

    /// The engine of its environment, where it has one.
    pub(super) fn engine_kind(&self) -> Option<EngineKind> {
        self.engine.as_ref().map(|(engine, _)| *engine)
    }

    /// Directory of raw coverage profiles.
    pub(super) fn profiles(&self) -> Utf8PathBuf {
        self.directory.file("coverage/profiles")
    }

    /// The environment of this run, where its plan needs one. Nothing is started by making it.
    fn environment(&self) -> Option<Result<Environment, EnvError>> {
        let (compose, setting) = self.setting()?;
        let (reporter, halt) = (Arc::clone(&self.session.reporter), self.session.halt.clone());
        let notice = self.notice.clone();
        let on_event = move |event: EnvEvent| {
            if matches!(event, EnvEvent::Died { .. }) {
                // What runs now can only fail for want of that service.
                halt.trigger(signal_hook::consts::SIGTERM);
            }
            if let Some(notice) = &notice {
                notice.note(&event);
            }
            reporter.emit(&service_event(event));
        };
        Some(Environment::new(compose, setting, Arc::new(on_event)))
    }

    /// Another environment of the same services, beside that of this run; what happens in it is asked for and not told.
    pub(super) fn environment_of_its_own(
        &self,
        run: RunId,
        run_dir: &Utf8Path,
    ) -> Option<Result<Environment, EnvError>> {
        let (compose, setting) = self.setting()?;
        let profiles = run_dir.join("profiles");
        let setting = Setting { run, run_dir: run_dir.to_owned(), profiles, ..setting };
        Some(Environment::new(compose, setting, Arc::new(|_| ())))
    }

    fn setting(&self) -> Option<(Compose, Setting)> {
        let (compose, (engine, reason)) = (self.compose.clone()?, self.engine.clone()?);
        let setting = Setting {
            engine,
            engine_reason: reason,
            run: self.id.clone(),
            run_dir: self.directory.path().to_owned(),
            workspace_root: self.plan.workspace_root.clone(),
            ready_timeout: Duration::from_millis(self.plan.ready_timeout_ms),
            interrupt: self.session.interrupt.clone(),
            profiles: self.profiles(),
            masks: self.directory.masks().clone(),
        };
        Some((compose, setting))
    }

    /// Runs a step: reports its beginning, its end and how long it took.
    pub(super) fn step<T, E>(&self, step: Step, detail: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let (began, reporter) = (Instant::now(), &self.session.reporter);
        let emit = |state, wall_ms| reporter.emit(&Event::Step { step, state, detail: detail.to_owned(), wall_ms });
        emit(StepState::Started, None);
        let result = work();
        let state = if result.is_ok() { StepState::Finished } else { StepState::Failed };
        emit(state, Some(millis(began)));
        result
    }
}

/// What the steps observe, from which the evidence is made.
pub(super) struct Record {
    pub(super) environment: Option<Environment>,
    pub(super) environment_failed: Option<EnvError>,
    pub(super) builds: Vec<BuildEvidence>,
    pub(super) tiers: Vec<TierEvidence>,
    pub(super) load: BTreeMap<TierName, Vec<LoadEvidence>>,
    /// The build whose services are up.
    pub(super) serving: Option<BuildKind>,
    /// Instrumented services, with the first tier that needs each.
    pub(super) services: Vec<(TierName, ServiceProfile)>,
    pub(super) coverage: Option<CoverageEvidence>,
    /// What repeating the tests of the change showed.
    pub(super) stress: Option<StressEvidence>,
    /// What executing its flaky tests again showed.
    pub(super) confirmation: Option<FlakeConfirmation>,
    /// What executing tests in turns with those of the base showed of their time.
    pub(super) comparison: Option<TimeComparison>,
    /// What a reader should know and what changes no verdict.
    pub(super) remarks: Vec<String>,
    ending: Ending,
    environment_evidence: Option<EnvironmentEvidence>,
}

impl Record {
    pub(super) fn begin(run: &Run<'_>) -> Self {
        let (environment, environment_failed) = match run.environment() {
            None => (None, None),
            Some(Ok(environment)) => (Some(environment), None),
            Some(Err(error)) => (None, Some(error)),
        };
        let tiers = run.plan.tiers_to_run().map(|tier| TierEvidence {
            name: tier.name.clone(),
            status: TierStatus::Broken { reason: "the run ended before it".to_owned() },
            planned: Vec::new(),
            results: Vec::new(),
            wall_ms: 0,
            machine: None,
        });
        Self {
            environment,
            environment_failed,
            builds: Vec::new(),
            tiers: tiers.collect(),
            load: BTreeMap::new(),
            serving: None,
            services: Vec::new(),
            coverage: None,
            stress: None,
            confirmation: None,
            comparison: None,
            remarks: Vec::new(),
            ending: Ending::Completed,
            environment_evidence: None,
        }
    }

    /// Tears the environment down, whatever happened, and notes how the walk ended. One that is to stay is left as it is where
    /// all of it is up.
    pub(super) fn end(&mut self, run: &Run<'_>, walked: Result<(), Stop>) -> Result<(), CliError> {
        let death = self.environment.as_ref().and_then(|environment| environment.deaths().into_iter().next());
        let stays = run.keeps && walked.is_ok() && death.is_none() && run.session.interrupt.signal().is_none();
        self.environment_evidence = match &self.environment {
            Some(environment) if stays => Some(environment.kept()),
            Some(_) => self.environment.take().map(|environment| tear_down(run, environment)),
            None => strays_without_environment(run),
        };
        if let Some(signal) = run.session.interrupt.signal() {
            self.ending = Ending::Interrupted { signal: signal_name(signal) };
            return Ok(());
        }
        match (walked, death) {
            (Err(Stop::Error(error)), _) => Err(error),
            (_, Some((service, how))) => {
                let detail = format!("service `{service}` died: {how}");
                self.ending = Ending::EnvironmentFailed { detail };
                Ok(())
            }
            (Ok(()), None) => Ok(()),
            (Err(Stop::Ending(ending)), None) => {
                self.ending = ending;
                Ok(())
            }
        }
    }

    /// Why the walk did not get to its end, where that was not asked for.
    pub(super) fn failure(&self) -> Option<(ExitStatus, String)> {
        match &self.ending {
            Ending::Completed | Ending::Interrupted { .. } => None,
            Ending::BuildFailed { detail } => Some((ExitStatus::Build, detail.clone())),
            Ending::EnvironmentFailed { detail } => Some((ExitStatus::Environment, detail.clone())),
        }
    }

    /// Whether the walk got to its end.
    pub(super) fn is_complete(&self) -> bool {
        self.ending == Ending::Completed
    }

    /// The evidence and what is concluded from it.
    pub(super) fn judge(mut self, run: &Run<'_>) -> (Evidence, Verdict) {
        // A signal while coverage was collected ends the run as well as one before.
        if let Some(signal) = run.session.interrupt.signal() {
            self.ending = Ending::Interrupted { signal: signal_name(signal) };
        }
        let (commit, dirty) = run.survey.head.clone().unzip();
        let dirty = dirty.unwrap_or_default() || was_edited(run);
        let mut evidence = Evidence {
            schema: SCHEMA,
            run: RunInfo {
                id: run.id.clone(),
                started_at: run.started_at,
                stage: run.plan.stage.clone(),
                commit,
                dirty,
                toolchain: run.survey.toolchain.clone(),
                partition: run.plan.partition,
                parts: Vec::new(),
                wall_ms: millis(run.began),
            },
            ending: self.ending,
            builds: self.builds,
            environment: self.environment_evidence,
            tiers: self.tiers,
            change: run.survey.change.clone(),
            base: run.survey.base.clone(),
            coverage: self.coverage,
            load: self.load,
            flakes: None,
            stress: self.stress,
            confirmation: self.confirmation,
            comparison: self.comparison,
            growth: None,
            self_tests: None,
            remarks: self.remarks,
        };
        run.directory.masks().clean_evidence(&mut evidence);
        if let Some(memory) = &run.memory {
            evidence.flakes = memory.flakes(&evidence, run.plan);
            evidence.growth = memory.growth(&evidence);
            evidence.self_tests = self_test::recent(&run.survey.workspace.root, run.started_at, run.session);
        }
        let verdict = judge(&evidence, run.plan);
        (evidence, verdict)
    }
}

/// Whether the checkout is another than when the run began; then nobody knows what was tested. An interrupted run is no
/// baseline anyway, and git would not answer it.
fn was_edited(run: &Run<'_>) -> bool {
    let before = run.survey.head.as_ref().filter(|(_, dirty)| !dirty && run.session.interrupt.signal().is_none());
    let Some(before) = before else { return false };
    let edited = git::head(&run.survey.workspace.root, &run.session.interrupt).as_ref() != Some(before);
    if edited {
        let what = "the checkout was changed while the run was under way: it is no run of its commit";
        run.session.reporter.say(LogLevel::Warning, what);
    }
    edited
}

/// How long a run without an environment and without a verdict counts as under way after its last event.
const SILENT_MAX: Duration = Duration::from_hours(24);

/// Whether a run is over, with a verdict or without.
fn is_over(run: &Utf8Path) -> bool {
    let said = |name: &str| run.join(name).metadata().and_then(|file| file.modified()).ok();
    let silent = || said("events.jsonl").and_then(|at| at.elapsed().ok()).is_some_and(|age| age > SILENT_MAX);
    let unattended = || !run.join("ledger.jsonl").exists() && silent();
    let stays = || run.join(NOTICE).exists() && tollgate_env::is_alive(run);
    (run.join("verdict.json").is_file() && !stays()) || tollgate_env::is_torn_down(run) || unattended()
}

/// Tests without an environment can leave processes behind too.
fn strays_without_environment(run: &Run<'_>) -> Option<EnvironmentEvidence> {
    let needed = run.plan.compose_file.is_some();
    let reason = if needed { "the environment could not be made" } else { "no tier needs a service" };
    let leftovers = tollgate_env::keeper::stray_processes();
    let teardown = Some(TeardownEvidence { wall_ms: 0, leftovers, kept: false });
    teardown.filter(|teardown| !teardown.leftovers.is_empty()).map(|teardown| EnvironmentEvidence {
        engine: EngineKind::Native,
        engine_reason: reason.to_owned(),
        services: Vec::new(),
        ready_ms: 0,
        teardown: Some(teardown),
    })
}

/// Ends the environment and says whether everything of it went.
pub(super) fn tear_down(run: &Run<'_>, environment: Environment) -> EnvironmentEvidence {
    let began = Instant::now();
    let mut evidence = environment.down();
    if let Some(teardown) = &mut evidence.teardown {
        teardown.leftovers.extend(tollgate_env::keeper::stray_processes());
    }
    let left = evidence.teardown.as_ref().map_or(0, |teardown| teardown.leftovers.len());
    let (state, detail) = match left {
        0 => (StepState::Finished, "nothing is left behind".to_owned()),
        1 => (StepState::Failed, "one thing did not go by itself".to_owned()),
        _ => (StepState::Failed, format!("{left} things did not go by themselves")),
    };
    let wall_ms = Some(millis(began));
    run.session.reporter.emit(&Event::Step { step: Step::TearDown, state, detail, wall_ms });
    evidence
}

/// Whole milliseconds since then.
pub(super) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Time in UTC and the process id: sorted by time, unique on a machine.
pub(super) fn run_id(at: Timestamp) -> RunId {
    let name = format!("{}-{}", at.strftime("%Y%m%d-%H%M%S"), std::process::id());
    RunId::new(name).expect("digits and dashes are a valid name")
}

fn service_event(event: EnvEvent) -> Event {
    let (service, state, detail, wall_ms) = match event {
        EnvEvent::Started { service, detail } => (service, "started", detail, None),
        EnvEvent::Ready { service, after_ms, address } => {
            (service, "ready", address.map(|address| address.to_string()).unwrap_or_default(), Some(after_ms))
        }
        EnvEvent::Completed { service, after_ms } => (service, "completed", String::new(), Some(after_ms)),
        EnvEvent::Died { service, how } => (service, "died", how, None),
        EnvEvent::Stopped { service } => (service, "stopped", String::new(), None),
    };
    Event::Service { service, state: state.to_owned(), detail, wall_ms }
}
