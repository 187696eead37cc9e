//! The contract of GitHub's runner, on this machine: what a job of a workflow file sees, and what becomes of what it does.
//!
//! Jobs run one after the other in the same directory, which checking out makes anew, as on GitHub. `run` steps are
//! processes of bash with the files and variables of a step; actions are modelled: checking out, one cache,
//! artifacts. A name of an artifact can be used once in a run, over all attempts. Cancelling sends SIGINT to the step's shell
//! alone, SIGTERM after 7.5 s, SIGKILL after another 2.5 s, and then runs the steps that run `always()`. Expressions are
//! those that the workflow files of this project use; any other ends the test.

mod artifacts;
mod expression;
mod step;

use crate::Fixture;
use artifacts::Artifacts;
use camino::{Utf8Path, Utf8PathBuf};
use expression::Contexts;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fs, process::Command};
use step::{Shell, Stopped};
use tempfile::TempDir;

/// How a job or a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// Every step worked.
    Success,
    /// A step failed, or the machine was lost.
    Failure,
    /// It was cancelled.
    Cancelled,
    /// A job that it needs did not work.
    Skipped,
}

impl Conclusion {
    /// As GitHub writes it.
    fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

/// What is to happen to a job.
#[derive(Debug, Clone, Default)]
pub struct Fate {
    /// Its machine is lost at the first command that it runs; what actions did before is left.
    pub lost: bool,
    /// It is cancelled when the output of a step has this text.
    pub cancel_at: Option<String>,
    /// Variables that the machine has.
    pub env: Vec<(String, String)>,
}

/// A job that has ended.
#[derive(Debug, Clone)]
pub struct JobEnd {
    /// How.
    pub conclusion: Conclusion,
    /// Its outputs.
    pub outputs: Map<String, Value>,
    /// What its steps wrote, masked.
    pub log: String,
    /// What its steps wrote to their summaries.
    pub summary: String,
    /// Commands that the runner acted on, but for masks: annotations, groups and the like.
    pub commands: Vec<String>,
}

/// A repository with its runs.
#[derive(Debug)]
pub struct Runner {
    directory: TempDir,
    origin: Utf8PathBuf,
    /// Where every job has its workspace.
    pub workspace: Utf8PathBuf,
    artifacts: Artifacts,
    /// What the cache has: a path in the workspace, and its text.
    pub cache: Option<(String, String)>,
    /// The `github` context, but for what a job adds; `event` is the payload.
    pub github: Value,
    /// Jobs that have ended, by id; of a matrix the last.
    pub ended: BTreeMap<String, JobEnd>,
    /// How each job ended last, those of a matrix by their place in it.
    conclusions: BTreeMap<(String, usize), Conclusion>,
}

impl Runner {
    /// A repository whose last commit is the fixture, where `cargo xtask` is a program of the caller's.
    pub fn new(fixture: &Fixture, program: &str, github: Value) -> Self {
        let directory = TempDir::with_prefix("tollgate-runner-").expect("a temporary directory");
        let root = Utf8PathBuf::from_path_buf(directory.path().canonicalize().expect("a path")).expect("UTF-8");
        for part in ["bin", "files", "temp", "artifacts"] {
            fs::create_dir(root.join(part)).expect("a directory");
        }
        // What the alias in .cargo/config.toml does, without a package `xtask` in the fixture.
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = xtask ]; then shift; exec '{program}' \"$@\"; fi\nexec '{cargo}' \"$@\"\n"
        );
        step::write_program(&root.join("bin/cargo"), &script);
        let artifacts = Artifacts::new(root.join("artifacts"));
        let runner = Self {
            directory,
            origin: fixture.root().to_owned(),
            workspace: root.join("work/repository"),
            artifacts,
            cache: None,
            github,
            ended: BTreeMap::new(),
            conclusions: BTreeMap::new(),
        };
        runner.git(&["init", "-q", "-b", "main"]);
        runner.git(&["commit", "-q", "--allow-empty", "-m", "base"]);
        runner.git(&["add", "-A"]);
        runner.git(&["commit", "-q", "-m", "change"]);
        runner
    }

    fn git(&self, args: &[&str]) {
        let identity = ["-c", "user.name=x", "-c", "user.email=x@example.test"];
        let status = Command::new("git").args(identity).args(args).current_dir(&self.origin).status();
        assert!(status.expect("git runs").success(), "git {args:?}");
    }

    fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.directory.path()).expect("UTF-8")
    }

    /// Names of the artifacts that were kept.
    pub fn artifacts(&self) -> Vec<String> {
        self.artifacts.names()
    }

    /// A file of an artifact.
    pub fn artifact_file(&self, name: &str, path: &str) -> Utf8PathBuf {
        self.artifacts.directory(name).join(path)
    }

    /// The rows of a job's matrix, from what has ended.
    pub fn rows(&self, workflow: &str, job: &str) -> Vec<Value> {
        let workflow = parse(workflow);
        let matrix = &workflow["jobs"][job]["strategy"]["matrix"];
        let contexts = self.contexts(&workflow["jobs"][job], &Value::Null, 0);
        let include = contexts.value(matrix["include"].as_str().expect("an expression"));
        include.as_array().expect("a list").clone()
    }

    /// Runs a job, with a row of its matrix and the row's index.
    pub fn job(&mut self, workflow: &str, id: &str, row: &Value, index: usize, fate: &Fate) -> Conclusion {
        let workflow = parse(workflow);
        let job = &workflow["jobs"][id];
        let mut contexts = self.contexts(job, row, index);
        let needs_worked = needs(job).iter().all(|need| self.conclusion(need) == Some(Conclusion::Success));
        if !contexts.runs(job["if"].as_str(), needs_worked) {
            let end = JobEnd {
                conclusion: Conclusion::Skipped,
                outputs: Map::new(),
                log: String::new(),
                summary: String::new(),
                commands: Vec::new(),
            };
            self.note(id, index, end);
            return Conclusion::Skipped;
        }
        for directory in [self.workspace.clone(), self.root().join("temp")] {
            // The first job finds none.
            let _ = fs::remove_dir_all(&directory);
            fs::create_dir_all(&directory).expect("a directory");
        }
        let mut shell = Shell::new(self.root(), &self.workspace, &contexts.github(), fate);
        let mut conclusion = Conclusion::Success;
        let steps = job["steps"].as_array().cloned().unwrap_or_default();
        for step in &steps {
            if fate.lost && step["run"].is_string() {
                // A machine that is gone runs nothing, and nobody else does in its place.
                conclusion = Conclusion::Failure;
                break;
            }
            if !contexts.runs(step["if"].as_str(), conclusion == Conclusion::Success) {
                continue;
            }
            let ended = match step["uses"].as_str() {
                Some(action) => self.action(action, &contexts.resolved(&step["with"])).map_err(|why| {
                    shell.say(&format!("{action}: {why}"));
                    Stopped::Failed
                }),
                None => shell.run(step, &mut contexts),
            };
            conclusion = match ended {
                Err(Stopped::Failed) if conclusion == Conclusion::Success => Conclusion::Failure,
                Ok(()) | Err(Stopped::Failed) => conclusion,
                Err(Stopped::Cancelled) => Conclusion::Cancelled,
            };
        }
        let outputs = job["outputs"].as_object().into_iter().flatten();
        let outputs =
            outputs.map(|(name, value)| (name.clone(), json!(contexts.text(value.as_str().unwrap_or_default()))));
        // A value that was masked is no output.
        let outputs: Map<String, Value> =
            outputs.filter(|(_, value)| !shell.is_masked(value.as_str().unwrap_or_default())).collect();
        let (log, summary, commands) = shell.end();
        self.note(id, index, JobEnd { conclusion, outputs, log, summary, commands });
        conclusion
    }

    fn note(&mut self, id: &str, index: usize, end: JobEnd) {
        self.conclusions.insert((id.to_owned(), index), end.conclusion);
        self.ended.insert(id.to_owned(), end);
    }

    /// How a job ended; of a matrix how the worst of its jobs did, each by its last attempt.
    fn conclusion(&self, id: &str) -> Option<Conclusion> {
        let worst = [Conclusion::Failure, Conclusion::Cancelled, Conclusion::Skipped, Conclusion::Success];
        let of: Vec<Conclusion> =
            self.conclusions.iter().filter(|((job, _), _)| job == id).map(|(_, ended)| *ended).collect();
        worst.into_iter().find(|conclusion| of.contains(conclusion))
    }

    fn contexts(&self, job: &Value, row: &Value, index: usize) -> Contexts {
        let needs = needs(job).into_iter().filter_map(|need| {
            let (ended, result) = (self.ended.get(&need)?, self.conclusion(&need)?.word());
            Some((need, json!({ "result": result, "outputs": ended.outputs })))
        });
        let needs: Map<String, Value> = needs.collect();
        let mut github = self.github.clone();
        github["workspace"] = json!(self.workspace);
        Contexts::new(json!({
            "github": github, "needs": needs, "matrix": row, "strategy": { "job-index": index },
            "runner": { "temp": self.root().join("temp") }, "steps": {},
        }))
    }

    /// An action, modelled by what it is documented to do.
    fn action(&mut self, action: &str, with: &Value) -> Result<(), String> {
        let (name, _) = action.split_once('@').expect("a pinned action");
        let text = |key: &str| with[key].as_str().unwrap_or_default();
        match name {
            "actions/checkout" => {
                let url = format!("file://{}", self.origin);
                let depth =
                    Some(text("fetch-depth")).filter(|depth| *depth != "0").map(|depth| format!("--depth={depth}"));
                let status = Command::new("git")
                    .args(["clone", "-q"])
                    .args(depth)
                    .args([&url, self.workspace.as_str()])
                    .status();
                if status.expect("git runs").success() { Ok(()) } else { Err("git clone failed".to_owned()) }
            }
            "actions/cache/restore" => {
                if let Some((path, content)) = self.cache.as_ref().filter(|(path, _)| path == text("path")) {
                    let path = self.workspace.join(path);
                    fs::create_dir_all(path.parent().expect("a directory")).expect("it can be made");
                    fs::write(path, content).expect("a file");
                }
                Ok(())
            }
            "actions/upload-artifact" => self.artifacts.upload(text("name"), text("path"), &self.workspace),
            "actions/download-artifact" => {
                let to = self.workspace.join(text("path"));
                let merged = text("merge-multiple") == "true";
                self.artifacts.download(with["name"].as_str(), with["pattern"].as_str(), merged, &to)
            }
            other => panic!("{other} is not modelled"),
        }
    }
}

fn parse(workflow: &str) -> Value {
    serde_saphyr::from_str(workflow).expect("a workflow")
}

fn needs(job: &Value) -> Vec<String> {
    job["needs"].as_array().into_iter().flatten().filter_map(|need| need.as_str().map(str::to_owned)).collect()
}
