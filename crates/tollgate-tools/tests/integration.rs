//! The real tools on a real workspace: a copy of fixtures/sample in a temporary directory.

#[path = "integration/checkout.rs"]
mod checkout;
#[path = "integration/coverage.rs"]
mod coverage;
#[path = "integration/mutants.rs"]
mod mutants;
#[path = "integration/nextest.rs"]
mod nextest;
#[path = "integration/questions.rs"]
mod questions;
#[path = "integration/sample.rs"]
mod sample;
#[path = "integration/setup.rs"]
mod setup;
