//! Which mutants are tried, in which order, and what is left out.

use super::reach::{Cover, Reach};
use super::suppress::Suppression;
use super::touched::Touched;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tollgate_model::{Mutant, Partition, TestId};

/// Why a mutant is not tried.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Why {
    /// No test reaches its line, which is the coverage gate's finding.
    Uncovered,
    /// It is in a function that is not compiled here, for another platform or a feature that is off: no test could notice it.
    NotCompiled,
    /// Another mutant of its line has survived already.
    SameLine,
    /// The time was up.
    Budget,
    /// Building it and running tests took far longer than without it, and no test of its own did.
    Stopped,
    /// It is suppressed.
    Suppressed {
        /// Why.
        reason: String,
    },
}

impl Why {
    /// Whether it may be a survivor, or be noticed.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Budget | Self::Stopped)
    }
}

/// A mutant that is not tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LeftOut {
    /// The mutant.
    pub mutant: Mutant,
    /// Why.
    pub why: Why,
}

/// A mutant to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The mutant.
    pub mutant: Mutant,
    /// The line it is a finding of.
    pub line: u32,
    /// The tests that enter its function, those first that enter the fewest functions: they were written for it. Absent where
    /// any test may notice it.
    pub tests: Option<Vec<TestId>>,
}

/// What is tried and what is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// To be tried, in this order.
    pub queue: Vec<Candidate>,
    /// Not to be tried.
    pub left_out: Vec<LeftOut>,
}

impl Selection {
    /// Leaves out what is to be tried, where there is no test that could notice it.
    #[must_use]
    pub fn untested(mut self) -> Self {
        let uncovered = |one: Candidate| LeftOut { mutant: one.mutant, why: Why::Uncovered };
        self.left_out.extend(self.queue.drain(..).map(uncovered));
        self
    }
}

/// Chooses among mutants.
///
/// With a diff, mutants elsewhere are no concern of the change and not even counted, and the first mutant of every line
/// comes before the second of any, so that a budget that ends early has looked everywhere. `marked` gives the reason that
/// stands next to a mutant's code, or at the line that it is a finding of.
pub fn select(
    mutants: Vec<Mutant>,
    touched: Option<&Touched>,
    shard: Option<Partition>,
    reach: &Reach,
    suppressions: &[Suppression],
    marked: &dyn Fn(&Mutant, u32) -> Option<String>,
) -> Selection {
    let mut selection = Selection::default();
    let breadths = reach.breadths();
    // Mutants of one line go to one shard: only it can see to it that a line has one finding.
    let mut owners: BTreeMap<(String, u32), usize> = BTreeMap::new();
    let mut owner = |mutant: &Mutant, first: u32| {
        let next = owners.len();
        *owners.entry((mutant.file.clone(), first)).or_insert(next)
    };
    for (index, mutant) in mutants.into_iter().filter(|mutant| first(mutant, touched).is_some()).enumerate() {
        let index = touched.and(first(&mutant, touched)).map_or(index, |first| owner(&mutant, first));
        if shard.is_some_and(|shard| index % shard.count as usize != shard.index as usize - 1) {
            continue;
        }
        let configured = || suppressions.iter().find(|one| one.holds(&mutant)).map(|one| one.reason.clone());
        let covered = touched.map_or(Some(mutant.lines.0), |touched| covered(&mutant, touched, reach));
        let line = covered.unwrap_or(mutant.lines.0);
        if let Some(reason) = marked(&mutant, line).or_else(configured) {
            selection.left_out.push(LeftOut { mutant, why: Why::Suppressed { reason } });
            continue;
        }
        let cover = if covered.is_some() { reach.cover(&mutant) } else { Cover::Uncovered };
        let tests = match cover {
            Cover::Uncovered => {
                selection.left_out.push(LeftOut { mutant, why: Why::Uncovered });
                continue;
            }
            Cover::Reached(mut tests) => {
                tests.sort_by_key(|test| breadths.get(test));
                Some(tests)
            }
            Cover::NotCompiled => {
                selection.left_out.push(LeftOut { mutant, why: Why::NotCompiled });
                continue;
            }
            Cover::Unknown => None,
        };
        selection.queue.push(Candidate { mutant, line, tests });
    }
    if touched.is_some() {
        by_rounds(&mut selection.queue);
    }
    selection
}

/// The first line of a mutant that is asked about; none where the change does not touch it.
fn first(mutant: &Mutant, touched: Option<&Touched>) -> Option<u32> {
    let (first, last) = mutant.lines;
    match touched {
        None => Some(first),
        Some(touched) => touched.get(&mutant.file)?.range(first..=last).next().copied(),
    }
}

