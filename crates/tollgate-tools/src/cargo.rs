//! cargo and rustc: the workspace and the toolchain.

mod compiler;

pub(crate) use compiler::Compiler;

use crate::{ToolError, toolbox::clean};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::time::Duration;
use tollgate_exec::{Cmd, Interrupt};
use tollgate_model::Member;

/// Reading manifests takes a fraction of a second; a lock on the package cache may make it wait.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Directory of the root manifest.
    pub root: Utf8PathBuf,
    /// Where cargo builds.
    pub target_directory: Utf8PathBuf,
    /// Its packages, by name.
    pub members: Vec<Member>,
    /// The members that have a library.
    pub libraries: BTreeSet<String>,
    /// What each member depends on, for whatever use: members by name, and other paths as they are.
    pub dependencies: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: Utf8PathBuf,
    target_directory: Utf8PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: Utf8PathBuf,
    targets: Vec<Target>,
    #[serde(default)]
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    /// The package's own name, also where the dependency is renamed.
    name: String,
    /// Its directory, where it is not from a registry.
    path: Option<Utf8PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// What a target is that is no library.
const OTHERS: [&str; 5] = ["bin", "test", "bench", "example", "custom-build"];

/// The cargo that runs this process, else the one on `PATH`.
pub(crate) fn program() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Reads the workspace that a directory belongs to.
///
/// # Errors
/// When there is none, or a manifest is wrong.
pub fn metadata(root: &Utf8Path, interrupt: &Interrupt) -> Result<Workspace, ToolError> {
    let cmd = clean(Cmd::new(program())).args(["metadata", "--format-version=1", "--no-deps"]);
    let cmd = cmd.cwd(root).timeout(TIMEOUT);
    let output = cmd.run(interrupt)?.success_or(&cmd)?;
    workspace(&output.stdout)
}

/// The compiler that cargo takes, where it runs, and where what it makes runs, unless that is the same:
/// `rustc 1.95.0 (59807616e 2026-04-14) on x86_64-unknown-linux-gnu`.
///
/// # Errors
/// When there is no rustc for this directory.
pub fn toolchain(root: &Utf8Path, interrupt: &Interrupt) -> Result<String, ToolError> {
    let Compiler { program, targets } = Compiler::of(root);
    let cmd = Cmd::new(program).args(["--version", "--verbose"]).cwd(root).timeout(TIMEOUT);
    let output = cmd.run(interrupt)?.success_or(&cmd)?;
    Ok(described(&output.stdout, &targets))
}

/// What `rustc --version --verbose` says of the compiler, in a line.
fn described(verbose: &str, targets: &[String]) -> String {
    let version = verbose.lines().next().unwrap_or_default();
    let host = verbose.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("an unknown host");
    match targets {
        [] => format!("{version} on {host}"),
        [target] if target == host => format!("{version} on {host}"),
        targets => format!("{version} on {host} for {}", targets.join(", ")),
    }
}

/// The target that rustc compiles for where nothing else is asked for: `x86_64-unknown-linux-gnu`.
///
/// # Errors
/// When there is no rustc for this directory.
pub fn host(root: &Utf8Path, interrupt: &Interrupt) -> Result<String, ToolError> {
    let cmd = Cmd::new(Compiler::of(root).program).arg("--print=host-tuple").cwd(root).timeout(TIMEOUT);
    Ok(cmd.run(interrupt)?.success_or(&cmd)?.stdout.trim().to_owned())
}

/// Reads the output of `cargo metadata`, with or without dependencies.
pub(crate) fn workspace(json: &str) -> Result<Workspace, ToolError> {
    let metadata: Metadata = serde_json::from_str(json).map_err(|error| ToolError::parse("`cargo metadata`", error))?;
    let root = metadata.workspace_root;
    let dependencies = dependencies(&metadata.packages);
    let is_library = |target: &Target| !target.kind.iter().any(|kind| OTHERS.contains(&kind.as_str()));
    let with_library = metadata.packages.iter().filter(|package| package.targets.iter().any(is_library));
    let libraries = with_library.map(|package| package.name.clone()).collect();
    let mut members: Vec<Member> = metadata.packages.into_iter().filter_map(|package| member(&root, package)).collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Workspace { root, target_directory: metadata.target_directory, members, libraries, dependencies })
}

