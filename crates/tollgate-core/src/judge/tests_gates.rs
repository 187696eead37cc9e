//! Gates over test results: `tests.<tier>`, `tests.reported` and `flake.run`.

use super::bands;
use super::case::{Case, TierCase, TierTests};
use super::change_flakes_gate;
use super::words::{count, len, listed, reproduce};
use tollgate_model::{GateName, GateResult, Outcome, TestId, TierName, TierPlan};

/// One gate per tier, then whether every test was reported, then flakes.
pub(super) fn gates(case: &Case) -> Vec<GateResult> {
    let tiers = case.tiers.iter().map(|tier| tier_gate(case, tier));
    let left_out = case.plan.left_out().map(left_out_gate);
    tiers.chain(left_out).chain([reported_gate(case), flake_gate(case)]).collect()
}

/// No test of the tier may fail in every attempt.
fn tier_gate(case: &Case, tier: &TierCase) -> GateResult {
    let name = GateName::new("tests", &tier.plan.name);
    let tests = match &tier.ran {
        Err(why) => {
            return GateResult::new(name, Outcome::Invalid, format!("Tier {} can't be judged: {why}.", tier.plan.name));
        }
        Ok(tests) => tests,
    };
    let (k, n) = (len(&tests.failed), tests.planned.len() as u64 + len(&tests.unplanned));
    let numbers = |result: GateResult| GateResult {
        k: Some(k),
        n: Some(n),
        value: result.value.or_else(|| Some(format!("{k} failed"))),
        limit: result.limit.or_else(|| Some("0 failed".to_owned())),
        evidence: tests.failed.iter().map(ToString::to_string).chain(muted(&tests.muted_failed)).collect(),
        fix: tests.failed.first().map(|test| reproduce(test, &tier.plan.name)),
        ..result
    };
    if tests.planned.is_empty() {
        return empty_tier(case, name, tier);
    }
    if case.plan.policy.bands.contains(&tier.plan.name) && tests.missing.is_empty() {
        let executed = n.saturating_sub(len(&tests.muted_failed));
        return numbers(bands::gate(name, executed, &tests.failed, &beside(tests)));
    }
    let failures = format!("{k} of {} failed{}", count(n, "test"), names_after(&tests.failed));
    numbers(match (tests.missing.len(), k) {
        (0, 0) => GateResult::new(name, Outcome::Passed, passed_message(tests)),
        (0, _) => GateResult::new(name, Outcome::Failed, format!("{failures}.")),
        (missing, _) => {
            let planned = count(tests.planned.len() as u64, "planned test");
            let message = format!("{missing} of {planned} left no result; {failures}.");
            GateResult::new(name, Outcome::Invalid, message)
        }
    })
}

/// A tier of the stage that was not asked for shows nothing; a verdict without it must not look like the stage's.
fn left_out_gate(tier: &TierPlan) -> GateResult {
    let message = format!("Tier {} was not asked for, so nothing is known of it.", tier.name);
    let fix = Some("Run without `--tier` for the verdict of the stage.".to_owned());
    GateResult { fix, ..GateResult::new(GateName::new("tests", &tier.name), Outcome::Unproven, message) }
}

/// A tier without a test shows nothing, except that a part of the tests may well hold none of it.
fn empty_tier(case: &Case, name: GateName, tier_case: &TierCase) -> GateResult {
    let tier = &tier_case.plan.name;
    if case.is_unreached(tier_case) {
        GateResult::new(name, Outcome::Unproven, format!("The change reaches no test of tier {tier}, so none ran."))
    } else if case.narrowed {
        GateResult::new(name, Outcome::Unproven, format!("None of the tests that were asked for is of tier {tier}."))
    } else {
        let fix = Some(format!("Check the filter of tier {tier}, or take the tier out of the stage."));
        let message = format!("Tier {tier} has no test, so it shows nothing.");
        GateResult { fix, n: Some(0), ..GateResult::new(name, Outcome::Invalid, message) }
    }
}

fn passed_message(tests: &TierTests) -> String {
    let all = count((tests.planned.len() as u64).saturating_sub(len(&tests.muted_failed)), "test");
    let flaky = match tests.flaky.len() {
        0 => String::new(),
        flaky => format!(", {flaky} of them not in every attempt"),
    };
    format!("{all} passed{flaky}{}.", beside(tests))
}

/// Ignored tests and quarantined ones that failed.
fn beside(tests: &TierTests) -> String {
    let ignored = match tests.ignored {
        0 => String::new(),
        ignored => format!("; {} not run", count(ignored, "ignored test")),
    };
    let quarantined = match tests.muted_failed.len() as u64 {
        0 => String::new(),
        k => format!("; {} failed: {}", count(k, "quarantined test"), listed(&tests.muted_failed)),
    };
    ignored + &quarantined
}

