//! What a finished process left: its status and its output, captured within bounds.

use crate::{Cmd, ExecError, signal_name};
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// Standard output is data and kept whole, up to this many bytes; what comes after is dropped.
const STDOUT_BYTES_MAX: usize = 256 << 20;
/// Standard error is talk, and its end matters.
const STDERR_BYTES_MAX: usize = 1 << 20;
/// A line longer than this is delivered in parts.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Lines of output that an error message repeats.
const TAIL_LINES: usize = 20;

/// One of the two output streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Status {
    /// Whether the process exited with code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// The exit code, where it exited.
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) => None,
        }
    }
}

impl From<ExitStatus> for Status {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

/// `exit code 1`, `signal SIGKILL`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {}", signal_name(*signal).trim_start_matches("signal ")),
        }
    }
}

/// A finished process. Bytes that are not UTF-8 were replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: Status,
    /// Its standard output, whole up to 256 MiB.
    pub stdout: String,
    /// The last mebibyte of its standard error.
    pub stderr: String,
    /// From spawn to end.
    pub wall: Duration,
}

impl Output {
    /// Turns a status other than success into an error that carries the end of the output.
    ///
    /// # Errors
    /// [`ExecError::Failed`] where the process did not exit with code 0.
    pub fn success_or(self, cmd: &Cmd) -> Result<Self, ExecError> {
        if self.status.success() {
            return Ok(self);
        }
        Err(ExecError::Failed { argv: cmd.display(), status: self.status, tail: self.tail() })
    }

    /// The last 20 lines of standard error, or of standard output where there is no standard error.
    pub fn tail(&self) -> String {
        let text = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let lines: Vec<&str> = text.trim_end().lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

/// Bytes of one stream: what has been captured, and the line that is not complete yet.
#[derive(Debug)]
pub(crate) struct Capture {
    stream: Stream,
    bytes: Vec<u8>,
    pending: Vec<u8>,
}

impl Capture {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, bytes: Vec::new(), pending: Vec::new() }
    }

    /// Takes bytes as they were read and hands on the lines that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8], on_line: &mut dyn FnMut(Stream, &str)) {
        self.keep(bytes);
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            self.pending.extend_from_slice(&rest[..end]);
            self.deliver(on_line);
            rest = &rest[end + 1..];
        }
        self.pending.extend_from_slice(rest);
        if self.pending.len() >= LINE_BYTES_MAX {
            self.deliver(on_line);
        }
    }

    /// Hands on a last line that has no line end.
    pub(crate) fn finish(&mut self, on_line: &mut dyn FnMut(Stream, &str)) {
        if !self.pending.is_empty() {
            self.deliver(on_line);
        }
    }

    pub(crate) fn into_text(mut self) -> String {
        self.forget_beginning(STDERR_BYTES_MAX);
        match String::from_utf8(self.bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }

    fn deliver(&mut self, on_line: &mut dyn FnMut(Stream, &str)) {
        let line = String::from_utf8_lossy(&self.pending);
        on_line(self.stream, line.strip_suffix('\r').unwrap_or(&line));
        self.pending.clear();
    }

    fn keep(&mut self, bytes: &[u8]) {
        match self.stream {
            Stream::Stdout => {
                let room = STDOUT_BYTES_MAX.saturating_sub(self.bytes.len());
                self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Stream::Stderr => {
                self.bytes.extend_from_slice(bytes);
                // Twice the limit before it is cut, so that a long talk is not moved about on every read.
                if self.bytes.len() > 2 * STDERR_BYTES_MAX {
                    self.forget_beginning(STDERR_BYTES_MAX);
                }
            }
        }
    }

    /// Leaves the last `limit` bytes of standard error, from the beginning of a line where there is one.
    fn forget_beginning(&mut self, limit: usize) {
        if self.stream == Stream::Stdout || self.bytes.len() <= limit {
            return;
        }
        let cut = self.bytes.len() - limit;
        let line = self.bytes[cut..].iter().position(|b| *b == b'\n').map_or(cut, |at| cut + at + 1);
        self.bytes.drain(..line);
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<String> {
        let mut capture = Capture::new(Stream::Stdout);
        let mut seen = Vec::new();
        let mut on_line = |stream, line: &str| {
            assert_eq!(stream, Stream::Stdout);
            seen.push(line.to_owned());
        };
        for part in parts {
            capture.push(part, &mut on_line);
        }
        capture.finish(&mut on_line);
        assert_eq!(capture.into_text(), String::from_utf8_lossy(&parts.concat()));
        seen
    }

    #[test]
    fn lines_are_put_together_from_parts() {
        assert_eq!(lines(&[b"on", b"e\ntwo\r\n\nth", b"ree"]), ["one", "two", "", "three"]);
        assert_eq!(lines(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
        assert!(lines(&[b""]).is_empty());
    }

    #[test]
    fn an_endless_line_is_delivered_in_parts() {
        let part = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(lines(&[&part, &part, b"y"]).iter().map(String::len).collect::<Vec<_>>(), [65536, 65536, 1]);
    }

    #[test]
    fn of_standard_error_the_end_is_kept_from_a_whole_line_on() {
        let mut capture = Capture::new(Stream::Stderr);
        let mut count = 0;
        for number in 0..300_000 {
            capture.push(format!("line {number}\n").as_bytes(), &mut |_, _| count += 1);
        }
        let text = capture.into_text();
        assert_eq!(count, 300_000);
        assert!(text.len() <= STDERR_BYTES_MAX && text.len() > STDERR_BYTES_MAX - 20);
        assert!(text.starts_with("line ") && text.ends_with("line 299999\n"));
    }

    #[test]
    fn a_failure_shows_the_end_of_what_was_said() {
        let output = |stdout: &str, stderr: &str| Output {
            status: Status::Code(3),
            stdout: stdout.into(),
            stderr: stderr.into(),
            wall: Duration::ZERO,
        };
        let long = (1..=30).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(output("out", &long).tail().lines().next(), Some("11"));
        assert_eq!(output("only this\n", " \n").tail(), "only this");
        let error = output("", "no such thing\n").success_or(&Cmd::new("find").arg("a b")).unwrap_err();
        assert_eq!(error.to_string(), "`find 'a b'` ended with exit code 3\nno such thing");
    }

    #[test]
    fn a_status_reads_as_code_or_signal() {
        assert_eq!(Status::Code(101).to_string(), "exit code 101");
        assert_eq!(Status::from(ExitStatus::from_raw(9)).to_string(), "signal SIGKILL");
        assert_eq!(Status::Signal(42).to_string(), "signal 42");
        assert_eq!((Status::Code(4).code(), Status::Signal(4).code()), (Some(4), None));
    }
}
