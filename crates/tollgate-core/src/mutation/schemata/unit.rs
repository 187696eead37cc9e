//! Tests of the texts.

use super::*;
use proptest::prelude::*;

/// Where the switch is.
const AT: &str = "/d/a \"b\"/switch";

/// A mutant at `line:column`.
fn mutant(place: &str, genre: &str, replacement: &str) -> Mutant {
    let line = place.split(':').next().and_then(|line| line.parse().ok()).unwrap();
    Mutant {
        name: format!("src/lib.rs:{place}: replace it in f"),
        lines: (line, line),
        replacement: replacement.into(),
        genre: genre.into(),
        ..crate::mutation::mutant::mutant(line, genre, "x")
    }
}

fn put(source: &str, mutants: &[(&str, &str, &str)]) -> Option<Schemata> {
    let mutants: Vec<Mutant> = mutants.iter().map(|(place, genre, text)| mutant(place, genre, text)).collect();
    let numbered: Vec<(u32, &Mutant)> = (1..).zip(&mutants).collect();
    schemata(source, &numbered, AT)
}

/// The text without what every text gets, and with a short name for the switch.
fn shown(schemata: &Schemata) -> String {
    let text = schemata.text.replace("self::__tollgate_mutant(", "ON(");
    text.replace(ALLOW, "").replace(&choice(AT), "")
}

fn check(source: &str, mutants: &[(&str, &str, &str)], expect: &str) {
    let put = put(source, mutants).expect("one is in it");
    assert_eq!(shown(&put), expect);
    assert_eq!(put.ids.len(), mutants.len());
    syn::parse_file(&put.text).expect("it is Rust");
}

#[test]
fn the_path_of_the_switch_is_a_literal_and_the_switch_has_two_lines() {
    let text = choice(AT);
    assert!(text.contains(r#"read_to_string("/d/a \"b\"/switch")"#), "{text}");
    syn::parse_file(&text).expect("it is Rust");
    assert_eq!(switch(7, "/d/mark"), "7\n/d/mark\n");
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
        "fn f() -> u8 { (match ON(&[2, 1]) { 2 => (!a && b  ||  g(c + d)), 1 => (!a  ||  b && g(c + d)), _ => (\
         (match ON(&[4]) { 4 => (  a), _ => (!a) }) && b && g((match ON(&[3]) { 3 => (c  -  d), _ => (c + d) }))) }) }\n",
    );
}

#[test]
fn a_function_begins_with_what_it_returns_instead() {
    check(
        "fn f() -> u8 {\n    #![allow(x)]\n    // Why.\n    a + b\n}\n",
        &[("4:5", "FnValue", "0"), ("4:5", "FnValue", "1"), ("4:7", "BinaryOperator", "*")],
        "fn f() -> u8 {\n    #![allow(x)]\n    // Why.\n    match ON(&[1, 2]) { 1 => return (0), 2 => return (1), _ => {} } \
         (match ON(&[3]) { 3 => (a  *  b), _ => (a + b) })\n}\n",
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
        "fn f() { match x { A | B if ON(&[1]) == 0 => 1, C if (match ON(&[3, 2, 4]) { 3 => (true), 2 => (false), 4 => (d  !=  e), _ => (d == e) }) => 2, _ => 3 } }\n",
    );
}

#[test]
fn an_arm_without_which_a_value_has_none_is_not_deleted() {
    let source = "fn f() { match x { A => match y { C => 1, _ => 2 }, B if c == d => 3, _ if e => 4, B => 5 } }";
    let put = put(
        source,
        &[("1:20", "MatchArm", ""), ("1:35", "MatchArm", ""), ("1:53", "MatchArm", ""), ("1:84", "MatchArm", "")],
    );
    assert_eq!(put.expect("two are in it").ids, [2, 3]);
}

#[test]
fn a_field_is_deleted_with_its_comma_and_comments_are_no_part_of_a_mutant() {
    check(
        "fn f() {\n    S {\n        a: 1, // One.\n        b: \"x\",\n        ..s\n    }\n}\n",
        &[("3:9", "StructField", ""), ("4:9", "StructField", "")],
        "fn f() {\n    (match ON(&[1, 2]) { 1 => (S { b : \"x\" , .. s }), 2 => (S { a : 1 , .. s }), _ => (S {\n        a: 1, // One.\n        \
         b: \"x\",\n        ..s\n    }) })\n}\n",
    );
}

#[test]
fn the_switch_is_found_from_modules_within_the_file() {
    let source = "#![deny(unused)]\nmod a { mod b { fn f() -> u8 { 1 } } }\nfn g() -> u8 { 2 }";
    let found = put(source, &[("2:32", "FnValue", "0"), ("3:16", "FnValue", "0")]).expect("they are in it");
    let text = "#![deny(unused)]ALLOW\nmod a { mod b { fn f() -> u8 { match super::super::__tollgate_mutant(&[1]) { 1 => return (0), _ => {} } 1 } } }\n\
                fn g() -> u8 { match self::__tollgate_mutant(&[2]) { 2 => return (0), _ => {} } 2 }\nSWITCH";
    assert_eq!(found.text.replace(ALLOW, "ALLOW").replace(&choice(AT), "SWITCH"), text);
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
        shown(&found).contains("let C = d && (match ON(&[3]) { 3 => (e  -  0), _ => (e > 0) }) {}"),
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
        found.blamed([&(0..1), &(at..at + part.len())]).map(<[u32]>::to_vec)
    };
    let of = |ids: &[u32]| Some(ids.to_vec());
    assert_eq!(blamed("return (0"), of(&[1]));
    assert_eq!(blamed("a  -  g"), of(&[2]));
    assert_eq!(blamed("b * c) })"), of(&[3]));
    assert_eq!(blamed("a + g"), of(&[2]));
    assert_eq!(blamed("} (match"), of(&[1]));
    assert_eq!(blamed("9"), of(&[4]));
    assert_eq!(blamed("-> u8 { match"), of(&[4]));
    assert_eq!(blamed("fn f() -> u8"), of(&[1, 2, 3]));
    assert_eq!(blamed("}\nfn"), None);
}

