//! Planning: configuration, facts and a request in, a [`Plan`](tollgate_model::Plan) out.
//!
//! Everything that a run will do is decided here, before it starts; [`describe`] prints it. When the tests of the
//! workspace are known, [`assign`] finds the tier of each, and refuses a workspace with a test in no tier or in two.

mod assign;
mod coverage;
mod describe;
mod error;
mod make;
mod policy;
mod reach;
#[cfg(test)]
mod unit;
#[cfg(test)]
mod unit_assign;

pub use assign::{Assigned, Listed, assign};
pub use coverage::for_coverage;
pub use describe::{describe, describe_reach};
pub use error::{PlanError, PlanErrors};
pub use make::{Facts, Request, exports_for, plan};
pub use policy::{Measured, judged_by};
pub use reach::{Touched, reached_filter};
