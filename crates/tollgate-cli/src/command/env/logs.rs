//! `env logs`: what services wrote, once or for as long as they write.

use crate::{
    error::CliError,
    project::{Project, runs},
    session::Session,
    standing::{chosen, standing},
};
use camino::{Utf8Path, Utf8PathBuf};
use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    time::Duration,
};
use tollgate_env::Living;
use tollgate_model::{ExitStatus, LogLevel};

/// How often is looked for new lines; nothing tells when a file grows.
const LOOK: Duration = Duration::from_millis(100);

/// Most bytes that are read of one log before the next has its turn.
const TURN_BYTES: u64 = 1 << 20;

/// What is wanted.
pub(super) struct Wanted<'a> {
    pub(super) service: Option<&'a str>,
    pub(super) follow: bool,
    pub(super) run: Option<&'a str>,
}

/// Prints the logs of one service or of all.
pub(super) fn run(wanted: &Wanted<'_>, session: &Session) -> Result<ExitStatus, CliError> {
    let (directory, living) = source(wanted.run, session)?;
    let mut tails = tails(&directory, wanted.service)?;
    let alone = tails.len() == 1;
    let mut more = true;
    while more {
        // Asked before it is read: what is written until then is in the files.
        more = wanted.follow && session.interrupt.signal().is_none() && living.as_ref().is_some_and(Living::runs);
        let mut read = true;
        while read {
            read = false;
            for tail in &mut tails {
                read |= tail.pass_on(alone)?;
            }
        }
        if more {
            session.interrupt.wait(LOOK);
        }
    }
    Ok(ExitStatus::Passed)
}

/// The directory of the logs, and the run where it is alive.
fn source(run: Option<&str>, session: &Session) -> Result<(Utf8PathBuf, Option<Living>), CliError> {
    let runs = runs(&Project::locate()?);
    let up = match run {
        Some(run) => standing(&runs).into_iter().find(|(living, _)| living.run.as_str() == run),
        None => chosen(None)?.into_iter().next_back(),
    };
    if let Some((living, _)) = up {
        return Ok((living.run_dir.join("services"), Some(living)));
    }
    // `latest` has a verdict; what was the last to have services may have none.
    let newest = runs.list()?.into_iter().rfind(|name| runs.directory().join(name).join("services").is_dir());
    let directory = runs.open(run.or(newest.as_deref()))?;
    let name = directory.path().file_name().unwrap_or_default().to_owned();
    if run.is_none() {
        session.reporter.say(LogLevel::Note, format!("no environment is up; these are the logs of run {name}"));
    }
    let living = tollgate_env::living(&runs.directory()).into_iter().find(|living| living.run.as_str() == name);
    Ok((directory.file("services"), living))
}

fn tails(directory: &Utf8Path, service: Option<&str>) -> Result<Vec<Tail>, CliError> {
    let entries = directory.read_dir_utf8().into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().extension() == Some("log"))
        .filter_map(|entry| entry.path().file_stem().map(str::to_owned))
        .collect();
    names.sort();
    if let Some(service) = service.filter(|service| !names.iter().any(|name| name == service)) {
        let hint = match names.len() {
            0 => format!("there are no logs in {directory}"),
            _ => format!("there are logs of: {}", names.join(", ")),
        };
        return Err(CliError::usage(format!("there is no log of a service `{service}`"), [hint]));
    }
    names.retain(|name| service.is_none_or(|service| service == name));
    let width = names.iter().map(String::len).max().unwrap_or_default();
    let tail = |name: String| Tail {
        path: directory.join(format!("{name}.log")),
        head: format!("{name:width$} | "),
        at: 0,
        begun: false,
    };
    Ok(names.into_iter().map(tail).collect())
}

/// A log, read up to some place.
struct Tail {
    path: Utf8PathBuf,
    /// What stands before its lines where there are several logs.
    head: String,
    at: u64,
    /// Whether the last line had no end yet.
    begun: bool,
}

impl Tail {
    /// Prints what is new, at most so much at once; tells whether there was something.
    fn pass_on(&mut self, alone: bool) -> Result<bool, CliError> {
        let bytes =
            self.read().map_err(|source| CliError::Read { path: self.path.clone(), source, hints: Vec::new() })?;
        self.at += bytes.len() as u64;
        let out = if alone { bytes.clone() } else { self.headed(&bytes) };
        let mut stdout = std::io::stdout().lock();
        // A reader that has gone away (`| head`) wants no more.
        Ok(stdout.write_all(&out).and_then(|()| stdout.flush()).is_ok() && !bytes.is_empty())
    }

    fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.at))?;
        let mut bytes = Vec::new();
        file.take(TURN_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn headed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.begun {
                out.extend_from_slice(self.head.as_bytes());
            }
            out.extend_from_slice(line);
            self.begun = !line.ends_with(b"\n");
        }
        out
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_line_has_one_head_however_it_comes() {
        let mut tail = Tail { path: "x".into(), head: "db | ".into(), at: 0, begun: false };
        let all: Vec<String> = [&b"one\ntw"[..], b"o\n", b"three\n"]
            .iter()
            .map(|bytes| String::from_utf8(tail.headed(bytes)).expect("text"))
            .collect();
        assert_eq!(all.concat(), "db | one\ndb | two\ndb | three\n");
    }
}
