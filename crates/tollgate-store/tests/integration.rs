//! This crate on a real file system.

#[path = "integration/history.rs"]
mod history;
#[path = "integration/index.rs"]
mod index;
#[path = "integration/run_dir.rs"]
mod run_dir;
#[path = "integration/sample.rs"]
mod sample;
#[path = "integration/writers.rs"]
mod writers;
