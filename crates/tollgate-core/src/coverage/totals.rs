//! Covered and coverable production lines, and which members they are of.

use super::glob;
use std::collections::BTreeMap;
use tollgate_model::{CoverageEvidence, CoveragePolicy, FileCoverage, LineCount, Member, Plan};

/// Covered lines of coverable ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Lines that were reached.
    pub covered: u64,
    /// Lines that could have been.
    pub total: u64,
}

impl Totals {
    /// Whether at least `percent` of the lines are covered; compares whole numbers, so nothing is rounded.
    pub fn reaches(self, percent: u32) -> bool {
        u128::from(self.covered) * 100 >= u128::from(self.total) * u128::from(percent)
    }

    /// Whether the share of covered lines is at least that of another; compares whole numbers, so nothing is rounded.
    pub fn is_no_less_than(self, other: Self) -> bool {
        u128::from(self.covered) * u128::from(other.total) >= u128::from(other.covered) * u128::from(self.total)
    }

    /// The share in tenths of a percent, rounded down, so that what is shown never looks better than it is.
    pub fn permille(self) -> u64 {
        let permille = u128::from(self.covered) * 1000 / u128::from(self.total.max(1));
        u64::try_from(permille).unwrap_or(u64::MAX)
    }

    /// Adds the lines of another.
    pub fn add(&mut self, other: Self) {
        self.covered = self.covered.saturating_add(other.covered);
        self.total = self.total.saturating_add(other.total);
    }

    /// Lines that were not reached.
    pub fn uncovered(self) -> u64 {
        self.total.saturating_sub(self.covered)
    }

    /// The lines that are missing for `percent`.
    pub fn missing(self, percent: u32) -> u64 {
        self.wanted(percent).saturating_sub(self.covered)
    }

    /// The covered lines that `percent` could do without.
    pub fn spare(self, percent: u32) -> u64 {
        self.covered.saturating_sub(self.wanted(percent))
    }

    fn wanted(self, percent: u32) -> u64 {
        let wanted = (u128::from(self.total) * u128::from(percent)).div_ceil(100);
        u64::try_from(wanted).unwrap_or(u64::MAX)
    }
}

/// Whether any tier reached the line.
pub fn is_covered(line: &LineCount) -> bool {
    line.counts.iter().any(|&count| count > 0)
}

/// The lines of a file that are not test code.
pub fn production_lines(file: &FileCoverage) -> impl Iterator<Item = &LineCount> {
    let is_test = |line: u32| file.test_spans.iter().any(|&(first, last)| (first..=last).contains(&line));
    file.lines.iter().filter(move |line| !is_test(line.line))
}

/// Covered and coverable production lines of some files.
pub fn total<'a>(files: impl IntoIterator<Item = &'a FileCoverage>) -> Totals {
    let mut totals = Totals::default();
    for line in files.into_iter().flat_map(production_lines) {
        totals.add(Totals { covered: u64::from(is_covered(line)), total: 1 });
    }
    totals
}

/// [`total`] of each package.
pub fn package_totals(files: &[FileCoverage]) -> BTreeMap<&str, Totals> {
    let mut packages: BTreeMap<&str, Totals> = BTreeMap::new();
    for file in files {
        packages.entry(&file.package).or_default().add(total([file]));
    }
    packages
}

/// Where a member of the workspace stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing<'a> {
    /// It has coverable lines in the evidence.
    Measured(Totals),
    /// The policy leaves it out.
    Excluded {
        /// Why.
        reason: &'a str,
    },
    /// It should have been measured and is not in the evidence.
    Unmeasured,
}

/// Where each member of the plan stands, by name: the denominator is the workspace, not what a report happens to hold.
pub fn denominator<'a>(evidence: &CoverageEvidence, plan: &'a Plan) -> BTreeMap<&'a str, Standing<'a>> {
    let measured = package_totals(&evidence.files);
    let standing = |member: &'a Member| match measured.get(member.name.as_str()) {
        Some(&totals) => Standing::Measured(totals),
        None => exclusion(member, plan.policy.coverage.as_ref())
            .map_or(Standing::Unmeasured, |reason| Standing::Excluded { reason }),
    };
    plan.members.iter().map(|member| (member.name.as_str(), standing(member))).collect()
}

