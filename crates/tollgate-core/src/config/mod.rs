//! Configuration: the text of `ci/tollgate.toml` and `coverage/policy.toml` in, a checked [`Config`] or every mistake
//! in them out.
//!
//! The types of [`mod@file`] are the only definition of both files. Their JSON Schema serves editors, is what `walk`
//! reads the text by (so a key can't be completed by an editor and refused here, or the other way round), and becomes
//! the reference of the documentation. What a schema can't say is checked by [`mod@check`], on whatever the walk could
//! make sense of, so that one run shows all mistakes.

mod check;
mod file;
mod form;
mod load;
mod mutation;
mod place;
mod problem;
mod quarantine;
mod reference;
mod regression;
mod schema;
mod settings;
mod suggest;
mod template;
#[cfg(test)]
mod unit;
#[cfg(test)]
mod unit_mistakes;
mod walk;

pub use load::{Sources, load};
pub use problem::{Problem, Problems};
pub use quarantine::Quarantine;
pub use reference::reference;
pub use schema::{policy_schema, quarantine_schema, schema};
pub use settings::{Config, MutationConfig, Program, StageConfig, TierConfig, Tool};
pub use suggest::nearest;
pub use template::export_services;
