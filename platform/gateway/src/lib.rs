//! The gateway: the one door to the services. Routes by path, checks tokens, limits requests, and offers a message
//! route that gives a whole reply at once.
//!
//! `config` reads the environment, `guard` decides (pure), `proxy` passes requests on, `message` converses, `routes`
//! speaks HTTP.

mod config;
mod error;
mod guard;
mod message;
mod proxy;
mod routes;

pub use config::Config;
pub use error::Error;
pub use guard::{Target, Upstream, route};
pub use routes::{BODY_LENGTH_MAX, State, app, start};
