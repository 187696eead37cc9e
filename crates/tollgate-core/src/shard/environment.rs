//! One environment of what the shards say of theirs.

use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{EnvironmentEvidence, Evidence, Receipt, ServiceEvidence, ServiceState};

/// What is wrong where shards ran in different engines: their environments are not one, and the union has the engine of one of
/// them alone.
pub(super) fn engines(chosen: &BTreeMap<u32, &Receipt>) -> Option<String> {
    let environments = chosen.values().filter_map(|receipt| receipt.evidence.environment.as_ref());
    let engines: BTreeSet<&str> = environments.map(|environment| environment.engine.as_str()).collect();
    let engines: Vec<&str> = engines.into_iter().collect();
    (engines.len() > 1)
        .then(|| format!("shards ran in different engines ({}); `plan --engine` names one for all", engines.join(", ")))
}

/// The environments of all shards as one: a service is as bad as it was in the worst of them, and of every version that ran.
pub(super) fn environment(evidences: &[&Evidence]) -> Option<EnvironmentEvidence> {
    let mut environments = evidences.iter().filter_map(|evidence| evidence.environment.clone());
    let mut united = environments.next()?;
    for other in environments {
        united.ready_ms = united.ready_ms.max(other.ready_ms);
        for service in other.services {
            let Some(known) = united.services.iter_mut().find(|known| known.name == service.name) else {
                united.services.push(service);
                continue;
            };
            let version = versions(known, &service);
            if badness(&service.state) > badness(&known.state) {
                *known = service;
            }
            known.version = version;
        }
        united.teardown = match (united.teardown, other.teardown) {
            (Some(mut one), Some(two)) => {
                one.wall_ms = one.wall_ms.max(two.wall_ms);
                one.leftovers.extend(two.leftovers);
                one.kept |= two.kept;
                Some(one)
            }
            // An environment without an end stays one.
            _ => None,
        };
    }
    Some(united)
}

/// What ran in one shard and in others before it; no other run has the same environment as two that differ. Of a service whose
/// version one of them does not know it is not known.
fn versions(known: &ServiceEvidence, other: &ServiceEvidence) -> Option<String> {
    let both = [known, other];
    if both.iter().any(|service| service.state.was_up() && service.version.is_none()) {
        return None;
    }
    let all = both.iter().filter_map(|service| service.version.as_deref()).flat_map(|version| version.split(", "));
    let all: BTreeSet<&str> = all.collect();
    (!all.is_empty()).then(|| all.into_iter().collect::<Vec<_>>().join(", "))
}

fn badness(state: &ServiceState) -> u8 {
    match state {
        ServiceState::Ready | ServiceState::Completed => 0,
        ServiceState::Died { .. } => 1,
        ServiceState::NeverReady { .. } => 2,
        ServiceState::NotStarted => 3,
    }
}
