//! `gate`: one verdict of what all shards handed back, of tests or of mutants, or of a stored run under another policy.

use crate::{
    args::GateArgs, args::RunFormat, console::Console, error::CliError, mutants, pipeline, project::Project,
    session::Session,
};
use tollgate_core::{
    judge::judge,
    plan::judged_by,
    report::{self, Options},
};
use tollgate_model::{ExitStatus, Verdict};

/// Passes only where every planned test has exactly one final outcome, from a shard of this plan.
pub(crate) fn run(args: &GateArgs, session: &Session) -> Result<ExitStatus, CliError> {
    if !args.mutants.is_empty() {
        let report = mutants::unite(&Project::load()?, &args.mutants, session)?;
        return Ok(super::mutants::conclude(&report, args.strict, args.format, session));
    }
    let verdict = match (&args.run, &args.plan) {
        (Some(run), _) => judge_again(args, run, session)?,
        (None, Some(plan)) => {
            let project = Project::load()?;
            let (plan, here) = pipeline::read_plan(plan, &project.root)?;
            pipeline::execute_gate(&project, &plan, &here, &args.receipts, session)?
        }
        (None, None) => return Err(CliError::usage("neither a plan nor a run is named", [])),
    };
    Ok(verdict.exit_status(args.strict))
}

/// Judges stored evidence by the configuration as it is now, or by other files; the run keeps its own verdict.
fn judge_again(args: &GateArgs, run: &str, session: &Session) -> Result<Verdict, CliError> {
    let project = Project::load_from(args.config.as_deref(), args.policy.as_deref())?;
    let directory = project.runs.open(Some(run).filter(|run| *run != "latest"))?;
    let (plan, evidence) = judged_by(directory.plan()?, directory.evidence()?, &project.config)
        .map_err(|error| CliError::usage(error.to_string(), ["`cargo xtask coverage` measures it".to_owned()]))?;
    let mut verdict = judge(&evidence, &plan);
    // Whether all receipts were there is no matter of policy, and the evidence does not say.
    if let Some(receipts) = directory.verdict()?.gates.into_iter().find(|gate| gate.gate.as_str() == "shards.receipts")
    {
        verdict.outcome = verdict.outcome.max(receipts.outcome);
        verdict.gates.insert(0, receipts);
    }
    let console = session.reporter.console();
    console.data(&match args.format {
        RunFormat::Json => serde_json::to_string_pretty(&verdict).unwrap_or_default() + "\n",
        RunFormat::Text => {
            let run_dir = Some(directory.path().to_string());
            let options = Options { width: console.width(), color: Console::color(), run_dir };
            report::terminal(&evidence, &verdict, &options)
        }
    });
    Ok(verdict)
}
