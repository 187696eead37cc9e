//! A workflow as data, and its text.

use super::{HEADER, pins::Pins};

/// A workflow file.
#[derive(Debug, Clone)]
pub(super) struct Workflow {
    /// Name of the file.
    pub(super) file: &'static str,
    /// Name in the list of workflows.
    pub(super) name: &'static str,
    /// What it is for; comment lines.
    pub(super) purpose: &'static [&'static str],
    /// What starts it.
    pub(super) on: Vec<Trigger>,
    /// Runs of the same group don't run at the same time.
    pub(super) group: &'static str,
    /// Whether a newer run of the group ends an older one.
    pub(super) cancel: &'static str,
    /// Its jobs.
    pub(super) jobs: Vec<Job>,
}

/// What starts a workflow. There are no `paths`: a required check that a filter skips stays pending for ever.
#[derive(Debug, Clone)]
pub(super) enum Trigger {
    PullRequest,
    MergeGroup,
    PushTo(String),
    /// A time, as cron writes it.
    Schedule(&'static str),
    /// By hand.
    Dispatch,
    /// The end of a run of one of these workflows, in the name of the default branch.
    EndOf(&'static [&'static str]),
}

/// A job. All jobs read the repository.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) needs: &'static [&'static str],
    pub(super) condition: Option<&'static str>,
    pub(super) minutes: u32,
    /// What it may do beside reading the repository, and what for.
    pub(super) permissions: &'static [(&'static str, &'static str)],
    /// Names of outputs and the expression of each.
    pub(super) outputs: Vec<(&'static str, &'static str)>,
    /// Name of the matrix' variable and its values: a YAML sequence, or an expression.
    pub(super) matrix: Option<(&'static str, &'static str)>,
    pub(super) steps: Vec<Step>,
}

/// A step.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// `exec cargo xtask <command>`: `exec` is what lets the runner's signals reach tollgate, so that a cancelled job
    /// tears its environment down.
    Xtask {
        id: Option<&'static str>,
        command: &'static str,
        condition: Option<&'static str>,
        /// Values that the shell reads; an expression in the command itself could be made to run anything.
        env: Vec<(&'static str, &'static str)>,
    },
    /// An action.
    Use {
        name: &'static str,
        action: &'static str,
        condition: Option<&'static str>,
        with: Vec<(&'static str, &'static str)>,
    },
}

