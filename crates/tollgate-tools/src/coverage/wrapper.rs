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

/// Looks at the code of members and makes nothing of it, as `cargo check` does, which compiles nothing that `cargo test` made, so that
/// all that a workspace depends on would be checked first. Files stand for what cargo expects to be made.
const CHECKER: &str = r#"#!/bin/sh
# Written by tollgate: rustc that looks at the code of a workspace's members and makes nothing of it.
previous= name= extra= out= library= whole= test=
for word; do
  case "$previous $word" in
    "--crate-name build_script_"* | "--crate-type proc-macro") whole=1 ;;
    "--crate-name "*) name=$word ;;
    "--crate-type lib" | "--crate-type rlib") library=1 ;;
    "--out-dir "*) out=$word ;;
    "-C extra-filename="*) extra=${word#extra-filename=} ;;
    *" --test") test=1 ;;
  esac
  previous=$word
done
# What is run or loaded while others compile is made, and a question about rustc is answered.
if [ -z "$out" ] || { [ "$whole" ] && [ -z "$test" ]; }; then
  exec "$@"
fi
for word; do
  shift
  case $word in
    --emit=*) word=--emit=dep-info,metadata ;;
    *.rlib) [ -s "${word#*=}" ] || word=${word%.rlib}.rmeta ;;
  esac
  set -- "$@" "$word"
done
"$@" --cfg=coverage || exit
if [ "$library" ] && [ -z "$test" ]; then
  : >"$out/lib$name$extra.rlib"
else
  : >"$out/$name$extra"
fi
"#;

/// Writes the wrapper that counts below the target directory and returns its path.
///
/// # Errors
/// When the file can't be written.
pub fn write(target_directory: &Utf8Path) -> Result<Utf8PathBuf, ToolError> {
    written(target_directory, "rustc-coverage", SCRIPT)
}

/// Writes the one that makes nothing.
///
/// # Errors
/// As [`write`].
pub fn write_checker(target_directory: &Utf8Path) -> Result<Utf8PathBuf, ToolError> {
    written(target_directory, "rustc-check", CHECKER)
}

/// Its name has a digest of its content, since cargo sees the path alone and would keep what an older wrapper made. A
/// file that is there already is left as it is.
fn written(target_directory: &Utf8Path, name: &str, script: &str) -> Result<Utf8PathBuf, ToolError> {
    let directory = target_directory.join("tollgate");
    let path = directory.join(format!("{name}-{}", digest(script)));
    if fs::read_to_string(&path).is_ok_and(|text| text == script) {
        return Ok(path);
    }
    files::create_dir(&directory)?;
    // Another run may be about to execute it, so it appears whole or not at all.
    let new = directory.join(format!("{name}.{}", std::process::id()));
    files::write(&new, script)?;
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
