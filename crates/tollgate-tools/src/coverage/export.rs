//! Line counts as LCOV text, over exactly the objects of a build.

use super::{TIMEOUT, complaints};
use crate::{ToolError, Toolbox};
use camino::{Utf8Path, Utf8PathBuf};

/// Sources that are nobody's here: of the toolchain and of packages from a registry or a git repository.
pub(super) const FOREIGN: &str = r"/rustc/[0-9a-f]+/|/rustlib/src/|/registry/src/|/git/checkouts/";

/// The line counts of a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// LCOV text with absolute paths.
    pub lcov: String,
    /// What llvm-cov complained about, above all functions whose counts belong to another build.
    pub complaints: Vec<String>,
}

/// Exports the line counts of a profile; lines that no process reached are in it with a count of 0.
///
/// # Errors
/// When llvm-cov could not work, for example since no object is instrumented.
pub fn export(toolbox: &Toolbox, objects: &[Utf8PathBuf], profile: &Utf8Path) -> Result<Exported, ToolError> {
    let cmd = toolbox.cmd(toolbox.llvm_cov.as_str()).args(["export", "-format=lcov", "-instr-profile"]).arg(profile);
    let cmd = cmd.arg(format!("-ignore-filename-regex={FOREIGN}"));
    let cmd = cmd.args(objects.iter().flat_map(|object| ["-object", object.as_str()])).timeout(TIMEOUT);
    let output = cmd.run(&toolbox.interrupt)?.success_or(&cmd)?;
    Ok(Exported { lcov: output.stdout, complaints: complaints(&output.stderr) })
}

#[cfg(test)]
mod unit {
    use super::complaints;

    #[test]
    fn a_complaint_is_a_line_that_warns() {
        // `llvm-cov export` of fixtures/sample with the profile of another build, and `llvm-profdata merge` of a
        // profile that holds no profile.
        let stderr = "warning: 2 functions have mismatched data\n  note: more\nerror: no profile can be merged\n";
        let expected = ["warning: 2 functions have mismatched data", "error: no profile can be merged"];
        assert_eq!(complaints(stderr), expected);
        assert!(complaints("").is_empty());
    }
}
