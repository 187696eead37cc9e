//! The chat service: training sessions with streamed replies, and their supervision.
//!
//! [`engine`], [`training`] and [`session`] are pure. [`Sessions`] keeps what was said in PostgreSQL, [`Streams`] and
//! [`Replies`] keep in Redis what all processes of the service must know now. [`Conversation`] puts them together.

mod app;
mod config;
mod conversation;
pub mod engine;
mod error;
mod replies;
pub mod session;
mod sessions;
mod streams;
pub mod training;

pub use app::{State, app};
pub use config::{Config, MIGRATOR, connect, process};
pub use conversation::{Conversation, Reply};
pub use error::ChatError;
pub use replies::Replies;
pub use sessions::Sessions;
pub use streams::Streams;
