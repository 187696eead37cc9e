//! Names: of runs, tiers, stages, services, gates and tests.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A name that does not have the form its kind asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidName {
    /// What was given.
    pub name: String,
    /// What such a name may consist of.
    pub rule: &'static str,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a valid name: {}", self.name, self.rule)
    }
}

impl std::error::Error for InvalidName {}

const RULE: &str = "1 to 63 of a-z, 0-9, `-` and `_`, a letter or digit first";

fn check(name: &str) -> Result<(), InvalidName> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = name.len() <= 63
        && name.chars().next().is_some_and(plain)
        && name.chars().all(|c| plain(c) || c == '-' || c == '_');
    if fits { Ok(()) } else { Err(InvalidName { name: name.to_owned(), rule: RULE }) }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the name, or what is wrong with it.
            ///
            /// # Errors
            /// When the text is not 1 to 63 of `a-z`, `0-9`, `-` and `_` with a letter or digit first.
            pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
                let name = name.into();
                check(&name)?;
                Ok(Self(name))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(name: String) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// Name of one run, unique in a checkout: start time in UTC and a process id, `20261121-093055-4711`.
    RunId;
    /// Name of a tier: a class of tests with its own environment needs, budget and gates.
    TierName;
    /// Name of a stage: a named choice of tiers.
    StageName;
    /// Name of a service in the compose file.
    ServiceName;
}

/// Name of a gate: dot-separated words, `coverage.floor`, `tests.unit`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GateName(String);

impl GateName {
    /// A gate that is the only one of its group.
    pub fn plain(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Joins a group and a subject: `tests` and `unit` name the gate `tests.unit`.
    pub fn new(group: &str, subject: impl fmt::Display) -> Self {
        Self(format!("{group}.{subject}"))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Identity of a test: nextest's binary id and the test's path in it. Sorted by binary, then name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TestId {
    /// nextest's binary id: `identity`, `identity::integration`, `xtask::bin/xtask`.
    pub binary: String,
    /// Path of the test in its binary: `login::refuses_a_wrong_password`.
    pub name: String,
}

impl TestId {
    /// Puts an identity together.
    pub fn new(binary: impl Into<String>, name: impl Into<String>) -> Self {
        Self { binary: binary.into(), name: name.into() }
    }

    /// The package that the binary belongs to: the part of the binary id before `::`.
    pub fn package(&self) -> &str {
        self.binary.split("::").next().unwrap_or(&self.binary)
    }
}

impl fmt::Display for TestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.binary, self.name)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_name_is_short_plain_and_starts_with_a_letter_or_digit() {
        for good in ["unit", "20261121-093055-4711", "e2e", "a_b"] {
            assert_eq!(TierName::new(good).map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "Unit", "a b", "a/b", &"x".repeat(64)] {
            let error = TierName::new(bad).unwrap_err();
            assert_eq!(error.to_string(), format!("`{bad}` is not a valid name: {RULE}"));
        }
    }

    #[test]
    fn a_test_belongs_to_the_package_its_binary_id_starts_with() {
        assert_eq!(TestId::new("identity::integration", "login").package(), "identity");
        assert_eq!(TestId::new("identity", "login").package(), "identity");
        assert_eq!(TestId::new("identity::integration", "login").to_string(), "identity::integration login");
    }
}
