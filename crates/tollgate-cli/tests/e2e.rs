//! The whole tool on a small real workspace: breaking one thing at a time, and looking at outcome, exit code, message
//! and what is left behind.

#[path = "e2e/actions.rs"]
mod actions;
#[path = "e2e/comment.rs"]
mod comment;
#[path = "e2e/coverage.rs"]
mod coverage;
#[path = "e2e/endings.rs"]
mod endings;
#[path = "e2e/environment.rs"]
mod environment;
#[path = "e2e/faults.rs"]
mod faults;
#[path = "e2e/flakes.rs"]
mod flakes;
#[path = "e2e/history.rs"]
mod history;
#[path = "e2e/load.rs"]
mod load;
#[path = "e2e/looks.rs"]
mod looks;
#[path = "e2e/mutants.rs"]
mod mutants;
#[path = "e2e/mutants_alone.rs"]
mod mutants_alone;
#[path = "e2e/mutants_change.rs"]
mod mutants_change;
#[path = "e2e/mutants_interrupted.rs"]
mod mutants_interrupted;
#[path = "e2e/reach.rs"]
mod reach;
#[path = "e2e/regression.rs"]
mod regression;
#[path = "e2e/secrets.rs"]
mod secrets;
#[path = "e2e/self_test.rs"]
mod self_test;
#[path = "e2e/shards.rs"]
mod shards;
#[path = "e2e/support.rs"]
mod support;
#[path = "e2e/users.rs"]
mod users;
