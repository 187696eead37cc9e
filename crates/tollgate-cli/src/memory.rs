//! `.tollgate/history`: what is remembered of every run, and what a run's verdict takes from it.
//!
//! A history that can't be used makes `flake.repo` unproven; of one with damaged records the others are judged, and they can't pass. Where it can't be asked for a base, that is a warning on the
//! terminal, and the gate `evidence` is invalid where coverage is judged; without it no run is compared with.

use crate::{args::configuration_path, durations, project::Project, session::Session};
use camino::{Utf8Path, Utf8PathBuf};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use std::fs;
use tollgate_core::{
    config::Quarantine,
    coverage::lines,
    flake::{SuspectsReport, flake_history, series},
    history::{Provenance, growth, judged, record},
};
use tollgate_model::{
    Evidence, FlakeHistory, GateResult, Growth, LogLevel, Outcome, Plan, RunInfo, RunRecord, RunSummary, Source,
    StageName, TreeId, Verdict,
};
use tollgate_store::{History, HistoryError};
use tollgate_tools::git;

/// How many of the newest runs of each source are looked at.
pub(crate) const RUNS_MAX: u32 = 5_000;

/// How many of the newest runs a test is compared with.
const GROWTH_RUNS: u32 = 20;

/// Name of what a record has attached of its coverage: [`tollgate_model::CoverageLines`] as JSON.
pub(crate) const COVERAGE_LINES: &str = "coverage-lines";

/// Name of what the record of a stress has attached: [`SuspectsReport`] as JSON. Also the stage of such a record.
const STRESS: &str = "stress";

/// The history of a workspace, which is made where it is missing.
///
/// # Errors
/// When it can't be made or written.
pub(crate) fn open_history(root: &Utf8Path) -> Result<History, HistoryError> {
    durations::hide(root).map_err(|source| HistoryError::Write { path: root.join(durations::DIRECTORY), source })?;
    History::open(&root.join(durations::DIRECTORY).join("history"))
}

/// The history as a run uses it.
pub(crate) struct Memory {
    history: Result<History, HistoryError>,
    source: Source,
    root: Utf8PathBuf,
    /// The compose file, from the root.
    compose: Option<Utf8PathBuf>,
    quarantine: Quarantine,
}

impl Memory {
    /// Opens the history, and tells where this run comes from.
    pub(crate) fn open(project: &Project) -> Self {
        Self {
            history: open_history(&project.root),
            source: source(),
            root: project.root.clone(),
            compose: project.config.compose.clone(),
            quarantine: project.config.quarantine.clone(),
        }
    }

    /// What the runs of the main branch, this one included, say about flakes; none where this is no such run.
    pub(crate) fn flakes(&self, evidence: &Evidence, plan: &Plan) -> Option<FlakeHistory> {
        if !self.source.is_main() {
            return None;
        }
        let this = record(evidence, plan, &self.provenance(&evidence.run));
        let muted = self.quarantine.muted(today(this.started_at));
        Some(match self.runs() {
            Ok((mut runs, skipped)) => {
                runs.push(this.summary(None, this.executed()));
                read_in_part(flake_history(&series(&runs, &plan.stage, |run| run.source.is_main(), &muted)), &skipped)
            }
            Err(why) => FlakeHistory { unreadable: Some(why), ..FlakeHistory::default() },
        })
    }

    /// Tests that took longer than in the recorded runs of the main branch, or, on a machine that is none of the continuous
    /// integration's, in those of such machines: others would be compared with another machine. None where not enough is
    /// recorded, or the history can't be asked; then nothing is said of it.
    pub(crate) fn growth(&self, evidence: &Evidence) -> Option<Growth> {
        let sources: &[Source] =
            if self.source == Source::Local { &[Source::Local] } else { &[Source::Main, Source::Nightly] };
        let index = self.history.as_ref().ok()?.index().ok()?;
        let usual = index.typical_of(GROWTH_RUNS, sources).ok()?;
        growth(evidence, usual.into_iter().map(|test| (test.tier, test.id, test.runs, test.median_ms)))
    }

    /// The newest runs, and what of the history can't be read.
    fn runs(&self) -> Result<(Vec<RunSummary>, Vec<String>), String> {
        let history = self.history.as_ref().map_err(ToString::to_string)?;
        let index = history.index().map_err(|error| error.to_string())?;
        let runs = index.runs_of_each_source(RUNS_MAX).map_err(|error| error.to_string())?;
        Ok((runs, index.skipped().iter().map(ToString::to_string).collect()))
    }

    /// Adds the record of this run; that it can't be written changes no verdict, and is said: the returned remark is for its
    /// reports.
    pub(crate) fn remember(
        &self,
        evidence: &Evidence,
        verdict: &Verdict,
        plan: &Plan,
        session: &Session,
    ) -> Option<String> {
        let record = judged(record(evidence, plan, &self.provenance(&evidence.run)), verdict);
        let history = self.history.as_ref().map_err(ToString::to_string);
        let added = history.and_then(|history| add(history, record, evidence).map_err(|error| error.to_string()));
        let remark = format!("This run is not remembered: {}.", added.err()?.trim_end_matches('.'));
        session.reporter.say(LogLevel::Warning, remark.as_str());
        Some(remark)
    }

