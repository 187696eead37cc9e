//! HTTP: `GET path` answers 200.

use super::{Answer, said};
use std::io::{Read, Write};

/// Longest answer that is looked at.
const BYTES_MAX: u64 = 4096;

pub(super) fn ask(stream: &mut (impl Read + Write), path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| said(&error))?;
    let mut answer = Vec::new();
    // a peer that resets after its answer has still answered
    let end = stream.take(BYTES_MAX).read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let status = text.lines().next().unwrap_or_default();
    match (status.split(' ').nth(1), end) {
        (Some("200"), _) if status.starts_with("HTTP/") => Ok(()),
        (Some(_), _) if status.starts_with("HTTP/") => Err(format!("GET {path}: {}{}", status, body(&text))),
        (_, Err(error)) => Err(said(&error)),
        _ if answer.is_empty() => Err("closes connections at once".to_owned()),
        _ => Err("does not speak HTTP".to_owned()),
    }
}

/// The first line of the body, which often says why.
fn body(text: &str) -> String {
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let line: String = body.lines().next().unwrap_or_default().chars().take(200).collect();
    if line.is_empty() { line } else { format!(" ({line})") }
}
