//! The copy of the workspace that mutants are tried in.
//!
//! It stays from run to run. [`Scratch::prepare`] makes its files those of the workspace again and writes only what
//! differs, so that cargo compiles no more than what changed; a run that was killed leaves a mutant in the copy, which this
//! takes out as well. A new copy gets hard links to what the workspace's own target directory has compiled of other
//! people's packages; members are compiled anew, since their paths are part of what they are.

use super::patch::patched;
use crate::coverage::reach;
use crate::{ToolError, Toolbox, files, seed::seed};
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tollgate_exec::{ExecError, Interrupt};
use tollgate_model::Mutant;

const LIST_TIMEOUT: Duration = Duration::from_mins(1);
/// How often a lock that another run holds is tried again.
const LOCK_INTERVAL: Duration = Duration::from_millis(200);

/// A copy of the workspace, held by this process alone.
#[derive(Debug)]
pub struct Scratch {
    /// Tools that work on the copy.
    pub toolbox: Toolbox,
    /// The program that runs every test.
    pub runner: Utf8PathBuf,
    /// Digest of every file of the copy; the same digest means the same code and the same tests.
    pub digest: String,
    _lock: File,
}

impl Scratch {
    /// Makes the copy in `directory` what the workspace is now. `target` is where the workspace itself is built, and
    /// `members` are its packages.
    ///
    /// # Errors
    /// When files can't be read or written, or the wait for another run's copy is interrupted.
    pub fn prepare(
        toolbox: &Toolbox,
        directory: &Utf8Path,
        target: &Utf8Path,
        members: &[String],
        on_wait: &mut dyn FnMut(),
    ) -> Result<Self, ToolError> {
        files::create_dir(directory)?;
        let lock = lock(&directory.join("lock"), &toolbox.interrupt, on_wait)?;
        let (tree, own_target) = (directory.join("tree"), directory.join("target"));
        let names = sources(toolbox, directory)?;
        let digest = copy(&toolbox.root, &tree, &names)?;
        remove_others(&tree, &names)?;
        if !own_target.exists() {
            // Without it everything is compiled, which is slower and as good.
            let _ = seed(&target.join("debug"), &own_target.join("debug"), members);
        }
        files::create_dir(&own_target)?;
        let runner = directory.join("run-test");
        if fs::read_to_string(&runner).ok().as_deref() != Some(reach::RUNNER) {
            files::write(&runner, reach::RUNNER)?;
            fs::set_permissions(&runner, fs::Permissions::from_mode(0o755))
                .map_err(ToolError::file("writing", &runner))?;
        }
        let toolbox = Toolbox { root: tree, target_directory: Some(own_target), ..toolbox.clone() };
        Ok(Self { toolbox, runner, digest, _lock: lock })
    }

    /// Changes the copy to the mutant, does the work, and changes it back, whatever the work's end.
    ///
    /// # Errors
    /// When the mutant is not one of this workspace, a file can't be written, or the work fails.
    pub fn with_mutant<T, E: From<ToolError>>(
        &self,
        mutant: &Mutant,
        work: impl FnOnce(&Toolbox) -> Result<T, E>,
    ) -> Result<T, E> {
        let path = self.toolbox.root.join(&mutant.file);
        let original = files::read(&path)?;
        let mutated = patched(&original, &mutant.diff)
            .map_err(|error| ToolError::parse(format!("`cargo mutants --list` ({})", mutant.name), error))?;
        self.with_texts(&BTreeMap::from([(mutant.file.clone(), mutated)]), work)
    }

    /// Gives files of the copy these texts, does the work, and changes them back, whatever the work's end.
    ///
    /// # Errors
    /// When a file is not there or can't be written, and when the work fails.
    pub fn with_texts<T, E: From<ToolError>>(
        &self,
        texts: &BTreeMap<String, String>,
        work: impl FnOnce(&Toolbox) -> Result<T, E>,
    ) -> Result<T, E> {
        let put = self.put(texts)?;
        let result = work(&self.toolbox);
        put.restore()?;
        result
    }

    /// Gives files of the copy these texts, until [`Put::restore`] is called.
    ///
    /// # Errors
    /// When a file is not there or can't be written.
    pub fn put(&self, texts: &BTreeMap<String, String>) -> Result<Put, ToolError> {
        let path = |file: &String| self.toolbox.root.join(file);
        let read = |file: &String| Ok((path(file), files::read(&path(file))?));
        let put = Put { originals: texts.keys().map(read).collect::<Result<_, ToolError>>()? };
        texts.iter().try_for_each(|(file, text)| files::write(&path(file), text))?;
        Ok(put)
    }
}

/// Texts that files of the copy have for a while; without [`Put::restore`] they are changed back where that can be.
#[derive(Debug)]
pub struct Put {
    originals: Vec<(Utf8PathBuf, String)>,
}

