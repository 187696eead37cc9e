//! The rules.

use super::{Finding, Subject, text};
use crate::started::STARTED;
use crate::workflows::{
    Files,
    pins::{is_commit, references},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Name of the job that is the required check.
const GATE: &str = "gate";

type Rule = fn(&Subject) -> Vec<Finding>;

/// The rules over one file.
const RULES: [Rule; 16] = [
    permissions,
    triggers,
    privileged,
    concurrency,
    timeouts,
    exec,
    expressions,
    gate,
    needs,
    filters,
    merge_queue,
    matrix,
    artifacts,
    credentials,
    cache,
    swallowed,
];

/// What is wrong with one file.
pub(super) fn of_file(subject: &Subject) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| rule(subject)).collect()
}

/// Every action is pinned to one commit, the same in all files, with its version beside it.
pub(super) fn pins(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut commits: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (file, text) in files {
        for reference in references(text) {
            let place = format!("action {}", reference.action);
            let finding = |message: &str| Finding::new(file, place.as_str(), "pin", message);
            if !is_commit(reference.commit) {
                let message = format!("`@{}` can be moved to other code: pin the full commit", reference.commit);
                findings.push(finding(&message));
            } else if reference.version.is_none() {
                findings.push(finding("the commit has no version beside it: write `# v1.2.3` behind it"));
            }
            let known = commits.entry(reference.action).or_default();
            known.insert(reference.commit);
            if known.len() > 1 {
                findings.push(finding("it is pinned to another commit elsewhere: one action has one pin"));
            }
        }
    }
    findings
}

/// A file of one's own has no name that a file written here has: each with whether it is written here, and its name.
pub(super) fn names(names: &[(&str, bool, String)]) -> Vec<Finding> {
    let written = |name: &str| names.iter().find(|(_, is_written, known)| *is_written && known == name);
    let own = names.iter().filter(|(_, is_written, _)| !is_written);
    let both = own.filter_map(|(file, _, name)| written(name).map(|(written, ..)| (file, name, written)));
    let finding = |(file, name, written): (&&str, &String, &&str)| {
        let message = format!(
            "it has the name `{name}`, as {written} has: `workflow_run` knows a workflow by that alone, so give it another one"
        );
        Finding::new(file, "", "name", &message)
    };
    both.map(finding).collect()
}

/// The token can do nothing that a job does not ask for.
fn permissions(subject: &Subject) -> Vec<Finding> {
    let empty = subject.workflow["permissions"].as_object().is_some_and(serde_json::Map::is_empty);
    let message = "the token may do whatever the repository's setting says: write `permissions: {}` at the top and what \
                   each job needs at the job";
    (!empty).then(|| subject.finding("", "permissions", message)).into_iter().collect()
}

/// `pull_request_target` runs with secrets on behalf of a stranger.
fn triggers(subject: &Subject) -> Vec<Finding> {
    let message = "`pull_request_target` hands secrets and a writing token to what a fork proposes: use `pull_request`";
    let found = subject.is_started_by("pull_request_target");
    found.then(|| subject.finding("", "trigger", message)).into_iter().collect()
}

/// What `workflow_run` starts has a writing token, and must not run what the change brought.
fn privileged(subject: &Subject) -> Vec<Finding> {
    if !subject.is_started_by("workflow_run") {
        return Vec::new();
    }
    let message =
        "a workflow with a writing token checks out what a stranger proposes: leave `ref` and `repository` out";
    let checkouts = subject.uses("actions/checkout");
    let foreign =
        checkouts.filter(|(_, _, step)| !step["with"]["ref"].is_null() || !step["with"]["repository"].is_null());
    let mut findings: Vec<Finding> =
        foreign.map(|(_, place, _)| subject.finding(place, "privileged", message)).collect();
    let message = "what another run left is unpacked into the workspace, where cargo would read it: write \
                   `path: ${{ runner.temp }}/...`";
    let inside = subject.uses("actions/download-artifact").filter(|(_, _, step)| {
        let path = text(&step["with"]["path"]);
        !path.starts_with("${{ runner.temp }}/") || path.contains("..")
    });
    findings.extend(inside.map(|(_, place, _)| subject.finding(place, "privileged", message)));
    findings
}

/// Groups are shared by all workflows of a repository, and only a pull request's runs may end each other.
fn concurrency(subject: &Subject) -> Vec<Finding> {
    let group = text(&subject.workflow["concurrency"]["group"]);
    let cancel = text(&subject.workflow["concurrency"]["cancel-in-progress"]);
    let mut findings = Vec::new();
    if !group.contains("github.workflow") {
        let message = "without a group that has `${{ github.workflow }}` in it, runs of other workflows wait for this one \
                       or end it";
        findings.push(subject.finding("", "concurrency", message));
    }
    if cancel == "true" && (subject.is_started_by("push") || subject.is_started_by("merge_group")) {
        let message = "a run of the main branch or of the merge queue is ended by the next one: write \
                       `cancel-in-progress: ${{ github.event_name == 'pull_request' }}`";
        findings.push(subject.finding("", "concurrency", message));
    }
    findings
}

