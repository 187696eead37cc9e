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

/// Most files that are named to it.
const FILES_MAX: usize = 200;

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

/// Lists the mutants of packages, of the whole workspace where none is named; where files are named, of these alone.
///
/// cargo-mutants' own configuration is left out: what is left out of mutation testing is said, with its reason, where
/// reports show it.
///
/// # Errors
/// When cargo-mutants could not work.
pub fn list(
    toolbox: &Toolbox,
    cargo_mutants: &Utf8Path,
    packages: &[String],
    files: Option<&[&str]>,
) -> Result<Vec<Mutant>, ToolError> {
    let cmd = asked(toolbox, cargo_mutants, "--list", packages);
    let cmd = match files {
        Some([]) => return Ok(Vec::new()),
        // More would not fit on a command line.
        Some(files) if files.len() <= FILES_MAX => cmd.args(files.iter().map(|file| format!("--file={}", glob(file)))),
        Some(_) | None => cmd,
    };
    let output = cmd.run(&toolbox.interrupt)?;
    if !output.status.success() && output.stderr.starts_with(UNPARSED) {
        let tail = output.stderr.lines().take(4).collect::<Vec<_>>().join("\n");
        return Err(ToolError::BuildFailed { argv: cmd.display(), tail });
    }
    parse(&output.success_or(&cmd)?.stdout)
}

/// What matches this file alone.
fn glob(file: &str) -> String {
    file.chars().fold(String::new(), |glob, c| {
        let one = if "*?[]{}!\\".contains(c) { format!("[{c}]") } else { c.to_string() };
        glob + &one
    })
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

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    /// Absent of one that is on this machine only.
    source: Option<String>,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

impl Package {
    fn has(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.is(kind))
    }
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    /// Whether its tests are built where no target is named.
    test: bool,
}

impl Target {
    fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|one| one == kind)
    }

    fn is_library(&self) -> bool {
        !["bin", "test", "bench", "example", "custom-build"].iter().any(|kind| self.is(kind))
    }
}

/// What is made of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependents {
    /// It and those that depend on it, over any number of steps, for tests or otherwise; also such as are no members of the workspace.
    pub packages: BTreeSet<String>,
    /// Whether a procedural macro or a build script may have code of it, and so be another one when others are compiled.
    pub compile: bool,
}

/// Which packages of this machine depend on which.
#[derive(Debug)]
pub struct Graph(Vec<Package>);

impl Graph {
    /// That of the workspace.
    ///
    /// # Errors
    /// When cargo can't read it.
    pub fn of(toolbox: &Toolbox) -> Result<Self, ToolError> {
        let cmd = toolbox.cmd(&cargo::program()).args(["metadata", "--format-version=1"]).timeout(TIMEOUT);
        Self::read(&cmd.run(&toolbox.interrupt)?.success_or(&cmd)?.stdout)
    }

    fn read(json: &str) -> Result<Self, ToolError> {
        let mut metadata: Metadata =
            serde_json::from_str(json).map_err(|error| ToolError::parse("`cargo metadata`", error))?;
        metadata.packages.retain(|package| package.source.is_none());
        Ok(Self(metadata.packages))
    }

    /// What names the tests in the libraries and programs of packages to cargo; none where others would be built, too.
    pub fn sources(&self, packages: &BTreeSet<String>) -> Option<Vec<String>> {
        let members = self.0.iter().filter(|package| packages.contains(&package.name));
        let targets: Vec<&Target> = members.flat_map(|package| &package.targets).collect();
        let (libraries, programs): (Vec<&Target>, Vec<&Target>) = targets
            .into_iter()
            .filter(|target| target.is_library() || target.is("bin"))
            .partition(|target| target.is_library());
        let (tested, untested): (Vec<&Target>, Vec<&Target>) = programs.into_iter().partition(|program| program.test);
        let is_tested = |name: &str| tested.iter().any(|program| program.name == name);
        if libraries.iter().any(|library| !library.test) || untested.iter().any(|program| is_tested(&program.name)) {
            return None;
        }
        let programs = tested.iter().flat_map(|program| ["--bin".to_owned(), program.name.clone()]);
        let named: Vec<String> = libraries.first().map(|_| "--lib".to_owned()).into_iter().chain(programs).collect();
        // Without a name all are built.
        (!named.is_empty()).then_some(named)
    }

