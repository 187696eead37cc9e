//! Whether a change makes tests slower: those of a tier are executed on its base and on it, in turns.
//!
//! The base is built in its checkout by this program, by the base's configuration, and from the packages that are built of the
//! change: with others cargo may choose other features. This process then executes them
//! itself, one test on one side at a time, so that of a pair one follows right after the other and meets the same machine. Which
//! of the two is first changes from pair to pair, and the first pair of a test, which finds nothing in any cache, does not count.
//! Nothing of it counts for anything else.

use super::{
    again::{self, Limits},
    build::{Build, Builds},
    lend::Lent,
    new_tests::red,
    on_base::{OnBase, build_max, end, on_base},
    run::{Record, Run, millis},
    tiers::tier_run,
};
use jiff::tz::TimeZone;
use std::{
    fs,
    time::{Duration, Instant},
};
use tollgate_core::{
    config::TierConfig,
    judge::{is_decided, looks, pairs_least},
    plan::exports_for,
};
use tollgate_exec::{ExecError, Output};
use tollgate_model::{
    BuildKind, BuildPlan, ChangeEvidence, ComparedTest, ExitStatus, Incomparable, LogLevel, RegressionPolicy, Step,
    TestId, TestOutcome, TestResult, TierName, TierPlan, TimeComparison, TimePair, Unconfirmed,
};
use tollgate_tools::{
    ToolError, Toolbox,
    nextest::{Built, TierRun},
};

/// Where the results of the executions are, in the run's directory, as long as they are read.
const DIRECTORY: &str = "compared";

/// Compares the times of the tests of a tier with those of the base, where the plan has that gate and the run got to its end.
pub(super) fn times(run: &Run<'_>, record: &mut Record, builds: &Builds) {
    let (Some(policy), Some(change)) = (&run.plan.policy.regression, &run.survey.change) else { return };
    let Some(tier) = run.plan.tiers_to_run().find(|tier| tier.name == policy.tier) else { return };
    let Some(build) = builds.get(&tier.build).filter(|_| record.is_complete()) else { return };
    let began = Instant::now();
    let mut comparison = TimeComparison { tests: tests(record, tier), ..TimeComparison::default() };
    let day = run.started_at.to_zoned(TimeZone::UTC).date();
    let left_out = |why: String| Unconfirmed::LeftOut { why };
    let compared = match red(&record.tiers, &run.plan.policy, day) {
        _ if comparison.tests.is_empty() => Ok(()),
        Some(why) => Err(left_out(why)),
        // The run's ledger says what is up, and must not lose that to a checkout.
        None if record.environment.is_some() => Err(left_out("the environment is kept (`--keep-env`)".to_owned())),
        None => run.step(Step::Compare, &format!("{} with the base: {}", tier.name, comparison.tests.len()), || {
            compare(run, change, policy, tier, build, &mut comparison.tests)
        }),
    };
    if let Err(why) = compared {
        run.session.reporter.say(LogLevel::Warning, format!("times are not compared: {}", why.why()));
        comparison.cut_short = Some(why);
    }
    // What was measured is read; what a test printed may be in there.
    let _ = fs::remove_dir_all(run.directory.file(DIRECTORY));
    comparison.wall_ms = millis(began);
    record.comparison = Some(comparison);
}

/// The tests of the tier that ran, none of them executed again yet.
fn tests(record: &Record, tier: &TierPlan) -> Vec<ComparedTest> {
    let results = record.tiers.iter().filter(|known| known.name == tier.name).flat_map(|tier| &tier.results);
    let ran = results.filter(|test| test.outcome() != TestOutcome::Ignored).map(|test| test.id.clone());
    let mut tests: Vec<ComparedTest> =
        ran.map(|id| ComparedTest { id, pairs: Vec::new(), incomparable: None }).collect();
    tests.sort_by(|a, b| a.id.cmp(&b.id));
    tests
}

