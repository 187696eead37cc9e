//! Environments from a compose file: the compose engine and the native engine behind one small interface.
//!
//! A compose file is [`load`]ed and checked as a whole, an engine is [`choose`]n, and an [`Environment`] brings the
//! services up in the order of their dependencies, watches that they stay up, and removes every trace of them. What is
//! the same for both engines (order, readiness, deadlines, evidence) is decided here once; an engine only starts,
//! watches and stops.

mod checkout;
mod choice;
mod compose;
mod control_group;
pub mod detached;
mod engine;
mod engine_compose;
mod environment;
mod error;
pub mod keeper;
mod ledger;
mod living;
mod native;
mod probe;
mod process;
mod reap;
mod resolve;
mod scheduler;
mod services;
mod setting;

pub use checkout::{base_of, checkout_of};
pub use choice::choose;
pub use compose::{
    Compose, Condition, Dependency, Extension, Healthcheck, Mount, Place, Port, Program, Protocol, Ready, Recipe,
    Service, Sited, Stop, key_reference, load,
};
pub use control_group::may_contain;
pub use environment::Environment;
pub use error::{EnvError, FileProblem, ServiceReport};
pub use ledger::{Entry, Ledger, LedgerError, NOTICE, StopKind};
pub use living::{Living, is_alive, living};
pub use native::{NativeProgram, native_programs};
pub use process::ProcessId;
pub use reap::{end_tests, gc, is_gone, is_torn_down, left_by, prune_cache};
pub use setting::{Binaries, EnvEvent, Setting};
