//! The verdict: all gates in their order, and the worst of them.

use super::case::Case;
use super::{
    change_flakes_gate, count_gate, coverage_gates, environment_gates, evidence_gate, load_gates, new_tests_gate,
    quarantine_gate, reach_gate, regression_gate, tests_gates, tests_time_gate, time_gates,
};
use crate::flake;
use tollgate_model::{Evidence, GateResult, Outcome, Plan, SCHEMA, Verdict};

/// Judges the evidence of a run by the plan's policy.
pub fn judge(evidence: &Evidence, plan: &Plan) -> Verdict {
    let case = Case::new(evidence, plan);
    let gates: Vec<GateResult> = [
        vec![evidence_gate::gate(&case)],
        environment_gates::ending_gate(&evidence.ending).into_iter().collect(),
        reach_gate::gate(&case).into_iter().collect(),
        tests_gates::gates(&case),
        count_gate::gate(&case).into_iter().collect(),
        change_flakes_gate::gate(&case).into_iter().collect(),
        new_tests_gate::gate(&case).into_iter().collect(),
        evidence.flakes.as_ref().map(flake::gate).into_iter().collect(),
        quarantine_gate::gate(&case).into_iter().collect(),
        coverage_gates::gates(&case),
        time_gates::gates(&case),
        tests_time_gate::gate(&case).into_iter().collect(),
        load_gates::gates(&case),
        regression_gate::gate(&case).into_iter().collect(),
        environment_gates::gates(&case),
    ]
    .concat();
    Verdict {
        schema: SCHEMA,
        run: evidence.run.id.clone(),
        outcome: worst(&gates),
        ending: evidence.ending.clone(),
        gates,
    }
}

/// The worst outcome; no gate at all is no evidence.
fn worst(gates: &[GateResult]) -> Outcome {
    gates.iter().map(|gate| gate.outcome).max().unwrap_or(Outcome::Invalid)
}
