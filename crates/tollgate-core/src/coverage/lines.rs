//! Lines by identity: what a run covered, which lines runs disagree about, and where lines of a base are now.

use super::{Moves, is_covered, production_lines};
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{CoverageEvidence, CoverageLines, FileLines, LineTotals};

/// Which production lines were covered, all tiers together.
pub fn lines(coverage: &CoverageEvidence) -> CoverageLines {
    let of = |file: &tollgate_model::FileCoverage, covered: bool| {
        production_lines(file).filter(|line| is_covered(line) == covered).map(|line| line.line).collect()
    };
    let file = |file: &tollgate_model::FileCoverage| {
        let lines = FileLines { package: file.package.clone(), covered: of(file, true), uncovered: of(file, false) };
        (file.path.clone(), lines)
    };
    CoverageLines(coverage.files.iter().map(file).collect())
}

/// Covered and coverable lines of each member.
pub fn line_totals(lines: &CoverageLines) -> BTreeMap<String, LineTotals> {
    let mut packages: BTreeMap<String, LineTotals> = BTreeMap::new();
    for file in lines.0.values() {
        let totals = packages.entry(file.package.clone()).or_default();
        totals.covered += file.covered.count();
        totals.total += file.covered.count() + file.uncovered.count();
    }
    packages
}

/// Lines that some runs of one tree covered and others did not, by file and line.
pub fn unstable<'a>(runs: &[&'a CoverageLines]) -> BTreeSet<(&'a str, u32)> {
    let of = |pick: fn(&FileLines) -> &tollgate_model::LineRanges| -> BTreeSet<(&'a str, u32)> {
        let files = runs.iter().flat_map(|run| &run.0);
        files.flat_map(|(path, file)| pick(file).lines().map(move |line| (path.as_str(), line))).collect()
    };
    of(|file| &file.covered).intersection(&of(|file| &file.uncovered)).copied().collect()
}

/// The stable lines of a base that a change left as they were, where they are now, and how many unstable ones there were.
/// `unstable` has lines of now, by file of now.
pub fn kept(base: &CoverageLines, unstable: &BTreeMap<String, BTreeSet<u32>>, moves: &Moves) -> (CoverageLines, u64) {
    let mut kept: BTreeMap<&str, (&str, Vec<u32>, Vec<u32>)> = BTreeMap::new();
    let mut left_out = 0;
    for (path, file) in &base.0 {
        let covered = file.covered.lines().map(|line| (line, true));
        for (line, covered) in covered.chain(file.uncovered.lines().map(|line| (line, false))) {
            let Some((to, now)) = moves.line(path, line) else { continue };
            if unstable.get(to).is_some_and(|lines| lines.contains(&now)) {
                left_out += 1;
                continue;
            }
            let (_, reached, missed) = kept.entry(to).or_insert_with(|| (&file.package, Vec::new(), Vec::new()));
            if covered { reached.push(now) } else { missed.push(now) }
        }
    }
    let file = |(path, (package, covered, uncovered)): (&str, (&str, Vec<u32>, Vec<u32>))| {
        let lines = FileLines {
            package: package.to_owned(),
            covered: covered.into_iter().collect(),
            uncovered: uncovered.into_iter().collect(),
        };
        (path.to_owned(), lines)
    };
    (CoverageLines(kept.into_iter().map(file).collect()), left_out)
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::coverage::{moves, total};
    use crate::judge::sample;

    fn shown(lines: &CoverageLines) -> String {
        let file = |(path, file): (&String, &FileLines)| format!("{path} {} | {}", file.covered, file.uncovered);
        lines.0.iter().map(file).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn lines_are_those_that_the_floor_counts() {
        let coverage = sample::coverage();
        let lines = lines(&coverage);
        assert_eq!(shown(&lines), "crates/core/src/lib.rs 1-8 | 9-10\ncrates/identity/src/main.rs 1-9 | 10");
        let totals = total(&coverage.files);
        let sums = line_totals(&lines).values().fold((0, 0), |sum, t| (sum.0 + t.covered, sum.1 + t.total));
        assert_eq!(sums, (totals.covered, totals.total));
    }

    #[test]
    fn a_line_that_flips_between_runs_is_unstable_and_a_line_that_is_new_is_not() {
        let one = lines(&sample::coverage());
        let mut coverage = sample::coverage();
        coverage.files[0].lines[2].counts.fill(0);
        coverage.files[1].lines.pop();
        let other = lines(&coverage);
        let runs = [&one, &other, &one];
        assert_eq!(unstable(&runs), [("crates/core/src/lib.rs", 3)].into());
        assert_eq!(unstable(&runs[..1]), BTreeSet::new());
    }

    #[test]
    fn stable_lines_that_a_change_left_alone_are_found_where_they_are_now() {
        let base = lines(&sample::coverage());
        let diff = "--- a/crates/core/src/lib.rs\n+++ b/crates/core/src/all.rs\n@@ -1,2 +1 @@\n-x\n-y\n+z\n";
        let unstable = [("crates/core/src/all.rs", 2), ("crates/core/src/lib.rs", 4)];
        let unstable = unstable.map(|(path, line)| (path.to_owned(), [line].into())).into();
        let (kept, left_out) = kept(&base, &unstable, &moves(diff).unwrap());
        assert_eq!(shown(&kept), "crates/core/src/all.rs 3-7 | 8-9\ncrates/identity/src/main.rs 1-9 | 10");
        assert_eq!(left_out, 1, "line 3 of then; the other is of a file that is not there any more");
    }
}
