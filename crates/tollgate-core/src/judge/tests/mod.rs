//! Tests of the judge: what each change to a good run is concluded to be, and properties over any evidence.

mod base;
mod compared;
mod confirmed;
mod edges;
mod environment;
mod evidence;
mod examples;
mod measures;
mod numbers;
mod properties;
mod reach;
mod results;
mod slow;
mod stressed;

use super::{judge, sample};
use jiff::civil::Date;
use tollgate_model::{Attempt, Evidence, Plan, QuarantinedTest, TestId, TestResult};

/// The gates that are not as in the good run, each as `outcome gate: message -> fix | evidence`.
pub(super) fn changed(change: impl FnOnce(&mut Evidence, &mut Plan)) -> String {
    let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
    let before = judge(&evidence, &plan);
    change(&mut evidence, &mut plan);
    let after = judge(&evidence, &plan);
    let gone = before.gates.iter().filter(|gate| !after.gates.iter().any(|g| g.gate == gate.gate));
    let gone: Vec<String> = gone.map(|gate| format!("gone {}", gate.gate)).collect();
    let new = after.gates.iter().filter(|gate| !before.gates.contains(gate)).map(|gate| {
        let more = gate.more_needed.map_or(String::new(), |more| format!(" (+{more})"));
        let fix = gate.fix.as_ref().map_or(String::new(), |fix| format!("\n    -> {fix}"));
        let evidence = gate.evidence.iter().map(|line| format!("\n    | {line}")).collect::<Vec<_>>().concat();
        format!("{} {}: {}{more}{fix}{evidence}", gate.outcome, gate.gate, gate.message)
    });
    let lines: Vec<String> = new.chain(gone).collect();
    format!("{}\n{}", lines.join("\n"), after.outcome)
}

pub(super) fn result(name: &str, attempts: Vec<Attempt>) -> TestResult {
    TestResult { id: TestId::new("core", name), attempts }
}

/// Quarantines a test from 20 to 30 November; the sample ran on the 21st.
pub(super) fn quarantine(plan: &mut Plan, test: TestId) {
    plan.policy.quarantine.push(QuarantinedTest {
        test,
        owner: "ann".into(),
        reason: "waits for a clock".into(),
        issue: "#7".into(),
        since: Date::constant(2026, 11, 20),
        expires: Date::constant(2026, 11, 30),
    });
}
