//! The native engine: the services of the file as supervised processes of this machine.
//!
//! A service is a child of the orchestrator in a process group of its own. Servers of known kinds are made by a recipe,
//! with private data and free ports; workspace services are the binaries of this run's build. What is created is
//! written to the ledger first.

mod cache;
mod engine;
mod launch;
mod limits;
mod mariadb;
mod mark;
mod nats;
mod nginx;
mod nginx_conf;
mod port;
mod postgres;
mod postgres_data;
mod program;
mod rabbitmq;
mod recipe;
mod redis;
mod scribe;
mod segment;
mod state;
mod stop;
mod template;

pub(crate) use cache::{cache_home, prune, remove_drafts};
pub(crate) use engine::NativeEngine;
pub(crate) use mark::{of_run, of_tests};
pub use program::{NativeProgram, native_programs};
pub(crate) use segment::{Removal, Segment};
pub(crate) use state::{is_state_of, remove_root_of, roots};
pub(crate) use stop::KILL_LIMIT;
