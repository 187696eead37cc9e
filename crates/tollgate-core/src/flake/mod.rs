//! Flakiness over many runs: what the recorded runs show of it, how sure that is, and which tests it comes from.
//!
//! The unit is the run: at most one run in a hundred may be red although nothing is wrong. Tests of one run fail together,
//! so they are no trials of their own, and neither are retries. A flake is a contradiction: the same inputs both failed and
//! passed. [`series`] finds the contradictions and which runs may count; [`Rate`](crate::judge::Rate) says what their
//! share proves, the [`Detector`] whether it has become too high.

mod attribution;
mod changed;
mod detector;
mod gate;
mod inherited;
mod release;
mod removed;
mod report;
mod series;
mod stress;
mod suspects;
#[cfg(test)]
mod unit;

pub use attribution::{Attribution, SIGNIFICANT, attribute};
pub use changed::{ChangedTests, Touch, changed_tests, wanted};
pub use detector::{Detector, P0, THRESHOLD};
pub(crate) use gate::gate;
pub use gate::{Alarm, Tally, WINDOW, flake_history, tally};
pub use inherited::cargo_variables;
pub use release::{EXECUTIONS, Quarantined, STRESSED, quarantined};
pub use removed::removed_tests;
pub use report::{Cause, FlakeReport, FlakyTest, Population, render};
pub use series::{LeftOut, Muted, Series, Trial, series};
pub use stress::{StressCause, StressReport};
pub use suspects::{NEW_FOR, SUSPECTS_MAX, Suspect, SuspectsReport, Suspicion, new_since, suspects};
