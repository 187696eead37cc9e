//! The identity service: registration with e-mail verification, login, and the only issuer of tokens.
//!
//! `config` reads the environment, `rules` decides (pure), `password`, `issue`, `users` and `attempts` each wrap one thing of the
//! outside, `accounts` puts them together, `routes` speaks HTTP.

mod accounts;
mod attempts;
mod config;
mod error;
mod issue;
mod password;
mod routes;
mod rules;
mod users;

pub use config::Config;
pub use error::Error;
pub use routes::{State, app, start};

/// The migrations of the service's database.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
