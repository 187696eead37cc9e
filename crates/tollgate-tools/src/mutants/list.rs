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
        let one = if "*?[]{}\\".contains(c) { format!("[{c}]") } else { c.to_string() };
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
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

/// A package and what it was found to depend on.
#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    targets: Vec<Target>,
}

impl Package {
    fn has(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.is(kind))
    }
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    /// Whether its tests are built where no target is named.
    test: bool,
    /// Features without which it is not built, and can't be asked for.
    #[serde(default, rename = "required-features")]
    required_features: Vec<String>,
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

/// Which packages depend on which.
#[derive(Debug)]
pub struct Graph {
    packages: Vec<Package>,
    /// Who depends on a package, by its id.
    users: BTreeMap<String, Vec<User>>,
}

#[derive(Debug)]
struct User {
    id: String,
    /// What for: `dev`, `build`; absent means for what it is.
    kinds: Vec<Option<String>>,
}

impl User {
    fn uses_it_for(&self, kind: Option<&str>) -> bool {
        self.kinds.iter().any(|one| one.as_deref() == kind)
    }
}

impl Graph {
    /// That of the workspace and all that it depends on.
    ///
    /// # Errors
    /// When cargo can't read it.
    pub fn of(toolbox: &Toolbox) -> Result<Self, ToolError> {
        let cmd = toolbox.cmd(&cargo::program()).args(["metadata", "--format-version=1", "--all-features"]);
        let cmd = cmd.timeout(TIMEOUT);
        Self::read(&cmd.run(&toolbox.interrupt)?.success_or(&cmd)?.stdout)
    }

    fn read(json: &str) -> Result<Self, ToolError> {
        let Metadata { packages, resolve } =
            serde_json::from_str(json).map_err(|error| ToolError::parse("`cargo metadata`", error))?;
        let mut users: BTreeMap<String, Vec<User>> = BTreeMap::new();
        for Node { id, deps } in resolve.nodes {
            for Edge { pkg, dep_kinds } in deps {
                let kinds = dep_kinds.into_iter().map(|one| one.kind).collect();
                users.entry(pkg).or_default().push(User { id: id.clone(), kinds });
            }
        }
        Ok(Self { packages, users })
    }

    /// What names the tests in the libraries and programs of packages to cargo; none where others would be built, too.
    pub fn sources(&self, packages: &BTreeSet<String>) -> Option<Vec<String>> {
        let members = self.packages.iter().filter(|package| packages.contains(&package.name));
        let targets: Vec<&Target> = members.flat_map(|package| &package.targets).collect();
        let (libraries, programs): (Vec<&Target>, Vec<&Target>) = targets
            .into_iter()
            .filter(|target| target.is_library() || target.is("bin"))
            .partition(|target| target.is_library());
        let (tested, untested): (Vec<&Target>, Vec<&Target>) = programs.into_iter().partition(|program| program.test);
        let is_tested = |name: &str| tested.iter().any(|program| program.name == name);
        if libraries.iter().any(|library| !library.test)
            || untested.iter().any(|program| is_tested(&program.name))
            || tested.iter().any(|program| !program.required_features.is_empty())
        {
            return None;
        }
        let programs = tested.iter().flat_map(|program| ["--bin".to_owned(), program.name.clone()]);
        let named: Vec<String> = libraries.first().map(|_| "--lib".to_owned()).into_iter().chain(programs).collect();
        // Without a name all are built.
        (!named.is_empty()).then_some(named)
    }

    /// What is made of a package that lies in the workspace; those of its name count as that.
    pub fn dependents(&self, package: &str) -> Dependents {
        let own = || self.packages.iter().filter(|one| one.name == package);
        let all = self.reached(own(), &|_| true);
        // What only tests of a procedural macro take is not in the macro.
        let is_part = |user: &User| user.uses_it_for(None);
        let parts = self.reached(own(), &is_part);
        let is_of_script = |one: &&Package| self.users_of(one).iter().any(|user| user.uses_it_for(Some("build")));
        // A build script can take in files of its own package.
        let compile = own().any(|one| one.has("custom-build"))
            || parts.values().any(|one| one.has("proc-macro"))
            || parts.values().any(is_of_script);
        let names = all.into_values().map(|one| one.name.clone());
        Dependents { packages: names.chain([package.to_owned()]).collect(), compile }
    }