    /// What is made of a package.
    pub fn dependents(&self, package: &str) -> Dependents {
        let mut users: BTreeMap<&str, Vec<(&Package, &Dependency)>> = BTreeMap::new();
        for package in &self.0 {
            for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
                users.entry(&dependency.name).or_default().push((package, dependency));
            }
        }
        // A build script can take in files of its own package.
        let is_own = |one: &Package| one.name == package && (one.has("proc-macro") || one.has("custom-build"));
        let mut compile = self.0.iter().any(is_own);
        let mut packages = BTreeSet::new();
        let mut open = vec![package];
        while let Some(name) = open.pop() {
            if packages.insert(name.to_owned()) {
                for (user, dependency) in users.get(name).into_iter().flatten() {
                    compile |= user.has("proc-macro") || dependency.kind.as_deref() == Some("build");
                    open.push(&user.name);
                }
            }
        }
        Dependents { packages, compile }
    }
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
    fn a_file_is_a_pattern_that_matches_nothing_else() {
        assert_eq!(glob("crates/a-b/src/lib.rs"), "crates/a-b/src/lib.rs");
        assert_eq!(glob("src/[a]*{b}?.rs"), "src/[[]a[]][*][{]b[}][?].rs");
    }

    #[test]
    fn whoever_uses_a_package_can_notice_its_mutants_and_what_compiles_others_is_told_apart() {
        let uses = |name: &str, kind: &str| format!(r#"{{"name": "{name}", "kind": {kind}, "path": "/w/{name}"}}"#);
        let package = |name: &str, target: &str, uses: &str| {
            format!(
                r#"{{"name": "{name}", "source": null, "targets": [{{"name": "{name}", "kind": ["{target}"], "test": true}}], "dependencies": [{uses}]}}"#
            )
        };
        let registry = r#"{"name": "serde", "source": "registry", "targets": [], "dependencies": []}"#.to_owned();
        let packages = [
            registry,
            package("core", "lib", r#"{"name": "serde", "kind": null, "path": null}"#),
            package("cli", "bin", &uses("core", "\"dev\"")),
            package("xtask", "bin", &uses("cli", "null")),
            package("words", "lib", ""),
            package("macros", "proc-macro", &uses("words", "null")),
            package("tables", "lib", ""),
            package("made", "lib", &uses("tables", "\"build\"")),
            package("script", "custom-build", ""),
            package("other", "lib", ""),
        ];
        let graph = Graph::read(&format!(r#"{{"packages": [{}]}}"#, packages.join(", "))).expect("it is metadata");
        assert_eq!(graph.0.len(), 9);
        let found = |of: &str| {
            let found = graph.dependents(of);
            (found.packages.into_iter().collect::<Vec<_>>().join(" "), found.compile)
        };
        let expected = |names: &str, compile| (names.to_owned(), compile);
        assert_eq!(found("core"), expected("cli core xtask", false));
        assert_eq!(found("other"), expected("other", false));
        assert_eq!(found("words"), expected("macros words", true));
        assert_eq!(found("macros"), expected("macros", true));
        assert_eq!(found("tables"), expected("made tables", true));
        assert_eq!(found("script"), expected("script", true));
    }

    #[test]
    fn tests_of_libraries_and_programs_are_named_where_that_builds_no_others() {
        let target =
            |name: &str, kind: &str, test: bool| format!(r#"{{"name": "{name}", "kind": ["{kind}"], "test": {test}}}"#);
        let package = |name: &str, targets: &[String]| {
            let targets = targets.join(", ");
            format!(r#"{{"name": "{name}", "source": null, "targets": [{targets}], "dependencies": []}}"#)
        };
        let packages = [
            package(
                "core",
                &[target("core", "lib", true), target("e2e", "test", true), target("build", "custom-build", false)],
            ),
            package("cli", &[target("tool", "bin", true), target("idle", "bin", false)]),
            package("quiet", &[target("quiet", "rlib", false)]),
            package("twin", &[target("idle", "bin", true)]),
        ];
        let graph = Graph::read(&format!(r#"{{"packages": [{}]}}"#, packages.join(", "))).expect("it is metadata");
        let named = |packages: &str| {
            let packages = packages.split(' ').map(str::to_owned).collect();
            graph.sources(&packages).map(|named| named.join(" "))
        };
        assert_eq!(named("core"), Some("--lib".to_owned()));
        assert_eq!(named("core cli"), Some("--lib --bin tool".to_owned()));
        assert_eq!(named("twin"), Some("--bin idle".to_owned()));
        assert_eq!([named("core quiet"), named("cli twin"), named("nobody")], [None, None, None]);
    }
}
