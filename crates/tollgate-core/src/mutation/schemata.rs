//! Many mutants in one text, each behind a switch (mutant schemata; Untch, Offutt and Harrold, 1993).
//!
//! A mutated expression becomes a choice between what was there and its mutants, a mutated function begins with one, and a
//! deleted arm of a `match` gets a condition. The variable `TOLLGATE_MUTANT` of the process says which mutant is on; without
//! it none is, and the text does what it did. So many mutants cost one build.
//!
//! What is concluded from such a build is little: a test that fails while a mutant is on, and passes while none is, has
//! noticed it, since it ran the mutated code (but for one that looks at lines in a mutant of several lines, which are one in it). A mutant that no test notices here may still be one that the switch does not reach, in
//! a process whose environment was cleared, in a constant, at compile time; so it is no survivor until it was tried by itself.
//!
//! No line moves: a text has its line breaks where it had them, so that panics and `line!` speak of the same lines. Columns do
//! move.

mod sites;

use sites::{Kind, Site, sites};
use std::fmt::Write as _;
use std::ops::Range;
use tollgate_model::Mutant;

/// The variable that says which mutant is on.
pub const SWITCH_VARIABLE: &str = "TOLLGATE_MUTANT";

/// Lints that what is written here would set off, and that a crate may have made errors.
const ALLOW: &str = "#![allow(warnings, unused, unused_extern_crates, unused_qualifications)] ";

/// The function that every rewritten file ends with. It needs nothing of its crate, also where that does without `std`.
const SWITCH: &str = "#[doc(hidden)] fn __tollgate_mutant() -> u32 { extern crate std as tollgate_std; \
    static ON: tollgate_std::sync::OnceLock<u32> = tollgate_std::sync::OnceLock::new(); \
    *ON.get_or_init(|| tollgate_std::env::var(\"TOLLGATE_MUTANT\").ok().and_then(|id| id.parse().ok()).unwrap_or(0)) }";

/// A text with mutants behind switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schemata {
    /// The text.
    pub text: String,
    /// The mutants that are in it.
    pub ids: Vec<u32>,
    places: Vec<Place>,
}

/// Bytes of the text that are there for these mutants.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    bytes: Range<usize>,
    ids: Vec<u32>,
}

impl Schemata {
    /// The mutants that a compiler's error at these places is about, its own first and then those of macros around it: the
    /// mutants of the innermost site around the first that is in one, all of the file where none is.
    pub fn blamed<'a>(&self, places: impl IntoIterator<Item = &'a Range<usize>>) -> &[u32] {
        let found = places.into_iter().find_map(|bytes| {
            let holds = |place: &&Place| place.bytes.start <= bytes.start && bytes.end <= place.bytes.end;
            self.places.iter().filter(holds).min_by_key(|place| place.bytes.len())
        });
        found.map_or(&self.ids, |place| &place.ids)
    }
}

/// Puts mutants of a file into its text, each under its number, which is not 0. Those that can't be expressed are left out;
/// none is there where none can be.
pub fn schemata(source: &str, mutants: &[(u32, &Mutant)]) -> Option<Schemata> {
    // Places in such a file are counted in two ways.
    if source.starts_with('\u{feff}') || (source.starts_with("#!") && !source.starts_with("#![")) {
        return None;
    }
    let file = syn::parse_file(source).ok()?;
    let sites = sites(&file, source, mutants);
    let mut ids: Vec<u32> =
        sites.iter().flat_map(|site| &site.alternatives).map(|alternative| alternative.id).collect();
    ids.sort_unstable();
    let mut writer = Writer { source, at: 0, text: String::new(), places: Vec::new() };
    writer.copy(sites::preamble_end(&file));
    writer.text += ALLOW;
    writer.sites(&sites);
    if !source.ends_with('\n') {
        // A comment may be the last thing that is said.
        writer.text.push('\n');
    }
    writer.text += SWITCH;
    (!ids.is_empty()).then_some(Schemata { text: writer.text, ids, places: writer.places })
}

