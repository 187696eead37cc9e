//! Coverage: counters into the binaries, profiles out of their processes, line counts out of both.
//!
//! An instrumented build differs from a plain one in a rustc wrapper for workspace members alone, so both share one
//! target directory and all dependencies. Counters are mapped into the profile file while the process runs (the
//! `runtime-counter-relocation` of [`wrapper`] and `%c` in `LLVM_PROFILE_FILE`), so a process that is killed has
//! written everything it counted: in fixtures/sample a server that ends by SIGKILL has all of its lines.
//!
//! Profiles only mean something to the binaries they came from. llvm-cov warns of functions whose hash is another one
//! ("mismatched data"), but tells only one case in two: bit 60 of a hash marks a kind of profile that rustc doesn't write,
//! and where the two hashes differ in it the function counts as never reached, in silence. It also warns where a binary
//! is newer than the profile. Hence services run from links to the binaries of the build, and objects are the same links.
//!
//! The runtime creates the directory of a profile, but not in a child of another measured process: such a child counts
//! into nothing where its directory does not exist. Tests that start servers pass on their own `LLVM_PROFILE_FILE`, whose
//! directory they have created; who gives a process another one creates its directory first.
//!
//! Line counts per tier come from llvm-cov itself, over exactly the objects of the build ([`export`]). The reports for
//! people and other tools ([`html`], [`cobertura`]) are made by cargo-llvm-cov, which reports on any directory that
//! looks like its own: one with links to our objects and our merged profile gave the same objects, the same line counts
//! and 0.15 s of CPU more than `llvm-cov show`, and adds readable names, links from the index and Cobertura.

mod export;
mod profiles;
pub mod reach;
mod report;
mod sections;
pub mod wrapper;

pub use export::{Exported, export};
pub use profiles::{Merged, RawProfiles, merge, raw_profiles};
pub use report::{Objects, cobertura, html};
pub use sections::instrumented;

use std::time::Duration;

/// Merging and exporting took under a second for 750 tests; a machine may be slow.
const TIMEOUT: Duration = Duration::from_mins(10);

/// What a tool complained about, one entry per line that says so.
fn complaints(stderr: &str) -> Vec<String> {
    let complaint = |line: &&str| line.starts_with("warning:") || line.starts_with("error:");
    stderr.lines().map(str::trim).filter(complaint).map(str::to_owned).collect()
}
