//! The outcome of a gate, and of a verdict.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Outcome of a gate; the outcome of a verdict is the worst of its gates.
///
/// The order is that of severity: `Passed < Warned < Unproven < Failed < Invalid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The evidence shows that the rule is kept.
    Passed,
    /// The rule is broken in a way that is not this change's doing, or that is only advice.
    Warned,
    /// There is evidence, and it is too little to decide either way.
    Unproven,
    /// The evidence shows that the rule is broken.
    Failed,
    /// There is no evidence that could be judged: something did not run, or contradicts itself.
    Invalid,
}

impl Outcome {
    /// Every outcome, from best to worst.
    pub const ALL: [Self; 5] = [Self::Passed, Self::Warned, Self::Unproven, Self::Failed, Self::Invalid];

    /// The outcome as it is written in reports: `passed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warned => "warned",
            Self::Unproven => "unproven",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
