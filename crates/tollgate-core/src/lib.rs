//! Decisions as pure functions: configuration, planning, coverage algebra, statistics, gates and rendering.
//!
//! Nothing here touches a file, a process, the network, an environment variable or a clock (`clippy.toml` forbids it):
//! text and facts go in, values and text come out, so every decision can be made again from what was recorded.

pub mod config;
pub mod coverage;
pub mod diagnose;
pub mod flake;
pub mod history;
pub mod judge;
pub mod mutation;
pub mod plan;
pub mod report;
pub mod shard;
pub mod truths;
