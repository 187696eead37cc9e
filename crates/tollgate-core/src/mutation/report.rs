//! A survivor as a question, and the report around it.

use super::score::{Score, score};
use super::select::{LeftOut, Why};
use super::suppress::Skipped;
use super::survivors::Comparison;
use super::unite::Part;
use crate::judge::words::{count, first_of, time};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use tollgate_model::{GateResult, Milliseconds, Mutant, MutantOutcome, MutantResult, SCHEMA};

/// What cargo-mutants writes next to its change; the diff shows it well enough.
const MARK: &str = "/* ~ changed by cargo-mutants ~ */";

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Scope {
    /// Lines that differ from a revision.
    Diff {
        /// The revision.
        base: String,
    },
    /// Everything that was asked for.
    All,
    /// Mutants of one name.
    Only {
        /// The name, or a part of it.
        name: String,
    },
}

/// Everything that a run of mutants found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MutationReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was looked at.
    pub scope: Scope,
    /// Which part of a spread run this is; absent for a whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// The packages that were asked for; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Counts.
    pub score: Score,
    /// Mutants that were tried.
    pub results: Vec<MutantResult>,
    /// Mutants that were not, and why.
    pub left_out: Vec<LeftOut>,
    /// Places that an attribute keeps from having mutants, and marks that do nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// Survivors against the stored set, where there is one.
    pub comparison: Option<Comparison>,
    /// Wall time of the whole run.
    pub wall_ms: Milliseconds,
    /// What was concluded.
    pub gates: Vec<GateResult>,
}

impl MutationReport {
    /// A report that is not judged yet.
    pub fn new(scope: Scope, results: Vec<MutantResult>, left_out: Vec<LeftOut>) -> Self {
        let uncovered = left_out.iter().filter(|left| left.why == Why::Uncovered).count() as u64;
        // Of a change, what no test reaches is left to the coverage gate.
        let uncovered = if matches!(scope, Scope::Diff { .. }) { 0 } else { uncovered };
        let counted = score(&results, uncovered);
        Self {
            schema: SCHEMA,
            scope,
            part: None,
            packages: Vec::new(),
            score: counted,
            results,
            left_out,
            skipped: Vec::new(),
            comparison: None,
            wall_ms: 0,
            gates: Vec::new(),
        }
    }

    /// How many mutants there was no time for.
    pub fn untried(&self) -> u64 {
        self.left_out.iter().filter(|left| left.why.is_open()).count() as u64
    }

    /// The survivors.
    pub fn missed(&self) -> impl Iterator<Item = &MutantResult> {
        self.results.iter().filter(|result| result.outcome == MutantOutcome::Missed)
    }
}

/// The report for people, ending with the answer.
pub fn render(report: &MutationReport) -> String {
    let mut text = String::new();
    for result in report.missed() {
        let _ = writeln!(text, "{}", question(result));
    }
    let suppressed = report.left_out.iter().filter_map(|left| match &left.why {
        Why::Suppressed { reason } => Some(format!("suppressed  {}: {reason}\n", left.mutant.name)),
        _ => None,
    });
    text.extend(suppressed);
    for skip in &report.skipped {
        let what = if skip.is_idle { "not suppressed" } else { "skipped" };
        let reason = skip.reason.as_deref().unwrap_or("no reason is given");
        let _ = writeln!(text, "{what}  {}:{}: {reason}", skip.file, skip.line);
    }
    let score = &report.score;
    let _ = writeln!(
        text,
        "{} tried in {}: {} caught, {} timed out, {} missed, {} unviable",
        count(report.results.len() as u64, "mutant"),
        time(report.wall_ms),
        score.caught,
        score.timed_out,
        score.missed,
        score.unviable,
    );
    let left = left_out(report);
    if !left.is_empty() {
        let _ = writeln!(text, "left out: {left}");
    }
    for gate in &report.gates {
        let _ = writeln!(text, "{} {}: {}", gate.outcome, gate.gate, gate.message);
    }
    text
}

fn left_out(report: &MutationReport) -> String {
    let number = |is: &dyn Fn(&Why) -> bool| report.left_out.iter().filter(|left| is(&left.why)).count();
    let kinds = [
        (number(&|why| *why == Why::Uncovered), "on lines that no test reaches"),
        (number(&|why| *why == Why::NotCompiled), "in functions that are not compiled here"),
        (number(&|why| *why == Why::SameLine), "on a line with a survivor"),
        (number(&|why| *why == Why::Budget), "for want of time"),
        (number(&|why| *why == Why::Stopped), "stopped as they took too long"),
        (number(&|why| matches!(why, Why::Suppressed { .. })), "suppressed"),
    ];
    let said = kinds.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}"));
    said.collect::<Vec<_>>().join(", ")
}

/// The survivor as a question, with its diff, the tests that reach it and the command that shows it again.
fn question(result: &MutantResult) -> String {
    let mutant = &result.mutant;
    let mut text = format!("{}:{}: {}\n", mutant.file, result.line, asked(mutant));
    for line in changed_lines(mutant) {
        let _ = writeln!(text, "    {line}");
    }
    let _ = writeln!(text, "  {}", reached(result));
    let _ = writeln!(text, "  reproduce: {}", reproduce(mutant));
    text
}

