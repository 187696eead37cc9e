//! Writing down what a process says, each line with the time it came, as the container engines do, and without secrets.

use camino::Utf8Path;
use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use tollgate_model::Masks;

/// How much is read at once, and the longest line; what is longer is broken into several.
const CHUNK: usize = 64 << 10;

/// Reads one process's output and appends it to its log.
///
/// A thread does so as long as anybody can write; whoever wants to see the log as of now asks for [`Scribe::catch_up`].
#[derive(Debug)]
pub(super) struct Scribe {
    reader: PipeReader,
    desk: Mutex<Desk>,
}

#[derive(Debug)]
struct Desk {
    log: File,
    chunk: Vec<u8>,
    lines: Lines,
}

impl Scribe {
    /// Begins to write to the log what comes through the pipe whose other end is returned.
    pub(super) fn begin(log: &Utf8Path, masks: Masks) -> io::Result<(Arc<Self>, PipeWriter)> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let (reader, writer) = io::pipe()?;
        let desk = Mutex::new(Desk { log, chunk: vec![0; CHUNK], lines: Lines { begun: Vec::new(), masks } });
        let scribe = Arc::new(Self { reader, desk });
        let follower = Arc::clone(&scribe);
        thread::Builder::new().name("log".to_owned()).spawn(move || follower.follow())?;
        Ok((scribe, writer))
    }

    /// Writes down every line that was said until now. What is said meanwhile is not waited for: there may be no end to it.
    pub(super) fn catch_up(&self) {
        self.take_due(&mut self.desk());
    }

    /// The same after the last word: a line that was begun is not gone on with.
    pub(super) fn finish(&self) {
        let mut desk = self.desk();
        self.take_due(&mut desk);
        let rest = desk.lines.rest(Timestamp::now());
        desk.write(&rest);
    }

    fn take_due(&self, desk: &mut Desk) {
        let mut due = self.waiting();
        while due > 0 {
            match desk.take(&self.reader) {
                Ok(read) if read > 0 => due = due.saturating_sub(read as u64),
                _ => return,
            }
        }
    }

    fn follow(&self) {
        loop {
            let mut wanted = [PollFd::new(&self.reader, PollFlags::IN)];
            if poll(&mut wanted, None).is_err_and(|error| error != rustix::io::Errno::INTR) {
                return;
            }
            let hung_up = wanted[0].revents().contains(PollFlags::HUP);
            let mut desk = self.desk();
            if self.waiting() > 0 {
                // What can't be read now can't be read later either.
                if desk.take(&self.reader).is_err() {
                    return;
                }
            } else if hung_up {
                drop(desk);
                return self.finish();
            }
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that were said and are not read yet; where there are none, a read would wait for them.
    fn waiting(&self) -> u64 {
        rustix::io::ioctl_fionread(&self.reader).unwrap_or(0)
    }
}

impl Desk {
    fn take(&mut self, mut reader: &PipeReader) -> io::Result<usize> {
        let read = reader.read(&mut self.chunk)?;
        let text = self.lines.add(&self.chunk[..read], Timestamp::now());
        self.write(&text);
        Ok(read)
    }

    /// A log that can't be written, as on a full disk, must not keep the process from going on.
    fn write(&mut self, text: &[u8]) {
        let _ = self.log.write_all(text);
    }
}

/// Puts bytes that come in pieces together to lines.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
    masks: Masks,
}

impl Lines {
    /// The lines that are complete with these bytes, as they stand in the log.
    fn add(&mut self, bytes: &[u8], at: Timestamp) -> Vec<u8> {
        let stamp = stamp(at);
        let mut text = Vec::with_capacity(bytes.len() + stamp.len());
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if self.begun.last() == Some(&b'\n') || self.begun.len() >= CHUNK {
                self.end(&stamp, &mut text);
            }
        }
        text
    }

    /// The line that was begun.
    fn rest(&mut self, at: Timestamp) -> Vec<u8> {
        let mut text = Vec::new();
        if !self.begun.is_empty() {
            self.end(&stamp(at), &mut text);
        }
        text
    }

    fn end(&mut self, stamp: &str, text: &mut Vec<u8>) {
        text.extend_from_slice(stamp.as_bytes());
        text.extend_from_slice(&self.masks.apply_to_bytes(&self.begun));
        self.begun.clear();
        if text.last() != Some(&b'\n') {
            text.push(b'\n');
        }
    }
}

/// A time as the container engines write it before a line.
fn stamp(at: Timestamp) -> String {
    format!("{} ", at.strftime("%Y-%m-%dT%H:%M:%S%.9fZ"))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_line_gets_the_time_at_which_it_was_complete() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let mut lines = Lines::default();
        let mut text = lines.add(b"one\ntwo\n\nth", at(0));
        text.extend(lines.add(b"ree", at(1)));
        text.extend(lines.add(b"!\nfo", at(2)));
        text.extend(lines.rest(at(3)));
        text.extend(lines.rest(at(4)));
        insta::assert_snapshot!(String::from_utf8(text).expect("text"), @r"
        1970-01-01T00:00:00.000000000Z one
        1970-01-01T00:00:00.000000000Z two
        1970-01-01T00:00:00.000000000Z 
        1970-01-01T00:00:02.000000000Z three!
        1970-01-01T00:00:03.000000000Z fo
        ");
    }

    #[test]
    fn a_line_without_an_end_does_not_fill_the_memory() {
        let mut lines = Lines::default();
        let text: Vec<u8> = (0..5).flat_map(|_| lines.add(&vec![b'x'; CHUNK / 2], Timestamp::UNIX_EPOCH)).collect();
        assert_eq!(String::from_utf8(text).expect("text").lines().count(), 2);
        assert_eq!(lines.begun.len(), CHUNK / 2);
    }
}
