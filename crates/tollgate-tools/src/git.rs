//! git: which commit is checked out, what differs from another, and what came before it.

use crate::ToolError;
use camino::Utf8Path;
use std::{fs, time::Duration};
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
fn untracked(root: &Utf8Path, interrupt: &Interrupt) -> Result<Vec<String>, ToolError> {
    let args = ["-c", "core.quotePath=false", "ls-files", "--others", "--exclude-standard"];
    Ok(git(root, &args, interrupt)?.lines().map(str::to_owned).collect())
}

/// The commit that a revision and the checkout come from, and [`changes`] since.
///
/// # Errors
/// When there is no such revision, or no common commit.
pub fn diff(root: &Utf8Path, base: &str, interrupt: &Interrupt) -> Result<(String, String), ToolError> {
    let commit = git(root, &["merge-base", base, "HEAD"], interrupt)?.trim().to_owned();
    let diff = changes(root, &commit, interrupt)?;
    Ok((commit, diff))
}

/// What differs from a commit, changes that are not committed included, and white space apart; Rust files that git does not
/// know yet are new. The diff has no context lines, and paths from `root`.
///
/// # Errors
/// When there is no such commit.
pub fn changes(root: &Utf8Path, commit: &str, interrupt: &Interrupt) -> Result<String, ToolError> {
    let args = [
        "-c",
        "core.quotePath=false",
        "diff",
        "--unified=0",
        "--ignore-all-space",
        "--no-color",
        "--no-ext-diff",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--relative",
        "--find-renames",
        commit,
        "--",
    ];
    let known = git(root, &args, interrupt)?;
    let unknown = untracked(root, interrupt)?.into_iter().filter(|file| Utf8Path::new(file).extension() == Some("rs"));
    Ok(known
        + &unknown
            .filter_map(|file| Some(whole(&file, &fs::read_to_string(root.join(&file)).ok()?)))
            .collect::<String>())
}

/// A file that is all new, as git shows it.
fn whole(file: &str, text: &str) -> String {
    let count = text.lines().count();
    let lines: String = text.lines().flat_map(|line| ["+", line, "\n"]).collect();
    let hunk =
        if count == 0 { String::new() } else { format!("--- /dev/null\n+++ b/{file}\n@@ -0,0 +1,{count} @@\n{lines}") };
    format!("diff --git a/{file} b/{file}\nnew file mode 100644\n{hunk}")
}

/// The text of a file of a commit, by its path from `root`; none where it has none.
pub fn text(root: &Utf8Path, commit: &str, path: &str, interrupt: &Interrupt) -> Option<String> {
    git(root, &["show", &format!("{commit}:./{path}")], interrupt).ok()
}

/// The files that differ from a commit, deleted and untracked ones too, from `root`; one outside of it starts with `/`.
///
/// # Errors
/// When there is no such commit.
pub fn touched(root: &Utf8Path, commit: &str, interrupt: &Interrupt) -> Result<Vec<String>, ToolError> {
    let prefix = git(root, &["rev-parse", "--show-prefix"], interrupt)?;
    // A renamed file is gone from its old place, so both count.
    let changed = git(root, &["diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", commit, "--"], interrupt)?;
    let new = git(root, &["ls-files", "-z", "--others", "--exclude-standard", "--full-name", ":/"], interrupt)?;
    let from_root = |file: &str| file.strip_prefix(prefix.trim_end()).map_or_else(|| format!("/{file}"), str::to_owned);
    Ok(changed.split('\0').chain(new.split('\0')).filter(|file| !file.is_empty()).map(from_root).collect())
}

/// A commit and its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub commit: String,
    /// Name of its tree.
    pub tree: String,
}

/// A commit and at most so many before it, by first parents, newest first; a shallow checkout ends earlier.
///
/// # Errors
/// When there is no such commit.
pub fn ancestors(root: &Utf8Path, commit: &str, before: u32, interrupt: &Interrupt) -> Result<Vec<Commit>, ToolError> {
    let count = format!("--max-count={}", before + 1);
    let log = git(root, &["log", "--first-parent", &count, "--format=%H %T", commit, "--"], interrupt)?;
    let pair = |line: &str| line.split_once(' ').map(|(commit, tree)| (commit.to_owned(), tree.to_owned()));
    Ok(log.lines().filter_map(pair).map(|(commit, tree)| Commit { commit, tree }).collect())
}

fn git(root: &Utf8Path, args: &[&str], interrupt: &Interrupt) -> Result<String, ToolError> {
    let cmd = Cmd::new("git").args(args).cwd(root).timeout(STATUS_TIMEOUT);
    Ok(cmd.run(interrupt)?.success_or(&cmd)?.stdout)
}
