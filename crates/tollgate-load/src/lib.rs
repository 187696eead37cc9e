//! Paced open-loop load generator for performance tests.
//!
//! A [`Shape`] says how many users talk, how many sessions each of them has and when each request is due. [`run`] drives
//! a [`Talk`] by that schedule and returns [`LoadEvidence`]: what was due, what failed, how long each answer took *from
//! the moment its request was due*. A slow answer that holds up the next request therefore makes that one slow as well,
//! as it would be for a real user; a generator that measured from the moment of sending would hide it.
//!
//! Limits are not checked here. A performance test writes its evidence with [`LoadEvidence::write`]; the gates judge it.

mod evidence;
mod generator;
mod shape;

pub use evidence::{DIRECTORY_VARIABLE, LoadEvidence, LoadSample, WriteError, directory};
pub use generator::{LATE, Talk, run};
pub use shape::{Shape, Turn};