/// Quarantined tests, as a gate shows that it has seen them.
fn muted<'a>(tests: &'a [&TestId]) -> impl Iterator<Item = String> + 'a {
    tests.iter().map(|test| format!("quarantined: {test}"))
}

fn names_after(tests: &[&TestId]) -> String {
    if tests.is_empty() { String::new() } else { format!(": {}", listed(tests)) }
}

/// Names the tests of a tier that are wrong in one way.
type Pick = fn(&TierTests) -> Vec<String>;

/// Every planned test is reported exactly once, and nothing else is.
fn reported_gate(case: &Case) -> GateResult {
    let name = GateName::new("tests", "reported");
    let planned: u64 = case.ran().map(|tests| tests.planned.len() as u64).sum();
    let broken = case.broken();
    let mut complaints = Vec::new();
    if !broken.is_empty() {
        complaints.push(format!("tiers did not run to their end: {}", listed(broken)));
    }
    let mut evidence = Vec::new();
    let kinds: [(&str, Pick); 3] = [
        ("not reported", |tests| strings(&tests.missing)),
        ("reported more than once", |tests| strings(&tests.repeated)),
        ("reported but not planned", |tests| strings(&tests.unplanned)),
    ];
    for (kind, pick) in kinds {
        let tests: Vec<String> = case.ran().flat_map(pick).collect();
        if !tests.is_empty() {
            complaints.push(format!("{} {kind}: {}", count(len(&tests), "test"), listed(&tests)));
            evidence.extend(tests.into_iter().map(|test| format!("{kind}: {test}")));
        }
    }
    let foreign = case.evidence.tiers.iter().filter(|tier| !tier.results.is_empty() && !is_run(case, &tier.name));
    complaints.extend(foreign.map(|tier| format!("tier {} ran and was not planned", tier.name)));
    if planned == 0 && !case.reach_narrows {
        complaints.push("no test was planned".to_owned());
    }
    let numbers =
        GateResult { k: Some(len(&evidence)), n: Some(planned), ..GateResult::new(name.clone(), Outcome::Passed, "") };
    if complaints.is_empty() && planned == 0 {
        return GateResult { outcome: Outcome::Unproven, message: "The change reaches no test.".to_owned(), ..numbers };
    }
    if complaints.is_empty() {
        return GateResult { message: format!("{} reported, each once.", count(planned, "planned test")), ..numbers };
    }
    let fix = "Look into run.log for how the test runner ended; a test process that was killed leaves no result.";
    let message = format!("The results are not those that were planned: {}.", complaints.join("; "));
    GateResult { outcome: Outcome::Invalid, message, fix: Some(fix.to_owned()), evidence, ..numbers }
}

fn strings(tests: &[&TestId]) -> Vec<String> {
    tests.iter().map(ToString::to_string).collect()
}

fn is_run(case: &Case, tier: &TierName) -> bool {
    case.tiers.iter().any(|planned| planned.plan.name == *tier)
}

/// No test fails and then passes.
fn flake_gate(case: &Case) -> GateResult {
    let name = GateName::new("flake", "run");
    let flaky: Vec<(&TestId, &TierName)> =
        case.ran().flat_map(|tests| tests.flaky.iter().map(|&test| (test, &tests.evidence.name))).collect();
    let (k, n) = (len(&flaky), case.ran().map(|tests| tests.planned.len() as u64).sum());
    let names = || flaky.iter().map(|(test, _)| test.to_string());
    let found =
        format!("{k} of {} failed in one attempt and passed in another: {}.", count(n, "test"), listed(names()));
    let broken = case.broken();
    let quarantined: Vec<String> = case.ran().flat_map(|tests| muted(&tests.muted_flaky)).collect();
    let (outcome, message) = match k {
        _ if !broken.is_empty() => (Outcome::Invalid, format!("Not all tests ran: {}.", listed(&broken))),
        0 if n == 0 && case.reach_narrows => (Outcome::Unproven, "The change reaches no test.".to_owned()),
        0 if n == 0 => (Outcome::Invalid, "No test ran, so none could show whether it is flaky.".to_owned()),
        0 => {
            let but = if quarantined.is_empty() { "" } else { " that is not quarantined" };
            (Outcome::Passed, format!("None of {}{but} failed and then passed.", count(n, "test")))
        }
        _ if change_flakes_gate::has_answer(case) => {
            (Outcome::Warned, format!("{found} Whose that is, flake.pr says."))
        }
        _ if case.plan.policy.fail_on_flake => (Outcome::Failed, found),
        _ => (Outcome::Warned, found),
    };
    GateResult {
        k: Some(k),
        n: Some(n),
        value: Some(format!("{k} flaky")),
        limit: Some("0 flaky".to_owned()),
        evidence: names().chain(quarantined).collect(),
        fix: flaky.first().map(|(test, tier)| reproduce(test, tier)),
        ..GateResult::new(name, outcome, message)
    }
}
