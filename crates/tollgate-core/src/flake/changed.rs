//! Which tests a change adds or alters: by their names, and by the functions that its diff touches.
//!
//! A test is added where the run that is recorded of the base does not have its name; where none is recorded, where every
//! line of its function is new. It is altered where a line of its own function is: what it calls is not looked at.

use camino::Utf8Path;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemFn, ItemMod, Macro};
use tollgate_model::{ChangeEvidence, Member, Milliseconds, Novelty, TestId};

/// Fewest and most executions of a test of a change: ten show a flake of one in ten with 65 %, fifty with 99.5 %.
const EXECUTIONS: (u64, u64) = (10, 50);

/// How often a test that takes so long is to be executed where this many share the time.
pub fn wanted(budget_ms: Milliseconds, tests: usize, duration_ms: Milliseconds) -> u64 {
    let share = budget_ms / (tests.max(1) as u64);
    (share / duration_ms.max(1)).clamp(EXECUTIONS.0, EXECUTIONS.1)
}

/// What a change does to a test, and where its function is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Whether it is new or altered.
    pub novelty: Novelty,
    /// `crates/core/src/lib.rs:41`, where the function was found.
    pub place: Option<String>,
}

/// The tests that a change adds or alters, and where more of them may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedTests {
    /// What it does to each test.
    pub touched: BTreeMap<TestId, Touch>,
    /// Files of the change that speak of tests and are not Rust as it can be parsed.
    pub unread: Vec<String>,
}

/// Finds the tests among `tests` that a change adds or alters. `known` are the tests of the base, where a run of it is
/// recorded; `source` returns the text of a file by its path from the root.
pub fn changed_tests(
    change: &ChangeEvidence,
    members: &[Member],
    source: &dyn Fn(&str) -> Option<String>,
    tests: &[TestId],
    known: Option<&BTreeSet<TestId>>,
) -> ChangedTests {
    let is_known = |test: &TestId| known.map(|known| known.contains(test));
    let new = tests.iter().filter(|test| is_known(test) == Some(false));
    let mut touched: BTreeMap<TestId, Touch> =
        new.map(|test| (test.clone(), Touch { novelty: Novelty::Added, place: None })).collect();
    let mut unread = Vec::new();
    let files: BTreeSet<&String> = change.added.keys().chain(change.cuts.keys()).collect();
    for file in files.into_iter().filter(|file| Utf8Path::new(file).extension() == Some("rs")) {
        let Some((member, inside)) = owner(file, members) else { continue };
        let text = source(file).unwrap_or_default();
        let Some(functions) = functions(&text, Kind::Test) else {
            if text.contains("test") {
                unread.push(file.clone());
            }
            continue;
        };
        for function in functions.iter().filter(|function| function.is_touched(change, file)) {
            for test in meant(function, &member.name, inside, tests) {
                let is_new = is_known(test).map_or_else(|| function.is_added(change, file), |known| !known);
                let novelty = if is_new { Novelty::Added } else { Novelty::Changed };
                touched.insert(test.clone(), Touch { novelty, place: Some(format!("{file}:{}", function.line)) });
            }
        }
    }
    ChangedTests { touched, unread }
}

/// The member that a file belongs to, and the file's path in it.
pub(super) fn owner<'a>(file: &'a str, members: &'a [Member]) -> Option<(&'a Member, &'a str)> {
    let inside = |member: &'a Member| match member.directory.as_str() {
        "" => Some((member, file)),
        directory => Some((member, file.strip_prefix(directory)?.strip_prefix('/')?)),
    };
    members.iter().filter_map(inside).min_by_key(|(_, inside)| inside.len())
}

/// The tests that a function of a file may be: those of its name in the modules around it. Where there are several, those
/// that stand where the file's path says, since a file can be a module of any name.
fn meant<'a>(function: &Function, package: &str, inside: &str, tests: &'a [TestId]) -> Vec<&'a TestId> {
    let (there, all) = candidates(function, package, inside, tests);
    if there.is_empty() { all } else { there }
}

