//! Where a diff takes functions away: tests among them are not missed when they don't run any more.

use std::collections::BTreeSet;

/// The files, by their old paths, from which the diff takes a line that defines a function.
pub fn losing_functions(diff: &str) -> BTreeSet<&str> {
    let (mut losing, mut file) = (BTreeSet::new(), "");
    for line in diff.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            file = path.trim_end_matches('\t');
        } else if line.strip_prefix('-').is_some_and(defines_function) {
            losing.insert(file);
        }
    }
    losing
}

fn defines_function(line: &str) -> bool {
    line.split_once("fn ").is_some_and(|(before, _)| !before.contains("//"))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_file_loses_functions_where_a_line_that_defines_one_is_gone() {
        let of = |path: &str, line: &str| format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n{line}\n");
        let diff = [of("a b.rs\t", "-    fn gone() {"), of("c.rs", "+fn new() {}"), of("d.rs", "-    // fn told() {")];
        assert_eq!(losing_functions(&diff.concat()), BTreeSet::from(["a b.rs"]));
        assert_eq!(losing_functions(""), BTreeSet::new());
    }
}
