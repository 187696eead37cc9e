//! Why there is no plan.

use crate::config::nearest;
use std::fmt::{self, Write as _};
use tollgate_model::{StageName, TestId, TierName};

/// How many tests or binaries a message names.
const NAMED: usize = 10;

/// A reason why there is no plan.
///
/// `Display` is the message, one line or a bounded list; [`PlanError::hints`] says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The stage that was asked for is not configured.
    #[error("there is no stage `{name}`; stages: {}", .known.join(", "))]
    UnknownStage {
        /// What was asked for.
        name: StageName,
        /// The stages there are.
        known: Vec<String>,
    },
    /// A tier that was asked for is not configured.
    #[error("there is no tier `{name}`; tiers: {}", .known.join(", "))]
    UnknownTier {
        /// What was asked for.
        name: TierName,
        /// The tiers there are.
        known: Vec<String>,
    },
    /// A tier was asked for together with a stage that does not run it.
    #[error("stage `{stage}` does not run tier `{tier}`; its tiers: {}", .tiers.join(", "))]
    TierNotInStage {
        /// The tier.
        tier: TierName,
        /// The stage.
        stage: StageName,
        /// The tiers of that stage.
        tiers: Vec<String>,
        /// The stages that run the tier.
        stages: Vec<String>,
    },
    /// The configuration names a package that is no member of the workspace.
    #[error("{place} names a package `{package}`, which is no member of the workspace")]
    UnknownPackage {
        /// Where it is named: ``tier `performance` ``.
        place: String,
        /// The package.
        package: String,
        /// The members.
        known: Vec<String>,
    },
    /// The filter that was asked for is empty.
    #[error("the filter that narrows the tiers is empty")]
    EmptyOnly,
    /// Tests that no tier's filter selects.
    #[error("{}", list(.tests, "is in no tier", "tests are in no tier", ToString::to_string))]
    InNoTier {
        /// All of them, sorted.
        tests: Vec<TestId>,
    },
    /// Tests that the filters of several tiers select.
    #[error("{}", list(.tests, "is in more than one tier", "tests are in more than one tier", in_tiers))]
    InSeveralTiers {
        /// All of them, sorted, with their tiers in the order of the plan.
        tests: Vec<(TestId, Vec<TierName>)>,
    },
    /// Test binaries that no tier's filter can select anything from, so that their tests are not even known.
    #[error("{}", list(.binaries, "is in no tier", "test binaries are in no tier", |binary| format!("test binary {binary}")))]
    BinariesInNoTier {
        /// nextest's ids of all of them, sorted.
        binaries: Vec<String>,
    },
    /// A tier that is to run and selects no test.
    #[error("tier `{tier}` has no test: nothing matches `{filter}`")]
    EmptyTier {
        /// The tier.
        tier: TierName,
        /// Its filter.
        filter: String,
    },
    /// Nothing is selected by a filter that narrows the tiers.
    #[error("no test of {} matches `{only}`", quoted(.tiers))]
    NothingSelected {
        /// The filter that was asked for.
        only: String,
        /// The tiers that were to run.
        tiers: Vec<TierName>,
    },
    /// The tests of a tier were not listed, so nobody knows whether each test is in exactly one.
    #[error("the tests of tier `{tier}` were not listed")]
    NotListed {
        /// The tier.
        tier: TierName,
    },
}

impl PlanError {
    /// What to do about it, in the order of likelihood.
    pub fn hints(&self) -> Vec<String> {
        let meant = |name: &str, known: &[String]| {
            nearest(name, known.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`?"))
        };
        match self {
            Self::UnknownStage { name, known } => meant(name.as_str(), known).into_iter().collect(),
            Self::UnknownTier { name, known } => meant(name.as_str(), known).into_iter().collect(),
            Self::TierNotInStage { stages, .. } if stages.is_empty() => Vec::new(),
            Self::TierNotInStage { stages, .. } => {
                vec![format!("`--stage {}` runs it", stages.join("` or `--stage "))]
            }
            Self::UnknownPackage { package, known, .. } => {
                let members = format!("members: {}", known.join(", "));
                meant(package, known).into_iter().chain([members]).collect()
            }
            Self::EmptyOnly => vec!["write a nextest filterset, for example `test(login)`".to_owned()],
            Self::InNoTier { tests } => {
                let binary = tests.first().map_or("", |test| test.binary.as_str());
                vec![format!("widen the filter of a tier in ci/tollgate.toml, for example by `+ binary_id({binary})`")]
            }
            Self::InSeveralTiers { tests } => {
                let name = tests.first().map_or("", |(test, _)| test.name.as_str());
                vec![format!(
                    "narrow the filter of one of the tiers in ci/tollgate.toml, for example by `- test(={name})`"
                )]
            }
            Self::BinariesInNoTier { binaries } => {
                let binary = binaries.first().map_or("", String::as_str);
                vec![format!("widen the filter of a tier in ci/tollgate.toml, for example by `+ binary_id({binary})`")]
            }
            Self::EmptyTier { tier, .. } => {
                vec![format!("correct `filter` in `[tiers.{tier}]` of ci/tollgate.toml, or remove the tier")]
            }
            Self::NothingSelected { .. } => {
                vec!["`cargo nextest list` shows the tests that there are".to_owned()]
            }
            Self::NotListed { .. } => vec!["this is a defect of tollgate: every tier of a plan is listed".to_owned()],
        }
    }
}

/// Every reason why there is no plan; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanErrors(pub Vec<PlanError>);

impl PlanErrors {
    /// What to do about them, each hint once.
    pub fn hints(&self) -> Vec<String> {
        let mut hints: Vec<String> = Vec::new();
        for hint in self.0.iter().flat_map(PlanError::hints) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        hints
    }
}

impl fmt::Display for PlanErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for PlanErrors {}

/// One item with what is wrong on one line; several as a list, of which the first ten are named.
fn list<T>(items: &[T], one: &str, several: &str, name: impl Fn(&T) -> String) -> String {
    if let [only] = items {
        return format!("{} {one}", name(only));
    }
    let mut text = format!("{} {several}:", items.len());
    for item in items.iter().take(NAMED) {
        let _ = write!(text, "\n  {}", name(item));
    }
    if items.len() > NAMED {
        let _ = write!(text, "\n  and {} more", items.len() - NAMED);
    }
    text
}

fn in_tiers((test, tiers): &(TestId, Vec<TierName>)) -> String {
    format!("{test} ({})", tiers.iter().map(TierName::as_str).collect::<Vec<_>>().join(", "))
}

fn quoted(names: &[TierName]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
