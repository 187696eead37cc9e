//! One request, sent by curl.
//!
//! curl brings TLS, proxies and the machine's certificates; a Rust stack for them costs every cold build of `xtask` 17 s of CPU
//! time. What is secret is in no argument and no file: curl reads options and body from memory files of this process.

use rustix::fs::{MemfdFlags, memfd_create};
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;
use tollgate_exec::{Cmd, ExecError, Interrupt};

/// Wall time of one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What curl gets longer, so that it is curl that says what it waited for.
const TIMEOUT_OF_CURL: Duration = Duration::from_secs(35);

/// Bytes of an answer; a page of a hundred comments of the largest size has less.
const ANSWER_MAX: u64 = 32 * 1024 * 1024;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        })
    }
}

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Response {
    /// A header of this name in lower-case letters.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Reads what curl prints with `--include`: a status line, headers, an empty line, the body.
    fn parse(mut text: &str) -> Option<Self> {
        loop {
            let (head, body) = text.split_once("\r\n\r\n")?;
            let mut lines = head.lines();
            let status = lines.next()?.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()?;
            // Something that comes before the answer, such as `100 Continue`.
            if (100..200).contains(&status) {
                text = body;
                continue;
            }
            let header = |line: &str| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_ascii_lowercase(), value.trim().to_owned()))
            };
            return Some(Self { status, headers: lines.filter_map(header).collect(), body: body.to_owned() });
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// curl is missing, or did not get an answer.
    #[error(transparent)]
    Curl(#[from] ExecError),
    /// Its options can't be handed over.
    #[error("curl can't be told what to send")]
    Options(#[from] io::Error),
    /// It printed something else than an answer.
    #[error("curl printed no HTTP answer")]
    Form,
}

/// Sends a request and waits for its answer, whatever its status is; redirections are answers too.
pub(super) fn send(
    method: Method,
    url: &str,
    token: &str,
    body: Option<&str>,
    interrupt: &Interrupt,
) -> Result<Response, LineError> {
    let body = body.map(memory).transpose()?;
    let options = memory(&options(method, url, token, body.as_ref()))?;
    let curl = Cmd::new("curl").args(["--disable", "--config", &path(&options)]).timeout(TIMEOUT_OF_CURL);
    let output = curl.die_with_parent().run(interrupt)?.success_or(&curl_shown(url))?;
    Response::parse(&output.stdout).ok_or(LineError::Form)
}

/// The command as a reader can use it.
fn curl_shown(url: &str) -> Cmd {
    Cmd::new("curl").arg(url)
}

fn options(method: Method, url: &str, token: &str, body: Option<&OwnedFd>) -> String {
    let mut text = "silent\nshow-error\ninclude\nsuppress-connect-headers\nproto = \"=http,https\"\n".to_owned();
    let mut option = |name: &str, value: &str| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace(['\r', '\n'], "");
        writeln!(text, "{name} = \"{value}\"").expect("text can be written to memory");
    };
    option("url", url);
    option("request", &method.to_string());
    option("max-time", &TIMEOUT.as_secs().to_string());
    option("max-filesize", &ANSWER_MAX.to_string());
    option("user-agent", "tollgate");
    option("header", "accept: application/vnd.github+json");
    option("header", "x-github-api-version: 2022-11-28");
    option("header", &format!("authorization: Bearer {token}"));
    if let Some(body) = body {
        option("header", "content-type: application/json");
        option("header", "expect:");
        option("data-binary", &format!("@{}", path(body)));
    }
    text
}

/// A file that is nowhere and goes with this process, however it ends.
fn memory(text: &str) -> io::Result<OwnedFd> {
    let file = std::fs::File::from(memfd_create("tollgate-request", MemfdFlags::CLOEXEC)?);
    (&file).write_all(text.as_bytes())?;
    Ok(file.into())
}

/// Where a child finds a file that only this process has open.
fn path(file: &OwnedFd) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn an_answer_is_read_past_what_comes_before_it() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/2 201 \r\nLink: <a>; rel=\"next\"\r\nx: y:z\r\n\r\n{}\r\n\r\n{}";
        let response = Response::parse(text).expect("an answer");
        assert_eq!((response.status, response.body.as_str()), (201, "{}\r\n\r\n{}"));
        assert_eq!((response.header("link"), response.header("x")), (Some("<a>; rel=\"next\""), Some("y:z")));
        assert_eq!(response.header("y"), None);
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        for text in ["", "HTTP/1.1 200 OK\r\n", "<html>\r\n\r\n", "HTTP/1.1 OK\r\n\r\n"] {
            assert_eq!(Response::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_value_ends_no_option_and_begins_none() {
        let text = options(Method::Get, "http://h/\"\nproxy = \"evil\\", "t", None);
        assert!(text.contains("url = \"http://h/\\\"proxy = \\\"evil\\\\\"\n"), "{text}");
        assert_eq!(text.matches("proxy =").count(), 1);
        assert!(!text.lines().any(|line| line.starts_with("proxy")), "{text}");
    }
}
