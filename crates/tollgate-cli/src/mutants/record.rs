//! What became of mutants, written down as soon as it is certain.

use super::counted::Counted;
use crate::error::CliError;
use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
};
use tollgate_model::{Mutant, MutantOutcome, MutantResult, SCHEMA};

/// One line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    schema: u32,
    /// Digest of the workspace and the tests that were run.
    key: String,
    result: MutantResult,
}

/// How many results of other workspaces and tests are kept at most.
const KEPT_MAX: usize = 20_000;

/// Results of this run and of earlier ones.
pub(super) struct Records {
    key: String,
    iterate: bool,
    counted: Counted,
    known: BTreeMap<String, Entry>,
    file: File,
    unwritten: Vec<String>,
}

impl Records {
    /// Reads what earlier runs found; the newest result of a mutant counts, and lines that can't be read are none. Where
    /// less than half of the file counts, the rest of it is dropped. `counted` is what need not have been tried by itself.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(super) fn open(path: &Utf8Path, key: &str, iterate: bool, counted: Counted) -> Result<Self, CliError> {
        let machine = |source| CliError::Machine { what: format!("can't write {path}"), source };
        let text = fs::read_to_string(path).unwrap_or_default();
        let (mut known, mut kept, mut others) = (BTreeMap::new(), Vec::new(), 0);
        // The newest first, so that the oldest are those that are too many.
        for line in text.lines().rev() {
            let Ok(entry) = serde_json::from_str::<Entry>(line) else { continue };
            let is_other = entry.key != key;
            let is_old = known.contains_key(&entry.result.mutant.name) || is_other && others == KEPT_MAX;
            if entry.schema == SCHEMA && !is_old {
                others += usize::from(is_other);
                known.insert(entry.result.mutant.name.clone(), entry);
                kept.push(line);
            }
        }
        if text.lines().count() > 2 * kept.len() {
            let kept: String = kept.iter().rev().flat_map(|line| [line, "\n"]).collect();
            let draft = path.with_extension("new");
            fs::write(&draft, kept).and_then(|()| fs::rename(&draft, path)).map_err(machine)?;
        }
        let mut file = File::options().create(true).append(true).open(path).map_err(machine)?;
        if !text.is_empty() && !text.ends_with('\n') {
            // A run that was killed wrote half a line; the next result is none of it.
            file.write_all(b"\n").map_err(machine)?;
        }
        Ok(Self { key: key.to_owned(), iterate, counted, known, file, unwritten: Vec::new() })
    }

    /// The result that this run would find again: of the same workspace, or, with `--iterate`, a mutant that was noticed
    /// and whose surroundings are the same. What was not tried by itself is none where this run would try it so.
    pub(super) fn of(&self, mutant: &Mutant) -> Option<&MutantResult> {
        let entry = self.known.get(&mutant.name).filter(|entry| entry.result.mutant == *mutant)?;
        let noticed = entry.result.outcome != MutantOutcome::Missed;
        let is_enough = !entry.result.joint || self.counted.takes(mutant, entry.result.outcome);
        (is_enough && (entry.key == self.key || (self.iterate && noticed))).then_some(&entry.result)
    }

    /// Takes in a result, which later runs don't know unless it is written.
    pub(super) fn add(&mut self, result: &MutantResult) {
        let entry = Entry { schema: SCHEMA, key: self.key.clone(), result: result.clone() };
        self.unwritten.push(serde_json::to_string(&entry).unwrap_or_default());
        self.known.insert(result.mutant.name.clone(), entry);
    }

    /// Takes out what is not written down, as if it had not been found; how many results that are.
    pub(super) fn forget(&mut self) -> usize {
        let entries = self.unwritten.iter().filter_map(|line| serde_json::from_str::<Entry>(line).ok());
        for entry in entries {
            self.known.remove(&entry.result.mutant.name);
        }
        std::mem::take(&mut self.unwritten).len()
    }

    /// Results that are not written down.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    /// Writes down what was taken in.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(super) fn write(&mut self) -> Result<(), CliError> {
        for line in self.unwritten.drain(..) {
            writeln!(self.file, "{line}").map_err(|source| CliError::Machine {
                what: "can't write the results of mutants".to_owned(),
                source,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use camino::Utf8PathBuf;
    use tollgate_model::ReachedBy;

    fn result(name: &str, outcome: MutantOutcome) -> MutantResult {
        let mutant = Mutant {
            name: name.into(),
            file: "a.rs".into(),
            package: "a".into(),
            function: None,
            lines: (1, 1),
            replacement: "0".into(),
            genre: "FnValue".into(),
            diff: "+".into(),
        };
        MutantResult {
            mutant,
            line: 1,
            outcome,
            noticed_by: None,
            fell: None,
            joint: false,
            reached_by: ReachedBy::default(),
            wall_ms: 1,
        }
    }

    #[test]
    fn of_many_results_of_a_mutant_the_newest_is_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8PathBuf::from_path_buf(directory.path().join("results.jsonl")).expect("UTF-8");
        let open = || Records::open(&path, "k", false, Counted::Noticed).expect("writable");
        let lines = || fs::read_to_string(&path).expect("there").lines().count();
        let mut records = open();
        for outcome in [MutantOutcome::Caught, MutantOutcome::TimedOut, MutantOutcome::Missed] {
            records.add(&result("one", outcome));
        }
        records.add(&result("two", MutantOutcome::Caught));
        records.write().expect("writable");
        let newest = result("one", MutantOutcome::Missed);
        assert_eq!((open().of(&newest.mutant), lines()), (Some(&newest), 4), "half of them count");
        records.add(&newest);
        records.write().expect("writable");
        assert_eq!((open().of(&newest.mutant), lines()), (Some(&newest), 2));
        assert!(open().of(&result("two", MutantOutcome::Caught).mutant).is_some());
    }

    #[test]
    fn results_of_the_same_workspace_are_taken_and_noticed_ones_of_another_when_asked() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Utf8PathBuf::from_path_buf(directory.path().join("results.jsonl")).expect("UTF-8");
        let (caught, missed) = (result("one", MutantOutcome::Caught), result("two", MutantOutcome::Missed));
        let mut records = Records::open(&path, "k1", false, Counted::Noticed).expect("writable");
        records.add(&caught);
        records.add(&missed);
        records.write().expect("writable");
        let three = result("three", MutantOutcome::Caught);
        assert_eq!(records.of(&three.mutant), None);
        records.add(&three);
        assert_eq!((records.unwritten(), records.of(&three.mutant)), (1, Some(&three)));
        assert!(!fs::read_to_string(&path).expect("there").contains("three"));
        assert_eq!((records.forget(), records.unwritten(), records.of(&three.mutant)), (1, 0, None));
        assert_eq!(records.of(&caught.mutant), Some(&caught));
        fs::write(&path, fs::read_to_string(&path).expect("there") + "{cut off").expect("writable");
        let taken = |key: &str, iterate: bool| {
            let records = Records::open(&path, key, iterate, Counted::Noticed).expect("writable");
            [&caught, &missed].map(|result| records.of(&result.mutant).is_some())
        };
        assert_eq!(taken("k1", false), [true, true]);
        assert_eq!(taken("k2", false), [false, false]);
        assert_eq!(taken("k2", true), [true, false]);
        for outcome in [MutantOutcome::Caught, MutantOutcome::TimedOut, MutantOutcome::Unviable, MutantOutcome::Missed]
        {
            records.add(&MutantResult { joint: true, ..result(outcome.as_str(), outcome) });
        }
        records.write().expect("writable");
        let taken = |counted: Counted| {
            let records = Records::open(&path, "k1", false, counted).expect("writable");
            ["caught", "timed out", "unviable", "missed"]
                .map(|name| records.of(&result(name, MutantOutcome::Caught).mutant).is_some())
        };
        assert_eq!(taken(Counted::Noticed), [true, true, false, false]);
        assert_eq!(taken(Counted::Known(["other".to_owned()].into())), [true, true, true, false]);
        assert_eq!(taken(Counted::Known(["missed".to_owned()].into())), [true; 4]);
        assert_eq!(taken(Counted::All), [true; 4]);
        let mut moved = caught.mutant.clone();
        moved.diff = "+ other surroundings".into();
        assert_eq!(Records::open(&path, "k1", true, Counted::Noticed).expect("writable").of(&moved), None);
    }
}
