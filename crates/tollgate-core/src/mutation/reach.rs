//! What tests reach: covered lines, and the tests that enter a function.

use crate::coverage::Lcov;
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{Mutant, TestId};

/// A function and the tests that enter it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionTests {
    /// The file, from the root of the workspace.
    pub file: String,
    /// First and last line of each of its regions.
    pub lines: Vec<(u32, u32)>,
    /// The tests.
    pub tests: BTreeSet<TestId>,
}

/// Whether tests reach a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cover {
    /// These tests enter its function, and one of them reaches its line.
    Reached(Vec<TestId>),
    /// Its lines have counters, and no test reaches one.
    Uncovered,
    /// Its lines have no counter, as those of a constant: any test may notice it.
    Unknown,
    /// Neither its function nor what is around it has a counter, where what it would be in was built.
    NotCompiled,
}

/// What the tests of an unchanged workspace reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Executions by line, by file from the root of the workspace.
    pub lines: Lcov,
    /// The functions that were built, with the tests that enter them.
    pub functions: Vec<FunctionTests>,
    /// Packages that test programs were made of, and whether all their code is in what was built: a program that no test is built
    /// with is not.
    pub built: BTreeMap<String, bool>,
}

impl Reach {
    /// Whether tests reach the mutant.
    pub fn cover(&self, mutant: &Mutant) -> Cover {
        let (first, last) = mutant.lines;
        let mut counts =
            self.lines.get(&mutant.file).into_iter().flat_map(|lines| lines.range(first..=last)).peekable();
        if counts.peek().is_none() {
            // A constant within a function has none of its own.
            let ends = |function: &FunctionTests| {
                let (firsts, lasts) =
                    (function.lines.iter().map(|lines| lines.0), function.lines.iter().map(|lines| lines.1));
                (firsts.min().unwrap_or(u32::MAX), lasts.max().unwrap_or(0))
            };
            let is_around = |(begin, end): (u32, u32)| begin <= last && first <= end;
            let mut here = self.functions.iter().filter(|function| function.file == mutant.file);
            return match self.built.get(&mutant.package) {
                _ if mutant.function.is_none() || here.any(|function| is_around(ends(function))) => Cover::Unknown,
                _ if self.lines.contains_key(&mutant.file) => Cover::NotCompiled,
                Some(true) => Cover::NotCompiled,
                // It may be in the program that was not built.
                Some(false) => Cover::Uncovered,
                // Tests of others may notice what nothing counts, as a procedural macro.
                None => Cover::Unknown,
            };
        }
        if counts.all(|(_, count)| *count == 0) {
            return Cover::Uncovered;
        }
        let overlaps = |function: &&FunctionTests| {
            function.file == mutant.file && function.lines.iter().any(|lines| lines.0 <= last && first <= lines.1)
        };
        let tests: BTreeSet<&TestId> =
            self.functions.iter().filter(overlaps).flat_map(|function| &function.tests).collect();
        // A line that was reached by no test's own process has to be noticed by any of them.
        if tests.is_empty() { Cover::Unknown } else { Cover::Reached(tests.into_iter().cloned().collect()) }
    }

    /// How many functions each test enters.
    pub(super) fn breadths(&self) -> BTreeMap<&TestId, usize> {
        let mut breadths = BTreeMap::new();
        for test in self.functions.iter().flat_map(|function| &function.tests) {
            *breadths.entry(test).or_default() += 1;
        }
        breadths
    }
}

#[cfg(test)]
mod unit {
    use super::super::mutant::mutant;
    use super::*;

    #[test]
    fn a_mutant_is_reached_by_the_tests_that_enter_its_function() {
        let test = TestId::new("shop", "unit::x");
        let function = |lines, tests: &[&TestId]| FunctionTests {
            file: "src/lib.rs".into(),
            lines: vec![lines],
            tests: tests.iter().map(|&test| test.clone()).collect(),
        };
        let reach = Reach {
            lines: Lcov::from([("src/lib.rs".into(), [(3, 0), (5, 2), (9, 4)].into())]),
            functions: vec![function((4, 6), &[&test]), function((1, 3), &[])],
            built: BTreeMap::new(),
        };
        let cover = |line| reach.cover(&mutant(line, "BinaryOperator", "replace / with %"));
        assert_eq!(cover(5), Cover::Reached(vec![test]));
        assert_eq!(cover(3), Cover::Uncovered);
        assert_eq!(cover(4), Cover::Unknown);
        assert_eq!(cover(9), Cover::Unknown);
        assert_eq!([cover(7), cover(20)], [Cover::NotCompiled, Cover::NotCompiled]);
        let parted = FunctionTests { lines: vec![(11, 11), (15, 16)], ..reach.functions[1].clone() };
        let reach = Reach { functions: vec![parted], ..reach };
        let cover = |line| reach.cover(&mutant(line, "BinaryOperator", "replace / with %"));
        assert_eq!([cover(10), cover(13), cover(17)], [Cover::NotCompiled, Cover::Unknown, Cover::NotCompiled]);
    }
    #[test]
    fn what_has_no_counter_is_not_compiled_here_only_where_all_code_of_its_package_was_built() {
        let cover = |file: &str, function: Option<&str>, built: Option<bool>| {
            let reach = Reach {
                lines: Lcov::from([("src/lib.rs".into(), [(3, 0)].into())]),
                functions: Vec::new(),
                built: built.map(|built| ("shop".to_owned(), built)).into_iter().collect(),
            };
            let mutant = mutant(5, "FnValue", "replace open with 0");
            reach.cover(&Mutant { file: file.into(), function: function.map(str::to_owned), ..mutant })
        };
        let (open, all) = (Some("open"), [Some(true), Some(false), None]);
        assert_eq!(all.map(|built| cover("src/lib.rs", open, built)), [const { Cover::NotCompiled }; 3]);
        let elsewhere = [Cover::NotCompiled, Cover::Uncovered, Cover::Unknown];
        assert_eq!(all.map(|built| cover("src/windows.rs", open, built)), elsewhere);
        assert_eq!(all.map(|built| cover("src/windows.rs", None, built)), [const { Cover::Unknown }; 3]);
    }
}
