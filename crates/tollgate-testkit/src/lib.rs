//! For tests only: fixture workspaces, hermetic command runs, and a look at what a run left behind.

mod fixture;
mod invocation;

pub use fixture::Fixture;
pub use invocation::{Ended, Invocation, Running};
