//! What a pull request is told: a brief of the run, and the comment that is made of it.
//!
//! A comment is always made of a brief, never passed on as text: where the run was a fork's, its brief is data from a
//! stranger, and everything in it that is text is shown in a way that means nothing to GitHub.

mod comment;
mod make;
mod read;

pub use comment::{
    COMMENT_MAX, MARKER, Source, comment, comment_of_mutants, comment_of_unread_brief, comment_of_unread_mutants,
    comment_without_brief, merged,
};
pub use make::{brief, brief_of_mutants};
pub use read::{BRIEF_BYTES_MAX, BriefError, read_brief, read_mutants};
