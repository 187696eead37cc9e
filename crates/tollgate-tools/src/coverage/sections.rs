//! Whether a binary counts, by the sections that instrumentation adds to it.

use crate::ToolError;
use camino::Utf8Path;
use object::{Object as _, ReadCache};
use std::fs::File;

/// Counters to write, and the mapping from them to lines.
const SECTIONS: [&str; 2] = ["__llvm_prf_cnts", "__llvm_covfun"];

/// Whether a binary has coverage counters and their mapping.
///
/// # Errors
/// When the file can't be read or is no object file.
pub fn instrumented(binary: &Utf8Path) -> Result<bool, ToolError> {
    let file = File::open(binary).map_err(ToolError::file("reading", binary))?;
    // Only the parts that are asked for are read; a debug build has tens of megabytes of others.
    let cache = ReadCache::new(file);
    let object =
        object::File::parse(&cache).map_err(|error| ToolError::parse(format!("the binary `{binary}`"), error))?;
    Ok(SECTIONS.iter().all(|name| object.section_by_name(name).is_some()))
}
