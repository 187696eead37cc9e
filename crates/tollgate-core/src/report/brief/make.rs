//! The brief of a run.

use super::super::facts::{Failure, failures, tier_rows};
use super::super::text::{clean, clip};
use super::super::trend::trend;
use crate::coverage::{is_covered, production_lines};
use crate::judge::is_added;
use crate::mutation::MutationReport;
use std::cmp::Reverse;
use tollgate_model::{
    Brief, BriefGate, BriefLines, BriefMutants, BriefPatch, BriefShard, BriefTest, BriefTests, Evidence, GateResult,
    MutantResult, Outcome, SCHEMA, Verdict,
};

/// The largest length of a list that is read.
pub(super) const LIST_MAX: usize = 300;

/// Characters of a text.
pub(super) const TEXT_MAX: usize = 1500;

/// Entries of a list that is written; each is for people.
const SHOWN: usize = 20;

/// Failed tests with what they printed.
const FAILURES: usize = 10;

/// Lines of what a test printed.
const EXCERPT_LINES: usize = 15;

/// Returns the brief of a run; `shards` are those it was spread over.
pub fn brief(
    evidence: &Evidence,
    verdict: &Verdict,
    mutation: Option<&MutationReport>,
    shards: Vec<BriefShard>,
) -> Brief {
    let (flaky, failed): (Vec<Failure>, Vec<Failure>) = failures(evidence).into_iter().partition(|test| test.flaky);
    let mut gates: Vec<&GateResult> = verdict.gates.iter().filter(|gate| gate.outcome != Outcome::Passed).collect();
    gates.sort_by_key(|gate| Reverse(gate.outcome));
    let gate = |gate: &GateResult| BriefGate {
        gate: text(gate.gate.as_str()),
        outcome: gate.outcome,
        message: text(&gate.message),
    };
    Brief {
        schema: SCHEMA,
        outcome: verdict.outcome,
        stage: evidence.run.stage.to_string(),
        commit: evidence.run.commit.clone(),
        wall_ms: evidence.run.wall_ms,
        tests: tests(evidence),
        gates: gates.into_iter().take(SHOWN).map(gate).collect(),
        failures: failed.iter().take(FAILURES).map(test).collect(),
        flakes: flaky.iter().take(SHOWN).map(test).collect(),
        patch: patch(evidence, verdict),
        trend: trend(evidence, verdict),
        mutants: mutation.map(brief_of_mutants),
        shards: shards.into_iter().take(LIST_MAX).collect(),
    }
}

/// Returns what a pull request is told of the mutants of its change.
pub fn brief_of_mutants(report: &MutationReport) -> BriefMutants {
    // What attributes leave out without a reason is no finding of the change.
    let of_mutants = report.gates.iter().filter(|gate| gate.gate.as_str() != "mutation.skipped");
    BriefMutants {
        tried: report.results.len() as u64,
        unnoticed: report.missed().count() as u64,
        untried: report.untried(),
        outcome: of_mutants.map(|gate| gate.outcome).max(),
        missed: report.missed().take(SHOWN).map(|result: &MutantResult| text(&result.mutant.name)).collect(),
    }
}

fn text(text: &str) -> String {
    clip(&clean(text), TEXT_MAX)
}

fn tests(evidence: &Evidence) -> BriefTests {
    tier_rows(evidence).iter().fold(BriefTests::default(), |sum, row| BriefTests {
        passed: sum.passed + row.passed,
        failed: sum.failed + row.failed,
        flaky: sum.flaky + row.flaky,
        ignored: sum.ignored + row.ignored,
        missing: sum.missing + row.missing,
    })
}

fn test(failure: &Failure) -> BriefTest {
    let lines: Vec<&str> = failure.output.lines().collect();
    let excerpt = lines[lines.len().saturating_sub(EXCERPT_LINES)..].join("\n");
    BriefTest {
        tier: text(failure.tier.as_str()),
        test: text(&failure.test.id.to_string()),
        attempts: failure.test.attempts.len() as u64,
        message: text(failure.message.lines().next().unwrap_or_default()),
        excerpt: text(&excerpt),
        reproduce: text(&failure.reproduce),
    }
}

/// The lines that the change adds and that count, with those that no test reached.
fn patch(evidence: &Evidence, verdict: &Verdict) -> Option<BriefPatch> {
    let (_, coverage) = (evidence.change.as_ref()?, evidence.coverage.as_ref()?);
    let held = verdict.gates.iter().find(|gate| gate.gate.as_str() == "coverage.lost");
    let mut patch = BriefPatch { covered: 0, total: 0, uncovered: Vec::new() };
    for file in &coverage.files {
        let mut lines: Vec<(u32, u32)> = Vec::new();
        for line in production_lines(file).filter(|line| is_added(evidence, held, &file.path, line.line)) {
            patch.total += 1;
            patch.covered += u64::from(is_covered(line));
            match lines.last_mut() {
                _ if is_covered(line) => {}
                Some((_, last)) if last.checked_add(1) == Some(line.line) => *last = line.line,
                _ => lines.push((line.line, line.line)),
            }
        }
        if !lines.is_empty() {
            lines.truncate(SHOWN);
            patch.uncovered.push(BriefLines { file: text(&file.path), lines });
        }
    }
    patch.uncovered.truncate(SHOWN);
    Some(patch)
}

