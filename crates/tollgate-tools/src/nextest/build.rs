//! One build of all tests and of the binaries that services run.

use super::{command, exit, refused};
use crate::cargo::{self, Workspace};
use crate::coverage::wrapper;
use crate::{ToolError, Toolbox, files};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tollgate_exec::{Cmd, Output, Status, Stream};
use tollgate_model::{BuildKind, BuildPlan, Member, count};

/// Lines of compiler output that an error repeats.
const ERROR_LINES: usize = 80;

/// Resolving may have to download an index.
const METADATA_TIMEOUT: Duration = Duration::from_mins(10);

/// A finished build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Built {
    /// How it was made.
    pub kind: BuildKind,
    /// What nextest knows of its binaries; a file.
    pub binaries_metadata: Utf8PathBuf,
    /// What cargo knows of the workspace; a file.
    pub cargo_metadata: Utf8PathBuf,
    /// Where cargo built it.
    pub target_directory: Utf8PathBuf,
    /// Test binaries, by nextest's binary id.
    pub test_binaries: BTreeMap<String, Utf8PathBuf>,
    /// The workspace's other binaries by name, as links that later builds don't touch.
    pub binaries: BTreeMap<String, Utf8PathBuf>,
    /// Where the workspace is now, of a build that was unpacked and whose metadata speak of another place.
    pub moved_to: Option<Utf8PathBuf>,
}

