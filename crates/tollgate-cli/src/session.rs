//! What one process shares: where it reports and how it is interrupted.

use crate::{args::RunFormat, console::Console, reporter::Reporter};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tollgate_exec::Interrupt;
use tollgate_github::Actions;

/// What one process shares.
pub(crate) struct Session {
    /// When the process began.
    pub(crate) began: Instant,
    /// Where everything is said.
    pub(crate) reporter: Arc<Reporter>,
    /// Set by SIGINT, SIGTERM and SIGHUP: the run is to end.
    pub(crate) interrupt: Interrupt,
    /// Set by the same signals, and when a service dies: what runs now is to stop.
    pub(crate) halt: Interrupt,
}

impl Session {
    /// Starts to listen for signals.
    ///
    /// # Errors
    /// When the process has no file descriptors left or can't handle signals.
    pub(crate) fn begin(format: Option<RunFormat>) -> io::Result<Self> {
        let began = Instant::now();
        let actions = Actions::detect(|name| std::env::var(name).ok());
        let console = Console::detect();
        console.register_masks();
        let reporter = Arc::new(Reporter::new(console, format, actions));
        let (interrupt, halt) = (Interrupt::new()?, Interrupt::new()?);
        listen(&interrupt, &halt)?;
        Ok(Self { began, reporter, interrupt, halt })
    }

    /// Waits for a time that somebody else has asked for; no where a signal wanted the end before it was over.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let mut wanted = [PollFd::new(&self.interrupt, PollFlags::IN)];
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        // A pause that a signal cuts short is over all the same.
        let _ = poll(&mut wanted, Some(&Timespec { tv_sec: seconds, tv_nsec: 0 }));
        self.interrupt.signal().is_none()
    }

    /// Waits until a signal asks for the end; where nothing has to stay whatever happens, also until a service dies.
    pub(crate) fn wait_for_end(&self, stays: bool) {
        let end = if stays { &self.interrupt } else { &self.halt };
        let mut wanted = [PollFd::new(end, PollFlags::IN)];
        while end.signal().is_none() {
            // A wait that a signal interrupts is begun again.
            let _ = poll(&mut wanted, None);
        }
    }
}

/// Signals only set the interrupts; every wait of the process observes them, and the end is always the ordinary one.
fn listen(interrupt: &Interrupt, halt: &Interrupt) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let (interrupt, halt) = (interrupt.clone(), halt.clone());
    thread::spawn(move || {
        for signal in &mut signals {
            interrupt.trigger(signal);
            halt.trigger(signal);
        }
    });
    Ok(())
}

/// Name of a signal that ends a run.
pub(crate) fn signal_name(signal: i32) -> String {
    match signal {
        SIGINT => "SIGINT".to_owned(),
        SIGTERM => "SIGTERM".to_owned(),
        SIGHUP => "SIGHUP".to_owned(),
        other => format!("signal {other}"),
    }
}
