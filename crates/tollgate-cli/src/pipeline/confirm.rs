//! Whose the flakes of a change are: tests that failed and then passed are executed again, on the change and on its base.
//!
//! Each turn is this program itself, `flaky stress` in the workspace or in a checkout of the base, so that both have the same
//! way to their verdict, an environment of their own and a keeper. The turns are base, change, change, base: what drifts on
//! the machine meanwhile meets both alike. Nothing of it counts for anything else.

use super::{
    new_tests::red,
    on_base::{OnBase, build_max, end, on_base, this_program},
    run::{Record, Run, millis},
};
use crate::burners;
use jiff::tz::TimeZone;
use std::{
    mem,
    time::{Duration, Instant},
};
use tollgate_core::flake::StressReport;
use tollgate_exec::{Cmd, ExecError, Output};
use tollgate_model::{
    ConfirmedFlake, ExitStatus, FlakeConfirmation, LogLevel, Repeats, Step, TestId, TestOutcome, TierName, Unconfirmed,
};

/// Executions of a test on each of the two.
const EXECUTIONS: u64 = 20;

/// Executions of a turn.
const TURN: u64 = EXECUTIONS / 2;

/// Why a turn has no executions to show.
enum Stop {
    /// The time was up; what was executed before counts.
    Late,
    /// Something else kept it from them.
    Unconfirmed(Unconfirmed),
}

/// Executes the flaky tests of a change again, where the plan has that gate and the run got to its end.
pub(super) fn flakes(run: &Run<'_>, record: &mut Record) {
    let (Some(policy), Some(change)) = (run.plan.policy.change_flakes, &run.survey.change) else { return };
    let tests = flaky(run, record);
    if tests.is_empty() || !record.is_complete() {
        return;
    }
    let began = Instant::now();
    let mut confirmation = FlakeConfirmation { burners: burners::usual(), tests, ..FlakeConfirmation::default() };
    let day = run.started_at.to_zoned(TimeZone::UTC).date();
    let left_out = |why: String| Unconfirmed::LeftOut { why };
    let executed = match red(&record.tiers, &run.plan.policy, day) {
        Some(why) => Err(left_out(why)),
        // The run's ledger says what is up, and must not lose that to a checkout.
        None if record.environment.is_some() => Err(left_out("the environment is kept (`--keep-env`)".to_owned())),
        None => run.step(Step::Stress, &format!("flakes here and on the base: {}", confirmation.tests.len()), || {
            let budget = Duration::from_millis(policy.budget_ms);
            on_base(run, change, |base| {
                let root = &base.root;
                let what =
                    format!("the base is checked out in {root}; it is built, and flaky tests are executed on it");
                run.session.reporter.say(LogLevel::Note, what);
                match Sides::of(run, base).take_turns(&mut confirmation, budget) {
                    Ok(()) | Err(Stop::Late) => Ok(()),
                    Err(Stop::Unconfirmed(why)) => Err(why),
                }
            })
        }),
    };
    if let Err(why) = executed {
        run.session.reporter.say(LogLevel::Warning, format!("whose the flakes are is not known: {}", why.why()));
        confirmation.unconfirmed = Some(why);
    }
    confirmation.wall_ms = millis(began);
    record.confirmation = Some(confirmation);
}

/// The tests that failed and then passed, none of them executed again yet. What a test of load measured is judged, and
/// burners would only spoil that.
fn flaky(run: &Run<'_>, record: &Record) -> Vec<ConfirmedFlake> {
    let day = run.started_at.to_zoned(TimeZone::UTC).date();
    let is_muted =
        |test: &TestId| run.plan.policy.quarantine.iter().any(|entry| entry.test == *test && entry.mutes(day));
    let tiers = record.tiers.iter().filter(|tier| !run.plan.policy.load.contains_key(&tier.name));
    let flaky = tiers.flat_map(|tier| {
        let flaky = tier.results.iter().filter(|test| test.outcome() == TestOutcome::Flaky && !is_muted(&test.id));
        flaky.map(|test| ConfirmedFlake {
            id: test.id.clone(),
            tier: tier.name.clone(),
            wanted: EXECUTIONS,
            head: Repeats::default(),
            base: Some(Repeats::default()),
            message: None,
        })
    });
    flaky.collect()
}

