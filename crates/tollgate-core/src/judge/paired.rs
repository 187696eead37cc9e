//! Paired times: by how much a test became slower, with an interval that asks nothing of how times are distributed.
//!
//! The base and the change are executed in turns on one machine, so what slows the machine down slows both, and a pair is worth
//! what its ratio is. Where a pair's ratio is as often above its median as below and pairs don't depend on each other, the
//! median lies between the r-th smallest and the r-th largest of n ratios but for a share of 2 P(X < r) of all cases, X being
//! binomial with n and 1/2: the interval that belongs to the sign test, which is exact (H. A. David and H. N. Nagaraja, "Order
//! Statistics", 3rd edition, section 7.1).
//!
//! Times are rounded to milliseconds, so a ratio itself is only known to lie between (head - 1/2) / (base + 1/2) and
//! (head + 1/2) / (base - 1/2). The lower end is taken from the former and the upper one from the latter: a test that is too short for its clock is
//! unproven, and never wrong.
//!
//! Whoever looks several times may be deceived several times. The pairs are looked at up to four times, after an eighth, a
//! quarter, a half and all of them, and each look at each test has its equal share of [`ERROR`] (Bonferroni), so that the
//! promise holds for all tests of the gate together.

use super::binomial::tail_at_most;
use tollgate_model::{Outcome, RegressionPolicy, TimePair};

/// How often the intervals of a gate, all looks at all tests together, may miss a true slowdown at most.
pub const ERROR: f64 = 0.01;

/// No look is made at fewer pairs.
const FIRST_LOOK: u32 = 10;

/// More pairs than these are not planned for: a configuration can't ask for them.
pub(super) const PAIRS_MAX: u32 = 1_000;

/// By how much a test became slower: each is head / base - 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slowdown {
    /// The median of the pairs.
    pub(crate) estimate: f64,
    /// The lower end of the interval.
    pub(crate) lower: f64,
    /// The upper end of the interval.
    pub(crate) upper: f64,
    /// The pairs.
    pub(crate) pairs: usize,
}

/// What would decide a comparison that is unproven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// About so many pairs in all.
    Pairs(u64),
    /// Nothing: it is too near to the limit.
    Distance,
    /// Times that spread less: more than [`PAIRS_MAX`] pairs would be needed.
    Spread,
    /// A test that takes longer: a millisecond is too large a part of its time.
    Duration,
}

/// What the pairs of a test show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Paired {
    /// There are too few of them for any interval.
    TooFew,
    /// It is slower than the limit allows.
    Slower(Slowdown),
    /// It is not.
    Kept(Slowdown),
    /// Neither is shown.
    Unproven(Slowdown, Lacking),
}

impl Paired {
    /// As outcome of a gate.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::TooFew => Outcome::Invalid,
            Self::Slower(_) => Outcome::Failed,
            Self::Kept(_) => Outcome::Passed,
            Self::Unproven(..) => Outcome::Unproven,
        }
    }
}

/// After how many pairs the measuring may stop, of so many at most.
pub fn looks(pairs: u32) -> Vec<u32> {
    let early = [8, 4, 2].map(|part| pairs / part).into_iter().filter(|look| *look >= FIRST_LOOK);
    early.chain([pairs]).collect()
}

/// Whether more pairs are of no use: the test is slower than the limit allows, or it is not.
pub fn is_decided(pairs: &[TimePair], policy: &RegressionPolicy, tests: usize) -> bool {
    matches!(compare(pairs, policy, tests), Paired::Slower(_) | Paired::Kept(_))
}

/// Compares a test with its limit, as one of so many that are compared: the first look that decides does. Where the time was up
/// between two looks, the next one is made at what there is.
pub(crate) fn compare(pairs: &[TimePair], policy: &RegressionPolicy, tests: usize) -> Paired {
    let (all, error) = (pairs.len(), share(policy.pairs, tests));
    let ends = looks(policy.pairs).into_iter().map(|look| (look as usize).min(all));
    let mut last = Paired::TooFew;
    for end in ends {
        last = look(&pairs[..end], policy.limit_percent, error);
        if end == all || matches!(last, Paired::Slower(_) | Paired::Kept(_)) {
            break;
        }
    }
    last
}

