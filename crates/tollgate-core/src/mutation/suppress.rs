//! Mutants that nobody wants to hear of, each with a reason.

use crate::coverage::glob_matches;
use serde::{Deserialize, Serialize};
use tollgate_model::Mutant;

/// What marks a line of source: `// tollgate: no-mutants(reason)`, on the line or the one above. What begins with a
/// replacement, as in ``no-mutants(`>=`: reason)``, is only about mutants that put it there. Without a reason it does nothing.
const MARK: &str = "tollgate: no-mutants(";

/// Mutants that are not tried, and why. What is absent holds for any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// A glob over files from the root of the workspace.
    pub file: Option<String>,
    /// The function, with its type: `Price::total`.
    pub function: Option<String>,
    /// What the mutant puts in place: `>=`.
    pub replacement: Option<String>,
    /// Why.
    pub reason: String,
}

impl Suppression {
    /// Whether it is about the mutant.
    pub fn holds(&self, mutant: &Mutant) -> bool {
        self.file.as_ref().is_none_or(|glob| glob_matches(glob, &mutant.file))
            && self.function.as_ref().is_none_or(|name| mutant.function.as_ref() == Some(name))
            && self.replacement.as_ref().is_none_or(|text| *text == mutant.replacement)
    }
}

/// The reason that stands next to the code, where one does: where the mutant begins, or at the line that it is a finding of.
pub fn in_source(source: &str, mutant: &Mutant, finding: u32) -> Option<String> {
    [mutant.lines.0, finding].into_iter().find_map(|line| beside(source, mutant, line))
}

/// The reason on a line or above it.
fn beside(source: &str, mutant: &Mutant, line: u32) -> Option<String> {
    let first = usize::try_from(line).ok()?.checked_sub(1)?;
    let lines: Vec<&str> = source.lines().collect();
    let marked = |line: &str| {
        let (replacement, reason) = mark(line)?;
        let is_meant = !reason.is_empty() && replacement.is_none_or(|replacement| replacement == mutant.replacement);
        is_meant.then(|| reason.to_owned())
    };
    let above = first.checked_sub(1).and_then(|above| lines.get(above)).filter(|line| line.trim().starts_with("//"));
    lines.get(first).and_then(|line| marked(line)).or_else(|| above.and_then(|line| marked(line)))
}

/// What a line's mark says: the one replacement that it is about, where there is one, and the reason, which may be lacking.
fn mark(line: &str) -> Option<(Option<&str>, &str)> {
    let (_, said) = line.split_once("//")?.1.split_once(MARK)?;
    let said = said.rsplit_once(')').map_or("", |(said, _)| said).trim();
    Some(match said.strip_prefix('`') {
        None => (None, said),
        Some(rest) => {
            let (replacement, reason) = rest.split_once('`').unwrap_or((rest, ""));
            (Some(replacement), reason.strip_prefix(':').unwrap_or_default().trim())
        }
    })
}

/// A place whose mutants cargo-mutants does not even list, for an attribute `mutants::skip`; or one with a mark that does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Skipped {
    /// The file, from the root of the workspace.
    pub file: String,
    /// The line of the attribute or mark, from 1.
    pub line: u32,
    /// What the comment on that line or the one above says, other than documentation.
    pub reason: Option<String>,
    /// Whether it is a mark `no-mutants`, which does nothing without a reason.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_idle: bool,
}

/// The places of a file that are skipped by an attribute, and those of marks that do nothing.
pub fn skipped(file: &str, source: &str) -> Vec<Skipped> {
    let comment = |text: &str| {
        let said = text.split_once("//")?.1;
        let said = said.trim();
        (!said.is_empty() && !said.starts_with(['/', '!'])).then(|| said.to_owned())
    };
    let mut above = "";
    let mut found = Vec::new();
    for (line, text) in (1..).zip(source.lines()) {
        let trimmed = text.trim();
        let is_attribute = trimmed.starts_with("#[") || trimmed.starts_with("#![");
        if is_attribute && trimmed.split("//").next().is_some_and(|code| code.contains("mutants::skip")) {
            let of_above = || if above.starts_with("//") { comment(above) } else { None };
            let reason = comment(trimmed).or_else(of_above);
            found.push(Skipped { file: file.to_owned(), line, reason, is_idle: false });
        } else if mark(text).is_some_and(|(_, reason)| reason.is_empty()) {
            found.push(Skipped { file: file.to_owned(), line, reason: None, is_idle: true });
        }
        above = trimmed;
    }
    found
}

