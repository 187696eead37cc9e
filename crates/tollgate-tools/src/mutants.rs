//! cargo-mutants: makes the mutants; they are tried here, in a copy of the workspace that stays.
//!
//! cargo-mutants 27.1.0 lists mutants with their diffs and can try them itself, but copies the tree and builds it anew in
//! every run, takes nextest's "no tests" for a caught mutant, and reports a timeout where something was missed too. So it
//! only lists. A [`Scratch`] is a copy with a target directory of its own: what a run compiled is there for the next, and
//! the workspace itself is never touched. A mutant is its diff, applied to the copy.

mod list;
mod patch;
mod scratch;

pub use list::{Dependents, Graph, files, list};
pub use patch::{PatchError, patched};
pub use scratch::{Put, Scratch};
