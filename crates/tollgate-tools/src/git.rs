//! git: which commit is checked out.

use crate::ToolError;
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

/// git's name of the source tree of a commit.
pub fn tree(root: &Utf8Path, commit: &str) -> Option<String> {
    query(root.as_std_path(), &["git", "rev-parse", "--verify", &format!("{commit}^{{tree}}")])
}

/// The branch that is checked out; none where there is none, as in most checkouts of Actions.
pub fn branch(root: &Utf8Path) -> Option<String> {
    query(root.as_std_path(), &["git", "symbolic-ref", "--short", "HEAD"])
}

/// Files that git neither tracks nor ignores, from `root`.
///
/// # Errors
/// When git can't tell.
pub fn untracked(root: &Utf8Path, interrupt: &Interrupt) -> Result<Vec<String>, ToolError> {
    let args = ["-c", "core.quotePath=false", "ls-files", "--others", "--exclude-standard"];
    let cmd = Cmd::new("git").args(args).cwd(root).timeout(STATUS_TIMEOUT);
    let output = cmd.run(interrupt)?.success_or(&cmd)?;
    Ok(output.stdout.lines().map(str::to_owned).collect())
}

/// What differs from the commit that a revision and the checkout come from, changes that are not committed included, and
/// that commit. The diff has no context lines, and paths from `root`.
///
/// # Errors
/// When there is no such revision, or no common commit.
pub fn diff(root: &Utf8Path, base: &str, interrupt: &Interrupt) -> Result<(String, String), ToolError> {
    let git = |args: &[&str]| {
        let cmd = Cmd::new("git").args(args).cwd(root).timeout(STATUS_TIMEOUT);
        Ok::<_, ToolError>(cmd.run(interrupt)?.success_or(&cmd)?.stdout)
    };
    let commit = git(&["merge-base", base, "HEAD"])?.trim().to_owned();
    let diff = git(&[
        "-c",
        "core.quotePath=false",
        "diff",
        "--unified=0",
        "--no-color",
        "--no-ext-diff",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--relative",
        "--find-renames",
        &commit,
        "--",
    ])?;
    Ok((commit, diff))
}