fn asked(mutant: &Mutant) -> String {
    let change = mutant.change();
    let function = mutant.function.as_deref().unwrap_or("this place");
    let pair = change.strip_prefix("replace ").and_then(|rest| rest.split_once(" with "));
    let what = match (mutant.genre.as_str(), pair) {
        ("FnValue", Some(_)) => format!("`{function}` only returns `{}`", mutant.replacement),
        (_, Some((from, to))) => {
            let to = to.strip_suffix(&format!(" in {function}")).unwrap_or(to);
            format!("`{from}` becomes `{to}` in `{function}`")
        }
        _ => format!("somebody does this: {change}"),
    };
    format!("the tests still pass if {what}. Is that meant?")
}

/// The lines that the diff takes away and puts in their place.
fn changed_lines(mutant: &Mutant) -> Vec<String> {
    let body = mutant.diff.lines().skip_while(|line| !line.starts_with("@@"));
    let changed = body.filter(|line| line.starts_with(['+', '-']));
    changed.map(|line| line.replace(&format!(" {MARK}"), "").replace(MARK, "")).collect()
}

fn reached(result: &MutantResult) -> String {
    let named = result.reached_by.first.iter().map(ToString::to_string);
    match result.reached_by.tests {
        0 => "no test is known to reach it by itself; all were run".to_owned(),
        tests => {
            let verb = if tests == 1 { "enters" } else { "enter" };
            let joint = if result.joint { "; they passed in one program with other mutants, this one on" } else { "" };
            format!("{} {verb} it: {}{joint}", count(tests, "test"), first_of(named, tests))
        }
    }
}

fn reproduce(mutant: &Mutant) -> String {
    format!("cargo xtask mutants --only '{}'", mutant.name.replace('\'', r"'\''"))
}

/// Title and text of a survivor for an annotation on its line.
pub fn annotation(result: &MutantResult) -> (String, String) {
    let text = format!(
        "{}\n{}\nreproduce: {}",
        changed_lines(&result.mutant).join("\n"),
        reached(result),
        reproduce(&result.mutant)
    );
    (asked(&result.mutant), text)
}

#[cfg(test)]
mod unit {
    use super::super::mutant::{mutant, result};
    use super::*;
    use tollgate_model::{ReachedBy, TestId};

    #[test]
    fn a_survivor_reads_as_a_question() {
        let mut missed = result(5, "replace / with %", MutantOutcome::Missed);
        missed.reached_by = ReachedBy::of(&[TestId::new("shop", "unit::it_costs")]);
        let mut suppressed = mutant(9, "FnValue", "replace x with 0");
        suppressed.name = "src/lib.rs:9:5: replace x with 0".into();
        let left_out = vec![
            LeftOut { mutant: suppressed, why: Why::Suppressed { reason: "only a log".into() } },
            LeftOut { mutant: mutant(7, "FnValue", "replace y with 0"), why: Why::Uncovered },
        ];
        let mut report = MutationReport::new(Scope::Diff { base: "main".into() }, vec![missed], left_out);
        report.wall_ms = 4200;
        report.gates = super::super::gates(&report, None, false);
        insta::assert_snapshot!(render(&report), @r"
        src/lib.rs:5: the tests still pass if `/` becomes `%` in `price`. Is that meant?
            -    a / b
            +    a % b
          1 test enters it: shop unit::it_costs
          reproduce: cargo xtask mutants --only 'src/lib.rs:5:5: replace / with % in price'

        suppressed  src/lib.rs:9:5: replace x with 0: only a log
        1 mutant tried in 4.2 s: 0 caught, 0 timed out, 1 missed, 0 unviable
        left out: 1 on lines that no test reaches, 1 suppressed
        warned mutation.diff: tests don't notice 1 mutant of lines that this change touches
        ");
    }

    #[test]
    fn a_mutant_of_many_lines_is_asked_about_on_the_one_that_was_touched() {
        let mut missed = result(3, "replace price -> u32 with 0", MutantOutcome::Missed);
        (missed.mutant.lines, missed.line) = ((3, 60), 50);
        assert!(question(&missed).starts_with("src/lib.rs:50: "), "{}", question(&missed));
    }

    #[test]
    fn a_function_without_its_body_is_asked_for_by_its_value() {
        let mut missed = result(5, "replace price -> u32 with 0", MutantOutcome::Missed);
        missed.mutant.genre = "FnValue".into();
        let (title, text) = annotation(&missed);
        assert_eq!(title, "the tests still pass if `price` only returns `0`. Is that meant?");
        missed.reached_by = ReachedBy::of(&[TestId::new("shop", "unit::it_costs")]);
        missed.joint = true;
        let joint =
            "1 test enters it: shop unit::it_costs; they passed in one program with other mutants, this one on\n";
        assert!(annotation(&missed).1.contains(joint));
        assert!(
            text.contains("no test is known to reach it") && text.contains("--only 'src/lib.rs:5:5: replace price")
        );
    }

    #[test]
    fn lines_that_no_test_reaches_count_for_the_whole_and_not_for_a_change() {
        let left = || vec![LeftOut { mutant: mutant(7, "FnValue", "replace y with 0"), why: Why::Uncovered }];
        assert_eq!(MutationReport::new(Scope::All, Vec::new(), left()).score.uncovered, 1);
        assert_eq!(MutationReport::new(Scope::Diff { base: "x".into() }, Vec::new(), left()).score.uncovered, 0);
    }
}
