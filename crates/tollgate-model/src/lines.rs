//! Which lines a run covered, small enough to be kept with every run.

use crate::{Milliseconds, TestId, TierName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Line numbers from 1 as ranges with both ends, ascending and apart; written as `3-9,12`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LineRanges(Vec<(u32, u32)>);

impl LineRanges {
    /// How many lines these are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    /// Whether the line is among them.
    pub fn contains(&self, line: u32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= line);
        after.checked_sub(1).is_some_and(|index| line <= self.0[index].1)
    }

    /// The lines, ascending.
    pub fn lines(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|&(first, last)| first..=last)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<u32> for LineRanges {
    /// Takes line numbers in any order, repeated or not.
    fn from_iter<I: IntoIterator<Item = u32>>(lines: I) -> Self {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for line in lines.into_iter().collect::<BTreeSet<u32>>() {
            match ranges.last_mut().filter(|(_, last)| last.checked_add(1) == Some(line)) {
                Some((_, last)) => *last = line,
                None => ranges.push((line, line)),
            }
        }
        Self(ranges)
    }
}

impl fmt::Display for LineRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &(first, last)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

impl From<LineRanges> for String {
    fn from(ranges: LineRanges) -> Self {
        ranges.to_string()
    }
}

impl TryFrom<String> for LineRanges {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for range in text.split(',').filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let ends = first.parse().ok().zip(last.parse().ok());
            let after = ranges.last().map_or(0, |&(_, last)| last);
            let ends = ends.filter(|&(first, last): &(u32, u32)| after < first && first <= last);
            ranges.push(ends.ok_or_else(|| format!("`{range}` in `{text}` is no range of lines that goes on"))?);
        }
        Ok(Self(ranges))
    }
}

/// Coverable production lines of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileLines {
    /// The workspace member whose source this is.
    pub package: String,
    /// Lines that some tier reached.
    pub covered: LineRanges,
    /// Lines that none reached.
    pub uncovered: LineRanges,
}

/// Coverable production lines of a run by file from the root of the workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CoverageLines(pub BTreeMap<String, FileLines>);

/// Covered and coverable lines of a member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LineTotals {
    /// Lines that were reached.
    pub covered: u64,
    /// Lines that could have been.
    pub total: u64,
}

/// Tests of a tier in a recorded run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TestCount {
    /// Tests that were run.
    pub executed: u64,
}

/// The recorded run that a change is compared with: its tests, and its coverage as far as the change left its lines alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CoverageBase {
    /// The commit that it was a run of.
    pub commit: String,
    /// The git tree of that commit.
    pub tree: String,
    /// How many commits that is before the merge-base; 0 where it is the merge-base.
    pub age: u32,
    /// Its tests, by tier.
    #[serde(default)]
    pub tests: BTreeMap<TierName, TestCount>,
    /// Those of its tests that ran and whose function the change takes away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<TestId>,
    /// Wall time of running its tests, all tiers together; 0 where that is not known.
    #[serde(default)]
    pub tests_ms: Milliseconds,
    /// All its production lines, by workspace member.
    pub packages: BTreeMap<String, LineTotals>,
    /// Lines that the change did not touch, by the paths and numbers that they have now.
    pub kept: CoverageLines,
    /// Untouched lines that were left out, since runs of that tree disagree about them.
    pub unstable: u64,
}

#[cfg(test)]
mod unit {
    use super::*;

    fn ranges(lines: &[u32]) -> LineRanges {
        lines.iter().copied().collect()
    }

    #[test]
    fn lines_become_ranges_and_come_back() {
        let some = ranges(&[9, 3, 4, 5, 5, 11, 12, u32::MAX]);
        assert_eq!(some.to_string(), format!("3-5,9,11-12,{}", u32::MAX));
        assert_eq!((some.count(), some.lines().collect::<Vec<_>>().len()), (7, 7));
        assert_eq!(LineRanges::try_from(some.to_string()), Ok(some.clone()));
        assert_eq!(
            [2, 3, 5, 6, 9, 10, 12, 13].map(|line| some.contains(line)),
            [false, true, true, false, true, false, true, false]
        );
        assert_eq!(LineRanges::try_from(String::new()), Ok(LineRanges::default()));
        assert!(!LineRanges::default().contains(1));
    }

    #[test]
    fn what_is_no_ascending_list_of_ranges_is_refused() {
        for bad in ["0", "5-3", "3,3", "1-4,4", "9,3", "a", "-1", "1-", "4294967296"] {
            let error = LineRanges::try_from(bad.to_owned()).expect_err(bad);
            assert!(error.contains("is no range of lines"), "{error}");
        }
    }

    #[test]
    fn lines_are_small_when_written() {
        let file = FileLines { package: "core".into(), covered: ranges(&[1, 2, 3]), uncovered: ranges(&[7]) };
        let lines = CoverageLines([("src/a.rs".to_owned(), file)].into());
        let text = serde_json::to_string(&lines).expect("JSON");
        assert_eq!(text, r#"{"src/a.rs":{"package":"core","covered":"1-3","uncovered":"7"}}"#);
        assert_eq!(serde_json::from_str::<CoverageLines>(&text).expect("the same"), lines);
    }
}
