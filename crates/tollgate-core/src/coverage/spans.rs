//! Test code inside source files: it is run by tests, so it would raise coverage and tell nothing.

use crate::history::sha256;
use proc_macro2::Span;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Meta, Token, TraitItem, punctuated::Punctuated};
use tollgate_model::FileCoverage;

/// The span that covers a file of any length.
const WHOLE_FILE: (u32, u32) = (1, u32::MAX);

/// The spans of lines (first, last, attributes included) that are compiled only for tests: items with `#[cfg(test)]` or
/// `#[cfg(all(test, ...))]` and functions with `#[test]` or the like.
///
/// Source that can't be parsed has no spans; the compiler has accepted it, so this is syntax from the future.
pub fn test_spans(source: &str) -> Vec<(u32, u32)> {
    TestCode::of(source).spans
}

/// Finds the test code of every file: its own spans, and files that are modules of test code (`#[cfg(test)] mod x;`).
///
/// `source` returns the text of a path relative to the workspace; it is asked for parents as well, since a file that holds
/// nothing but modules has no coverable line. Sources in `known` are not parsed; returned is what the next run may know.
pub fn mark_test_code(
    files: &mut [FileCoverage],
    source: &dyn Fn(&str) -> Option<String>,
    known: KnownSources,
) -> KnownSources {
    let mut sources = Sources { source, known, read: KnownSources::default(), digests: BTreeMap::new() };
    for file in files {
        file.test_spans = if sources.is_test_module(&file.path) {
            vec![WHOLE_FILE]
        } else {
            sources.read(&file.path).map(|code| code.spans.clone()).unwrap_or_default()
        };
    }
    sources.read
}

/// The test code of sources by the digest of their text, so that what has not changed since the last run is not parsed
/// again. It holds for the program that made it only: another one may see more in the same text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSources(BTreeMap<String, TestCode>);

/// The test code of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct TestCode {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    spans: Vec<(u32, u32)>,
    /// Modules in other files that only tests have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    modules: BTreeSet<String>,
}

impl TestCode {
    fn of(source: &str) -> Self {
        // Every attribute of test code has the word; most of the time is spent in parsing.
        let parsed = source.contains("test").then(|| syn::parse_file(source));
        let Some(Ok(file)) = parsed else { return Self::default() };
        if is_test_code(&file.attrs) {
            return Self { spans: vec![WHOLE_FILE], ..Self::default() };
        }
        let modules = file.items.iter().filter_map(|item| match item {
            Item::Mod(module) if module.content.is_none() && is_test_code(&module.attrs) => Some(module),
            _ => None,
        });
        let modules = modules.map(|module| module.ident.to_string()).collect();
        let mut spans = Spans(Vec::new());
        spans.visit_file(&file);
        Self { spans: spans.0, modules }
    }

    fn declares(&self, module: &str) -> bool {
        self.spans == [WHOLE_FILE] || self.modules.contains(module)
    }
}

/// The sources of a workspace, each read once.
struct Sources<'a> {
    source: &'a dyn Fn(&str) -> Option<String>,
    known: KnownSources,
    read: KnownSources,
    /// By path; none where there is no such file.
    digests: BTreeMap<String, Option<String>>,
}

impl Sources<'_> {
    fn read(&mut self, path: &str) -> Option<&TestCode> {
        if !self.digests.contains_key(path) {
            let digest = (self.source)(path).map(|text| {
                let digest = sha256(text.as_bytes());
                let known = self.known.0.remove(&digest);
                self.read.0.entry(digest.clone()).or_insert_with(|| known.unwrap_or_else(|| TestCode::of(&text)));
                digest
            });
            self.digests.insert(path.to_owned(), digest);
        }
        self.read.0.get(self.digests.get(path)?.as_ref()?)
    }

    /// Whether a parent of the module declares it, or one of its own parents, as test code. A parent is in the directory above, or
    /// its own parents are, so there is an end.
    fn is_test_module(&mut self, path: &str) -> bool {
        let Some((name, parents)) = parents(path) else { return false };
        parents.iter().any(|parent| {
            let declares = self.read(parent).map(|code| code.declares(name));
            declares.is_some_and(|declares| declares || self.is_test_module(parent))
        })
    }
}

