//! Spreading a plan over several machines, and making one verdict of what they hand back.
//!
//! [`spread`] packs the tests into shards, longest first by what [`Durations`] remembers. Each shard leaves a receipt,
//! and [`unite`] makes the evidence of one run of them, which the same judge judges; [`judge_union`] adds the gate that
//! every planned test has exactly one final outcome. Nothing passes because a shard did not report.

mod again;
mod durations;
mod environment;
mod jobs;
mod pack;
mod spread;
mod union;
#[cfg(test)]
mod unit;
#[cfg(test)]
mod unit_jobs;
#[cfg(test)]
mod unit_parts;

pub use durations::Durations;
pub use jobs::{Jobs, without_plan};
pub(crate) use jobs::{Left, Names};
pub use pack::{lower_bound, makespan, pack};
pub use spread::{Count, Listing, TamperedPlan, digest_is_true, for_shard, rows, spread};
pub use union::{Union, judge_union, unite};