/// Why the policy leaves a member out: by its name, or by a glob that takes its whole source.
fn exclusion<'a>(member: &Member, policy: Option<&'a CoveragePolicy>) -> Option<&'a str> {
    let policy = policy?;
    let inside = |path: &str| format!("{}/{path}", member.directory).trim_start_matches('/').to_owned();
    let named = policy.excluded_packages.iter().find(|exclusion| exclusion.what == member.name);
    let taken = || {
        let roots = [inside("src/lib.rs"), inside("src/main.rs")];
        policy.excluded_paths.iter().find(|e| roots.iter().all(|root| glob::matches(&e.what, root)))
    };
    named.or_else(taken).map(|exclusion| exclusion.reason.as_str())
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::sample;
    use proptest::prelude::*;
    use tollgate_model::Exclusion;

    #[test]
    fn test_code_does_not_count() {
        let coverage = sample::coverage();
        assert_eq!(total(&coverage.files), Totals { covered: 17, total: 20 });
        let of = |package: &str| package_totals(&coverage.files)[package];
        assert_eq!(of("core"), Totals { covered: 8, total: 10 });
        assert_eq!(of("identity"), Totals { covered: 9, total: 10 });
    }

    #[test]
    fn a_floor_is_compared_in_whole_numbers() {
        let totals = |covered, total| Totals { covered, total };
        assert!(totals(4, 5).reaches(80) && !totals(3, 5).reaches(80));
        assert!(!totals(7999, 10_000).reaches(80) && totals(8000, 10_000).reaches(80));
        assert!(totals(4, 5).is_no_less_than(totals(3, 5)) && totals(4, 5).is_no_less_than(totals(8, 10)));
        assert!(!totals(79, 100).is_no_less_than(totals(4, 5)));
        assert!(!totals(u64::MAX / 2, u64::MAX).reaches(50), "nothing overflows");
        assert_eq!((totals(7999, 10_000).permille(), totals(0, 0).permille()), (799, 0));
        assert_eq!((totals(3, 5).missing(80), totals(5, 5).missing(80), totals(79, 99).missing(80)), (1, 0, 1));
    }

    #[test]
    fn every_member_is_measured_excluded_or_named() {
        let mut plan = sample::plan();
        let check = |plan: &Plan| {
            let coverage = sample::coverage();
            let lines: Vec<_> = denominator(&coverage, plan).iter().map(|(n, s)| format!("{n}: {s:?}")).collect();
            lines.join("\n")
        };
        insta::assert_snapshot!(check(&plan), @r#"
        core: Measured(Totals { covered: 8, total: 10 })
        harness: Excluded { reason: "only tests use it" }
        identity: Measured(Totals { covered: 9, total: 10 })
        "#);
        plan.members.push(Member { name: "lost".into(), directory: "crates/lost".into(), binaries: Vec::new() });
        plan.members.push(Member { name: "made".into(), directory: "made".into(), binaries: Vec::new() });
        let policy = plan.policy.coverage.as_mut().unwrap();
        policy.excluded_paths.push(Exclusion { what: "made/**".into(), reason: "generated".into() });
        policy.excluded_paths.push(Exclusion { what: "crates/lost/src/main.rs".into(), reason: "a part".into() });
        insta::assert_snapshot!(check(&plan), @r#"
        core: Measured(Totals { covered: 8, total: 10 })
        harness: Excluded { reason: "only tests use it" }
        identity: Measured(Totals { covered: 9, total: 10 })
        lost: Unmeasured
        made: Excluded { reason: "generated" }
        "#);
        plan.policy.coverage = None;
        assert_eq!(denominator(&sample::coverage(), &plan)["harness"], Standing::Unmeasured);
    }

    proptest! {
        #[test]
        fn what_is_missing_reaches_the_floor_and_one_less_does_not(covered in 0u64..999, more in 0u64..999, floor in 0u32..=100) {
            let totals = Totals { covered, total: covered + more };
            let missing = totals.missing(floor);
            prop_assert_eq!(missing == 0, totals.reaches(floor));
            let covers = |extra: u64| Totals { covered: covered + extra, ..totals }.reaches(floor);
            prop_assert!(covers(missing) && (missing == 0 || !covers(missing - 1)));
            let without = |fewer: u64| Totals { covered: covered - fewer, ..totals }.reaches(floor);
            let spare = totals.spare(floor);
            prop_assert!(missing > 0 || without(spare) && (spare == covered || !without(spare + 1)));
        }
    }
}
