//! Where runs check out another commit than the workspace's.
//!
//! Not below the workspace: cargo, rustup and git look for their settings in every directory above the one they work in, so that
//! those of the change would reach what is to be the base as it was. What is built of it, and the lock, stay beside the runs.

use crate::native::cache_home;
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

/// Directory of the checkouts of all workspaces of a user, in the user's cache.
const CHECKOUTS: &str = "tollgate/base";

/// Where the runs beside this one keep what is built of other commits: `target/tollgate/base` for one in
/// `target/tollgate/runs`. None for a directory that is not among runs.
pub fn base_of(run_dir: &Utf8Path) -> Option<Utf8PathBuf> {
    Some(run_dir.parent()?.parent()?.join("base"))
}

/// Where the runs beside this one check other commits out: one place for each workspace, in the user's cache.
pub fn checkout_of(run_dir: &Utf8Path) -> Option<Utf8PathBuf> {
    Some(cache_home().join(CHECKOUTS).join(name_of(run_dir)?))
}

/// Whether it is the place of the runs beside this one, in whichever cache.
pub(crate) fn is_checkout_of(path: &Utf8Path, run_dir: &Utf8Path) -> bool {
    path.parent().is_some_and(|parent| parent.ends_with(CHECKOUTS)) && path.file_name() == name_of(run_dir).as_deref()
}

/// The directory that the runs are in, as sixteen digits.
fn name_of(run_dir: &Utf8Path) -> Option<String> {
    let digest = Sha256::digest(run_dir.parent()?.as_str());
    digest.first_chunk().map(|bytes| format!("{:016x}", u64::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_checkout_is_of_the_runs_of_one_workspace_and_not_below_it() {
        let place = |run: &str| checkout_of(run.into()).unwrap();
        let (here, there) = (place("/w/target/tollgate/runs/1"), place("/v/target/tollgate/runs/1"));
        assert_eq!(here, place("/w/target/tollgate/runs/2"));
        assert!(here != there && !here.starts_with("/w"));
        let is_ours = |path: &Utf8Path| is_checkout_of(path, "/w/target/tollgate/runs/3".into());
        let elsewhere = Utf8Path::new("/of/another/user/tollgate/base").join(here.file_name().unwrap());
        assert!(is_ours(&here) && is_ours(&elsewhere));
        let strange = Utf8Path::new("/home/precious").join(here.file_name().unwrap());
        assert!(!is_ours(&there) && !is_ours(&strange) && !is_ours("/w/target/tollgate/base".into()));
    }
}
