//! What mutation testing blocks: nothing, unless a team asks for it.

use super::report::{MutationReport, Scope};
use super::score::Band;
use super::survivors::Comparison;
use crate::judge::words::{count, listed};
use std::fmt::Write as _;
use tollgate_model::{GateName, GateResult, Outcome};

/// Judges a report. `max_missed` and `ratchet` are what the team asks for; without them a survivor is a warning.
pub fn gates(report: &MutationReport, max_missed: Option<u64>, ratchet: bool) -> Vec<GateResult> {
    let first = match report.scope {
        Scope::Diff { .. } => diff(report, max_missed),
        Scope::All | Scope::Only { .. } => score(report),
    };
    let compared = match &report.comparison {
        Some(comparison) => Some(survivors(comparison, report.untried(), ratchet)),
        None => (ratchet && report.scope == Scope::All).then(nothing_stored),
    };
    [Some(first), compared, skipped(report)].into_iter().flatten().collect()
}

/// What nobody gives a reason for; absent where every attribute and every mark has one.
fn skipped(report: &MutationReport) -> Option<GateResult> {
    let places = |is_idle: bool| -> Vec<String> {
        let bare = report.skipped.iter().filter(|skip| skip.reason.is_none() && skip.is_idle == is_idle);
        bare.map(|skip| format!("{}:{}", skip.file, skip.line)).collect()
    };
    let (attributes, marks) = (places(false), places(true));
    let said = |places: &[String], what: &str, more: &str| {
        let said = || format!("no reason is given for {}{more}: {}", count(places.len() as u64, what), listed(places));
        (!places.is_empty()).then(said)
    };
    let idle = if marks.len() == 1 { ", which does nothing" } else { ", which do nothing" };
    let messages = [said(&attributes, "`mutants::skip`", ""), said(&marks, "`no-mutants`", idle)];
    let message = messages.into_iter().flatten().collect::<Vec<_>>().join("; ");
    let number = (attributes.len() + marks.len()) as u64;
    let fix =
        Some("say why: of an attribute in a comment on its line or above it, of a mark in its brackets".to_owned());
    let gate = GateResult { k: Some(number), fix, ..gate("skipped", Outcome::Warned, message) };
    (number > 0).then_some(gate)
}

fn gate(subject: &str, outcome: Outcome, message: String) -> GateResult {
    GateResult::new(GateName::new("mutation", subject), outcome, message)
}

fn diff(report: &MutationReport, max_missed: Option<u64>) -> GateResult {
    let score = &report.score;
    let tried = score.noticed() + score.missed;
    let untried = report.untried();
    let unnoticed = format!("tests don't notice {} of lines that this change touches", count(score.missed, "mutant"));
    let late = format!("the time was up before {} had been tried", count(untried, "mutant"));
    let (outcome, message) = match (score.missed, max_missed) {
        (missed, Some(max)) if missed > max => (Outcome::Failed, format!("{unnoticed}, and {max} may go unnoticed")),
        (missed, _) if missed > 0 && untried > 0 => (Outcome::Unproven, format!("{unnoticed}, and {late}")),
        (missed, _) if missed > 0 => (Outcome::Warned, unnoticed),
        _ if untried > 0 => (Outcome::Unproven, late),
        _ if tried == 0 && score.unviable > 0 => {
            (Outcome::Unproven, format!("none of {} of this change compiles", count(score.unviable, "mutant")))
        }
        _ if tried == 0 => (Outcome::Passed, "this change has no covered line that could be mutated".to_owned()),
        _ => (Outcome::Passed, format!("tests notice every one of {}", count(tried, "mutant"))),
    };
    let limit = max_missed.map_or("advice only".to_owned(), |max| format!("{max} missed"));
    let fix = (score.missed > 0).then(|| {
        "write a test that fails with the change, or give a reason: `// tollgate: no-mutants(reason)`".to_owned()
    });
    GateResult { k: Some(score.missed), n: Some(tried), limit: Some(limit), fix, ..gate("diff", outcome, message) }
}

/// A score is advice; what blocks is the set of survivors, since a number can stay while its members change.
fn score(report: &MutationReport) -> GateResult {
    let score = &report.score;
    let untried = report.untried();
    let (outcome, word) = match score.band() {
        None => (Outcome::Unproven, "nothing could be judged"),
        Some(Band::Good) if untried > 0 => (Outcome::Unproven, "good so far"),
        Some(Band::Good) => (Outcome::Passed, "good"),
        Some(Band::Fair) => (Outcome::Warned, "fair"),
        Some(Band::Poor) => (Outcome::Warned, "poor"),
    };
    let mut message = format!("{}: {word}", score.shown());
    if untried > 0 {
        let _ = write!(message, "; the time was up before {} had been tried", count(untried, "mutant"));
    }
    let value = Some(score.shown());
    GateResult { k: Some(score.noticed()), n: Some(score.viable()), value, ..gate("score", outcome, message) }
}

