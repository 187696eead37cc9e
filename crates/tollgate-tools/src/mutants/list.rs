//! Which mutants there are, and which packages could notice them.

use crate::{ToolError, Toolbox, cargo};
use camino::Utf8Path;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tollgate_exec::Cmd;
use tollgate_model::Mutant;

/// Reading the sources of a workspace takes a second or two.
const TIMEOUT: Duration = Duration::from_mins(5);

/// How cargo-mutants begins when a source file is no Rust.
const UNPARSED: &str = "Error: failed to parse";

#[derive(Deserialize)]
struct Listed {
    name: String,
    file: String,
    package: String,
    function: Option<Function>,
    span: Span,
    replacement: String,
    genre: String,
    #[serde(default)]
    diff: String,
}

#[derive(Deserialize)]
struct Function {
    function_name: String,
}

#[derive(Deserialize)]
struct Span {
    start: Place,
    end: Place,
}

#[derive(Deserialize)]
struct Place {
    line: u32,
}

/// Lists the mutants of packages, of the whole workspace where none is named.
///
/// cargo-mutants' own configuration is left out: what is left out of mutation testing is said, with its reason, where
/// reports show it.
///
/// # Errors
/// When cargo-mutants could not work.
pub fn list(toolbox: &Toolbox, cargo_mutants: &Utf8Path, packages: &[String]) -> Result<Vec<Mutant>, ToolError> {
    let cmd = asked(toolbox, cargo_mutants, "--list", packages);
    let output = cmd.run(&toolbox.interrupt)?;
    if !output.status.success() && output.stderr.starts_with(UNPARSED) {
        let tail = output.stderr.lines().take(4).collect::<Vec<_>>().join("\n");
        return Err(ToolError::BuildFailed { argv: cmd.display(), tail });
    }
    parse(&output.success_or(&cmd)?.stdout)
}

#[derive(Deserialize)]
struct SourceFile {
    path: String,
}

/// The source files of packages that could have mutants, from the root of the workspace.
///
/// # Errors
/// As [`list`].
pub fn files(toolbox: &Toolbox, cargo_mutants: &Utf8Path, packages: &[String]) -> Result<Vec<String>, ToolError> {
    let cmd = asked(toolbox, cargo_mutants, "--list-files", packages);
    let output = cmd.run(&toolbox.interrupt)?.success_or(&cmd)?;
    let files: Vec<SourceFile> = serde_json::from_str(&output.stdout)
        .map_err(|error| ToolError::parse("`cargo mutants --list-files --json`", error))?;
    Ok(files.into_iter().map(|file| file.path).collect())
}

/// The command that lists something of packages.
fn asked(toolbox: &Toolbox, cargo_mutants: &Utf8Path, what: &str, packages: &[String]) -> Cmd {
    let cmd = toolbox.cmd(cargo_mutants.as_str()).args(["mutants", what, "--json", "--no-config"]);
    let cmd = cmd.args(["--annotations", "none", "--colors", "never", "--dir"]).arg(&toolbox.root);
    let cmd = match packages {
        [] => cmd.arg("--workspace"),
        names => cmd.args(names.iter().flat_map(|name| ["--package", name])),
    };
    cmd.timeout(TIMEOUT)
}

fn parse(json: &str) -> Result<Vec<Mutant>, ToolError> {
    let listed: Vec<Listed> =
        serde_json::from_str(json).map_err(|error| ToolError::parse("`cargo mutants --list --json`", error))?;
    let mutant = |listed: Listed| Mutant {
        name: listed.name,
        file: listed.file,
        package: listed.package,
        function: listed.function.map(|function| function.function_name),
        lines: (listed.span.start.line, listed.span.end.line),
        replacement: listed.replacement,
        genre: listed.genre,
        diff: listed.diff,
    };
    Ok(listed.into_iter().map(mutant).collect())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

/// What is made of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependents {
    /// It and the members of the workspace that depend on it, over any number of steps, for tests or otherwise.
    pub packages: BTreeSet<String>,
    /// Whether a procedural macro or a build script is among them: what compiles the others.
    pub compile: bool,
}