/// The line that a mutant is a finding of: the first touched one that tests reach, or else that has no counter; none where tests
/// reach no touched one, which is the coverage gate's finding.
fn covered(mutant: &Mutant, touched: &Touched, reach: &Reach) -> Option<u32> {
    let (first, last) = mutant.lines;
    let lines: Vec<u32> = touched.get(&mutant.file)?.range(first..=last).copied().collect();
    let count = |line: &&u32| reach.lines.get(&mutant.file).and_then(|lines| lines.get(line)).copied();
    let reached = lines.iter().find(|line| count(line).is_some_and(|count| count > 0));
    let is_counted = lines.iter().any(|line| count(&line).is_some());
    reached.or_else(|| lines.first().filter(|_| !is_counted)).copied()
}

/// First the best mutant of every line, then the second best, and so on.
fn by_rounds(queue: &mut Vec<Candidate>) {
    queue.sort_by_key(|candidate| preference(&candidate.mutant.genre));
    let mut seen: BTreeMap<(String, u32), usize> = BTreeMap::new();
    let round = |candidate: Candidate| {
        let round = seen.entry((candidate.mutant.file.clone(), candidate.line)).or_default();
        *round += 1;
        (*round, candidate)
    };
    let mut rounds: Vec<(usize, Candidate)> = std::mem::take(queue).into_iter().map(round).collect();
    // Candidates of a file stand together, since each change of file costs the compiler more.
    rounds.sort_by(|(a_round, a), (b_round, b)| {
        (a_round, &a.mutant.file, a.line).cmp(&(b_round, &b.mutant.file, b.line))
    });
    queue.extend(rounds.into_iter().map(|(_, candidate)| candidate));
}

