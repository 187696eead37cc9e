//! The judge: evidence and plan in, verdict out. Total, deterministic and pure.
//!
//! A stored run can be judged again. Nothing passes because something did not run: what is missing is invalid, what is too
//! little is unproven, and the verdict is the worst of its gates. [`RULES`] says what each gate asks for.

mod bands;
mod binomial;
mod case;
mod change_flakes_gate;
mod contention;
mod count_gate;
mod coverage_base;
mod coverage_crates;
mod coverage_gates;
mod coverage_proof;
mod environment_gates;
mod evidence_gate;
mod fisher;
mod load_gates;
mod load_story;
mod margin;
mod new_tests_gate;
mod paired;
mod quarantine_gate;
mod reach_gate;
mod regression_gate;
mod rules;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod tests_gates;
mod tests_time_gate;
mod time_gates;
mod verdict;
pub(crate) mod words;

pub use binomial::{ALPHA, Rate, judge_rate, lower_bound, tail_at_least, tail_at_most, upper_bound};
pub(crate) use coverage_base::is_added;
pub use fisher::fisher;
pub(crate) use load_gates::percentile;
pub use load_gates::{is_load_unproven, load_doubt};
pub use paired::{ERROR, is_decided, looks, pairs_least};
pub use rules::{RULES, Rule, rule};
pub use tests_time_gate::is_newly_slow;
pub use verdict::judge;
