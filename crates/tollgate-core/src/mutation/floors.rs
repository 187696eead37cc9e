//! Floors: the least share of mutants that tests notice below a path.

use super::report::{MutationReport, Scope};
use super::select::Why;
use crate::coverage::member_of;
use crate::judge::words::{count, share};
use camino::Utf8Path;
use std::collections::BTreeMap;
use tollgate_model::{GateName, GateResult, Member, MutantOutcome, Outcome};

/// Whether a file is this path, or below it.
pub fn is_below(file: &str, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Holds every path to its floor, in percent: failed where it is not kept whatever becomes of untried mutants, unproven where they
/// decide, or where there is no mutant. Absent where no floor is set, and of a part, which has some of the mutants. Where only some
/// packages were asked for, so have floors of paths with others below them: these are named and not judged.
pub fn floors(report: &MutationReport, floors: &BTreeMap<String, u32>, members: &[Member]) -> Option<GateResult> {
    if floors.is_empty() || report.scope != Scope::All || report.part.is_some() {
        return None;
    }
    let (whole, others): (Vec<_>, Vec<_>) = floors.iter().partition(|(path, _)| is_whole(path, report, members));
    let judged = whole.into_iter().map(|(path, floor)| one(&Counts::below(path, report), path, u64::from(*floor)));
    let mut judged: Vec<(Outcome, String)> = judged.collect();
    // The worst first, those of one kind in the order of their paths.
    judged.sort_by_key(|(outcome, _)| std::cmp::Reverse(*outcome));
    let outcome = judged.first().map_or(Outcome::Unproven, |(outcome, _)| *outcome);
    let kept = judged.iter().filter(|(outcome, _)| *outcome == Outcome::Passed).count() as u64;
    let number = judged.len() as u64;
    let others =
        others.into_iter().map(|(path, _)| format!("{path} is not judged without the other packages below it"));
    let texts: Vec<String> = judged.into_iter().map(|(_, text)| text).chain(others).collect();
    let message = format!("{kept} of {} kept: {}", count(number, "floor"), texts.join("; "));
    let fix = (outcome == Outcome::Failed).then(|| {
        "write tests that notice the survivors, or give a reason: `// tollgate: no-mutants(reason)`".to_owned()
    });
    let gate = GateResult::new(GateName::new("mutation", "floors"), outcome, message);
    Some(GateResult { k: Some(kept), n: Some(number), fix, ..gate })
}

/// Whether all packages that have files below a path were asked for.
fn is_whole(path: &str, report: &MutationReport, members: &[Member]) -> bool {
    let is_asked = |member: &Member| report.packages.contains(&member.name);
    let owner = member_of(Utf8Path::new(path), members).map(|(member, _)| member);
    let mut concerned = owner.into_iter().chain(members.iter().filter(|member| is_below(&member.directory, path)));
    report.packages.is_empty() || concerned.all(is_asked)
}

/// The mutants below a path.
struct Counts {
    noticed: u64,
    viable: u64,
    untried: u64,
}

impl Counts {
    fn below(path: &str, report: &MutationReport) -> Self {
        let tried = report.results.iter().map(|result| (result.mutant.file.as_str(), Some(result.outcome)));
        let left = report.left_out.iter().filter_map(|left| {
            let missed = (left.why == Why::Uncovered).then_some(MutantOutcome::Missed);
            (missed.is_some() || left.why.is_open()).then_some((left.mutant.file.as_str(), missed))
        });
        Self::of(path, tried.chain(left))
    }

    /// Of mutants by their files, with what became of those that were tried.
    fn of<'a>(path: &str, mutants: impl Iterator<Item = (&'a str, Option<MutantOutcome>)>) -> Self {
        let mut counts = Self { noticed: 0, viable: 0, untried: 0 };
        for (_, outcome) in mutants.filter(|(file, _)| is_below(file, path)) {
            match outcome {
                None => counts.untried += 1,
                Some(MutantOutcome::Unviable) => {}
                Some(outcome) => {
                    counts.viable += 1;
                    counts.noticed += u64::from(outcome != MutantOutcome::Missed);
                }
            }
        }
        counts
    }
}

/// The paths whose floors would not be kept if all were missed of which it is not known yet, by the files of mutants with what
/// became of them so far.
pub fn floors_in_doubt<'a>(
    floors: &'a BTreeMap<String, u32>,
    mutants: &[(&str, Option<MutantOutcome>)],
) -> Vec<&'a str> {
    let is_kept = |path: &str, floor: u32| {
        one(&Counts::of(path, mutants.iter().copied()), path, u64::from(floor)).0 == Outcome::Passed
    };
    floors.iter().filter(|(path, floor)| !is_kept(path, **floor)).map(|(path, _)| path.as_str()).collect()
}

