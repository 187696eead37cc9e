//! Raw profiles: counting them, and merging them into one.
//!
//! Measured with LLVM 22.1: `--failure-mode=all` makes a profile that can't be read a warning, unless there is no other;
//! one of zero bytes is passed over in silence, so those are looked for here.

use super::{TIMEOUT, complaints};
use crate::{ToolError, Toolbox, files};
use camino::{Utf8Path, Utf8PathBuf};
use std::{fs, io};
use tollgate_exec::Status;

/// The raw profiles below a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawProfiles {
    /// Those that hold something, in order.
    pub filled: Vec<Utf8PathBuf>,
    /// Those of zero bytes: a process began to write and lost everything.
    pub empty: Vec<Utf8PathBuf>,
}

impl RawProfiles {
    /// How many there are, empty ones included.
    pub fn count(&self) -> u32 {
        u32::try_from(self.filled.len() + self.empty.len()).unwrap_or(u32::MAX)
    }
}

/// Profiles merged into one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// The merged profile; absent where there was nothing to merge.
    pub profile: Option<Utf8PathBuf>,
    /// How many raw profiles there were, empty ones included.
    pub profiles: u32,
    /// How many of them have zero bytes.
    pub empty: u32,
    /// What llvm-profdata complained about.
    pub complaints: Vec<String>,
}

/// Finds the raw profiles below a directory; a directory that does not exist has none.
///
/// # Errors
/// When the directory can't be read.
pub fn raw_profiles(directory: &Utf8Path) -> Result<RawProfiles, ToolError> {
    let mut found = RawProfiles::default();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let reading = |error| ToolError::file("reading", &directory)(error);
        let entries = match directory.read_dir_utf8() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(reading)?,
        };
        for entry in entries {
            let path = entry.map_err(reading)?.into_path();
            let metadata = fs::metadata(&path).map_err(ToolError::file("reading", &path))?;
            match (metadata.is_dir(), path.extension()) {
                (true, _) => directories.push(path),
                (false, Some("profraw")) if metadata.len() == 0 => found.empty.push(path),
                (false, Some("profraw")) => found.filled.push(path),
                _ => {}
            }
        }
    }
    found.filled.sort();
    found.empty.sort();
    Ok(found)
}

/// Merges the raw profiles below some directories, and profiles merged before, into one file.
///
/// # Errors
/// When llvm-profdata could not work; profiles that it can't read are complaints.
pub fn merge(toolbox: &Toolbox, inputs: &[Utf8PathBuf], out: &Utf8Path) -> Result<Merged, ToolError> {
    let mut merged = Merged::default();
    let mut list = Vec::new();
    for input in inputs {
        if input.is_file() {
            list.push(input.clone());
            continue;
        }
        let found = raw_profiles(input)?;
        merged.profiles += found.count();
        merged.empty += u32::try_from(found.empty.len()).unwrap_or(u32::MAX);
        list.extend(found.filled);
    }
    if list.is_empty() {
        return Ok(merged);
    }
    files::create_dir(out.parent().unwrap_or(Utf8Path::new(".")))?;
    // Thousands of profiles don't fit on a command line.
    let names = out.with_extension("inputs");
    files::write(&names, &list.iter().map(|path| path.as_str()).collect::<Vec<_>>().join("\n"))?;
    let cmd = toolbox.cmd(toolbox.llvm_profdata.as_str()).args(["merge", "-sparse", "--failure-mode=all"]);
    let cmd = cmd.arg(format!("--input-files={names}")).arg("-o").arg(out).timeout(TIMEOUT);
    let output = cmd.run(&toolbox.interrupt)?;
    // The list has done its work; one that stays would only be litter.
    let _ = fs::remove_file(&names);
    merged.complaints = complaints(&output.stderr);
    match output.status {
        Status::Code(0) => merged.profile = Some(out.to_owned()),
        Status::Code(1) if output.stderr.contains("no profile can be merged") => {}
        status => return Err(ToolError::Tool { argv: cmd.display(), status, tail: output.tail() }),
    }
    Ok(merged)
}
