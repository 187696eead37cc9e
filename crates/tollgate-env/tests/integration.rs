//! Environments on this machine: compose files that are read, servers and processes that are really run.

#[path = "integration/compose.rs"]
mod compose;
#[path = "integration/keeper.rs"]
mod keeper;
#[path = "integration/native.rs"]
mod native;
#[path = "integration/reap.rs"]
mod reap;
#[path = "integration/recipes.rs"]
mod recipes;
#[path = "integration/support.rs"]
mod support;
