//! A cancellation that any number of waits can observe.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// A cancellation shared by all its clones; once triggered it stays so.
///
/// Inside are pipes that become readable and are never read, so that every wait, also one that begins later, sees them
/// in its `poll`. The first signal asks to stop, a second one to stop at once.
#[derive(Clone, Debug)]
pub struct Interrupt {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    signal: AtomicI32,
    stop: Bell,
    hurry: Bell,
}

#[derive(Debug)]
struct Bell {
    heard: OwnedFd,
    rope: OwnedFd,
}

impl Bell {
    fn new() -> io::Result<Self> {
        let (heard, rope) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { heard, rope })
    }

    /// A full pipe is readable already, so a failed write changes nothing.
    fn ring(&self) {
        let _ = rustix::io::write(&self.rope, b"!");
    }
}

impl Interrupt {
    /// Creates one that has not been triggered.
    ///
    /// # Errors
    /// When the process has no file descriptors left.
    pub fn new() -> io::Result<Self> {
        let inner = Inner { signal: AtomicI32::new(0), stop: Bell::new()?, hurry: Bell::new()? };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Creates one that SIGINT, SIGTERM and SIGHUP to this process trigger, from now on to its end.
    ///
    /// # Errors
    /// When the handlers can't be installed or their thread can't be started.
    pub fn on_signals() -> io::Result<Self> {
        let interrupt = Self::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let trigger = interrupt.clone();
        let wait = move || signals.forever().for_each(|signal| trigger.trigger(signal));
        std::thread::Builder::new().name("signals".into()).spawn(wait)?;
        Ok(interrupt)
    }

    /// Asks every wait to stop; asked again, to stop at once. The first signal is the one that is remembered.
    pub fn trigger(&self, signal: i32) {
        match self.inner.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => self.inner.stop.ring(),
            Err(_) => self.inner.hurry.ring(),
        }
    }

    /// The signal that it was first triggered with, where it was.
    pub fn signal(&self) -> Option<i32> {
        match self.inner.signal.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }

    /// Waits until it is triggered or the time has passed; returns the signal that it was triggered with.
    pub fn wait(&self, time: Duration) -> Option<i32> {
        let limit = Timespec::try_from(time).ok();
        // An early return, for whatever reason, looks to the caller like the end of a shorter time.
        let _ = poll(&mut [PollFd::new(self, PollFlags::IN)], limit.as_ref());
        self.signal()
    }

    /// A descriptor that is readable from the second trigger on: grace periods end then.
    pub fn hurry_fd(&self) -> BorrowedFd<'_> {
        self.inner.hurry.heard.as_fd()
    }
}

/// The descriptor is readable from the first trigger on. It is for `poll` only and must not be read.
impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.stop.heard.as_fd()
    }
}
