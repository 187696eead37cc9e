//! Tests of this crate that read files.
#![expect(clippy::disallowed_methods, reason = "the library must not touch files; its tests compare it with some")]

#[path = "integration/generated.rs"]
mod generated;
