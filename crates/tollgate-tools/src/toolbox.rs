//! The tools as the steps of a run use them.

use crate::setup::Tools;
use camino::Utf8PathBuf;
use std::{collections::BTreeMap, env};
use tollgate_exec::{Cmd, Interrupt};

/// The tools of a run, the workspace they work on, and what stops them.
#[derive(Debug, Clone)]
pub struct Toolbox {
    /// Root of the workspace.
    pub root: Utf8PathBuf,
    /// Stops a tool that is at work.
    pub interrupt: Interrupt,
    /// cargo-nextest.
    pub nextest: Utf8PathBuf,
    /// llvm-profdata of the active toolchain's LLVM.
    pub llvm_profdata: Utf8PathBuf,
    /// llvm-cov of the active toolchain's LLVM.
    pub llvm_cov: Utf8PathBuf,
    /// cargo-llvm-cov, where it is pinned.
    pub cargo_llvm_cov: Option<Utf8PathBuf>,
    /// Where cargo builds, where that is not the place cargo would choose.
    pub target_directory: Option<Utf8PathBuf>,
    /// Variables of which its commands have another value than this process, or which they don't have.
    pub variables: BTreeMap<String, Option<String>>,
}

impl Toolbox {
    /// Puts the found tools together with a workspace.
    pub fn new(root: Utf8PathBuf, interrupt: Interrupt, tools: &Tools) -> Self {
        Self {
            root,
            interrupt,
            nextest: tools.nextest.clone(),
            llvm_profdata: tools.llvm_profdata.clone(),
            llvm_cov: tools.llvm_cov.clone(),
            cargo_llvm_cov: tools.cargo_llvm_cov.clone(),
            target_directory: None,
            variables: BTreeMap::new(),
        }
    }

    /// A command in the workspace, free of what this process's own start left in the environment.
    pub(crate) fn cmd(&self, program: &str) -> Cmd {
        let cmd = clean(Cmd::new(program)).cwd(&self.root).die_with_parent();
        let cmd = self.variables.iter().fold(cmd, |cmd, (name, value)| match value {
            Some(value) => cmd.env(name, value),
            None => cmd.env_remove(name),
        });
        match &self.target_directory {
            Some(directory) => cmd.env("CARGO_TARGET_DIR", directory),
            None => cmd,
        }
    }
}

/// Keeps from a command what cargo and nextest told this process about itself.
///
/// `cargo run` sets `CARGO_MANIFEST_DIR` and its like, and build scripts that watch such a variable run again when it
/// changes; nextest takes most of its options from `NEXTEST_...`, which it also sets for the tests it runs.
pub(crate) fn clean(cmd: Cmd) -> Cmd {
    env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| is_about_this_process(name))
        .fold(cmd, Cmd::env_remove)
}

fn is_about_this_process(name: &str) -> bool {
    const NAMES: [&str; 5] = ["CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR", "NEXTEST"];
    const PREFIXES: [&str; 4] = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_EXE_", "NEXTEST_"];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn settings_of_the_user_are_kept_and_what_describes_this_process_is_not() {
        for kept in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE", "RUSTUP_TOOLCHAIN", "CARGO", "PATH"] {
            assert!(!is_about_this_process(kept), "{kept}");
        }
        for dropped in ["CARGO_MANIFEST_DIR", "CARGO_PKG_VERSION", "OUT_DIR", "NEXTEST", "NEXTEST_PROFILE"] {
            assert!(is_about_this_process(dropped), "{dropped}");
        }
    }
}
