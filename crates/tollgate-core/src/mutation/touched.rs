//! Lines that a change touches, from `git diff`.

use std::collections::{BTreeMap, BTreeSet};

/// Touched lines of the new text, by file from the root of the workspace.
pub type Touched = BTreeMap<String, BTreeSet<u32>>;

/// A diff that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the diff is not a hunk's header: `{text}`")]
pub struct DiffError {
    /// Line of the diff, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
}

/// Reads a unified diff with any context, also none. Where lines were only taken away, their neighbours are touched.
///
/// # Errors
/// Where a hunk's header is malformed.
pub fn touched(diff: &str) -> Result<Touched, DiffError> {
    read(diff, true)
}

/// Reads a unified diff as [`touched`] does, without the neighbours of lines that were taken away.
///
/// # Errors
/// Where a hunk's header is malformed.
pub fn added(diff: &str) -> Result<Touched, DiffError> {
    read(diff, false)
}

/// Lines after which a diff without context only takes lines away, by file of the new text; 0 is before the first. What is
/// malformed is left out: [`added`] names it.
pub fn cuts(diff: &str) -> BTreeMap<String, Vec<u32>> {
    let mut cuts: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let mut file: Option<&str> = None;
    // Lines of the hunk that still come; they may look like a header.
    let mut left = 0;
    for text in diff.lines() {
        if left > 0 {
            left -= u32::from(text.starts_with(['+', '-']));
        } else if let Some(name) = text.strip_prefix("+++ ") {
            file = name.strip_prefix("b/").map(|name| name.trim_end_matches('\t'));
        } else if let Some(hunk) = text.strip_prefix("@@ ").and_then(|_| hunk(text)) {
            left = hunk.old_lines + hunk.new_lines;
            if let Some(file) = file.filter(|_| hunk.new_lines == 0) {
                cuts.entry(file.to_owned()).or_default().push(hunk.new_start);
            }
        }
    }
    cuts
}

fn read(diff: &str, neighbours: bool) -> Result<Touched, DiffError> {
    let mut files = Touched::new();
    let mut file: Option<String> = None;
    // Lines of the old and the new text that the hunk still has, and the next one of the new text.
    let (mut old_left, mut new_left, mut next) = (0, 0, 0);
    for (index, text) in diff.lines().enumerate() {
        if old_left == 0 && new_left == 0 {
            if let Some(name) = text.strip_prefix("+++ ") {
                file = name.strip_prefix("b/").map(|name| name.trim_end_matches('\t').to_owned());
            } else if text.starts_with("@@ ") {
                let hunk = hunk(text).ok_or_else(|| DiffError { line: index + 1, text: text.to_owned() })?;
                (old_left, next, new_left) = (hunk.old_lines, hunk.new_start, hunk.new_lines);
                // An empty new side is named by the line before it.
                next += u32::from(new_left == 0);
            }
            continue;
        }
        let Some(lines) = file.as_ref().map(|file| files.entry(file.clone()).or_default()) else {
            // The file is gone: nothing of it can be mutated.
            (old_left, new_left) = left(text, old_left, new_left);
            continue;
        };
        match text.as_bytes().first() {
            Some(b'+') => {
                lines.insert(next);
                next += 1;
            }
            Some(b'-') if !neighbours => {}
            Some(b'-') => lines.extend([next.saturating_sub(1), next].into_iter().filter(|line| *line > 0)),
            Some(b'\\') => continue,
            _ => next += 1,
        }
        (old_left, new_left) = left(text, old_left, new_left);
    }
    Ok(files)
}

fn left(text: &str, old: u32, new: u32) -> (u32, u32) {
    match text.as_bytes().first() {
        Some(b'+') => (old, new.saturating_sub(1)),
        Some(b'-') => (old.saturating_sub(1), new),
        Some(b'\\') => (old, new),
        _ => (old.saturating_sub(1), new.saturating_sub(1)),
    }
}

/// The header of a hunk: first line and number of lines of either side. A side without lines is named by the line before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hunk {
    pub(crate) old_start: u32,
    pub(crate) old_lines: u32,
    pub(crate) new_start: u32,
    pub(crate) new_lines: u32,
}

/// Reads `@@ -3,2 +4 @@ fn x`.
pub(crate) fn hunk(text: &str) -> Option<Hunk> {
    let mut words = text.split(' ').skip(1);
    let range = |word: &str, sign: char| {
        let (start, count) = word.strip_prefix(sign)?.split_once(',').unwrap_or((&word[1..], "1"));
        Some((start.parse::<u32>().ok()?, count.parse::<u32>().ok()?))
    };
    let (old_start, old_lines) = range(words.next()?, '-')?;
    let (new_start, new_lines) = range(words.next()?, '+')?;
    Some(Hunk { old_start, old_lines, new_start, new_lines })
}

#[cfg(test)]
mod unit {
    use super::*;

    fn shown(diff: &str) -> String {
        touched(diff).map_or_else(|error| error.to_string(), |files| format!("{files:?}"))
    }

    #[test]
    fn added_lines_are_touched_and_context_is_not() {
        let diff = "diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -3,3 +3,4 @@ fn x\n same\n-old\n+new\n+--- more\n same\n@@ -20,0 +22,2 @@\n+a\n+b\n\
                    diff --git a/b.rs b/b.rs\n--- a/b.rs\n+++ b/b.rs\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n\\ No newline at end of file\n";
        assert_eq!(shown(diff), r#"{"b.rs": {1}, "src/a.rs": {3, 4, 5, 22, 23}}"#);
    }

    #[test]
    fn where_lines_are_gone_their_neighbours_are_touched() {
        assert_eq!(shown("--- a/a.rs\n+++ b/a.rs\n@@ -5,2 +4,0 @@\n-x\n-y\n"), r#"{"a.rs": {4, 5}}"#);
        assert_eq!(shown("--- a/a.rs\n+++ b/a.rs\n@@ -1 +0,0 @@\n-x\n"), r#"{"a.rs": {1}}"#);
        let added = added("--- a/a.rs\n+++ b/a.rs\n@@ -5,2 +4,0 @@\n-x\n-y\n@@ -9 +7,2 @@\n-x\n+y\n+z\n").unwrap();
        assert_eq!(format!("{added:?}"), r#"{"a.rs": {7, 8}}"#, "but they are not added");
        assert_eq!(shown("--- a/a.rs\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-x\n-y\n"), "{}");
    }

    #[test]
    fn where_lines_are_gone_and_none_came_is_told_by_the_line_before() {
        let diff = "--- a/a.rs\n+++ b/a.rs\n@@ -5,2 +4,0 @@\n-x\n-@@ -1 +0,0 @@\n@@ -9 +7,2 @@\n-x\n+y\n+z\n@@ -20 +18,0 @@\n-x\n\
                    --- a/gone.rs\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
        assert_eq!(format!("{:?}", cuts(diff)), r#"{"a.rs": [4, 18]}"#);
    }

    #[test]
    fn an_empty_diff_touches_nothing_and_a_broken_one_is_named() {
        assert_eq!(shown(""), "{}");
        assert_eq!(shown("+++ b/a.rs\n@@ -x +1 @@\n"), "line 2 of the diff is not a hunk's header: `@@ -x +1 @@`");
    }
}
