//! Gates over the environment: its services were up while they were needed, and it is gone afterwards.

use super::case::Case;
use super::words::{count, ending_reason, len, listed, time};
use crate::diagnose::trouble as state_trouble;
use std::collections::BTreeSet;
use tollgate_model::{
    Ending, EnvironmentEvidence, GateName, GateResult, Outcome, ServiceEvidence, ServiceName, ServiceState,
};

/// `environment.services` and `environment.teardown`, where an environment was needed or existed.
pub(super) fn gates(case: &Case) -> Vec<GateResult> {
    let tiers = case.tiers.iter().filter(|tier| !case.is_unreached(tier));
    let needed: BTreeSet<&ServiceName> = tiers.flat_map(|tier| &tier.plan.services).collect();
    match &case.evidence.environment {
        None if needed.is_empty() => Vec::new(),
        None => {
            let message = format!("The environment never came up: {}.", case.absence());
            vec![GateResult::new(GateName::new("environment", "services"), Outcome::Invalid, message)]
        }
        Some(environment) => vec![services_gate(environment, &needed), teardown_gate(environment)],
    }
}

/// `run.ending`, where the run was not completed.
pub(super) fn ending_gate(ending: &Ending) -> Option<GateResult> {
    let reason = ending_reason(ending)?;
    let (detail, fix) = match ending {
        Ending::Completed => return None,
        Ending::BuildFailed { detail } => {
            (detail.as_str(), Some("Mend the build; `cargo build` shows the same error."))
        }
        Ending::EnvironmentFailed { detail } => {
            (detail.as_str(), Some("The detail, run.log and the logs of the services say what is missing."))
        }
        Ending::Interrupted { .. } => ("", None),
    };
    let first = detail.lines().next().map_or_else(String::new, |line| format!(": {}", line.trim_end_matches('.')));
    let message = format!("The run was not completed: {reason}{first}.");
    let evidence = detail.lines().map(str::to_owned).collect();
    let result = GateResult::new(GateName::new("run", "ending"), Outcome::Invalid, message);
    Some(GateResult { evidence, fix: fix.map(str::to_owned), ..result })
}

fn services_gate(environment: &EnvironmentEvidence, needed: &BTreeSet<&ServiceName>) -> GateResult {
    let absent = needed.iter().filter(|name| !environment.services.iter().any(|service| service.name == ***name));
    let absent: Vec<String> = absent.map(|name| format!("{name} is not in the evidence")).collect();
    let wrong: Vec<&ServiceEvidence> =
        environment.services.iter().filter(|service| trouble(service).is_some()).collect();
    let all = len(&environment.services);
    let name = GateName::new("environment", "services");
    if wrong.is_empty() && absent.is_empty() {
        let ready = time(environment.ready_ms);
        let message = format!("{} ({} engine), ready in {ready}.", count(all, "service"), environment.engine.as_str());
        return GateResult { k: Some(0), n: Some(all), ..GateResult::new(name, Outcome::Passed, message) };
    }
    let not_started = wrong.iter().any(|service| service.state == ServiceState::NotStarted);
    let outcome = if not_started || !absent.is_empty() { Outcome::Invalid } else { Outcome::Failed };
    let troubles: Vec<String> = wrong.iter().filter_map(|service| trouble(service)).chain(absent).collect();
    let log = wrong.iter().find_map(|service| service.log.as_ref());
    GateResult {
        k: Some(len(&troubles)),
        n: Some(all),
        fix: log.map(|log| format!("Read {log} in the run directory.")),
        evidence: wrong.iter().flat_map(|service| evidence(service)).collect(),
        ..GateResult::new(name, outcome, format!("The environment was not whole: {}.", troubles.join("; ")))
    }
}

/// What is wrong with a service.
fn trouble(service: &ServiceEvidence) -> Option<String> {
    state_trouble(&service.state).map(|trouble| format!("{} {trouble}", service.name))
}

fn evidence(service: &ServiceEvidence) -> impl Iterator<Item = String> {
    service.log_tail.iter().map(|line| format!("{} | {line}", service.name))
}

fn teardown_gate(environment: &EnvironmentEvidence) -> GateResult {
    let name = GateName::new("environment", "teardown");
    let Some(teardown) = &environment.teardown else {
        let message = "There was an environment and there is no evidence of its end.";
        let fix = Some("`cargo xtask env gc` removes what runs left behind.".to_owned());
        return GateResult { fix, ..GateResult::new(name, Outcome::Invalid, message) };
    };
    let leftovers: Vec<String> = teardown.leftovers.iter().map(|left| format!("{} {}", left.kind, left.what)).collect();
    let (outcome, message) = if !leftovers.is_empty() {
        (Outcome::Failed, format!("{} did not go by itself: {}.", count(len(&leftovers), "thing"), listed(&leftovers)))
    } else if teardown.kept {
        (Outcome::Warned, "The environment was asked to stay and still runs.".to_owned())
    } else {
        (Outcome::Passed, format!("Nothing is left; it went in {}.", time(teardown.wall_ms)))
    };
    let fix = match outcome {
        Outcome::Failed => Some("`cargo xtask env gc` removes what is still there.".to_owned()),
        Outcome::Warned => Some("`cargo xtask env down` ends it.".to_owned()),
        _ => None,
    };
    GateResult { k: Some(len(&leftovers)), fix, evidence: leftovers, ..GateResult::new(name, outcome, message) }
}
