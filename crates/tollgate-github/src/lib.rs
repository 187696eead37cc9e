//! The contract of GitHub Actions: files and commands of a workflow step.

mod actions;
mod command;
mod origin;
pub mod workflows;

pub use actions::{Actions, SUMMARY_BYTES_MAX, SummaryError};
pub use command::{Annotation, annotation, end_group, group, neutralise, warning};
pub use origin::origin;