/// The fewest pairs of which there can be an interval for each of so many tests.
pub fn pairs_least(tests: usize) -> u32 {
    (1..PAIRS_MAX).find(|pairs| rank(*pairs as usize, share(*pairs, tests)).is_some()).unwrap_or(PAIRS_MAX)
}

/// The share of the error at an end of an interval, of so many pairs at most and so many tests.
fn share(pairs: u32, tests: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nobody compares 2^53 tests")]
    let ends = (2 * looks(pairs).len() * tests.max(1)) as f64;
    ERROR / ends
}

/// One look, with so much room for error at each end.
fn look(pairs: &[TimePair], limit_percent: u32, error: f64) -> Paired {
    let Some(rank) = rank(pairs.len(), error) else { return Paired::TooFew };
    let limit = f64::from(100 + limit_percent) / 100.0;
    let lows = sorted(pairs, |base, head| (head - 0.5).max(0.0) / (base + 0.5));
    let highs = sorted(pairs, |base, head| (head + 0.5) / (base - 0.5).max(0.0));
    let middles = sorted(pairs, |base, head| (head + 0.5) / (base + 0.5));
    let (lower, upper, estimate) = (lows[rank - 1], highs[pairs.len() - rank], median(&middles));
    let slowdown = Slowdown { estimate: estimate - 1.0, lower: lower - 1.0, upper: upper - 1.0, pairs: pairs.len() };
    if lower > limit {
        Paired::Slower(slowdown)
    } else if upper <= limit {
        Paired::Kept(slowdown)
    } else if median(&lows) <= limit && median(&highs) > limit {
        // So it would be with any number of pairs.
        let is_clock = (median(&lows).ln() - median(&highs).ln()).abs() >= (lower.ln() - upper.ln()).abs() / 2.0;
        Paired::Unproven(slowdown, if is_clock { Lacking::Duration } else { Lacking::Distance })
    } else {
        Paired::Unproven(slowdown, pairs_needed(pairs.len(), estimate, lower, upper, limit))
    }
}

/// The largest r for which P(X < r) is no more than the error, X being binomial with n and 1/2; none where that is no r.
fn rank(n: usize, error: f64) -> Option<usize> {
    (1..=n).take_while(|rank| tail_at_most(*rank as u64 - 1, n as u64, 0.5) <= error).last()
}

fn sorted(pairs: &[TimePair], ratio: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "2^53 ms are 285,000 years")]
    let mut ratios: Vec<f64> = pairs.iter().map(|pair| ratio(pair.base_ms as f64, pair.head_ms as f64)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios
}

/// The middle one of sorted ratios; of two the geometric mean, so that base and head can change places.
fn median(ratios: &[f64]) -> f64 {
    let half = ratios.len() / 2;
    if ratios.len() % 2 == 1 { ratios[half] } else { (ratios[half - 1] * ratios[half]).sqrt() }
}

