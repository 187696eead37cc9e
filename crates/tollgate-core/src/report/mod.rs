//! What is written about a run, as text: evidence and verdict in, strings out.
//!
//! The terminal, markdown and HTML reports show the same facts in the same order: the answer, the gates, the failures with
//! the command that reproduces each, causes in the environment, then coverage, load and services. JUnit, LCOV, Cobertura and
//! SonarQube's format are for other tools and hold the evidence alone.

mod brief;
mod coverage_files;
mod coverage_table;
mod facts;
mod html;
mod junit;
mod markdown;
mod markdown_page;
mod notes;
mod sonar;
mod terminal;
mod text;
mod trend;

pub use crate::judge::words::reproduce;
pub use brief::{
    BRIEF_BYTES_MAX, BriefError, COMMENT_MAX, MARKER, Source, brief, brief_of_mutants, comment, comment_of_mutants,
    comment_of_unread_brief, comment_of_unread_mutants, comment_without_brief, merged, read_brief, read_mutants,
};
pub use coverage_files::{cobertura, lcov};
pub use coverage_table::coverage_table;
pub use facts::answer;
pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use notes::{Note, notes};
pub use sonar::sonar;
pub use terminal::{Options, terminal};
pub(crate) use text::clean;
