//! The rustc wrapper that makes a build an instrumented one.
//!
//! cargo runs `RUSTC_WORKSPACE_WRAPPER` for workspace members only and puts its path into their file names, so plain
//! and instrumented artifacts lie side by side, and switching between them costs a link. Measured on fixtures/sample:
//! flags in every crate make build scripts and procedural macros leave `default_....profraw` files in the source tree,
//! since they run inside a build, where nobody tells them where to write. They get no flags.
//!
//! Where a profile optimises, rustc optimises across the units of a crate (thin-local LTO), all of them again when what one
//! takes from others changes: after a function of `tollgate-core` did, 41 s of a build went down to 9 s without it, a whole build
//! from 124 s to 91 s, and its tests took no longer. Nobody measures an instrumented build, so it does without, unless the profile asks for LTO.

use crate::{ToolError, files};
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const SCRIPT: &str = r#"#!/bin/sh
# Written by tollgate: rustc with coverage counters, for the members of a workspace.
previous= macro= test= lto=-Clto=off
for word; do
  case "$previous $word" in
    "--crate-name build_script_"*) exec "$@" ;;
    "--crate-type proc-macro") macro=1 ;;
    *" --test") test=1 ;;
    "-C lto"* | *" -Clto"* | "--codegen lto"* | *" --codegen=lto"*) lto= ;;
    "-C linker-plugin-lto"* | *" -Clinker-plugin-lto"* | "--codegen linker"* | *" --codegen=linker-plugin-lto"*) lto= ;;
  esac
  previous=$word
done
# A procedural macro is loaded into rustc; its unit tests are a program like any other.
if [ "$macro" ] && [ -z "$test" ]; then
  exec "$@"
fi
exec "$@" $lto -Cinstrument-coverage --cfg=coverage -Cllvm-args=-runtime-counter-relocation
"#;

/// Writes the wrapper below the target directory and returns its path.
///
/// Its name has a digest of its content, since cargo sees the path alone and would keep what an older wrapper made. A
/// file that is there already is left as it is.
///
/// # Errors
/// When the file can't be written.
pub fn write(target_directory: &Utf8Path) -> Result<Utf8PathBuf, ToolError> {
    let directory = target_directory.join("tollgate");
    let path = directory.join(format!("rustc-coverage-{}", digest(SCRIPT)));
    if fs::read_to_string(&path).is_ok_and(|text| text == SCRIPT) {
        return Ok(path);
    }
    files::create_dir(&directory)?;
    // Another run may be about to execute it, so it appears whole or not at all.
    let new = directory.join(format!("rustc-coverage.{}", std::process::id()));
    files::write(&new, SCRIPT)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).map_err(ToolError::file("writing", &new))?;
    fs::rename(&new, &path).map_err(ToolError::file("writing", &path))?;
    Ok(path)
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(4).fold(String::new(), |mut hex, byte| {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_name_changes_with_the_content() {
        assert_eq!(digest("a"), "ca978112");
        assert_ne!(digest("a"), digest("b"));
    }
}