/// Where the change is and where its base.
struct Sides<'a, 'run> {
    run: &'a Run<'run>,
    base: &'a OnBase,
    /// The tiers of the base, without those of load.
    base_tiers: Vec<TierName>,
    /// How long the first turn of a side may take longer than another.
    build_max: Duration,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Head,
    Base,
}

impl Side {
    fn as_str(self) -> &'static str {
        match self {
            Self::Head => "the change",
            Self::Base => "the base",
        }
    }
}

impl<'a, 'run> Sides<'a, 'run> {
    fn of(run: &'a Run<'run>, base: &'a OnBase) -> Self {
        let is_load = |tier: &&TierName| base.config.load.contains_key(*tier);
        let tiers = base.config.tiers.iter().map(|tier| &tier.name).filter(|tier| !is_load(tier));
        Self { run, base, base_tiers: tiers.cloned().collect(), build_max: build_max(run) }
    }

    /// Takes the turns of every test, one test after the other. The first one of each side builds, and is not counted.
    fn take_turns(&self, confirmation: &mut FlakeConfirmation, budget: Duration) -> Result<(), Stop> {
        let (mut spent, mut built, burners) = (Duration::ZERO, [false; 2], confirmation.burners);
        for test in &mut confirmation.tests {
            let until = Instant::now() + self.build_max + budget.saturating_sub(spent);
            let Some(base_tier) = self.tier_on_base(test, until)? else {
                test.base = None;
                continue;
            };
            // What another turn will take: as much as the longest one of this test.
            let mut expected = Duration::ZERO;
            for side in [Side::Base, Side::Head, Side::Head, Side::Base] {
                let left = budget.saturating_sub(spent);
                let builds = !mem::replace(&mut built[side as usize], true);
                if !builds && left <= expected {
                    return Err(Stop::Late);
                }
                let began = Instant::now();
                let (tier, limit) = match (side, builds) {
                    (Side::Base, true) => (&base_tier, until.saturating_duration_since(began)),
                    (Side::Base, false) => (&base_tier, left),
                    (Side::Head, true) => (&test.tier.clone(), self.build_max + left),
                    (Side::Head, false) => (&test.tier.clone(), left),
                };
                match self.turn(side, test, tier, burners, limit) {
                    Err(ExecError::TimedOut { .. }) if !builds => return Err(Stop::Late),
                    executed => executed.map_err(|error| self.stopped(side, &error))??,
                }
                if !builds {
                    spent += began.elapsed();
                    expected = expected.max(began.elapsed());
                }
            }
        }
        Ok(())
    }

    /// Builds the base and looks for the test, which the change may have moved to another tier: that makes it no other test.
    /// Looking needs no service, which a shard may not be able to start.
    fn tier_on_base(&self, test: &ConfirmedFlake, until: Instant) -> Result<Option<TierName>, Stop> {
        let (own, others): (Vec<&TierName>, Vec<&TierName>) =
            self.base_tiers.iter().partition(|tier| **tier == test.tier);
        for tier in own.into_iter().chain(others) {
            self.run.session.reporter.console().live("Looking", &format!("for {} on the base, in {tier}", test.id));
            let command = self.command(Side::Base, &test.id, tier, &["--find"]);
            let left = until.saturating_duration_since(Instant::now());
            let output = command.timeout(left).run(&self.run.session.halt);
            let found = report(&output.map_err(|error| self.stopped(Side::Base, &error))?);
            if found.map_err(|said| broken(Side::Base, &said))?.is_some() {
                return Ok(Some(tier.clone()));
            }
        }
        Ok(None)
    }

