//! What a tier would have taken had no other program used the machine: only work can be slowed down, never a wait.
//!
//! With e the share of the time that others took from what could run, C the CPU time, D the sum of what all tests took and
//! L the longest of them:
//!
//! ```text
//! e = min(1 - speed, foreign share of the work done, CPU pressure)
//! S = max(L, D - C / (1 - e))        time in which tests may neither have worked nor waited for a CPU
//! W - e * max(0, W - S)              as if all of S had been on the critical path
//! ```
//!
//! Where each of r threads for a CPU gets its equal share, the speed is 1/r, and r (1 - f) without the share f that is foreign: what
//! others take is 1 - speed / min(1, speed / (1 - f)), which is the lesser of the first two. The pressure says whether anything waited.
//!
//! C is of all tests together: work of one that has several threads can't be told from that of others, so it could hide that
//! another slept. Hence L: a tier is never excused below its longest test, whatever that did. Shorter sleeps are in S as
//! long as each test works in one thread. A machine that this run alone keeps busy has no foreign share, and excuses nothing.

use super::case::TierTests;
use tollgate_model::{MachineEvidence, Milliseconds};

/// Below this share of time lost to others a machine is not called contended.
const LOST_MIN: f64 = 0.02;

/// The wall time without what other programs took; none where they took nothing, or that is not known.
pub(super) fn normalised(tests: &TierTests) -> Option<Milliseconds> {
    let results = &tests.evidence.results;
    let durations = || results.iter().flat_map(|test| &test.attempts).map(|attempt| attempt.duration_ms);
    let sum = durations().fold(0, Milliseconds::saturating_add);
    let longest = durations().max().unwrap_or(0);
    without_others(tests.evidence.wall_ms, sum, longest, tests.evidence.machine.as_ref()?)
}

fn without_others(
    wall: Milliseconds,
    durations: Milliseconds,
    longest: Milliseconds,
    machine: &MachineEvidence,
) -> Option<Milliseconds> {
    let share = |permille: u32| f64::from(permille.min(1000)) / 1000.0;
    let slowed = (1.0 - share(machine.speed_permille)).min(share(machine.foreign_permille));
    let lost = slowed.min(share(machine.pressure_permille));
    // Where others took everything, no test can have run.
    if !(LOST_MIN..1.0).contains(&lost) {
        return None;
    }
    let (wall_ms, ran) = (wall as f64, machine.cpu_ms as f64 / (1.0 - lost));
    let waited = (durations as f64 - ran).max(longest as f64);
    let saved = lost * (wall_ms - waited).max(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the wall time")]
    (saved >= 1.0).then(|| (wall_ms - saved).ceil() as Milliseconds)
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;

    /// Four other programs beside one test on two cores: e is 0.65.
    const BUSY: MachineEvidence = MachineEvidence {
        cpu_ms: 0,
        foreign_permille: 800,
        pressure_permille: 990,
        steal_permille: 0,
        speed_permille: 350,
    };

    #[test]
    fn tests_that_work_are_excused_and_those_that_sleep_never_are() {
        let check = |cpu_ms, wall, durations, longest| {
            without_others(wall, durations, longest, &MachineEvidence { cpu_ms, ..BUSY })
        };
        assert_eq!(check(14_000, 40_000, 40_000, 100), Some(14_065), "14 s of work take 40 s");
        assert_eq!(check(0, 40_000, 40_000, 100), None, "they only sleep");
        assert_eq!(check(14_000, 40_000, 80_000, 100), None, "some work and others sleep beside them");
        assert_eq!(check(7_000, 40_000, 40_000, 100), Some(27_000), "they work for half of the time");
        assert_eq!(check(14_000, 40_000, 40_000, 40_000), None, "one test is all of it, and may have slept");
        assert_eq!(
            check(40_000, 53_000, 60_000, 40_000),
            Some(44_550),
            "one has many threads while another sleeps 40 s"
        );
    }

    #[test]
    fn a_machine_that_the_run_itself_keeps_busy_excuses_nothing() {
        let machine = MachineEvidence { cpu_ms: 80_000, ..BUSY };
        let check = |machine| without_others(40_000, 80_000, 0, &machine);
        assert_eq!(check(MachineEvidence { foreign_permille: 0, ..machine }), None);
        assert_eq!(check(MachineEvidence { pressure_permille: 0, ..machine }), None, "nothing waited for a CPU");
        assert_eq!(check(MachineEvidence { speed_permille: 1000, ..machine }), None, "it was as fast as ever");
        assert_eq!(check(MachineEvidence { pressure_permille: 100, ..machine }), Some(36_000));
        assert_eq!(
            check(MachineEvidence { foreign_permille: 100, ..machine }),
            Some(36_000),
            "the rest is the run's own"
        );
    }

    proptest! {
        #[test]
        fn nothing_but_work_is_excused(
            wall in 0u64..1_000_000, durations in 0u64..4_000_000, cpu_ms in 0u64..4_000_000,
            foreign_permille in 0u32..1001, pressure_permille in 0u32..1001, speed_permille in 0u32..1001,
        ) {
            let steal_permille = 0;
            let machine =
                MachineEvidence { cpu_ms, foreign_permille, pressure_permille, steal_permille, speed_permille };
            let normal = without_others(wall, durations, 0, &machine).unwrap_or(wall);
            prop_assert!(normal <= wall);
            let asleep = without_others(wall, durations.max(wall), 0, &MachineEvidence { cpu_ms: 0, ..machine });
            prop_assert_eq!(asleep, None);
            let idler = without_others(wall, durations, 0, &MachineEvidence { cpu_ms: cpu_ms / 2, ..machine });
            prop_assert!(idler.unwrap_or(wall) >= normal, "less work, less excuse");
            let bounded = without_others(wall, durations, wall / 2, &machine).unwrap_or(wall);
            prop_assert!(bounded >= wall / 2, "no excuse below the longest test");
        }
    }
}
