//! Artifacts of a run: immutable, one of each name over all attempts.

use camino::{Utf8Path, Utf8PathBuf};
use std::{collections::BTreeSet, fs};

/// What was kept.
#[derive(Debug)]
pub(super) struct Artifacts {
    root: Utf8PathBuf,
    names: BTreeSet<String>,
}

impl Artifacts {
    pub(super) fn new(root: Utf8PathBuf) -> Self {
        Self { root, names: BTreeSet::new() }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.names.iter().cloned().collect()
    }

    pub(super) fn directory(&self, name: &str) -> Utf8PathBuf {
        self.root.join(name)
    }

    /// Keeps what the lines of `paths` name, but for what a line with `!` names, from the deepest directory that they share;
    /// nothing where there is nothing.
    pub(super) fn upload(&mut self, name: &str, paths: &str, workspace: &Utf8Path) -> Result<(), String> {
        let mut files: Vec<Utf8PathBuf> = Vec::new();
        for line in paths.lines() {
            match line.strip_prefix('!') {
                Some(path) => {
                    let out = found(&workspace.join(path));
                    files.retain(|file| !out.contains(file));
                }
                None => files.extend(found(&workspace.join(line))),
            }
        }
        let Some(first) = files.first() else { return Ok(()) };
        if !self.names.insert(name.to_owned()) {
            return Err(format!("409: an artifact {name} is there already"));
        }
        let shared = |root: &&Utf8Path| files.iter().all(|file| file.starts_with(root));
        let above = first.parent().into_iter().flat_map(Utf8Path::ancestors);
        let root = above.into_iter().find(shared).unwrap_or(workspace);
        for file in &files {
            let to = self.directory(name).join(file.strip_prefix(root).expect("it is below"));
            fs::create_dir_all(to.parent().expect("it is below")).expect("a directory");
            fs::copy(file, to).expect("a copy");
        }
        Ok(())
    }

    /// Puts one artifact into a directory, or each that a pattern names, if any, into a directory of its own there or,
    /// merged, all into the same.
    pub(super) fn download(
        &self,
        name: Option<&str>,
        pattern: Option<&str>,
        merged: bool,
        to: &Utf8Path,
    ) -> Result<(), String> {
        if let Some(name) = name {
            if !self.names.contains(name) {
                return Err(format!("there is no artifact `{name}`"));
            }
            copy(&self.directory(name), to);
            return Ok(());
        }
        let pattern = pattern.expect("a name or a pattern");
        let matches = |name: &str| match pattern.split_once('*') {
            Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
            None => name == pattern,
        };
        for name in self.names.iter().filter(|name| matches(name)) {
            let to = if merged { to.to_owned() } else { to.join(name) };
            copy(&self.directory(name), &to);
        }
        Ok(())
    }
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    for file in below(from) {
        let target = to.join(file.strip_prefix(from).expect("it is below"));
        fs::create_dir_all(target.parent().expect("it is below")).expect("a directory");
        fs::copy(file, target).expect("a copy");
    }
}

/// The files that a path names: itself, all below it, or those of its directory with its ending.
fn found(path: &Utf8Path) -> Vec<Utf8PathBuf> {
    match (path.file_name(), path.parent()) {
        (Some(name), Some(parent)) if name.starts_with('*') => {
            let files = parent.read_dir_utf8().into_iter().flatten().flatten().map(|entry| entry.path().to_owned());
            files.filter(|file| file.is_file() && file.as_str().ends_with(&name[1..])).collect()
        }
        _ if path.is_file() => vec![path.to_owned()],
        _ => below(path),
    }
}

fn below(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = directory.read_dir_utf8().into_iter().flatten().flatten();
    entries
        .flat_map(|entry| if entry.path().is_dir() { below(entry.path()) } else { vec![entry.path().to_owned()] })
        .collect()
}
