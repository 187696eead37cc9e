//! Gates over load measurements: `perf.p95.<name>`, `perf.error.<name>` and `perf.completion.<name>`.
//!
//! A percentile limit is a limit of a rate: "p95 below 3 s" is "fewer than 5 % of requests take longer than 3 s". All three
//! are judged by the same primitive, [`judge_rate`].

use super::binomial::{ALPHA, judge_rate, lower_bound, upper_bound};
use super::case::{Case, TierCase};
use super::load_story::story;
use super::margin::rate_margin;
use super::words::{count, latency, len, share, time_limit};
use tollgate_model::{GateName, GateResult, LoadEvidence, LoadLimits, Outcome};

/// Share of requests that may be slow, in percent: what the 95th percentile leaves.
const SLOW_PERCENT: u32 = 5;

/// Share of requests that the generator may send late, in percent.
const LATE_PERCENT: u64 = 5;

/// Fewest sessions whose completion can be judged.
const SESSIONS_MIN: u64 = 10;

/// Three gates per measurement of a tier with limits, and one for every such tier that should have measured and did not.
pub(super) fn gates(case: &Case) -> Vec<GateResult> {
    let limited = case.tiers.iter().filter_map(|tier| Some((tier, case.plan.policy.load.get(&tier.plan.name)?)));
    let gates = limited.flat_map(|(tier, limits)| {
        let loads = case.evidence.load.get(&tier.plan.name).map_or(&[][..], Vec::as_slice);
        let absent = absence(case, tier, !loads.is_empty());
        absent.into_iter().chain(loads.iter().flat_map(|load| load_gates(case, load, limits)))
    });
    gates.collect()
}

fn absence(case: &Case, tier: &TierCase, measured: bool) -> Option<GateResult> {
    let (name, tier_name) = (GateName::new("perf", &tier.plan.name), &tier.plan.name);
    match &tier.ran {
        Err(why) => {
            Some(GateResult::new(name, Outcome::Invalid, format!("Nothing was measured by tier {tier_name}: {why}.")))
        }
        Ok(_) if measured => None,
        Ok(tests) if case.narrowed && tests.planned.is_empty() => Some(GateResult::new(
            name,
            Outcome::Unproven,
            format!("None of the tests that were asked for is of tier {tier_name}."),
        )),
        Ok(_) => {
            let message = format!("Tier {tier_name} ran and left no load measurement.");
            let fix = "A load test writes <name>.json into the directory that TOLLGATE_LOAD_DIR names.";
            Some(GateResult { fix: Some(fix.to_owned()), ..GateResult::new(name, Outcome::Invalid, message) })
        }
    }
}

/// A rate of bad events to be judged, in words.
struct RateGate<'a> {
    name: GateName,
    k: u64,
    n: u64,
    limit_percent: u32,
    /// `requests`.
    events: &'a str,
    /// `failed or were not answered`.
    bad: String,
    value: String,
    limit: String,
    /// What failed ones have in common, where something is known.
    story: String,
    fix: &'a str,
}

fn load_gates(case: &Case, load: &LoadEvidence, limits: &LoadLimits) -> [GateResult; 3] {
    let gates = [p95(load, limits), error(load, limits), completion(load, limits)];
    let requests = doubt(case, load).or_else(|| too_few(load.requests, limits.min_requests, "requests"));
    let sessions = doubt(case, load).or_else(|| too_few(load.sessions, SESSIONS_MIN, "sessions"));
    let doubts = [&requests, &requests, &sessions];
    let mut doubts = doubts.into_iter();
    let [p95, error, completion] = gates.map(|rate| judge(rate, doubts.next().and_then(Option::as_deref)));
    let of_requests = [p95, error].map(|gate| unless_ended(gate, &completion));
    let [p95, error] = of_requests;
    [p95, error, completion].map(|gate| {
        let extended = match load.extended {
            0 => String::new(),
            more => format!(" The load was run {}.", count(u64::from(more) + 1, "time")),
        };
        GateResult { message: gate.message + &extended, ..gate }
    })
}

/// What passed says nothing where too many sessions ended early: requests that would have been slow or failed may be among
/// those that were never made. What failed did so without them.
fn unless_ended(gate: GateResult, completion: &GateResult) -> GateResult {
    if gate.outcome != Outcome::Passed || completion.outcome != Outcome::Failed {
        return gate;
    }
    let message = format!("Not judged: sessions ended before all their requests were made; see {}.", completion.gate);
    GateResult { outcome: Outcome::Unproven, message, margin: None, ..gate }
}

/// Whether measuring more could decide something: whether one of the three rates is neither within its limit nor beyond it,
/// and none is beyond. One that is must not be diluted until it no longer shows, and neither must what can't be judged.
pub fn is_load_unproven(load: &LoadEvidence, limits: &LoadLimits) -> bool {
    let rates = [p95(load, limits), error(load, limits), completion(load, limits)];
    let outcomes = rates.map(|rate| judge_rate(rate.k, rate.n, rate.share(), ALPHA).outcome);
    load_doubt(load).is_none() && outcomes.contains(&Outcome::Unproven) && !outcomes.contains(&Outcome::Failed)
}

impl RateGate<'_> {
    /// The limit from 0 to 1.
    fn share(&self) -> f64 {
        f64::from(self.limit_percent) / 100.0
    }
}

