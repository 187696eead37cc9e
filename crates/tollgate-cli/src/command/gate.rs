//! `gate --plan FILE RECEIPT_DIR...`: one verdict of what all shards handed back.

use crate::{args::GateArgs, error::CliError, pipeline, project::Project, session::Session};
use tollgate_model::ExitStatus;

/// Passes only where every planned test has exactly one final outcome, from a shard of this plan.
pub(crate) fn run(args: &GateArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let (plan, here) = pipeline::read_plan(&args.plan, &project.root)?;
    let verdict = pipeline::execute_gate(&project, &plan, &here, &args.receipts, session)?;
    Ok(verdict.exit_status(args.strict))
}
