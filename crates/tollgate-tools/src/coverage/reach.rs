//! Which tests enter which functions: a profile of its own for every test, read function by function.
//!
//! A test enters a function when any of its counters is above zero. Functions are coarser than lines, so what is selected
//! by them is never too little; reading the counters of one test takes about 20 ms, while its line counts would take ten
//! times as long.

use super::{TIMEOUT, raw_profiles};
use crate::{ToolError, Toolbox, files};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::{panic, thread};
use tollgate_model::TestId;

/// Separates a binary's id from a test's name in the path of a profile; neither can contain it.
const SEPARATOR: &str = "/=/";

/// Variable that tells the runner where profiles go.
pub const PROFILES_VARIABLE: &str = "TOLLGATE_TEST_PROFILES";

/// The program that runs every test: it names the test's profile, and bounds its memory, since a mutated loop can ask for
/// all there is. nextest lists tests through it as well, without a test's name.
pub const RUNNER: &str = r#"#!/bin/sh
# Written by tollgate: runs one test with a profile of its own.
if [ -n "$TOLLGATE_TEST_PROFILES" ] && [ -n "$NEXTEST_TEST_NAME" ]; then
  LLVM_PROFILE_FILE="$TOLLGATE_TEST_PROFILES/$NEXTEST_BINARY_ID/=/$NEXTEST_TEST_NAME/%p-%m%c.profraw"
  mkdir -p "${LLVM_PROFILE_FILE%/*}"
else
  LLVM_PROFILE_FILE=/dev/null
fi
export LLVM_PROFILE_FILE
unset TOLLGATE_TEST_PROFILES
ulimit -v 8388608
exec "$@"
"#;

/// A function's place, and the name that profiles call it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionPlace {
    /// Mangled name.
    pub name: String,
    /// Absolute path of its source.
    pub file: String,
    /// Its code: first and last line of every region.
    pub lines: Vec<(u32, u32)>,
}

#[derive(Deserialize)]
struct Export {
    data: Vec<Data>,
}

#[derive(Deserialize)]
struct Data {
    functions: Vec<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    filenames: Vec<String>,
    /// Line and column of both ends, count, file, expansion, kind.
    regions: Vec<[u64; 8]>,
}

/// The functions of a build's sources.
///
/// # Errors
/// When llvm-cov could not work.
pub fn functions(
    toolbox: &Toolbox,
    objects: &[Utf8PathBuf],
    profile: &Utf8Path,
) -> Result<Vec<FunctionPlace>, ToolError> {
    let cmd = toolbox.cmd(toolbox.llvm_cov.as_str()).args(["export", "-format=text", "-instr-profile"]).arg(profile);
    let cmd = cmd.arg(format!("-ignore-filename-regex={}", super::export::FOREIGN));
    let cmd = cmd.args(objects.iter().flat_map(|object| ["-object", object.as_str()])).timeout(TIMEOUT);
    parse_functions(&cmd.run(&toolbox.interrupt)?.success_or(&cmd)?.stdout)
}

fn parse_functions(json: &str) -> Result<Vec<FunctionPlace>, ToolError> {
    let export: Export = serde_json::from_str(json).map_err(|error| ToolError::parse("`llvm-cov export`", error))?;
    let line = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let place = |function: Function| {
        let lines =
            function.regions.iter().filter(|region| region[5] == 0).map(|region| (line(region[0]), line(region[2])));
        let lines = lines.collect();
        Some(FunctionPlace { name: function.name, file: function.filenames.into_iter().next()?, lines })
    };
    Ok(export.data.into_iter().flat_map(|data| data.functions).filter_map(place).collect())
}

