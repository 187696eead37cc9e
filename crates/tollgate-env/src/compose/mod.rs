//! The compose file: read with places, variables put in, checked as a whole, understood.

mod duration;
mod env_file;
mod extension;
mod generate;
mod interpolate;
mod invocation;
mod keys;
#[cfg(test)]
mod keys_tests;
mod load;
mod model;
mod names;
mod node;
mod reader;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use generate::{Generated, generate};
pub use keys::key_reference;
pub(crate) use keys::{container_only, missing, refused};
pub use load::load;
pub use model::{
    Compose, Condition, Dependency, Extension, Healthcheck, Mount, Port, Program, Protocol, Ready, Recipe, Service,
    Sited, Stop,
};
pub(crate) use names::offer;
pub use node::Place;

/// A compose file from its text, for tests.
#[cfg(test)]
pub(crate) fn sample(text: &str) -> Compose {
    load::parse(text, camino::Utf8Path::new("compose.yaml"), &std::collections::BTreeMap::new(), &|path| {
        Err(std::io::Error::other(path.as_str()))
    })
    .unwrap_or_else(|problems| panic!("{problems:?}"))
}
