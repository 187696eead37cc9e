//! git: which commit is checked out.

use camino::Utf8Path;
use std::time::Duration;
use tollgate_exec::{Cmd, Interrupt, query};

/// Looking through a checkout takes longer than naming its commit, but not this long.
const STATUS_TIMEOUT: Duration = Duration::from_secs(30);

/// The commit that is checked out, and whether tracked or new files differ from it; nothing outside of a checkout.
pub fn head(root: &Utf8Path, interrupt: &Interrupt) -> Option<(String, bool)> {
    let commit = query(root.as_std_path(), &["git", "rev-parse", "--verify", "HEAD"])?;
    let status = Cmd::new("git").args(["status", "--porcelain"]).cwd(root).timeout(STATUS_TIMEOUT);
    // Where git can't tell, the safe answer is that the commit is not what was run.
    let dirty = status.run(interrupt).map_or(true, |output| !output.status.success() || !output.stdout.is_empty());
    Some((commit, dirty))
}
