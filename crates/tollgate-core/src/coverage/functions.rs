//! Functions that a diff takes away: tests among them are not missed when they don't run any more.

use std::collections::BTreeSet;

/// Names of functions that the diff takes away and does not add elsewhere.
pub fn removed_functions(diff: &str) -> BTreeSet<&str> {
    let named = |sign: char, header: &str| -> BTreeSet<&str> {
        let lines = diff.lines().filter(|line| !line.starts_with(header)).filter_map(|line| line.strip_prefix(sign));
        lines.filter_map(function).collect()
    };
    &named('-', "--- a/") - &named('+', "+++ b/")
}

/// The function that a line defines.
fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let end = after.find(|letter| !is_name(letter))?;
    let defines = !before.ends_with(is_name) && !before.contains("//") && after[end..].starts_with(['(', '<']);
    (defines && end > 0).then(|| &after[..end])
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_function_is_removed_unless_it_comes_back() {
        let diff = "--- a/src/fn gone(.rs\n+++ b/src/a.rs\n@@ -1,6 +1,2 @@\n-    fn gone() {\n-async fn also<T>(x: T)\n-    fn moved() {\n\
                    -    // fn told() {\n-    often (\n-    let f: fn (u8) = g;\n-    fn r#raw() {}\n+    pub(crate) fn moved() {\n+fn new() {}\n";
        assert_eq!(removed_functions(diff), BTreeSet::from(["gone", "also"]));
        assert_eq!(removed_functions(""), BTreeSet::new());
    }
}
