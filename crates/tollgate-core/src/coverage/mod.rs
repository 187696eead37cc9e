//! Line coverage: read, united over tiers, freed of test code, and counted against the workspace's members.
//!
//! The unit is the line of production code. A line is coverable when any tier's report names it and covered when any
//! tier reached it; test code does not count, and every member is measured, excluded with a reason, or named.

mod blocks;
mod code;
mod functions;
mod glob;
mod lcov;
mod lines;
mod moves;
mod spans;
mod table;
mod totals;
mod union;

pub use code::has_code;
pub use functions::losing_functions;
pub(crate) use glob::matches as glob_matches;
pub use lcov::{Lcov, LcovError, parse_lcov};
pub use lines::{kept, line_totals, lines, unstable};
pub use moves::{Moves, moves};
pub use spans::{KnownSources, mark_test_code, test_spans};
pub use table::{Counts, FileRow, Reached, Table, table};
pub use totals::{Standing, Totals, denominator, is_covered, package_totals, production_lines, total};
pub use union::union;
pub(crate) use union::{counts, is_excluded, member_of};