/// For every test with a profile below the directory: the names of the functions that it entered.
///
/// # Errors
/// When a profile can't be read.
pub fn entered(toolbox: &Toolbox, directory: &Utf8Path) -> Result<BTreeMap<TestId, BTreeSet<String>>, ToolError> {
    let mut by_test: BTreeMap<TestId, Vec<Utf8PathBuf>> = BTreeMap::new();
    for path in raw_profiles(directory)?.filled {
        if let Some(test) = path.strip_prefix(directory).ok().and_then(|path| test_of(path.as_str())) {
            by_test.entry(test).or_default().push(path);
        }
    }
    let all: Vec<(TestId, Vec<Utf8PathBuf>)> = by_test.into_iter().collect();
    let parts = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let read = |part: &[(TestId, Vec<Utf8PathBuf>)]| {
            part.iter().map(|(test, paths)| Ok((test.clone(), counted(toolbox, paths)?))).collect::<Result<Vec<_>, _>>()
        };
        let handles: Vec<_> =
            all.chunks(all.len().div_ceil(parts).max(1)).map(|part| scope.spawn(move || read(part))).collect();
        let parts = handles.into_iter().map(|handle| handle.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
        parts.collect::<Result<Vec<_>, ToolError>>().map(|parts| parts.into_iter().flatten().collect())
    })
}

/// The test whose profile this is: `<binary id>/=/<test>/<file>`.
fn test_of(path: &str) -> Option<TestId> {
    let (binary, rest) = path.split_once(SEPARATOR)?;
    let (name, _) = rest.rsplit_once('/')?;
    Some(TestId::new(binary, name))
}

fn counted(toolbox: &Toolbox, profiles: &[Utf8PathBuf]) -> Result<BTreeSet<String>, ToolError> {
    let out = profiles[0].with_extension("proftext");
    let cmd = toolbox.cmd(toolbox.llvm_profdata.as_str());
    let cmd = cmd.args(["merge", "-sparse", "-text", "--failure-mode=all", "-o"]).arg(&out).args(profiles);
    let cmd = cmd.timeout(TIMEOUT);
    cmd.run(&toolbox.interrupt)?.success_or(&cmd)?;
    Ok(parse_entered(&files::read(&out)?))
}

/// Names of a sparse profile as text; a record is `name`, `hash`, number of counters and counters, with comments between,
/// and an empty line behind it.
fn parse_entered(text: &str) -> BTreeSet<String> {
    let records = text.split("\n\n").map(|record| record.lines().filter(|line| !line.starts_with(['#', ':'])));
    let name = |mut lines: Box<dyn Iterator<Item = &str> + '_>| {
        let name = lines.find(|line| !line.is_empty())?;
        let mut counters = lines.skip(2);
        counters.any(|count| count != "0").then(|| name.to_owned())
    };
    records.filter_map(|lines| name(Box::new(lines))).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_profile_belongs_to_the_test_that_its_path_names() {
        let test = |path: &str| test_of(path).map(|test| test.to_string());
        assert_eq!(
            test("shop::bin/shop/=/unit::it_works/12-34.profraw").as_deref(),
            Some("shop::bin/shop unit::it_works")
        );
        assert_eq!(test("default.profraw"), None);
    }

    #[test]
    fn a_function_is_entered_when_a_counter_is_above_zero() {
        // `llvm-profdata merge -sparse -text` of one test, cut.
        let text = "# IR level Instrumentation Flag\n:fe\n_RNvCs1_4shop5price\n# Func Hash:\n123\n# Num Counters:\n2\n# Counter Values:\n0\n7\n\n\
                    _RNvCs1_4shop6answer\n# Func Hash:\n9\n# Num Counters:\n1\n# Counter Values:\n0\n\n";
        assert_eq!(parse_entered(text).into_iter().collect::<Vec<_>>(), ["_RNvCs1_4shop5price"]);
    }

    #[test]
    fn a_function_has_the_lines_of_its_regions_in_its_own_file() {
        let json = r#"{"data": [{"files": [], "functions": [{"name": "_R1", "count": 1, "branches": [], "filenames": ["/w/a.rs", "/w/m.rs"],
            "regions": [[3, 1, 5, 2, 1, 0, 0, 0], [9, 1, 9, 4, 0, 1, 0, 0]]}], "totals": {}}], "type": "llvm.coverage.json.export", "version": "3.1.0"}"#;
        let expected = FunctionPlace { name: "_R1".into(), file: "/w/a.rs".into(), lines: vec![(3, 5)] };
        assert_eq!(parse_functions(json).expect("it is an export"), [expected]);
        assert!(parse_functions("{}").is_err());
    }
}
