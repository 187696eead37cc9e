//! Waiting for a child: its output, its end, the interrupt and the deadline in one `poll`.

use crate::output::Capture;
use crate::{Interrupt, Output, Status, Stream, signal_group};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use std::io;
use std::process::Child;
use std::time::{Duration, Instant};

/// How long output is still read once the child has ended, in case others of its group hold its pipes open.
const DRAIN: Duration = Duration::from_secs(1);

/// Bytes of one read; not more than a stack should carry.
const READ_BYTES: usize = 16 << 10;

/// The bounds of a wait.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) stop_signal: Signal,
}

/// Why a child was asked to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stopped {
    Interrupted(i32),
    TimedOut(Duration),
}

struct Pipe {
    fd: Option<OwnedFd>,
    capture: Capture,
}

/// A child that is being waited for.
struct Watch<'a> {
    leader: u32,
    limits: &'a Limits,
    interrupt: &'a Interrupt,
    pidfd: OwnedFd,
    pipes: [Pipe; 2],
    start: Instant,
    stopped: Option<Stopped>,
    kill_at: Option<Instant>,
    drain_until: Option<Instant>,
}

/// Waits until the child has ended and its output is read, or until it has been stopped. It is reaped in any case.
pub(crate) fn wait(
    mut child: Child,
    start: Instant,
    limits: &Limits,
    interrupt: &Interrupt,
    on_line: &mut dyn FnMut(Stream, &str),
) -> io::Result<(Output, Option<Stopped>)> {
    let watched = watch(&mut child, start, limits, interrupt, on_line);
    // Before the child is reaped its process id can't be taken by another, so the group can be signalled safely. What
    // is left of it, also after an ordinary end, has nobody who waits for it.
    signal_group(child.id(), Signal::KILL);
    let status = Status::from(child.wait()?);
    let watch = watched?;
    let [stdout, stderr] = watch.pipes.map(|mut pipe| {
        pipe.capture.finish(on_line);
        pipe.capture.into_text()
    });
    Ok((Output { status, stdout, stderr, wall: start.elapsed() }, watch.stopped))
}

fn watch<'a>(
    child: &mut Child,
    start: Instant,
    limits: &'a Limits,
    interrupt: &'a Interrupt,
    on_line: &mut dyn FnMut(Stream, &str),
) -> io::Result<Watch<'a>> {
    let pipe = |fd, stream| Pipe { fd, capture: Capture::new(stream) };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    let mut watch = Watch {
        leader: child.id(),
        limits,
        interrupt,
        pidfd: pidfd_open(pid, PidfdFlags::empty())?,
        pipes: [
            pipe(child.stdout.take().map(OwnedFd::from), Stream::Stdout),
            pipe(child.stderr.take().map(OwnedFd::from), Stream::Stderr),
        ],
        start,
        stopped: None,
        kill_at: None,
        drain_until: None,
    };
    while !watch.is_over() {
        watch.step(on_line)?;
    }
    Ok(watch)
}

impl Watch<'_> {
    /// Whether the child has ended and its output was read, or has had its time to be read.
    fn is_over(&self) -> bool {
        let Some(until) = self.drain_until else { return false };
        self.pipes.iter().all(|pipe| pipe.fd.is_none()) || Instant::now() >= until
    }

    /// Waits for the next thing to happen and does what it calls for.
    fn step(&mut self, on_line: &mut dyn FnMut(Stream, &str)) -> io::Result<()> {
        let [stdout, stderr, ended, cancelled] = self.poll()?;
        for (pipe, ready) in self.pipes.iter_mut().zip([stdout, stderr]) {
            if ready {
                pipe.read(on_line)?;
            }
        }
        if ended {
            self.drain_until = Some(Instant::now() + DRAIN);
        }
        if self.drain_until.is_none() {
            self.stop_or_kill(cancelled && self.stopped.is_some());
        }
        Ok(())
    }

    fn stop_or_kill(&mut self, hurry: bool) {
        let now = Instant::now();
        if self.stopped.is_none() {
            let late = self.limits.timeout.filter(|timeout| now >= self.start + *timeout);
            self.stopped = self.interrupt.signal().map(Stopped::Interrupted).or(late.map(Stopped::TimedOut));
            if self.stopped.is_some() {
                signal_group(self.leader, self.limits.stop_signal);
                self.kill_at = Some(now + self.limits.grace);
            }
        }
        if self.kill_at.is_some_and(|at| hurry || now >= at) {
            signal_group(self.leader, Signal::KILL);
            self.kill_at = None;
        }
    }

    /// The next time at which something is due without anything having happened.
    fn deadline(&self) -> Option<Instant> {
        if self.drain_until.is_some() {
            return self.drain_until;
        }
        match self.stopped {
            Some(_) => self.kill_at,
            None => self.limits.timeout.map(|timeout| self.start + timeout),
        }
    }

    /// Waits until a descriptor is readable or something is due: standard output and error, the child, the interrupt.
    fn poll(&self) -> io::Result<[bool; 4]> {
        let [stdout, stderr] = self.pipes.each_ref().map(|pipe| pipe.fd.as_ref().map(OwnedFd::as_fd));
        let child = self.drain_until.is_none().then(|| self.pidfd.as_fd());
        let cancel = match (&self.stopped, &self.kill_at) {
            (None, _) => Some(self.interrupt.as_fd()),
            (Some(_), Some(_)) => Some(self.interrupt.hurry_fd()),
            (Some(_), None) => None,
        };
        let watched = [stdout, stderr, child, cancel];
        let mut fds: Vec<_> = watched.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        let left = self.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec::try_from(left).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 }));
        match poll(&mut fds, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut readable = fds.iter().map(|fd| !fd.revents().is_empty());
        Ok(watched.map(|fd| fd.is_some() && readable.next().unwrap_or(false)))
    }
}

impl Pipe {
    /// Reads once, which doesn't block since the pipe is readable; at its end the pipe is closed.
    fn read(&mut self, on_line: &mut dyn FnMut(Stream, &str)) -> io::Result<()> {
        let Some(fd) = &self.fd else { return Ok(()) };
        let mut buffer = [0; READ_BYTES];
        match rustix::io::read(fd, &mut buffer) {
            Ok(0) => self.fd = None,
            Ok(count) => self.capture.push(&buffer[..count], on_line),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