/// Checks the base out, builds it, and executes the tests that it has too on both.
fn compare(
    run: &Run<'_>,
    change: &ChangeEvidence,
    policy: &RegressionPolicy,
    tier: &TierPlan,
    build: &Build,
    tests: &mut [ComparedTest],
) -> Result<(), Unconfirmed> {
    on_base(run, change, |base| {
        let there = base.config.tier(tier.name.as_str());
        let own_build = run.plan.builds.iter().find(|plan| plan.kind == tier.build);
        let Some(own_build) = own_build else { return Err(broken("the tier has no build")) };
        if let Some(why) = there.and_then(|there| unlike(there, own_build)) {
            return Err(Unconfirmed::LeftOut { why: format!("on the base tier {} {why}", tier.name) });
        }
        let lent = there.map(|_| borrow(run, base, &tier.name, own_build)).transpose()?.flatten();
        let is_there = |test: &TestId| lent.as_ref().is_some_and(|lent| lent.tests.contains(test));
        for test in tests.iter_mut().filter(|test| !is_there(&test.id)) {
            test.incomparable = Some(Incomparable::Added);
        }
        let (Some(Lent { built, .. }), Some(there)) = (lent, there) else { return Ok(()) };
        enough(policy, tests)?;
        let own = tier_run(run, None, tier).map_err(|_| broken("the tier's variables are those of services"))?;
        let usual = TierRun { filter: there.filter.clone(), env: on_the_base(&own.env, run, base), ..own.clone() };
        let side = |name, toolbox, built, usual| {
            let directory = run.directory.file(&format!("{DIRECTORY}/{name}"));
            Side { toolbox, built, usual: TierRun { directory, ..usual } }
        };
        let on_base = side("base", base.toolbox(&run.toolbox), built, usual);
        let on_head = side("change", run.toolbox.clone(), build.built.clone(), own);
        measure(policy, tests, &mut |which, test, pair, left| {
            let said = format!("{test}, pair {pair} of at most {}", policy.pairs);
            run.session.reporter.console().live("Comparing", &said);
            let side = if which == Which::Base { &on_base } else { &on_head };
            let round = Some(left + Duration::from_millis(tier.timeout_ms));
            side.execute(test, Limits { test_ms: tier.timeout_ms, round })
        })
    })
}

/// Why a tier's times on the base would be those of something else.
fn unlike(tier: &TierConfig, own_build: &BuildPlan) -> Option<String> {
    match tier.build {
        BuildKind::Instrumented => Some("is instrumented".to_owned()),
        BuildKind::Optimised if !tier.services.is_empty() => Some("needs services".to_owned()),
        BuildKind::Optimised if tier.cargo_profile != own_build.cargo_profile => {
            let (there, here) = (&tier.cargo_profile, &own_build.cargo_profile);
            Some(format!("is built by another cargo profile (`{there}` there, `{here}` here)"))
        }
        BuildKind::Optimised => None,
    }
}

/// Whether all pairs of all tests that are there too can make an interval.
fn enough(policy: &RegressionPolicy, tests: &[ComparedTest]) -> Result<(), Unconfirmed> {
    let compared = tests.iter().filter(|test| test.incomparable.is_none()).count();
    let (most, least) = (policy.pairs, pairs_least(compared));
    if most >= least {
        return Ok(());
    }
    Err(broken(&format!(
        "{most} pairs are too few for {compared} tests: set `pairs` of `[gates.regression]` to {least} or more"
    )))
}

/// The variables of the tests, with those of the base's configuration in place of the change's.
fn on_the_base(own: &[(String, String)], run: &Run<'_>, base: &OnBase) -> Vec<(String, String)> {
    let is_exported = |name: &str| run.plan.exports.iter().any(|export| export.name == *name);
    let kept = own.iter().filter(|(name, _)| !is_exported(name)).cloned();
    let exports = exports_for(&[], &base.config.exports).into_iter();
    kept.chain(exports.map(|export| (export.name.clone(), export.template.clone()))).collect()
}