/// Copies a text and writes sites in it.
struct Writer<'a> {
    source: &'a str,
    /// So far it is copied.
    at: usize,
    text: String,
    places: Vec<Place>,
}

impl<'a> Writer<'a> {
    /// Copies up to there.
    fn copy(&mut self, to: usize) {
        self.text += &self.source[self.at..to];
        self.at = to;
    }

    /// Writes sites, which come in order and either don't touch or lie within each other, and the rest of the text.
    fn sites(&mut self, sites: &'a [Site]) {
        let mut open: Vec<(&Site, usize)> = Vec::new();
        for site in sites {
            while let Some((outer, began)) = open.pop_if(|(outer, _)| outer.range.end <= site.range.start) {
                self.close(outer, began);
            }
            self.copy(site.range.start);
            open.push((site, self.text.len()));
            self.open(site);
        }
        while let Some((outer, began)) = open.pop() {
            self.close(outer, began);
        }
        self.copy(self.source.len());
    }

    fn open(&mut self, site: &Site) {
        let (head, how, tail) = match site.kind {
            Kind::Body => ("match ", " => return (", " _ => {} } "),
            // An arm ends where something with braces does, so it has parentheses.
            Kind::Expression => ("(match ", " => (", " _ => ("),
            Kind::Pattern => return,
        };
        // Writing to a string can't fail.
        let _ = write!(self.text, "{head}{} {{", site.switch);
        for alternative in &site.alternatives {
            let began = self.text.len();
            let _ = write!(self.text, " {}{how}{}),", alternative.id, alternative.text);
            self.place(began, vec![alternative.id]);
        }
        self.text += tail;
    }

    fn close(&mut self, site: &Site, began: usize) {
        self.copy(site.range.end);
        match site.kind {
            Kind::Body => {}
            Kind::Expression => self.text += ") })",
            Kind::Pattern => {
                let off: Vec<String> =
                    site.alternatives.iter().map(|one| format!("{} != {}", site.switch, one.id)).collect();
                let _ = write!(self.text, " if {}", off.join(" && "));
            }
        }
        self.place(began, site.alternatives.iter().map(|alternative| alternative.id).collect());
    }

