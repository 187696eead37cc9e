//! Every source file opens with its purpose, and none has grown beyond one idea.

use camino::{Utf8Path, Utf8PathBuf};
use std::fs;

/// Longest source file, in lines.
const LINES_MAX: usize = 600;

fn sources(directory: &Utf8Path, found: &mut Vec<Utf8PathBuf>) {
    for entry in directory.read_dir_utf8().expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if entry.file_name() != "target" {
                sources(path, found);
            }
        } else if path.extension() == Some("rs") {
            found.push(path.to_owned());
        }
    }
}

fn all() -> Vec<(Utf8PathBuf, String)> {
    let mut found = Vec::new();
    for directory in ["crates", "platform", "xtask", "fixtures"] {
        sources(&crate::root().join(directory), &mut found);
    }
    assert!(found.len() > 100, "only {} sources were found", found.len());
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("UTF-8"))).collect()
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> = all().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert_eq!(silent, Vec::<Utf8PathBuf>::new(), "open these files with a `//!` comment");
}

#[test]
fn no_file_is_longer_than_one_idea() {
    let long = all().into_iter().filter(|(_, text)| text.lines().count() > LINES_MAX);
    assert_eq!(long.map(|(path, _)| path).collect::<Vec<_>>(), Vec::<Utf8PathBuf>::new());
}

#[test]
fn no_test_is_ignored() {
    let attribute = format!("#[{}", "ignore");
    // A fixture may hold what must not be here.
    let ours = all().into_iter().filter(|(path, _)| !path.starts_with(crate::root().join("fixtures")));
    let ignored = ours.filter(|(_, text)| text.lines().any(|line| line.trim().starts_with(&attribute)));
    assert_eq!(ignored.map(|(path, _)| path).collect::<Vec<_>>(), Vec::<Utf8PathBuf>::new());
}
