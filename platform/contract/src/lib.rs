//! What the platform's services say to each other: request and response types, the verification of tokens, typed clients.
//!
//! By default there is no server code in here. Two features carry what every service's process needs around its router
//! (`serve`: configuration, probes, request ids, graceful shutdown) and its stores (`store`: PostgreSQL and Redis).

pub mod accounting;
pub mod chat;
pub mod client;
mod error;
pub mod gateway;
pub mod identity;
pub mod request_id;
#[cfg(feature = "serve")]
pub mod serve;
pub mod sse;
#[cfg(feature = "store")]
pub mod store;
pub mod token;

pub use client::{Accounting, Chat, ClientError, Gateway, Identity};
pub use error::ErrorBody;
pub use token::{Claims, Role, Verifier};