/// Builds the tier on the base; what there is, where it has any of the packages.
fn borrow(run: &Run<'_>, base: &OnBase, name: &TierName, own_build: &BuildPlan) -> Result<Option<Lent>, Unconfirmed> {
    let root = &base.root;
    let what =
        format!("the base is checked out in {root}; it is built, and tests of {name} are executed on both in turns");
    run.session.reporter.say(LogLevel::Note, what);
    run.session.reporter.console().live("Building", &format!("{name} on the base"));
    let packages = own_build.packages.iter().flat_map(|package| ["--package", package.as_str()]);
    let args: Vec<&str> = ["lend", name.as_str()].into_iter().chain(packages).collect();
    let lend = base.command(&args).timeout(build_max(run));
    match lend.run(&run.session.halt) {
        Ok(output) => read(&output),
        Err(ExecError::Interrupted { .. }) => Err(cut_short()),
        Err(ExecError::TimedOut { after, .. }) if run.packed.is_some() => {
            let why = format!("building the base took this shard longer than {} min", after.as_secs() / 60);
            Err(Unconfirmed::LeftOut { why })
        }
        Err(error) => Err(broken(&format!("the base can't be built: {error}"))),
    }
}

fn read(output: &Output) -> Result<Option<Lent>, Unconfirmed> {
    let passed = output.status.code() == Some(i32::from(ExitStatus::Passed.code()));
    let lent = serde_json::from_str(&output.stdout).ok().filter(|_| passed);
    lent.ok_or_else(|| broken(&format!("the base can't be built: {}", end(&output.stderr))))
}

/// A side of the comparison.
struct Side {
    toolbox: Toolbox,
    built: Built,
    usual: TierRun,
}

impl Side {
    /// Executes one test, and nothing beside it; none where the time was up.
    fn execute(&self, test: &TestId, limits: Limits) -> Result<Option<TestResult>, Unconfirmed> {
        let executed = again::once(&self.toolbox, &self.built, self.usual.clone(), std::slice::from_ref(test), limits);
        let output = match executed {
            Ok(Some(output)) => output,
            Ok(None) => return Ok(None),
            Err(ToolError::Exec(ExecError::Interrupted { .. })) => return Err(cut_short()),
            Err(error) => return Err(broken(&format!("{test} can't be executed in {}: {error}", self.toolbox.root))),
        };
        let result = output.results.into_iter().find(|result| result.id == *test);
        result.map(Some).ok_or_else(|| broken(&format!("{test} left no result in {}", self.toolbox.root)))
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Base,
    Head,
}

/// Executes a test on one of the two as part of a pair, with so much time left; none where that was up.
type Execute<'a> = dyn FnMut(Which, &TestId, u32, Duration) -> Result<Option<TestResult>, Unconfirmed> + 'a;

/// Executes the tests in turns until each is decided, all pairs are made or the time is up.
fn measure(
    policy: &RegressionPolicy,
    tests: &mut [ComparedTest],
    execute: &mut Execute<'_>,
) -> Result<(), Unconfirmed> {
    let until = Instant::now() + Duration::from_millis(policy.budget_ms);
    let compared = tests.iter().filter(|test| test.incomparable.is_none()).count();
    let looks = looks(policy.pairs);
    // What another pair of a test will take: as much as the longest one.
    let mut expected = vec![Duration::ZERO; tests.len()];
    for round in 0..=policy.pairs {
        let order = if round % 2 == 0 { [Which::Base, Which::Head] } else { [Which::Head, Which::Base] };
        for (test, expected) in tests.iter_mut().zip(&mut expected) {
            let is_look = looks.iter().any(|look| *look as usize == test.pairs.len());
            if test.incomparable.is_some() || (is_look && is_decided(&test.pairs, policy, compared)) {
                continue;
            }
            let (began, left) = (Instant::now(), until.saturating_duration_since(Instant::now()));
            if left <= *expected {
                return Ok(());
            }
            let Some(first) = execute(order[0], &test.id, round, left)? else { return Ok(()) };
            let Some(second) = execute(order[1], &test.id, round, left)? else { return Ok(()) };
            *expected = began.elapsed().max(*expected);
            let (base, head) = if order[0] == Which::Base { (first, second) } else { (second, first) };
            match pair(&base, &head) {
                Err(incomparable) => test.incomparable = Some(incomparable),
                Ok(pair) if round > 0 => test.pairs.push(pair),
                Ok(_) => {}
            }
        }
    }
    Ok(())
}

/// The times of two executions that passed. What fails on both is not the change's.
fn pair(base: &TestResult, head: &TestResult) -> Result<TimePair, Incomparable> {
    let failure = |of: &TestResult| of.first_failure().map(|failure| failure.message.clone());
    match (failure(head), failure(base)) {
        (_, Some(message)) => Err(Incomparable::FailsOnBase { message }),
        (Some(message), None) => Err(Incomparable::FailsHere { message }),
        (None, None) => Ok(TimePair { base_ms: base.duration_ms(), head_ms: head.duration_ms() }),
    }
}

fn cut_short() -> Unconfirmed {
    Unconfirmed::LeftOut { why: "the run was cut short".to_owned() }
}

fn broken(why: &str) -> Unconfirmed {
    Unconfirmed::Broken { why: why.to_owned() }
}

#[cfg(test)]
mod unit {
    use super::*;
    use tollgate_core::config::{Sources, load};
    use tollgate_exec::Status;
    use tollgate_model::{Attempt, AttemptOutcome};

