//! Applying a unified diff of one file.

use std::fmt;

/// A diff that is not about this text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchError {
    /// Line of the text, from 1, that is not what the diff says.
    pub line: usize,
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not what the diff says", self.line)
    }
}

impl std::error::Error for PatchError {}

/// The text with the diff applied. Every line of context must be there: a diff of another text is refused.
///
/// # Errors
/// Where a line of the text is not the one that the diff has.
pub fn patched(text: &str, diff: &str) -> Result<String, PatchError> {
    let old: Vec<&str> = text.split('\n').collect();
    let mut new: Vec<&str> = Vec::with_capacity(old.len() + 1);
    let mut next = 0;
    for line in diff.split('\n').skip_while(|line| !line.starts_with("@@ ")) {
        if let Some(header) = line.strip_prefix("@@ -") {
            let start = header.split([',', ' ']).next().and_then(|number| number.parse::<usize>().ok());
            let start = start.map(|start| start.saturating_sub(1)).filter(|start| (next..=old.len()).contains(start));
            let start = start.ok_or(PatchError { line: next + 1 })?;
            new.extend(&old[next..start]);
            next = start;
            continue;
        }
        let Some((mark, content)) = line.split_at_checked(1) else { continue };
        match mark {
            "+" => new.push(content),
            " " | "-" => {
                if old.get(next).is_none_or(|line| line.trim_end_matches('\r') != content.trim_end_matches('\r')) {
                    return Err(PatchError { line: next + 1 });
                }
                if mark == " " {
                    new.push(old[next]);
                }
                next += 1;
            }
            // "\ No newline at end of file" says nothing about lines.
            _ => {}
        }
    }
    new.extend(&old[next..]);
    Ok(new.join("\n"))
}

#[cfg(test)]
mod unit {
    use super::*;

    const DIFF: &str = "--- src/lib.rs\n+++ replace / with %\n@@ -1,3 +1,3 @@\n fn a() {\n-    1 / 2\n+    1 % 2\n }\n";

    #[test]
    fn a_diff_changes_its_lines_and_no_others() {
        let text = "fn a() {\n    1 / 2\n}\nfn b() {}\n";
        assert_eq!(patched(text, DIFF), Ok("fn a() {\n    1 % 2\n}\nfn b() {}\n".to_owned()));
        let two = "@@ -2,1 +2,2 @@\n-b\n+B\n+C\n@@ -4 +5 @@\n-d\n+D\n";
        assert_eq!(patched("a\nb\nc\nd", two), Ok("a\nB\nC\nc\nD".to_owned()));
    }

    #[test]
    fn a_diff_of_another_text_is_refused() {
        assert_eq!(patched("fn a() {\n    1 * 2\n}\n", DIFF), Err(PatchError { line: 2 }));
        assert_eq!(
            patched("fn a() {", DIFF).map_err(|error| error.to_string()),
            Err("line 2 is not what the diff says".into())
        );
        assert!(patched("a", "@@ -9,1 +9,1 @@\n-b\n+c\n").is_err());
        assert!(patched("a", "@@ -x @@\n").is_err());
    }
}
