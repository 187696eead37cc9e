//! Names turned into addresses: templates of the configuration, and `service:port` in a service's variables.

mod mapping;
mod template;

pub(crate) use mapping::{mapping_problems, native_environment};
pub(crate) use template::resolve;
