//! One module per command.

mod apart;
pub(crate) mod ci;
pub(crate) mod comment;
pub(crate) mod coverage;
pub(crate) mod doctor;
pub(crate) mod env;
pub(crate) mod explain;
pub(crate) mod flaky;
pub(crate) mod gate;
pub(crate) mod gates;
pub(crate) mod history;
pub(crate) mod lend;
pub(crate) mod mutants;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod setup;
pub(crate) mod shard;
pub(crate) mod test;
pub(crate) mod workflows;
