//! The workflows of a workspace.

use super::model::{Job, Step, Trigger, Workflow};

/// Runs of one pull request follow each other; everything else has a group of its own commit.
const PER_CHANGE: &str = "${{ github.workflow }}-${{ github.event.pull_request.number || github.sha }}";
const ON_PULL_REQUESTS: &str = "${{ github.event_name == 'pull_request' }}";

/// What a run leaves that is worth keeping.
const RUN_FILES: &str = "target/tollgate/latest/*.json
target/tollgate/latest/*.jsonl
target/tollgate/latest/*.xml
target/tollgate/latest/*.html
target/tollgate/latest/*.md
target/tollgate/latest/run.log
target/tollgate/latest/services/
target/tollgate/latest/coverage/lcov.info
target/tollgate/latest/coverage/cobertura.xml
";

/// All of them.
pub(super) fn workflows() -> Vec<Workflow> {
    vec![checks(), mutants(), coverage(), nightly()]
}

fn checks() -> Workflow {
    Workflow {
        file: "ci.yml",
        name: "ci",
        purpose: &["The checks of a pull request and of the merge queue."],
        on: vec![Trigger::PullRequest, Trigger::MergeGroup],
        group: PER_CHANGE,
        cancel: ON_PULL_REQUESTS,
        jobs: vec![whole_run("ci")],
    }
}

/// Advice on a pull request, so it is not among the required checks.
fn mutants() -> Workflow {
    Workflow {
        file: "mutants.yml",
        name: "mutants",
        purpose: &["Mutants of the lines that a pull request changes; `HEAD^1` of a merge commit is the base."],
        on: vec![Trigger::PullRequest],
        group: PER_CHANGE,
        cancel: ON_PULL_REQUESTS,
        jobs: vec![Job {
            id: "mutants",
            name: "mutants of the change",
            needs: &[],
            condition: None,
            minutes: 60,
            outputs: Vec::new(),
            matrix: None,
            steps: vec![
                checkout("2"),
                Step::Xtask { id: None, command: "mutants --diff HEAD^1", condition: None, env: Vec::new() },
                keep("mutants-attempt-${{ github.run_attempt }}", RUN_FILES),
            ],
        }],
    }
}

fn coverage() -> Workflow {
    Workflow {
        file: "coverage.yml",
        name: "coverage",
        purpose: &["Coverage of the main branch: the whole run, whose reports are kept."],
        on: vec![Trigger::PushTo("main")],
        group: PER_CHANGE,
        cancel: "false",
        jobs: vec![whole_run("coverage")],
    }
}

fn nightly() -> Workflow {
    let mutants = Job {
        id: "mutants",
        name: "mutants ${{ matrix.shard }}",
        needs: &[],
        condition: None,
        minutes: 300,
        outputs: Vec::new(),
        matrix: Some(("shard", "[1/4, 2/4, 3/4, 4/4]")),
        steps: vec![
            checkout("1"),
            Step::Xtask {
                id: None,
                command: "mutants --all --shard \"$SHARD\"",
                condition: None,
                env: vec![("SHARD", "${{ matrix.shard }}")],
            },
            keep("mutants-${{ strategy.job-index }}-attempt-${{ github.run_attempt }}", RUN_FILES),
        ],
    };
    Workflow {
        file: "nightly.yml",
        name: "nightly",
        purpose: &["Every night: the whole run on what the day has become, and all mutants."],
        on: vec![Trigger::Schedule("17 3 * * *"), Trigger::Dispatch],
        group: "${{ github.workflow }}",
        cancel: "false",
        jobs: vec![whole_run("ci"), mutants],
    }
}

/// The same command as on a laptop. Native: binaries are built against this machine's C library, which is newer than
/// that of the services' images.
fn whole_run(id: &'static str) -> Job {
    Job {
        id,
        name: id,
        needs: &[],
        condition: None,
        minutes: 40,
        outputs: Vec::new(),
        matrix: None,
        steps: vec![
            checkout("0"),
            Step::Xtask { id: None, command: "ci --engine native", condition: None, env: Vec::new() },
            keep("run-attempt-${{ github.run_attempt }}", RUN_FILES),
        ],
    }
}

fn checkout(depth: &'static str) -> Step {
    let with = vec![("persist-credentials", "false"), ("fetch-depth", depth)];
    Step::Use { name: "check out", action: "actions/checkout", condition: None, with }
}

/// What a failed or cancelled job has left is kept too. The name has the attempt: a name can be used once in a run.
fn keep(name: &'static str, path: &'static str) -> Step {
    let with = vec![("name", name), ("path", path), ("if-no-files-found", "warn")];
    Step::Use { name: "keep what it left", action: "actions/upload-artifact", condition: Some("always()"), with }
}
