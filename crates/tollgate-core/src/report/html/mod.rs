//! The report of a run as one HTML file: no scripts, no assets from elsewhere, light and dark.
//!
//! The order is that of the questions: what is the answer, which gates decided, what failed and how to see it again, what of
//! the environment, and then the tables. Long texts and lists are cut with a note, so that a browser stays quick.

mod page;
mod sections;
mod tables;
mod writer;

pub use page::html;
pub(super) use writer::escape;
