//! Tests that a change adds or alters: once all tests have passed, they are run again and again before they count.

use super::{
    again,
    build::{Build, Builds},
    run::{Record, Run, Stop, millis},
};
use crate::burners;
use jiff::{civil::Date, tz::TimeZone};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    thread::available_parallelism,
    time::{Duration, Instant},
};
use tollgate_core::flake::{ChangedTests, Touch, changed_tests, wanted};
use tollgate_model::{
    ChangeEvidence, Milliseconds, Policy, Repeats, Step, StressEvidence, StressPolicy, StressedTest, TestId,
    TestOutcome, TierEvidence, TierPlan, TierStatus,
};

/// A test to be stressed, and what it takes alone.
struct Subject {
    test: StressedTest,
    duration: Duration,
}

/// Stresses the tests of the change, where the plan has that gate; what it shows is evidence, red or not.
pub(super) fn stress(run: &Run<'_>, record: &mut Record, builds: &Builds) -> Result<(), Stop> {
    let (Some(policy), Some(change)) = (run.plan.policy.new_tests, &run.survey.change) else { return Ok(()) };
    let (began, burners) = (Instant::now(), burners::usual());
    let (mut subjects, unread) = subjects(run, record, policy, change);
    let day = run.started_at.to_zoned(TimeZone::UTC).date();
    let mut left_out = red(&record.tiers, &run.plan.policy, day).filter(|_| !subjects.is_empty());
    let failed = without_failed(&mut subjects, &record.tiers, &run.plan.policy);
    let mut walked = Ok(());
    if left_out.is_none() && !subjects.is_empty() {
        let deadline = began + Duration::from_millis(policy.budget_ms);
        let what = format!("new and changed tests: {}", subjects.len());
        walked = run.step(Step::Stress, &what, || {
            again::uncounted(run, record, |record| {
                for tier in run.plan.tiers_to_run() {
                    let mut own: Vec<&mut Subject> =
                        subjects.iter_mut().filter(|subject| subject.test.tier == tier.name).collect();
                    let Some(build) = builds.get(&tier.build).filter(|_| !own.is_empty()) else { continue };
                    rounds(run, record, tier, build, &mut own, burners, deadline)?;
                }
                Ok(())
            })
        });
        left_out = walked.is_err().then(|| "the run was cut short".to_owned());
    }
    left_out = left_out.or(failed).or(unread);
    let tests = subjects.into_iter().map(|subject| subject.test).collect();
    record.stress = Some(StressEvidence { burners, wall_ms: millis(began), tests, left_out });
    walked
}

/// The tests of the change among those that ran, each with how often it is to be executed. A test of load is judged by what
/// it measured, and burners would only spoil that. With them, why there may be more.
fn subjects(
    run: &Run<'_>,
    record: &Record,
    policy: StressPolicy,
    change: &ChangeEvidence,
) -> (Vec<Subject>, Option<String>) {
    let ran = record.tiers.iter().filter(|tier| !run.plan.policy.load.contains_key(&tier.name));
    let results = ran.flat_map(|tier| tier.results.iter().map(|result| (result, &tier.name)));
    let ran: BTreeMap<&TestId, _> = results
        .filter(|(result, _)| result.outcome() != TestOutcome::Ignored)
        .map(|(result, tier)| (&result.id, (tier, result.attempts.last().map_or(0, |attempt| attempt.duration_ms))))
        .collect();
    let tests: Vec<TestId> = ran.keys().map(|id| (*id).clone()).collect();
    let source = |path: &str| fs::read_to_string(run.plan.workspace_root.join(path)).ok();
    let ChangedTests { touched, unread } =
        changed_tests(change, &run.plan.members, &source, &tests, run.survey.base_tests.as_ref());
    let n = touched.len();
    let subject = |(id, touch): (TestId, Touch)| {
        let (tier, duration_ms): (_, Milliseconds) = *ran.get(&id)?;
        let test = StressedTest {
            tier: tier.clone(),
            novelty: touch.novelty,
            place: touch.place,
            wanted: wanted(policy.budget_ms, n, duration_ms),
            repeats: Repeats::default(),
            message: None,
            id,
        };
        Some(Subject { test, duration: Duration::from_millis(duration_ms) })
    };
    let unread = unread.first().map(|file| format!("{file} can't be parsed, so its tests are not known"));
    (touched.into_iter().filter_map(subject).collect(), unread)
}

/// Why the tests of this run are no ground to stress some of them on. A failure that the quarantine mutes is none, nor is one
/// in a tier with bands, which may pass with it.
pub(super) fn red(tiers: &[TierEvidence], policy: &Policy, day: Date) -> Option<String> {
    if let Some(tier) = tiers.iter().find(|tier| tier.status != TierStatus::Ran) {
        return Some(format!("tier {} did not run to its end", tier.name));
    }
    let is_muted = |test: &TestId| policy.quarantine.iter().any(|entry| entry.test == *test && entry.mutes(day));
    let judged = tiers.iter().filter(|tier| !policy.bands.contains(&tier.name));
    let mut failed = judged.flat_map(|tier| &tier.results).filter(|test| test.outcome() == TestOutcome::Failed);
    let test = failed.find(|test| !is_muted(&test.id))?;
    Some(format!("{} failed, and all tests have to pass first", test.id))
}

/// Takes out the tests that failed in a tier with bands; what is said of them, where there is one.
fn without_failed(subjects: &mut Vec<Subject>, tiers: &[TierEvidence], policy: &Policy) -> Option<String> {
    let bands = tiers.iter().filter(|tier| policy.bands.contains(&tier.name));
    let failed: BTreeSet<&TestId> = bands
        .flat_map(|tier| &tier.results)
        .filter(|test| test.outcome() == TestOutcome::Failed)
        .map(|test| &test.id)
        .collect();
    let first = subjects.iter().map(|subject| subject.test.id.clone()).find(|id| failed.contains(id))?;
    subjects.retain(|subject| !failed.contains(&subject.test.id));
    Some(format!("{first} failed in its tier"))
}

