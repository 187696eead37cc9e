//! Environments that `env up` left up: what each says of itself in its run's directory, and finding them.

use crate::{error::CliError, project::Project};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use tollgate_env::{EnvEvent, Living, NOTICE, living};
use tollgate_model::{EngineKind, Milliseconds, RunId, SCHEMA, ServiceName};
use tollgate_store::{RunDir, Runs, StoreError};

/// What an environment says of itself. Only its owner can read it: the variables hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Standing {
    /// Number of the schema.
    pub(crate) schema: u32,
    pub(crate) run: RunId,
    pub(crate) engine: EngineKind,
    /// Why that engine.
    pub(crate) engine_reason: String,
    pub(crate) began: Timestamp,
    /// Whether everything came up; until then its variables are not known.
    pub(crate) ready: bool,
    /// Whether a run without a verdict has it: `ci --keep-env` before it ends.
    pub(crate) testing: bool,
    pub(crate) services: BTreeMap<ServiceName, StandingService>,
    pub(crate) exports: BTreeMap<String, String>,
}

/// What an environment says of one of its services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct StandingService {
    /// `started`, `ready`, `completed`, `died`, `stopped`.
    pub(crate) state: String,
    /// The process or container, or how it died.
    pub(crate) detail: String,
    pub(crate) address: Option<String>,
    /// From start to ready.
    pub(crate) ready_ms: Option<Milliseconds>,
}

impl Standing {
    /// Reads what the environment of a run says of itself.
    pub(crate) fn read(directory: &RunDir) -> Result<Self, StoreError> {
        directory.read_json(NOTICE)
    }

    fn note(&mut self, event: &EnvEvent) {
        let (EnvEvent::Started { service, .. }
        | EnvEvent::Ready { service, .. }
        | EnvEvent::Completed { service, .. }
        | EnvEvent::Died { service, .. }
        | EnvEvent::Stopped { service }) = event;
        let known = self.services.entry(service.clone()).or_default();
        match event {
            EnvEvent::Started { detail, .. } => {
                *known =
                    StandingService { state: "started".into(), detail: detail.clone(), ..StandingService::default() };
            }
            EnvEvent::Ready { after_ms, address, .. } => {
                known.state = "ready".into();
                known.ready_ms = Some(*after_ms);
                known.address = address.map(|address| address.to_string());
            }
            EnvEvent::Completed { after_ms, .. } => {
                known.state = "completed".into();
                known.ready_ms = Some(*after_ms);
            }
            EnvEvent::Died { how, .. } => {
                known.state = "died".into();
                known.detail.clone_from(how);
            }
            EnvEvent::Stopped { .. } => known.state = "stopped".into(),
        }
    }
}

/// The notice that an environment keeps up to date for as long as it is up.
#[derive(Debug)]
pub(crate) struct Notice {
    directory: RunDir,
    standing: Mutex<Standing>,
}

impl Notice {
    /// Puts the notice up.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn post(
        directory: &RunDir,
        run: &RunId,
        engine: (EngineKind, String),
        began: Timestamp,
        testing: bool,
    ) -> Result<Self, StoreError> {
        let (engine, engine_reason) = engine;
        let (services, exports) = (BTreeMap::new(), BTreeMap::new());
        let run = run.clone();
        let (schema, ready) = (SCHEMA, false);
        let standing = Standing { schema, run, engine, engine_reason, began, ready, testing, services, exports };
        directory.write_private(NOTICE, &standing)?;
        Ok(Self { directory: directory.clone(), standing: Mutex::new(standing) })
    }

    fn change(&self, change: impl FnOnce(&mut Standing)) -> Result<(), StoreError> {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut standing);
        self.directory.write_private(NOTICE, &*standing).map(drop)
    }

    /// Notes what happened to a service.
    pub(crate) fn note(&self, event: &EnvEvent) {
        // A full disk must not end the environment; `env status` then shows what was last written.
        let _ = self.change(|standing| standing.note(event));
    }

    /// Everything is up.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn ready(&self, exports: BTreeMap<String, String>) -> Result<(), StoreError> {
        self.change(|standing| {
            standing.ready = true;
            standing.exports = exports;
        })
    }

    /// The run has its verdict.
    pub(crate) fn tested(&self) {
        // One that still says otherwise is ended by its name.
        let _ = self.change(|standing| standing.testing = false);
    }

    /// Takes the notice down.
    pub(crate) fn remove(&self) {
        // It is gone already with an environment that was torn down, and goes with what else is left of one that was killed.
        let _ = std::fs::remove_file(self.directory.file(NOTICE));
    }
}

/// The environments of a checkout that are up or coming up, oldest first.
pub(crate) fn standing(runs: &Runs) -> Vec<(Living, Standing)> {
    let read = |living: Living| {
        let directory = runs.open(Some(living.run.as_str())).ok()?;
        let standing = Standing::read(&directory).ok()?;
        Some((living, standing))
    };
    living(&runs.directory()).into_iter().filter_map(read).collect()
}

/// One of them by name, or all.
///
/// # Errors
/// When none has that name.
pub(crate) fn chosen(run: Option<&str>) -> Result<Vec<(Living, Standing)>, CliError> {
    let mut all = standing(&crate::project::runs(&Project::locate()?));
    let Some(run) = run else { return Ok(all) };
    let names: Vec<String> = all.iter().map(|(living, _)| living.run.to_string()).collect();
    all.retain(|(living, _)| living.run.as_str() == run);
    if all.is_empty() {
        let hint = if names.is_empty() { "none is up".to_owned() } else { format!("up are: {}", names.join(", ")) };
        return Err(CliError::usage(format!("there is no environment `{run}`"), [hint]));
    }
    Ok(all)
}
