//! The copy, built and seen to pass its tests: with the mutants of a change in it, as it is, or with all members of the workspace.

use super::{
    Noticing,
    baseline::{Baseline, Built},
    change::{Change, NOT_IN_ONE},
    joint::Switch,
    noticing, packages,
};
use crate::{error::CliError, pipeline::Beside, project::Project, session::Session};
use camino::Utf8Path;
use std::collections::BTreeMap;
use tollgate_model::{LogLevel, Mutant};
use tollgate_tools::{ToolError, cargo::Workspace, mutants::Scratch};

/// What is built and observed.
pub(super) struct Copy<'a> {
    pub(super) project: &'a Project,
    pub(super) workspace: &'a Workspace,
    pub(super) scratch: &'a Scratch,
    pub(super) switch: &'a Switch,
    /// Where files about it are written.
    pub(super) directory: &'a Utf8Path,
    pub(super) session: &'a Session,
}

/// The copy as it was built.
pub(super) struct Ready {
    pub(super) built: Built,
    /// By mutated package.
    pub(super) noticing: BTreeMap<String, Noticing>,
    /// Where mutants are in it.
    pub(super) change: Option<Change>,
}

impl Copy<'_> {
    /// Builds the tests that could notice these mutants, and programs; `is_change` puts the mutants into it, where they can be.
    ///
    /// # Errors
    /// Where the copy can't be built, and when a signal ends the run.
    pub(super) fn build(&self, mutants: &[Mutant], is_change: bool, programs: &[String]) -> Result<Ready, CliError> {
        let mut noticing = noticing(&self.scratch.toolbox, mutants, &self.workspace.members, programs)?;
        if is_change
            && let Some((built, change)) =
                Change::of(self.scratch, self.switch, self.directory, &packages(&noticing), mutants, self.session)?
        {
            return Ok(Ready { built, noticing, change: Some(change) });
        }
        let built = self.plain(&mut noticing, programs)?;
        Ok(Ready { built, noticing, change: None })
    }

    /// Sees the tests pass, if need be in another build.
    ///
    /// # Errors
    /// [`CliError::Baseline`] where a test of the unchanged workspace fails, and where a tool can't work.
    pub(super) fn observe(&self, mut ready: Ready, beside: Option<&Beside<'_>>) -> Result<(Ready, Baseline), CliError> {
        let programs: &[String] = beside.map_or(&[], |beside| &beside.programs);
        let (project, scratch, directory) = (self.project, self.scratch, self.directory);
        let observe =
            |built: &Built| Baseline::observe(project, scratch, directory, built, self.workspace, beside, self.session);
        let mut baseline = observe(&ready.built);
        if let Err(CliError::Baseline { failed }) = &baseline
            && let Some(change) = ready.change.take()
        {
            // Whether it is the mutants' fault or not: it is the unchanged workspace that must pass.
            let first = failed.first().map(String::as_str).unwrap_or_default();
            let why = format!("a test fails there while none is switched on: {first}");
            self.session.reporter.say(LogLevel::Note, format!("{NOT_IN_ONE}: {why}"));
            change.restore()?;
            ready.built = self.plain(&mut ready.noticing, programs)?;
            baseline = observe(&ready.built);
        }
        if baseline.as_ref().is_err_and(is_failure) && self.widen(&mut ready.noticing) {
            ready.built = self.made(&ready.noticing, programs)?;
            baseline = observe(&ready.built);
        }
        Ok((ready, baseline?))
    }

    /// The copy as it is.
    fn plain(&self, noticing: &mut BTreeMap<String, Noticing>, programs: &[String]) -> Result<Built, CliError> {
        match self.made(noticing, programs) {
            Err(CliError::Tool(ToolError::BuildFailed { .. })) if self.widen(noticing) => self.made(noticing, programs),
            built => built,
        }
    }

    fn made(&self, noticing: &BTreeMap<String, Noticing>, programs: &[String]) -> Result<Built, CliError> {
        Built::of(self.scratch, self.directory, packages(noticing), programs, self.session)
    }

    /// Takes in all members: a package may need a feature of a dependency that only another one asks for, to compile, or for
    /// a test to pass. Says whether there were others.
    fn widen(&self, noticing: &mut BTreeMap<String, Noticing>) -> bool {
        let members: Vec<String> = self.workspace.members.iter().map(|member| member.name.clone()).collect();
        let is_wider = packages(noticing).len() < members.len();
        for one in noticing.values_mut().filter(|_| is_wider) {
            one.packages.clone_from(&members);
        }
        is_wider
    }
}

/// Whether a test fails.
fn is_failure(error: &CliError) -> bool {
    matches!(error, CliError::Baseline { .. })
}