/// A job without a limit may hang for six hours.
fn timeouts(subject: &Subject) -> Vec<Finding> {
    let unlimited = subject.jobs().filter(|(_, job)| job["timeout-minutes"].is_null() && job["uses"].is_null());
    let message = "without `timeout-minutes` a job that hangs does so for six hours";
    unlimited.map(|(id, _)| subject.finding(format!("job {id}"), "timeout", message)).collect()
}

/// The runner's signal reaches only the step's shell.
fn exec(subject: &Subject) -> Vec<Finding> {
    let ours = subject.steps().filter(|(_, _, step)| {
        let run = step["run"].as_str().unwrap_or_default();
        ["cargo xtask", "tollgate "].iter().any(|command| run.contains(command)) && !is_exec(run)
    });
    let message = "a cancelled job leaves its services running, since the signal reaches only the shell: one line, \
                   `run: exec cargo xtask ...`, without a pipe";
    ours.map(|(_, place, _)| subject.finding(place, "exec", message)).collect()
}

fn is_exec(run: &str) -> bool {
    run.starts_with("exec ") && run.trim_end().lines().count() == 1 && !run.contains(['|', ';', '&'])
}

/// An expression is put into the script as it is, and titles and branches are written by strangers.
fn expressions(subject: &Subject) -> Vec<Finding> {
    let inside = subject.steps().filter(|(_, _, step)| step["run"].as_str().is_some_and(|run| run.contains("${{")));
    let message = "an expression in `run` becomes part of the script, whatever its value: hand it over in `env`";
    inside.map(|(_, place, _)| subject.finding(place, "expression", message)).collect()
}