fn one(counts: &Counts, path: &str, floor: u64) -> (Outcome, String) {
    let &Counts { noticed, viable, untried } = counts;
    let all = viable + untried;
    if all == 0 {
        return (Outcome::Unproven, format!("{path} has no mutant that could be noticed, floor {floor} %"));
    }
    let is_kept = |noticed: u64| 100 * noticed >= floor * all;
    let outcome = match (is_kept(noticed), is_kept(noticed + untried)) {
        (true, _) => Outcome::Passed,
        (false, true) => Outcome::Unproven,
        (false, false) => Outcome::Failed,
    };
    let late = if untried > 0 { format!(", {untried} not tried") } else { String::new() };
    (outcome, format!("{path} {} ({noticed} of {viable}{late}), floor {floor} %", share(noticed, viable)))
}

#[cfg(test)]
mod unit {
    use super::super::mutant::{mutant, result};
    use super::super::select::LeftOut;
    use super::*;
    use MutantOutcome::{Caught, Missed, TimedOut, Unviable};
    use proptest::prelude::*;

    fn report(outcomes: &[MutantOutcome], left: &[Why]) -> MutationReport {
        let results = outcomes.iter().map(|&outcome| result(5, "replace / with %", outcome)).collect();
        let left =
            left.iter().map(|why| LeftOut { mutant: mutant(9, "FnValue", "replace x with 0"), why: why.clone() });
        MutationReport::new(Scope::All, results, left.collect())
    }

    fn judged(report: &MutationReport, path: &str, floor: u32) -> (Outcome, String) {
        let gate = floors(report, &BTreeMap::from([(path.to_owned(), floor)]), &[]).expect("a floor is set");
        (gate.outcome, gate.message)
    }

    #[test]
    fn a_path_is_a_file_or_what_is_below_a_directory() {
        let below = |path| is_below("src/judge/mod.rs", path);
        assert!(below("src") && below("src/judge/") && below("src/judge/mod.rs"));
        assert!(!below("src/jud") && !below("judge") && !below("src/judge/mod.rs/x") && !below("src/judge/mod"));
    }

    #[test]
    fn a_floor_is_in_doubt_as_long_as_what_is_open_decides() {
        let floors = BTreeMap::from([("src".to_owned(), 50), ("src/judge".to_owned(), 100), ("doc".to_owned(), 1)]);
        let in_doubt = |mutants: &[(&str, Option<MutantOutcome>)]| floors_in_doubt(&floors, mutants).join(" ");
        let (judge, other) = (("src/judge/a.rs", Some(Caught)), ("src/b.rs", Some(Missed)));
        let page = ("doc/a.rs", Some(TimedOut));
        assert_eq!(in_doubt(&[judge, other, page, ("src/c.rs", Some(Unviable))]), "");
        assert_eq!(in_doubt(&[judge, other, page, ("src/c.rs", None)]), "src");
        assert_eq!(in_doubt(&[judge, other, page, ("src/judge/c.rs", None), ("src/d.rs", Some(Caught))]), "src/judge");
    }

    #[test]
    fn a_floor_is_kept_by_whole_numbers() {
        let said = |text: &str| text.to_owned();
        let nine = [&[Caught; 8][..], &[TimedOut, Missed, Unviable]].concat();
        let kept = said("1 of 1 floor kept: src 90.0 % (9 of 10), floor 90 %");
        assert_eq!(judged(&report(&nine, &[]), "src", 90), (Outcome::Passed, kept));
        let below = said("0 of 1 floor kept: src 90.0 % (9 of 10), floor 91 %");
        assert_eq!(judged(&report(&nine, &[]), "src", 91), (Outcome::Failed, below));
        let uncovered = judged(&report(&nine, &[Why::Uncovered]), "src", 90);
        assert_eq!(uncovered, (Outcome::Failed, said("0 of 1 floor kept: src 81.8 % (9 of 11), floor 90 %")));
        let reasoned = [Why::Suppressed { reason: "a log".into() }, Why::NotCompiled];
        assert_eq!(judged(&report(&nine, &reasoned), "src/lib.rs", 90).0, Outcome::Passed);
    }

