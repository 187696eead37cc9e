//! What a tier did, and what the machine did meanwhile.

use crate::{Milliseconds, TestId, TestResult, TierName};
use serde::{Deserialize, Serialize};

/// Whether a tier ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum TierStatus {
    /// Its tests were run to the end.
    Ran,
    /// It could not be started or not be finished.
    Broken {
        /// Why.
        reason: String,
    },
    /// It was not asked for.
    NotAsked,
}

/// What a tier did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TierEvidence {
    /// The tier.
    pub name: TierName,
    /// Whether it ran.
    pub status: TierStatus,
    /// The tests that had to be run (ignored ones are not among them).
    pub planned: Vec<TestId>,
    /// What was reported, as often as it was reported.
    pub results: Vec<TestResult>,
    /// Wall time of running tests, without build and listing.
    pub wall_ms: Milliseconds,
    /// What the machine did meanwhile; absent where this run's share of its work can't be told from that of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineEvidence>,
}

impl TierEvidence {
    /// Takes in what its tests did when they were run once more, and the time that this took: an attempt of a test is one,
    /// in whichever round it was. Of the machine nothing is known any more where nothing is known of one of the rounds.
    pub fn extend(&mut self, again: Vec<TestResult>, wall_ms: Milliseconds, machine: Option<MachineEvidence>) {
        for result in again {
            match self.results.iter_mut().find(|known| known.id == result.id) {
                Some(known) => known.attempts.extend(result.attempts),
                None => self.results.push(result),
            }
        }
        let known = self.machine.zip(machine);
        self.machine = known.map(|(before, machine)| before.joined(self.wall_ms, &machine, wall_ms));
        self.wall_ms = self.wall_ms.saturating_add(wall_ms);
    }
}

/// What the machine did while a tier ran. Shares are in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MachineEvidence {
    /// CPU time of the tests and of what runs them; services' is not among it.
    pub cpu_ms: Milliseconds,
    /// Of all CPU time that was used, the share that was used by others than this run, what the host took among it.
    pub foreign_permille: u32,
    /// Share of the time in which something waited for a CPU: `some` of `/proc/pressure/cpu`, and what the host took.
    pub pressure_permille: u32,
    /// Share of the machine's time that the host took: steal.
    pub steal_permille: u32,
    /// How fast a short piece of work was, sampled all the while, of how fast it was at its best.
    pub speed_permille: u32,
}

impl MachineEvidence {
    /// This, of so long a time, and what followed it: CPU time is added, a share is the mean by time.
    fn joined(&self, wall_ms: Milliseconds, next: &Self, next_ms: Milliseconds) -> Self {
        let mean = |of: fn(&Self) -> u32| {
            let sum = u128::from(of(self)) * u128::from(wall_ms) + u128::from(of(next)) * u128::from(next_ms);
            let mean = sum / (u128::from(wall_ms) + u128::from(next_ms)).max(1);
            u32::try_from(mean).unwrap_or(u32::MAX)
        };
        Self {
            cpu_ms: self.cpu_ms.saturating_add(next.cpu_ms),
            foreign_permille: mean(|it| it.foreign_permille),
            pressure_permille: mean(|it| it.pressure_permille),
            steal_permille: mean(|it| it.steal_permille),
            speed_permille: mean(|it| it.speed_permille),
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::{Attempt, AttemptOutcome, TestOutcome};

    fn result(name: &str, outcome: AttemptOutcome) -> TestResult {
        let attempt = Attempt { outcome, duration_ms: 90, message: String::new(), output: String::new() };
        TestResult { id: TestId::new("load", name), attempts: vec![attempt] }
    }

    fn machine(cpu_ms: Milliseconds, permille: u32) -> MachineEvidence {
        MachineEvidence {
            cpu_ms,
            foreign_permille: permille,
            pressure_permille: permille,
            steal_permille: 0,
            speed_permille: 1000 - permille,
        }
    }

    fn tier() -> TierEvidence {
        TierEvidence {
            name: TierName::new("load").unwrap(),
            status: TierStatus::Ran,
            planned: vec![TestId::new("load", "a"), TestId::new("load", "b")],
            results: vec![result("a", AttemptOutcome::Passed), result("b", AttemptOutcome::Passed)],
            wall_ms: 300,
            machine: Some(machine(50, 100)),
        }
    }

    #[test]
    fn a_test_that_fails_in_a_later_round_is_flaky_and_the_round_is_of_the_tiers_time() {
        let mut tier = tier();
        let again = vec![result("a", AttemptOutcome::Passed), result("b", AttemptOutcome::TimedOut)];
        tier.extend(again, 100, Some(machine(10, 500)));
        let outcomes: Vec<_> = tier.results.iter().map(|test| (test.outcome(), test.attempts.len())).collect();
        assert_eq!(outcomes, [(TestOutcome::Passed, 2), (TestOutcome::Flaky, 2)]);
        assert_eq!((tier.wall_ms, tier.machine), (400, Some(machine(60, 200))));
    }

    #[test]
    fn a_round_in_which_nobody_watched_the_machine_excuses_nothing() {
        let mut tier = tier();
        tier.extend(Vec::new(), 100, None);
        assert_eq!((tier.wall_ms, tier.machine), (400, None));
    }
}
