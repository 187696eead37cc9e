//! `gate`: one verdict of what all shards handed back, of tests or of mutants, or of a stored run under another policy.

use crate::{
    args::GateArgs, args::RunFormat, console::Console, error::CliError, mutants, pipeline, project::Project,
    session::Session,
};
use tollgate_core::{
    judge::judge,
    plan::judged_by,
    report::{self, Options},
    shard::Jobs,
};
use tollgate_github::{attempt, needs};
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
            let jobs = jobs(args.needs.as_deref(), attempt(variable))?;
            pipeline::execute_gate(&project, &plan, &here, &args.receipts, jobs.as_ref(), session)?
        }
        (None, None) => return Err(CliError::usage("neither a plan nor a run is named", [])),
    };
    Ok(verdict.exit_status(args.strict))
}

/// What GitHub says of the jobs before this one, which a later attempt at a run can't do without. The plan's job says which
/// attempt made it.
fn jobs(json: Option<&str>, attempt: Option<u32>) -> Result<Option<Jobs>, CliError> {
    let hint = || "a step hands it over as `env: NEEDS: ${{ toJSON(needs) }}` and `--needs \"$NEEDS\"`".to_owned();
    let Some(json) = json else {
        return match attempt {
            None | Some(1) => Ok(None),
            Some(attempt) => {
                let what = format!("nothing says which receipts are of attempt {attempt}, and `--needs` is missing");
                Err(CliError::usage(what, [hint()]))
            }
        };
    };
    let needs =
        needs(json).map_err(|error| CliError::usage(format!("`--needs` is not toJSON(needs): {error}"), [hint()]))?;
    let made = needs.values().find_map(|need| need.outputs.get("attempt"));
    let Some(planned_in) = made.and_then(|attempt| attempt.parse().ok()) else {
        let hint =
            "add `attempt: ${{ steps.plan.outputs.attempt }}` to the outputs of the job that makes the plan".to_owned();
        return Err(CliError::usage("`--needs` has no job with an output `attempt` that is a number", [hint]));
    };
    let failed = needs.into_iter().filter(|(_, need)| !need.worked()).map(|(job, need)| (job, need.result));
    Ok(Some(Jobs { attempt: attempt.unwrap_or(1), planned_in, failed: failed.collect() }))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
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

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_later_attempt_is_not_judged_without_what_github_says_of_the_jobs() {
        assert_eq!(jobs(None, None).unwrap(), None);
        assert_eq!(jobs(None, Some(1)).unwrap(), None);
        let said = |json, attempt| jobs(json, attempt).unwrap_err().to_string();
        assert!(said(None, Some(2)).contains("which receipts are of attempt 2"), "{}", said(None, Some(2)));
        assert!(said(Some("{"), Some(1)).starts_with("`--needs` is not toJSON(needs)"));
        let silent = r#"{"plan":{"result":"success","outputs":{}}}"#;
        assert!(said(Some(silent), Some(2)).contains("no job with an output `attempt`"));
        let json = r#"{"plan":{"result":"success","outputs":{"attempt":"1"}},"shard":{"result":"cancelled"}}"#;
        let failed = vec![("shard".to_owned(), "cancelled".to_owned())];
        assert_eq!(jobs(Some(json), Some(2)).unwrap(), Some(Jobs { attempt: 2, planned_in: 1, failed }));
    }
}
