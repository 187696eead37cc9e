//! For tests only: fixture workspaces, hermetic command runs, and a look at what a run left behind.

mod fixture;
mod github;
mod invocation;

pub use fixture::Fixture;
pub use github::{Fault, GitHub, State, TOKEN};
pub use invocation::{Ended, Invocation, Running};
