//! The base of a change beside it: checked out to be built and executed, and removed again whatever happens: by this run, by its
//! keeper, or by the next run from its ledger.
//!
//! What the change says of builds and tests is not the base's: neither its configuration of cargo, which is why the checkout is
//! in the user's cache, nor its tiers.

use super::{
    base_variables::{self, Changes},
    run::Run,
};
use crate::project::Project;
use camino::{Utf8Path, Utf8PathBuf};
use std::time::Duration;
use tollgate_core::config::Config;
use tollgate_env::{Entry, Ledger, base_of, checkout_of};
use tollgate_exec::Cmd;
use tollgate_model::{ChangeEvidence, LogLevel, Unconfirmed};
use tollgate_tools::{Toolbox, checkout::Place};

/// Longest time for what is no execution: building a side from nothing, and bringing its environment up.
const BUILD_MAX: Duration = Duration::from_mins(30);

/// The same on a shard that runs from the build beside the plan: its job has a limit, and it has to build both sides.
const SHARD_BUILD_MAX: Duration = Duration::from_mins(10);

/// How long this program has to tear down where it is stopped.
const GRACE: Duration = Duration::from_secs(20);

/// Lines of what this program said that a report repeats.
const LINES: usize = 12;

/// Where the base is checked out.
pub(super) struct OnBase {
    /// The root of its workspace.
    pub(super) root: Utf8PathBuf,
    /// What its configuration says.
    pub(super) config: Config,
    target: Utf8PathBuf,
    /// In what the environment of programs there differs from that of this process.
    variables: Changes,
}

impl OnBase {
    fn of(workspace: &Utf8Path, root: Utf8PathBuf, place: &Place) -> Result<Self, Unconfirmed> {
        let project = Project::at(root.clone(), None, None).map_err(|error| {
            let why = format!("the base's configuration can't be read: {error}");
            Unconfirmed::Broken { why }
        })?;
        let variables = base_variables::changes(workspace, &root);
        Ok(Self { config: project.config, target: place.target.clone(), variables, root })
    }

    /// This program on the base.
    pub(super) fn command(&self, args: &[&str]) -> Cmd {
        let cmd = self.variables.iter().fold(this_program(args), |cmd, (name, value)| match value {
            Some(value) => cmd.env(name, value),
            None => cmd.env_remove(name),
        });
        cmd.cwd(&self.root).env("CARGO_TARGET_DIR", &self.target)
    }

    /// The tools as they are used there.
    pub(super) fn toolbox(&self, toolbox: &Toolbox) -> Toolbox {
        Toolbox {
            root: self.root.clone(),
            target_directory: Some(self.target.clone()),
            variables: self.variables.clone(),
            ..toolbox.clone()
        }
    }
}

/// This program once more; what it says is for this process, and not for a log of Actions.
pub(super) fn this_program(args: &[&str]) -> Cmd {
    Cmd::new("/proc/self/exe").args(args).grace(GRACE).die_with_parent().env_remove("GITHUB_ACTIONS")
}

/// How long building a side may take.
pub(super) fn build_max(run: &Run<'_>) -> Duration {
    if run.packed.is_some() { SHARD_BUILD_MAX } else { BUILD_MAX }
}

/// Checks the base out, does the work, and removes the checkout again.
pub(super) fn on_base(
    run: &Run<'_>,
    change: &ChangeEvidence,
    work: impl FnOnce(&OnBase) -> Result<(), Unconfirmed>,
) -> Result<(), Unconfirmed> {
    let machine = |error: &dyn std::error::Error| {
        let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
        Unconfirmed::LeftOut { why: format!("{error}{cause}") }
    };
    let left_out = |why: &str| Unconfirmed::LeftOut { why: why.to_owned() };
    let run_dir = run.directory.path();
    let run_dir = run_dir.canonicalize_utf8().map_err(|error| machine(&error))?;
    let among_runs = || left_out("the run's directory is not among others");
    let (directory, tree) = base_of(&run_dir).zip(checkout_of(&run_dir)).ok_or_else(among_runs)?;
    if base_variables::is_within_repository(&tree, &run.survey.workspace.root) {
        let cache = tree.parent().unwrap_or(&tree);
        let why = format!(
            "the base would lie in the repository, at {cache}, and have the change's settings: move XDG_CACHE_HOME"
        );
        return Err(left_out(&why));
    }
    let place = Place::take(&directory, tree).map_err(|error| machine(&error))?;
    let place = place.ok_or_else(|| left_out("another run of this workspace has its base checked out"))?;
    let ledger = Ledger::reopen(&run_dir, &run.id).map_err(|error| machine(&error))?;
    let ledger = ledger.ok_or_else(|| left_out("something of the run's environment is still there"))?;
    ledger.record(&Entry::Checkout { path: place.tree.clone() }).map_err(|error| machine(&error))?;
    let workspace = &run.survey.workspace;
    let members: Vec<String> = workspace.members.iter().map(|member| member.name.clone()).collect();
    let filled = place.fill(&run.toolbox, &change.commit, &workspace.target_directory, &members);
    let broken = |error| Unconfirmed::Broken { why: format!("the base can't be checked out: {error}") };
    let filled = filled.map_err(broken).and_then(|root| OnBase::of(&workspace.root, root, &place));
    let worked = filled.and_then(|base| work(&base));
    let emptied = place.empty().map_err(|error| machine(&error));
    let cleaned = emptied.and_then(|()| ledger.finish().map_err(|error| machine(&error)));
    match (worked, cleaned) {
        (Ok(()), cleaned) => cleaned,
        // What was found out counts more than what is left to clean.
        (found, Err(left)) => {
            run.session.reporter.say(LogLevel::Warning, format!("the base is not removed: {}", left.why()));
            found
        }
        (found, _) => found,
    }
}

/// The end of what was said, from the first error on: a compiler's has its beginning far from the end.
pub(super) fn end(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let first = lines.iter().position(|line| line.trim_start().starts_with("error"));
    let first = first.unwrap_or(lines.len().saturating_sub(LINES));
    lines[first..].iter().take(LINES).copied().collect::<Vec<_>>().join("\n")
}
