//! What started a run: the part of the event's payload that is asked for.

use serde::Deserialize;

/// What started a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A pull request, by its number.
    PullRequest(u64),
    /// Another workflow's run has ended.
    Finished(FinishedRun),
    /// Something else.
    Other,
}

/// A run that has ended, as GitHub says it; nothing of this is the run's own word.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FinishedRun {
    /// The name of its workflow.
    #[serde(default)]
    pub name: String,
    /// The file of its workflow, as `.github/workflows/ci.yml`; `@` and a branch may follow it.
    pub path: Option<String>,
    /// What started it: `pull_request`.
    pub event: String,
    /// How it ended: `success`, `failure`, `cancelled`.
    pub conclusion: Option<String>,
    /// The attempt at it.
    pub run_attempt: u32,
    /// The head of the change.
    pub head_sha: String,
    /// The repository of that head: a fork's, where the change is one.
    pub head_repository: Option<HeadRepository>,
    /// Its page.
    pub html_url: String,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeadRepository {
    /// `owner/name`.
    pub full_name: String,
}

#[derive(Deserialize)]
struct Payload {
    pull_request: Option<Numbered>,
    workflow_run: Option<FinishedRun>,
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

/// Reads the payload of an event (`GITHUB_EVENT_PATH`).
///
/// # Errors
/// Where it is none.
pub fn trigger(payload: &str) -> Result<Trigger, serde_json::Error> {
    let payload: Payload = serde_json::from_str(payload)?;
    Ok(match (payload.workflow_run, payload.pull_request) {
        (Some(run), _) => Trigger::Finished(run),
        (None, Some(pull_request)) => Trigger::PullRequest(pull_request.number),
        (None, None) => Trigger::Other,
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_payload_says_what_started_the_run() {
        let pull_request = r#"{"action":"opened","number":7,"pull_request":{"number":7,"head":{"sha":"abc"}}}"#;
        assert_eq!(trigger(pull_request).expect("a payload"), Trigger::PullRequest(7));
        let finished = r#"{"action":"completed","workflow_run":{"id":1,"event":"pull_request","conclusion":"failure",
            "run_attempt":2,"head_sha":"abc","head_repository":{"full_name":"fork/r"},"html_url":"https://g/o/r/actions/runs/1"}}"#;
        let Trigger::Finished(run) = trigger(finished).expect("a payload") else { panic!("it is a finished run") };
        assert_eq!((run.conclusion.as_deref(), run.run_attempt), (Some("failure"), 2));
        assert_eq!(trigger(r#"{"ref":"refs/heads/main"}"#).expect("a payload"), Trigger::Other);
        assert!(trigger("[]").is_err());
    }
}
