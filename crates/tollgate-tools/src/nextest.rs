//! cargo-nextest: builds the tests once, lists them, runs a tier of them.
//!
//! After [`build`] no command calls cargo again: [`list`] and [`run`] get the build's metadata from files. JUnit is what
//! a tier's results are read from; the lines on standard error, which are not a stable interface, feed live progress.
//!
//! Measured with 0.9.143: a filterset that names a binary or package which the workspace does not have is refused with
//! exit code 94, as one that can't be parsed is; a binary that this build left out is no mistake. A binary that a
//! filterset rules out as a whole is not asked for its tests, so they are in no listing. An ignored test is reported as
//! ignored whether or not the filterset matches it. `/dev/null` as `LLVM_PROFILE_FILE` keeps listing silent and leaves
//! nothing behind, while with `%c` in it each binary complains that it can't map its profile.

mod archive;
mod build;
mod joint;
mod junit;
mod list;
mod live;
mod profile;
mod run;
mod trial;

pub use archive::{archive, digest, unpack};
pub use build::{Built, build, copy_binaries};
pub use joint::{Chosen, CompilerError, Joint, checked, joint};
pub use list::{Listing, Membership, ignored, list};
pub use live::LiveEvent;
pub use run::{MOST_FIRST, TierOutput, TierRun, partial, run};
pub use trial::{NO_BACKTRACE, Rebuilt, Trial, TrialEnd, rebuild, runner_variable, trial, trial_of};

use crate::Toolbox;
use tollgate_exec::{Cmd, Output, Signal, Status};

/// Exit codes of nextest (`NextestExitCode` of nextest-metadata).
mod exit {
    pub(super) const NO_TESTS: i32 = 4;
    pub(super) const BAD_FILTER: i32 = 94;
    pub(super) const TESTS_FAILED: i32 = 100;
    pub(super) const BUILD_FAILED: i32 = 101;
    pub(super) const LIST_FAILED: i32 = 104;
}

/// A nextest command without the user's own settings, which may change its output but not its results.
fn command(toolbox: &Toolbox, subcommand: &str) -> Cmd {
    let cmd = toolbox.cmd(toolbox.nextest.as_str()).args(["nextest", subcommand]);
    cmd.args(["--user-config-file", "none", "--color", "never"]).stop_signal(Signal::INT)
}

/// The error for an exit code that no results come with.
fn refused(cmd: &Cmd, output: &Output, filter: &str) -> crate::ToolError {
    let argv = cmd.display();
    match output.status {
        Status::Code(exit::BAD_FILTER) => {
            let message = output.stderr.replace("error: failed to parse filterset", "");
            crate::ToolError::BadFilter { filter: filter.to_owned(), message: message.trim_end().to_owned() }
        }
        status => crate::ToolError::Tool { argv, status, tail: output.tail() },
    }
}