/// Executes the tests of a tier together, plain and beside burners in turns, each as often as it is wanted; ends where the
/// next round would probably not be over in time.
fn rounds(
    run: &Run<'_>,
    record: &mut Record,
    tier: &TierPlan,
    build: &Build,
    subjects: &mut [&mut Subject],
    burners: u32,
    deadline: Instant,
) -> Result<(), Stop> {
    let budget_ms = run.plan.policy.new_tests.map_or(0, |policy| policy.budget_ms);
    let most = subjects.iter().map(|subject| subject.test.wanted).max().unwrap_or(0);
    // What the next plain round and the next stressed one will take: as much as the one before.
    let mut expected = [first(tier, subjects); 2];
    for round in 1..=most {
        let stressed = round % 2 == 0;
        let due: Vec<TestId> =
            subjects.iter().filter(|it| it.test.wanted >= round).map(|it| it.test.id.clone()).collect();
        let left = deadline.saturating_duration_since(Instant::now());
        if left <= expected[usize::from(stressed)] {
            return Ok(());
        }
        let failed = subjects.iter().filter(|it| it.test.repeats.failed() > 0).count();
        run.session.reporter.console().live("Stressing", &format!("{} {round}/{most} · {failed} failed", tier.name));
        let began = Instant::now();
        let beside = stressed.then_some(burners);
        // A test that hangs is to be seen failing, so there is time for that, but not for more than twice the budget.
        let limit = left + Duration::from_millis(again::timeout_ms(tier, beside).min(budget_ms));
        let results = again::execute(run, record, tier, build, &due, beside, Some(limit))?;
        let Some(results) = results else { return Ok(()) };
        expected[usize::from(stressed)] = began.elapsed();
        for result in &results {
            let Some(subject) = subjects.iter_mut().find(|it| it.test.id == result.id) else { continue };
            let failure = result.first_failure();
            subject.test.repeats.add(failure.is_some(), stressed);
            if let Some(failure) = failure.filter(|_| subject.test.message.is_none()) {
                subject.test.message = Some(failure.message.clone());
            }
        }
    }
    Ok(())
}

/// What a round takes at least: the longest test, and all of them side by side.
fn first(tier: &TierPlan, subjects: &[&mut Subject]) -> Duration {
    let threads = tier.threads.or_else(|| u32::try_from(available_parallelism().ok()?.get()).ok()).unwrap_or(1);
    let all: Duration = subjects.iter().map(|subject| subject.duration).sum();
    let longest = subjects.iter().map(|subject| subject.duration).max().unwrap_or_default();
    longest.max(all / threads.max(1))
}

#[cfg(test)]
mod unit {
    use super::*;
    use tollgate_model::{Attempt, AttemptOutcome, Novelty, QuarantinedTest, TestResult, TierName};

    fn day() -> Date {
        "2026-11-21".parse().unwrap()
    }

    /// A tier in which `a` failed.
    fn tier() -> TierEvidence {
        let outcome = AttemptOutcome::Failed;
        let attempt = Attempt { outcome, duration_ms: 1, message: String::new(), output: String::new() };
        TierEvidence {
            name: TierName::new("unit").unwrap(),
            status: TierStatus::Ran,
            planned: Vec::new(),
            results: vec![TestResult { id: TestId::new("core", "a"), attempts: vec![attempt] }],
            wall_ms: 1,
            machine: None,
        }
    }

    fn quarantined(expires: Date) -> Policy {
        let (owner, reason, issue) = ("ann".into(), "slow".into(), "#7".into());
        let test = TestId::new("core", "a");
        let entry = QuarantinedTest { test, owner, reason, issue, since: "2026-11-01".parse().unwrap(), expires };
        Policy { quarantine: vec![entry], ..Policy::without_gates() }
    }

    #[test]
    fn a_failure_stops_the_stress_unless_it_is_muted_today() {
        let red = |policy: &Policy| red(&[tier()], policy, day());
        let failed = Some("core a failed, and all tests have to pass first".to_owned());
        assert_eq!(red(&Policy::without_gates()), failed);
        assert_eq!(red(&quarantined(day())), None);
        assert_eq!(red(&quarantined(day().yesterday().unwrap())), failed, "the entry has expired");
    }

    #[test]
    fn a_failure_in_a_tier_with_bands_leaves_out_that_test_alone() {
        let policy = Policy { bands: [tier().name].into(), ..Policy::without_gates() };
        assert_eq!(red(&[tier()], &policy, day()), None);
        let subject = |name: &str| Subject {
            test: StressedTest {
                id: TestId::new("core", name),
                tier: tier().name,
                novelty: Novelty::Added,
                place: None,
                wanted: 10,
                repeats: Repeats::default(),
                message: None,
            },
            duration: Duration::ZERO,
        };
        let mut subjects = vec![subject("a"), subject("b")];
        let said = without_failed(&mut subjects, &[tier()], &policy);
        let left: Vec<&str> = subjects.iter().map(|subject| subject.test.id.name.as_str()).collect();
        assert_eq!((left, said.as_deref()), (vec!["b"], Some("core a failed in its tier")));
        assert_eq!(without_failed(&mut subjects, &[tier()], &policy), None);
        let mut subjects = vec![subject("a")];
        assert_eq!(without_failed(&mut subjects, &[tier()], &Policy::without_gates()), None, "a tier without bands");
    }
}
