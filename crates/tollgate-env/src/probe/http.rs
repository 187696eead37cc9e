//! HTTP: `GET path` answers 200, or for a proxy anything at all.

use super::{Answer, said};
use std::io::{Read, Write};

/// Longest answer that is looked at.
const BYTES_MAX: u64 = 4096;

pub(super) fn ask(stream: &mut (impl Read + Write), path: &str) -> Answer {
    let text = get(stream, path)?;
    match status(&text) {
        Some("200") => Ok(()),
        _ => Err(format!("GET {path}: {}{}", text.lines().next().unwrap_or_default(), body(&text))),
    }
}

/// Asks for nothing but an answer of any status.
pub(super) fn ask_any(stream: &mut (impl Read + Write)) -> Answer {
    get(stream, "/").map(drop)
}

/// The beginning of an answer, which has a status.
fn get(stream: &mut (impl Read + Write), path: &str) -> Result<String, String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| said(&error))?;
    let mut answer = Vec::new();
    // a peer that resets after its answer has still answered
    let end = stream.take(BYTES_MAX).read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    match end {
        _ if status(&text).is_some() => Ok(text),
        Err(error) => Err(said(&error)),
        Ok(_) if text.is_empty() => Err("closes connections at once".to_owned()),
        Ok(_) => Err("does not speak HTTP".to_owned()),
    }
}

fn status(answer: &str) -> Option<&str> {
    answer.lines().next().filter(|line| line.starts_with("HTTP/"))?.split(' ').nth(1)
}

/// The first line of the body, which often says why.
fn body(text: &str) -> String {
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let line: String = body.lines().next().unwrap_or_default().chars().take(200).collect();
    if line.is_empty() { line } else { format!(" ({line})") }
}
