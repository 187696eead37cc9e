//! Whether lines of a file can be covered at all, told from its text.

use super::test_spans;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// Whether one of these lines is in the body of a function that is no test code.
///
/// Files that hold declarations only have no coverage data, and none is missing. Of source that can't be parsed every line
/// counts: it may well be code.
pub fn has_code(source: &str, lines: &[(u32, u32)]) -> bool {
    let Ok(file) = syn::parse_file(source) else { return !lines.is_empty() };
    let mut bodies = Bodies(Vec::new());
    bodies.visit_file(&file);
    let tests = test_spans(source);
    let is_test = |body: &(u32, u32)| tests.iter().any(|test| test.0 <= body.0 && body.1 <= test.1);
    let touched = |body: &(u32, u32)| lines.iter().any(|line| line.0 <= body.1 && body.0 <= line.1);
    bodies.0.iter().any(|body| touched(body) && !is_test(body))
}

/// The first and the last line of every outermost block: functions, methods, closures in constants.
struct Bodies(Vec<(u32, u32)>);

impl<'ast> Visit<'ast> for Bodies {
    fn visit_block(&mut self, block: &'ast syn::Block) {
        let line = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let span = block.span();
        self.0.push((line(span.start().line), line(span.end().line)));
        visit::visit_block(self, block);
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn lines_of_functions_are_code_and_declarations_and_tests_are_not() {
        let source = "//! A module.\nmod a;\npub use a::B;\nstruct C {\n    d: u8,\n}\nimpl C {\n    fn e(&self) -> u8 {\n        \
                      self.d\n    }\n}\n#[cfg(test)]\nmod unit {\n    fn f() {\n        g();\n    }\n}\n";
        let check = |first, last| has_code(source, &[(first, last)]);
        assert_eq!([check(1, 7), check(11, 17)], [false, false]);
        assert_eq!([check(8, 8), check(9, 9), check(1, 100)], [true, true, true]);
        assert!(!has_code(source, &[]));
        assert!(has_code("fn broken( {", &[(1, 1)]), "what can't be read may be code");
    }
}
