//! One module per outside tool: argv out, evidence in.
//!
//! [`nextest`] builds the workspace once and lists and runs its tests, [`coverage`] turns raw profiles into line counts,
//! [`cargo`] and [`git`] answer questions about the checkout, [`checkout`] makes another of an earlier commit,
//! [`mutants`] makes mutants and tries them, and [`setup`] finds the pinned tools or installs them.
//! Nothing here decides anything: a failing test is a result, and only a tool that could not do its work is a
//! [`ToolError`].
//!
//! What the tools do was measured, and where it matters the module says so: cargo 1.95 (LLVM 22.1), cargo-nextest
//! 0.9.143, cargo-llvm-cov 0.9.1, cargo-mutants 27.1.0, on Linux.

pub mod cargo;
pub mod checkout;
pub mod coverage;
mod error;
mod files;
pub mod git;
pub mod mutants;
pub mod nextest;
mod seed;
pub mod setup;
mod toolbox;

pub use error::ToolError;
pub use toolbox::Toolbox;