/// What is made of a package of the workspace.
///
/// # Errors
/// When cargo can't read the workspace.
pub fn dependents(toolbox: &Toolbox, package: &str) -> Result<Dependents, ToolError> {
    let cmd = toolbox.cmd(&cargo::program()).args(["metadata", "--format-version=1", "--no-deps"]).timeout(TIMEOUT);
    depending(&cmd.run(&toolbox.interrupt)?.success_or(&cmd)?.stdout, package)
}

fn depending(json: &str, package: &str) -> Result<Dependents, ToolError> {
    let metadata: Metadata = serde_json::from_str(json).map_err(|error| ToolError::parse("`cargo metadata`", error))?;
    let mut users: BTreeMap<&str, Vec<(&Package, &Dependency)>> = BTreeMap::new();
    for package in &metadata.packages {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
            users.entry(&dependency.name).or_default().push((package, dependency));
        }
    }
    let is_macro =
        |package: &Package| package.targets.iter().flat_map(|target| &target.kind).any(|kind| kind == "proc-macro");
    let mut compile = metadata.packages.iter().any(|one| one.name == package && is_macro(one));
    let mut packages = BTreeSet::new();
    let mut open = vec![package];
    while let Some(name) = open.pop() {
        if packages.insert(name.to_owned()) {
            for (user, dependency) in users.get(name).into_iter().flatten() {
                compile |= is_macro(user) || dependency.kind.as_deref() == Some("build");
                open.push(&user.name);
            }
        }
    }
    Ok(Dependents { packages, compile })
}

#[cfg(test)]
mod unit {
    use super::*;

    // `cargo mutants --list --json` on fixtures/shop, two mutants of it.
    const LIST: &str = include_str!("../../tests/recorded/mutants.json");

    #[test]
    fn a_mutant_has_its_place_its_function_and_its_diff() {
        let found = parse(LIST).expect("it is a list");
        let mutant = found.iter().find(|mutant| mutant.genre == "BinaryOperator").expect("there is one");
        assert_eq!(mutant.name, "shop/src/lib.rs:5:22: replace / with % in price");
        assert_eq!((mutant.lines, mutant.function.as_deref()), ((5, 5), Some("price")));
        assert!(mutant.diff.contains("\n+    let free = items % /* ~ changed by cargo-mutants ~ */ 11;\n"));
        assert!(parse("{}").is_err());
    }

    #[test]
    fn whoever_uses_a_package_can_notice_its_mutants_and_what_compiles_others_is_told_apart() {
        let json = r#"{"packages": [
            {"name": "core", "targets": [{"kind": ["lib"]}], "dependencies": [{"name": "serde", "kind": null, "path": null}]},
            {"name": "cli", "targets": [{"kind": ["bin"]}], "dependencies": [{"name": "core", "kind": "dev", "path": "/w/core"}]},
            {"name": "xtask", "targets": [], "dependencies": [{"name": "cli", "kind": null, "path": "/w/cli"}]},
            {"name": "words", "targets": [{"kind": ["lib"]}], "dependencies": []},
            {"name": "macros", "targets": [{"kind": ["proc-macro"]}], "dependencies": [{"name": "words", "kind": null, "path": "/w/words"}]},
            {"name": "tables", "targets": [{"kind": ["lib"]}], "dependencies": []},
            {"name": "made", "targets": [{"kind": ["lib"]}], "dependencies": [{"name": "tables", "kind": "build", "path": "/w/tables"}]},
            {"name": "other", "targets": [], "dependencies": []}]}"#;
        let found = |of: &str| {
            let found = depending(json, of).expect("it is metadata");
            (found.packages.into_iter().collect::<Vec<_>>().join(" "), found.compile)
        };
        let expected = |names: &str, compile| (names.to_owned(), compile);
        assert_eq!(found("core"), expected("cli core xtask", false));
        assert_eq!(found("other"), expected("other", false));
        assert_eq!(found("words"), expected("macros words", true));
        assert_eq!(found("macros"), expected("macros", true));
        assert_eq!(found("tables"), expected("made tables", true));
    }
}