/// An interval is narrower with the square root of the pairs: about so many let it end before the limit.
fn pairs_needed(n: usize, estimate: f64, lower: f64, upper: f64, limit: f64) -> Lacking {
    let end = if estimate <= limit { upper } else { lower };
    let shrink = (end.ln() - estimate.ln()) / (limit.ln() - estimate.ln());
    #[expect(clippy::cast_precision_loss, reason = "nobody measures 2^53 pairs")]
    let needed = (n as f64 * shrink * shrink).ceil().max(n as f64 + 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and the most")]
    if needed <= f64::from(PAIRS_MAX) { Lacking::Pairs(needed as u64) } else { Lacking::Spread }
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;
    use tollgate_model::TierName;

    fn policy(pairs: u32) -> RegressionPolicy {
        RegressionPolicy { tier: TierName::new("bench").unwrap(), limit_percent: 3, pairs, budget_ms: 60_000 }
    }

    fn pairs(times: &[(u64, u64)]) -> Vec<TimePair> {
        times.iter().map(|&(base_ms, head_ms)| TimePair { base_ms, head_ms }).collect()
    }

    /// `(n, r)`: fewer than r of n signs are too few at 1 %, two-sided; 0 where no number is. Dixon and Mood, "The statistical
    /// sign test", Journal of the American Statistical Association 41 (1946), table 1, which has r - 1.
    const DIXON_AND_MOOD: &[(usize, usize)] = &[
        (7, 0),
        (8, 1),
        (9, 1),
        (11, 1),
        (12, 2),
        (14, 2),
        (15, 3),
        (18, 4),
        (20, 4),
        (21, 5),
        (24, 6),
        (25, 6),
        (30, 8),
        (40, 12),
        (50, 16),
        (60, 20),
        (80, 29),
        (100, 37),
    ];

    #[test]
    fn ranks_are_those_of_the_tables_and_of_exact_counting() {
        for &(n, r) in DIXON_AND_MOOD {
            assert_eq!(rank(n, ERROR / 2.0).unwrap_or(0), r, "{n}");
        }
        // Of the 2^n equally likely ways those with fewer than r signs, counted without a fraction.
        for n in 1..=100_u32 {
            let mut ways = vec![1_u128];
            (1..=n).for_each(|k| ways.push(ways[k as usize - 1] * u128::from(n + 1 - k) / u128::from(k)));
            let within = |r: usize| ways[..r].iter().sum::<u128>() * 800 <= 1_u128 << n;
            let exact = (1..=n as usize / 2).take_while(|r| within(*r)).last();
            assert_eq!(rank(n as usize, 1.0 / 800.0), exact, "{n}");
        }
    }

    #[test]
    fn the_looks_are_few_and_none_is_too_early() {
        assert_eq!(looks(100), [12, 25, 50, 100]);
        assert_eq!(looks(40), [10, 20, 40]);
        assert_eq!(looks(20), [10, 20]);
        assert_eq!([looks(19), looks(10)], [vec![19], vec![10]]);
    }

    #[test]
    fn the_interval_decides_and_its_ends_count_for_the_limit() {
        let of = |base: u64, head: u64| compare(&pairs(&[(base, head); 20]), &policy(20), 1);
        assert!(
            matches!(of(10_000, 10_302), Paired::Slower(slowdown) if slowdown.pairs == 10),
            "{:?}",
            of(10_000, 10_302)
        );
        // 10,300.5 of 10,000.5 is less than 3 % more.
        assert!(matches!(of(10_000, 10_301), Paired::Unproven(..)));
        // And 10,299.5 of 9,999.5 is more than that.
        assert!(matches!(of(10_000, 10_298), Paired::Kept(_)));
        assert!(matches!(of(10_000, 10_299), Paired::Unproven(..)));
        assert!(matches!(of(10_000, 5_000), Paired::Kept(_)));
        assert!(matches!(of(12, 12), Paired::Unproven(_, Lacking::Duration)));
        assert!(matches!(of(0, 0), Paired::Unproven(_, Lacking::Duration)));
        assert!(matches!(of(0, 900), Paired::Slower(_)) && matches!(of(900, 0), Paired::Kept(_)));
    }

    /// 31.5 of 10.5, and 28.5 of 9.5, are three times as much to the last bit.
    #[test]
    fn an_end_that_is_the_limit_decides_nothing() {
        let threefold = RegressionPolicy { limit_percent: 200, ..policy(20) };
        let of = |few: (u64, u64), n: usize, more: (u64, u64)| {
            compare(&pairs(&[vec![few; n], vec![more; 20 - n]].concat()), &threefold, 1)
        };
        assert!(matches!(of((10, 32), 20, (10, 32)), Paired::Unproven(..)));
        assert!(matches!(of((10, 33), 20, (10, 33)), Paired::Slower(_)));
        let needed = |paired| match paired {
            Paired::Unproven(_, Lacking::Pairs(needed)) => Some(needed),
            _ => None,
        };
        assert_eq!(needed(of((10, 32), 4, (10, 40))), Some(21), "one more, if all are as those");
        assert_eq!(
            needed(of((10, 40), 8, (10, 28))),
            Some(407),
            "the clock is fine enough, since half are not above the limit"
        );
    }

    #[test]
    fn too_few_pairs_are_no_interval_and_more_tests_ask_for_more_of_them() {
        let kept = |n: usize, tests: usize| compare(&pairs(&vec![(1000, 1000); n]), &policy(40), tests).outcome();
        // Three looks at one test leave 1/600 for each end: 2^-9 is more than that.
        assert_eq!([kept(0, 1), kept(9, 1), kept(10, 1)], [Outcome::Invalid, Outcome::Invalid, Outcome::Passed]);
        assert_eq!([kept(10, 2), kept(11, 2)], [Outcome::Invalid, Outcome::Passed]);
        assert_eq!([kept(20, 1000), kept(40, 100_000_000)], [Outcome::Passed, Outcome::Passed]);
    }

    #[test]
    fn the_fewest_pairs_for_so_many_tests_make_an_interval_and_fewer_do_not() {
        assert_eq!([1, 5, 6, 10, 11].map(pairs_least), [8, 10, 11, 11, 12]);
        let kept = |n: u32, tests: usize| compare(&pairs(&vec![(1000, 1000); n as usize]), &policy(n), tests).outcome();
        for tests in [1, 5, 6, 2_000, 5_000, 1_000_000_000] {
            let least = pairs_least(tests);
            assert_eq!((kept(least, tests), kept(least - 1, tests)), (Outcome::Passed, Outcome::Invalid), "{tests}");
        }
    }

    #[test]
    fn the_first_look_that_decides_does_whatever_comes_after_it() {
        let mut times = vec![(1000, 1200); 12];
        assert!(is_decided(&pairs(&times), &policy(100), 1));
        times.extend([(1000, 900); 88]);
        assert!(matches!(compare(&pairs(&times), &policy(100), 1), Paired::Slower(slowdown) if slowdown.pairs == 12));
        assert!(!is_decided(&pairs(&[(1000, 900), (1000, 1200)].repeat(50)), &policy(100), 1));
    }

    #[test]
    fn about_how_many_pairs_would_decide_is_said_unless_none_would() {
        let spread: Vec<(u64, u64)> = (0..20).map(|n| (100_000, 98_000 + n * 7 % 20 * 400)).collect();
        let Paired::Unproven(slowdown, Lacking::Pairs(more)) = compare(&pairs(&spread), &policy(20), 1) else {
            panic!()
        };
        assert!((slowdown.estimate - 0.018).abs() < 1e-4, "{slowdown:?}");
        // The fourth largest is 4.4 %, more than twice as far from 1.8 % as the limit is.
        assert!((80..130).contains(&more), "{more} {slowdown:?}");
        let at_it: Vec<(u64, u64)> = spread.iter().map(|(base, head)| (*base, head + 1_200)).collect();
        assert!(matches!(compare(&pairs(&at_it), &policy(20), 1), Paired::Unproven(_, Lacking::Distance)));
        let near: Vec<(u64, u64)> = spread.iter().map(|(base, head)| (*base, head + 900)).collect();
        assert!(matches!(compare(&pairs(&near), &policy(20), 1), Paired::Unproven(_, Lacking::Spread)));
        let endless: Vec<(u64, u64)> = (0..20).map(|n| (if n < 5 { 0 } else { 100_000 }, 100_000)).collect();
        assert!(matches!(compare(&pairs(&endless), &policy(20), 1), Paired::Unproven(_, Lacking::Spread)));
    }

    /// `SplitMix64` (Steele, Lea and Flood 2014).
    struct Chance(u64);

    impl Chance {
        /// Evenly between 0 and 1.
        fn even(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut x = self.0;
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }

        /// A time around 20 s that is 5 % off as a rule, and now and then half as long again.
        fn time(&mut self, slowdown: f64) -> u64 {
            let usual = (0..12).map(|_| self.even()).sum::<f64>() - 6.0;
            let disturbed = if self.even() < 0.1 { self.even() * 0.5 } else { 0.0 };
            u64::try_from(Duration::from_secs_f64(20.0 * slowdown * (0.05 * usual + disturbed).exp()).as_millis())
                .unwrap()
        }
    }

    /// How many of 2000 gates over three tests end with the outcome for one of them, the first test so much slower.
    fn ended(slowdown: f64, wanted: Outcome) -> usize {
        let (mut chance, policy) = (Chance(11), policy(100));
        let mut gate = |_: &u32| {
            [slowdown, 1.03, 1.03].into_iter().any(|slowdown| {
                let pair = |_| TimePair { base_ms: chance.time(1.0), head_ms: chance.time(slowdown) };
                compare(&(0..100).map(pair).collect::<Vec<_>>(), &policy, 3).outcome() == wanted
            })
        };
        (0..2000).filter(|n| gate(n)).count()
    }

    /// A limit that is just kept is the worst case: what is truly faster alarms less often.
    #[test]
    fn false_alarms_and_false_passes_are_as_rare_as_promised_over_all_looks_and_tests() {
        let (alarms, passes) = (ended(1.03, Outcome::Failed), ended(1.03, Outcome::Passed));
        assert!(alarms + passes <= 20, "{alarms} and {passes} of 2000 at 1 %");
        assert!(alarms > 0 && passes > 0, "no room is left unused: {alarms} and {passes}");
        let found = ended(1.1, Outcome::Failed);
        assert!(found > 1_800, "a slowdown of 10 % is found in {found} of 2000");
    }

    fn any_pairs() -> impl Strategy<Value = Vec<TimePair>> {
        let pair = (0u64..2_000, 0u64..2_000).prop_map(|(base_ms, head_ms)| TimePair { base_ms, head_ms });
        let close = (900u64..1_000, 900u64..1_000).prop_map(|(base_ms, head_ms)| TimePair { base_ms, head_ms });
        prop_oneof![prop::collection::vec(pair, 0..60), prop::collection::vec(close, 0..60)]
    }

    proptest! {
        #[test]
        fn a_slower_change_is_never_nearer_to_passing(pairs in any_pairs(), more in prop::collection::vec(0u64..300, 60)) {
            let slower: Vec<TimePair> =
                pairs.iter().zip(more).map(|(pair, more)| TimePair { head_ms: pair.head_ms + more, ..*pair }).collect();
            let of = |pairs: &[TimePair]| compare(pairs, &policy(40), 2).outcome();
            prop_assert!(of(&slower) >= of(&pairs));
        }

        #[test]
        fn base_and_head_in_each_others_place_turn_the_interval_round(pairs in any_pairs()) {
            let turned: Vec<TimePair> =
                pairs.iter().map(|pair| TimePair { base_ms: pair.head_ms, head_ms: pair.base_ms }).collect();
            let of = |pairs: &[TimePair]| match look(pairs, 3, 0.005) {
                Paired::TooFew => None,
                Paired::Slower(of) | Paired::Kept(of) | Paired::Unproven(of, _) => {
                    Some([of.estimate, of.lower, of.upper].map(|share| (share + 1.0).ln()))
                }
            };
            match (of(&pairs), of(&turned)) {
                (Some([estimate, lower, upper]), Some(turned)) => {
                    for (own, other) in [(-estimate, turned[0]), (-upper, turned[1]), (-lower, turned[2])] {
                        prop_assert!(own.total_cmp(&other).is_eq() || (own - other).abs() < 1e-9, "{own} {other}");
                    }
                    prop_assert!(lower <= estimate && estimate <= upper);
                }
                (own, other) => prop_assert!(own.is_none() && other.is_none() && pairs.len() < 8),
            }
        }
    }
}
