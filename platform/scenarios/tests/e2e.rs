//! Scenario set A against the running services: a workflow of identity, accounting and chat, and the tokens between them.
//!
//! Every scenario writes a journal: a log of its steps and a report, under the run's directory.

#![expect(clippy::unwrap_used, reason = "helpers unwrap as tests do; the lint's exception knows test functions alone")]

#[path = "e2e/security.rs"]
mod security;
#[path = "e2e/workflow.rs"]
mod workflow;
