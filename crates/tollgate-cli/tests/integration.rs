//! Checks of this repository as tests: dependency edges, module docs, generated docs, workflow files.

#[path = "integration/docs.rs"]
mod docs;
#[path = "integration/edges.rs"]
mod edges;
#[path = "integration/tidy.rs"]
mod tidy;
#[path = "integration/workflows.rs"]
mod workflows;

/// Root of this repository.
fn root() -> camino::Utf8PathBuf {
    camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize_utf8().expect("the root exists")
}
