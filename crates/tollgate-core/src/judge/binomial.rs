//! Exact binomial tails, and the one primitive that judges every rate.
//!
//! With `k` bad events of `n` and a limit `p0`, `X ~ Binomial(n, p0)`: the limit is broken when `P(X >= k) < alpha`, it is
//! kept when `P(X <= k) < alpha`, and otherwise there is not enough evidence. This is the one-sided Clopper–Pearson test.
//!
//! The probabilities are those of C. Loader, "Fast and Accurate Computation of Binomial Probabilities" (2000): log-gamma is
//! split into Stirling's formula and its error term, so that the large terms cancel on paper and not in the machine.

use std::f64::consts::PI;
use tollgate_model::Outcome;

/// Probability below which an event counts as evidence, one-sided.
pub const ALPHA: f64 = 0.05;

/// Events above which a tail is bounded instead of summed, so that a judgement always ends soon.
const EXACT_N_MAX: u64 = 1_000_000_000;

/// Good samples above which nobody wants to know how many more would decide.
const MORE_NEEDED_MAX: u64 = 1 << 40;

/// What a rate of bad events shows about its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Passed, unproven, failed; invalid where there is no event, or more bad events than events.
    pub outcome: Outcome,
    /// How many further good events, and no bad one, would prove that the limit is kept; only where it is unproven.
    pub more_needed: Option<u64>,
}

/// Judges `k` bad events of `n` against the limit `p0`, with evidence of strength `alpha` (see [`ALPHA`]).
///
/// A limit of 0 is exact: it is broken by one bad event and kept by none, since no number of samples could prove it.
pub fn judge_rate(k: u64, n: u64, p0: f64, alpha: f64) -> Rate {
    let decided = |outcome| Rate { outcome, more_needed: None };
    if n == 0 || k > n || p0.is_nan() {
        return decided(Outcome::Invalid);
    }
    if p0 <= 0.0 {
        return decided(if k == 0 { Outcome::Passed } else { Outcome::Failed });
    }
    if p0 >= 1.0 || tail_at_most(k, n, p0) < alpha {
        return decided(Outcome::Passed);
    }
    if tail_at_least(k, n, p0) < alpha {
        return decided(Outcome::Failed);
    }
    Rate { outcome: Outcome::Unproven, more_needed: more_needed(k, n, p0, alpha) }
}

/// The probability of at most `k` bad events of `n`, each bad with probability `p`.
pub fn tail_at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    if n > EXACT_N_MAX {
        return hoeffding(p - k as f64 / n as f64, n);
    }
    // tollgate: no-mutants(`<=`: where k is the mean, both sums give the same number)
    if (k as f64) < n as f64 * p { sum_down(k, n, p) } else { complement(sum_up(k + 1, n, p)) }
}

/// The probability of at least `k` bad events of `n`, each bad with probability `p`.
pub fn tail_at_least(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > n || p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    if n > EXACT_N_MAX {
        return hoeffding(k as f64 / n as f64 - p, n);
    }
    // tollgate: no-mutants(`>=`: where k is the mean, both sums give the same number)
    if (k as f64) > n as f64 * p { sum_up(k, n, p) } else { complement(sum_down(k - 1, n, p)) }
}

/// The share of bad events that the true one is not below, at confidence `1 - alpha` (Clopper–Pearson).
pub fn lower_bound(k: u64, n: u64, alpha: f64) -> f64 {
    // tollgate: no-mutants(`<=`: where the tail is alpha itself, the bisection moves by 2^-48)
    if k == 0 || n == 0 { 0.0 } else { bisect(|p| tail_at_least(k, n, p) < alpha) }
}

/// The share of bad events that the true one is not above, at confidence `1 - alpha` (Clopper–Pearson).
pub fn upper_bound(k: u64, n: u64, alpha: f64) -> f64 {
    if k >= n { 1.0 } else { bisect(|p| tail_at_most(k, n, p) >= alpha) }
}

