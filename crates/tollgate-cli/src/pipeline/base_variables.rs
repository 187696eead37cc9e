//! In what the environment of a program that works in the base differs from this process's.
//!
//! `cargo run` has started this process in the change: it has the variables of the change's configuration of cargo, its
//! toolchain, and in a hook of git its repository. In the base it would have those of the base.

use camino::{Utf8Path, Utf8PathBuf};
use std::{collections::BTreeMap, fs};
use tollgate_core::flake::cargo_variables;
use tollgate_tools::checkout::REPOSITORY_VARIABLES;

/// The variables that a program has another value of than this process, or does not have.
pub(super) type Changes = BTreeMap<String, Option<String>>;

/// What cargo and rustup tell the programs that they start of the toolchain.
const TOOLCHAIN: [&str; 2] = ["RUSTUP_TOOLCHAIN", "CARGO"];

/// The changes for a program in the base of the workspace.
pub(super) fn changes(workspace: &Utf8Path, base: &Utf8Path) -> Changes {
    let mine = |name: &str| std::env::var(name).ok();
    let mut changes = configured(&variables(workspace), variables(base), &mine);
    changes.extend(REPOSITORY_VARIABLES.map(|name| (name.to_owned(), None)));
    if toolchain(workspace) != toolchain(base) {
        changes.extend(TOOLCHAIN.map(|name| (name.to_owned(), None)));
    }
    changes
}

/// The changes by the configurations of cargo: what the change's has set goes, and what the base's would have set comes. A
/// value that somebody has set otherwise stays, as cargo would leave it; and where cargo has started nothing, it has set nothing.
fn configured(
    change: &BTreeMap<String, String>,
    base: BTreeMap<String, String>,
    mine: &dyn Fn(&str) -> Option<String>,
) -> Changes {
    let inherited = change.iter().filter(|(name, value)| mine(name).as_ref() == Some(value));
    let mut changes: Changes = inherited.map(|(name, _)| (name.clone(), None)).collect();
    if mine("CARGO").is_some() {
        for (name, value) in base {
            if changes.contains_key(&name) || mine(&name).is_none() {
                changes.insert(name, Some(value));
            }
        }
    }
    changes
}

/// The variables that cargo gives to programs in this directory, by its files in there and above it in the repository.
fn variables(root: &Utf8Path) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for directory in in_repository(root) {
        for file in [".cargo/config", ".cargo/config.toml"] {
            let text = fs::read_to_string(directory.join(file)).unwrap_or_default();
            for (name, value) in cargo_variables(&text, &directory) {
                // The nearest file decides.
                variables.entry(name).or_insert(value);
            }
        }
    }
    variables
}

/// What the nearest file says of the toolchain.
fn toolchain(root: &Utf8Path) -> Option<String> {
    let directories = in_repository(root).into_iter();
    let mut files = directories.flat_map(|at| ["rust-toolchain", "rust-toolchain.toml"].map(|file| at.join(file)));
    files.find_map(|file| fs::read_to_string(file).ok())
}

/// Whether a directory that may not be there yet is below the top of the repository that the workspace is in: cargo and rustup
/// would look for their settings there.
pub(super) fn is_within_repository(directory: &Utf8Path, workspace: &Utf8Path) -> bool {
    let real = |path: &Utf8Path| path.ancestors().find_map(|at| at.canonicalize_utf8().ok());
    let top = in_repository(workspace).pop().and_then(|top| real(&top));
    real(directory).zip(top).is_some_and(|(directory, top)| directory.starts_with(top))
}

/// The directory and those above it, to the top of its repository.
fn in_repository(root: &Utf8Path) -> Vec<Utf8PathBuf> {
    let top = root.ancestors().position(|directory| directory.join(".git").exists());
    root.ancestors().take(top.map_or(usize::MAX, |top| top + 1)).map(Utf8Path::to_owned).collect()
}

#[cfg(test)]
mod unit {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_cache_in_the_repository_is_found_though_it_is_reached_by_a_link() {
        let directory = TempDir::new().expect("a temporary directory");
        let top = Utf8Path::from_path(directory.path()).expect("UTF-8");
        fs::create_dir_all(top.join("a/.git")).expect("a directory");
        fs::create_dir_all(top.join("a/work")).expect("a directory");
        fs::create_dir(top.join("a/.cache")).expect("a directory");
        std::os::unix::fs::symlink(top.join("a/.cache"), top.join("link")).expect("a link");
        let is_within = |cache: &str| is_within_repository(&top.join(cache), &top.join("a/work"));
        assert!(is_within("a/.cache/tollgate/base/12") && is_within("link/tollgate/base/12"));
        assert!(!is_within("b/tollgate/base/12"));
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn what_the_changes_configuration_set_goes_and_what_the_bases_sets_comes() {
        let mine = map(&[("CARGO", "cargo"), ("HURRY", "1"), ("PORT", "2"), ("OWN", "mine")]);
        let change = map(&[("HURRY", "1"), ("PORT", "2"), ("OWN", "3")]);
        let base = map(&[("PORT", "4"), ("OWN", "3"), ("GONE", "5")]);
        let some = |text: &str| Some(text.to_owned());
        let wanted = [("GONE", some("5")), ("HURRY", None), ("PORT", some("4"))];
        let wanted: Changes = wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(configured(&change, base.clone(), &|name| mine.get(name).cloned()), wanted);
        assert_eq!(configured(&change, base, &|_| None), Changes::new(), "cargo has started nothing");
    }

    #[test]
    fn a_base_with_another_toolchain_gets_neither_this_ones_cargo_nor_its_name() {
        let directory = TempDir::new().expect("a temporary directory");
        let top = Utf8Path::from_path(directory.path()).expect("UTF-8");
        let (workspace, base) = (top.join("a/work"), top.join("b/work"));
        for root in [&workspace, &base] {
            fs::create_dir_all(root.parent().expect("it has one").join(".git")).expect("a directory");
            fs::create_dir(root).expect("a directory");
        }
        let keeps = || changes(&workspace, &base).keys().all(|name| !TOOLCHAIN.contains(&name.as_str()));
        assert!(keeps(), "neither says anything");
        fs::write(top.join("a/rust-toolchain.toml"), "toolchain.channel = \"1.95.0\"").expect("a file");
        assert!(!keeps(), "one is named above the workspace");
        fs::write(base.join("rust-toolchain.toml"), "toolchain.channel = \"1.95.0\"").expect("a file");
        assert!(keeps(), "both name the same");
        fs::write(base.join("rust-toolchain"), "1.94.0").expect("a file");
        assert!(!keeps());
        assert_eq!(changes(&workspace, &base).get("GIT_DIR"), Some(&None));
    }
}
