//! A checkout of another commit beside the workspace, with a target directory of its own that stays for the next one.
//!
//! It is written from git's objects with an index of its own, so that the repository does not learn of it: nothing is left in
//! `.git` that somebody would have to prune. Submodules are not filled.

use crate::{ToolError, Toolbox, files, seed::seed};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs::{self, File, TryLockError};
use std::io;
use std::time::Duration;
use tollgate_exec::Cmd;

/// Writing the files of a large repository takes a while.
const CHECKOUT_TIMEOUT: Duration = Duration::from_mins(5);

/// A directory for checkouts of other commits, held by this process alone.
#[derive(Debug)]
pub struct Place {
    /// Where the checkout is.
    pub tree: Utf8PathBuf,
    /// Where it is built.
    pub target: Utf8PathBuf,
    index: Utf8PathBuf,
    _lock: File,
}

impl Place {
    /// Takes a directory; none while another process has it.
    ///
    /// # Errors
    /// When it can't be made or locked.
    pub fn take(directory: &Utf8Path) -> Result<Option<Self>, ToolError> {
        files::create_dir(directory)?;
        let path = directory.join("lock");
        let lock = File::create(&path).map_err(ToolError::file("creating", &path))?;
        let place = |name: &str| directory.join(name);
        match lock.try_lock() {
            Ok(()) => {
                Ok(Some(Self { tree: place("tree"), target: place("target"), index: place("index"), _lock: lock }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(ToolError::file("locking", path)(error)),
        }
    }

    /// Writes the files of a commit, and returns where the workspace is among them. A lock file that is not kept in the
    /// repository is the workspace's own; what is compiled of other people's packages is taken over from its target
    /// directory, where there is none yet.
    ///
    /// # Errors
    /// When git has no such commit, or a file can't be written.
    pub fn fill(
        &self,
        toolbox: &Toolbox,
        commit: &str,
        target: &Utf8Path,
        members: &[String],
    ) -> Result<Utf8PathBuf, ToolError> {
        self.empty()?;
        let git = |root: &Utf8Path, args: &[&str]| {
            let cmd = Cmd::new("git").args(args).cwd(root).env("GIT_INDEX_FILE", &self.index);
            let cmd = cmd.timeout(CHECKOUT_TIMEOUT).die_with_parent();
            Ok::<_, ToolError>(cmd.run(&toolbox.interrupt)?.success_or(&cmd)?.stdout.trim_end().to_owned())
        };
        let top = Utf8PathBuf::from(git(&toolbox.root, &["rev-parse", "--show-toplevel"])?);
        let below = git(&toolbox.root, &["rev-parse", "--show-prefix"])?;
        git(&top, &["read-tree", commit])?;
        git(&top, &["checkout-index", "--all", "--force", &format!("--prefix={}/", self.tree)])?;
        remove(&self.index, |index| fs::remove_file(index))?;
        let root = self.tree.join(below.trim_end_matches('/'));
        let lock = root.join("Cargo.lock");
        if root.is_dir() && !lock.exists() {
            // Without one, cargo would choose other versions for the base than for the change.
            let _ = fs::copy(toolbox.root.join("Cargo.lock"), &lock);
        }
        if !self.target.exists() {
            // Without it everything is compiled, which is slower and as good.
            let _ = seed(&target.join("debug"), &self.target.join("debug"), members);
        }
        files::create_dir(&self.target)?;
        Ok(root)
    }

    /// Removes the checkout; what it was built into stays.
    ///
    /// # Errors
    /// When a file can't be removed.
    pub fn empty(&self) -> Result<(), ToolError> {
        // git leaves its lock where it is killed.
        let index = [self.index.clone(), self.index.with_extension("lock")];
        index.iter().try_for_each(|file| remove(file, |file| fs::remove_file(file)))?;
        remove(&self.tree, |tree| fs::remove_dir_all(tree))
    }
}

fn remove(path: &Utf8Path, remove: impl FnOnce(&Utf8Path) -> io::Result<()>) -> Result<(), ToolError> {
    match remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ToolError::file("removing", path)(error)),
        _ => Ok(()),
    }
}
