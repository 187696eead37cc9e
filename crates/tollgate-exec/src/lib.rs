//! The only place of the orchestrator that spawns a process and waits for it.
//!
//! A [`Cmd`] runs in a process group of its own with nothing on its standard input. Its wait is bounded by a timeout
//! and can be cut short by an [`Interrupt`]; in both cases the whole group gets a stop signal, a grace period, then
//! SIGKILL, and the child is always reaped. Output is captured, and streamed line by line where asked for.
//!
//! A child that must not outlive its parent starts through the [`shim`], a re-exec of the running program which sets
//! the parent-death signal and drops privileges before it becomes the child. Doing that in a process of its own needs
//! no code between fork and exec, and so no unsafe code.
//!
//! Linux only: waits use process descriptors (pidfd), the shim uses `/proc/self/exe` and `prctl`.

mod command;
mod environ;
mod error;
mod interrupt;
mod marked;
mod output;
mod program;
mod query;
pub mod shim;
mod signal;
mod supervise;

pub use command::Cmd;
pub use environ::environ;
pub use error::ExecError;
pub use interrupt::Interrupt;
pub use marked::end_marked;
pub use output::{Output, Status, Stream};
pub use program::{find_program, find_program_in};
pub use query::query;
pub use rustix::process::Signal;
pub use signal::{signal_by_name, signal_group, signal_name};
