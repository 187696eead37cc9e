//! What is put on the diff of a pull request: the few places that say most.

use super::facts::{Failure, failures};
use super::text::clip;
use crate::coverage::{is_covered, production_lines};
use crate::judge::is_added;
use tollgate_model::{Evidence, GateResult, Outcome, Verdict};

/// Most annotations of a step that GitHub shows.
const NOTES_MAX: usize = 10;

/// Of them, those of failed tests where there are other things to say.
const TESTS: usize = 6;

/// Characters of a message; the runner cuts one of more than 4096.
const MESSAGE_MAX: usize = 1000;

/// A remark at a place, or about the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether it is what the verdict is red for; otherwise a warning.
    pub error: bool,
    /// File from the root of the workspace, and line.
    pub place: Option<(String, u32)>,
    /// Title.
    pub title: String,
    /// Text.
    pub message: String,
}

/// At most ten notes, most telling first: failed tests where they failed, red gates, lines that the change adds and no
/// test reaches.
pub fn notes(evidence: &Evidence, verdict: &Verdict) -> Vec<Note> {
    let failures = failures(evidence);
    let tests: Vec<Note> = failures.iter().filter(|test| !test.flaky).filter_map(test).collect();
    let gates: Vec<Note> = verdict.gates.iter().filter(|gate| gate.outcome >= Outcome::Failed).map(gate).collect();
    let first = tests.len().min(TESTS.max(NOTES_MAX.saturating_sub(gates.len())));
    let (tests, more) = tests.split_at(first);
    let uncovered = uncovered(evidence, verdict);
    tests.iter().cloned().chain(gates).chain(more.iter().cloned()).chain(uncovered).take(NOTES_MAX).collect()
}

fn test(failure: &Failure) -> Option<Note> {
    Some(Note {
        error: true,
        place: Some(place(&failure.output)?),
        title: format!("{} failed", failure.test.id),
        message: clip(&format!("{}\n{}", failure.message, failure.reproduce), MESSAGE_MAX),
    })
}

fn gate(gate: &GateResult) -> Note {
    let title = format!("{} {}", gate.gate, gate.outcome);
    Note { error: true, place: None, title, message: clip(&gate.message, MESSAGE_MAX) }
}

/// The place of a panic in the workspace: `panicked at crates/core/src/a.rs:41:9:`.
fn place(output: &str) -> Option<(String, u32)> {
    output.lines().find_map(|line| {
        let (_, place) = line.split_once("panicked at ")?;
        let mut parts = place.trim_end_matches(':').rsplitn(3, ':');
        let (_column, line, file) = (parts.next()?.parse::<u32>().ok()?, parts.next()?.parse().ok()?, parts.next()?);
        let inside = !file.starts_with('/') && !file.split('/').any(|part| part == "..");
        inside.then(|| (file.to_owned(), line))
    })
}

/// The first of uncovered lines of each file that the change touches, where too few of them are covered.
fn uncovered(evidence: &Evidence, verdict: &Verdict) -> Vec<Note> {
    let is_red = |gate: &GateResult| gate.gate.as_str() == "coverage.patch" && gate.outcome == Outcome::Failed;
    let Some(coverage) = &evidence.coverage else { return Vec::new() };
    let held = verdict.gates.iter().find(|gate| gate.gate.as_str() == "coverage.lost");
    if !verdict.gates.iter().any(is_red) {
        return Vec::new();
    }
    let note = |file: &tollgate_model::FileCoverage| {
        let mut lines =
            production_lines(file).filter(|line| is_added(evidence, held, &file.path, line.line) && !is_covered(line));
        let first = lines.next()?.line;
        let message = match lines.count() {
            0 => "No test reaches this line of the change.".to_owned(),
            more => format!("No test reaches this line of the change, nor {more} after it in this file."),
        };
        Some(Note { error: false, place: Some((file.path.clone(), first)), title: "not covered".to_owned(), message })
    };
    coverage.files.iter().filter_map(note).collect()
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::coverage::lines;
    use crate::judge::{judge, sample};
    use tollgate_model::{ChangeEvidence, CoverageBase, TestId, TestResult};

    fn shown(evidence: &Evidence) -> Vec<String> {
        let mut plan = sample::plan();
        plan.base = Some("main".into());
        let line = |note: Note| {
            let place = note.place.map_or_else(String::new, |(file, line)| format!("{file}:{line} "));
            format!("{}{place}{}", if note.error { "" } else { "warning " }, note.title)
        };
        notes(evidence, &judge(evidence, &plan)).into_iter().map(line).collect()
    }

    #[test]
    fn failed_tests_stand_where_they_failed_then_gates_then_uncovered_lines() {
        let mut evidence = sample::evidence();
        sample::make_red(&mut evidence);
        let added = [("crates/identity/src/main.rs".to_owned(), vec![(4, 10)])];
        evidence.change =
            Some(ChangeEvidence { commit: "abc".into(), added: added.into(), ..ChangeEvidence::default() });
        insta::assert_snapshot!(shown(&evidence).join("\n"), @"
        crates/core/src/a.rs:41 core a::parses failed
        tests.unit failed
        tests.e2e failed
        flake.run failed
        coverage.floor failed
        coverage.patch failed
        perf.p95.chat failed
        environment.services failed
        warning crates/identity/src/main.rs:5 not covered
        ");
    }

    #[test]
    fn a_line_that_was_only_moved_is_not_asked_for_where_another_gate_does() {
        let mut evidence = sample::evidence();
        sample::make_red(&mut evidence);
        let file = "crates/identity/src/main.rs".to_owned();
        let added = [(file.clone(), vec![(4, 10)])].into();
        evidence.change = Some(ChangeEvidence { added, ..ChangeEvidence::default() });
        let mut kept = lines(&sample::coverage());
        let before = kept.0.get_mut(&file).unwrap();
        (before.covered, before.uncovered) = ([5].into_iter().collect(), [8].into_iter().collect());
        evidence.base = Some(CoverageBase { kept, ..CoverageBase::default() });
        let some = shown(&evidence);
        assert!(some.contains(&"warning crates/identity/src/main.rs:6 not covered".to_owned()), "{some:?}");
        evidence.change.as_mut().unwrap().added.insert(file, vec![(4, 6)]);
        let shown = shown(&evidence);
        assert!(shown.iter().all(|note| !note.contains("not covered")), "so few may be: {shown:?}");
    }

    #[test]
    fn there_are_ten_at_most_and_gates_among_them() {
        let mut evidence = sample::evidence();
        let output = "thread 'x' panicked at src/a.rs:7:9:\nno";
        let failed = |n: u32| TestResult {
            id: TestId::new("core", format!("t{n:02}")),
            attempts: vec![sample::failed(1, "no", output)],
        };
        evidence.tiers[0].results = (0..30).map(failed).collect();
        let shown = shown(&evidence);
        assert_eq!(shown.len(), NOTES_MAX);
        assert!(shown.iter().any(|note| note.starts_with("tests.unit")), "{shown:?}");
        assert_eq!(shown[0], "src/a.rs:7 core t00 failed");
    }

    #[test]
    fn a_place_is_one_of_the_workspace() {
        let check = |text: &str| place(&format!("x\nthread 'x' panicked at {text}\ny"));
        assert_eq!(check("src/a.rs:7:9:"), Some(("src/a.rs".to_owned(), 7)));
        for foreign in ["/rustc/1/library/core/src/x.rs:7:9:", "../x.rs:7:9:", "src/a.rs", "src/a.rs:x:9:"] {
            assert_eq!(check(foreign), None, "{foreign}");
        }
    }
}
