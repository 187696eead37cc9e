//! Mutation testing: which mutants are worth trying, what a survivor means, and how both are told.
//!
//! A line that no test covers is the coverage gate's finding, so its mutants are not tried: nobody needs to be told twice.
//! A survivor is a question to the author: the tests still pass with this change, is that meant?

mod floors;
mod gates;
mod mutant;
mod reach;
mod report;
mod schemata;
mod score;
mod select;
mod suppress;
mod survivors;
mod touched;
mod unite;

pub use floors::{floors, floors_in_doubt, is_below};
pub use gates::gates;
pub use reach::{Cover, FunctionTests, Reach};
pub use report::{MutationReport, Scope, annotation, render};
pub use schemata::{SWITCH_FUNCTION, Schemata, applied, schemata, switch};
pub use score::{Band, Score, score};
pub use select::{Candidate, LeftOut, Selection, Why, select};
pub use suppress::{Skipped, Suppression, in_source, skipped};
pub use survivors::{Comparison, SurvivorKey, accepted, compare, keys, settled};
pub use touched::{DiffError, Touched, added, cuts, touched};
pub(crate) use touched::{Hunk, hunk};
pub use unite::{Part, unite};
