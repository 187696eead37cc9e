//! `gate`: one verdict of what all shards handed back, of tests or of mutants, or of a stored run under another policy.

use crate::{
    args::GateArgs, args::RunFormat, console::Console, error::CliError, mutants, pipeline, project::Project,
    session::Session,
};
use camino::Utf8PathBuf;
use std::collections::BTreeMap;
use tollgate_core::{
    judge::judge,
    plan::judged_by,
    report::{self, Options},
    shard::Jobs,
};
use tollgate_github::{Need, attempt, needs, started};
use tollgate_model::{ExitStatus, Verdict};

/// Passes only where every planned test has exactly one final outcome, from a shard of this plan.
pub(crate) fn run(args: &GateArgs, session: &Session) -> Result<ExitStatus, CliError> {
    if !args.mutants.is_empty() {
        let jobs = jobs(args.needs.as_deref(), attempt(variable), Planned::Never, &args.mutants)?;
        let report = mutants::unite(&Project::load()?, &args.mutants, jobs.as_ref(), args.accept, session)?;
        return Ok(super::mutants::conclude(&report, args.strict, args.format, session));
    }
    let verdict = match (&args.run, &args.plan) {
        (Some(run), _) => judge_again(args, run, session)?,
        (None, Some(plan)) => {
            let project = Project::load()?;
            let needs = args.needs.as_deref().map(read_needs).transpose()?.unwrap_or_default();
            let failed = failed_before_the_plan(&needs, plan.is_file());
            if !failed.is_empty() {
                return Ok(pipeline::execute_gate_without_plan(&project, &failed, session)?.exit_status(args.strict));
            }
            let (plan, here) = pipeline::read_plan(plan, &project.root)?;
            let jobs = jobs(args.needs.as_deref(), attempt(variable), Planned::ByAJob, &args.receipts)?;
            pipeline::execute_gate(&project, &plan, &here, &args.receipts, jobs.as_ref(), session)?
        }
        (None, None) => return Err(CliError::usage("neither a plan nor a run is named", [])),
    };
    Ok(verdict.exit_status(args.strict))
}

/// Whether shards follow a plan, which a job before them makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planned {
    /// Its outputs say in which attempt.
    ByAJob,
    /// The workflow file says what they are.
    Never,
}

/// What GitHub says of the jobs before this one, which a later attempt at a run can't do without. With it come the marks
/// that shards made when they started, which lie beside what they left.
fn jobs(
    json: Option<&str>,
    attempt: Option<u32>,
    planned: Planned,
    directories: &[Utf8PathBuf],
) -> Result<Option<Jobs>, CliError> {
    let Some(json) = json else {
        return match attempt {
            None | Some(1) => Ok(None),
            Some(attempt) => {
                let what = format!("nothing says what was left in attempt {attempt}, and `--needs` is missing");
                Err(CliError::usage(what, [HANDED_OVER.to_owned()]))
            }
        };
    };
    let needs = read_needs(json)?;
    let made = needs.values().find_map(|need| need.outputs.get("attempt"));
    let planned_in = match (planned, made.and_then(|attempt| attempt.parse().ok())) {
        (Planned::Never, _) => 1,
        (Planned::ByAJob, Some(attempt)) => attempt,
        (Planned::ByAJob, None) => {
            let hint = "add `attempt: ${{ steps.plan.outputs.attempt }}` to the outputs of the job that makes the plan";
            let what = "`--needs` has no job with an output `attempt` that is a number";
            return Err(CliError::usage(what, [hint.to_owned()]));
        }
    };
    let failed = needs.into_iter().filter(|(_, need)| !need.worked()).map(|(job, need)| (job, need.result));
    let (attempt, started) = (attempt.unwrap_or(1), last_started(names_in(directories)));
    Ok(Some(Jobs { attempt, planned_in, failed: failed.collect(), started }))
}

/// How the jobs come to be known.
const HANDED_OVER: &str = "a step hands it over as `env: NEEDS: ${{ toJSON(needs) }}` and `--needs \"$NEEDS\"`";

fn read_needs(json: &str) -> Result<BTreeMap<String, Need>, CliError> {
    let fail = |error| CliError::usage(format!("`--needs` is not toJSON(needs): {error}"), [HANDED_OVER.to_owned()]);
    needs(json).map_err(fail)
}

/// The jobs for want of which there is no plan, each with how it ended.
///
/// A job that was skipped was so since another one did not work. Where there is a file of a plan, it is an earlier one's if the
/// jobs after the plan were skipped and none says in which attempt it made a plan.
fn failed_before_the_plan(needs: &BTreeMap<String, Need>, is_there: bool) -> Vec<(String, String)> {
    let plans = |need: &Need| need.outputs.get("attempt").is_some_and(|attempt| attempt.parse::<u32>().is_ok());
    let ended = |(job, need): (&String, &Need)| (job.clone(), need.result.clone());
    if let Some(plan) = needs.iter().find(|(_, need)| plans(need)) {
        return Some(plan).filter(|(_, need)| !need.worked() && !is_there).map(ended).into_iter().collect();
    }
    let failed = needs.iter().filter(|(_, need)| !need.worked()).map(ended);
    let (skipped, failed): (Vec<_>, Vec<_>) = failed.partition(|(_, result)| result == "skipped");
    match failed.is_empty() {
        _ if is_there && (failed.is_empty() || skipped.is_empty()) => Vec::new(),
        true => skipped,
        false => failed,
    }
}

