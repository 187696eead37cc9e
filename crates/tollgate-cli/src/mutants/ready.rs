//! The copy, built and seen to pass its tests: with the mutants of a change in it, as it is, or with all members of the workspace.

use super::{
    Noticing,
    baseline::{Baseline, Built},
    change::{Change, NOT_IN_ONE},
    interrupted,
    joint::Switch,
    noticing, packages, tiers,
};
use crate::{error::CliError, pipeline::Beside, project::Project, session::Session};
use camino::Utf8Path;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tollgate_model::{LogLevel, Mutant};
use tollgate_tools::{
    ToolError,
    cargo::Workspace,
    mutants::{Graph, Scratch},
    nextest::Chosen,
};

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
    /// Builds the tests that could notice these mutants, and programs. Where `change` says how much time there is for mutants since
    /// then, the mutants are put into it, if they can be.
    ///
    /// # Errors
    /// Where the copy can't be built, and when a signal ends the run.
    pub(super) fn build(
        &self,
        mutants: &[Mutant],
        change: Option<&dyn Fn(Instant) -> Duration>,
        programs: &[String],
    ) -> Result<Ready, CliError> {
        let graph = Graph::of(&self.scratch.toolbox)?;
        let mut noticing = noticing(&graph, mutants, &self.workspace.members, programs);
        if let Some(left) = change {
            let packages = packages(&noticing);
            let is_of_sources = tiers(self.project).all(|tier| is_of_sources(&tier.filter));
            let sources = is_of_sources.then(|| graph.sources(&packages)).flatten();
            let chosen = sources.as_deref().map_or(Chosen::All, Chosen::Targets);
            let built = (&packages, chosen);
            if let Some((built, change)) =
                Change::of(self.scratch, self.switch, self.directory, built, mutants, self.session, left)?
            {
                return Ok(Ready { built, noticing, change: Some(change) });
            }
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
        if let Err(error) = &baseline
            && let Some(change) = ready.change.take_if(|_| interrupted(self.session).is_none())
        {
            // Whether it is the mutants' fault or not: it is the unchanged workspace that must do.
            let why = match error {
                CliError::Baseline { failed } => {
                    let first = failed.first().map(String::as_str).unwrap_or_default();
                    format!("a test fails there while none is switched on: {first}")
                }
                error => error.to_string(),
            };
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

/// Whether a filterset selects tests in the sources of libraries and programs alone, as far as that can be read off it.
fn is_of_sources(filter: &str) -> bool {
    let filter = filter.replace(" or ", "|");
    filter.split(['+', '|']).all(|one| {
        let kind = one.trim().strip_prefix("kind(").and_then(|kind| kind.strip_suffix(')'));
        kind.is_some_and(|kind| ["lib", "bin", "proc-macro"].contains(&kind.trim().trim_start_matches('=')))
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn only_a_filterset_of_kinds_is_known_to_select_no_integration_test() {
        for filter in [
            "kind(lib)",
            "kind(lib) + kind(bin) + kind(proc-macro)",
            "kind(=lib)|kind( bin )",
            "kind(lib) or kind(bin)",
        ] {
            assert!(is_of_sources(filter), "{filter}");
        }
        for filter in [
            "",
            "all()",
            "kind(test)",
            "kind(lib) + binary(x)",
            "not kind(lib)",
            "kind(lib) + (kind(test))",
            "kind(/lib|test/)",
        ] {
            assert!(!is_of_sources(filter), "{filter}");
        }
    }
}