/// The tests of a package that have a function's name: those that stand where its file's path says, and all.
pub(super) fn candidates<'a>(
    function: &Function,
    package: &str,
    inside: &str,
    tests: &'a [TestId],
) -> (Vec<&'a TestId>, Vec<&'a TestId>) {
    let (binary, modules) = home(inside);
    let named = |test: &'a TestId| {
        let target = test.binary.strip_prefix(package)?;
        (target.is_empty() || target.starts_with("::")).then_some(())?;
        Some((test, target.trim_start_matches("::"), function.module_in(&test.name)?))
    };
    let candidates: Vec<_> = tests.iter().filter_map(named).collect();
    let stands_there = |&&(_, target, module): &&(&TestId, &str, &str)| {
        let same_binary = binary.map_or(target.is_empty() || target.starts_with("bin/"), |binary| target == binary);
        same_binary && module == modules
    };
    let mut there: Vec<&TestId> = candidates.iter().filter(stands_there).map(|(test, ..)| *test).collect();
    if there.iter().any(|test| function.is_called(&test.name)) {
        // It is one test; the others are in a module of its name.
        there.retain(|test| function.is_called(&test.name));
    }
    (there, candidates.into_iter().map(|(test, ..)| test).collect())
}

/// The integration test that a file of a package belongs to, and its module there: `tests/it/a.rs` is `a` of `it`.
fn home(inside: &str) -> (Option<&str>, String) {
    let mut parts: Vec<&str> = inside.strip_suffix(".rs").unwrap_or(inside).split('/').collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(last)) {
        parts.pop();
    }
    match parts.as_slice() {
        ["tests", binary, modules @ ..] => (Some(binary), modules.join("::")),
        ["src", modules @ ..] => (None, modules.join("::")),
        other => (None, other.join("::")),
    }
}

/// A function that may be a test.
#[derive(Debug)]
pub(super) struct Function {
    /// Its name, after the modules of its file.
    pub(super) path: String,
    /// The line that names it.
    line: u32,
    /// Its lines, attributes included.
    pub(super) span: (u32, u32),
}

/// Which functions of a source are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Those that have an attribute for tests, and those that a macro is given.
    Test,
    /// All.
    Any,
}

impl Function {
    fn is_touched(&self, change: &ChangeEvidence, file: &str) -> bool {
        let (first, last) = self.span;
        let added = change.added.get(file).into_iter().flatten();
        let cuts = change.cuts.get(file).into_iter().flatten();
        added.clone().any(|&(from, to)| from <= last && first <= to)
            || cuts.clone().any(|&cut| first <= cut && cut < last)
    }

    /// Whether all of it is new. A diff may take the line above or below it for the same one of another function.
    fn is_added(&self, change: &ChangeEvidence, file: &str) -> bool {
        let (first, last) = (self.line, self.span.1.saturating_sub(1).max(self.line));
        change.added.get(file).into_iter().flatten().any(|&(from, to)| from <= first && last <= to)
    }

    /// The module in which a test of that name is this function; none where it is another. What comes after the name are
    /// the cases that a macro makes of one function.
    fn module_in<'a>(&self, test: &'a str) -> Option<&'a str> {
        let end = test.len().saturating_sub(self.path.len());
        let cases = || format!("::{test}::").find(&format!("::{}::", self.path));
        let at = if self.is_called(test) { end } else { cases()? };
        Some(&test[..at.saturating_sub(2)])
    }

    /// Whether a test has just its name, in any module.
    fn is_called(&self, test: &str) -> bool {
        test.strip_suffix(self.path.as_str()).is_some_and(|before| before.is_empty() || before.ends_with("::"))
    }
}

/// The functions of a source that are of this kind; nothing where it can't be parsed.
pub(super) fn functions(source: &str, kind: Kind) -> Option<Vec<Function>> {
    let file = syn::parse_file(source).ok()?;
    let mut functions = Functions { kind, modules: Vec::new(), found: Vec::new() };
    functions.visit_file(&file);
    Some(functions.found)
}

struct Functions {
    kind: Kind,
    modules: Vec<String>,
    found: Vec<Function>,
}

impl Functions {
    fn found(&mut self, name: &str, at: usize, first: usize, last: usize) {
        let line = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let path: Vec<&str> = self.modules.iter().map(String::as_str).chain([name]).collect();
        self.found.push(Function { path: path.join("::"), line: line(at), span: (line(first), line(last)) });
    }

    /// `proptest! { #[test] fn holds(x in 0..9) { ... } }`: no syntax of Rust, but its functions look like it.
    fn scan(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "fn" => {
                    let Some(TokenTree::Ident(name)) = tokens.next() else { continue };
                    let is_body = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == proc_macro2::Delimiter::Brace);
                    let Some(body) = tokens.find(is_body) else { return };
                    let first = word.span().start().line;
                    self.found(&name.to_string(), first, first, body.span().end().line);
                }
                TokenTree::Group(group) => self.scan(group.stream()),
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.modules.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.modules.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if self.kind == Kind::Any || function.attrs.iter().any(is_for_tests) {
            let (name, span) = (&function.sig.ident, function.span());
            self.found(&name.to_string(), name.span().start().line, span.start().line, span.end().line);
        }
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        self.scan(invocation.tokens.clone());
    }
}

