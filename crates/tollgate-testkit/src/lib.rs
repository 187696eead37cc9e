//! For tests only: fixture workspaces, hermetic command runs, and a look at what a run left behind.

mod fixture;
mod github;
mod invocation;
mod runner;

pub use fixture::Fixture;
pub use github::{Fault, GitHub, State, TOKEN};
pub use invocation::{Ended, Invocation, Running};
pub use runner::{Conclusion, Fate, JobEnd, Runner};