    /// Adds what stressing tests showed, as a record of a stage of its own: it is no run of the tests, and none is compared
    /// with it. That it can't be written is said.
    pub(crate) fn remember_stress(&self, evidence: &Evidence, plan: &Plan, report: &SuspectsReport, session: &Session) {
        let outcome = if report.failed().next().is_some() { Outcome::Failed } else { Outcome::Passed };
        let of_run = record(evidence, plan, &self.provenance(&evidence.run));
        let mut record = RunRecord { stage: stress_stage(), complete: false, outcome, ..of_run };
        let mut add = || -> Result<(), HistoryError> {
            let history = open_history(&self.root)?;
            let bytes = serde_json::to_vec(report).unwrap_or_default();
            record.blobs.insert(STRESS.to_owned(), history.attach(&bytes)?);
            history.add(&record).map(|_| ())
        };
        if let Err(error) = add() {
            session.reporter.say(LogLevel::Warning, format!("this stress is not remembered: {error}"));
        }
    }

    fn provenance(&self, run: &RunInfo) -> Provenance {
        let tree = run.commit.as_deref().filter(|_| !run.dirty).and_then(|commit| git::tree(&self.root, commit));
        let read = |path: &Utf8Path| fs::read_to_string(self.root.join(path)).unwrap_or_default();
        let configured = [Some(configuration_path()), Some("coverage/policy.toml".into()), self.compose.clone()];
        let actions = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Provenance {
            source: self.source,
            branch: actions("GITHUB_HEAD_REF")
                .or_else(|| actions("GITHUB_REF_NAME"))
                .or_else(|| git::branch(&self.root)),
            tree: tree.and_then(|tree| TreeId::new(tree).ok()),
            lock_file: read("Cargo.lock".into()),
            configuration: configured.iter().flatten().map(|path| read(path)).collect(),
        }
    }
}

/// What the runs that can be read say; each that can't be may be one that would raise the alarm, so that they prove nothing.
fn read_in_part(history: FlakeHistory, skipped: &[String]) -> FlakeHistory {
    let unreadable = match skipped {
        [] => None,
        [one] => Some(one.clone()),
        [first, others @ ..] => Some(format!("{first}, and {} more", others.len())),
    };
    FlakeHistory { unreadable, ..history }
}

/// Adds a record with which lines the run covered, for changes to be compared with.
fn add(history: &History, mut record: RunRecord, evidence: &Evidence) -> Result<(), HistoryError> {
    // Coverage that can't be believed is nothing to compare a change with.
    let in_doubt = |gate: &GateResult| gate.gate.as_str().starts_with("coverage.") && gate.outcome == Outcome::Invalid;
    if let Some(coverage) = evidence.coverage.as_ref().filter(|_| !record.gates.iter().any(in_doubt)) {
        // Strings, numbers and maps by strings can't fail to become JSON.
        let lines = serde_json::to_vec(&lines(coverage)).unwrap_or_default();
        record.blobs.insert(COVERAGE_LINES.to_owned(), history.attach(&lines)?);
    }
    history.add(&record).map(|_| ())
}

/// The stage under which stresses are remembered.
pub(crate) fn stress_stage() -> StageName {
    StageName::new(STRESS).expect("a valid name")
}

/// The newest stress that is remembered from a source to be trusted; none where it can't be read.
pub(crate) fn last_stress(history: &History, runs: &[RunSummary]) -> Option<SuspectsReport> {
    let stage = stress_stage();
    let newest = runs.iter().rev().find(|run| run.stage == stage && run.source.is_trusted())?;
    let record = history.record(newest.record.as_ref()?).ok()?;
    serde_json::from_slice(&history.read(record.blobs.get(STRESS)?).ok()?).ok()
}

/// The day of a time, in UTC.
pub(crate) fn today(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// Where this run comes from.
fn source() -> Source {
    let variable = |name: &str| std::env::var(name).ok();
    if variable("GITHUB_ACTIONS").as_deref() != Some("true") {
        return Source::Local;
    }
    let payload = variable("GITHUB_EVENT_PATH").and_then(|path| fs::read_to_string(path).ok());
    tollgate_github::origin(variable, payload.as_deref())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_record_that_cant_be_read_takes_nothing_of_what_the_others_say() {
        let history = FlakeHistory { trials: 30, ..FlakeHistory::default() };
        let of = |skipped: &[&str]| {
            read_in_part(history.clone(), &skipped.iter().map(|&why| why.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), history);
        let all = [of(&["a is half written"]), of(&["a is half written", "b", "c"])];
        assert!(all.iter().all(|history| history.trials == 30));
        let whys = all.map(|history| history.unreadable.unwrap_or_default());
        assert_eq!(whys, ["a is half written", "a is half written, and 2 more"]);
    }
}
