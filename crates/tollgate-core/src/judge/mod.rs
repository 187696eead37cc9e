//! The judge: evidence and plan in, verdict out. Total, deterministic and pure.
//!
//! A stored run can be judged again. Nothing passes because something did not run: what is missing is invalid, what is too
//! little is unproven, and the verdict is the worst of its gates. The gates, in order:
//!
//! | gate | red when |
//! |---|---|
//! | `run.ending` | only there, and invalid, when the run was not completed |
//! | `tests.<tier>` | a test failed in every attempt |
//! | `tests.reported` | a planned test was not reported exactly once, or another one was (invalid) |
//! | `flake.run` | a test failed and then passed (warned, unless the policy says failed) |
//! | `flake.repo` | on the main branch: so many of the recorded runs were flaky that the detector has raised its alarm |
//! | `quarantine` | only there where a test is quarantined: an entry has expired, or there are too many |
//! | `coverage.floor` | production lines covered by all tiers together are below the floor |
//! | `coverage.patch` | with a base: too few of the lines that a change adds are covered, and more than two are not |
//! | `coverage.denominator` | a member is neither measured nor excluded with a reason (invalid) |
//! | `coverage.proof` | a process may have run uncounted (invalid) |
//! | `time.<tier>`, `time.suite` | running the tests took longer than the budget |
//! | `perf.p95.<name>`, `perf.error.<name>`, `perf.completion.<name>` | the rate of bad events is above its limit |
//! | `environment.services` | a service died or never became ready |
//! | `environment.teardown` | something is left of the environment |

mod binomial;
mod case;
mod coverage_gates;
mod environment_gates;
mod load_gates;
mod quarantine_gate;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod tests_gates;
mod time_gates;
mod verdict;
pub(crate) mod words;

pub use binomial::{ALPHA, Rate, judge_rate, lower_bound, tail_at_least, tail_at_most, upper_bound};
pub(crate) use load_gates::percentile;
pub use verdict::judge;
