//! Whose a flake is: the change's, or what was there before it.
//!
//! That a test flaked in this run and not in many runs before says nothing: among many tests there always is one that does
//! so for the first time. Only executions made for the purpose, on the change and on its base, are free of that selection.

use crate::judge::fisher;
use tollgate_model::{ConfirmedFlake, Executions};

/// Below this the change's larger share of failures is no chance.
pub const SIGNIFICANT: f64 = 0.01;

/// More executions than these are not counted up to.
const MORE_MAX: u64 = 10_000;

/// Whose a flake is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attribution {
    /// The change's: its base fails less often, or has no such test.
    Change {
        /// Fisher's p, where there is a base to compare with.
        p: Option<f64>,
    },
    /// It was there before: the base fails too.
    Existing,
    /// Nobody's: the base fails every time and the change does not, so what fails there is something else than a flake.
    Incomparable,
    /// Nobody's yet: the base did not fail, and the change not often enough.
    Unknown {
        /// Fisher's p.
        p: f64,
        /// How many more executions of each would show that it is the change's, failing as often; none where none failed.
        more: Option<u64>,
    },
}

/// Says whose a flake is.
pub fn attribute(test: &ConfirmedFlake) -> Attribution {
    let head = Executions { failed: test.head.failed(), all: test.head.all() };
    let Some(base) = test.base else { return Attribution::Change { p: None } };
    let base = Executions { failed: base.failed(), all: base.all() };
    let p = fisher(head, base);
    // tollgate: no-mutants(`<=`: no table of counts has a p of exactly one in a hundred that would be told as one)
    if p < SIGNIFICANT {
        Attribution::Change { p: Some(p) }
    } else if base.failed > 0 && base.failed == base.all && head.failed < head.all {
        Attribution::Incomparable
    } else if base.failed > 0 {
        Attribution::Existing
    } else {
        Attribution::Unknown { p, more: more_needed(head, base) }
    }
}

/// The fewest executions more of each after which a base that never fails would be cleared.
fn more_needed(head: Executions, base: Executions) -> Option<u64> {
    let shown = |more: &u64| {
        let all = head.all + more;
        let head = Executions { failed: head.failed * all / head.all.max(1), all };
        fisher(head, Executions { failed: 0, all: base.all + more }) < SIGNIFICANT
    };
    (1..=MORE_MAX).filter(|_| head.failed > 0).find(shown)
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;
    use tollgate_model::{Repeats, TestId, TierName};

    fn flake(head: (u64, u64), base: Option<(u64, u64)>) -> ConfirmedFlake {
        let repeats = |(failed, all)| Repeats { plain: Executions { failed, all }, ..Repeats::default() };
        ConfirmedFlake {
            id: TestId::new("core", "waits"),
            tier: TierName::new("unit").unwrap(),
            wanted: 20,
            head: repeats(head),
            base: base.map(repeats),
            message: None,
        }
    }

    #[test]
    fn a_flake_is_the_changes_only_where_its_base_fails_less_and_that_is_no_chance() {
        let whose = |head, base| attribute(&flake((head, 20), Some((base, 20))));
        assert!(matches!(whose(7, 0), Attribution::Change { p: Some(p) } if p < SIGNIFICANT));
        assert!(matches!(whose(6, 0), Attribution::Unknown { p, more: Some(4) } if p > SIGNIFICANT));
        assert_eq!(whose(0, 0), Attribution::Unknown { p: 1.0, more: None });
        for (head, base) in [(1, 1), (0, 1), (7, 1), (7, 19), (20, 20)] {
            assert_eq!(whose(head, base), Attribution::Existing, "{head} and {base}");
        }
        for head in [0, 7, 19] {
            assert_eq!(whose(head, 20), Attribution::Incomparable, "{head}");
        }
        let unknown = attribute(&flake((0, 20), Some((0, 0))));
        assert!(
            matches!(unknown, Attribution::Unknown { .. }),
            "a base that was not executed failed never: {unknown:?}"
        );
        assert_eq!(attribute(&flake((0, 0), None)), Attribution::Change { p: None }, "the base does not have it");
    }

    #[test]
    fn what_more_would_show_is_what_scipy_counts() {
        // The first n for which fisher_exact of floor(k / 20 * (20 + n)) of 20 + n and 0 of 20 + n is below 0.01, scipy 1.17.1.
        for (k, n) in [(1, 120), (2, 50), (3, 27), (4, 15), (5, 8), (6, 4)] {
            let whose = attribute(&flake((k, 20), Some((0, 20))));
            assert!(matches!(whose, Attribution::Unknown { more: Some(more), .. } if more == n), "{k}: {whose:?}");
        }
    }

    proptest! {
        #[test]
        fn a_failure_more_of_the_change_never_takes_blame_from_it(n in 1u64..50, m in 1u64..50, a in 0u64..50, b in 0u64..50) {
            let (a, b) = (a.min(n - 1), b.min(m));
            let blamed = |a| matches!(attribute(&flake((a, n), Some((b, m)))), Attribution::Change { .. });
            prop_assert!(!blamed(a) || blamed(a + 1));
        }
    }
}
