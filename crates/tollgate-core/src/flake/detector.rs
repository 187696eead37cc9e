//! The alarm for a rate of flaky runs that has become too high, valid however often it is looked at.
//!
//! A Shiryaev–Roberts e-detector (Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change
//! detection", 2022) over a few alternatives to the limit. For each of them, after every run,
//!
//! ```text
//! R <- (R + 1) * (flaky ? p / p0 : (1 - p) / (1 - p0))
//! ```
//!
//! and the alarm is raised once the mean of all R reaches the threshold. As long as the rate is at most `p0`, the mean time
//! to a false alarm is at least as many runs as the threshold says.

/// The limit: one run in a hundred may be red although nothing is wrong.
pub const P0: f64 = 0.01;

/// Rates above the limit that the detector watches for.
const ALTERNATIVES: [f64; 5] = [0.02, 0.03, 0.05, 0.10, 0.20];

/// The alarm is raised here; also the least mean number of runs to a false alarm.
pub const THRESHOLD: f64 = 1000.0;

/// State of the detector after some runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detector {
    statistics: [f64; ALTERNATIVES.len()],
    alarmed: bool,
}

impl Detector {
    /// Takes in the next run.
    pub fn observe(&mut self, flaky: bool) {
        for (statistic, p) in self.statistics.iter_mut().zip(ALTERNATIVES) {
            *statistic = (*statistic + 1.0) * if flaky { p / P0 } else { (1.0 - p) / (1.0 - P0) };
        }
        self.alarmed |= self.value() >= THRESHOLD;
    }

    /// The mean of the statistics, to be compared with [`THRESHOLD`].
    pub fn value(&self) -> f64 {
        self.statistics.iter().sum::<f64>() / self.statistics.len() as f64
    }

    /// Whether the alarm was raised; good runs don't take it back.
    pub fn is_alarmed(&self) -> bool {
        self.alarmed
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    /// `SplitMix64` (Steele, Lea and Flood 2014): numbers that look like chance and are the same each time.
    struct Chance(u64);

    impl Chance {
        fn event(&mut self, p: f64) -> bool {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut x = self.0;
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (((x ^ (x >> 31)) >> 11) as f64) < p * (1u64 << 53) as f64
        }
    }

    /// Runs until the alarm, at most `max`.
    fn until_alarm(detector: &mut Detector, p: f64, max: u32, chance: &mut Chance) -> Option<u32> {
        (1..=max).find(|_| {
            detector.observe(chance.event(p));
            detector.is_alarmed()
        })
    }

    /// The share of series of 1000 runs with a false alarm, and the mean time to one at the limit itself.
    #[test]
    fn false_alarms_are_as_rare_as_the_design_says() {
        const SERIES: u32 = 4000;
        for (p, share) in [(0.002, 0.003), (0.005, 0.051), (0.0075, 0.20), (0.01, 0.41)] {
            let mut chance = Chance(7);
            let alarms = (0..SERIES).filter(|_| until_alarm(&mut Detector::default(), p, 1000, &mut chance).is_some());
            let seen = alarms.count() as f64 / f64::from(SERIES);
            // Three standard errors of this simulation, and half of the last digit that the design gives.
            let error =
                3.0 * (share * (1.0 - share) / f64::from(SERIES)).sqrt() + if share > 0.1 { 0.005 } else { 0.0005 };
            assert!((seen - share).abs() <= error, "at {p}: {seen} instead of {share} within {error}");
        }
    }

    #[test]
    fn the_delay_to_the_alarm_is_that_of_the_design() {
        const SERIES: usize = 2001;
        for (p, runs) in [(0.10, 26.0), (0.05, 62.0), (0.03, 134.0), (0.02, 273.0), (0.015, 461.0)] {
            let mut chance = Chance(11);
            let mut delays: Vec<u32> = Vec::new();
            while delays.len() < SERIES {
                let mut detector = Detector::default();
                if until_alarm(&mut detector, 0.002, 500, &mut chance).is_none() {
                    delays.push(until_alarm(&mut detector, p, 20_000, &mut chance).unwrap_or(u32::MAX));
                }
            }
            delays.sort_unstable();
            let median = f64::from(delays[SERIES / 2]);
            println!("{p}: {median} instead of {runs}");
            // The order statistics three standard errors to both sides of the median.
            let spread = 3 * SERIES.isqrt() / 2;
            let (low, high) = (delays[SERIES / 2 - spread], delays[SERIES / 2 + spread]);
            assert!(
                f64::from(low) - 1.0 <= runs && runs <= f64::from(high) + 1.0,
                "at {p}: {low} to {high}, not {runs}"
            );
        }
    }

    #[test]
    fn one_flaky_run_is_no_alarm_three_in_a_row_are_and_good_runs_do_not_take_it_back() {
        let mut detector = Detector::default();
        let after = |detector: &mut Detector, flaky| {
            detector.observe(flaky);
            detector.is_alarmed()
        };
        assert_eq!([true; 3].map(|flaky| after(&mut detector, flaky)), [false, false, true]);
        assert!((0..10_000).all(|_| after(&mut detector, false)));
        assert!(detector.value() < THRESHOLD);
    }
}
