//! The compiler that cargo takes, and the targets that it builds for.
//!
//! On its stable channel cargo does not tell what its settings come to, so they are read here in the order of its reference:
//! variables, then `.cargo/config.toml` of the directory and of each above it, then that of cargo's home. The nearest that
//! sets something counts. A file that another one includes is not read.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use std::{env, fs};

/// What cargo's settings say of compiling in a directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Compiler {
    /// The program: a path, or a name to be found on `PATH`.
    pub(crate) program: String,
    /// The targets; none where it is what the compiler compiles for by itself.
    pub(super) targets: Vec<String>,
}

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    build: Build,
}

#[derive(Default, Deserialize)]
struct Build {
    rustc: Option<String>,
    /// A name, or several.
    target: Option<toml::Value>,
}

impl Compiler {
    /// By the variables of this process and the files of this machine.
    pub(crate) fn of(directory: &Utf8Path) -> Self {
        let variable = |name: &str| env::var(name).ok();
        let home = variable("CARGO_HOME").map(Utf8PathBuf::from);
        let home = home.or_else(|| Some(Utf8PathBuf::from(variable("HOME")?).join(".cargo")));
        let places = directory.ancestors().map(|at| at.join(".cargo")).chain(home);
        let files = places.flat_map(|place| ["config", "config.toml"].map(|name| place.join(name)));
        Self::by(directory, variable, files.filter_map(|file| Some((fs::read_to_string(&file).ok()?, file))))
    }

    /// By variables, which go before files, and by texts of files, the nearest first.
    fn by(
        directory: &Utf8Path,
        variable: impl Fn(&str) -> Option<String>,
        files: impl Iterator<Item = (String, Utf8PathBuf)>,
    ) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        // What cargo can't read it refuses by itself, and says why.
        let read = |(text, file): (String, Utf8PathBuf)| Some((toml::from_str::<Settings>(&text).ok()?.build, file));
        let files: Vec<(Build, Utf8PathBuf)> = files.filter_map(read).collect();
        let of_files = || {
            let (program, file) = files.iter().find_map(|(build, file)| Some((build.rustc.as_ref()?, file)))?;
            // A path is one from where `.cargo` is.
            Some(placed(program, file.ancestors().nth(2).unwrap_or(directory)))
        };
        let named = set("RUSTC").or_else(|| set("CARGO_BUILD_RUSTC")).map(|program| placed(&program, directory));
        let targets = || files.iter().find_map(|(build, _)| build.target.as_ref()).map(names).unwrap_or_default();
        Self {
            program: named.or_else(of_files).unwrap_or_else(|| "rustc".to_owned()),
            targets: set("CARGO_BUILD_TARGET").map_or_else(targets, |target| vec![target]),
        }
    }
}

/// A program as cargo takes it: what has a slash is a path, anything else is looked for on `PATH`.
fn placed(program: &str, directory: &Utf8Path) -> String {
    if program.contains('/') { directory.join(program).into_string() } else { program.to_owned() }
}

fn names(target: &toml::Value) -> Vec<String> {
    let all = target.as_array().map_or(std::slice::from_ref(target), Vec::as_slice);
    all.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    fn by(set: &[(&str, &str)], files: &[(&str, &str)]) -> (String, String) {
        let variable = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        let files = files.iter().map(|(file, text)| ((*text).to_owned(), Utf8PathBuf::from(file)));
        let Compiler { program, targets } = Compiler::by("/a/w".into(), variable, files);
        (program, targets.join(" "))
    }

    fn program(set: &[(&str, &str)], files: &[(&str, &str)]) -> String {
        by(set, files).0
    }

    #[test]
    fn a_variable_goes_before_files_and_the_nearer_file_before_the_others() {
        let near = ("/a/w/.cargo/config.toml", "[build]\nrustc = 'near'");
        let far = ("/a/.cargo/config.toml", "build.rustc = 'far'");
        assert_eq!(program(&[], &[]), "rustc");
        assert_eq!(program(&[("RUSTC", "")], &[]), "rustc");
        assert_eq!(program(&[], &[near, far]), "near");
        assert_eq!(program(&[], &[("/a/w/.cargo/config.toml", "[alias]\nx = 'run'"), far]), "far");
        assert_eq!(program(&[], &[("/a/w/.cargo/config.toml", "[build"), far]), "far", "cargo itself refuses it");
        assert_eq!(program(&[("CARGO_BUILD_RUSTC", "/b/rustc")], &[near]), "/b/rustc");
        assert_eq!(program(&[("CARGO_BUILD_RUSTC", "/b/rustc"), ("RUSTC", "/a/rustc")], &[near]), "/a/rustc");
    }

    #[test]
    fn a_path_is_one_from_where_it_is_set() {
        let of = |file| program(&[], &[(file, "build.rustc = 'tools/rustc'")]);
        assert_eq!(of("/a/.cargo/config.toml"), "/a/tools/rustc");
        assert_eq!(of("/opt/cargo/config.toml"), "/opt/tools/rustc", "as cargo takes that of its home");
        assert_eq!(program(&[("RUSTC", "tools/rustc")], &[]), "/a/w/tools/rustc");
        assert_eq!(program(&[], &[("/a/.cargo/config", "build.rustc = '/b/rustc'")]), "/b/rustc");
    }

    #[test]
    fn targets_are_one_or_several() {
        let targets = |set: &[(&str, &str)], text| by(set, &[("/a/.cargo/config.toml", text)]).1;
        assert_eq!(targets(&[], "[build]"), "");
        assert_eq!(targets(&[], "build.target = 'wasm32-wasip1'"), "wasm32-wasip1");
        assert_eq!(targets(&[], "build.target = ['one', 'two']"), "one two");
        assert_eq!(targets(&[("CARGO_BUILD_TARGET", "three")], "build.target = ['one', 'two']"), "three");
    }
}