/// The ratchet is asked for, and there is nothing to compare with.
fn nothing_stored() -> GateResult {
    let fix = Some("`cargo xtask mutants --all --accept`, and commit `ci/survivors.json`".to_owned());
    let message = "no stored set; `mutants --all --accept` makes one".to_owned();
    GateResult { fix, ..gate("survivors", Outcome::Unproven, message) }
}

fn survivors(comparison: &Comparison, untried: u64, ratchet: bool) -> GateResult {
    let new = comparison.new.len() as u64;
    let names = || listed(comparison.new.iter().map(|key| format!("{}: {}", key.file, key.replacement)));
    let mut message = match new {
        0 => format!("no new survivor, {} gone", comparison.gone.len()),
        _ => format!("{} that the stored set does not have: {}", count(new, "survivor"), names()),
    };
    let outcome = match new {
        1.. if ratchet => Outcome::Failed,
        _ if untried > 0 => Outcome::Unproven,
        1.. => Outcome::Warned,
        0 => Outcome::Passed,
    };
    if untried > 0 {
        let _ = write!(message, "; the time was up before {} had been tried", count(untried, "mutant"));
    }
    GateResult { k: Some(new), ..gate("survivors", outcome, message) }
}

#[cfg(test)]
mod unit {
    use super::super::mutant::{mutant, result};
    use super::super::score::score as count_up;
    use super::super::select::{LeftOut, Why};
    use super::super::suppress::Skipped;
    use super::super::survivors::{compare, keys};
    use super::*;
    use MutantOutcome::{Caught, Missed, Unviable};
    use tollgate_model::MutantOutcome;

    fn report(scope: Scope, outcomes: &[MutantOutcome]) -> MutationReport {
        let results: Vec<_> = outcomes.iter().map(|&outcome| result(5, "replace / with %", outcome)).collect();
        MutationReport::new(scope, results, Vec::new())
    }

    fn of_diff(outcomes: &[MutantOutcome], max: Option<u64>) -> (Outcome, String) {
        let report = report(Scope::Diff { base: "main".into() }, outcomes);
        let gate = gates(&report, max, false).remove(0);
        (gate.outcome, gate.message)
    }

    #[test]
    fn a_survivor_of_a_change_is_advice_unless_a_limit_is_set() {
        use Outcome::{Failed, Passed, Warned};
        assert_eq!(of_diff(&[Caught, Missed], None).0, Warned);
        assert_eq!(of_diff(&[Caught, Missed], Some(1)).0, Warned);
        assert_eq!(of_diff(&[Missed, Missed], Some(1)).0, Failed);
        assert_eq!(of_diff(&[Caught, Missed], Some(0)).0, Failed);
        assert_eq!(of_diff(&[Caught, Caught], Some(0)), (Passed, "tests notice every one of 2 mutants".into()));
        assert_eq!(of_diff(&[], None).0, Passed);
    }

    #[test]
    fn what_was_not_tried_does_not_pass() {
        let mut report = report(Scope::Diff { base: "main".into() }, &[Caught]);
        report.left_out.push(LeftOut { mutant: mutant(9, "FnValue", "replace x with 0"), why: Why::Budget });
        assert_eq!(gates(&report, Some(0), false)[0].outcome, Outcome::Unproven);
        assert_eq!(gates(&report, None, false)[0].outcome, Outcome::Unproven);
        report.scope = Scope::All;
        let score = gates(&report, None, false).remove(0);
        assert_eq!(score.outcome, Outcome::Unproven);
        assert!(
            score.message.ends_with("good so far; the time was up before 1 mutant had been tried"),
            "{}",
            score.message
        );
        assert_eq!(of_diff(&[Unviable], None), (Outcome::Unproven, "none of 1 mutant of this change compiles".into()));
        assert_eq!(of_diff(&[Unviable, Caught], None).0, Outcome::Passed);
    }

