//! What every service's process needs around its router, so that a service is its domain and its routes alone.

mod caller;
mod process;
mod refusal;
mod routes;
mod variables;

pub use caller::Caller;
pub use process::{DRAIN_MAX, Ending, Serving, StartError, act, run, serve_until};
pub use refusal::{Body, Id, Parameters, Refusal};
pub use routes::service;
pub use variables::Variables;