/// The last attempt in which each shard made its mark.
fn last_started(names: impl Iterator<Item = String>) -> BTreeMap<u32, u32> {
    let mut last = BTreeMap::new();
    for (shard, attempt) in names.filter_map(|name| started(&name)) {
        let known = last.entry(shard).or_insert(attempt);
        *known = attempt.max(*known);
    }
    last
}

/// What is in the directories; of one that can't be read whoever looks for receipts or reports there says so.
fn names_in(directories: &[Utf8PathBuf]) -> impl Iterator<Item = String> {
    let entries = directories.iter().filter_map(|directory| directory.read_dir_utf8().ok()).flatten();
    entries.filter_map(|entry| Some(entry.ok()?.file_name().to_owned()))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Judges stored evidence by the configuration as it is now, or by other files; the run keeps its own verdict.
fn judge_again(args: &GateArgs, run: &str, session: &Session) -> Result<Verdict, CliError> {
    let project = Project::load_from(args.config.as_deref(), args.policy.as_deref())?;
    let directory = project.runs.open(Some(run))?;
    let (plan, evidence) = judged_by(directory.plan()?, directory.evidence()?, &project.config)
        .map_err(|error| CliError::usage(error.to_string(), ["`cargo xtask ci` measures it".to_owned()]))?;
    let mut verdict = judge(&evidence, &plan);
    // Whether all receipts were there is no matter of policy, and the evidence does not say.
    if let Some(receipts) = directory.verdict()?.gates.into_iter().find(|gate| gate.gate.as_str() == "shards.receipts")
    {
        verdict.outcome = verdict.outcome.max(receipts.outcome);
        verdict.gates.insert(0, receipts);
    }
    let console = session.reporter.console();
    console.data(&match args.format {
        RunFormat::Json => serde_json::to_string(&verdict).unwrap_or_default() + "\n",
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
        let jobs = |json, attempt| jobs(json, attempt, Planned::ByAJob, &[]);
        assert_eq!(jobs(None, None).unwrap(), None);
        assert_eq!(jobs(None, Some(1)).unwrap(), None);
        let said = |json, attempt| jobs(json, attempt).unwrap_err().to_string();
        assert!(said(None, Some(2)).contains("what was left in attempt 2"), "{}", said(None, Some(2)));
        assert!(said(Some("{"), Some(1)).starts_with("`--needs` is not toJSON(needs)"));
        let silent = r#"{"plan":{"result":"success","outputs":{}}}"#;
        assert!(said(Some(silent), Some(2)).contains("no job with an output `attempt`"));
        let json = r#"{"plan":{"result":"success","outputs":{"attempt":"1"}},"shard":{"result":"cancelled"}}"#;
        let failed = vec![("shard".to_owned(), "cancelled".to_owned())];
        let expected = Jobs { attempt: 2, planned_in: 1, failed, started: BTreeMap::new() };
        assert_eq!(jobs(Some(json), Some(2)).unwrap(), Some(expected));
    }

    #[test]
    fn a_plan_that_was_not_made_is_laid_to_the_job_that_should_have() {
        let failed = |json: &str, is_there: bool| failed_before_the_plan(&read_needs(json).unwrap(), is_there);
        let ended = |job: &str, how: &str| vec![(job.to_owned(), how.to_owned())];
        let one = r#"{"plan":{"result":"failure","outputs":{}},"shard":{"result":"skipped","outputs":{}}}"#;
        assert_eq!(failed(one, false), ended("plan", "failure"));
        assert_eq!(failed(one, true), ended("plan", "failure"), "an old plan lies there");
        assert_eq!(failed(r#"{"plan":{"result":"skipped"}}"#, false), ended("plan", "skipped"));
        let late = r#"{"plan":{"result":"failure","outputs":{"attempt":"1"}},"shard":{"result":"skipped"}}"#;
        assert_eq!((failed(late, false), failed(late, true)), (ended("plan", "failure"), Vec::new()));
        let made = r#"{"plan":{"result":"success","outputs":{"attempt":"1"}},"shard":{"result":"failure"}}"#;
        assert_eq!((failed(made, false), failed(made, true)), (Vec::new(), Vec::new()));
        // The job of the plan does not say its attempt, which is another mistake.
        let silent = r#"{"plan":{"result":"success"},"shard":{"result":"failure"}}"#;
        assert_eq!(failed(silent, true), Vec::new());
        assert_eq!(failed("{}", false), Vec::new());
    }

    #[test]
    fn parts_of_mutants_follow_no_plan() {
        let json = r#"{"mutants":{"result":"skipped","outputs":{}}}"#;
        let failed = vec![("mutants".to_owned(), "skipped".to_owned())];
        let expected = Jobs { attempt: 2, planned_in: 1, failed, started: BTreeMap::new() };
        assert_eq!(jobs(Some(json), Some(2), Planned::Never, &[]).unwrap(), Some(expected));
        assert!(jobs(None, Some(2), Planned::Never, &[]).is_err());
    }

    #[test]
    fn the_last_mark_of_a_shard_counts() {
        let names = ["receipt-0-attempt-1", "receipt-1-attempt-2-started", "receipt-1-attempt-1-started", "1-of-2"];
        assert_eq!(last_started(names.map(str::to_owned).into_iter()), BTreeMap::from([(2, 2)]));
    }
}
