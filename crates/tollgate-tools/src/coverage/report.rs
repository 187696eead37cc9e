//! Reports by cargo-llvm-cov, from a directory that looks like the one it builds in.
//!
//! `cargo llvm-cov report` takes every executable below `<directory>/<profile>` whose name is that of a workspace target,
//! and `<directory>/<name of the workspace's directory>.profdata` where there are no raw profiles. With hard links to
//! the objects of a build that is those objects and no stale ones.

use super::TIMEOUT;
use crate::nextest::Built;
use crate::{ToolError, Toolbox, files};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use tollgate_exec::{Cmd, ExecError};

/// What a report is about.
#[derive(Debug, Clone, Copy)]
pub struct Objects<'a> {
    /// The instrumented build.
    pub built: &'a Built,
    /// The merged profile of all its processes.
    pub profile: &'a Utf8Path,
}

/// Writes an HTML report to `html/` in a directory and returns the path of its index.
///
/// # Errors
/// When cargo-llvm-cov is missing or could not work.
pub fn html(toolbox: &Toolbox, objects: Objects<'_>, directory: &Utf8Path) -> Result<Utf8PathBuf, ToolError> {
    report(toolbox, objects, directory, &["--html", "--output-dir", directory.as_str()])?;
    Ok(directory.join("html/index.html"))
}

/// Writes a Cobertura report to a file.
///
/// # Errors
/// When cargo-llvm-cov is missing or could not work.
pub fn cobertura(toolbox: &Toolbox, objects: Objects<'_>, file: &Utf8Path) -> Result<(), ToolError> {
    let directory = file.parent().unwrap_or(Utf8Path::new("."));
    report(toolbox, objects, directory, &["--cobertura", "--output-path", file.as_str()])
}

fn report(toolbox: &Toolbox, objects: Objects<'_>, directory: &Utf8Path, form: &[&str]) -> Result<(), ToolError> {
    let program = toolbox.cargo_llvm_cov.as_ref().ok_or_else(|| ExecError::NotFound {
        program: "cargo-llvm-cov".to_owned(),
        hint: "`cargo xtask setup` installs it where `[tools]` names a version".to_owned(),
    })?;
    files::create_dir(directory)?;
    // Below the report's directory, so that links are possible and two reports don't meet.
    let look_alike = directory.join(format!(".{}", form[0].trim_start_matches('-')));
    let result = lay_out(toolbox, objects, &look_alike).and_then(|()| {
        let cmd = command(toolbox, program, &look_alike).args(form);
        cmd.run(&toolbox.interrupt)?.success_or(&cmd)?;
        Ok(())
    });
    // It is made anew each time; where it can't be removed the next one says so.
    let _ = fs::remove_dir_all(&look_alike);
    result
}

fn command(toolbox: &Toolbox, program: &Utf8Path, look_alike: &Utf8Path) -> Cmd {
    toolbox
        .cmd(program.as_str())
        .args(["llvm-cov", "report"])
        .env("CARGO_LLVM_COV_TARGET_DIR", look_alike)
        .env("LLVM_COV", &toolbox.llvm_cov)
        .env("LLVM_PROFDATA", &toolbox.llvm_profdata)
        .timeout(TIMEOUT)
}

fn lay_out(toolbox: &Toolbox, objects: Objects<'_>, look_alike: &Utf8Path) -> Result<(), ToolError> {
    let profile_directory = look_alike.join("debug");
    let deps = profile_directory.join("deps");
    files::create_dir(&deps)?;
    for (directory, binaries) in [(&deps, &objects.built.test_binaries), (&profile_directory, &objects.built.binaries)]
    {
        for binary in binaries.values() {
            files::link_or_copy(binary, &directory.join(binary.file_name().unwrap_or_default()))?;
        }
    }
    let workspace = toolbox.root.file_name().unwrap_or("workspace");
    files::link_or_copy(objects.profile, &look_alike.join(format!("{workspace}.profdata")))
}