/// The module's name and the files that may declare it: `src/a/b.rs` is `b`, declared by `src/a.rs` or `src/a/mod.rs`.
fn parents(path: &str) -> Option<(&str, Vec<String>)> {
    let (directory, file) = path.rsplit_once('/')?;
    let (directory, name) = match file.strip_suffix(".rs")? {
        "mod" => directory.rsplit_once('/')?,
        name => (directory, name),
    };
    if matches!(name, "lib" | "main") || directory.is_empty() {
        return None;
    }
    let inside = ["mod", "lib", "main"].map(|stem| format!("{directory}/{stem}.rs"));
    Some((name, [format!("{directory}.rs")].into_iter().chain(inside).filter(|parent| parent != path).collect()))
}

/// Collects the outermost spans of test code.
struct Spans(Vec<(u32, u32)>);

impl Spans {
    /// Takes the syntax if it is test code; returns whether it did.
    fn take(&mut self, attributes: &[Attribute], span: Span) -> bool {
        let is_test = is_test_code(attributes);
        if is_test {
            let line = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            self.0.push((line(span.start().line), line(span.end().line)));
        }
        is_test
    }
}

impl<'ast> Visit<'ast> for Spans {
    fn visit_item(&mut self, item: &'ast Item) {
        if !self.take(attributes(item), item.span()) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !self.take(attributes, item.span()) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attributes: &[Attribute] = match item {
            TraitItem::Const(item) => &item.attrs,
            TraitItem::Fn(item) => &item.attrs,
            TraitItem::Type(item) => &item.attrs,
            TraitItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !self.take(attributes, item.span()) {
            visit::visit_trait_item(self, item);
        }
    }
}

/// The attributes of an item, of those kinds that can hold code.
fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test_code(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => list.parse_args().is_ok_and(|meta| needs_test(&meta)),
        // `#[test]`, `#[tokio::test]`, and the same with arguments.
        meta => meta.path().segments.last().is_some_and(|segment| segment.ident == "test"),
    })
}