/// `#[test]`, `#[tokio::test]`, `#[rstest]`, `#[test_case(...)]`; a condition is none of them.
fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident.to_string().contains("test"))
}

#[cfg(test)]
mod unit {
    use super::*;

    const LIB: &str = "\
fn helper() {
    work();
}

#[cfg(test)]
mod unit {
    /// Doc.
    #[test]
    fn adds() {
        let two = 1 + 1;
        assert_eq!(two, 2);
    }

    proptest! {
        #[test]
        pub fn holds(x in 0..9) {
            assert!(x < 9);
        }
    }

    #[rstest]
    #[case(1)]
    fn fits(#[case] x: u8) {}
}
";

    fn member(name: &str, directory: &str) -> Member {
        Member { name: name.into(), directory: directory.into(), binaries: Vec::new() }
    }

    fn ids(tests: &[(&str, &str)]) -> Vec<TestId> {
        tests.iter().map(|&(binary, name)| TestId::new(binary, name)).collect()
    }

    fn all() -> Vec<TestId> {
        let of_core = ["a::unit::adds", "unit::adds", "unit::holds", "unit::fits::case_1_x"].map(|name| ("core", name));
        ids(&[&of_core[..], &[("core-extra", "unit::adds"), ("core::it", "deep::unit::adds")]].concat())
    }

    /// The tests that a change of `file` touches which adds `added` and takes lines away after `cuts`.
    fn check(file: &str, added: &[(u32, u32)], cuts: &[u32], known: Option<&[TestId]>) -> String {
        let members = [member("core", "crates/core"), member("core-extra", "crates/core-extra"), member("root", "")];
        let mut change = ChangeEvidence::default();
        change.added.insert(file.to_owned(), added.to_vec());
        change.cuts.insert(file.to_owned(), cuts.to_vec());
        let known = known.map(|known| known.iter().cloned().collect());
        let source = |_: &str| Some(LIB.to_owned());
        let found = changed_tests(&change, &members, &source, &all(), known.as_ref()).touched;
        let shown = |(test, touch): (&TestId, &Touch)| {
            let place = touch.place.as_deref().map_or("?", |place| place.rsplit(':').next().unwrap_or_default());
            format!("{test} {:?} {place}", touch.novelty)
        };
        found.iter().map(shown).collect::<Vec<_>>().join("; ")
    }

    const FILE: &str = "crates/core/src/lib.rs";

    #[test]
    fn a_test_is_changed_where_a_line_of_its_function_is() {
        assert_eq!(check(FILE, &[(10, 10)], &[], None), "core unit::adds Changed 9");
        assert_eq!(check(FILE, &[(7, 7)], &[], None), "core unit::adds Changed 9", "its documentation belongs to it");
        assert_eq!(check(FILE, &[], &[10], None), "core unit::adds Changed 9", "a line is gone");
        for (added, cuts) in [(&[(1, 6)][..], &[][..]), (&[(13, 13)], &[]), (&[], &[6]), (&[], &[12])] {
            assert_eq!(check(FILE, added, cuts, None), "", "{added:?} {cuts:?}");
        }
    }

    #[test]
    fn a_test_is_added_where_all_of_it_is_new_or_the_base_does_not_have_it() {
        assert_eq!(check(FILE, &[(7, 12)], &[], None), "core unit::adds Added 9");
        assert_eq!(check(FILE, &[(9, 11)], &[], None), "core unit::adds Added 9", "its ends look like those of others");
        assert_eq!(check(FILE, &[(9, 12)], &[], Some(&all())), "core unit::adds Changed 9", "it was rewritten");
        assert_eq!(check(FILE, &[], &[], Some(&all()[1..])), "core a::unit::adds Added ?");
        assert_eq!(check(FILE, &[(10, 10)], &[], Some(&[])).matches("Added").count(), all().len());
    }

    #[test]
    fn functions_that_macros_make_tests_of_are_found() {
        assert_eq!(check(FILE, &[(17, 17)], &[], None), "core unit::holds Changed 16");
        assert_eq!(check(FILE, &[(22, 22)], &[], None), "core unit::fits::case_1_x Changed 23");
    }

