//! How a command ends, and the exit code that says so.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a run stopped before all that was planned had been done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Ending {
    /// The straight line was walked to its end.
    Completed,
    /// The build failed; nothing was run.
    BuildFailed {
        /// The command and the end of what it printed.
        detail: String,
    },
    /// The environment, a tool or the machine failed.
    EnvironmentFailed {
        /// What failed, with what was last seen of it.
        detail: String,
    },
    /// A signal asked the run to stop.
    Interrupted {
        /// The signal's name: `SIGINT`.
        signal: String,
    },
}

/// Exit status of a command; the numbers are an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// Every gate passed, or at worst warned or stayed unproven.
    Passed,
    /// A gate failed (with `--strict`, also: warned or stayed unproven).
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// Something could not be judged.
    Invalid,
    /// The build failed.
    Build,
    /// The environment, a tool or the machine failed.
    Environment,
    /// tollgate itself has a defect.
    Defect,
    /// A signal ended the run.
    Interrupted,
}

/// Every exit status, its code and its meaning; docs/exit-codes.md is made from it.
pub const EXIT_CODES: [(ExitStatus, u8, &str); 8] = [
    (ExitStatus::Passed, 0, "Every gate passed, or at worst warned or stayed unproven."),
    (ExitStatus::Failed, 1, "A gate is red; with `--strict` also where one warned or stayed unproven."),
    (ExitStatus::Usage, 2, "The command line or the configuration is wrong; nothing was run."),
    (ExitStatus::Invalid, 3, "The evidence is invalid: something that was planned could not be judged."),
    (ExitStatus::Build, 4, "The build failed."),
    (ExitStatus::Environment, 5, "The environment, a tool or the machine failed."),
    (ExitStatus::Defect, 70, "tollgate itself has a defect; please report it."),
    (ExitStatus::Interrupted, 130, "A signal ended the run; the environment was torn down."),
];

impl ExitStatus {
    /// The process exit code.
    pub fn code(self) -> u8 {
        EXIT_CODES.iter().find(|(status, ..)| *status == self).map_or(70, |(_, code, _)| *code)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code())
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_documentation() {
        let codes: Vec<u8> = EXIT_CODES.iter().map(|(status, ..)| status.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 70, 130]);
    }
}
