//! Pitfalls of GitHub Actions, looked for in every workflow file, also those written by hand.
//!
//! Each of them has gone unnoticed in real projects, since the workflow stays green: a check that is skipped, a signal that
//! never arrives, an artifact that overwrites another.

mod rules;
#[cfg(test)]
mod unit;

use super::{Files, is_written_here};
use serde_json::Value;
use std::fmt;

/// A pitfall that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// The job or the step in it; empty where it is the whole file.
    pub place: String,
    /// Name of the rule.
    pub rule: &'static str,
    /// What is wrong, why it matters, and what to write.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place.is_empty() { String::new() } else { format!(", {}", self.place) };
        write!(f, "{}{place}: {} [{}]", self.file, self.message, self.rule)
    }
}

/// Looks for every pitfall in the files, by name; sorted by file.
pub fn lint(files: &Files) -> Vec<Finding> {
    let (mut findings, mut names) = (rules::pins(files), Vec::new());
    for (file, source) in files {
        match serde_saphyr::from_str::<Value>(source) {
            Ok(workflow) if workflow.is_object() => {
                names.push((file.as_str(), is_written_here(source), text(&workflow["name"])));
                findings.extend(rules::of_file(&Subject { file, workflow: &workflow }));
            }
            Ok(_) => findings.push(Finding::new(file, "", "syntax", "a workflow is a mapping")),
            Err(error) => findings.push(Finding::new(file, "", "syntax", &format!("this is not YAML: {error}"))),
        }
    }
    findings.extend(rules::names(&names));
    findings.sort();
    findings
}

impl Finding {
    fn new(file: &str, place: impl Into<String>, rule: &'static str, message: &str) -> Self {
        Self { file: file.to_owned(), place: place.into(), rule, message: message.to_owned() }
    }
}

/// A workflow that is looked at.
struct Subject<'a> {
    file: &'a str,
    workflow: &'a Value,
}

impl<'a> Subject<'a> {
    fn finding(&self, place: impl Into<String>, rule: &'static str, message: &str) -> Finding {
        Finding::new(self.file, place, rule, message)
    }

    /// Whether an event starts it; `on` is a word, a sequence or a mapping.
    fn is_started_by(&self, event: &str) -> bool {
        match &self.workflow["on"] {
            Value::String(name) => name == event,
            Value::Array(names) => names.iter().any(|name| name == event),
            Value::Object(events) => events.contains_key(event),
            _ => false,
        }
    }

    fn jobs(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.workflow["jobs"].as_object().into_iter().flatten().map(|(id, job)| (id.as_str(), job))
    }

    /// Every step with the job it is of, and what to call it.
    fn steps(&self) -> impl Iterator<Item = (&'a Value, String, &'a Value)> {
        self.jobs().flat_map(|(id, job)| {
            let steps = job["steps"].as_array().into_iter().flatten().enumerate();
            steps.map(move |(at, step)| (job, format!("job {id}, step {}", at + 1), step))
        })
    }

    /// Steps that use an action of this repository name, also one in a directory of it.
    fn uses(&self, action: &str) -> impl Iterator<Item = (&'a Value, String, &'a Value)> {
        let start = format!("{action}@");
        self.steps().filter(move |(_, _, step)| step["uses"].as_str().is_some_and(|uses| uses.starts_with(&start)))
    }
}

/// A value that is a word, a number or a truth, as text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