#[test]
fn one_mutant_of_every_function_is_applied_where_nobody_else_sees_its_body() {
    let source = "fn f() -> u8 {\n    g(1 + 2)\n}\nimpl S { fn g(&self) -> u8 { 3 - 4 } }\nfn h() -> impl Iterator<Item = u8> { i(5 * 6) }\n\
                  async fn j() { k(7 + 8) }\nfn l() { fn m() -> u8 { 9 + 10 } m() + 11 }\nfn n(a: bool) -> bool { !a }\n";
    let mutants = [
        ("2:9", "BinaryOperator", "*"),
        ("2:5", "FnValue", "0"),
        ("4:32", "BinaryOperator", "/"),
        ("5:42", "BinaryOperator", "+"),
        ("6:20", "BinaryOperator", "-"),
        ("7:27", "BinaryOperator", "-"),
        ("7:38", "BinaryOperator", "-"),
        ("8:25", "UnaryOperator", ""),
    ];
    let mutants: Vec<Mutant> = mutants.iter().map(|(place, genre, text)| mutant(place, genre, text)).collect();
    let numbered: Vec<(u32, &Mutant)> = (1..).zip(&mutants).collect();
    let found = applied(source, &numbered).expect("some are in it");
    assert_eq!(found.ids, [1, 3, 6, 8]);
    let expected = source.replace("1 + 2", "1  *  2").replace("3 - 4", "3  /  4").replace("9 + 10", "9  -  10");
    assert_eq!(found.text, ALLOW.to_owned() + &expected.replace("!a", "  a"));
    let blamed = |part: &str| found.blamed([&(found.text.find(part).map(|at| at..at + 1).expect("there"))]);
    assert_eq!((blamed("1  *"), blamed("3  /")), (Some(&[1][..]), Some(&[3][..])));
    assert_eq!((blamed("impl"), blamed("m() +")), (None, None));
    let without: Vec<(u32, &Mutant)> = numbered.iter().copied().filter(|(id, _)| *id != 1).collect();
    let found = applied(source, &without).expect("some are in it");
    assert!(found.text.contains("fn f() -> u8 {\n    0\n}\n"), "{}", found.text);
    assert_eq!(applied(source, &numbered[3..5]), None);
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
        let found = schemata(&source, &numbered, AT).expect("the function is in it");
        prop_assert!(syn::parse_file(&found.text).is_ok(), "{}", found.text);
        let first = |text: &str| text.lines().map(|line| line.split("//").nth(1).map(str::to_owned)).collect::<Vec<_>>();
        prop_assert_eq!(found.text.lines().count(), source.lines().count() + 1);
        let (was, is) = (first(&source), first(&found.text));
        prop_assert_eq!(&is[..was.len()], &was[..]);
    }
}
