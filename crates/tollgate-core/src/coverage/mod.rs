//! Line coverage: read, united over tiers, freed of test code, and counted against the workspace's members.
//!
//! The unit is the line of production code. A line is coverable when any tier's report names it and covered when any
//! tier reached it; test code does not count, and every member is measured, excluded with a reason, or named.

mod glob;
mod lcov;
mod spans;
mod totals;
mod union;

pub(crate) use glob::matches as glob_matches;
pub use lcov::{Lcov, LcovError, parse_lcov};
pub use spans::{mark_test_code, test_spans};
pub use totals::{Standing, Totals, denominator, is_covered, package_totals, production_lines, total};
pub use union::union;
