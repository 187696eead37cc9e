//! Stopping a service with everything it started, and making sure.

use super::launch::Launched;
use crate::ledger::StopKind;
use crate::process::{self, ProcessId, Stat};
use std::collections::BTreeSet;
use std::time::Duration;
use tollgate_exec::{Interrupt, Signal, signal_group, signal_name};
use tollgate_model::{Leftover, ServiceName};

/// How long a service may take to stop where the file does not say.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// How long what a service started may outlive it. PostgreSQL's backends notice the end of their server in 40 ms.
const FAMILY_GRACE: Duration = Duration::from_millis(500);

/// How long the kernel may take to end what got SIGKILL.
pub(crate) const KILL_LIMIT: Duration = Duration::from_secs(5);

/// How one service is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StopPlan {
    pub(super) kind: StopKind,
    pub(super) signal: Signal,
    pub(super) grace: Duration,
}

/// Stops a service, its group and what descends from it, and collects it. Returns what did not go by itself.
pub(super) fn stop(
    service: &ServiceName,
    launched: &mut Launched,
    plan: StopPlan,
    interrupt: &Interrupt,
) -> Vec<Leftover> {
    let leader = launched.id;
    let family = family(leader);
    let mut forced = Vec::new();
    // A run that was told to stop has less time than the file grants.
    let grace = if interrupt.signal().is_some() { plan.grace.min(GRACE) } else { plan.grace };
    if leader.runs() && !ask(leader, plan, grace, interrupt) {
        signal_group(launched.child.id(), Signal::KILL);
        let asked = signal_name(plan.signal.as_raw());
        let after = format!("{} ms of {asked}", grace.as_millis());
        forced.push(leftover(leader, service, &format!("did not stop within {after} and was killed")));
        leader.gone_within(KILL_LIMIT);
    }
    forced.extend(end_family(service, leader, &family));
    // It has ended, or not even SIGKILL ends it; in that case waiting would not either.
    if leader.runs() {
        forced.push(leftover(leader, service, "is still there after SIGKILL"));
    } else {
        // It is our child and not yet collected, so this can't fail.
        drop(launched.child.wait());
    }
    launched.scribe.finish();
    forced
}

/// Asks the service to stop; tells whether it did.
fn ask(leader: ProcessId, plan: StopPlan, grace: Duration, interrupt: &Interrupt) -> bool {
    match plan.kind {
        StopKind::Postgres => {
            leader.signal(plan.signal);
            if leader.gone_within_or(grace, interrupt.hurry_fd()) {
                return true;
            }
            // Gives its clients up but still removes its shared memory.
            leader.signal(Signal::QUIT);
            leader.gone_within(GRACE)
        }
        StopKind::Plain => {
            // To the group: a shell in front of a server does not pass signals on.
            signal_group(u32::try_from(leader.pid).unwrap_or_default(), plan.signal);
            leader.gone_within_or(grace, interrupt.hurry_fd())
        }
    }
}

/// What descends from the leader or is in its group, without itself.
fn family(leader: ProcessId) -> Vec<Stat> {
    let all = process::all();
    let mut family = process::descendants(&all, leader.pid, None);
    let known: BTreeSet<i32> = family.iter().map(|stat| stat.id.pid).collect();
    let group = all.into_iter().filter(|stat| stat.group == leader.pid && stat.id != leader);
    family.extend(group.filter(|stat| !known.contains(&stat.id.pid)));
    family
}

/// Ends what outlived the leader. The leader is not collected yet, so the number of its group can't be another's.
fn end_family(service: &ServiceName, leader: ProcessId, before: &[Stat]) -> Vec<Leftover> {
    let mut members: Vec<Stat> = before.to_vec();
    members.extend(family(leader));
    members.sort_by_key(|stat| stat.id);
    members.dedup_by_key(|stat| stat.id);
    let ids: Vec<ProcessId> = members.iter().map(|stat| stat.id).collect();
    let staying: BTreeSet<ProcessId> = process::wait_gone(&ids, FAMILY_GRACE).into_iter().collect();
    for stat in members.iter().filter(|stat| staying.contains(&stat.id)) {
        stat.id.signal(Signal::KILL);
    }
    signal_group(u32::try_from(leader.pid).unwrap_or_default(), Signal::KILL);
    let staying: Vec<ProcessId> = staying.into_iter().collect();
    let immortal = process::wait_gone(&staying, KILL_LIMIT);
    let tell = |id: &ProcessId| {
        let comm = members.iter().find(|stat| stat.id == *id).map_or("?", |stat| stat.comm.as_str());
        let end = if immortal.contains(id) { "is still there after SIGKILL" } else { "was killed" };
        Leftover {
            kind: "process".to_owned(),
            what: format!("{} ({comm}) outlived service `{service}` and {end}", id.pid),
        }
    };
    staying.iter().map(tell).collect()
}

fn leftover(leader: ProcessId, service: &ServiceName, what: &str) -> Leftover {
    Leftover { kind: "process".to_owned(), what: format!("{} of service `{service}` {what}", leader.pid) }
}