    #[test]
    fn what_was_not_tried_may_be_a_survivor() {
        let untried = || LeftOut { mutant: mutant(9, "FnValue", "replace x with 0"), why: Why::Budget };
        let mut of_change = report(Scope::Diff { base: "main".into() }, &[Caught, Missed]);
        of_change.left_out.push(untried());
        let diff = |max| gates(&of_change, max, false).remove(0);
        assert_eq!([diff(None).outcome, diff(Some(1)).outcome], [Outcome::Unproven; 2]);
        assert_eq!(diff(Some(0)).outcome, Outcome::Failed, "whatever became of the others");
        assert!(diff(None).message.ends_with("touches, and the time was up before 1 mutant had been tried"));
        let mut all = report(Scope::All, &[Missed]);
        all.left_out.push(untried());
        all.comparison = Some(compare(&keys(&all.results), &all.results));
        let survivors = |report: &MutationReport, ratchet| gates(report, None, ratchet).remove(1);
        assert_eq!([survivors(&all, true).outcome, survivors(&all, false).outcome], [Outcome::Unproven; 2]);
        let said = "no new survivor, 0 gone; the time was up before 1 mutant had been tried";
        assert_eq!(survivors(&all, true).message, said);
        all.comparison = Some(compare(&[], &all.results));
        assert_eq!(survivors(&all, true).outcome, Outcome::Failed);
        assert_eq!(survivors(&all, false).outcome, Outcome::Unproven);
    }

    #[test]
    fn a_gate_of_mutants_says_its_numbers_and_what_to_do() {
        let numbers = |gate: &GateResult| (gate.k, gate.n, gate.limit.clone(), gate.fix.is_some());
        let of = |scope: Scope, outcomes: &[MutantOutcome]| gates(&report(scope, outcomes), None, true);
        let diff = of(Scope::Diff { base: "main".into() }, &[Caught, Missed]);
        assert_eq!(numbers(&diff[0]), (Some(1), Some(2), Some("advice only".into()), true));
        let clean = of(Scope::Diff { base: "main".into() }, &[Caught]);
        assert_eq!(numbers(&clean[0]), (Some(0), Some(1), Some("advice only".into()), false));
        let nothing = of_diff(&[], None);
        assert_eq!(nothing, (Outcome::Passed, "this change has no covered line that could be mutated".into()));
        let all = of(Scope::All, &[Caught, Caught, Missed]);
        assert_eq!((all[0].k, all[0].n), (Some(2), Some(3)));
        assert!(all[0].value.as_ref().is_some_and(|value| value.starts_with("66.6 %")), "{:?}", all[0].value);
        assert!(all[1].fix.is_some(), "there is no stored set");
        let mut skipping = report(Scope::All, &[Missed]);
        let skip = |line, reason: Option<&str>| Skipped {
            file: "a.rs".into(),
            line,
            reason: reason.map(str::to_owned),
            is_idle: false,
        };
        skipping.skipped = vec![skip(3, Some("a log"))];
        skipping.comparison = Some(compare(&[], &skipping.results));
        let told = gates(&skipping, None, false);
        assert_eq!((told.len(), told[1].k), (2, Some(1)), "what has a reason is no finding");
        skipping.skipped.push(skip(7, None));
        let told = gates(&skipping, None, false).remove(2);
        assert_eq!((told.outcome, told.k, told.fix.is_some()), (Outcome::Warned, Some(1), true));
        assert_eq!(told.message, "no reason is given for 1 `mutants::skip`: a.rs:7");
        skipping.skipped.push(Skipped { is_idle: true, ..skip(9, None) });
        let told = gates(&skipping, None, false).remove(2);
        assert!(told.message.ends_with("; no reason is given for 1 `no-mutants`, which does nothing: a.rs:9"));
        assert_eq!(told.k, Some(2));
    }

    #[test]
    fn a_score_never_fails_and_its_band_is_said() {
        let outcome = |outcomes: &[MutantOutcome]| gates(&report(Scope::All, outcomes), Some(0), true)[0].clone();
        assert_eq!(outcome(&[Caught; 5]).outcome, Outcome::Passed);
        assert_eq!(outcome(&[Missed; 5]).outcome, Outcome::Warned);
        assert_eq!(outcome(&[]).outcome, Outcome::Unproven);
        assert!(outcome(&[Caught, Caught, Missed]).message.ends_with(": fair"));
        assert_eq!(count_up(&[], 0).viable(), 0);
    }

    #[test]
    fn a_new_survivor_fails_where_the_ratchet_is_asked_for() {
        let mut report = report(Scope::All, &[Missed]);
        assert_eq!(gates(&report, None, true)[1].outcome, Outcome::Unproven, "there is no stored set");
        assert_eq!(gates(&report, None, false).len(), 1, "which is nothing to tell where nobody asks");
        report.comparison = Some(compare(&[], &report.results));
        assert_eq!(gates(&report, None, true)[1].outcome, Outcome::Failed);
        assert_eq!(gates(&report, None, false)[1].outcome, Outcome::Warned);
        report.comparison = Some(compare(&keys(&report.results), &report.results));
        assert_eq!(gates(&report, None, true)[1].outcome, Outcome::Passed);
    }
}
