//! The contract of GitHub Actions: files and commands of a workflow step.

mod actions;
mod command;
mod event;
mod needs;
mod origin;
pub mod rest;
mod started;
pub mod workflows;

pub use actions::{Actions, SUMMARY_BYTES_MAX, SummaryError, attempt};
pub use command::{Annotation, add_mask, annotation, end_group, group, neutralise, neutralise_json, warning};
pub use event::{FinishedRun, HeadRepository, Trigger, trigger};
pub use needs::{Need, needs};
pub use origin::origin;
pub use started::started;
