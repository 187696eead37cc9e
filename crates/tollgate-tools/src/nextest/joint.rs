//! One build of code that may not compile, with the places that the compiler's errors are about.

use super::build::{keep_binaries, parse, write_cargo_metadata};
use super::trial::{instrumented, target_of, targets};
use super::{Built, command, exit, refused};
use crate::coverage::wrapper;
use crate::{ToolError, Toolbox, cargo, files};
use camino::Utf8Path;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;
use tollgate_exec::{Cmd, ExecError, Output, Status};
use tollgate_model::{BuildKind, TestId};

/// An error of the compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompilerError {
    /// Whether the compiler can't go on, with a code of its own such as `E0308`; else it is a lint's, or one without a code.
    pub is_hard: bool,
    /// What it says.
    pub message: String,
    /// Where it is, as far as it is anywhere: files from the root of the workspace and bytes in them; the code itself, then the
    /// macros it comes from.
    pub places: Vec<(String, Range<usize>)>,
}

/// Which test binaries of packages are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen<'a> {
    /// Those of these tests.
    Of(&'a BTreeSet<TestId>),
    /// Those that cargo makes of these targets: `--lib`, `--bin NAME`.
    Targets(&'a [String]),
    /// All.
    All,
}

impl Chosen<'_> {
    fn targets(self, packages: &[String]) -> Vec<String> {
        let ids = match self {
            Self::Of(tests) => tests.iter().map(|test| test.binary.as_str()).collect(),
            Self::Targets(_) | Self::All => BTreeSet::new(),
        };
        let named = if let Self::Targets(named) = self { named } else { &[] };
        targets(packages, &ids).into_iter().chain(named.iter().cloned()).collect()
    }
}

/// How a build ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joint {
    /// It is there.
    Built(Built),
    /// It was refused, for these errors; for none where it was not the compiler that did.
    Refused(Vec<CompilerError>),
    /// It was stopped at its time limit.
    TimedOut,
}

/// Builds test binaries of these packages: with what counts coverage, as trials do and so with what they depend on compiled
/// already; or as one of many mutants is made and run fastest, which is without, and without what a second build of it would use.
///
/// # Errors
/// When cargo or nextest could not work, or was stopped.
pub fn joint(
    toolbox: &Toolbox,
    packages: &[String],
    chosen: Chosen<'_>,
    is_instrumented: bool,
    directory: &Utf8Path,
    timeout: Duration,
) -> Result<Joint, ToolError> {
    files::create_dir(directory)?;
    let targets = chosen.targets(packages);
    let made = if is_instrumented { Made::Counting } else { Made::Plain };
    match compiled(toolbox, &targets, made, timeout)? {
        Compiled::Done => {}
        Compiled::Refused(errors) => return Ok(Joint::Refused(errors)),
        Compiled::TimedOut => return Ok(Joint::TimedOut),
    }
    let cmd =
        command(toolbox, "list").args(["--list-type", "binaries-only", "--message-format", "json"]).args(&targets);
    let Some((cmd, output)) = building(toolbox, cmd.timeout(timeout), made)? else {
        return Ok(Joint::TimedOut);
    };
    let Status::Code(0) = output.status else { return Err(refused(&cmd, &output, "")) };
    let binaries_metadata = directory.join("binaries-metadata.json");
    files::write(&binaries_metadata, &output.stdout)?;
    let cargo_metadata = directory.join("cargo-metadata.json");
    let workspace = write_cargo_metadata(toolbox, &cargo_metadata)?;
    let list = parse(&output.stdout)?;
    let mut built = Built {
        kind: BuildKind::Instrumented,
        binaries_metadata,
        cargo_metadata,
        test_binaries: list.test_binaries_in(&workspace.target_directory),
        target_directory: workspace.target_directory,
        binaries: list.programs(),
        moved_to: None,
    };
    keep_binaries(&mut built, &directory.join("objects"))?;
    Ok(Joint::Built(built))
}

/// What the compiler has against these binaries of tests of packages, found without making them; none where there is no telling,
/// as its time was up or what was refused has no place.
///
/// # Errors
/// When cargo could not work, or was stopped.
pub fn checked(
    toolbox: &Toolbox,
    packages: &[String],
    binaries: &BTreeSet<String>,
    timeout: Duration,
) -> Result<Option<Vec<CompilerError>>, ToolError> {
    let targets = targets(packages, &binaries.iter().map(String::as_str).collect());
    Ok(match compiled(toolbox, &targets, Made::Nothing, timeout)? {
        Compiled::Done => Some(Vec::new()),
        Compiled::Refused(errors) => (!errors.is_empty()).then_some(errors),
        Compiled::TimedOut => None,
    })
}

/// What cargo makes of members.
#[derive(Debug, Clone, Copy)]
enum Made {
    /// Programs that count coverage.
    Counting,
    /// Programs that don't, without what a second build would use.
    Plain,
    /// Nothing: their code is looked at.
    Nothing,
}

/// How cargo's work ended.
enum Compiled {
    Done,
    Refused(Vec<CompilerError>),
    TimedOut,
}

