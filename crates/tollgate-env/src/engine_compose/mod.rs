//! The compose engine: containers, by the compose command of docker or podman.
//!
//! The command is trusted to create and to remove, not to judge: its `--wait` reports services as healthy that crash,
//! and its exit codes don't tell failures apart. So containers are created by it, started one by one in the scheduler's
//! order, asked by tollgate's own probes, watched through the engine's event stream, and after `down` looked for by
//! label.

mod containers;
mod detect;
mod engine;
mod events;
mod removal;
mod tool;
mod watch;

pub(crate) use detect::detect;
pub(crate) use engine::ComposeEngine;
pub(crate) use removal::{projects_of, remove_project};
pub(crate) use tool::Tool;