    /// Executes a test some times on one side.
    fn turn(
        &self,
        side: Side,
        test: &mut ConfirmedFlake,
        tier: &TierName,
        burners: u32,
        limit: Duration,
    ) -> Result<Result<(), Stop>, ExecError> {
        self.run.session.reporter.console().live("Stressing", &format!("{} on {}", test.id, side.as_str()));
        let how = ["-n", &TURN.to_string(), "--burners", &burners.to_string()];
        let output = self.command(side, &test.id, tier, &how).timeout(limit).run(&self.run.session.halt)?;
        let report = match report(&output) {
            Ok(Some(report)) => report,
            Ok(None) => return Ok(Err(broken(side, "it has no such test any more"))),
            Err(said) => return Ok(Err(broken(side, &said))),
        };
        let made = Repeats { plain: report.plain, stressed: report.stressed };
        match side {
            Side::Base => test.base.get_or_insert_default().extend(made),
            Side::Head => test.head.extend(made),
        }
        let cause = report.causes.into_values().next();
        test.message = test.message.take().or_else(|| cause.map(|cause| cause.message));
        Ok(Ok(()))
    }

    fn command(&self, side: Side, test: &TestId, tier: &TierName, how: &[&str]) -> Cmd {
        let test = test.to_string();
        let args = [&["flaky", "stress", &test, "--tier", tier.as_str()][..], how, &["--format", "json"]].concat();
        let cmd = match side {
            Side::Head => this_program(&args).cwd(&self.run.survey.workspace.root),
            Side::Base => self.base.command(&args),
        };
        match self.run.engine_kind() {
            Some(engine) => cmd.args(["--engine", engine.as_str()]),
            None => cmd,
        }
    }

    /// What it means that a turn did not get to its end.
    fn stopped(&self, side: Side, error: &ExecError) -> Stop {
        let left_out = |why: String| Stop::Unconfirmed(Unconfirmed::LeftOut { why });
        match error {
            ExecError::Interrupted { .. } => left_out("the run was cut short".to_owned()),
            ExecError::TimedOut { .. } if self.run.packed.is_some() => {
                let minutes = self.build_max.as_secs() / 60;
                left_out(format!("building {} took this shard longer than {minutes} min", side.as_str()))
            }
            _ => broken(side, &error.to_string()),
        }
    }
}

fn broken(side: Side, said: &str) -> Stop {
    let why = format!("{} can't be executed again: {said}", side.as_str());
    Stop::Unconfirmed(Unconfirmed::Broken { why })
}

/// What a turn showed, none where there is no such test; else the end of what it said.
fn report(output: &Output) -> Result<Option<StressReport>, String> {
    let ended_with = |status: ExitStatus| output.status.code() == Some(i32::from(status.code()));
    let report: Option<StressReport> = serde_json::from_str(&output.stdout).ok();
    match report {
        Some(report) if [ExitStatus::Passed, ExitStatus::Failed, ExitStatus::Invalid].into_iter().any(ended_with) => {
            Ok(Some(report))
        }
        Some(_) if ended_with(ExitStatus::Usage) => Ok(None),
        _ => Err(end(&output.stderr)),
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use tollgate_exec::Status;

    fn output(code: i32, stdout: &str) -> Output {
        let said = "   Compiling a\nerror[E0308]: mismatched types\n\n --> a.rs:1:1\n";
        Output { status: Status::Code(code), stdout: stdout.to_owned(), stderr: said.to_owned(), wall: Duration::ZERO }
    }

    #[test]
    fn a_turn_has_executions_or_no_such_test_or_a_reason() {
        let some = serde_json::to_string(&StressReport::new("core a", 4)).expect("JSON");
        assert!(report(&output(0, &some)).is_ok_and(|report| report.is_some()));
        assert!(report(&output(1, &some)).is_ok_and(|report| report.is_some()));
        assert!(report(&output(3, &some)).is_ok_and(|report| report.is_some()), "none was executed");
        assert_eq!(report(&output(2, &some)), Ok(None));
        let why = Err("error[E0308]: mismatched types\n --> a.rs:1:1".to_owned());
        for (code, stdout) in [(4, ""), (5, some.as_str()), (0, ""), (2, "")] {
            assert_eq!(report(&output(code, stdout)), why, "{code} {stdout}");
        }
    }
}
