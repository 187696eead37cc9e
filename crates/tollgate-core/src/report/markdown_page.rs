//! A page of markdown that never grows too long, and text that can't break out of it.

use super::text::{OUTPUT_MAX, clean, clip, head_and_tail};
use crate::judge::words::count;

/// Bytes of a whole summary: GitHub refuses one of more than 1 MiB altogether.
pub(super) const PAGE_MAX: usize = 1_000_000;

/// Characters of a cell.
pub(super) const CELL_MAX: usize = 600;

/// The page so far and what had to be left out of it.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
    cut: Vec<String>,
}

impl Page {
    pub(super) fn push(&mut self, block: &str) -> bool {
        // What is cut is told below the page, which takes room as well.
        let fits = self.text.len() + block.len() <= PAGE_MAX;
        if fits {
            self.text += block;
        }
        fits
    }

    /// Whole blocks as long as there is room for them.
    pub(super) fn blocks(&mut self, blocks: impl Iterator<Item = String>, limit: usize, noun: &str) {
        let mut cut = 0;
        for block in blocks {
            cut += u64::from(cut > 0 || self.text.len() + block.len() > limit || !self.push(&block));
        }
        if cut > 0 {
            self.cut.push(count(cut, noun));
        }
    }

    pub(super) fn table(&mut self, head: &str, rows: impl Iterator<Item = String>, room: usize, noun: &str) {
        if self.push(head) {
            self.blocks(rows, self.text.len() + room, noun);
        }
    }

    pub(super) fn finish(mut self) -> String {
        if !self.cut.is_empty() {
            let cut = self.cut.join(", ");
            let note =
                format!("\n> Left out for want of room: {cut}. All of it is in report.html and evidence.json.\n");
            self.text += &note;
        }
        self.text
    }
}

/// Text that means nothing in markdown or HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '\n' | '\t' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '#' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

pub(super) fn cell(text: &str) -> String {
    escape(&clip(text, CELL_MAX))
}

/// Text within HTML tags of a page, where markdown still holds.
pub(super) fn html(text: &str) -> String {
    // Character references are not markdown, backslashes might not be either.
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | ':' | '-' | '.' | ',' | '(' | ')' | '/' | '=' | '\'') {
            escaped.push(c);
        } else if !c.is_control() {
            let code = u32::from(c).to_string();
            escaped.extend(["&#", &code, ";"]);
        }
    }
    escaped
}

/// A block of text as it is: within `<pre>` nothing is markdown, whatever it holds.
pub(super) fn pre(text: &str) -> String {
    let text = head_and_tail(&clean(text), OUTPUT_MAX).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<pre>{text}</pre>\n")
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_breaks_out_of_a_cell_or_a_block(text: String) {
            let cell = cell(&text);
            prop_assert!(!cell.contains(['<', '>', '\n']));
            let mut previous = ' ';
            for c in cell.chars() {
                prop_assert!(!matches!(c, '|' | '`') || previous == '\\');
                previous = if previous == '\\' { ' ' } else { c };
            }
            prop_assert_eq!(pre(&text).matches('<').count(), 2);
            prop_assert!(!html(&text).contains(['<', '>', '*', '_', '`', '|', '\n']));
        }
    }
}
