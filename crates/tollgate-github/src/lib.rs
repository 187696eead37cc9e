//! The contract of GitHub Actions: files and commands of a workflow step.

mod actions;
mod command;
mod event;
mod origin;
pub mod rest;
pub mod workflows;

pub use actions::{Actions, SUMMARY_BYTES_MAX, SummaryError};
pub use command::{Annotation, annotation, end_group, group, neutralise, warning};
pub use event::{FinishedRun, HeadRepository, Trigger, trigger};
pub use origin::origin;
