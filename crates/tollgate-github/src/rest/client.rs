//! A client: one request at a time, with pages, limits and repetition.

use super::curl::{self, LineError, Method, Response};
use super::limits::{Answer, Next, PAUSES_MAX, TRIES_MAX, next, pause};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tollgate_exec::{ExecError, Interrupt};

/// Pages of a list that are read: ten thousand entries.
const PAGES_MAX: u32 = 100;

/// Bytes of the server's words that an error repeats.
const WORDS_MAX: usize = 300;

/// A call that did not work.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The server refuses it.
    #[error("{method} {url} was answered with {status}: {words}")]
    Refused {
        /// The method.
        method: String,
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// What the server said.
        words: String,
    },
    /// The server asks for a longer pause than there is time for.
    #[error("{url} is limited for another {seconds} s")]
    Limited {
        /// The address.
        url: String,
        /// How long.
        seconds: u64,
    },
    /// The server can't be reached, or its answer not be read.
    #[error("{url} can't be reached")]
    Line {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: Box<LineError>,
    },
    /// The answer is not of the form that is known.
    #[error("the answer of {url} can't be read")]
    Form {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The next page is said to be on another server, which the token is none of the business of.
    #[error("{url} names a next page elsewhere: {next}")]
    Elsewhere {
        /// The address.
        url: String,
        /// The next page.
        next: String,
    },
    /// What was written is written over again and again.
    #[error("others keep writing the comment of {place}")]
    Contested {
        /// The repository and the pull request.
        place: String,
    },
    /// A signal ended a pause.
    #[error("interrupted while waiting for {url}")]
    Interrupted {
        /// The address.
        url: String,
    },
}

impl RestError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { status: 401, .. } => Some("GITHUB_TOKEN is not accepted: hand the job's token over".into()),
            Self::Refused { status: 403 | 404, .. } => {
                Some("the job's token needs `pull-requests: write`; that of a fork's pull request never has it".into())
            }
            Self::Line { source, .. } => Some(match **source {
                LineError::Curl(ExecError::NotFound { .. }) => "install curl: apt-get install curl".into(),
                _ => "GITHUB_API_URL names the server".into(),
            }),
            Self::Contested { .. } => Some("tell it again when the other runs have ended".into()),
            _ => None,
        }
    }

    /// Whether what was asked may have been done.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Line { .. } | Self::Refused { status: 500..=599, .. } | Self::Form { .. })
    }
}

/// Waits; answers no where a signal wants the end.
pub type Pause<'a> = &'a dyn Fn(Duration) -> bool;

/// A client of one server.
pub struct Client<'a> {
    base: String,
    token: String,
    interrupt: &'a Interrupt,
    pause: Pause<'a>,
}