/// The required check runs whatever became of the others, and looks at all of them. A job that is skipped counts as passed.
fn gate(subject: &Subject) -> Vec<Finding> {
    let Some((_, gate)) = subject.jobs().find(|(id, _)| *id == GATE) else { return no_gate(subject) };
    let mut findings = Vec::new();
    let finding = |message: &str| subject.finding("job gate", "gate", message);
    if !matches!(text(&gate["if"]).as_str(), "always()" | "${{ always() }}") {
        let message = "when a job before it fails, the gate is skipped, and a skipped check counts as passed: write \
                       `if: always()`";
        findings.push(finding(message));
    }
    let needs: Vec<&str> = match &gate["needs"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let missing = subject.jobs().map(|(id, _)| id).filter(|id| *id != GATE && !needs.contains(id));
    findings.extend(missing.map(|id| finding(&format!("it does not need job {id}, which can fail unseen"))));
    findings
}

/// What shards left in an earlier attempt is still there, so whoever unites it has to know which were started since.
fn needs(subject: &Subject) -> Vec<Finding> {
    let runs = |step: &Value, commands: [&str; 2]| commands.iter().any(|part| text(&step["run"]).contains(part));
    let unites = |step: &Value| runs(step, ["gate --plan", "gate --mutants"]);
    let blind = subject.steps().filter(|(_, _, step)| unites(step) && !text(&step["run"]).contains("--needs"));
    let message = "a shard that is run again and lost is taken for what it was before: write `env: NEEDS: ${{ \
                   toJSON(needs) }}` and `--needs \"$NEEDS\"`";
    let mut findings: Vec<Finding> = blind.map(|(_, place, _)| subject.finding(place, "needs", message)).collect();
    if !subject.steps().any(|(_, _, step)| unites(step)) {
        return findings;
    }
    let message = "a red shard that is not run again is taken for lost when another one is: after checking out, upload a file \
                   as `...-${{ strategy.job-index }}-attempt-${{ github.run_attempt }}-started`";
    let steps = |job: &'_ Value| job["steps"].as_array().cloned().unwrap_or_default();
    let is_shard = |job: &Value| steps(job).iter().any(|step| runs(step, ["xtask shard ", " --shard "]));
    let marks = |job: &Value| steps(job).iter().any(|step| text(&step["with"]["name"]).ends_with(STARTED));
    let silent = subject.jobs().filter(|(_, job)| is_shard(job) && !job["strategy"].is_null() && !marks(job));
    findings.extend(silent.map(|(id, _)| subject.finding(format!("job {id}"), "needs", message)));
    findings
}

/// Several jobs of a check have one that sums them up: names of a matrix' jobs change with its size.
fn no_gate(subject: &Subject) -> Vec<Finding> {
    let required = subject.is_started_by("merge_group");
    let several = subject.jobs().count() > 1;
    let message = "several jobs and none called `gate` that needs all others: no single check says that all is well";
    (required && several).then(|| subject.finding("", "gate", message)).into_iter().collect()
}

/// A required check that a filter leaves out stays pending for ever.
fn filters(subject: &Subject) -> Vec<Finding> {
    let filtered = ["pull_request", "merge_group"].into_iter().filter(|event| {
        let event = &subject.workflow["on"][*event];
        ["paths", "paths-ignore", "branches", "branches-ignore"].iter().any(|filter| !event[*filter].is_null())
    });
    let message = "a required check that a filter leaves out stays pending for ever: decide in the plan what runs";
    let is_check = subject.is_started_by("merge_group") || subject.jobs().any(|(id, _)| id == GATE);
    let findings = filtered.map(|event| subject.finding(format!("event {event}"), "filter", message));
    if is_check { findings.collect() } else { Vec::new() }
}

/// A check that the merge queue does not run never lets anything through.
fn merge_queue(subject: &Subject) -> Vec<Finding> {
    let has_gate = subject.jobs().any(|(id, _)| id == GATE);
    let missing = subject.is_started_by("pull_request") && has_gate && !subject.is_started_by("merge_group");
    let message = "the merge queue waits for a check that it does not start: add `merge_group:` to `on`";
    missing.then(|| subject.finding("", "merge-queue", message)).into_iter().collect()
}

/// One failed shard must not end the others, whose results are evidence.
fn matrix(subject: &Subject) -> Vec<Finding> {
    let fast = subject
        .jobs()
        .filter(|(_, job)| !job["strategy"]["matrix"].is_null() && text(&job["strategy"]["fail-fast"]) != "false");
    let message =
        "the first red job of the matrix cancels the others, whose results are lost: write `fail-fast: false`";
    fast.map(|(id, _)| subject.finding(format!("job {id}"), "matrix", message)).collect()
}

/// A name can be used once in a run: without the attempt a re-run fails, without the shard a matrix does.
fn artifacts(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (job, place, step) in subject.uses("actions/upload-artifact") {
        let name = text(&step["with"]["name"]);
        if !name.contains("github.run_attempt") {
            let message = "a re-run can't upload under the same name: put `${{ github.run_attempt }}` into it";
            findings.push(subject.finding(place.as_str(), "artifact", message));
        }
        let in_matrix = !job["strategy"]["matrix"].is_null();
        if in_matrix && !name.contains("matrix.") && !name.contains("strategy.job-index") {
            let message = "the jobs of the matrix can't upload under one name: put `${{ strategy.job-index }}` into it";
            findings.push(subject.finding(place.as_str(), "artifact", message));
        }
        if !text(&step["if"]).contains("always()") {
            let message = "what a failed or cancelled job left is not kept: write `if: always()`";
            findings.push(subject.finding(place.as_str(), "artifact", message));
        }
    }
    findings
}

/// The token that checking out stores is there for every test to read.
fn credentials(subject: &Subject) -> Vec<Finding> {
    let stored =
        subject.uses("actions/checkout").filter(|(_, _, step)| text(&step["with"]["persist-credentials"]) != "false");
    let message = "the token stays in `.git/config` for every test to read: write `persist-credentials: false`";
    stored.map(|(_, place, _)| subject.finding(place, "credentials", message)).collect()
}

/// What a pull request or the merge queue stores no other run can read, and it pushes out what others can.
fn cache(subject: &Subject) -> Vec<Finding> {
    let saves = subject.uses("actions/cache").chain(subject.uses("actions/cache/save"));
    let of_main = ["push", "schedule"].iter().any(|event| subject.is_started_by(event));
    let only_main = of_main && !["pull_request", "merge_group"].iter().any(|event| subject.is_started_by(event));
    let message = "a cache that is saved here is read by no other run, and pushes out those that are: restore with \
                   `actions/cache/restore`, and save only on a push to the main branch, or on a schedule, which is that branch too";
    let saves = saves.map(|(_, place, _)| subject.finding(place, "cache", message));
    if only_main { Vec::new() } else { saves.collect() }
}

/// A failure that is carried on from is a check that can't fail.
fn swallowed(subject: &Subject) -> Vec<Finding> {
    let message = "with `continue-on-error` this can't fail: leave it out";
    let jobs = subject.jobs().map(|(id, job)| (format!("job {id}"), job));
    let steps = subject.steps().map(|(_, place, step)| (place, step));
    let swallowed =
        jobs.chain(steps).filter(|(_, value)| !matches!(text(&value["continue-on-error"]).as_str(), "" | "false"));
    swallowed.map(|(place, _)| subject.finding(place, "swallowed", message)).collect()
}