#[cfg(test)]
mod unit {
    use super::super::read_brief;
    use super::*;
    use crate::coverage::lines;
    use crate::judge::{judge, sample};
    use crate::mutation::{LeftOut, Scope, Why};
    use tollgate_model::{ChangeEvidence, CoverageBase, GateName, Mutant, MutantOutcome, ReachedBy};

    #[test]
    fn a_brief_has_what_went_wrong_and_can_be_read_back() {
        let mut evidence = sample::evidence();
        sample::make_red(&mut evidence);
        let added = [("crates/identity/src/main.rs".to_owned(), vec![(4, 7)])];
        evidence.change =
            Some(ChangeEvidence { commit: "abc".into(), added: added.into(), ..ChangeEvidence::default() });
        let verdict = judge(&evidence, &sample::plan());
        let brief = brief(&evidence, &verdict, None, Vec::new());
        assert_eq!(brief.tests, BriefTests { passed: 4, failed: 2, flaky: 1, ignored: 1, missing: 0 });
        assert_eq!(brief.gates[0].outcome, Outcome::Failed);
        let failed: Vec<&str> = brief.failures.iter().map(|test| test.test.as_str()).collect();
        assert_eq!(failed, ["core a::parses", "harness::e2e scenario_a"]);
        assert_eq!(brief.failures[0].reproduce, "cargo xtask test unit 'a::parses'");
        assert_eq!(brief.flakes.len(), 1);
        let file = BriefLines { file: "crates/identity/src/main.rs".into(), lines: vec![(5, 7)] };
        assert_eq!(brief.patch, Some(BriefPatch { covered: 1, total: 4, uncovered: vec![file] }));
        assert_eq!(read_brief(&serde_json::to_vec(&brief).expect("JSON")), Ok(brief));
    }

    #[test]
    fn a_line_that_was_only_moved_is_not_of_the_patch_where_another_gate_asks_for_it() {
        let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
        plan.base = Some("main".into());
        let file = "crates/identity/src/main.rs".to_owned();
        let added = [(file.clone(), vec![(4, 7)])].into();
        evidence.change = Some(ChangeEvidence { added, ..ChangeEvidence::default() });
        let mut kept = lines(&sample::coverage());
        kept.0.get_mut(&file).expect("it has lines").covered = [5].into_iter().collect();
        evidence.base = Some(CoverageBase { kept, ..CoverageBase::default() });
        let patch = patch(&evidence, &judge(&evidence, &plan)).expect("a change");
        assert_eq!((patch.covered, patch.total), (3, 3));
    }

    #[test]
    fn all_unnoticed_mutants_are_counted_and_the_first_listed() {
        let mutant = Mutant {
            name: "src/lib.rs:5:15: replace / with %".into(),
            file: "src/lib.rs".into(),
            package: "shop".into(),
            function: None,
            lines: (5, 5),
            replacement: "%".into(),
            genre: "BinaryOperator".into(),
            diff: String::new(),
        };
        let missed = MutantResult {
            mutant,
            line: 5,
            outcome: MutantOutcome::Missed,
            noticed_by: None,
            fell: None,
            joint: false,
            reached_by: ReachedBy::default(),
            wall_ms: 1,
        };
        let left = LeftOut { mutant: missed.mutant.clone(), why: Why::Budget };
        let mut report = MutationReport::new(Scope::All, vec![missed; SHOWN + 5], vec![left]);
        let brief = brief_of_mutants(&report);
        assert_eq!((brief.unnoticed, brief.missed.len()), (25, SHOWN));
        assert_eq!((brief.untried, brief.outcome), (1, None));
        let gate = |subject, outcome| GateResult::new(GateName::new("mutation", subject), outcome, String::new());
        report.gates = vec![gate("diff", Outcome::Passed), gate("skipped", Outcome::Warned)];
        assert_eq!(brief_of_mutants(&report).outcome, Some(Outcome::Passed));
        report.gates[0].outcome = Outcome::Failed;
        assert_eq!(brief_of_mutants(&report).outcome, Some(Outcome::Failed));
    }

    #[test]
    fn the_largest_brief_is_read_back() {
        let mut evidence = sample::evidence();
        let test = evidence.tiers[0].results[0].clone();
        let wide = "\u{10ffff}".repeat(2000);
        evidence.tiers[0].results = vec![test; 60];
        for (at, result) in evidence.tiers[0].results.iter_mut().enumerate() {
            let last = if at % 2 == 0 { sample::passed(1) } else { sample::failed(1, &wide, &wide) };
            result.id.name.clone_from(&wide);
            result.attempts = vec![sample::failed(1, &wide, &wide), last];
        }
        let verdict = judge(&evidence, &sample::plan());
        let brief = brief(&evidence, &verdict, None, Vec::new());
        assert_eq!((brief.failures.len(), brief.flakes.len()), (FAILURES, SHOWN));
        read_brief(&serde_json::to_vec(&brief).expect("JSON")).expect("it is within its limits");
    }
}
