//! A run that outlives the command that started it.
//!
//! The command starts this program once more in a session of its own, where it becomes a keeper that is tied to nobody, and
//! passes on what comes from there, until the run takes its [`leave`] or ends. So everything that can go wrong on the way
//! up is seen by whoever started it, with its exit code. Until then the run is to end where the command is gone: [`when_alone`].

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, kill_process};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tollgate_exec::shim::Shim;
use tollgate_exec::{Interrupt, Signal, Status, Stream};

/// Begins the last line of a run that stays; nothing else of what a run prints has it.
const LEAVE: u8 = 0;

/// Most bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// How it went with a run, as far as the command that started it can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parting {
    /// It stays, and said this.
    Stays(String),
    /// It has ended.
    Ended(Status),
}

/// Whether this process needs the command that started it no more.
static LEFT: AtomicBool = AtomicBool::new(false);

/// Calls `end` once nobody reads the standard output of this process any more, unless it took its [`leave`] before: even a
/// command that was killed takes the run that it started with it.
pub fn when_alone(end: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        let stdout = io::stdout();
        // That the reader is gone is told unasked.
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        let polled = loop {
            match poll(&mut fds, None) {
                Err(Errno::INTR) => {}
                polled => break polled,
            }
        };
        if polled.is_ok() && !LEFT.load(Ordering::SeqCst) {
            end();
        }
    });
}

/// Says that the run stays from here on, and what there is to know of it, in one line.
///
/// # Errors
/// When nobody reads it any more: whoever asked for the run is gone.
pub fn leave(word: &str) -> io::Result<()> {
    let mut line = vec![LEAVE];
    line.extend_from_slice(word.as_bytes());
    line.push(b'\n');
    // Before anybody can read it and go.
    LEFT.store(true, Ordering::SeqCst);
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}

/// Starts this program with `args` in a session of its own and passes on what it prints, until it stays or has ended. The
/// interrupt is passed on to it.
///
/// It must be called in a program whose `main` calls [`tollgate_exec::shim::intercept`] first.
///
/// # Errors
/// When the program can't be started or be listened to.
pub fn start(args: &[OsString], interrupt: &Interrupt, pass_on: &mut dyn FnMut(Stream, &[u8])) -> io::Result<Parting> {
    let mut command = Shim::new("/proc/self/exe").args(args).session().command();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let pipes = [child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from)];
    let mut listener = Listener { pipes, word: None, told: false };
    while listener.is_open() {
        listener.wait(&child, interrupt)?;
        for (at, stream) in [(1, Stream::Stderr), (0, Stream::Stdout)] {
            listener.read(at, stream, pass_on)?;
        }
        if let Some(word) = listener.whole_word() {
            // What was said before is in the pipe already.
            while listener.read(1, Stream::Stderr, pass_on)? {}
            return Ok(Parting::Stays(word));
        }
    }
    Ok(Parting::Ended(child.wait()?.into()))
}

/// The pipes of a run that was started.
struct Listener {
    pipes: [Option<OwnedFd>; 2],
    /// What came after the mark.
    word: Option<Vec<u8>>,
    /// Whether the interrupt was passed on.
    told: bool,
}

impl Listener {
    fn is_open(&self) -> bool {
        self.pipes.iter().any(Option::is_some)
    }

    /// Waits until there is something to read, and passes the interrupt on.
    fn wait(&mut self, child: &Child, interrupt: &Interrupt) -> io::Result<()> {
        let mut fds: Vec<PollFd<'_>> =
            self.pipes.iter().flatten().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)).collect();
        if !self.told {
            fds.push(PollFd::new(interrupt, PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(signal) = interrupt.signal().filter(|_| !self.told) {
            self.told = true;
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
                // It is our child and not collected; that it has just ended is the only error.
                let _ = kill_process(pid, signal);
            }
        }
        Ok(())
    }

    /// Reads once without waiting; tells whether there was something.
    fn read(&mut self, at: usize, stream: Stream, pass_on: &mut dyn FnMut(Stream, &[u8])) -> io::Result<bool> {
        let Some(pipe) = &self.pipes[at] else { return Ok(false) };
        ioctl_fionbio(pipe, true)?;
        let mut buffer = [0; READ_BYTES];
        match rustix::io::read(pipe, &mut buffer) {
            Ok(0) => {
                self.pipes[at] = None;
                Ok(false)
            }
            Ok(count) => {
                self.take(&buffer[..count], stream, pass_on);
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn take(&mut self, bytes: &[u8], stream: Stream, pass_on: &mut dyn FnMut(Stream, &[u8])) {
        if let (Stream::Stdout, Some(word)) = (stream, &mut self.word) {
            word.extend_from_slice(bytes);
            return;
        }
        let mark = bytes.iter().position(|byte| *byte == LEAVE).filter(|_| stream == Stream::Stdout);
        let (before, after) = mark.map_or((bytes, None), |at| (&bytes[..at], Some(&bytes[at + 1..])));
        if !before.is_empty() {
            pass_on(stream, before);
        }
        self.word = self.word.take().or_else(|| after.map(<[u8]>::to_vec));
    }

    /// The word, once its line is whole.
    fn whole_word(&self) -> Option<String> {
        let line = self.word.as_ref()?.strip_suffix(b"\n")?;
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_a_run_says_before_it_leaves_is_passed_on_and_its_word_is_whole() {
        let mut listener = Listener { pipes: [None, None], word: None, told: false };
        let mut passed = Vec::new();
        let mut words = Vec::new();
        for (bytes, stream) in [
            (&b"out"[..], Stream::Stdout),
            (b"a\0b", Stream::Stderr),
            (b"put\n\0the-", Stream::Stdout),
            (b"talk", Stream::Stderr),
            (b"run 0\n", Stream::Stdout),
        ] {
            listener.take(bytes, stream, &mut |stream, bytes| passed.push((stream, bytes.to_vec())));
            words.push(listener.whole_word());
        }
        let text = |wanted: Stream| {
            let bytes = passed.iter().filter(|(stream, _)| *stream == wanted).flat_map(|(_, bytes)| bytes.clone());
            String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
        };
        assert_eq!((text(Stream::Stdout).as_str(), text(Stream::Stderr).as_str()), ("output\n", "a\0btalk"));
        assert_eq!(words, [None, None, None, None, Some("the-run 0".to_owned())]);
    }
}