/// Changes within a line say more than a function without its body.
fn preference(genre: &str) -> u32 {
    match genre {
        "BinaryOperator" => 0,
        "UnaryOperator" => 1,
        "MatchArmGuard" | "MatchArm" => 2,
        "FnValue" => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod unit {
    use super::super::mutant::mutant;
    use super::super::reach::FunctionTests;
    use super::*;

    fn reach(lines: &[(u32, u64)]) -> Reach {
        let tests = [TestId::new("shop", "unit::x")].into();
        Reach {
            lines: [("src/lib.rs".to_owned(), lines.iter().copied().collect())].into(),
            functions: vec![FunctionTests { file: "src/lib.rs".into(), lines: vec![(1, 99)], tests }],
            built: [("shop".to_owned(), true)].into(),
        }
    }

    fn mutants() -> Vec<Mutant> {
        let mut body = mutant(3, "FnValue", "replace price with 0");
        body.lines = (3, 8);
        let operator = |line, change| mutant(line, "BinaryOperator", change);
        vec![body, operator(5, "replace / with %"), operator(5, "replace / with *"), operator(9, "replace - with +")]
    }

    fn names(selection: &Selection) -> Vec<String> {
        let left = |left: &LeftOut| format!("not {} {:?}", left.mutant.change(), left.why);
        let queue = selection.queue.iter().map(|one| format!("{} {}", one.line, one.mutant.change()));
        queue.chain(selection.left_out.iter().map(left)).collect()
    }

    fn no_marks(_: &Mutant, _: u32) -> Option<String> {
        None
    }

    #[test]
    fn a_diff_selects_its_covered_lines_and_looks_at_each_before_it_looks_twice() {
        let touched = Touched::from([("src/lib.rs".to_owned(), [5, 6, 9].into())]);
        let reach = reach(&[(3, 1), (5, 1), (9, 0)]);
        let selection = select(mutants(), Some(&touched), None, &reach, &[], &no_marks);
        assert_eq!(
            names(&selection),
            [
                "5 replace / with % in price",
                "5 replace / with * in price",
                "5 replace price with 0 in price",
                "not replace - with + in price Uncovered",
            ]
        );
        assert_eq!(selection.queue[0].tests.as_ref().map(Vec::len), Some(1));
        let elsewhere = Touched::from([("src/other.rs".to_owned(), [5].into())]);
        assert_eq!(select(mutants(), Some(&elsewhere), None, &reach, &[], &no_marks), Selection::default());
    }

    #[test]
    fn a_mutant_of_many_lines_is_a_finding_of_a_touched_line_that_is_covered() {
        let line = |touched: &[u32]| {
            let touched = Touched::from([("src/lib.rs".to_owned(), touched.iter().copied().collect())]);
            let body = mutants().swap_remove(0);
            let selection = select(vec![body], Some(&touched), None, &reach(&[(3, 1), (5, 0), (7, 1)]), &[], &no_marks);
            selection.queue.first().map(|one| one.line)
        };
        assert_eq!(line(&[5, 6]), None, "which is the coverage gate's finding");
        assert_eq!(line(&[5, 7]), Some(7));
        assert_eq!(line(&[6]), Some(6), "nothing is counted there");
        assert_eq!(line(&[6, 7]), Some(7));
        let touched = Touched::from([("src/lib.rs".to_owned(), [5, 7].into())]);
        let marked = |_: &Mutant, line| (line == 7).then(|| "asked there".to_owned());
        let body = vec![mutants().swap_remove(0)];
        let selection = select(body, Some(&touched), None, &reach(&[(3, 1), (5, 0), (7, 1)]), &[], &marked);
        assert_eq!(selection.left_out.len(), 1, "a reason at the line that is asked about");
    }

    #[test]
    fn what_is_in_a_function_that_is_not_compiled_here_is_left_out_and_a_constant_is_not() {
        let mut constant = mutant(150, "BinaryOperator", "replace * with +");
        constant.function = None;
        let windows = mutant(160, "FnValue", "replace path with 0");
        let mut module = mutant(3, "FnValue", "replace open with 0");
        module.file = "src/windows.rs".into();
        let listed = vec![mutant(5, "FnValue", "replace price with 0"), constant, windows, module];
        let selected = |reach: &Reach| names(&select(listed.clone(), None, None, reach, &[], &no_marks));
        assert_eq!(
            selected(&reach(&[(5, 1)])),
            [
                "5 replace price with 0 in price",
                "150 replace * with + in price",
                "not replace path with 0 in price NotCompiled",
                "not replace open with 0 in price NotCompiled",
            ]
        );
        // Of a change to what is not compiled here nothing else is listed.
        let module = vec![listed[3].clone()];
        let touched = Touched::from([("src/windows.rs".to_owned(), [3].into())]);
        let change = select(module, Some(&touched), None, &reach(&[(5, 1)]), &[], &no_marks);
        assert_eq!(names(&change), ["not replace open with 0 in price NotCompiled"]);
        let untested = selected(&Reach::default());
        assert!(untested.iter().all(|one| !one.starts_with("not")), "a package without tests: {untested:?}");
        let selection = select(listed.clone(), None, None, &Reach::default(), &[], &no_marks).untested();
        assert_eq!(
            (selection.queue.len(), selection.left_out.len()),
            (0, 4),
            "none is tried where there is no test at all"
        );
        assert!(selection.left_out.iter().all(|left| left.why == Why::Uncovered));
    }

    #[test]
    fn mutants_of_one_touched_line_are_of_one_shard() {
        let touched = Touched::from([("src/lib.rs".to_owned(), [5, 9].into())]);
        let lines = |shard: &str| -> Vec<u32> {
            let shard = Some(shard.parse().expect("a partition"));
            let selection = select(mutants(), Some(&touched), shard, &reach(&[(5, 1), (9, 1)]), &[], &no_marks);
            selection.queue.iter().map(|one| one.line).collect()
        };
        assert_eq!([lines("1/2"), lines("2/2")], [vec![5, 5, 5], vec![9]]);
    }

    #[test]
    fn every_line_comes_before_the_second_mutant_of_one() {
        let touched = Touched::from([("src/lib.rs".to_owned(), [5, 9].into())]);
        let selection = select(mutants(), Some(&touched), None, &reach(&[(5, 1), (9, 1)]), &[], &no_marks);
        let lines: Vec<u32> = selection.queue.iter().map(|one| one.line).collect();
        assert_eq!(lines, [5, 9, 5, 5]);
    }

    #[test]
    fn tests_that_enter_the_fewest_functions_come_first() {
        let [broad, narrow] = ["unit::a", "unit::z"].map(|name| TestId::new("shop", name));
        let mut reach = reach(&[(5, 1)]);
        reach.functions[0].tests = [broad.clone(), narrow.clone()].into();
        let elsewhere =
            FunctionTests { lines: vec![(200, 201)], tests: [broad.clone()].into(), ..reach.functions[0].clone() };
        reach.functions.push(elsewhere);
        let selection = select(mutants(), None, None, &reach, &[], &no_marks);
        assert_eq!(selection.queue[0].tests, Some(vec![narrow, broad]));
    }

    #[test]
    fn shards_share_all_mutants_and_none_has_two_owners() {
        let reach = reach(&[(3, 1), (5, 1), (9, 1)]);
        let of = |shard: &str| {
            let shard = Some(shard.parse().expect("a partition"));
            names(&select(mutants(), None, shard, &reach, &[], &no_marks))
        };
        let mut all = of("1/3");
        all.extend(of("2/3"));
        all.extend(of("3/3"));
        all.sort();
        let mut whole = names(&select(mutants(), None, None, &reach, &[], &no_marks));
        whole.sort();
        assert_eq!(all, whole);
        assert_eq!(of("1/3").len(), 2);
    }

    #[test]
    fn what_is_suppressed_is_left_out_with_its_reason() {
        let suppression = Suppression {
            file: None,
            function: None,
            replacement: Some("%".into()),
            reason: "equal for all prices".into(),
        };
        let marked = |_: &Mutant, line| (line == 9).then(|| "only a log".to_owned());
        let reach = reach(&[(3, 1), (5, 1), (9, 1)]);
        let selection = select(mutants(), None, None, &reach, &[suppression], &marked);
        assert_eq!(
            names(&selection)[2..],
            [
                "not replace / with % in price Suppressed { reason: \"equal for all prices\" }",
                "not replace - with + in price Suppressed { reason: \"only a log\" }",
            ]
        );
    }
}
