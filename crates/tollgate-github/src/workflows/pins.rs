//! The commits that actions are pinned to: those of the committed files, else those this version was written with.
//!
//! Robots raise pins in the committed files. Reading them back is what keeps a generator and such a robot from undoing
//! each other's work.

use super::Files;
use std::collections::BTreeMap;

/// A commit and the version it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pin {
    /// The full commit.
    pub(super) commit: String,
    /// The version, as the comment behind the commit says it.
    pub(super) version: String,
}

/// Pins by action.
pub(super) type Pins = BTreeMap<String, Pin>;

/// Actions that the written files use, the commit and the version; looked up in the actions' own repositories.
const DEFAULTS: [(&str, &str, &str); 4] = [
    ("actions/checkout", "3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    ("actions/upload-artifact", "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    ("actions/download-artifact", "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    ("actions/cache", "27d5ce7f107fe9357f9df03efb73ab90386fccae", "v5.0.5"),
];

/// Committed files pin an action to several commits, so none of them can be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{action} has several pins: {}", .pins.join(", "))]
pub struct PinError {
    /// The action.
    pub action: String,
    /// Its pins with the files that have them.
    pub pins: Vec<String>,
}

/// A reference to an action as it stands in a file: `uses: actions/checkout@<commit> # v7.0.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    /// `actions/checkout`, also for an action in a directory of it: `actions/cache/save`.
    pub(super) action: &'a str,
    /// What it is pinned to.
    pub(super) commit: &'a str,
    /// The comment behind it.
    pub(super) version: Option<&'a str>,
}

/// All references to actions of other repositories in a file.
pub(super) fn references(text: &str) -> impl Iterator<Item = Reference<'_>> {
    text.lines().filter_map(|line| {
        let value = line.trim_start().trim_start_matches("- ").strip_prefix("uses:")?.trim();
        let (reference, comment) = value.split_once(" #").map_or((value, None), |(value, c)| (value, Some(c)));
        let (path, commit) = reference.trim().split_once('@')?;
        let action = match path.match_indices('/').nth(1) {
            Some((end, _)) => &path[..end],
            None => path,
        };
        Some(Reference { action, commit, version: comment.map(str::trim).filter(|version| !version.is_empty()) })
    })
}

/// Whether a reference names one commit: a tag or a branch can be moved by whoever owns the action.
pub(super) fn is_commit(reference: &str) -> bool {
    reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The pins to write: those of committed files, and the known ones of actions that no committed file uses.
pub(super) fn read(committed: &Files) -> Result<Pins, Vec<PinError>> {
    let mut found: BTreeMap<String, BTreeMap<&str, (&str, Vec<&str>)>> = BTreeMap::new();
    for (name, text) in committed {
        for reference in references(text).filter(|reference| is_commit(reference.commit)) {
            let Some(version) = reference.version else { continue };
            let pins = found.entry(reference.action.to_owned()).or_default();
            pins.entry(reference.commit).or_insert((version, Vec::new())).1.push(name);
        }
    }
    let several = found.iter().filter(|(_, pins)| pins.len() > 1);
    let errors: Vec<PinError> = several
        .map(|(action, pins)| PinError {
            action: action.clone(),
            pins: pins.iter().map(|(commit, (version, files))| format!("{version} {commit} in {}", files[0])).collect(),
        })
        .collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let pin = |commit: &str, version: &str| Pin { commit: commit.to_owned(), version: version.to_owned() };
    let mut pins: Pins =
        DEFAULTS.iter().map(|(action, commit, version)| ((*action).to_owned(), pin(commit, version))).collect();
    for (action, committed) in found {
        pins.extend(committed.into_iter().map(|(commit, (version, _))| (action.clone(), pin(commit, version))));
    }
    Ok(pins)
}

#[cfg(test)]
mod unit {
    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef01234567";
    const TWO: &str = "76543210fedcba9876543210fedcba9876543210";

    fn file(name: &str, uses: &str) -> Files {
        Files::from([(name.to_owned(), format!("    steps:\n      - uses: {uses}\n"))])
    }

    #[test]
    fn a_committed_pin_goes_before_the_known_one() {
        let pins = read(&file("a.yml", &format!("actions/cache/save@{ONE} # v6.1.0"))).expect("one pin");
        assert_eq!(pins["actions/cache"], Pin { commit: ONE.into(), version: "v6.1.0".into() });
        assert_eq!(pins["actions/checkout"].version, "v7.0.1");
    }

    #[test]
    fn a_tag_is_no_pin_and_is_replaced() {
        let pins = read(&file("a.yml", "actions/checkout@v6")).expect("no pin");
        assert_eq!(pins["actions/checkout"].version, "v7.0.1");
    }

    #[test]
    fn two_pins_of_one_action_are_named_with_their_files() {
        let mut files = file("a.yml", &format!("actions/cache@{ONE} # v5.0.4"));
        files.extend(file("b.yml", &format!("actions/cache/save@{TWO} # v5.0.5")));
        let errors = read(&files).unwrap_err();
        let expected = format!("actions/cache has several pins: v5.0.4 {ONE} in a.yml, v5.0.5 {TWO} in b.yml");
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}
