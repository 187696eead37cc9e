//! Mistakes in configuration files, and how they are shown.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;

/// Longest line of a note below a snippet; with the frame it fits 100 columns.
const NOTE_WIDTH: usize = 86;

/// A mistake in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What is known: the names or forms there are.
    pub notes: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
    span: Range<usize>,
}

impl Problem {
    /// A mistake in the bytes `span` of a file.
    pub(super) fn new(file: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
            notes: Vec::new(),
            hints: Vec::new(),
            span: start..end,
        }
    }

    /// Adds what is known.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds what to do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the name that was probably meant, where there is one.
    pub(super) fn meant(self, name: Option<&str>) -> Self {
        match name {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    fn group<'a>(&'a self, source: &'a str) -> Group<'a> {
        let snippet = Snippet::source(source)
            .path(self.file.as_str())
            .annotation(AnnotationKind::Primary.span(self.span.clone()));
        let notes = self.notes.iter().map(|note| Level::NOTE.message(wrapped(note)));
        let hints = self.hints.iter().map(|hint| Level::HELP.message(wrapped(hint)));
        Level::ERROR.primary_title(self.message.as_str()).element(snippet).elements(notes).elements(hints)
    }
}

fn wrapped(text: &str) -> String {
    tollgate_model::wrapped(text, NOTE_WIDTH).join("\n")
}

/// Every mistake that was found, file by file, in the order of the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    problems: Vec<Problem>,
    sources: Vec<(String, String)>,
}

impl Problems {
    pub(super) fn new(mut problems: Vec<Problem>, sources: Vec<(String, String)>) -> Self {
        let place = |problem: &Problem| sources.iter().position(|(name, _)| *name == problem.file);
        problems.sort_by_key(|problem| (place(problem), problem.span.start, problem.span.end));
        Self { problems, sources }
    }

    /// The mistakes.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }

    /// How many there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always at least one")]
    pub fn len(&self) -> usize {
        self.problems.len()
    }

    /// The mistakes with the lines they are in, as the compiler shows its own; `color` adds terminal styles.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let show = |problem: &Problem| renderer.render(&[problem.group(self.text(&problem.file))]);
        self.problems.iter().map(show).collect::<Vec<_>>().join("\n\n")
    }

    fn text(&self, file: &str) -> &str {
        self.sources.iter().find(|(name, _)| name == file).map_or("", |(_, text)| text)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_note_is_wrapped_where_a_line_would_be_longer_than_its_width() {
        let words = |last: usize| format!("{} {}", "a".repeat(40), "b".repeat(last));
        let fits = words(NOTE_WIDTH - 41);
        assert_eq!((fits.len(), wrapped(&fits)), (NOTE_WIDTH, fits.clone()));
        let longer = words(NOTE_WIDTH - 40);
        assert_eq!(wrapped(&longer), longer.replace(' ', "\n"));
    }
}