/// Whether a condition can hold only in a test build.
fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap_or_default();
            let all = list.path.is_ident("all") && parts.iter().any(needs_test);
            let any = list.path.is_ident("any") && !parts.is_empty() && parts.iter().all(needs_test);
            all || any
        }
        Meta::NameValue(_) => false,
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(source: &str, expect: &[(u32, u32)]) {
        assert_eq!(test_spans(source), expect, "{source}");
    }

    #[test]
    fn items_for_tests_are_spans_that_begin_with_their_attributes() {
        check("fn a() {}\n\n#[cfg(test)]\nmod unit {\n    #[test]\n    fn b() {}\n}\nfn c() {}\n", &[(3, 7)]);
        check("/// Doc.\n#[inline]\n#[cfg(test)]\nfn a() {\n}\n", &[(1, 5)]);
        check("#[cfg(all(test, unix))]\nfn a() {}\n", &[(1, 2)]);
        check("#[cfg(any(test))]\nfn a() {}\n", &[(1, 2)]);
        check("#[test]\nfn a() {}\n#[tokio::test(flavor = \"x\")]\nasync fn b() {}", &[(1, 2), (3, 4)]);
        check("impl A {\n    #[cfg(test)]\n    fn a() {}\n    fn b() {}\n}\n", &[(2, 3)]);
        check("trait A {\n    #[cfg(test)]\n    fn a() {}\n    const X: u8;\n}\n", &[(2, 3)]);
        check("mod a {\n    mod b {\n        #[cfg(test)]\n        mod c {}\n    }\n}\n", &[(3, 4)]);
        check("fn a() {\n    #[cfg(test)]\n    fn b() {}\n}\n", &[(2, 3)]);
        for outer in ["impl A", "trait A"] {
            check(
                &format!("{outer} {{\n    fn a() {{\n        #[cfg(test)]\n        fn b() {{}}\n    }}\n}}\n"),
                &[(3, 4)],
            );
        }
        check("#![cfg(test)]\nfn a() {}\n", &[(1, u32::MAX)]);
        for item in
            ["const A: u8 = 1;", "static A: u8 = 1;", "struct A;", "enum A {}", "impl A {}", "trait A {}", "a! {}"]
        {
            check(&format!("#[cfg(test)]\n{item}"), &[(1, 2)]);
        }
        for item in ["const A: u8 = 1;", "type A = u8;", "a! {}"] {
            check(&format!("impl A {{\n#[cfg(test)]\n{item}\n}}"), &[(2, 3)]);
            check(&format!("trait A {{\n#[cfg(test)]\n{item}\n}}"), &[(2, 3)]);
        }
    }

    #[test]
    fn production_code_is_no_span() {
        check("#[cfg(not(test))]\nfn a() {}\n", &[]);
        check("#[cfg(any(test, unix))]\nfn a() {}\n", &[]);
        check("#[cfg(feature = \"test\")]\nfn a() {}\n", &[]);
        check("#[cfg(all())]\nfn a() {}\n#[cfg(any())]\nfn b() {}\n", &[]);
        check("use a::b;\nextern crate test;\n", &[]);
        check("fn broken( {", &[]);
    }

    #[test]
    fn a_file_whose_parent_declares_it_for_tests_is_test_code() {
        let sources = |path: &str| {
            let text = match path {
                "c/src/lib.rs" => "#[cfg(test)] mod sample; mod a; #[cfg(test)] mod deep;",
                "c/src/main.rs" => "#[cfg(test)] mod lib;",
                "c/src/a/mod.rs" => "#[cfg(test)] mod only; mod b;",
                "c/src/deep.rs" => "mod er;",
                "c/src/deep/er/mod.rs" => "mod most;",
                "c/src/a/b.rs" => "fn a() {}\n#[cfg(test)]\nmod unit {}",
                "c/src/a/only.rs" | "c/src/sample.rs" | "c/src/deep/er/most.rs" => "fn a() {}",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let check = |path: &str, expect: &[(u32, u32)]| {
            let file =
                FileCoverage { path: path.into(), package: "c".into(), lines: Vec::new(), test_spans: Vec::new() };
            let mut files = [file];
            mark_test_code(&mut files, &sources, KnownSources::default());
            assert_eq!(files[0].test_spans, expect, "{path}");
        };
        check("c/src/sample.rs", &[WHOLE_FILE]);
        check("c/src/a/only.rs", &[WHOLE_FILE]);
        check("c/src/deep/er/most.rs", &[WHOLE_FILE]);
        check("c/src/deep/er/mod.rs", &[WHOLE_FILE]);
        check("c/src/a/b.rs", &[(2, 3)]);
        check("c/src/a/mod.rs", &[(1, 1)]);
        check("c/src/lib.rs", &[(1, 1), (1, 1)]);
        check("c/src/gone.rs", &[]);
        check("main.rs", &[]);
        check("c/src/notes.txt", &[]);
    }

    #[test]
    fn each_source_is_read_once() {
        let asked = std::cell::RefCell::new(Vec::new());
        let source = |path: &str| {
            asked.borrow_mut().push(path.to_owned());
            (path == "c/src/lib.rs").then(|| "#[cfg(test)] mod a; mod b;".to_owned())
        };
        let file = |name: &str| FileCoverage {
            path: format!("c/src/{name}.rs"),
            package: "c".into(),
            lines: Vec::new(),
            test_spans: Vec::new(),
        };
        mark_test_code(&mut ["a", "b", "lib", "c"].map(file), &source, KnownSources::default());
        let asked = asked.into_inner();
        let distinct: BTreeSet<&String> = asked.iter().collect();
        assert!(distinct.iter().any(|path| *path == "c/src/lib.rs"));
        assert_eq!(distinct.len(), asked.len(), "{asked:?}");
    }

    #[test]
    fn what_is_known_of_a_text_is_not_parsed_again_and_changed_text_is() {
        let mark = |text: &str, known: KnownSources| {
            let lines = Vec::new();
            let file = FileCoverage { path: "src/lib.rs".into(), package: "c".into(), lines, test_spans: Vec::new() };
            let mut files = [file];
            let known = mark_test_code(&mut files, &|path| (path == "src/lib.rs").then(|| text.to_owned()), known);
            (files[0].test_spans.clone(), known)
        };
        let (text, other) = ("#[cfg(test)]\nmod unit {}\n", "\n#[cfg(test)]\nmod unit {}\n");
        let (spans, mut known) = mark(text, KnownSources::default());
        assert_eq!(spans, [(1, 2)]);
        assert_eq!(mark(text, known.clone()), (spans, known.clone()));
        // What is remembered is what counts, so it was not parsed.
        known.0.values_mut().for_each(|code| code.spans = vec![(7, 8)]);
        assert_eq!(mark(text, known.clone()).0, [(7, 8)]);
        let (spans, newer) = mark(other, known.clone());
        assert_eq!(spans, [(2, 3)]);
        assert_eq!(newer.0.len(), 1, "what is no source any more is forgotten");
        let text = serde_json::to_string(&newer).expect("it can be written");
        assert_eq!(serde_json::from_str::<KnownSources>(&text).expect("it can be read"), newer);
    }
}