    #[test]
    fn untried_mutants_leave_a_floor_unproven_only_where_they_decide() {
        let late = |number: usize| [Why::Budget, Why::Stopped].into_iter().cycle().take(number).collect::<Vec<_>>();
        let two = "0 of 1 floor kept: src 100.0 % (9 of 9, 2 not tried), floor 90 %".to_owned();
        assert_eq!(judged(&report(&[Caught; 9], &late(2)), "src", 90), (Outcome::Unproven, two));
        let nine = [&[Caught; 9][..], &[Missed]].concat();
        let unproven = "0 of 1 floor kept: src 90.0 % (9 of 10, 1 not tried), floor 90 %".to_owned();
        assert_eq!(judged(&report(&nine, &late(1)), "src", 90), (Outcome::Unproven, unproven));
        assert_eq!(judged(&report(&nine, &late(1)), "src", 80).0, Outcome::Passed, "even if it is missed");
        assert_eq!(judged(&report(&nine, &late(1)), "src", 91).0, Outcome::Failed, "even if it is noticed");
    }

    #[test]
    fn where_nothing_can_be_noticed_nothing_is_proven() {
        let none = "0 of 1 floor kept: tests has no mutant that could be noticed, floor 0 %".to_owned();
        assert_eq!(judged(&report(&[Caught], &[]), "tests", 0), (Outcome::Unproven, none));
        assert_eq!(judged(&report(&[Unviable], &[]), "src", 0).0, Outcome::Unproven);
    }

    #[test]
    fn only_a_whole_is_held_to_floors_and_the_worst_comes_first() {
        let set = BTreeMap::from([("src".to_owned(), 50), ("tests".to_owned(), 1), ("src/lib.rs".to_owned(), 100)]);
        let mut whole = report(&[Caught, Missed], &[]);
        let gate = floors(&whole, &set, &[]).expect("floors are set");
        assert_eq!((gate.outcome, gate.k, gate.n, gate.fix.is_some()), (Outcome::Failed, Some(1), Some(3), true));
        assert!(gate.message.starts_with("1 of 3 floors kept: src/lib.rs 50.0 % (1 of 2), floor 100 %; tests has no"));
        assert_eq!(floors(&whole, &BTreeMap::new(), &[]), None);
        let shard = "1/2".parse().expect("a part");
        whole.part = Some(super::super::Part::new(shard, &[], 1));
        assert_eq!(floors(&whole, &set, &[]), None);
        whole.part = None;
        whole.scope = Scope::Diff { base: "main".into() };
        assert_eq!(floors(&whole, &set, &[]), None);
    }

    #[test]
    fn a_floor_is_judged_where_all_packages_below_its_path_were_asked_for() {
        let member = |name: &str, directory: &str| Member {
            name: name.to_owned(),
            directory: directory.to_owned(),
            binaries: Vec::new(),
        };
        let members = [member("a", "crates/a"), member("b", "crates/b"), member("shop", "src")];
        let judged = |packages: &[&str], path: &str| {
            let packages = packages.iter().map(|&name| name.to_owned()).collect();
            let report = MutationReport { packages, ..report(&[Caught, Missed], &[]) };
            let gate = floors(&report, &BTreeMap::from([(path.to_owned(), 90)]), &members).expect("a floor is set");
            (gate.outcome, gate.message)
        };
        let none = |path: &str| {
            (Outcome::Unproven, format!("0 of 0 floors kept: {path} is not judged without the other packages below it"))
        };
        assert_eq!(judged(&["a"], "crates"), none("crates"));
        assert_eq!(judged(&["a"], "crates/b/src"), none("crates/b/src"));
        assert_eq!(judged(&["a", "b"], "crates").0, Outcome::Unproven, "there is no mutant");
        assert_eq!([judged(&["shop"], "src").0, judged(&[], "src").0], [Outcome::Failed; 2]);
    }

    proptest! {
        #[test]
        fn whatever_becomes_of_untried_mutants_a_proven_outcome_stays(
            noticed in 0..20_u64, missed in 0..20_u64, late in 0..9_u64, also in 0..9_u64, refused in 0..9_u64, floor in 0..=100_u64,
        ) {
            let counts = Counts { noticed, viable: noticed + missed, untried: late };
            let before = one(&counts, "src", floor).0;
            let refused = refused.min(late);
            let also = also.min(late - refused);
            let (noticed, viable) = (noticed + also, noticed + missed + late - refused);
            let after = one(&Counts { noticed, viable, untried: 0 }, "src", floor).0;
            // Where not one of all could be noticed there is no share.
            prop_assert!(before == Outcome::Unproven || viable == 0 || before == after);
        }
    }
}