fn p95(load: &LoadEvidence, limits: &LoadLimits) -> RateGate<'static> {
    let within = load.latencies_us.iter().filter(|&&us| us <= limits.p95_ms.saturating_mul(1000)).count() as u64;
    let limit = time_limit(limits.p95_ms);
    RateGate {
        name: GateName::new("perf.p95", &load.name),
        k: load.requests.saturating_sub(within),
        n: load.requests,
        limit_percent: SLOW_PERCENT,
        events: "requests",
        bad: format!("took longer than {limit} or were not answered"),
        value: percentile(load, 95).map_or_else(|| "not answered".to_owned(), latency),
        limit,
        story: story(load, limits.p95_ms),
        fix: "Look at the slowest requests in the report, and at the services' logs of that time.",
    }
}

fn error(load: &LoadEvidence, limits: &LoadLimits) -> RateGate<'static> {
    RateGate {
        name: GateName::new("perf.error", &load.name),
        k: load.errors,
        n: load.requests,
        limit_percent: limits.error_percent,
        events: "requests",
        bad: "failed or were not answered".to_owned(),
        value: share(load.errors, load.requests),
        limit: format!("{} %", limits.error_percent),
        story: String::new(),
        fix: "Look at the services' logs for the requests that failed.",
    }
}

fn completion(load: &LoadEvidence, limits: &LoadLimits) -> RateGate<'static> {
    RateGate {
        name: GateName::new("perf.completion", &load.name),
        k: load.sessions.saturating_sub(load.sessions_completed),
        n: load.sessions,
        limit_percent: 100_u32.saturating_sub(limits.completion_percent),
        events: "sessions",
        bad: "were not completed".to_owned(),
        value: share(load.sessions_completed, load.sessions),
        limit: format!("{} %", limits.completion_percent),
        story: String::new(),
        fix: "A session ends early when one of its requests is not answered; look at those first.",
    }
}

/// A percentile over all requests that were due, in microseconds; none where that request was never answered.
pub(crate) fn percentile(load: &LoadEvidence, percent: u64) -> Option<u64> {
    let rank = (u128::from(load.requests) * u128::from(percent)).div_ceil(100).max(1);
    usize::try_from(rank - 1).ok().and_then(|index| load.latencies_us.get(index)).copied()
}

/// Why a measurement can't be judged at all.
fn doubt(case: &Case, load: &LoadEvidence) -> Option<String> {
    let twice = case.evidence.loads().filter(|other| other.name == load.name).count() > 1;
    twice.then(|| "it was measured more than once".to_owned()).or_else(|| load_doubt(load))
}

/// Why a measurement can't be judged, as far as it says so itself.
pub fn load_doubt(load: &LoadEvidence) -> Option<String> {
    let contradicts = len(&load.latencies_us) > load.requests
        || load.errors > load.requests
        || load.sent_late > load.requests
        || load.sessions_completed > load.sessions
        || !load.latencies_us.is_sorted();
    let late = u128::from(load.sent_late) * 100 > u128::from(load.requests) * u128::from(LATE_PERCENT);
    if contradicts {
        Some("its numbers contradict each other".to_owned())
    } else {
        let (late_requests, requests) = (load.sent_late, load.requests);
        late.then(|| {
            format!(
                "the generator itself sent {late_requests} of {requests} requests late, so it measured its own machine"
            )
        })
    }
}

fn too_few(n: u64, min: u64, events: &str) -> Option<String> {
    (n < min).then(|| format!("{n} {events} are too few, at least {min} are needed"))
}

fn judge(rate: RateGate, doubt: Option<&str>) -> GateResult {
    let RateGate { k, n, events, bad, .. } = &rate;
    let (k, n) = (*k, *n);
    let limit = rate.share();
    let judged = judge_rate(k, n, limit, ALPHA);
    let (lo, hi) = (lower_bound(k, n, ALPHA), upper_bound(k, n, ALPHA));
    let (at_least, at_most) = (tenths(f64::floor, lo), tenths(f64::ceil, hi));
    let margin = rate_margin(k, n, limit, events);
    let found = |bound: String| format!("{k} of {n} {events} ({}, {bound} at 95 %) {bad}", share(k, n));
    let is_known = doubt.is_none() && judged.outcome != Outcome::Invalid;
    let limit = format!("limit {} %", rate.limit_percent);
    let (outcome, message) = match (doubt, judged.outcome) {
        (Some(doubt), _) => (Outcome::Invalid, format!("The measurement can't be judged: {doubt}.")),
        (None, Outcome::Invalid) => (Outcome::Invalid, "The measurement holds no event.".to_owned()),
        (None, Outcome::Failed) => {
            let story = &rate.story;
            (Outcome::Failed, format!("{}; {limit}.{story}", found(format!("at least {at_least}"))))
        }
        (None, Outcome::Passed) => (Outcome::Passed, format!("{}; {limit}.", found(format!("at most {at_most}")))),
        (None, _) => {
            let more =
                judged.more_needed.map_or_else(String::new, |more| format!(" {} would prove it.", good(more, events)));
            (Outcome::Unproven, format!("{}; {limit}.{more}", found(format!("at most {at_most}"))))
        }
    };
    GateResult {
        k: Some(k),
        n: Some(n),
        value: Some(rate.value),
        limit: Some(rate.limit),
        lo: is_known.then_some(lo),
        hi: is_known.then_some(hi),
        margin: margin.filter(|_| is_known),
        more_needed: judged.more_needed.filter(|_| outcome == Outcome::Unproven),
        fix: (outcome == Outcome::Failed).then(|| rate.fix.to_owned()),
        ..GateResult::new(rate.name, outcome, message)
    }
}

/// `4 more good sessions`.
fn good(more: u64, events: &str) -> String {
    count(more, &format!("more good {}", events.trim_end_matches('s')))
}

/// A share from 0 to 1, rounded to tenths of a percent.
fn tenths(round: fn(f64) -> f64, share: f64) -> String {
    format!("{:.1} %", round(share * 1000.0) / 10.0)
}