    #[test]
    fn of_tests_with_one_name_those_are_meant_that_stand_where_the_file_is() {
        assert_eq!(check("crates/core/src/a.rs", &[(10, 10)], &[], None), "core a::unit::adds Changed 9");
        assert_eq!(check("crates/core/src/a/mod.rs", &[(10, 10)], &[], None), "core a::unit::adds Changed 9");
        assert_eq!(
            check("crates/core/tests/it/deep.rs", &[(10, 10)], &[], None),
            "core::it deep::unit::adds Changed 9"
        );
        assert_eq!(check("crates/core-extra/src/lib.rs", &[(10, 10)], &[], None), "core-extra unit::adds Changed 9");
        // A module can be in any file (`#[path]`): then all of the name are.
        assert_eq!(
            check("crates/core/src/odd.rs", &[(10, 10)], &[], None),
            "core a::unit::adds Changed 9; core unit::adds Changed 9; core::it deep::unit::adds Changed 9"
        );
        assert_eq!(check("crates/core/src/lib.txt", &[(10, 10)], &[], None), "");
        assert_eq!(check("src/lib.rs", &[(10, 10)], &[], None), "", "the root package has no such test");
    }

    #[test]
    fn a_touched_file_that_cant_be_parsed_is_told_where_it_speaks_of_tests() {
        let mut change = ChangeEvidence::default();
        change.added.insert("src/lib.rs".to_owned(), vec![(1, 1)]);
        let unread = |text: &str| {
            let source = |_: &str| Some(text.to_owned());
            changed_tests(&change, &[member("root", "")], &source, &[], None).unread
        };
        assert_eq!(unread("#[test]\nfn broken( {"), ["src/lib.rs"]);
        assert_eq!(unread("fn broken( {"), Vec::<String>::new());
        assert_eq!(unread("#[test]\nfn whole() {}"), Vec::<String>::new());
    }

    #[test]
    fn the_cases_of_a_function_are_named_after_it_and_a_module_of_its_name_is_another() {
        let function = Function { path: "unit::fits".into(), line: 1, span: (1, 2) };
        let check = |test| function.module_in(test);
        assert_eq!([check("unit::fits"), check("unit::fits::two"), check("unit::fits::x_1_1")], [Some(""); 3]);
        assert_eq!([check("a::unit::fits"), check("a::unit::fits::case_1::x_1_2")], [Some("a"); 2]);
        assert_eq!([check("unit::fits_not"), check("my_unit::fits"), check("fits"), check("")], [None; 4]);
        let tests = ids(&[("core", "unit::fits"), ("core", "unit::fits::two"), ("core", "unit::fits::x_1_1")]);
        let names = |tests: &[TestId]| {
            let meant = meant(&function, "core", "src/lib.rs", tests);
            meant.into_iter().map(|test| test.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&tests), ["unit::fits"]);
        assert_eq!(names(&tests[1..]), ["unit::fits::two", "unit::fits::x_1_1"]);
    }

    #[test]
    fn what_has_no_attribute_for_tests_is_none() {
        let of = |text: &str| {
            functions(text, Kind::Test).unwrap().into_iter().map(|function| function.path).collect::<Vec<_>>()
        };
        assert_eq!(
            of("#[test]\nfn a() {\n    #[test]\n    fn inner() {}\n}\nimpl X {\n    #[test]\n    fn b() {}\n}"),
            ["a"]
        );
        assert_eq!(of("#[cfg(feature = \"test\")]\nfn a() {}\nx! { fn }\ny! { fn z }"), Vec::<String>::new());
    }

    #[test]
    fn an_integration_test_is_named_by_its_file() {
        assert_eq!(home("tests/it.rs"), (Some("it"), String::new()));
        assert_eq!(home("tests/it/main.rs"), (Some("it"), String::new()));
        assert_eq!(home("tests/it/deep/er.rs"), (Some("it"), "deep::er".to_owned()));
        assert_eq!(home("src/a/b.rs"), (None, "a::b".to_owned()));
        assert_eq!(home("src/main.rs"), (None, String::new()));
        assert_eq!(home("benches/x.rs"), (None, "benches::x".to_owned()));
    }

    #[test]
    fn the_time_is_shared_between_ten_and_fifty_executions() {
        assert_eq!([wanted(60_000, 1, 0), wanted(60_000, 1, 1_200), wanted(60_000, 1, 1_201)], [50, 50, 49]);
        assert_eq!([wanted(60_000, 3, 1_000), wanted(60_000, 6, 1_000), wanted(60_000, 60, 1_000)], [20, 10, 10]);
        assert_eq!(wanted(60_000, 0, 5), 50);
    }
}
