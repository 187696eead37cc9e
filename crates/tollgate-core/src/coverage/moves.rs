//! Where the lines of an old text are in a new one, from `git diff --unified=0`.

use super::blocks::{self, Line};
use crate::mutation::{DiffError, Hunk, hunk};
use camino::Utf8Path;
use std::collections::BTreeMap;

/// What became of the files that a diff names; all others are as they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moves {
    files: BTreeMap<String, Moved>,
    /// New places of lines of Rust files that were moved in a block, by old path and line.
    blocks: BTreeMap<String, BTreeMap<u32, (String, u32)>>,
}

/// What became of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Moved {
    /// Its path now; none where it is gone.
    to: Option<String>,
    hunks: Vec<Hunk>,
}

impl Moves {
    /// The path that a file of the old text has in the new one; none where it is gone.
    pub fn path<'a>(&'a self, path: &'a str) -> Option<&'a str> {
        self.files.get(path).map_or(Some(path), |file| file.to.as_deref())
    }

    /// Path and number that a line of the old text has in the new one; none where it was changed or taken away.
    pub fn line<'a>(&'a self, path: &'a str, line: u32) -> Option<(&'a str, u32)> {
        if let Some((path, line)) = self.blocks.get(path).and_then(|lines| lines.get(&line)) {
            return Some((path, *line));
        }
        let Some(file) = self.files.get(path) else { return Some((path, line)) };
        let mut now = i64::from(line);
        for hunk in &file.hunks {
            // An empty old side is named by the line before it.
            let first = hunk.old_start + u32::from(hunk.old_lines == 0);
            if line < first {
                break;
            }
            if line - first < hunk.old_lines {
                return None;
            }
            now += i64::from(hunk.new_lines) - i64::from(hunk.old_lines);
        }
        Some((file.to.as_deref()?, u32::try_from(now).ok()?))
    }
}

/// Reads a diff without context lines, with prefixes `a/` and `b/`, renames detected or not.
///
/// # Errors
/// Where a hunk's header is malformed.
pub fn moves(diff: &str) -> Result<Moves, DiffError> {
    let mut files: BTreeMap<String, Moved> = BTreeMap::new();
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (None, None);
    // Lines of the hunk that still come; they may look like a header. The next one of either side.
    let (mut left, mut old_next, mut new_next) = (0, 0, 0);
    for (index, text) in diff.lines().enumerate() {
        if left > 0 {
            if let Some(text) = text.strip_prefix('-') {
                (left, old_next) = (left - 1, old_next + 1);
                removed.extend(rust(old).map(|path| Line::new(path, old_next - 1, text)));
            } else if let Some(text) = text.strip_prefix('+') {
                (left, new_next) = (left - 1, new_next + 1);
                added.extend(rust(new).map(|path| Line::new(path, new_next - 1, text)));
            }
        } else if text.starts_with("diff --git ") {
            (old, new) = (None, None);
        } else if let Some(path) =
            text.strip_prefix("--- ").and_then(|path| path.strip_prefix("a/")).or(text.strip_prefix("rename from "))
        {
            old = Some(path.trim_end_matches('\t'));
        } else if let Some(path) = text.strip_prefix("+++ ").or(text.strip_prefix("rename to ")) {
            new = path.strip_prefix("b/").or(text.strip_prefix("rename to ")).map(|path| path.trim_end_matches('\t'));
            let Some(old) = old else { continue };
            files.entry(old.to_owned()).or_default().to = new.map(str::to_owned);
        } else if text.starts_with("@@ ") {
            let hunk = hunk(text).ok_or_else(|| DiffError { line: index + 1, text: text.to_owned() })?;
            (left, old_next, new_next) = (hunk.old_lines + hunk.new_lines, hunk.old_start, hunk.new_start);
            if let Some(file) = old.and_then(|old| files.get_mut(old)) {
                file.hunks.push(hunk);
            }
        }
    }
    let mut blocks: BTreeMap<String, BTreeMap<u32, (String, u32)>> = BTreeMap::new();
    for (from, to) in blocks::moved(&removed, &added) {
        blocks.entry(from.path.to_owned()).or_default().insert(from.number, (to.path.to_owned(), to.number));
    }
    Ok(Moves { files, blocks })
}

