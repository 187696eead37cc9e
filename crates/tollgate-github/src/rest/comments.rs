//! Telling a pull request something: a comment that is created once and updated after.

use super::client::{Client, RestError};
use serde::Deserialize;
use serde_json::json;

/// Whom a job's token comments as.
pub const BOT: &str = "github-actions[bot]";

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Comment {
    id: u64,
    body: Option<String>,
    user: Option<User>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct User {
    login: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct PullRequest {
    number: u64,
    state: String,
    head: Head,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Head {
    sha: String,
    repo: Option<Repository>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Repository {
    full_name: String,
}

/// What became of a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// There was none.
    Created,
    /// It says something else now.
    Updated,
    /// It said so already.
    Unchanged,
}

/// Makes the comment of `author` that starts with `marker` say `body`; it is created where there is none.
///
/// A comment of anybody else is never touched, whatever it starts with. Creating may have worked though the answer was
/// lost, so after that the comments are read again before anything is created a second time. A comment that was deleted
/// meanwhile is created anew.
///
/// # Errors
/// Where the server refuses, can't be reached or answers something else.
pub fn tell(
    client: &Client<'_>,
    repository: &str,
    number: u64,
    author: &str,
    marker: &str,
    body: &str,
) -> Result<Told, RestError> {
    let comments = format!("/repos/{repository}/issues/{number}/comments");
    let own = || -> Result<Option<Comment>, RestError> {
        let is_own = |comment: &Comment| {
            comment.user.as_ref().is_some_and(|user| user.login == author)
                && comment.body.as_deref().is_some_and(|body| body.starts_with(marker))
        };
        Ok(client.list::<Comment>(&comments)?.into_iter().find(is_own))
    };
    let create = || match client.create::<Comment>(&comments, &json!({ "body": body })) {
        Ok(_) => Ok(Told::Created),
        Err(error) if error.is_open() => match own()? {
            Some(comment) if says(&comment, body) => Ok(Told::Created),
            Some(_) => Err(error),
            None => client.create::<Comment>(&comments, &json!({ "body": body })).map(|_| Told::Created),
        },
        Err(error) => Err(error),
    };
    match own()? {
        None => create(),
        Some(comment) if says(&comment, body) => Ok(Told::Unchanged),
        Some(comment) => {
            let path = format!("/repos/{repository}/issues/comments/{}", comment.id);
            match client.update::<Comment>(&path, &json!({ "body": body })) {
                Ok(_) => Ok(Told::Updated),
                Err(RestError::Refused { status: 404 | 410, .. }) => create(),
                Err(error) => Err(error),
            }
        }
    }
}

/// GitHub gives line ends back as it likes.
fn says(comment: &Comment, body: &str) -> bool {
    let plain = |text: &str| text.replace('\r', "").trim_end().to_owned();
    comment.body.as_deref().map(plain) == Some(plain(body))
}

/// The one open pull request whose head is this commit of this repository; none where there is none, or several.
///
/// # Errors
/// Where the server refuses, can't be reached or answers something else.
pub fn pull_request_of(
    client: &Client<'_>,
    repository: &str,
    head_sha: &str,
    head_repository: &str,
) -> Result<Option<u64>, RestError> {
    let is_it = |pull: &&PullRequest| {
        let from = pull.head.repo.as_ref().is_some_and(|repo| repo.full_name == head_repository);
        pull.state == "open" && pull.head.sha == head_sha && from
    };
    // Of a fork's commit the first list may know nothing; the second has all that are open.
    for path in [format!("/repos/{repository}/commits/{head_sha}/pulls"), format!("/repos/{repository}/pulls")] {
        let pulls: Vec<PullRequest> = client.list(&path)?;
        let found: Vec<u64> = pulls.iter().filter(is_it).map(|pull| pull.number).collect();
        match found[..] {
            [] => {}
            [only] => return Ok(Some(only)),
            _ => return Ok(None),
        }
    }
    Ok(None)
}
