//! Support for the platform's tests: a database and a Redis key space of each test's own, services on free ports, bad
//! tokens, and a journal of a scenario's steps.
//!
//! Test support panics where a test can't go on; the message says what is missing and which command provides it.

mod database;
mod forge;
mod journal;
mod redis_space;
mod server;
mod settings;

pub use database::Database;
pub use forge::Forge;
pub use journal::Journal;
pub use redis_space::RedisSpace;
pub use server::{ClosedPort, Served, serve};
pub use settings::setting;
