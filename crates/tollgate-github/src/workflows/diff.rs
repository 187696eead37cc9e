//! The difference of two texts, line by line, as people read it.

/// Lines of context around a change.
const CONTEXT: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Old(&'a str),
    New(&'a str),
}

/// Lines that were removed (`-`) and added (`+`), with the lines around them; empty where the texts are the same.
///
/// Takes time and memory in proportion to the product of both lengths: meant for files of a few hundred lines.
pub fn diff(path: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let lines = align(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let changed: Vec<usize> = (0..lines.len()).filter(|&at| !matches!(lines[at], Line::Same(_))).collect();
    let near = |at: usize| changed.iter().any(|&change| change.abs_diff(at) <= CONTEXT);
    let mut text = format!("--- {path}\n+++ {path}, as it would be written\n");
    let mut last = None;
    for (at, line) in lines.iter().enumerate().filter(|(at, _)| near(*at)) {
        if last.is_some_and(|last| last + 1 != at) {
            text.push_str("...\n");
        }
        last = Some(at);
        let (sign, line) = match line {
            Line::Same(line) => (' ', line),
            Line::Old(line) => ('-', line),
            Line::New(line) => ('+', line),
        };
        text.push(sign);
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// A longest common subsequence of the lines, with what is left of both sides between.
fn align<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let mut longest = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] =
                if old[i] == new[j] { longest[i + 1][j + 1] + 1 } else { longest[i + 1][j].max(longest[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            lines.push(Line::Old(old[i]));
            i += 1;
        } else {
            lines.push(Line::New(new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_difference_shows_what_changed_and_what_is_around_it() {
        insta::assert_snapshot!(diff("a.yml", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\nfour\n5\n6\n7\n8\n9\n10\n"), @r"
        --- a.yml
        +++ a.yml, as it would be written
         2
         3
        -4
        +four
         5
         6
        ...
         8
         9
        +10
        ");
        assert_eq!(diff("a.yml", "1\n", "1\n"), "");
    }
}