impl Put {
    /// Changes the files back.
    ///
    /// # Errors
    /// When one can't be written; the others are.
    pub fn restore(mut self) -> Result<(), ToolError> {
        self.back()
    }

    fn back(&mut self) -> Result<(), ToolError> {
        let mut first = Ok(());
        // Each of them, also after one that can't be, which is still there to be tried again.
        self.originals.retain(|(path, text)| {
            let written = files::write(path, text);
            let is_left = written.is_err();
            first = std::mem::replace(&mut first, Ok(())).and(written);
            is_left
        });
        first
    }
}

impl Drop for Put {
    fn drop(&mut self) {
        // A run that goes on asks for it by name, and the next one makes the copy what the workspace is.
        let _ = self.back();
    }
}

/// Waits for the copy. The lock goes with the process that holds it, however that ends.
fn lock(path: &Utf8Path, interrupt: &Interrupt, on_wait: &mut dyn FnMut()) -> Result<File, ToolError> {
    let file = File::create(path).map_err(ToolError::file("creating", path))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(ToolError::file("locking", path)(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        if !std::mem::replace(&mut told, true) {
            on_wait();
        }
        if let Some(signal) = interrupt.wait(LOCK_INTERVAL) {
            return Err(ExecError::Interrupted { argv: format!("waiting for {path}"), signal }.into());
        }
    }
}

/// The workspace's files: those that git knows or would add; without git all that are no build's.
fn sources(toolbox: &Toolbox, scratch: &Utf8Path) -> Result<BTreeSet<String>, ToolError> {
    let cmd = toolbox.cmd("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = cmd.timeout(LIST_TIMEOUT).run(&toolbox.interrupt);
    if let Err(error @ ExecError::Interrupted { .. }) = listed {
        return Err(error.into());
    }
    let listed = listed.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let listed = listed.unwrap_or_default();
    let there = |name: &&str| !name.is_empty() && toolbox.root.join(name).is_file();
    let mut names: BTreeSet<String> = listed.split('\0').filter(there).map(str::to_owned).collect();
    if names.is_empty() {
        walk(&toolbox.root, &toolbox.root, &mut |name, path| {
            let skipped = ["target", ".git", ".tollgate"].contains(&path.file_name().unwrap_or_default());
            if !skipped && !path.starts_with(scratch) && path.is_file() {
                names.insert(name);
            }
            !skipped
        })?;
    }
    // cargo needs it, also where it is not kept.
    if toolbox.root.join("Cargo.lock").is_file() {
        names.insert("Cargo.lock".to_owned());
    }
    Ok(names)
}

/// Calls `visit` with every entry, by its name from the root; directories it says yes to are entered.
fn walk(
    root: &Utf8Path,
    directory: &Utf8Path,
    visit: &mut dyn FnMut(String, &Utf8Path) -> bool,
) -> Result<(), ToolError> {
    let reading = |error| ToolError::file("reading", directory)(error);
    for entry in directory.read_dir_utf8().map_err(reading)? {
        let entry = entry.map_err(reading)?;
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap_or(path).as_str().to_owned();
        let is_directory = entry.file_type().map_err(reading)?.is_dir();
        if visit(name, path) && is_directory {
            walk(root, path, visit)?;
        }
    }
    Ok(())
}

/// Writes what differs, and digests everything.
fn copy(from: &Utf8Path, to: &Utf8Path, names: &BTreeSet<String>) -> Result<String, ToolError> {
    let mut digest = Sha256::new();
    files::create_dir(to)?;
    for name in names {
        let (source, target) = (from.join(name), to.join(name));
        let content = fs::read(&source).map_err(ToolError::file("reading", &source))?;
        digest.update(name.as_bytes());
        digest.update(content.len().to_le_bytes());
        digest.update(&content);
        if fs::read(&target).is_ok_and(|old| old == content) {
            continue;
        }
        files::create_dir(target.parent().unwrap_or(to))?;
        fs::write(&target, &content).map_err(ToolError::file("writing", &target))?;
        let mode = fs::metadata(&source).map_err(ToolError::file("reading", &source))?.permissions();
        fs::set_permissions(&target, mode).map_err(ToolError::file("writing", &target))?;
    }
    Ok(digest.finalize().iter().take(8).fold(String::new(), |mut hex, byte| {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

/// Files that the workspace no longer has must not be found by a build of the copy.
fn remove_others(tree: &Utf8Path, names: &BTreeSet<String>) -> Result<(), ToolError> {
    let mut others = Vec::new();
    walk(tree, tree, &mut |name, path| {
        if path.is_file() && !names.contains(&name) {
            others.push(path.to_owned());
        }
        path.file_name() != Some("target")
    })?;
    // Cargo.lock is written by cargo where the workspace keeps none.
    others.iter().filter(|path| path.file_name() != Some("Cargo.lock")).try_for_each(|path| {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ToolError::file("removing", path)(error)),
            _ => Ok(()),
        }
    })
}