/// The place in 0 to 1 where `below` turns false.
fn bisect(below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..48 {
        let middle = f64::midpoint(low, high);
        if below(middle) { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The fewest good events after which the limit is proven: found by doubling, then by halving.
fn more_needed(k: u64, n: u64, p0: f64, alpha: f64) -> Option<u64> {
    let proven = |more: u64| tail_at_most(k, n.saturating_add(more), p0) < alpha;
    let mut high = 1;
    while !proven(high) {
        high *= 2;
        if high > MORE_NEEDED_MAX {
            return None;
        }
    }
    // tollgate: no-mutants(`%`: from 0 the halving takes a step more and ends at the same number)
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if proven(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// Hoeffding's inequality: an upper bound of a tail, so it can leave a gate unproven and never decides one wrongly.
fn hoeffding(distance: f64, n: u64) -> f64 {
    if distance <= 0.0 { 1.0 } else { (-2.0 * n as f64 * distance * distance).exp() }
}

fn complement(p: f64) -> f64 {
    (1.0 - p).clamp(0.0, 1.0)
}

/// Sums the probabilities of `k`, `k - 1`, ... below the mean, where each is smaller than the one before.
fn sum_down(k: u64, n: u64, p: f64) -> f64 {
    let odds = (1.0 - p) / p;
    sum_tail(probability(k, n, p), (0..k).rev(), |i| odds * (i + 1) as f64 / (n - i) as f64)
}

/// Sums the probabilities of `k`, `k + 1`, ... above the mean, where each is smaller than the one before.
fn sum_up(k: u64, n: u64, p: f64) -> f64 {
    let odds = p / (1.0 - p);
    sum_tail(probability(k, n, p), k + 1..=n, |i| odds * (n - i + 1) as f64 / i as f64)
}

/// Sums terms, each `ratio` times the one before, until they no longer add anything.
fn sum_tail(first: f64, rest: impl Iterator<Item = u64>, ratio: impl Fn(u64) -> f64) -> f64 {
    let (mut sum, mut term) = (first, first);
    for i in rest {
        term *= ratio(i);
        sum += term;
        // tollgate: no-mutants(where the sum is cut differs by less than its last digit)
        if term <= sum * (f64::EPSILON / 16.0) {
            break;
        }
    }
    sum.min(1.0)
}

/// The probability of exactly `k` bad events of `n`, for `0 < p < 1`.
pub(super) fn probability(k: u64, n: u64, p: f64) -> f64 {
    let all = n as f64;
    if k == 0 {
        return (all * (-p).ln_1p()).exp();
    }
    if k == n {
        return (all * p.ln()).exp();
    }
    let (bad, good) = (k as f64, (n - k) as f64);
    let exponent = stirling_error(n)
        - stirling_error(k)
        - stirling_error(n - k)
        - deviance(bad, all * p)
        - deviance(good, all * (1.0 - p));
    exponent.exp() * (all / (2.0 * PI * bad * good)).sqrt()
}

/// `ln n!` without Stirling's formula for it: the part of log-gamma that is small.
fn stirling_error(n: u64) -> f64 {
    let x = n as f64;
    if n < 16 {
        let factorial: f64 = (2..=n).map(|i| i as f64).product();
        return factorial.ln() - (0.5 * (2.0 * PI * x).ln() + x * (x.ln() - 1.0));
    }
    let square = x * x;
    let series = 1.0 / 1680.0 - 1.0 / 1188.0 / square;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - series / square) / square) / square) / x
}

/// `x ln(x / m) + m - x`, by its series where `x` is close to `m` and the formula would cancel.
fn deviance(x: f64, m: f64) -> f64 {
    let difference = x - m;
    // tollgate: no-mutants(`*`: further from `m` the series has the same sum, after more terms)
    if difference.abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() - difference;
    }
    let v = difference / (x + m);
    let (mut sum, mut power) = (difference * v, 2.0 * x * v);
    // The series falls by v^2 < 0.01 each time: 12 terms are more than the machine's precision.
    for j in 1..=12 {
        power *= v * v;
        sum += power / f64::from(2 * j + 1);
    }
    sum
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;

    /// `(k, n, p, P(X <= k), P(X >= k))`, printed by scipy 1.17.1 as `binom.cdf(k, n, p)` and `binom.sf(k - 1, n, p)`
    /// with `f"{x:.12e}"`.
    #[rustfmt::skip]
    #[expect(clippy::unreadable_literal, reason = "the table is kept as scipy printed it")]
    const SCIPY: &[(u64, u64, f64, f64, f64)] = &[
        (1, 1, 0.01, 1.000000000000e+00, 1.000000000000e-02),
        (1, 1, 0.05, 1.000000000000e+00, 5.000000000000e-02),
        (0, 1, 0.2, 8.000000000000e-01, 1.000000000000e+00),
        (1, 1, 0.2, 1.000000000000e+00, 2.000000000000e-01),
        (0, 5, 0.01, 9.509900499000e-01, 1.000000000000e+00),
        (0, 5, 0.05, 7.737809375000e-01, 1.000000000000e+00),
        (5, 5, 0.05, 1.000000000000e+00, 3.125000000000e-07),
        (3, 5, 0.2, 9.932800000000e-01, 5.792000000000e-02),
        (0, 20, 0.01, 8.179069375972e-01, 1.000000000000e+00),
        (20, 20, 0.01, 1.000000000000e+00, 1.000000000000e-40),
        (0, 20, 0.05, 3.584859224085e-01, 1.000000000000e+00),
        (1, 20, 0.05, 7.358395249439e-01, 6.415140775915e-01),
        (1, 20, 0.2, 6.917529027641e-02, 9.884707849539e-01),
        (9, 20, 0.2, 9.974051725993e-01, 9.981786320724e-03),
        (20, 20, 0.2, 1.000000000000e+00, 1.048576000000e-14),
        (0, 59, 0.05, 4.849452524942e-02, 1.000000000000e+00),
        (0, 59, 0.2, 1.915619426082e-06, 1.000000000000e+00),
        (1, 59, 0.2, 3.017100596080e-05, 9.999980843806e-01),
        (11, 59, 0.2, 4.741820392887e-01, 6.536407884079e-01),
        (1, 200, 0.01, 4.046456846720e-01, 8.660203251420e-01),
        (0, 200, 0.2, 4.149515568881e-20, 1.000000000000e+00),
        (1, 200, 0.2, 2.116252940129e-18, 1.000000000000e+00),
        (0, 1000, 0.01, 4.317124741066e-05, 1.000000000000e+00),
        (1, 1000, 0.01, 4.792444535789e-04, 9.999568287526e-01),
        (10, 1000, 0.01, 5.830408033011e-01, 5.426994078251e-01),
        (0, 1000, 0.05, 5.291822747745e-23, 1.000000000000e+00),
        (1, 1000, 0.05, 2.838088094712e-21, 1.000000000000e+00),
        (38, 1000, 0.05, 4.334819060691e-02, 9.693356099521e-01),
        (50, 1000, 0.05, 5.375290408014e-01, 5.202589429127e-01),
        (63, 1000, 0.05, 9.715716027160e-01, 3.839323556451e-02),
        (0, 1000, 0.2, 1.230231922161e-97, 1.000000000000e+00),
        (1, 1000, 0.2, 3.087882124625e-95, 1.000000000000e+00),
        (200, 1000, 0.2, 5.189114355587e-01, 5.126139256145e-01),
        (60, 1500, 0.05, 3.949712857135e-02, 9.701881352920e-01),
        (90, 1500, 0.05, 9.639296061605e-01, 4.585445049361e-02),
        (4800, 100000, 0.05, 1.801323669712e-03, 9.982816197852e-01),
        (5000, 100000, 0.05, 5.037624048047e-01, 5.020259614598e-01),
        (5200, 100000, 0.05, 9.980933448097e-01, 1.995480069653e-03),
        (1000000, 20000000, 0.05, 5.002660489592e-01, 5.001432571500e-01),
    ];

    #[test]
    fn the_largest_number_that_can_be_summed_is() {
        // Two standard deviations from the mean are 2.3 %; the bound of Hoeffding would be 13.5 %.
        let (n, away) = (EXACT_N_MAX, EXACT_N_MAX.isqrt());
        assert!(tail_at_most(n / 2 - away, n, 0.5) < 0.03);
        assert!(tail_at_least(n / 2 + away, n, 0.5) < 0.03);
    }

    #[test]
    fn the_series_begins_where_it_is_exact() {
        // To 40 digits, ln 16! less Stirling's formula is 0.005207655919609640440717996857901898650987.
        assert!((stirling_error(16) - 0.005_207_655_919_609_640_4).abs() < 3e-16);
    }

    #[test]
    fn tails_are_those_of_scipy() {
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b;
        for &(k, n, p, at_most, at_least) in SCIPY {
            assert!(close(tail_at_most(k, n, p), at_most), "P(X <= {k}; {n}, {p}) = {}", tail_at_most(k, n, p));
            assert!(close(tail_at_least(k, n, p), at_least), "P(X >= {k}; {n}, {p}) = {}", tail_at_least(k, n, p));
        }
    }

    #[test]
    fn the_edges_of_the_table_in_the_design_are_exact() {
        // Slow share below 5 %: passes up to, fails from.
        for (n, pass_max, fail_min) in [
            (59, Some(0), 7),
            (200, Some(4), 16),
            (500, Some(16), 34),
            (1000, Some(38), 63),
            (1500, Some(60), 90),
            (20, None, 4),
        ] {
            let outcome = |k| judge_rate(k, n, 0.05, ALPHA).outcome;
            if let Some(k) = pass_max {
                assert_eq!((outcome(k), outcome(k + 1)), (Outcome::Passed, Outcome::Unproven), "{n}");
            }
            assert_eq!((outcome(fail_min), outcome(fail_min - 1)), (Outcome::Failed, Outcome::Unproven), "{n}");
        }
        // Completion of at least 80 %: 14 of 14, 45 of 50 and 87 of 100 are proven, one less is not.
        for (k, n) in [(0, 14), (5, 50), (13, 100)] {
            assert_eq!(judge_rate(k, n, 0.20, ALPHA).outcome, Outcome::Passed);
            assert_eq!(judge_rate(k + 1, n, 0.20, ALPHA).outcome, Outcome::Unproven);
        }
    }

    #[test]
    fn an_unproven_rate_says_how_many_good_events_would_prove_it() {
        // 2 of 412 runs flaky: 216 more clean ones prove less than 1 %.
        assert_eq!(judge_rate(2, 412, 0.01, ALPHA), Rate { outcome: Outcome::Unproven, more_needed: Some(216) });
        assert_eq!(judge_rate(0, 10, 0.20, ALPHA).more_needed, Some(4));
        assert_eq!(judge_rate(0, 14, 0.20, ALPHA).more_needed, None);
        assert_eq!(judge_rate(1, 1, 1e-12, 1e-300).more_needed, None, "out of reach");
    }

    #[test]
    fn what_is_no_evidence_is_invalid_and_an_exact_limit_is_exact() {
        let outcome = |k, n, p0| judge_rate(k, n, p0, ALPHA).outcome;
        assert_eq!(outcome(0, 0, 0.05), Outcome::Invalid);
        assert_eq!(outcome(2, 1, 0.05), Outcome::Invalid);
        assert_eq!(outcome(0, 1, f64::NAN), Outcome::Invalid);
        assert_eq!((outcome(0, 1, 0.0), outcome(1, 9, 0.0)), (Outcome::Passed, Outcome::Failed));
        assert_eq!(outcome(9, 9, 1.0), Outcome::Passed);
    }

    #[test]
    fn bounds_are_those_of_clopper_and_pearson() {
        // scipy: beta.ppf(0.95, 3, 410) and beta.ppf(0.05, 112, 1389).
        assert!((upper_bound(2, 412, ALPHA) - 0.015_201_581_931_76).abs() < 1e-12);
        assert!((lower_bound(112, 1500, ALPHA) - 0.063_795_402_384_60).abs() < 1e-12);
        assert_eq!((lower_bound(0, 9, ALPHA), upper_bound(9, 9, ALPHA)), (0.0, 1.0));
        assert_eq!((lower_bound(0, 0, ALPHA), upper_bound(0, 0, ALPHA)), (0.0, 1.0));
    }

    #[test]
    fn tails_of_certain_and_impossible_events_are_one_and_zero() {
        assert_eq!((tail_at_most(3, 9, 0.0), tail_at_most(3, 9, 1.0), tail_at_most(9, 9, 1.0)), (1.0, 0.0, 1.0));
        assert_eq!((tail_at_least(3, 9, 0.0), tail_at_least(3, 9, 1.0), tail_at_least(10, 9, 0.5)), (0.0, 1.0, 0.0));
    }

    #[test]
    fn a_tail_that_is_alpha_itself_decides_nothing() {
        let alpha = tail_at_most(0, 1, 0.5);
        assert_eq!(judge_rate(0, 1, 0.5, alpha).outcome, Outcome::Unproven);
        let alpha = tail_at_least(1, 1, 0.5);
        assert_eq!(judge_rate(1, 1, 0.5, alpha).outcome, Outcome::Unproven);
        let alpha = tail_at_most(0, 5, 0.5);
        assert_eq!(judge_rate(0, 1, 0.5, alpha).more_needed, Some(5), "of 5 the tail is alpha, of 6 it is below");
    }

    #[test]
    fn more_events_than_can_be_summed_have_the_bound_of_hoeffding() {
        // One standard deviation off the mean of 10^9 and of 2 * 10^9 events: 16 % as a sum, e^-0.5 and e^-1 as a bound.
        let close = |a: f64, b: f64| (a - b).abs() < 1e-3;
        let n = EXACT_N_MAX;
        assert!(close(tail_at_most(n / 2 - 15_811, n, 0.5), 0.158_66));
        assert!(close(tail_at_least(n / 2 + 15_811, n, 0.5), 0.158_66));
        assert!(close(tail_at_most(n / 2 - 15_811, n + 1, 0.5), (-0.5f64).exp()));
        assert!(close(tail_at_least(n / 2 + 15_811, n + 1, 0.5), (-0.5f64).exp()));
        assert!(close(tail_at_most(n - 31_623, 2 * n, 0.5), (-1f64).exp()));
        assert!(close(tail_at_least(n + 31_623, 2 * n, 0.5), (-1f64).exp()));
        assert_eq!((tail_at_most(n + 1, 2 * n, 0.5), tail_at_least(n - 1, 2 * n, 0.5)), (1.0, 1.0));
    }

    #[test]
    fn the_largest_number_of_events_that_is_told_is_told() {
        // As many good events as bad ones, and a few for the bound: between the last two powers of two that are looked at.
        let bad = 700_000_000_000;
        let more = more_needed(bad, bad, 0.5, ALPHA).expect("it is within reach");
        assert!((bad..bad + 4_000_000).contains(&more), "{more}");
        assert_eq!(more_needed(2 * bad, 2 * bad, 0.5, ALPHA), None);
    }

    proptest! {
        #[test]
        fn more_bad_events_never_improve_the_outcome(n in 1u64..3000, k in 0u64..3000, p0 in 0.001f64..0.999) {
            let k = k % n;
            prop_assert!(judge_rate(k, n, p0, ALPHA).outcome <= judge_rate(k + 1, n, p0, ALPHA).outcome);
        }

        #[test]
        fn a_tail_and_the_rest_add_up_to_one(n in 1u64..5000, k in 0u64..5000, p in 0.001f64..0.999) {
            let k = k % n;
            let sum = tail_at_most(k, n, p) + tail_at_least(k + 1, n, p);
            prop_assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        }

        #[test]
        fn any_numbers_get_an_answer_soon(k: u64, n: u64, p0: f64) {
            let rate = judge_rate(k, n, p0, ALPHA);
            prop_assert!(rate.more_needed.is_none() || rate.outcome == Outcome::Unproven);
            prop_assert!((0.0..=1.0).contains(&lower_bound(k, n, ALPHA)));
        }

        #[test]
        fn the_samples_asked_for_decide(n in 1u64..500, k in 0u64..20) {
            let rate = judge_rate(k.min(n), n, 0.05, ALPHA);
            if let Some(more) = rate.more_needed {
                prop_assert_eq!(judge_rate(k.min(n), n + more, 0.05, ALPHA).outcome, Outcome::Passed);
                prop_assert_eq!(judge_rate(k.min(n), n + more - 1, 0.05, ALPHA).outcome, Outcome::Unproven);
            }
        }
    }
}
