//! Files, with errors that name them.

use crate::ToolError;
use camino::Utf8Path;
use std::{fs, io};

pub(crate) fn create_dir(path: &Utf8Path) -> Result<(), ToolError> {
    fs::create_dir_all(path).map_err(ToolError::file("creating", path))
}

pub(crate) fn read(path: &Utf8Path) -> Result<String, ToolError> {
    fs::read_to_string(path).map_err(ToolError::file("reading", path))
}

pub(crate) fn write(path: &Utf8Path, text: &str) -> Result<(), ToolError> {
    fs::write(path, text).map_err(ToolError::file("writing", path))
}

/// Makes a file appear under a second name: as a hard link, as a copy where the file system has no link for it.
pub(crate) fn link_or_copy(from: &Utf8Path, to: &Utf8Path) -> Result<(), ToolError> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(ToolError::file("replacing", to)(error)),
        _ => {}
    }
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map(|_| ()).map_err(ToolError::file("copying", from))
}