    /// These packages and their users over any number of steps, as far as they use each other so; by their ids.
    fn reached<'a>(
        &'a self,
        packages: impl Iterator<Item = &'a Package>,
        follows: &dyn Fn(&User) -> bool,
    ) -> BTreeMap<&'a str, &'a Package> {
        let by_id: BTreeMap<&str, &Package> = self.packages.iter().map(|one| (one.id.as_str(), one)).collect();
        let (mut found, mut open) = (BTreeMap::new(), packages.collect::<Vec<_>>());
        while let Some(one) = open.pop() {
            if found.insert(one.id.as_str(), one).is_none() {
                let users = self.users_of(one).iter().filter(|user| follows(user));
                open.extend(users.filter_map(|user| by_id.get(user.id.as_str())));
            }
        }
        found
    }

    fn users_of(&self, package: &Package) -> &[User] {
        self.users.get(&package.id).map_or(&[], Vec::as_slice)
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
        assert_eq!(glob("src/[a]*{b}?!.rs"), "src/[[]a[]][*][{]b[}][?]!.rs");
    }

    #[test]
    fn whoever_uses_a_package_can_notice_its_mutants_and_what_compiles_others_is_told_apart() {
        let package = |name: &str, target: &str| {
            let targets = format!(r#"[{{"name": "{name}", "kind": ["{target}"], "test": true}}]"#);
            format!(r#"{{"id": "{name} 1", "name": "{name}", "targets": {targets}}}"#)
        };
        let node = |name: &str, on: &str, kind: &str| {
            format!(r#"{{"id": "{name} 1", "deps": [{{"pkg": "{on} 1", "dep_kinds": [{{"kind": {kind}}}]}}]}}"#)
        };
        let packages = [
            package("core", "lib"),
            package("cli", "bin"),
            package("xtask", "bin"),
            package("words", "lib"),
            package("macros", "proc-macro"),
            package("tables", "lib"),
            package("made", "lib"),
            package("script", "custom-build"),
            package("other", "lib"),
        ];
        let nodes = [
            node("cli", "core", "\"dev\""),
            node("xtask", "cli", "null"),
            r#"{"id": "macros 1", "deps": [{"pkg": "words 1", "dep_kinds": [{"kind": null}, {"kind": "dev"}]},
                {"pkg": "other 1", "dep_kinds": [{"kind": "dev"}]}]}"#
                .to_owned(),
            node("made", "tables", "\"build\""),
        ];
        let json =
            format!(r#"{{"packages": [{}], "resolve": {{"nodes": [{}]}}}}"#, packages.join(", "), nodes.join(", "));
        let graph = Graph::read(&json).expect("it is metadata");
        let found = |of: &str| {
            let found = graph.dependents(of);
            (found.packages.into_iter().collect::<Vec<_>>().join(" "), found.compile)
        };
        let expected = |names: &str, compile| (names.to_owned(), compile);
        assert_eq!(found("core"), expected("cli core xtask", false));
        assert_eq!(found("other"), expected("macros other", false));
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
            format!(r#"{{"id": "{name} 1", "name": "{name}", "targets": [{targets}]}}"#)
        };
        let packages = [
            package(
                "core",
                &[target("core", "lib", true), target("e2e", "test", true), target("build", "custom-build", false)],
            ),
            package("cli", &[target("tool", "bin", true), target("idle", "bin", false)]),
            package("quiet", &[target("quiet", "rlib", false)]),
            package("twin", &[target("idle", "bin", true)]),
            package(
                "extra",
                &[r#"{"name": "extra", "kind": ["bin"], "test": true, "required-features": ["x"]}"#.to_owned()],
            ),
        ];
        let json = format!(r#"{{"packages": [{}], "resolve": {{"nodes": []}}}}"#, packages.join(", "));
        let graph = Graph::read(&json).expect("it is metadata");
        let named = |packages: &str| {
            let packages = packages.split(' ').map(str::to_owned).collect();
            graph.sources(&packages).map(|named| named.join(" "))
        };
        assert_eq!(named("core"), Some("--lib".to_owned()));
        assert_eq!(named("core cli"), Some("--lib --bin tool".to_owned()));
        assert_eq!(named("twin"), Some("--bin idle".to_owned()));
        assert_eq!(["core quiet", "cli twin", "core extra", "nobody"].map(named), [const { None }; 4]);
    }
}
