//! The workspace with the specimens, `fixtures/truths`, as part of this program.

use camino::Utf8Path;
use std::{fs, io};

macro_rules! files {
    ($($path:literal)*) => {
        [$(($path, include_str!(concat!("../../../../fixtures/truths/", $path)))),*]
    };
}

/// Every file with its text.
const FILES: [(&str, &str); 20] = files! {
    ".gitignore"
    "Cargo.toml"
    "ci/compose.yaml"
    "ci/survivors.json"
    "ci/tollgate.toml"
    "coverage/policy.toml"
    "note/Cargo.toml"
    "note/build.rs"
    "note/src/lib.rs"
    "scale/Cargo.toml"
    "scale/src/lib.rs"
    "till/Cargo.toml"
    "till/src/lib.rs"
    "till/src/main.rs"
    "till/src/unit.rs"
    "till/tests/bench.rs"
    "till/tests/e2e.rs"
    "till/tests/load.rs"
    "truths.toml"
    "Cargo.lock"
};

/// The table of what must be concluded.
pub(super) const TRUTHS: &str = include_str!("../../../../fixtures/truths/truths.toml");

/// Makes a directory this workspace. Files that are right stay as they are, so that cargo builds nothing anew; what else was
/// there goes, but for what builds and runs have left.
pub(super) fn write(root: &Utf8Path) -> io::Result<()> {
    if !FILES.iter().all(|(path, text)| fs::read_to_string(root.join(path)).is_ok_and(|is| is == *text)) {
        remove_sources(root)?;
        for (path, text) in FILES {
            let file = root.join(path);
            file.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(file, text)?;
        }
    }
    Ok(())
}

/// Makes it this workspace again after a trial that had a repository and a change.
pub(super) fn restore(root: &Utf8Path) -> io::Result<()> {
    match fs::remove_dir_all(root.join(".git")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => write(root),
    }
}

fn remove_sources(root: &Utf8Path) -> io::Result<()> {
    let entries = match root.read_dir_utf8() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        match entry.file_name() {
            "target" => {}
            _ if entry.file_type()?.is_dir() => fs::remove_dir_all(entry.path())?,
            _ => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_workspace_is_written_once_and_what_it_has_no_more_goes() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = Utf8Path::from_path(directory.path()).expect("UTF-8");
        let (table, stray) = (root.join("truths.toml"), root.join("till/tests/stray.rs"));
        let changed = || table.metadata().and_then(|file| file.modified()).expect("a time");
        write(root).expect("written");
        fs::create_dir(root.join("target")).expect("a directory");
        let first = changed();
        write(root).expect("written");
        assert_eq!(changed(), first, "nothing is written that is right");
        fs::write(&stray, "").expect("written");
        fs::write(&table, "calm = []").expect("written");
        write(root).expect("written");
        assert_eq!(fs::read_to_string(&table).expect("there"), TRUTHS);
        assert!(!stray.exists() && root.join("target").exists());
    }
}
