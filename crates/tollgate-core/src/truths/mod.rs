//! Seeded truths: specimens of what can be wrong, what tollgate must conclude of each, and how often its gates do.
//!
//! A gate that does not pass where nothing is wrong raised a false alarm; one that does not conclude what the table says
//! missed. The table is `fixtures/truths/truths.toml`, beside the workspace with the specimens.

mod figures;
mod render;
mod table;
mod trial;
#[cfg(test)]
mod unit;

pub use figures::{DAYS, figures, together};
pub(crate) use render::bounded;
pub use render::{markdown, terminal};
pub use table::{Calm, Edit, Scene, Truth, Truths};
pub use trial::{Row, Seen, Trial, row};