#[cfg(test)]
mod unit {
    use super::super::mutant::mutant;
    use super::*;

    #[test]
    fn an_attribute_is_found_with_the_reason_next_to_it() {
        let source = "#[mutants::skip] // only a log\nfn a() {}\n// Slow.\n#[cfg_attr(test, mutants::skip)]\nfn b() {}\n\
            /// Documented.\n#[mutants::skip]\nfn c() {} // mutants::skip\nlet d = \"#[mutants::skip]\";\n    #![mutants::skip]\n";
        let found: Vec<_> = skipped("a.rs", source).into_iter().map(|skip| (skip.line, skip.reason)).collect();
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(found, [(1, said("only a log")), (4, said("Slow.")), (7, None), (10, None)]);
    }

    #[test]
    fn a_suppression_holds_where_all_that_it_names_is_so() {
        let of = |file: Option<&str>, function: Option<&str>, replacement: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let reason = "why".to_owned();
            let suppression =
                Suppression { file: text(file), function: text(function), replacement: text(replacement), reason };
            suppression.holds(&mutant(5, "BinaryOperator", "replace / with %"))
        };
        assert!(of(Some("src/*.rs"), Some("price"), Some("%")));
        assert!(of(None, Some("price"), None));
        assert!(!of(Some("tests/**"), Some("price"), Some("%")));
        assert!(!of(Some("src/*.rs"), Some("answer"), Some("%")));
        assert!(!of(None, None, Some("*")));
    }

    #[test]
    fn a_reason_stands_on_the_line_or_above_it() {
        let source = "fn a() {\n    // tollgate: no-mutants(only speed (mostly))\n    1 + 1;\n    2 + 2; // tollgate: no-mutants(log)\n    3 + 3;\n    4 + 4; // tollgate: no-mutants()\n}\n";
        let reason = |line| in_source(source, &mutant(line, "BinaryOperator", "replace + with -"), line);
        assert_eq!(reason(3).as_deref(), Some("only speed (mostly)"));
        assert_eq!(reason(4).as_deref(), Some("log"));
        assert_eq!([reason(1), reason(5), reason(6), reason(99), reason(0)], [None, None, None, None, None]);
        let mut body = mutant(1, "FnValue", "replace a with 0");
        body.lines = (1, 7);
        let found = [1, 4, 5].map(|finding| in_source(source, &body, finding));
        assert_eq!(found, [None, Some("log".to_owned()), None]);
        let source = "a < b // tollgate: no-mutants(`<=`: equal at the edge)";
        let of = |change| in_source(source, &mutant(1, "BinaryOperator", change), 1);
        assert_eq!(of("replace < with <=").as_deref(), Some("equal at the edge"));
        assert_eq!(of("replace < with >"), None);
        let with = |said: &str, change| {
            let source = format!("a < b // {MARK}{said}");
            let idle = skipped("a.rs", &source).iter().any(|skip| skip.is_idle && skip.reason.is_none());
            (in_source(&source, &mutant(1, "BinaryOperator", change), 1), idle)
        };
        let reason = |said: &str| (Some(said.to_owned()), false);
        assert_eq!(with("`<=`:equal)", "replace < with <="), reason("equal"));
        assert_eq!(with("`<=`:equal)", "replace < with >"), (None, false));
        assert_eq!(with("a log)", "replace < with >"), reason("a log"));
        for nothing in ["`<=`)", "`<=`: )", "`<=` equal)", "`<=", ")", " )", "a log"] {
            assert_eq!(with(nothing, "replace < with <="), (None, true), "{nothing}");
            assert_eq!(with(nothing, "replace < with >"), (None, true), "{nothing}");
        }
    }
}
