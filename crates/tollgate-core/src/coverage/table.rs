//! Coverage as a table: per member and per file, what each tier reached and what it reached alone.

use super::{is_covered, production_lines};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use tollgate_model::{CoverageEvidence, FileCoverage, LineCount, RunId, SCHEMA, TierName};

/// Lines that a tier reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reached {
    /// Lines that it reached.
    pub covered: u64,
    /// Those among them that no other tier reached.
    pub alone: u64,
}

/// Production lines of a member, a file or the workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// Lines that any tier reached.
    pub covered: u64,
    /// Lines that could be reached.
    pub total: u64,
    /// What each tier reached, in the order of [`Table::tiers`].
    pub tiers: Vec<Reached>,
}

impl Counts {
    /// Lines that no tier reached.
    pub fn uncovered(&self) -> u64 {
        self.total - self.covered
    }

    fn count(&mut self, line: &LineCount) {
        self.total += 1;
        self.covered += u64::from(is_covered(line));
        let alone = line.counts.iter().filter(|&&count| count > 0).count() == 1;
        for (tier, _) in self.tiers.iter_mut().zip(&line.counts).filter(|(_, count)| **count > 0) {
            tier.covered += 1;
            tier.alone += u64::from(alone);
        }
    }

    fn add(&mut self, other: &Self) {
        self.covered += other.covered;
        self.total += other.total;
        for (tier, other) in self.tiers.iter_mut().zip(&other.tiers) {
            tier.covered += other.covered;
            tier.alone += other.alone;
        }
    }
}

/// A file and the lines of it that no tier reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileRow {
    /// Path from the root of the workspace.
    pub path: String,
    /// The member it belongs to.
    pub package: String,
    /// Its lines.
    pub lines: Counts,
    /// Line numbers that no tier reached, ascending.
    pub uncovered: Vec<u32>,
}

/// Coverage of a run, counted; what `coverage --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Table {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The run it is of.
    pub run: RunId,
    /// The tiers that counted.
    pub tiers: Vec<TierName>,
    /// All members together.
    pub all: Counts,
    /// Each member by name.
    pub packages: BTreeMap<String, Counts>,
    /// Files with most uncovered lines first, then by path.
    pub files: Vec<FileRow>,
}

/// Counts production lines by member, file and tier.
pub fn table(run: &RunId, coverage: &CoverageEvidence) -> Table {
    let none = || Counts { tiers: vec![Reached::default(); coverage.tiers.len()], ..Counts::default() };
    let (mut all, mut packages) = (none(), BTreeMap::new());
    let mut files: Vec<FileRow> = coverage.files.iter().map(|file| file_row(file, none())).collect();
    for file in &files {
        all.add(&file.lines);
        packages.entry(file.package.clone()).or_insert_with(none).add(&file.lines);
    }
    files.sort_by(|a, b| (Reverse(a.uncovered.len()), &a.path).cmp(&(Reverse(b.uncovered.len()), &b.path)));
    Table { schema: SCHEMA, run: run.clone(), tiers: coverage.tiers.clone(), all, packages, files }
}

fn file_row(file: &FileCoverage, mut lines: Counts) -> FileRow {
    production_lines(file).for_each(|line| lines.count(line));
    let uncovered = production_lines(file).filter(|line| !is_covered(line)).map(|line| line.line).collect();
    FileRow { path: file.path.clone(), package: file.package.clone(), lines, uncovered }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::coverage::total;
    use crate::judge::sample;

    #[test]
    fn every_tier_is_counted_with_what_it_alone_reached() {
        let coverage = sample::coverage();
        let table = table(&RunId::new("r").unwrap(), &coverage);
        let reached = |counts: &Counts| counts.tiers.iter().map(|t| (t.covered, t.alone)).collect::<Vec<_>>();
        assert_eq!(reached(&table.all), [(8, 8), (6, 5), (4, 3)], "line 7 of identity is reached by two");
        assert_eq!(reached(&table.packages["identity"]), [(0, 0), (6, 5), (4, 3)]);
        let totals = total(&coverage.files);
        assert_eq!((table.all.covered, table.all.total), (totals.covered, totals.total));
        let files: Vec<_> = table.files.iter().map(|file| (file.path.as_str(), file.uncovered.as_slice())).collect();
        assert_eq!(files, [("crates/core/src/lib.rs", &[9, 10][..]), ("crates/identity/src/main.rs", &[10])]);
        assert_eq!(table.packages["core"].uncovered(), 2);
    }
}