/// The text of a workflow file.
pub(super) fn emit(workflow: &Workflow, pins: &Pins) -> String {
    let mut text = Text::default();
    text.line(0, HEADER);
    for line in workflow.purpose {
        text.line(0, &format!("# {line}"));
    }
    text.pair(0, "name", workflow.name);
    text.line(0, "on:");
    let scheduled = workflow.on.iter().filter(|trigger| matches!(trigger, Trigger::Schedule(_))).count();
    debug_assert!(scheduled <= 1, "a key stands once in a mapping");
    for trigger in &workflow.on {
        text.trigger(trigger);
    }
    text.line(0, "permissions: {}");
    text.line(0, "concurrency:");
    text.pair(2, "group", workflow.group);
    text.pair(2, "cancel-in-progress", workflow.cancel);
    text.line(0, "jobs:");
    for job in &workflow.jobs {
        text.job(job, pins);
    }
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, indent: usize, line: &str) {
        self.0.push_str(&" ".repeat(indent));
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn pair(&mut self, indent: usize, key: &str, value: &str) {
        if value.contains('\n') {
            self.line(indent, &format!("{key}: |"));
            for line in value.lines() {
                self.line(indent + 2, line);
            }
        } else {
            self.line(indent, &format!("{key}: {}", scalar(value)));
        }
    }

    fn optional(&mut self, indent: usize, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.pair(indent, key, value);
        }
    }

    fn mapping(&mut self, indent: usize, key: &str, pairs: &[(&str, &str)]) {
        if !pairs.is_empty() {
            self.line(indent, &format!("{key}:"));
            for (key, value) in pairs {
                self.pair(indent + 2, key, value);
            }
        }
    }

    fn trigger(&mut self, trigger: &Trigger) {
        match trigger {
            Trigger::PullRequest => self.line(2, "pull_request:"),
            Trigger::MergeGroup => self.line(2, "merge_group:"),
            Trigger::Dispatch => self.line(2, "workflow_dispatch:"),
            Trigger::EndOf(workflows) => {
                self.line(2, "workflow_run:");
                self.line(4, &format!("workflows: [{}]", workflows.join(", ")));
                self.line(4, "types: [completed]");
            }
            Trigger::PushTo(branch) => {
                self.line(2, "push:");
                self.line(4, &format!("branches: [{}]", branch_scalar(branch)));
            }
            Trigger::Schedule(cron) => {
                self.line(2, "schedule:");
                self.line(4, &format!("- cron: '{cron}'"));
            }
        }
    }

    fn job(&mut self, job: &Job, pins: &Pins) {
        self.line(2, &format!("{}:", job.id));
        self.pair(4, "name", job.name);
        if !job.needs.is_empty() {
            self.line(4, &format!("needs: [{}]", job.needs.join(", ")));
        }
        self.optional(4, "if", job.condition);
        self.line(4, "runs-on: ubuntu-24.04");
        self.line(4, &format!("timeout-minutes: {}", job.minutes));
        self.line(4, "permissions:");
        self.line(6, "contents: read # to check out");
        for (permission, purpose) in job.permissions {
            self.line(6, &format!("{permission} # {purpose}"));
        }
        self.mapping(4, "outputs", &job.outputs);
        if let Some((variable, values)) = job.matrix {
            self.line(4, "strategy:");
            self.line(6, "fail-fast: false");
            self.line(6, "matrix:");
            self.line(8, &format!("{variable}: {values}"));
        }
        self.line(4, "steps:");
        for step in &job.steps {
            self.step(step, pins);
        }
    }

    fn step(&mut self, step: &Step, pins: &Pins) {
        match step {
            Step::Xtask { id, command, condition, env } => {
                self.line(6, &format!("- name: {}", scalar(&format!("cargo xtask {command}"))));
                self.optional(8, "id", *id);
                self.optional(8, "if", *condition);
                self.pair(8, "run", &format!("exec cargo xtask {command}"));
                self.mapping(8, "env", env);
            }
            Step::Use { name, action, condition, with } => {
                self.line(6, &format!("- name: {}", scalar(name)));
                self.optional(8, "if", *condition);
                let repository = action.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
                let pin = pins.get(&repository).expect("every action that is used has a pin; a test writes them all");
                self.line(8, &format!("uses: {action}@{} # {}", pin.commit, pin.version));
                self.mapping(8, "with", with);
            }
        }
    }
}

/// A text as a YAML scalar; quoted where YAML would read something else into it.
fn scalar(text: &str) -> String {
    let special = text.starts_with(['*', '&', '!', '|', '>', '%', '@', '`', '"', '\'', '{', '[', ',', '?', '-', '#']);
    if text.is_empty() || special || text.contains(": ") || text.contains(" #") || text.ends_with(':') {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        text.to_owned()
    }
}

/// The name of a branch in a sequence; quoted where YAML would read a number or a truth.
fn branch_scalar(name: &str) -> String {
    let is_text = matches!(serde_saphyr::from_str(name), Ok(serde_json::Value::String(text)) if text == name);
    if is_text { name.to_owned() } else { format!("'{name}'") }
}

#[cfg(test)]
mod unit {
    #[test]
    fn a_branch_that_looks_like_a_number_is_quoted() {
        let names = ["main", "release/2.x", "1.0", "true"].map(super::branch_scalar);
        assert_eq!(names, ["main", "release/2.x", "'1.0'", "'true'"]);
    }

    #[test]
    fn a_scalar_is_quoted_where_yaml_would_read_something_else() {
        for (text, scalar) in [
            ("exec cargo xtask ci", "exec cargo xtask ci"),
            ("${{ always() }}", "${{ always() }}"),
            ("*.json", "'*.json'"),
            ("a: b", "'a: b'"),
            ("it's: so", "'it''s: so'"),
            ("", "''"),
        ] {
            assert_eq!(super::scalar(text), scalar);
            let read: String = serde_saphyr::from_str(scalar).expect("YAML");
            assert_eq!(read, text);
        }
    }
}
