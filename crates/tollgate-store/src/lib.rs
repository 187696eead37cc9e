//! What runs leave: their directories, and the history that outlives them.
//!
//! Every run has a directory `target/tollgate/runs/<run-id>/`; `target/tollgate/latest` points at the newest. This crate
//! knows the names in it, writes each file whole or not at all, and decides nothing. What is remembered of runs for longer is in
//! [`history`].

mod error;
pub mod history;
mod run_dir;
mod runs;

pub use error::StoreError;
pub use history::{History, HistoryError};
pub use run_dir::{EventLog, RunDir};
pub use runs::{RUNS_KEPT, RUNS_KEPT_WHOLE, Runs};