    fn policy(budget_ms: u64) -> RegressionPolicy {
        RegressionPolicy { tier: TierName::new("bench").expect("a name"), limit_percent: 3, pairs: 20, budget_ms }
    }

    fn tests(names: &[&str]) -> Vec<ComparedTest> {
        let test = |name: &&str| ComparedTest { id: TestId::new("core", *name), pairs: Vec::new(), incomparable: None };
        names.iter().map(test).collect()
    }

    fn result(id: &TestId, outcome: AttemptOutcome, duration_ms: u64) -> TestResult {
        let attempt = Attempt { outcome, duration_ms, message: "left != right".to_owned(), output: String::new() };
        TestResult { id: id.clone(), attempts: vec![attempt] }
    }

    const PASSED: AttemptOutcome = AttemptOutcome::Passed;

    #[test]
    fn the_first_pair_does_not_count_and_the_first_of_a_pair_changes() {
        let (mut seen, mut own) = (Vec::new(), tests(&["a"]));
        let measured = measure(&policy(60_000), &mut own, &mut |which, test, pair, _| {
            seen.push((which, pair));
            // As different as can be, so that neither look decides.
            let head_ms = if pair % 4 < 2 { 900 } else { 1_200 };
            Ok(Some(result(test, PASSED, if which == Which::Base { 1_000 } else { head_ms })))
        });
        assert_eq!((measured, own[0].pairs.len(), seen.len()), (Ok(()), 20, 42));
        let first: Vec<Which> = seen.iter().step_by(2).map(|(which, _)| *which).collect();
        assert_eq!(first[..4], [Which::Base, Which::Head, Which::Base, Which::Head]);
        assert!(seen.chunks(2).all(|pair| pair[0].0 != pair[1].0 && pair[0].1 == pair[1].1));
        let of = |head_ms| TimePair { base_ms: 1_000, head_ms };
        assert_eq!(own[0].pairs[..4], [of(900), of(1_200), of(1_200), of(900)]);
    }

    #[test]
    fn a_test_that_is_decided_makes_way_for_the_others() {
        let mut own = tests(&["clear", "new", "unclear"]);
        own[1].incomparable = Some(Incomparable::Added);
        let measured = measure(&policy(60_000), &mut own, &mut |which, test, pair, _| {
            let is_slow = which == Which::Head && (test.name == "clear" || pair % 2 == 0);
            Ok(Some(result(test, PASSED, if is_slow { 2_000 } else { 1_000 })))
        });
        let made: Vec<usize> = own.iter().map(|test| test.pairs.len()).collect();
        assert_eq!((measured, made), (Ok(()), vec![10, 0, 20]));
    }

