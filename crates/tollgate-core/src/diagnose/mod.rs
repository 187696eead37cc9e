//! Causes in the environment for tests that failed: what their output shows, of which service, and what its log says.
//!
//! A cause is a hint for whoever reads the report, never a gate: a test that failed has failed.

mod cause;
mod symptom;

pub use cause::{Cause, causes};
pub(crate) use cause::{has_telling_log, trouble};
pub use symptom::CauseKind;