impl Built {
    /// Every binary, as coverage needs them.
    pub fn objects(&self) -> Vec<Utf8PathBuf> {
        self.test_binaries.values().chain(self.binaries.values()).cloned().collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct BinaryList {
    rust_build_meta: BuildMeta,
    rust_binaries: BTreeMap<String, TestBinary>,
}

impl BinaryList {
    /// Where the profile's programs are, from the target directory: `debug`.
    pub(super) fn profile_directory(&self) -> Utf8PathBuf {
        self.rust_build_meta.base_output_directories.first().cloned().unwrap_or_default()
    }

    /// The programs that were built along with the tests, by name.
    pub(super) fn programs(&self) -> BTreeMap<String, Utf8PathBuf> {
        let binaries = self.rust_build_meta.non_test_binaries.values().flatten();
        let programs = binaries.filter(|binary| binary.kind == "bin-exe");
        programs.map(|binary| (binary.name.clone(), self.rust_build_meta.target_directory.join(&binary.path))).collect()
    }

    /// The test binaries by id, in another target directory.
    pub(super) fn test_binaries_in(&self, target: &Utf8Path) -> BTreeMap<String, Utf8PathBuf> {
        let made_in = &self.rust_build_meta.target_directory;
        let here = |path: &Utf8Path| path.strip_prefix(made_in).map_or(path.to_owned(), |path| target.join(path));
        self.rust_binaries.iter().map(|(id, binary)| (id.clone(), here(&binary.binary_path))).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct BuildMeta {
    target_directory: Utf8PathBuf,
    base_output_directories: Vec<Utf8PathBuf>,
    non_test_binaries: BTreeMap<String, Vec<OtherBinary>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct TestBinary {
    binary_path: Utf8PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct OtherBinary {
    name: String,
    kind: String,
    path: Utf8PathBuf,
}

/// Builds the tests of a plan's packages and the named workspace binaries; cargo's progress goes to `on_line`.
///
/// cargo builds a package's binaries along with its tests only where the package has integration tests. Those named
/// here that were not built that way are built by a second command, which finds nearly everything done.
///
/// # Errors
/// [`ToolError::BuildFailed`] where the code does not compile, [`ToolError::MissingBinary`] where no package has a named
/// binary, and others where cargo or nextest could not work.
pub fn build(
    toolbox: &Toolbox,
    plan: &BuildPlan,
    out_dir: &Utf8Path,
    binaries: &[String],
    on_line: &mut dyn FnMut(&str),
) -> Result<Built, ToolError> {
    files::create_dir(out_dir)?;
    let cargo_metadata = out_dir.join("cargo-metadata.json");
    let workspace = write_cargo_metadata(toolbox, &cargo_metadata)?;
    let compile = Compilation::new(toolbox, plan, &workspace)?;

    let cmd = compile.tests();
    let output = cmd.stream(&toolbox.interrupt, &mut stderr(on_line))?;
    check_compiled(&cmd, &output, exit::BUILD_FAILED)?;
    let binaries_metadata = out_dir.join("binaries-metadata.json");
    files::write(&binaries_metadata, &output.stdout)?;
    let list = parse(&output.stdout)?;

    let mut built = Built {
        kind: plan.kind,
        binaries_metadata,
        cargo_metadata,
        target_directory: list.rust_build_meta.target_directory.clone(),
        binaries: list.programs(),
        test_binaries: list.test_binaries_in(&list.rust_build_meta.target_directory),
        moved_to: None,
    };
    let missing: Vec<&String> = binaries.iter().filter(|name| !built.binaries.contains_key(*name)).collect();
    if !missing.is_empty() {
        let directory = built.target_directory.join(list.profile_directory());
        let owners = owners(&missing, &workspace.members)?;
        let cmd = compile.binaries(&owners);
        let output = cmd.stream(&toolbox.interrupt, &mut stderr(on_line))?;
        check_compiled(&cmd, &output, exit::BUILD_FAILED)?;
        built.binaries.extend(missing.into_iter().map(|name| (name.clone(), directory.join(name))));
    }
    keep_binaries(&mut built, &out_dir.join("objects"))?;
    Ok(built)
}

/// Puts named binaries of a build into a directory, under their names, as hard links or copies.
///
/// `target/debug/<name>` is one path for the instrumented and the plain build, whichever was made last; a link keeps
/// pointing to the file that was built, since cargo replaces files and does not write into them.
///
/// # Errors
/// [`ToolError::MissingBinary`] where the build has no such binary, and where a file can't be written.
pub fn copy_binaries(built: &Built, names: &[String], directory: &Utf8Path) -> Result<(), ToolError> {
    files::create_dir(directory)?;
    for name in names {
        let binary = built.binaries.get(name).ok_or_else(|| missing_binary(name, built.binaries.keys()))?;
        files::link_or_copy(binary, &directory.join(name))?;
    }
    Ok(())
}

/// All links are made while the build is the newest one.
pub(super) fn keep_binaries(built: &mut Built, directory: &Utf8Path) -> Result<(), ToolError> {
    files::create_dir(directory)?;
    for (name, path) in &mut built.binaries {
        let kept = directory.join(name);
        files::link_or_copy(path, &kept)?;
        *path = kept;
    }
    Ok(())
}

/// The commands of one build: same environment, same profile.
pub(super) struct Compilation<'a> {
    toolbox: &'a Toolbox,
    plan: &'a BuildPlan,
    wrapper: Option<Utf8PathBuf>,
}

impl<'a> Compilation<'a> {
    pub(super) fn new(toolbox: &'a Toolbox, plan: &'a BuildPlan, workspace: &Workspace) -> Result<Self, ToolError> {
        let wrapper = match plan.kind {
            BuildKind::Instrumented => Some(wrapper::write(&workspace.target_directory)?),
            BuildKind::Optimised => None,
        };
        Ok(Self { toolbox, plan, wrapper })
    }

    fn tests(&self) -> Cmd {
        self.select(command(self.toolbox, "list").args(["--list-type", "binaries-only", "--message-format", "json"]))
    }

    /// Adds to a command of nextest what says which build it is to ask cargo for.
    pub(super) fn select(&self, cmd: Cmd) -> Cmd {
        let cmd = cmd.args(packages(&self.plan.packages));
        let cmd = self.named_profile().map_or(cmd.clone(), |profile| cmd.args(["--cargo-profile", profile]));
        self.with_environment(cmd)
    }

    fn binaries(&self, owners: &BTreeSet<String>) -> Cmd {
        let asked = &self.plan.packages;
        let named: Vec<String> =
            if asked.is_empty() { Vec::new() } else { asked.iter().chain(owners).cloned().collect() };
        let cmd = self.toolbox.cmd(&cargo::program()).args(["build", "--bins", "--color", "never"]);
        let cmd = cmd.args(packages(&named));
        let cmd = self.named_profile().map_or(cmd.clone(), |profile| cmd.args(["--profile", profile]));
        self.with_environment(cmd)
    }

    /// The test profile is what cargo takes without being asked; it shares its directory with `dev`.
    fn named_profile(&self) -> Option<&str> {
        Some(self.plan.cargo_profile.as_str()).filter(|profile| !matches!(*profile, "dev" | "test"))
    }

    /// Instrumented code can run while cargo builds, where a build script or a procedural macro uses a library of the
    /// workspace; its counts are nobody's and would lie about as `default_....profraw`.
    fn with_environment(&self, cmd: Cmd) -> Cmd {
        let cmd = cmd.env("LLVM_PROFILE_FILE", "/dev/null");
        match &self.wrapper {
            Some(wrapper) => cmd.env("RUSTC_WORKSPACE_WRAPPER", wrapper),
            None => cmd,
        }
    }
}

fn packages(names: &[String]) -> Vec<&str> {
    match names {
        [] => vec!["--workspace"],
        names => names.iter().flat_map(|name| ["--package", name]).collect(),
    }
}

pub(super) fn stderr(on_line: &mut dyn FnMut(&str)) -> impl FnMut(Stream, &str) {
    move |stream, line| {
        if stream == Stream::Stderr {
            on_line(line);
        }
    }
}

pub(super) fn write_cargo_metadata(toolbox: &Toolbox, path: &Utf8Path) -> Result<Workspace, ToolError> {
    // With the features nextest itself would ask for, so that filtersets over dependencies mean the same.
    let cmd = toolbox.cmd(&cargo::program()).args(["metadata", "--format-version=1", "--all-features"]);
    let cmd = cmd.timeout(METADATA_TIMEOUT);
    let output = cmd.run(&toolbox.interrupt)?.success_or(&cmd)?;
    files::write(path, &output.stdout)?;
    cargo::workspace(&output.stdout)
}

pub(super) fn check_compiled(cmd: &Cmd, output: &Output, failed: i32) -> Result<(), ToolError> {
    match output.status {
        Status::Code(0) => Ok(()),
        Status::Code(code) if code == failed => {
            Err(ToolError::BuildFailed { argv: cmd.display(), tail: compiler_errors(&output.stderr) })
        }
        _ => Err(refused(cmd, output, "")),
    }
}

/// The compiler's words from the first error on, without progress; the last lines where no error is found.
fn compiler_errors(stderr: &str) -> String {
    let progress = |line: &&str| {
        ["   Compiling ", "    Checking ", " Downloading ", "  Downloaded "].iter().any(|p| line.starts_with(p))
    };
    let lines: Vec<&str> = stderr.lines().filter(|line| !progress(line)).collect();
    let first = lines.iter().position(|line| line.starts_with("error"));
    let first = first.unwrap_or(lines.len().saturating_sub(ERROR_LINES));
    let shown = &lines[first..];
    let left_out = shown.len().saturating_sub(ERROR_LINES);
    let text = shown[..shown.len() - left_out].join("\n");
    if left_out == 0 { text } else { format!("{text}\n... and {}", count(left_out as u64, "more line")) }
}

pub(super) fn parse(json: &str) -> Result<BinaryList, ToolError> {
    serde_json::from_str(json)
        .map_err(|error| ToolError::parse("`cargo nextest list --list-type binaries-only`", error))
}

fn owners(names: &[&String], members: &[Member]) -> Result<BTreeSet<String>, ToolError> {
    let owner = |name: &&String| {
        let member = members.iter().find(|member| member.binaries.contains(name));
        member
            .map(|member| member.name.clone())
            .ok_or_else(|| missing_binary(name, members.iter().flat_map(|member| &member.binaries)))
    };
    names.iter().map(owner).collect()
}

pub(super) fn missing_binary<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> ToolError {
    let known = known.map(String::as_str).collect::<Vec<_>>().join(", ");
    ToolError::MissingBinary { name: name.to_owned(), known }
}

#[cfg(test)]
mod unit {
    use super::*;

    // Standard error of `cargo nextest list --list-type binaries-only` on fixtures/sample with a type error added.
    const FAILED: &str = include_str!("../../tests/recorded/build-failed.txt");
    // Standard output of the same command on fixtures/sample as it is, with the root put as /w.
    const BINARIES: &str = include_str!("../../tests/recorded/binaries.json");

    #[test]
    fn an_error_shows_what_the_compiler_said_without_progress() {
        let shown = compiler_errors(FAILED);
        assert!(shown.starts_with("error[E0308]: mismatched types\n  --> greeter/src/lib.rs:54:17\n"), "{shown}");
        assert!(!shown.contains("Compiling"));
        assert_eq!(compiler_errors("   Compiling a\nnote: odd\n"), "note: odd");
        let long = format!("error: x\n{}", "y\n".repeat(100));
        assert!(compiler_errors(&long).ends_with("\ny\n... and 21 more lines"));
    }

    #[test]
    fn binaries_are_found_by_id_and_by_name() {
        let list = parse(BINARIES).expect("it is a list");
        let ids: Vec<&String> = list.rust_binaries.keys().collect();
        assert_eq!(ids, ["greeter", "greeter::integration", "server::bin/server", "server::e2e", "stamp"]);
        let binaries = list.programs();
        assert_eq!(binaries["server"], "/w/target/debug/server");
        assert_eq!(binaries.len(), 2);
    }

    #[test]
    fn a_binary_that_no_package_has_is_named_with_those_there_are() {
        let member = |name: &str, binary: &str| Member {
            name: name.to_owned(),
            directory: String::new(),
            binaries: vec![binary.to_owned()],
        };
        let members = [member("a", "one"), member("b", "two")];
        let found = owners(&[&"two".to_owned()], &members).expect("b has it");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["b"]);
        let error = owners(&[&"three".to_owned()], &members).unwrap_err();
        assert_eq!(error.to_string(), "the workspace has no binary `three`; it has: one, two");
    }
}
