//! `shard --plan FILE K/N`: runs one shard of a plan and writes its receipt.

use crate::{args::ShardArgs, error::CliError, pipeline, project::Project, session::Session};
use tollgate_github::attempt;
use tollgate_model::ExitStatus;

/// Runs what the plan says; the exit status is that of the shard's own tests.
pub(crate) fn run(args: &ShardArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let (plan, here) = pipeline::read_plan(&args.plan, &project.root)?;
    let attempt = args.attempt.or_else(|| attempt(|name| std::env::var(name).ok())).unwrap_or(1);
    let which = args.shard;
    let out = args.out.clone().unwrap_or_else(|| {
        let name = format!("tollgate/receipts/{}-of-{}-attempt-{attempt}", which.index, which.count);
        here.target_directory.join(name)
    });
    let verdict = pipeline::execute_shard(&project, &plan, &here, args, attempt, &out, session)?;
    Ok(verdict.exit_status(false))
}
