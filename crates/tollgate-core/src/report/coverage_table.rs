//! The table of `coverage`, for a terminal.

use super::text::clip;
use crate::coverage::{Counts, Table, Totals};
use crate::judge::words::{percent, ranges};
use std::fmt::Write as _;
use tollgate_model::TierName;

/// How many files with uncovered lines are shown.
const FILES_SHOWN: usize = 10;

/// Returns a line for each member with what every tier reached of it, then the files with most uncovered lines.
pub fn coverage_table(table: &Table, width: usize) -> String {
    let names = table.packages.keys().map(String::as_str).chain([ALONE]);
    let wide = names.map(|name| name.chars().count()).max().unwrap_or_default();
    let mut out = Rows { text: String::new(), wide, tiers: table.tiers.iter().map(TierName::as_str).collect() };
    out.head();
    for (package, counts) in &table.packages {
        out.counts(package, counts);
    }
    out.counts("all", &table.all);
    out.alone(&table.all);
    let uncovered: Vec<_> = table.files.iter().filter(|file| !file.uncovered.is_empty()).collect();
    if !uncovered.is_empty() {
        out.text += "\nuncovered    share  file\n";
    }
    for file in uncovered.iter().take(FILES_SHOWN) {
        let place = format!("{}:{}", file.path, ranges(file.uncovered.iter().copied()));
        let row = format!("{:>9}  {:>7}  {place}", file.uncovered.len(), share(&file.lines));
        out.put(format_args!("{}\n", clip(&row, width.max(40))));
    }
    if uncovered.len() > FILES_SHOWN {
        out.put(format_args!("{:>9}  more files\n", uncovered.len() - FILES_SHOWN));
    }
    out.text
}

/// Name of the row that says what only one tier reached.
const ALONE: &str = "no other tier";

fn share(counts: &Counts) -> String {
    percent(Totals { covered: counts.covered, total: counts.total }.permille())
}

struct Rows<'a> {
    text: String,
    wide: usize,
    tiers: Vec<&'a str>,
}

impl Rows<'_> {
    fn put(&mut self, arguments: std::fmt::Arguments) {
        self.text.write_fmt(arguments).expect("a string takes all that is written to it");
    }

    fn head(&mut self) {
        let wide = self.wide;
        self.put(format_args!("{:wide$}    lines  covered    share", "crate"));
        for tier in self.tiers.clone() {
            self.put(format_args!("  {tier:>7}"));
        }
        self.text += "\n";
    }

    fn counts(&mut self, name: &str, counts: &Counts) {
        let (wide, share) = (self.wide, share(counts));
        self.put(format_args!("{name:wide$}  {:>7}  {:>7}  {share:>7}", counts.total, counts.covered));
        self.columns(counts.tiers.iter().map(|tier| tier.covered));
    }

    fn alone(&mut self, counts: &Counts) {
        let wide = self.wide;
        self.put(format_args!("{ALONE:wide$}  {:>7}  {:>7}  {:>7}", "", "", ""));
        self.columns(counts.tiers.iter().map(|tier| tier.alone));
    }

    fn columns(&mut self, numbers: impl Iterator<Item = u64>) {
        for (tier, number) in self.tiers.clone().into_iter().zip(numbers) {
            let wide = tier.chars().count().max(7);
            self.put(format_args!("  {number:>wide$}"));
        }
        self.text += "\n";
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::coverage::table;
    use crate::judge::sample;
    use tollgate_model::RunId;

    #[test]
    fn the_table_shows_what_every_tier_reached() {
        let table = table(&RunId::new("r").unwrap(), &sample::coverage());
        insta::assert_snapshot!(coverage_table(&table, 80), @"
        crate            lines  covered    share     unit  integration      e2e
        core                10        8   80.0 %        8            0        0
        identity            10        9   90.0 %        0            6        4
        all                 20       17   85.0 %        8            6        4
        no other tier                                   8            5        3

        uncovered    share  file
                2   80.0 %  crates/core/src/lib.rs:9-10
                1   90.0 %  crates/identity/src/main.rs:10
        ");
    }

    #[test]
    fn files_beyond_the_first_ten_are_counted() {
        let mut coverage = sample::coverage();
        let file = coverage.files[0].clone();
        coverage.files =
            (0..12).map(|n| tollgate_model::FileCoverage { path: format!("{n}.rs"), ..file.clone() }).collect();
        let text = coverage_table(&table(&RunId::new("r").unwrap(), &coverage), 80);
        assert!(text.ends_with("        2  more files\n"), "{text}");
    }
}
