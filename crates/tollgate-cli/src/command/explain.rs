//! `explain GATE`: what a gate of a stored run was judged from.

use crate::{
    args::ExplainArgs,
    error::CliError,
    project::{Project, runs},
    session::Session,
};
use std::fmt::Write as _;
use tollgate_core::judge::rule;
use tollgate_model::{Baseline, ExitStatus, GateResult, count, wrapped};

/// Prints the message, the rule, the numbers, how far it is to another outcome, and the remedy.
pub(crate) fn run(args: &ExplainArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let verdict = runs(&Project::locate()?).open(args.run.as_deref())?.verdict()?;
    let gate = verdict.gates.iter().find(|gate| gate.gate.as_str() == args.gate).ok_or_else(|| {
        let known: Vec<&str> = verdict.gates.iter().map(|gate| gate.gate.as_str()).collect();
        let gates = format!("its gates are {}", known.join(", "));
        let mutants = "gates of mutants are in target/tollgate/mutants/report.json; `cargo xtask mutants` shows them";
        let is_of_mutants = args.gate.starts_with("mutation.");
        let hints = std::iter::once(gates).chain(is_of_mutants.then(|| mutants.to_owned()));
        CliError::usage(format!("run {} has no gate `{}`", verdict.run, args.gate), hints)
    })?;
    let console = session.reporter.console();
    console.data(&describe(gate, console.width()));
    Ok(ExitStatus::Passed)
}

/// Before what a row says.
const INDENT: usize = 13;

/// Sentences are broken into lines of this width; what may be copied is not.
fn describe(gate: &GateResult, width: usize) -> String {
    let mut text = format!("{} {}\n{}\n", gate.gate, gate.outcome, wrapped(&gate.message, width).join("\n"));
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{name:>12} {value}");
        }
    };
    row(
        "rule",
        rule(gate.gate.as_str()).map(|rule| wrapped(rule.text, width - INDENT).join(&format!("\n{:INDENT$}", ""))),
    );
    row("measured", gate.value.clone());
    row("limit", gate.limit.clone());
    row("counted", gate.k.zip(gate.n).map(|(k, n)| format!("{k} of {n}")));
    row("interval", gate.lo.zip(gate.hi).map(interval));
    row("baseline", gate.baseline.as_ref().map(baseline));
    row("blame", gate.blame.map(|blame| blame.as_str().to_owned()));
    row("margin", gate.margin.clone());
    row("more needed", gate.more_needed.map(|more| more_needed(gate, more)));
    row("remedy", gate.fix.clone());
    for line in &gate.evidence {
        row("evidence", Some(line.clone()));
    }
    text
}

/// Of a rate it is known how many good samples decide it; of times it is estimated, and any pairs do.
fn more_needed(gate: &GateResult, more: u64) -> String {
    match gate.gate.as_str() {
        "perf.regression" => format!("about {more} further pairs would decide it"),
        _ => format!("{more} further good samples decide it"),
    }
}

/// Bounds of a rate, rounded outwards.
fn interval((lo, hi): (f64, f64)) -> String {
    let (lo, hi) = ((lo * 1000.0).floor() / 10.0, (hi * 1000.0).ceil() / 10.0);
    format!("{lo:.1} % to {hi:.1} % of all (Clopper-Pearson, 95 % on either side)")
}

fn baseline(baseline: &Baseline) -> String {
    let age = match baseline.age {
        0 => "the merge-base".to_owned(),
        age => format!("{} before the merge-base", count(u64::from(age), "commit")),
    };
    format!("the run of tree {} ({age})", baseline.tree)
}

#[cfg(test)]
mod unit {
    use super::*;
    use tollgate_model::{Blame, GateName, Outcome};

    #[test]
    fn an_explanation_shows_every_number_the_gate_was_judged_from() {
        let gate = GateResult {
            gate: GateName::new("coverage", "floor"),
            outcome: Outcome::Failed,
            k: Some(3),
            n: Some(4),
            value: Some("75.0 %".into()),
            limit: Some("80 %".into()),
            lo: Some(0.0123),
            hi: Some(0.3001),
            margin: Some("1 covered line short".into()),
            blame: Some(Blame::Existing),
            baseline: Some(Baseline { tree: "d4e1f2a".into(), age: 3 }),
            more_needed: Some(2),
            message: "too little".into(),
            fix: Some("test more".into()),
            evidence: vec!["src/a.rs:1".into()],
        };
        insta::assert_snapshot!(describe(&gate, 80), @"
        coverage.floor failed
        too little
                rule Failed where 100 × covered < floor × coverable production lines,
                     all tiers united; warned where the base was below the floor already
                     and the change has neither fewer covered nor more uncovered lines.
            measured 75.0 %
               limit 80 %
             counted 3 of 4
            interval 1.2 % to 30.1 % of all (Clopper-Pearson, 95 % on either side)
            baseline the run of tree d4e1f2a (3 commits before the merge-base)
               blame what was there before the change
              margin 1 covered line short
         more needed 2 further good samples decide it
              remedy test more
            evidence src/a.rs:1
        ");
    }

    #[test]
    fn what_more_pairs_of_times_would_decide_is_an_estimate() {
        let of = |name| GateResult {
            more_needed: Some(361),
            ..GateResult::new(GateName::new("perf", name), Outcome::Unproven, "open")
        };
        assert!(describe(&of("regression"), 80).contains("more needed about 361 further pairs would decide it"));
        assert!(describe(&of("p95.chat"), 80).contains("more needed 361 further good samples decide it"));
    }
}
