//! Run directories and the files in them.
//!
//! Every run has a directory `target/tollgate/runs/<run-id>/`; `target/tollgate/latest` points at the newest. This crate
//! knows the names in it, writes each file whole or not at all, and decides nothing.

mod error;
mod run_dir;
mod runs;

pub use error::StoreError;
pub use run_dir::{EventLog, RunDir};
pub use runs::{RUNS_KEPT, RUNS_KEPT_WHOLE, Runs};
