//! Commands that leave something up: the same command line again, in a process that stays.

use crate::{error::CliError, session::Session};
use signal_hook::consts::SIGHUP;
use std::{
    ffi::OsString,
    io::{self, Write as _},
};
use tollgate_env::detached;
pub(super) use tollgate_env::detached::Parting;
use tollgate_exec::{Status, Stream};
use tollgate_model::{EXIT_CODES, ExitStatus};

/// Starts it and passes on what it says, until it stays or has ended.
pub(super) fn start(session: &Session) -> Result<Parting, CliError> {
    let args: Vec<OsString> = std::env::args_os().skip(1).chain([OsString::from("--detached")]).collect();
    // Where the terminal is gone, nothing better can be done.
    let pass_on = &mut |stream: Stream, bytes: &[u8]| {
        let _ = match stream {
            Stream::Stdout => io::stdout().write_all(bytes),
            Stream::Stderr => io::stderr().write_all(bytes),
        };
    };
    let what = || "can't start the process that keeps the environment".to_owned();
    detached::start(&args, &session.interrupt, pass_on).map_err(|source| CliError::Machine { what: what(), source })
}

/// In the process that is to stay: until it does, it ends as by SIGHUP where the command that started it is gone.
pub(super) fn end_with_starter(session: &Session) {
    let ends = [session.interrupt.clone(), session.halt.clone()];
    detached::when_alone(move || ends.iter().for_each(|end| end.trigger(SIGHUP)));
}

/// The exit status of a process that did not stay.
pub(super) fn status(status: Status) -> ExitStatus {
    match status {
        Status::Code(code) => known(Some(code)),
        Status::Signal(_) => ExitStatus::Environment,
    }
}

/// The exit status of that code.
pub(super) fn known(code: Option<i32>) -> ExitStatus {
    let known = EXIT_CODES.iter().find(|(_, known, _)| Some(i32::from(*known)) == code);
    known.map_or(ExitStatus::Environment, |(status, ..)| *status)
}
