//! Survivors compared with a stored set: by file, function and replacement, since lines move.

use super::report::MutationReport;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{Mutant, MutantOutcome, MutantResult};

/// What a survivor is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SurvivorKey {
    /// The file, from the root of the workspace.
    pub file: String,
    /// The function, where it is in one.
    pub function: Option<String>,
    /// What is changed: `replace / with % in price`.
    pub replacement: String,
}

impl SurvivorKey {
    fn of(mutant: &Mutant) -> Self {
        Self { file: mutant.file.clone(), function: mutant.function.clone(), replacement: mutant.change().to_owned() }
    }
}

/// What changed against the stored set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// Survivors that the set does not have.
    pub new: Vec<SurvivorKey>,
    /// Survivors of the set that were tried and are noticed now.
    pub gone: Vec<SurvivorKey>,
}

/// Keys of the survivors among the results, in order; one function may have the same one several times.
pub fn keys(results: &[MutantResult]) -> Vec<SurvivorKey> {
    let missed = results.iter().filter(|result| result.outcome == MutantOutcome::Missed);
    let mut keys: Vec<SurvivorKey> = missed.map(|result| SurvivorKey::of(&result.mutant)).collect();
    keys.sort();
    keys
}

/// The set to store after a run: its survivors, and of the old ones those of files that are there and that it had no mutant of,
/// as another package's.
pub fn accepted(old: &[SurvivorKey], report: &MutationReport, is_there: &dyn Fn(&str) -> bool) -> Vec<SurvivorKey> {
    let tried = report.results.iter().map(|result| &result.mutant.file);
    let files: BTreeSet<&String> = tried.chain(report.left_out.iter().map(|left| &left.mutant.file)).collect();
    let stays = |key: &&SurvivorKey| !files.contains(&key.file) && is_there(&key.file);
    let mut keys = keys(&report.results);
    keys.extend(old.iter().filter(stays).cloned());
    keys.sort();
    keys
}

/// Names of those of all mutants that a comparison can't call new, whatever becomes of the others: the stored set has their key as
/// often as there are mutants with it.
pub fn settled<'a>(stored: &[SurvivorKey], mutants: impl IntoIterator<Item = &'a Mutant>) -> BTreeSet<String> {
    let mut names: BTreeMap<SurvivorKey, Vec<&str>> = BTreeMap::new();
    for mutant in mutants {
        names.entry(SurvivorKey::of(mutant)).or_default().push(&mutant.name);
    }
    names.retain(|key, names| stored.iter().filter(|one| *one == key).count() >= names.len());
    names.into_values().flatten().map(str::to_owned).collect()
}

/// Compares with the stored set. What was not tried is neither new nor gone.
pub fn compare(stored: &[SurvivorKey], results: &[MutantResult]) -> Comparison {
    let mut known: BTreeMap<&SurvivorKey, usize> = BTreeMap::new();
    for key in stored {
        *known.entry(key).or_default() += 1;
    }
    let mut new = Vec::new();
    for key in keys(results) {
        match known.get_mut(&key) {
            Some(left) if *left > 0 => *left -= 1,
            _ => new.push(key),
        }
    }
    let tried: Vec<SurvivorKey> = results.iter().map(|result| SurvivorKey::of(&result.mutant)).collect();
    let gone = known.into_iter().filter(|(key, left)| *left > 0 && tried.contains(key));
    Comparison { new, gone: gone.map(|(key, _)| key.clone()).collect() }
}

#[cfg(test)]
mod unit {
    use super::super::mutant::result;
    use super::super::report::Scope;
    use super::*;
    use MutantOutcome::{Caught, Missed};

    #[test]
    fn a_survivor_that_moved_is_the_same_one() {
        let stored = keys(&[result(5, "replace / with %", Missed)]);
        assert_eq!(compare(&stored, &[result(50, "replace / with %", Missed)]), Comparison::default());
    }

    #[test]
    fn a_second_one_of_the_same_kind_is_new() {
        let stored = keys(&[result(5, "replace / with %", Missed)]);
        let now = [result(5, "replace / with %", Missed), result(7, "replace / with %", Missed)];
        let comparison = compare(&stored, &now);
        assert_eq!((comparison.new.len(), comparison.gone.len()), (1, 0));
    }

    #[test]
    fn one_of_several_alike_is_settled_only_where_the_set_has_them_all() {
        let [one, two, other] = [(5, "replace / with %"), (7, "replace / with %"), (9, "replace + with -")]
            .map(|(line, change)| result(line, change, Missed));
        let settled = |stored: &[&MutantResult]| {
            let stored: Vec<MutantResult> = stored.iter().map(|&result| result.clone()).collect();
            let found = settled(&keys(&stored), [&one, &two, &other].map(|result| &result.mutant));
            [&one, &two, &other].map(|result| found.contains(&result.mutant.name))
        };
        assert_eq!(settled(&[]), [false; 3]);
        assert_eq!(settled(&[&one]), [false; 3]);
        assert_eq!(settled(&[&one, &other]), [false, false, true]);
        assert_eq!(settled(&[&one, &one]), [true, true, false]);
    }

    #[test]
    fn what_a_run_does_not_speak_of_stays_stored_as_long_as_its_file_is_there() {
        let old =
            |file: &str| SurvivorKey { file: file.into(), function: None, replacement: "replace f with 0".into() };
        let results = vec![result(5, "replace / with %", Missed), result(6, "replace + with -", Caught)];
        let found = keys(&results);
        let report = MutationReport::new(Scope::All, results, Vec::new());
        let stored = [old("till/src/lib.rs"), old("gone.rs"), old("src/lib.rs")];
        let accepted = accepted(&stored, &report, &|file| file != "gone.rs");
        assert_eq!(accepted, [found[0].clone(), old("till/src/lib.rs")]);
    }

    #[test]
    fn what_was_not_tried_is_not_gone() {
        let stored = keys(&[result(5, "replace / with %", Missed), result(6, "replace + with -", Missed)]);
        let comparison = compare(&stored, &[result(5, "replace / with %", Caught)]);
        assert_eq!((comparison.new.len(), comparison.gone.len()), (0, 1));
        assert_eq!(comparison.gone[0].replacement, "replace / with % in price");
    }
}