fn rust(path: Option<&str>) -> Option<&str> {
    path.filter(|path| Utf8Path::new(path).extension() == Some("rs"))
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(diff: &str, lines: &[(&str, u32)]) -> String {
        let moves = moves(diff).unwrap();
        let shown = |&(path, line): &(&str, u32)| match moves.line(path, line) {
            None => format!("{path}:{line} gone"),
            Some((to, now)) => format!("{path}:{line} {to}:{now}"),
        };
        lines.iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_line_moves_with_what_is_added_and_taken_away_above_it() {
        let diff = "diff --git a/a.rs b/a.rs\n--- a/a.rs\n+++ b/a.rs\n@@ -2,0 +3,2 @@\n+x\n+++ b/no.rs\n@@ -5,2 +8 @@ fn\n-y\n--- a/no.rs\n+z\n";
        let lines = [("a.rs", 2), ("a.rs", 3), ("a.rs", 4), ("a.rs", 5), ("a.rs", 6), ("a.rs", 7), ("b.rs", 9)];
        assert_eq!(
            check(diff, &lines),
            "a.rs:2 a.rs:2, a.rs:3 a.rs:5, a.rs:4 a.rs:6, a.rs:5 gone, a.rs:6 gone, a.rs:7 a.rs:8, b.rs:9 b.rs:9"
        );
    }

    #[test]
    fn a_line_goes_with_its_file() {
        let renamed = "diff --git a/a.rs b/b.rs\nsimilarity index 100%\nrename from a.rs\nrename to b.rs\n";
        assert_eq!(check(renamed, &[("a.rs", 4)]), "a.rs:4 b.rs:4");
        let changed = "diff --git a/a.rs b/b.rs\nsimilarity index 90%\nrename from a.rs\nrename to b.rs\n--- a/a.rs\n+++ b/b.rs\n@@ -1 +0,0 @@\n-x\n";
        assert_eq!(check(changed, &[("a.rs", 1), ("a.rs", 2)]), "a.rs:1 gone, a.rs:2 b.rs:1");
        let gone =
            "diff --git a/a.rs b/a.rs\ndeleted file mode 100644\n--- a/a.rs\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-x\n-y\n";
        assert_eq!(check(gone, &[("a.rs", 1), ("a.rs", 9)]), "a.rs:1 gone, a.rs:9 gone");
        let new = "diff --git a/n.rs b/n.rs\nnew file mode 100644\n--- /dev/null\n+++ b/n.rs\n@@ -0,0 +1 @@\n+x\n";
        assert_eq!(check(&format!("{new}{gone}"), &[("n.rs", 1), ("a.rs", 1)]), "n.rs:1 n.rs:1, a.rs:1 gone");
    }

    #[test]
    fn a_block_that_was_moved_is_where_it_is_now() {
        let body = ["fn price(cents: u32) {", "    all_of(cents);", "    and_more();"];
        let side =
            |sign: &str, count: usize| -> String { body[..count].iter().flat_map(|line| [sign, line, "\n"]).collect() };
        let taken = format!("diff --git a/a.rs b/a.rs\n--- a/a.rs\n+++ b/a.rs\n@@ -4,3 +3,0 @@\n{}", side("-", 3));
        let new = |path: &str, count: usize| {
            format!(
                "diff --git a/{path} b/{path}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{count} @@\n{}",
                side("+", count)
            )
        };
        let diff = format!("{taken}{}", new("n.rs", 3));
        let lines = [("a.rs", 3), ("a.rs", 4), ("a.rs", 6), ("a.rs", 7)];
        assert_eq!(check(&diff, &lines), "a.rs:3 a.rs:3, a.rs:4 n.rs:1, a.rs:6 n.rs:3, a.rs:7 a.rs:4");
        let gone = "a.rs:4 gone, a.rs:5 gone";
        assert_eq!(check(&format!("{taken}{}", new("n.rs", 2)), &[("a.rs", 4), ("a.rs", 5)]), gone);
        let text = diff.replace("n.rs", "n.txt");
        assert_eq!(check(&text, &[("a.rs", 4), ("a.rs", 5)]), gone);
    }

    #[test]
    fn a_broken_header_is_named() {
        assert_eq!(moves("--- a/a\n+++ b/a\n@@ -x +1 @@\n").unwrap_err().line, 3);
    }
}
