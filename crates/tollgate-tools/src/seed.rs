//! What a new target directory takes over from another: other people's packages, as they are compiled already.
//!
//! Members of the workspace are compiled anew, since their paths are part of what they are.

use camino::Utf8Path;
use std::{fs, io};

/// Links what a target directory has of packages other than the members.
pub(crate) fn seed(from: &Utf8Path, to: &Utf8Path, members: &[String]) -> io::Result<()> {
    let stems: Vec<String> = members.iter().flat_map(|name| [name.clone(), name.replace('-', "_")]).collect();
    for part in [".fingerprint", "build", "deps"] {
        link_tree(&from.join(part), &to.join(part), &|name| !is_of(name, &stems))?;
    }
    Ok(())
}

/// Whether a file or directory of a build belongs to one of these crates: `libcore-1f2e.rlib`, `core-1f2e`.
fn is_of(name: &str, stems: &[String]) -> bool {
    let stem = name.strip_prefix("lib").filter(|_| name.contains('.')).unwrap_or(name);
    let Some((stem, _)) = stem.rsplit_once('-') else { return false };
    stems.iter().any(|own| own == stem)
}

fn link_tree(from: &Utf8Path, to: &Utf8Path, wanted: &dyn Fn(&str) -> bool) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        if !wanted(entry.file_name()) {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            link_tree(entry.path(), &target, &|_| true)?;
        } else if fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_a_build_made_of_a_member_is_known_by_its_name() {
        let stems = ["tollgate-core".to_owned(), "tollgate_core".to_owned(), "lib".to_owned()];
        for own in ["libtollgate_core-00ff.rlib", "tollgate_core-00ff.d", "tollgate-core-00ff", "lib-12"] {
            assert!(is_of(own, &stems), "{own}");
        }
        for other in ["libserde-00ff.rlib", "libc-00ff", "tollgate_core_extra-00ff.d", "CACHEDIR.TAG"] {
            assert!(!is_of(other, &stems), "{other}");
        }
    }
}
