//! The workflows of a workspace.

use super::model::{Job, Step, Trigger, Workflow};

/// Runs of one pull request follow each other; everything else has a group of its own commit.
const PER_CHANGE: &str = "${{ github.workflow }}-${{ github.event.pull_request.number || github.sha }}";
const ON_PULL_REQUESTS: &str = "${{ github.event_name == 'pull_request' }}";

/// What a change is compared with: in the merge queue what it was put upon, which may be several commits below its head; of
/// a pull request the first parent of the merge commit that is checked out.
const BASE: &str = "${{ github.event.merge_group.base_sha || 'HEAD^1' }}";

/// What a run leaves that is worth keeping; not the variables of an environment that stays up, which hold secrets.
const RUN_FILES: &str = "target/tollgate/latest/*.json
target/tollgate/latest/*.jsonl
target/tollgate/latest/*.xml
target/tollgate/latest/*.html
target/tollgate/latest/*.md
target/tollgate/latest/run.log
target/tollgate/latest/services/
target/tollgate/latest/coverage/lcov.info
target/tollgate/latest/coverage/cobertura.xml
!target/tollgate/latest/environment.json
";

const PLAN: &str = "target/tollgate/plan/plan.json";
/// The build that the plan was listed from; shards run it.
const ARCHIVE: &str = "target/tollgate/plan/tests.tar.zst";
/// What was found of mutants; the copy of the workspace beside it is not for keeping.
const MUTANTS: &str = "target/tollgate/mutants/report.json";
const MUTANT_PARTS: &str = "target/tollgate/mutant-parts";
const RECEIPTS: &str = "target/tollgate/receipts";

/// Durations are saved by runs of the main branch only: what a change saves no other change can read.
const DURATIONS: &str = ".tollgate/durations.json";
const DURATIONS_KEY: &str = "tollgate-durations-${{ github.run_id }}-${{ github.run_attempt }}";

/// A cache holds one history, so of two runs that save theirs in the same moment one is forgotten there.
const HISTORY: &str = ".tollgate/history";
const HISTORY_KEY: &str = "tollgate-history-${{ github.run_id }}-${{ github.run_attempt }}";

const SELF_TESTS: &str = ".tollgate/self-tests.jsonl";
const SELF_TESTS_KEY: &str = "tollgate-self-tests-${{ github.run_id }}-${{ github.run_attempt }}";

/// Name of the file of the stage that tells pull requests.
pub(super) const REPORT: &str = "report.yml";

/// Name of the file that the main branch's pushes start.
pub(super) const COVERAGE: &str = "coverage.yml";

/// In what the workflows of one workspace differ from those of another.
#[derive(Debug, Clone)]
pub(super) struct Choices {
    /// Whether pull requests are told.
    pub(super) report: bool,
    /// The main branch.
    pub(super) main_branch: String,
    /// Whether the commands name the native engine: binaries are built against the runner's C library, which is newer than that
    /// of the services' images.
    pub(super) native: bool,
}

/// All of them; the one that tells pull requests where it is wanted.
pub(super) fn workflows(choices: &Choices) -> Vec<Workflow> {
    let Choices { report: with_report, main_branch, native } = choices;
    let mut workflows = vec![checks(*native), mutants(*native), coverage(main_branch, *native), nightly(*native)];
    workflows.extend(with_report.then(report));
    workflows
}

fn checks(native: bool) -> Workflow {
    Workflow {
        file: "ci.yml",
        name: "ci",
        purpose: &[
            "The checks of a pull request and of the merge queue: a plan, its shards, and the gate, which is the one check to",
            "require. It compares what was planned with what was reported; a job that was skipped or lost is no success.",
        ],
        on: vec![Trigger::PullRequest, Trigger::MergeGroup],
        group: PER_CHANGE,
        cancel: ON_PULL_REQUESTS,
        jobs: vec![plan(native), shard(), gate()],
    }
}

fn plan(native: bool) -> Job {
    Job {
        id: "plan",
        name: "plan",
        needs: &[],
        condition: None,
        minutes: 30,
        permissions: &[],
        outputs: vec![
            ("matrix", "${{ steps.plan.outputs.matrix }}"),
            // By which the gate knows receipts that are older than the plan.
            ("attempt", "${{ steps.plan.outputs.attempt }}"),
            // A shard that runs again alone takes the plan of the attempt that made it.
            ("artifact", "${{ steps.plan.outputs.artifact }}"),
            ("archive", "${{ steps.plan.outputs.archive }}"),
        ],
        matrix: None,
        steps: vec![
            // In the merge queue all of it, as nobody knows how many commits are between.
            checkout("${{ github.event_name == 'merge_group' && '0' || '2' }}"),
            restore_durations(),
            Step::Xtask {
                id: Some("plan"),
                command: if native {
                    "plan --shards auto --engine native --base \"$BASE\""
                } else {
                    "plan --shards auto --base \"$BASE\""
                },
                condition: None,
                env: vec![("BASE", BASE)],
            },
            keep("plan-attempt-${{ github.run_attempt }}", PLAN),
            // On its own: the gate needs the plan alone.
            keep_packed("tests-attempt-${{ github.run_attempt }}", ARCHIVE),
        ],
    }
}

fn shard() -> Job {
    Job {
        id: "shard",
        name: "shard ${{ matrix.shard }}",
        needs: &["plan"],
        condition: None,
        minutes: 40,
        permissions: &[],
        outputs: Vec::new(),
        matrix: Some(("include", "${{ fromJSON(needs.plan.outputs.matrix) }}")),
        steps: vec![
            // The merge commit, the base, and the hundred commits before it that are asked which lines are unstable.
            checkout("${{ github.event_name == 'merge_group' && '0' || '102' }}"),
            mark("receipt-${{ strategy.job-index }}-attempt-${{ github.run_attempt }}-started"),
            restore_history(),
            take_plan(),
            // A plan whose tests have no instrumented build has packed none up.
            take_planned("take the build", "needs.plan.outputs.archive", "${{ needs.plan.outputs.archive }}"),
            setup(),
            Step::Xtask {
                id: None,
                command: "shard --plan target/tollgate/plan/plan.json \"$SHARD\"",
                condition: None,
                env: vec![("SHARD", "${{ matrix.shard }}")],
            },
            keep("receipt-${{ strategy.job-index }}-attempt-${{ github.run_attempt }}", RECEIPTS),
        ],
    }
}

fn gate() -> Job {
    Job {
        id: "gate",
        name: "gate",
        needs: &["plan", "shard"],
        condition: Some("always()"),
        minutes: 15,
        permissions: &[],
        outputs: Vec::new(),
        matrix: None,
        steps: vec![
            checkout("1"),
            // Tests are newly slow by the runs that are recorded, as on one machine.
            restore_history(),
            // Without a plan the gate says so: an empty name would be that of all artifacts.
            take_plan(),
            take("take the receipts", vec![("pattern", "receipt-*"), ("path", RECEIPTS)]),
            Step::Xtask {
                id: None,
                command: "gate --plan target/tollgate/plan/plan.json --needs \"$NEEDS\" target/tollgate/receipts",
                condition: None,
                env: vec![("NEEDS", "${{ toJSON(needs) }}")],
            },
            keep("run-attempt-${{ github.run_attempt }}", RUN_FILES),
            // Alone, since a workflow that may write to pull requests reads nothing else of this one.
            keep("brief-attempt-${{ github.run_attempt }}", "target/tollgate/latest/brief.json"),
        ],
    }
}

/// The only job that may write something. It is started in the name of the default branch, builds that branch's tollgate,
/// and has of the change nothing but the brief, outside of the workspace, as data.
fn report() -> Workflow {
    Workflow {
        file: REPORT,
        name: "report",
        purpose: &[
            "Tells a pull request of its checks by one comment, also one of a fork, whose own run may write nothing. The code",
            "is that of the default branch; of the change it has a brief, which it reads as data. Remove this file to do without.",
        ],
        on: vec![Trigger::EndOf(&["ci", "mutants"])],
        group: "${{ github.workflow }}-${{ github.event.workflow_run.name }}-${{ github.event.workflow_run.head_repository.full_name }}-${{ github.event.workflow_run.head_branch }}",
        cancel: "false",
        jobs: vec![Job {
            id: "comment",
            name: "comment",
            needs: &[],
            condition: Some("github.event.workflow_run.event == 'pull_request'"),
            minutes: 15,
            permissions: &[("actions: read", "to take the brief"), ("pull-requests: write", "to comment")],
            outputs: Vec::new(),
            matrix: None,
            steps: vec![
                checkout("1"),
                take(
                    "take the brief",
                    vec![
                        // A pattern: a run that left no brief is told of too, and a name would have to be there.
                        ("pattern", "*brief-attempt-${{ github.event.workflow_run.run_attempt }}"),
                        ("merge-multiple", "true"),
                        ("run-id", "${{ github.event.workflow_run.id }}"),
                        ("github-token", "${{ github.token }}"),
                        ("path", "${{ runner.temp }}/untrusted"),
                    ],
                ),
                Step::Xtask {
                    id: None,
                    command: "report --comment --untrusted \"$UNTRUSTED\"",
                    condition: None,
                    env: vec![("UNTRUSTED", "${{ runner.temp }}/untrusted"), ("GITHUB_TOKEN", "${{ github.token }}")],
                },
            ],
        }],
    }
}

/// Advice on a pull request, so it is not among the required checks.
fn mutants(native: bool) -> Workflow {
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
            permissions: &[],
            outputs: Vec::new(),
            matrix: None,
            steps: vec![
                checkout("2"),
                Step::Xtask {
                    id: None,
                    command: if native { "mutants --diff HEAD^1 --engine native" } else { "mutants --diff HEAD^1" },
                    condition: None,
                    env: Vec::new(),
                },
                keep("mutants-attempt-${{ github.run_attempt }}", MUTANTS),
                // Alone, as the brief of the checks.
                keep("mutants-brief-attempt-${{ github.run_attempt }}", "target/tollgate/mutants/mutants.json"),
            ],
        }],
    }
}

fn coverage(main_branch: &str, native: bool) -> Workflow {
    Workflow {
        file: COVERAGE,
        name: "coverage",
        purpose: &[
            "Coverage of the main branch, how long its tests take, and its history: the whole run, whose reports are kept.",
        ],
        on: vec![Trigger::PushTo(main_branch.to_owned())],
        group: PER_CHANGE,
        cancel: "false",
        jobs: vec![remembered(recorded(whole_run("coverage", native)))],
    }
}

/// A job that records durations for the plans to come, also where a gate is red: what it has is of a whole run, and of tests
/// that did not pass what earlier runs recorded.
fn recorded(mut job: Job) -> Job {
    job.steps.insert(1, restore_durations());
    job.steps.push(Step::Use {
        name: "remember how long tests take",
        action: "actions/cache/save",
        condition: Some("always()"),
        with: vec![("path", DURATIONS), ("key", DURATIONS_KEY)],
    });
    job
}

/// A job whose run is added to the history, red ones too; only runs of the main branch save it.
fn remembered(mut job: Job) -> Job {
    job.steps.insert(1, restore_history());
    // Records of runs that ended meanwhile are unpacked beside those that are here: each has a name of its own.
    job.steps.push(recall("recall runs that ended meanwhile", Some("always()")));
    job.steps.push(Step::Use {
        name: "remember this run",
        action: "actions/cache/save",
        condition: Some("always()"),
        with: vec![("path", HISTORY), ("key", HISTORY_KEY)],
    });
    job
}

fn restore_history() -> Step {
    recall("recall earlier runs", None)
}

fn recall(name: &'static str, condition: Option<&'static str>) -> Step {
    Step::Use {
        name,
        action: "actions/cache/restore",
        condition,
        with: vec![("path", HISTORY), ("key", HISTORY_KEY), ("restore-keys", "tollgate-history-")],
    }
}

fn restore_durations() -> Step {
    Step::Use {
        name: "recall how long tests take",
        action: "actions/cache/restore",
        condition: None,
        with: vec![("path", DURATIONS), ("key", DURATIONS_KEY), ("restore-keys", "tollgate-durations-")],
    }
}

fn take_plan() -> Step {
    take_planned("take the plan", "needs.plan.outputs.artifact", "${{ needs.plan.outputs.artifact }}")
}

/// What the job of the plan left, where it says that it left it.
fn take_planned(name: &'static str, is_there: &'static str, artifact: &'static str) -> Step {
    let with = vec![("name", artifact), ("path", "target/tollgate/plan")];
    Step::Use { name, action: "actions/download-artifact", condition: Some(is_there), with }
}

fn take(name: &'static str, with: Vec<(&'static str, &'static str)>) -> Step {
    Step::Use { name, action: "actions/download-artifact", condition: None, with }
}

fn nightly(native: bool) -> Workflow {
    let mutants = Job {
        id: "mutants",
        name: "mutants ${{ matrix.shard }}",
        needs: &[],
        condition: None,
        minutes: 300,
        permissions: &[],
        outputs: Vec::new(),
        matrix: Some(("shard", "[1/4, 2/4, 3/4, 4/4]")),
        steps: vec![
            checkout("1"),
            mark("mutants-${{ strategy.job-index }}-attempt-${{ github.run_attempt }}-started"),
            Step::Xtask {
                id: None,
                command: if native {
                    "mutants --all --shard \"$SHARD\" --engine native"
                } else {
                    "mutants --all --shard \"$SHARD\""
                },
                condition: None,
                env: vec![("SHARD", "${{ matrix.shard }}")],
            },
            keep("mutants-${{ strategy.job-index }}-attempt-${{ github.run_attempt }}", MUTANTS),
        ],
    };
    // Of all attempts: where one part is run again, the gate takes its last, and those of the others as they are.
    let score = Job {
        id: "score",
        name: "score",
        needs: &["mutants"],
        condition: Some("always()"),
        minutes: 15,
        permissions: &[],
        outputs: Vec::new(),
        matrix: None,
        steps: vec![
            checkout("1"),
            take("take what was found", vec![("pattern", "mutants-*"), ("path", MUTANT_PARTS)]),
            Step::Xtask {
                id: None,
                command: "gate --mutants target/tollgate/mutant-parts --needs \"$NEEDS\"",
                condition: None,
                env: vec![("NEEDS", "${{ toJSON(needs) }}")],
            },
            keep("score-attempt-${{ github.run_attempt }}", MUTANTS),
        ],
    };
    Workflow {
        file: "nightly.yml",
        name: "nightly",
        purpose: &[
            "Every night: the gates on what they must conclude, the whole run on what the day has become, which is remembered, the",
            "tests that the history suspects again and again, and all mutants with their score.",
        ],
        on: vec![Trigger::Schedule("17 3 * * *"), Trigger::Dispatch],
        group: "${{ github.workflow }}",
        cancel: "false",
        jobs: vec![remembered(stressed(self_tested(whole_run("ci", native)), native)), mutants, score],
    }
}

/// A whole run whose report shows how often its gates were wrong in the self-test before it and in those of earlier nights.
/// It is run also where that is red, and the self-test is kept.
fn self_tested(mut job: Job) -> Job {
    let at = job.steps.len() - 2;
    if let Step::Xtask { condition, .. } = &mut job.steps[at] {
        *condition = Some("!cancelled()");
    }
    let steps = [
        Step::Use {
            name: "recall earlier self-tests",
            action: "actions/cache/restore",
            condition: None,
            with: vec![("path", SELF_TESTS), ("key", SELF_TESTS_KEY), ("restore-keys", "tollgate-self-tests-")],
        },
        Step::Xtask { id: None, command: "gates self-test", condition: None, env: Vec::new() },
        Step::Use {
            name: "remember the self-test",
            action: "actions/cache/save",
            condition: Some("always()"),
            with: vec![("path", SELF_TESTS), ("key", SELF_TESTS_KEY)],
        },
    ];
    job.steps.splice(at..at, steps);
    job
}

/// A whole run after which the tests are stressed that the history suspects, red or not: new ones, flaky ones, and those in
/// quarantine. What is seen of them goes into the history, which is saved behind it.
fn stressed(mut job: Job, native: bool) -> Job {
    // Fifteen minutes of stress, and as much for building what is built already, on a bad day.
    job.minutes += 30;
    job.steps.push(Step::Xtask {
        id: None,
        command: if native {
            "flaky stress --suspects --within 15m --engine native"
        } else {
            "flaky stress --suspects --within 15m"
        },
        condition: Some("!cancelled()"),
        env: Vec::new(),
    });
    job
}

/// The same command as on a laptop.
fn whole_run(id: &'static str, native: bool) -> Job {
    Job {
        id,
        name: id,
        needs: &[],
        condition: None,
        minutes: 40,
        permissions: &[],
        outputs: Vec::new(),
        matrix: None,
        steps: vec![
            checkout("0"),
            setup(),
            Step::Xtask {
                id: None,
                command: if native { "ci --engine native" } else { "ci" },
                condition: None,
                env: Vec::new(),
            },
            keep("run-attempt-${{ github.run_attempt }}", RUN_FILES),
        ],
    }
}

/// Before the tests, since some of them need cargo-mutants, which a run does not install by itself.
fn setup() -> Step {
    Step::Xtask { id: None, command: "setup", condition: None, env: Vec::new() }
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

/// Says that a job of a matrix has started: its name is what matters, and this file is in every checkout. By it the gate
/// knows a shard that was run again and lost from one that was not run again.
fn mark(name: &'static str) -> Step {
    let with = vec![("name", name), ("path", "Cargo.toml"), ("if-no-files-found", "warn")];
    Step::Use { name: "say that it started", action: "actions/upload-artifact", condition: Some("always()"), with }
}

/// The same of a file that is compressed already.
fn keep_packed(name: &'static str, path: &'static str) -> Step {
    let with = vec![("name", name), ("path", path), ("if-no-files-found", "warn"), ("compression-level", "0")];
    Step::Use { name: "keep the build", action: "actions/upload-artifact", condition: Some("always()"), with }
}
