//! What is written about a run, as text: evidence and verdict in, strings out.
//!
//! The terminal, markdown and HTML reports show the same facts in the same order: the answer, the gates, the failures with
//! the command that reproduces each, causes in the environment, then coverage, load and services. JUnit, LCOV and Cobertura
//! are for other tools and hold the evidence alone.

mod coverage_files;
mod facts;
mod html;
mod junit;
mod markdown;
mod markdown_page;
mod terminal;
mod text;

pub use crate::judge::words::reproduce;
pub use coverage_files::{cobertura, lcov};
pub use facts::answer;
pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use terminal::{Options, terminal};
pub(crate) use text::clean;