    fn place(&mut self, began: usize, ids: Vec<u32>) {
        self.places.push(Place { bytes: began..self.text.len(), ids });
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;

    /// A mutant at `line:column`.
    fn mutant(place: &str, genre: &str, replacement: &str) -> Mutant {
        let line = place.split(':').next().and_then(|line| line.parse().ok()).unwrap();
        Mutant {
            name: format!("src/lib.rs:{place}: replace it in f"),
            lines: (line, line),
            replacement: replacement.into(),
            genre: genre.into(),
            ..super::super::mutant::mutant(line, genre, "x")
        }
    }

    fn put(source: &str, mutants: &[(&str, &str, &str)]) -> Option<Schemata> {
        let mutants: Vec<Mutant> = mutants.iter().map(|(place, genre, text)| mutant(place, genre, text)).collect();
        let numbered: Vec<(u32, &Mutant)> = (1..).zip(&mutants).collect();
        schemata(source, &numbered)
    }

    /// The text without what every text gets, and with a short name for the switch.
    fn shown(schemata: &Schemata) -> String {
        let text = schemata.text.replace("self::__tollgate_mutant()", "ON");
        text.replace(ALLOW, "").replace(SWITCH, "")
    }

    fn check(source: &str, mutants: &[(&str, &str, &str)], expect: &str) {
        let put = put(source, mutants).expect("one is in it");
        assert_eq!(shown(&put), expect);
        assert_eq!(put.ids.len(), mutants.len());
        syn::parse_file(&put.text).expect("it is Rust");
    }

    #[test]
    fn the_switch_reads_the_variable_that_trials_set() {
        assert!(SWITCH.contains(&format!("var(\"{SWITCH_VARIABLE}\")")));
    }

    #[test]
    fn operators_up_to_parentheses_are_one_choice() {
        check(
            "fn f() -> u8 { !a && b && g(c + d) }\n",
            &[
                ("1:19", "BinaryOperator", "||"),
                ("1:24", "BinaryOperator", "||"),
                ("1:31", "BinaryOperator", "-"),
                ("1:16", "UnaryOperator", ""),
            ],
            "fn f() -> u8 { (match ON { 2 => (!a && b  ||  g(c + d)), 1 => (!a  ||  b && g(c + d)), _ => (\
             (match ON { 4 => (  a), _ => (!a) }) && b && g((match ON { 3 => (c  -  d), _ => (c + d) }))) }) }\n",
        );
    }

    #[test]
    fn a_function_begins_with_what_it_returns_instead() {
        check(
            "fn f() -> u8 {\n    #![allow(x)]\n    // Why.\n    a + b\n}\n",
            &[("4:5", "FnValue", "0"), ("4:5", "FnValue", "1"), ("4:7", "BinaryOperator", "*")],
            "fn f() -> u8 {\n    #![allow(x)]\n    // Why.\n    match ON { 1 => return (0), 2 => return (1), _ => {} } \
             (match ON { 3 => (a  *  b), _ => (a + b) })\n}\n",
        );
    }

    #[test]
    fn an_arm_is_deleted_by_a_condition_and_a_guard_is_replaced() {
        check(
            "fn f() { match x { A | B => 1, C if d == e => 2, _ => 3 } }",
            &[
                ("1:20", "MatchArm", ""),
                ("1:32", "MatchArm", ""),
                ("1:37", "MatchArmGuard", "true"),
                ("1:39", "BinaryOperator", "!="),
            ],
            "fn f() { match x { A | B if ON != 1 => 1, C if (match ON { 3 => (true), 2 => (false), 4 => (d  !=  e), _ => (d == e) }) => 2, _ => 3 } }\n",
        );
    }

    #[test]
    fn a_field_is_deleted_with_its_comma_and_comments_are_no_part_of_a_mutant() {
        check(
            "fn f() {\n    S {\n        a: 1, // One.\n        b: \"x\",\n        ..s\n    }\n}\n",
            &[("3:9", "StructField", ""), ("4:9", "StructField", "")],
            "fn f() {\n    (match ON { 1 => (S { b : \"x\" , .. s }), 2 => (S { a : 1 , .. s }), _ => (S {\n        a: 1, // One.\n        \
             b: \"x\",\n        ..s\n    }) })\n}\n",
        );
    }

    #[test]
    fn the_switch_is_found_from_modules_within_the_file() {
        let source = "#![deny(unused)]\nmod a { mod b { fn f() -> u8 { 1 } } }\nfn g() -> u8 { 2 }";
        let found = put(source, &[("2:32", "FnValue", "0"), ("3:16", "FnValue", "0")]).expect("they are in it");
        let text = "#![deny(unused)]ALLOW\nmod a { mod b { fn f() -> u8 { match super::super::__tollgate_mutant() { 1 => return (0), _ => {} } 1 } } }\n\
                    fn g() -> u8 { match self::__tollgate_mutant() { 2 => return (0), _ => {} } 2 }\nSWITCH";
        assert_eq!(found.text.replace(ALLOW, "ALLOW").replace(SWITCH, "SWITCH"), text);
    }

    #[test]
    fn what_the_compiler_computes_and_what_is_no_value_is_left_out() {
        let source = "const A: u8 = 1 + 2;\nconst fn f() -> u8 { 1 + 2 }\nimpl S { const B: u8 = 1 + 2; }\nfn g() { if a && b && let C = d && e > 0 {} }\n\
                      fn h() { a == \"x\ny\" }\n";
        let operator = |place| (place, "BinaryOperator", "-");
        assert_eq!(put(source, &["1:17", "2:24", "3:26", "4:15", "4:20", "5:12"].map(operator)), None);
        let found = put(source, &["1:17", "4:15", "4:38"].map(operator)).expect("one is in it");
        assert_eq!(found.ids, [3]);
        assert!(
            shown(&found).contains("let C = d && (match ON { 3 => (e  -  0), _ => (e > 0) }) {}"),
            "{}",
            found.text
        );
        assert_eq!(put("fn no_rust( {", &[operator("1:1")]), None);
        assert_eq!(put("#!/bin/x\nfn f() { a + b }", &[operator("2:12")]), None);
    }

    #[test]
    fn an_error_is_about_the_innermost_place_around_it() {
        let source = "fn f() -> u8 { a + g(b * c) }\nfn g() -> u8 { 1 }\n";
        let mutants = [
            ("1:16", "FnValue", "0"),
            ("1:18", "BinaryOperator", "-"),
            ("1:24", "BinaryOperator", "/"),
            ("2:16", "FnValue", "9"),
        ];
        let found = put(source, &mutants).expect("they are in it");
        let blamed = |part: &str| {
            let at = found.text.rfind(part).expect("it is there");
            found.blamed([&(0..1), &(at..at + part.len())]).to_vec()
        };
        assert_eq!(blamed("return (0"), [1]);
        assert_eq!(blamed("a  -  g"), [2]);
        assert_eq!(blamed("b * c) })"), [3]);
        assert_eq!(blamed("a + g"), [2]);
        assert_eq!(blamed("} (match"), [1]);
        assert_eq!(blamed("9"), [4]);
        assert_eq!(blamed("fn g()"), [1, 2, 3, 4]);
    }

    /// Expressions with operators, and line breaks where there may be some.
    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![Just("a"), Just("b()"), Just("c.d"), Just("\"x\""), Just("1.0")].prop_map(str::to_owned);
        leaf.prop_recursive(4, 24, 3, |inner| {
            let gap = prop_oneof![Just(" "), Just("\n"), Just(" // Why.\n")];
            let operator = prop_oneof![Just("+"), Just("&&"), Just("=="), Just("*")];
            prop_oneof![
                (inner.clone(), gap, operator, inner.clone()).prop_map(|(a, gap, op, b)| format!("{a}{gap}{op} {b}")),
                inner.clone().prop_map(|a| format!("({a})")),
                inner.clone().prop_map(|a| format!("!f({a})")),
                (inner.clone(), inner).prop_map(|(a, b)| format!("match {a} {{ A => {b}, _ => 0 }}")),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_rust_with_its_line_breaks_where_they_were(expression in expression()) {
            let source = format!("fn f() -> u8 {{\n    {expression}\n}}\n");
            prop_assume!(syn::parse_file(&source).is_ok());
            let mut mutants = Vec::new();
            for (line, text) in (1..).zip(source.lines()) {
                for column in 1..=text.len() {
                    for (genre, replacement) in
                        [("FnValue", "0"), ("BinaryOperator", "||"), ("UnaryOperator", ""), ("MatchArm", "")]
                    {
                        mutants.push(mutant(&format!("{line}:{column}"), genre, replacement));
                    }
                }
            }
            let numbered: Vec<(u32, &Mutant)> = (1..).zip(&mutants).collect();
            let found = schemata(&source, &numbered).expect("the function is in it");
            prop_assert!(syn::parse_file(&found.text).is_ok(), "{}", found.text);
            let first = |text: &str| text.lines().map(|line| line.split("//").nth(1).map(str::to_owned)).collect::<Vec<_>>();
            prop_assert_eq!(found.text.lines().count(), source.lines().count() + 1);
            let (was, is) = (first(&source), first(&found.text));
            prop_assert_eq!(&is[..was.len()], &was[..]);
        }
    }
}
