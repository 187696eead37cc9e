//! Fisher's exact test, one-sided: whether one of two shares is larger, on fresh data.

use super::binomial::probability;
use tollgate_model::Executions;

/// P(X ≥ `more.failed`), where X is hypergeometric: the failures of both, dealt at random to the executions of both.
///
/// A probability is taken as C. Loader does ("Fast and accurate computation of binomial probabilities", 2000): that of a
/// hypergeometric number is b(x; n) b(K - x; m) / b(K; n + m), each b binomial with the share K / (n + m).
pub fn fisher(more: Executions, fewer: Executions) -> f64 {
    let (n, m) = (more.all, fewer.all);
    let (failed, all) = (more.failed + fewer.failed, n + m);
    // Fewer can't be dealt. Where all of them failed, or none did, there is one way only.
    if more.failed <= failed.saturating_sub(m) {
        return 1.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "nobody executes a test 2^53 times")]
    let share = failed as f64 / all as f64;
    let whole = probability(failed, all, share);
    let term = |x: u64| probability(x, n, share) * probability(failed - x, m, share) / whole;
    (more.failed..=failed.min(n)).map(term).sum::<f64>().min(1.0)
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;

    fn of(failed: u64, all: u64) -> Executions {
        Executions { failed, all }
    }

    /// `(failed, executions, failed, executions, p)`, printed by scipy 1.17.1 as
    /// `fisher_exact([[a, n - a], [b, m - b]], alternative="greater").pvalue` with `f"{x:.12e}"`.
    #[rustfmt::skip]
    #[expect(clippy::unreadable_literal, reason = "the table is kept as scipy printed it")]
    const SCIPY: &[(u64, u64, u64, u64, f64)] = &[
        (6, 20, 0, 20, 1.009801009801e-02),
        (7, 20, 0, 20, 4.158004158004e-03),
        (3, 20, 0, 20, 1.153846153846e-01),
        (1, 20, 0, 20, 5.000000000000e-01),
        (0, 20, 5, 20, 1.000000000000e+00),
        (9, 20, 1, 20, 4.180867084093e-03),
        (10, 20, 2, 20, 6.907073925984e-03),
        (20, 20, 0, 20, 7.254444551925e-12),
        (20, 20, 13, 20, 4.158004158004e-03),
        (14, 20, 14, 20, 6.344529264440e-01),
        (1, 1, 0, 1, 5.000000000000e-01),
        (3, 40, 1, 40, 3.076606937366e-01),
        (12, 40, 2, 40, 3.223999182076e-03),
        (30, 200, 11, 200, 1.314392324157e-03),
        (5, 50, 0, 10, 3.879438514463e-01),
        (250, 1000, 190, 1000, 7.157483150102e-04),
        (1, 3, 0, 412, 7.228915662651e-03),
    ];

    #[test]
    fn the_test_is_that_of_scipy() {
        for &(a, n, b, m, p) in SCIPY {
            let own = fisher(of(a, n), of(b, m));
            assert!((own - p).abs() <= 1e-9 * p, "{a}/{n} and {b}/{m}: {own}, scipy {p}");
        }
    }

    #[test]
    fn without_executions_or_failures_nothing_is_shown() {
        for (more, fewer) in [((0, 0), (0, 0)), ((0, 20), (0, 20)), ((20, 20), (20, 20)), ((3, 3), (0, 0))] {
            assert!((fisher(of(more.0, more.1), of(fewer.0, fewer.1)) - 1.0).abs() < 1e-12, "{more:?} {fewer:?}");
        }
    }

    proptest! {
        #[test]
        fn more_failures_there_show_more_and_more_failures_here_show_less(
            n in 1u64..60, m in 1u64..60, a in 0u64..60, b in 0u64..60,
        ) {
            let (a, b) = (a.min(n), b.min(m));
            let p = fisher(of(a, n), of(b, m));
            prop_assert!((0.0..=1.0).contains(&p));
            if a < n {
                prop_assert!(fisher(of(a + 1, n), of(b, m)) <= p + 1e-12);
            }
            if b < m {
                prop_assert!(fisher(of(a, n), of(b + 1, m)) >= p - 1e-12);
            }
        }
    }
}