impl<'a> Client<'a> {
    /// A client of the server at `base` (`https://api.github.com`); nothing is sent yet.
    pub fn new(base: &str, token: &str, interrupt: &'a Interrupt, pause: Pause<'a>) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), token: token.to_owned(), interrupt, pause }
    }

    /// Reads all pages of a list.
    ///
    /// # Errors
    /// Where the server refuses, can't be reached or answers something else.
    pub fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, RestError> {
        let mut url = format!("{}{path}?per_page=100", self.base);
        let mut all = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self.send(Method::Get, &url, None)?;
            let page: Vec<T> = read(&url, &answer.body)?;
            all.extend(page);
            match answer.header("link").and_then(next_page) {
                None => break,
                Some(next) if !next.starts_with(&format!("{}/", self.base)) => {
                    return Err(RestError::Elsewhere { url, next: next.to_owned() });
                }
                Some(next) => next.clone_into(&mut url),
            }
        }
        Ok(all)
    }

    /// Creates something.
    ///
    /// # Errors
    /// As [`Client::list`]; it may have been created all the same where the server failed or the line broke.
    pub fn create<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, RestError> {
        self.write(Method::Post, path, body)
    }

    /// Replaces a part of something.
    ///
    /// # Errors
    /// As [`Client::list`].
    pub fn update<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, RestError> {
        self.write(Method::Patch, path, body)
    }

    /// Takes something away; that it is gone already is as good.
    ///
    /// # Errors
    /// As [`Client::list`].
    pub fn remove(&self, path: &str) -> Result<(), RestError> {
        match self.send(Method::Delete, &format!("{}{path}", self.base), None) {
            Ok(_) | Err(RestError::Refused { status: 404 | 410, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn write<T: DeserializeOwned>(&self, method: Method, path: &str, body: &Value) -> Result<T, RestError> {
        let url = format!("{}{path}", self.base);
        let answer = self.send(method, &url, Some(&body.to_string()))?;
        read(&url, &answer.body)
    }

    /// Sends a request until it is answered for good.
    fn send(&self, method: Method, url: &str, body: Option<&str>) -> Result<Response, RestError> {
        let repeatable = method != Method::Post;
        let (mut tried, mut paused) = (0, Duration::ZERO);
        loop {
            tried += 1;
            let (wait, error) = match curl::send(method, url, &self.token, body, self.interrupt) {
                Err(LineError::Curl(ExecError::Interrupted { .. })) => {
                    return Err(RestError::Interrupted { url: url.to_owned() });
                }
                Err(source) => {
                    let again = repeatable && !is_final(&source);
                    let error = RestError::Line { url: url.to_owned(), source: Box::new(source) };
                    (again.then(|| pause(tried)), error)
                }
                Ok(response) => {
                    let number = |name: &str| response.header(name)?.parse().ok();
                    let answer = Answer {
                        status: response.status,
                        retry_after: number("retry-after"),
                        remaining: number("x-ratelimit-remaining"),
                        reset: number("x-ratelimit-reset"),
                        body: &response.body,
                    };
                    let refused = || RestError::Refused {
                        method: method.to_string(),
                        url: url.to_owned(),
                        status: response.status,
                        words: words(&response.body),
                    };
                    match next(&answer, repeatable, tried, now()) {
                        Next::Done => return Ok(response),
                        Next::Stop => (None, refused()),
                        Next::Again(wait) if response.status < 500 => {
                            (Some(wait), RestError::Limited { url: url.to_owned(), seconds: wait.as_secs() })
                        }
                        Next::Again(wait) => (Some(wait), refused()),
                    }
                }
            };
            let Some(wait) = wait.filter(|wait| tried < TRIES_MAX && paused + *wait <= PAUSES_MAX) else {
                return Err(error);
            };
            paused += wait;
            if !(self.pause)(wait) {
                return Err(RestError::Interrupted { url: url.to_owned() });
            }
        }
    }
}

/// Whether a line that failed fails again: nobody installs curl meanwhile.
fn is_final(error: &LineError) -> bool {
    matches!(error, LineError::Curl(ExecError::NotFound { .. }))
}

fn read<T: DeserializeOwned>(url: &str, body: &str) -> Result<T, RestError> {
    serde_json::from_str(body).map_err(|source| RestError::Form { url: url.to_owned(), source })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The server's message where it has one, else the start of what it said.
fn words(body: &str) -> String {
    let said = serde_json::from_str::<Value>(body).ok();
    let message = said.as_ref().and_then(|said| said["message"].as_str()).unwrap_or(body);
    message[..message.floor_char_boundary(WORDS_MAX)].to_owned()
}

/// The next page of a `link` header: `<https://...>; rel="next", <...>; rel="last"`.
fn next_page(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (url, relation) = link.trim().split_once('>')?;
        relation.contains("rel=\"next\"").then(|| url.trim_start_matches('<'))
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_next_page_is_the_one_called_next() {
        let header = "<https://a/x?page=1>; rel=\"prev\", <https://a/x?page=3>; rel=\"next\", <https://a/x?page=9>; rel=\"last\"";
        assert_eq!(next_page(header), Some("https://a/x?page=3"));
        assert_eq!(next_page("<https://a/x?page=1>; rel=\"first\""), None);
    }

    #[test]
    fn only_a_missing_curl_is_final() {
        let missing = ExecError::NotFound { program: "curl".into(), hint: String::new() };
        assert!(is_final(&LineError::Curl(missing)));
        assert!(!is_final(&LineError::Form));
    }

    #[test]
    fn an_error_repeats_the_servers_message() {
        assert_eq!(words("{\"message\":\"Not Found\"}"), "Not Found");
        assert_eq!(words(&"é".repeat(400)).len(), WORDS_MAX);
    }
}
