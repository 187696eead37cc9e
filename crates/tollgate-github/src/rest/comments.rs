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

/// How often a comment is written that others write meanwhile.
const WRITES_MAX: usize = 4;

/// Makes the comment of `author` that starts with `marker` say what `body` makes of what it says now; it is created where
/// there is none.
///
/// A comment of anybody else is never touched, whatever it starts with. After it was written it is read again, since another
/// run may have told of something else at the same time: `body` of its own result must be the same again. Of two that were
/// created at once the older stays.
///
/// # Errors
/// Where the server refuses, can't be reached or answers something else, or others write over it each time.
pub fn tell(
    client: &Client<'_>,
    repository: &str,
    number: u64,
    author: &str,
    marker: &str,
    body: &dyn Fn(Option<&str>) -> String,
) -> Result<Told, RestError> {
    let mut told = Told::Unchanged;
    for _ in 0..WRITES_MAX {
        match write(client, repository, number, author, marker, body)? {
            Told::Unchanged => return Ok(told),
            Told::Updated if told == Told::Created => {}
            this => told = this,
        }
    }
    Err(RestError::Contested { place: format!("{repository}#{number}") })
}

/// Reads and, where it says something else, writes once.
///
/// Creating may have worked though the answer was lost, so after that the comments are read again before anything is created
/// a second time. A comment that was deleted meanwhile is created anew.
fn write(
    client: &Client<'_>,
    repository: &str,
    number: u64,
    author: &str,
    marker: &str,
    body: &dyn Fn(Option<&str>) -> String,
) -> Result<Told, RestError> {
    let comments = format!("/repos/{repository}/issues/{number}/comments");
    let path = |comment: &Comment| format!("/repos/{repository}/issues/comments/{}", comment.id);
    let own = || -> Result<Vec<Comment>, RestError> {
        let is_own = |comment: &Comment| {
            comment.user.as_ref().is_some_and(|user| user.login == author)
                && comment.body.as_deref().is_some_and(|body| body.starts_with(marker))
        };
        Ok(client.list::<Comment>(&comments)?.into_iter().filter(is_own).collect())
    };
    let create = || {
        let text = body(None);
        match client.create::<Comment>(&comments, &json!({ "body": text })) {
            Ok(_) => Ok(Told::Created),
            Err(error) if error.is_open() => match own()?.first() {
                Some(comment) if says(comment, &text) => Ok(Told::Created),
                Some(_) => Err(error),
                None => client.create::<Comment>(&comments, &json!({ "body": text })).map(|_| Told::Created),
            },
            Err(error) => Err(error),
        }
    };
    let all = own()?;
    for later in all.iter().skip(1) {
        client.remove(&path(later))?;
    }
    let Some(comment) = all.first() else { return create() };
    let text = body(comment.body.as_deref());
    if says(comment, &text) {
        return Ok(Told::Unchanged);
    }
    match client.update::<Comment>(&path(comment), &json!({ "body": text })) {
        Ok(_) => Ok(Told::Updated),
        Err(RestError::Refused { status: 404 | 410, .. }) => create(),
        Err(error) => Err(error),
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
