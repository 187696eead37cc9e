//! The contract against real servers: clients over HTTP, a service's process, its stores.

#![expect(clippy::unwrap_used, reason = "helpers unwrap as tests do; the lint's exception knows test functions alone")]

#[path = "integration/clients.rs"]
mod clients;
#[path = "integration/process.rs"]
mod process;
#[path = "integration/routes.rs"]
mod routes;
#[path = "integration/stores.rs"]
mod stores;