    #[test]
    fn a_failure_is_that_of_its_side_and_ends_the_test_alone() {
        let mut own = tests(&["both", "here", "there", "well"]);
        let measured = measure(&policy(60_000), &mut own, &mut |which, test, pair, _| {
            let side = if which == Which::Base { "there" } else { "here" };
            let fails = pair == 3 && (test.name == "both" || test.name == side);
            let outcome = if fails { AttemptOutcome::Failed } else { PASSED };
            Ok(Some(result(test, outcome, 1_000)))
        });
        let message = || "left != right".to_owned();
        let why: Vec<Option<Incomparable>> = own.iter().map(|test| test.incomparable.clone()).collect();
        let (here, there) =
            (Incomparable::FailsHere { message: message() }, Incomparable::FailsOnBase { message: message() });
        assert_eq!((measured, why), (Ok(()), vec![Some(there.clone()), Some(here), Some(there), None]));
        // Ten pairs are too few where four tests share the room for error.
        assert_eq!((own[0].pairs.len(), own[3].pairs.len()), (2, 20));
    }

    #[test]
    fn what_was_measured_before_the_time_was_up_or_something_broke_is_kept() {
        let until = |end: fn() -> Result<Option<TestResult>, Unconfirmed>| {
            let mut own = tests(&["a"]);
            let measured = measure(&policy(60_000), &mut own, &mut |_, test, pair, _| {
                if pair == 4 { end() } else { Ok(Some(result(test, PASSED, 1_000))) }
            });
            (measured, own[0].pairs.len())
        };
        assert_eq!(until(|| Ok(None)), (Ok(()), 3));
        assert_eq!(until(|| Err(cut_short())), (Err(cut_short()), 3));
        let mut own = tests(&["a"]);
        let measured = measure(&policy(0), &mut own, &mut |_, _, _, _| panic!("there is no time"));
        assert_eq!((measured, own[0].pairs.len()), (Ok(()), 0));
    }

    #[test]
    fn what_the_base_builds_in_another_way_is_not_compared() {
        let tier = |more: &str| {
            let small =
                "version = 1\ndefault-stage = \"a\"\nenvironment.compose = \"c.yaml\"\nstages.a.tiers = [\"bench\"]\n";
            let text = format!("{small}[tiers.bench]\nfilter = \"all()\"\n{more}");
            let sources = Sources { config: ("c".into(), text), policy: None, quarantine: None };
            load(&sources).expect("it is a configuration").tiers[0].clone()
        };
        let own = BuildPlan { kind: BuildKind::Optimised, cargo_profile: "release".to_owned(), packages: Vec::new() };
        let plain = "instrumented = false\n";
        let of = |more: &str| unlike(&tier(more), &own).unwrap_or_default();
        assert_eq!(of(&format!("{plain}cargo-profile = \"release\"\n")), "");
        assert_eq!(of("cargo-profile = \"release\"\n"), "is instrumented");
        assert_eq!(of(&format!("{plain}cargo-profile = \"release\"\nservices = [\"db\"]\n")), "needs services");
        let said = of(&format!("{plain}cargo-profile = \"bench\"\n"));
        assert_eq!(said, "is built by another cargo profile (`bench` there, `release` here)");
    }

    #[test]
    fn pairs_that_could_never_decide_are_not_made() {
        let policy = RegressionPolicy { pairs: 10, ..policy(60_000) };
        let mut own = tests(&["a", "b", "c", "d", "e", "new"]);
        own[5].incomparable = Some(Incomparable::Added);
        assert_eq!(enough(&policy, &own), Ok(()));
        own[5].incomparable = None;
        let why = "10 pairs are too few for 6 tests: set `pairs` of `[gates.regression]` to 11 or more";
        assert_eq!(enough(&policy, &own), Err(broken(why)));
    }

    #[test]
    fn a_base_that_lends_nothing_says_why() {
        let said = "   Compiling a\nerror[E0308]: mismatched types\n\n --> a.rs:1:1\n";
        let output = |code, stdout: &str| Output {
            status: Status::Code(code),
            stdout: stdout.to_owned(),
            stderr: said.to_owned(),
            wall: Duration::ZERO,
        };
        let why = broken("the base can't be built: error[E0308]: mismatched types\n --> a.rs:1:1");
        for (code, stdout) in [(4, ""), (0, ""), (0, "{}")] {
            assert_eq!(read(&output(code, stdout)).map(|_| ()), Err(why.clone()), "{code} {stdout}");
        }
        assert!(read(&output(0, "null\n")).is_ok_and(|lent| lent.is_none()), "it has none of the packages");
    }
}
