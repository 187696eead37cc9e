//! One-line questions to programs that answer from what they have at hand.

use std::path::Path;
use xshell::{Shell, cmd};

/// Runs a program in a directory and returns its trimmed standard output, or nothing where it fails in any way.
///
/// For questions like `rustc --version` or `git rev-parse HEAD`, whose answer is short and immediate: the wait has no
/// limit and can't be interrupted, and standard error is dropped. Everything else is a [`crate::Cmd`].
pub fn query(directory: &Path, command: &[&str]) -> Option<String> {
    let (program, args) = command.split_first()?;
    let shell = Shell::new().ok()?;
    shell.change_dir(directory);
    let output = cmd!(shell, "{program} {args...}").quiet().ignore_stderr().read().ok()?;
    Some(output.trim().to_owned())
}
