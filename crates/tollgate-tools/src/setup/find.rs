//! Looking for the tools.

use super::cache;
use super::pins::{Pin, Pins};
use crate::cargo::Compiler;
use camino::{Utf8Path, Utf8PathBuf};
use std::fmt;
use std::path::Path;
use tollgate_exec::{Interrupt, find_program, query};

/// The tools, with the pinned versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// cargo-nextest.
    pub nextest: Utf8PathBuf,
    /// cargo-llvm-cov, where it was asked for.
    pub cargo_llvm_cov: Option<Utf8PathBuf>,
    /// cargo-mutants, where it was asked for.
    pub cargo_mutants: Option<Utf8PathBuf>,
    /// llvm-profdata.
    pub llvm_profdata: Utf8PathBuf,
    /// llvm-cov.
    pub llvm_cov: Utf8PathBuf,
}

/// What has to be installed before there are [`Tools`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// Tools without the pinned version anywhere.
    pub tools: Vec<Pin>,
    /// Whether the LLVM tools are among the missing.
    pub llvm_tools: bool,
}

impl Missing {
    /// What is missing, by name and version.
    pub fn names(&self) -> Vec<String> {
        let tools = self.tools.iter().map(|pin| format!("{} {}", pin.name, pin.version));
        tools.chain(self.llvm_tools.then(|| "llvm-tools".to_owned())).collect()
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty() && !self.llvm_tools
    }
}

/// `cargo-nextest 0.9.143, llvm-tools`
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(", "))
    }
}

/// Looks for every pinned tool on `PATH` and in the cache, and for the LLVM tools of the compiler that cargo takes in the workspace
/// with this root.
///
/// cargo-nextest is needed by every run, so it is looked for in the version of [`Pins::default`] where it has no pin.
///
/// # Errors
/// What is missing, all of it.
pub fn find(pins: &Pins, root: &Utf8Path, interrupt: &Interrupt) -> Result<Tools, Missing> {
    let mut missing = Missing::default();
    let defaults = Pins::default();
    let needed = defaults.tools.iter().filter(|pin| pin.name == "cargo-nextest");
    let mut found = |name: &str| {
        // The first of a name counts, so a pin goes before the default.
        let pin = pins.tools.iter().chain(needed.clone()).find(|pin| pin.name == name)?;
        let program = find_tool(pin, interrupt);
        if program.is_none() {
            missing.tools.push(pin.clone());
        }
        program
    };
    let nextest = found("cargo-nextest");
    let cargo_llvm_cov = found("cargo-llvm-cov");
    let cargo_mutants = found("cargo-mutants");
    let llvm = llvm_tools(root);
    missing.llvm_tools = llvm.is_none();
    match (nextest, llvm) {
        (Some(nextest), Some(llvm)) if missing.is_empty() => Ok(Tools {
            nextest,
            cargo_llvm_cov,
            cargo_mutants,
            llvm_profdata: llvm.join("llvm-profdata"),
            llvm_cov: llvm.join("llvm-cov"),
        }),
        _ => Err(missing),
    }
}

/// The program of a pin: on `PATH` where the version is right, else from the cache, where the path says the version.
fn find_tool(pin: &Pin, interrupt: &Interrupt) -> Option<Utf8PathBuf> {
    let on_path = find_program(&pin.name).and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
    let on_path = on_path.filter(|path| interrupt.signal().is_none() && has_version(path, pin));
    let cached = cached(&cache(), pin);
    on_path.or_else(|| cached.is_file().then_some(cached))
}

/// Where the cache keeps the program of a pin.
pub(super) fn cached(cache: &Utf8Path, pin: &Pin) -> Utf8PathBuf {
    cache.join(pin.full_name()).join("bin").join(&pin.name)
}

/// Asks a program for its version.
pub(super) fn has_version(program: &Utf8Path, pin: &Pin) -> bool {
    let [subcommand, version] = pin.version_arguments();
    query(Path::new("."), &[program.as_str(), subcommand, version]).is_some_and(|answer| pin.is_version(&answer))
}

/// The directory of llvm-profdata and llvm-cov: the toolchain's, else that of a distribution's package.
pub(super) fn llvm_tools(root: &Utf8Path) -> Option<Utf8PathBuf> {
    let has_both =
        |directory: &Utf8PathBuf| ["llvm-profdata", "llvm-cov"].iter().all(|name| directory.join(name).is_file());
    let printed = query(root.as_std_path(), &[&Compiler::of(root).program, "--print=sysroot", "--print=host-tuple"])?;
    let (sysroot, host) = printed.split_once('\n')?;
    let component = Utf8Path::new(sysroot).join("lib/rustlib").join(host.trim()).join("bin");
    Some(component).filter(has_both).or_else(|| {
        let major = llvm_major(root)?;
        Some(Utf8PathBuf::from(format!("/usr/lib/llvm-{major}/bin"))).filter(has_both)
    })
}

/// Major version of the compiler's LLVM; profiles are only readable by tools of the same one.
pub(super) fn llvm_major(root: &Utf8Path) -> Option<u32> {
    parse_llvm_major(&query(root.as_std_path(), &[&Compiler::of(root).program, "--version", "--verbose"])?)
}

fn parse_llvm_major(version: &str) -> Option<u32> {
    let line = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    line.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_version() {
        let missing = Missing { tools: Pins::default().tools, llvm_tools: true };
        assert_eq!(missing.to_string(), "cargo-nextest 0.9.143, cargo-llvm-cov 0.9.1, llvm-tools");
        assert!(!missing.is_empty());
        assert!(Missing::default().is_empty());
    }

    #[test]
    fn the_llvm_of_rustc_is_known_by_its_major_version() {
        // `rustc --version --verbose`, cut.
        let version = "rustc 1.95.0 (59807616e 2026-04-14)\nrelease: 1.95.0\nLLVM version: 22.1.2\n";
        assert_eq!(parse_llvm_major(version), Some(22));
        assert_eq!(parse_llvm_major("rustc 1.95.0"), None);
    }
}
