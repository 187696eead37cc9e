//! `.tollgate/durations.json`: what tests took when they were last run here.

use crate::session::Session;
use camino::Utf8Path;
use std::{fs, io};
use tollgate_core::shard::Durations;
use tollgate_model::LogLevel;

/// Where a checkout keeps what outlives `cargo clean`.
pub(crate) const DIRECTORY: &str = ".tollgate";
const FILE: &str = ".tollgate/durations.json";

/// What is recorded in this checkout; nothing where there is no record, and a word about one that can't be read.
pub(crate) fn recorded(root: &Utf8Path, session: &Session) -> Durations {
    let read = match fs::read_to_string(root.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Durations::default(),
        Err(error) => Err(error.to_string()),
        Ok(text) => serde_json::from_str(&text).map_err(|error| error.to_string()),
    };
    read.unwrap_or_else(|error| {
        session.reporter.say(LogLevel::Warning, format!("{FILE} can't be read, and is as good as none: {error}"));
        Durations::default()
    })
}

/// Records what a run took, where it got to its end; that it can't be written changes no verdict.
pub(crate) fn remember(root: &Utf8Path, newer: Option<Durations>, session: &Session) {
    let Some(newer) = newer else { return };
    let durations = recorded(root, session).updated(newer);
    let text = serde_json::to_string_pretty(&durations).unwrap_or_default() + "\n";
    let draft = root.join(format!("{FILE}.{}", std::process::id()));
    let written = hide(root).and_then(|()| fs::write(&draft, text)).and_then(|()| fs::rename(&draft, root.join(FILE)));
    if let Err(error) = written {
        session.reporter.say(LogLevel::Warning, format!("{FILE} can't be written: {error}"));
    }
}

/// Makes the directory, which is no part of the sources, also in a workspace that does not say so.
pub(crate) fn hide(root: &Utf8Path) -> io::Result<()> {
    let ignore = root.join(DIRECTORY).join(".gitignore");
    fs::create_dir_all(root.join(DIRECTORY))?;
    if ignore.is_file() { Ok(()) } else { fs::write(ignore, "*\n") }
}
