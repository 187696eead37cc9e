//! Names turned into addresses: templates of the configuration, and `service:port` in a service's variables.

mod mapping;
mod template;
mod words;

pub(crate) use mapping::{Endpoints, mapping_problems, native_environment, with_addresses};
pub(crate) use template::resolve;
pub(crate) use words::native_words;
