//! Commands that leave something up: the same command line again, in a process that stays.

use crate::{error::CliError, session::Session};
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
