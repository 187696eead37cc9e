//! The accounting service on a real PostgreSQL and a real Redis; each test has a database and a key space of its own.

#![expect(clippy::unwrap_used, reason = "helpers unwrap as tests do; the lint's exception knows test functions alone")]

#[path = "integration/api.rs"]
mod api;
#[path = "integration/lock.rs"]
mod lock;
#[path = "integration/refusals.rs"]
mod refusals;
#[path = "integration/store.rs"]
mod store;
#[path = "integration/world.rs"]
mod world;
