//! The few calls of GitHub's REST interface that are needed to tell a pull request of a run.
//!
//! Reading and replacing are tried again after a failure of the server or of the line; creating is not, since it may have
//! happened. A refusal for the sake of a limit did not do anything, so whatever was asked is asked again when the server
//! says. All waits together are bounded.

mod client;
mod comments;
mod curl;
mod limits;

pub use client::{Client, Pause, RestError};
pub use comments::{BOT, Told, pull_request_of, tell};
pub use curl::LineError;
