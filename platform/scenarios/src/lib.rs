//! The running platform as its scenarios see it: typed clients at the addresses that the environment names, and users.
//!
//! Scenarios share the running services, so each makes users of its own; only the admin and the supervisor, who are
//! there from the start, belong to all.

mod platform;

pub use platform::{Platform, Somebody};
