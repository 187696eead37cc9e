//! A checkout of another commit, with a target directory that stays for the next one.
//!
//! It is written from the repository's objects with an index of its own, so that the repository does not learn of it: nothing is
//! left in `.git` that somebody would have to prune. The checkout is a repository of its own that borrows the objects, for build
//! scripts that ask git where they are. Submodules are not filled.

use crate::{ToolError, Toolbox, files, seed::seed};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs::{self, File, TryLockError};
use std::io;
use std::time::Duration;
use tollgate_exec::Cmd;

/// Writing the files of a large repository takes a while.
const CHECKOUT_TIMEOUT: Duration = Duration::from_mins(5);

/// Variables by which git tells its hooks and `git rebase --exec` which repository they are in. In another one they would lead
/// back to it.
pub const REPOSITORY_VARIABLES: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
];

/// A place for checkouts of other commits, held by this process alone.
#[derive(Debug)]
pub struct Place {
    /// Where the checkout is.
    pub tree: Utf8PathBuf,
    /// Where it is built.
    pub target: Utf8PathBuf,
    _lock: File,
}

impl Place {
    /// Takes the place `tree`, whose lock and target directory are in `directory`; none while another process has it.
    ///
    /// # Errors
    /// When it can't be made or locked.
    pub fn take(directory: &Utf8Path, tree: Utf8PathBuf) -> Result<Option<Self>, ToolError> {
        files::create_dir(directory)?;
        let path = directory.join("lock");
        let lock = File::create(&path).map_err(ToolError::file("creating", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { tree, target: directory.join("target"), _lock: lock })),
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
        files::create_dir(&self.tree)?;
        let repository = Repository::of(toolbox)?;
        repository.lend(&self.tree, commit, toolbox)?;
        // With the settings of the repository: what they do to files is done to these too.
        let index = self.tree.join(".git/index");
        let git =
            |args: &[&str]| run(Cmd::new("git").args(args).cwd(&repository.top).env("GIT_INDEX_FILE", &index), toolbox);
        git(&["read-tree", commit])?;
        git(&["checkout-index", "--all", "--force", &format!("--prefix={}/", self.tree)])?;
        let root = self.tree.join(&repository.below);
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
        match fs::remove_dir_all(&self.tree) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ToolError::file("removing", &self.tree)(error))
            }
            _ => Ok(()),
        }
    }
}

/// The repository that the workspace is in.
struct Repository {
    top: Utf8PathBuf,
    /// The workspace from there.
    below: Utf8PathBuf,
    objects: Utf8PathBuf,
    /// The commits whose parents a shallow repository does not have.
    shallow: Utf8PathBuf,
    /// `sha1` or `sha256`.
    format: String,
}

impl Repository {
    fn of(toolbox: &Toolbox) -> Result<Self, ToolError> {
        let asked = ["--show-object-format", "--show-toplevel", "--git-path", "objects", "--git-path", "shallow"];
        let cmd = Cmd::new("git").args(["rev-parse", "--path-format=absolute"]).args(asked).arg("--show-prefix");
        let said = run(cmd.cwd(&toolbox.root), toolbox)?;
        let mut lines = said.lines().map(str::to_owned);
        let mut next = || lines.next().unwrap_or_default();
        let format = next();
        let (top, objects, shallow) = (next().into(), next().into(), next().into());
        Ok(Self { top, objects, shallow, format, below: next().trim_end_matches('/').into() })
    }

    /// Makes the directory a repository that borrows this one's objects and is at the commit.
    fn lend(&self, tree: &Utf8Path, commit: &str, toolbox: &Toolbox) -> Result<(), ToolError> {
        let git = |args: &[&str]| {
            let cmd = REPOSITORY_VARIABLES.into_iter().fold(Cmd::new("git"), Cmd::env_remove);
            run(cmd.args(args).cwd(tree), toolbox)
        };
        git(&["init", "--quiet", "--template=", "--object-format", &self.format])?;
        files::create_dir(&tree.join(".git/objects/info"))?;
        files::write(&tree.join(".git/objects/info/alternates"), &format!("{}\n", self.objects))?;
        if self.shallow.exists() {
            let shallow = tree.join(".git/shallow");
            fs::copy(&self.shallow, &shallow).map_err(ToolError::file("writing", &shallow))?;
        }
        git(&["update-ref", "--no-deref", "HEAD", commit]).map(drop)
    }
}

/// What git says.
fn run(cmd: Cmd, toolbox: &Toolbox) -> Result<String, ToolError> {
    let cmd = cmd.timeout(CHECKOUT_TIMEOUT).die_with_parent();
    Ok(cmd.run(&toolbox.interrupt)?.success_or(&cmd)?.stdout)
}