/// What each package depends on in the workspace or beside it. A package of a registry that has a member's name counts as
/// that member, which may stand in its place.
fn dependencies(packages: &[Package]) -> BTreeMap<String, BTreeSet<String>> {
    let named = |dependency: &Dependency| match &dependency.path {
        Some(path) => {
            let at = packages.iter().find(|package| package.manifest_path.parent() == Some(path));
            Some(at.map_or_else(|| path.to_string(), |package| package.name.clone()))
        }
        None => packages.iter().find(|package| package.name == dependency.name).map(|package| package.name.clone()),
    };
    let of = |package: &Package| (package.name.clone(), package.dependencies.iter().filter_map(named).collect());
    packages.iter().map(of).collect()
}

/// Packages from elsewhere don't lie under the root, apart from vendored ones; `--no-deps` leaves those out.
fn member(root: &Utf8Path, package: Package) -> Option<Member> {
    let directory = package.manifest_path.parent()?.strip_prefix(root).ok()?.as_str().replace('\\', "/");
    let binaries = package.targets.into_iter().filter(|target| target.kind.iter().any(|kind| kind == "bin"));
    Some(Member { name: package.name, directory, binaries: binaries.map(|target| target.name).collect() })
}

#[cfg(test)]
mod unit {
    use super::*;

    // `cargo metadata --format-version=1 --no-deps` of fixtures/sample, cut to what is read, and with a root package.
    const METADATA: &str = r#"{
        "packages": [
            {"name": "server", "manifest_path": "/w/server/Cargo.toml", "targets": [
                {"kind": ["bin"], "crate_types": ["bin"], "name": "server"},
                {"kind": ["bin"], "crate_types": ["bin"], "name": "idle"},
                {"kind": ["test"], "crate_types": ["bin"], "name": "e2e"}],
                "dependencies": [
                    {"name": "all", "rename": "every", "path": "/w", "kind": "dev"}, {"name": "serde", "path": null},
                    {"name": "gone", "path": "/v/gone", "kind": "build"}, {"name": "elsewhere", "source": "registry"}]},
            {"name": "all", "manifest_path": "/w/Cargo.toml", "targets": [{"kind": ["lib"], "name": "all"}]},
            {"name": "elsewhere", "manifest_path": "/v/Cargo.toml", "targets": []}],
        "workspace_root": "/w", "target_directory": "/w/target", "version": 1}"#;

    #[test]
    fn a_toolchain_is_another_on_another_host_and_for_another_target() {
        // `rustc --version --verbose`, cut.
        let verbose =
            "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n";
        let toolchain =
            |targets: &[&str]| described(verbose, &targets.iter().map(ToString::to_string).collect::<Vec<_>>());
        let native = "rustc 1.95.0 (59807616e 2026-04-14) on x86_64-unknown-linux-gnu";
        assert_eq!(toolchain(&[]), native);
        assert_eq!(toolchain(&["x86_64-unknown-linux-gnu"]), native);
        assert_eq!(toolchain(&["wasm32-wasip1", "x"]), format!("{native} for wasm32-wasip1, x"));
        assert_eq!(described("rustc 1.95.0", &[]), "rustc 1.95.0 on an unknown host");
    }

    #[test]
    fn members_have_directories_and_binaries() {
        let found = workspace(METADATA).expect("it is metadata");
        let member = |name: &str, directory: &str, binaries: &[&str]| Member {
            name: name.to_owned(),
            directory: directory.to_owned(),
            binaries: binaries.iter().map(|&name| name.to_owned()).collect(),
        };
        assert_eq!(found.members, [member("all", "", &[]), member("server", "server", &["server", "idle"])]);
        assert_eq!((found.root.as_str(), found.target_directory.as_str()), ("/w", "/w/target"));
        assert_eq!(found.libraries.into_iter().collect::<Vec<_>>(), ["all"]);
        let on: Vec<&str> = found.dependencies["server"].iter().map(String::as_str).collect();
        assert_eq!((on, found.dependencies["all"].len()), (vec!["/v/gone", "all", "elsewhere"], 0));
    }

    #[test]
    fn anything_else_is_an_error_that_says_whose_output_it_was() {
        assert_eq!(workspace("no").unwrap_err().to_string(), "the output of `cargo metadata` can't be read");
    }
}
