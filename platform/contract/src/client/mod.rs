//! Typed clients, one a service. Every call that acts for a user takes the user's token and forwards it as it is.

mod accounting;
mod chat;
mod gateway;
mod http;
mod identity;

pub use accounting::Accounting;
pub use chat::{Chat, ReplyStream};
pub use gateway::Gateway;
pub use http::ClientError;
pub use identity::Identity;
