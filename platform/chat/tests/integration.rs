//! The chat service on a real PostgreSQL and a real Redis, with the accounting service beside it; each test has
//! databases and a key space of its own.

#![expect(clippy::unwrap_used, reason = "helpers unwrap as tests do; the lint's exception knows test functions alone")]

#[path = "integration/endings.rs"]
mod endings;
#[path = "integration/messages.rs"]
mod messages;
#[path = "integration/refusals.rs"]
mod refusals;
#[path = "integration/shared.rs"]
mod shared;
#[path = "integration/socket.rs"]
mod socket;
#[path = "integration/supervision.rs"]
mod supervision;
#[path = "integration/world.rs"]
mod world;