fn compiled(toolbox: &Toolbox, targets: &[String], made: Made, timeout: Duration) -> Result<Compiled, ToolError> {
    let cmd = toolbox.cmd(&cargo::program()).args(["test", "--no-run", "--color", "never", "--message-format", "json"]);
    let Some((cmd, output)) = building(toolbox, cmd.args(targets).timeout(timeout), made)? else {
        return Ok(Compiled::TimedOut);
    };
    match output.status {
        Status::Code(0) => Ok(Compiled::Done),
        Status::Code(exit::BUILD_FAILED) => Ok(Compiled::Refused(errors(&output.stdout))),
        _ => Err(refused(&cmd, &output, "")),
    }
}

/// Runs a command that builds; none where its time was up.
fn building(toolbox: &Toolbox, cmd: Cmd, made: Made) -> Result<Option<(Cmd, Output)>, ToolError> {
    let cmd = match made {
        Made::Counting => return instrumented(toolbox, cmd),
        Made::Plain => cmd.env("CARGO_INCREMENTAL", "0"),
        Made::Nothing => {
            let checker = wrapper::write_checker(&target_of(toolbox))?;
            cmd.env("RUSTC_WORKSPACE_WRAPPER", checker).env("LLVM_PROFILE_FILE", "/dev/null")
        }
    };
    match cmd.run(&toolbox.interrupt) {
        Err(ExecError::TimedOut { .. }) => Ok(None),
        output => Ok(Some((cmd, output?))),
    }
}

/// A line of cargo's that passes on what the compiler says.
#[derive(Deserialize)]
struct Said {
    message: Diagnostic,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    message: String,
    code: Option<Code>,
    spans: Vec<DiagnosticSpan>,
}

/// A lint's is its name.
#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct DiagnosticSpan {
    file_name: String,
    byte_start: usize,
    byte_end: usize,
    is_primary: bool,
    expansion: Option<Box<Expansion>>,
}

#[derive(Deserialize)]
struct Expansion {
    span: DiagnosticSpan,
}

/// The errors of a build that have a place.
fn errors(messages: &str) -> Vec<CompilerError> {
    let said = messages.lines().filter_map(|line| serde_json::from_str::<Said>(line).ok()).map(|said| said.message);
    let error = |diagnostic: Diagnostic| {
        let primary = diagnostic.spans.iter().filter(|span| span.is_primary);
        let places: Vec<_> = primary.flat_map(places).collect();
        let is_hard = diagnostic.code.is_some_and(|code| code.code.starts_with('E'));
        (!places.is_empty()).then_some(CompilerError { is_hard, message: diagnostic.message, places })
    };
    said.filter(|diagnostic| diagnostic.level == "error").filter_map(error).collect()
}

/// The place of a span, and those of the macros that it comes from.
fn places(span: &DiagnosticSpan) -> Vec<(String, Range<usize>)> {
    let spans = std::iter::successors(Some(span), |span| Some(&span.expansion.as_ref()?.span));
    spans.map(|span| (span.file_name.clone(), span.byte_start..span.byte_end)).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_is_not_chosen_is_not_built() {
        let packages = ["a".to_owned(), "b".to_owned()];
        let shown = |chosen: Chosen<'_>| chosen.targets(&packages).join(" ");
        let tests = [TestId::new("a", "unit::x"), TestId::new("b::e2e", "y")].into();
        assert_eq!(shown(Chosen::Of(&tests)), "--package a --package b --lib --test e2e");
        assert_eq!(shown(Chosen::Targets(&["--lib".to_owned()])), "--package a --package b --lib");
        assert_eq!(shown(Chosen::All), "--package a --package b");
    }

    #[test]
    fn an_error_has_its_place_and_those_of_the_macros_around_it() {
        // `cargo test --no-run --message-format json` of a crate with a type error and a refusing lint in a macro, cut.
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"shop"},"executable":null}
{"reason":"compiler-message","message":{"level":"warning","message":"unused","code":null,"spans":[{"file_name":"src/lib.rs","byte_start":1,"byte_end":2,"is_primary":true,"expansion":null}]}}
{"reason":"compiler-message","message":{"level":"error","message":"mismatched types","code":{"code":"E0308","explanation":"..."},"spans":[{"file_name":"src/lib.rs","byte_start":5,"byte_end":6,"is_primary":false,"expansion":null},{"file_name":"src/lib.rs","byte_start":25,"byte_end":27,"is_primary":true,"expansion":null}]}}
{"reason":"compiler-message","message":{"level":"error","message":"unused","code":{"code":"unused_variables","explanation":null},"spans":[{"file_name":"/rust/macros.rs","byte_start":900,"byte_end":901,"is_primary":true,"expansion":{"span":{"file_name":"src/a.rs","byte_start":7,"byte_end":9,"is_primary":false,"expansion":null},"macro_decl_name":"assert!"}}]}}
{"reason":"compiler-message","message":{"level":"error","message":"aborting due to 2 previous errors","code":null,"spans":[]}}
{"reason":"build-finished","success":false}
"#;
        let place = |file: &str, bytes| (file.to_owned(), bytes);
        let error = |is_hard, message: &str, places| CompilerError { is_hard, message: message.to_owned(), places };
        assert_eq!(
            errors(messages),
            [
                error(true, "mismatched types", vec![place("src/lib.rs", 25..27)]),
                error(false, "unused", vec![place("/rust/macros.rs", 900..901), place("src/a.rs", 7..9)]),
            ]
        );
    }
}
