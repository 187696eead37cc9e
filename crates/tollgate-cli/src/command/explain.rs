//! `explain GATE`: what a gate of a stored run was judged from.

use crate::{
    args::ExplainArgs,
    error::CliError,
    project::{Project, runs},
    session::Session,
};
use std::fmt::Write as _;
use tollgate_model::{ExitStatus, GateResult};

/// Prints the numbers, the rule's limit, the message and the remedy.
pub(crate) fn run(args: &ExplainArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let verdict = runs(&Project::locate()?).open(args.run.as_deref())?.verdict()?;
    let gate = verdict.gates.iter().find(|gate| gate.gate.as_str() == args.gate).ok_or_else(|| {
        let known: Vec<&str> = verdict.gates.iter().map(|gate| gate.gate.as_str()).collect();
        CliError::usage(
            format!("run {} has no gate `{}`", verdict.run, args.gate),
            [format!("its gates are {}", known.join(", "))],
        )
    })?;
    session.reporter.console().data(&describe(gate));
    Ok(ExitStatus::Passed)
}

fn describe(gate: &GateResult) -> String {
    let mut text = format!("{} {}\n{}\n", gate.gate, gate.outcome, gate.message);
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{name:>12} {value}");
        }
    };
    row("measured", gate.value.clone());
    row("limit", gate.limit.clone());
    row("counted", gate.k.zip(gate.n).map(|(k, n)| format!("{k} of {n}")));
    row("more needed", gate.more_needed.map(|more| format!("{more} further good samples decide it")));
    row("remedy", gate.fix.clone());
    for line in &gate.evidence {
        row("evidence", Some(line.clone()));
    }
    text
}

#[cfg(test)]
mod unit {
    use super::*;
    use tollgate_model::{GateName, Outcome};

    #[test]
    fn an_explanation_shows_every_number_the_gate_was_judged_from() {
        let gate = GateResult {
            gate: GateName::new("coverage", "floor"),
            outcome: Outcome::Failed,
            k: Some(3),
            n: Some(4),
            value: Some("75.0 %".into()),
            limit: Some("80 %".into()),
            more_needed: Some(2),
            message: "too little".into(),
            fix: Some("test more".into()),
            evidence: vec!["src/a.rs:1".into()],
        };
        insta::assert_snapshot!(describe(&gate), @r"
        coverage.floor failed
        too little
            measured 75.0 %
               limit 80 %
             counted 3 of 4
         more needed 2 further good samples decide it
              remedy test more
            evidence src/a.rs:1
        ");
    }
}
