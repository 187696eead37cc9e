//! Fixture workspaces: small real workspaces, copied before use.

use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use tempfile::TempDir;

/// A private copy of a fixture workspace; removed when dropped.
#[derive(Debug)]
pub struct Fixture {
    _directory: TempDir,
    root: Utf8PathBuf,
}

impl Fixture {
    /// Copies the workspace `fixtures/<name>` of this repository.
    pub fn copy(name: &str) -> Self {
        let source = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
        let directory = TempDir::with_prefix("tollgate-fixture-").expect("a temporary directory");
        let root = Utf8PathBuf::from_path_buf(directory.path().canonicalize().expect("a real path")).expect("UTF-8");
        copy_tree(&source, &root);
        Self { _directory: directory, root }
    }

    /// Root of the copy.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Adds text to the end of a file.
    pub fn append(&self, path: &str, text: &str) -> &Self {
        let old = self.read(path);
        self.write(path, &format!("{old}\n{text}\n"))
    }

    /// Replaces a text that the file must have.
    pub fn replace(&self, path: &str, from: &str, to: &str) -> &Self {
        let old = self.read(path);
        assert!(old.contains(from), "{path} of the fixture has no `{from}`");
        self.write(path, &old.replace(from, to))
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: &str) -> &Self {
        fs::write(self.root.join(path), text).expect("a file of the fixture is writable");
        self
    }

    /// Reads a file.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

fn copy_tree(from: &Utf8Path, to: &Utf8Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in from.read_dir_utf8().unwrap_or_else(|error| panic!("{from}: {error}")) {
        let entry = entry.expect("a directory entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a file type").is_dir() {
            if entry.file_name() != "target" {
                copy_tree(entry.path(), &target);
            }
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}
