//! Why a command has no output to show.

use crate::{Status, signal_name};
use std::io;
use std::time::Duration;
use thiserror::Error;

/// A command that could not be run to the end that was asked for.
#[derive(Debug, Error)]
pub enum ExecError {
    /// The program does not exist.
    #[error("`{program}` was not found; {hint}")]
    NotFound {
        /// The program as it was asked for.
        program: String,
        /// Where it was looked for.
        hint: String,
    },
    /// The system could not start the program.
    #[error("`{argv}` could not be started")]
    Spawn {
        /// The command, quoted for a shell.
        argv: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The program was stopped at its time limit.
    #[error("`{argv}` was stopped after {} ms, its time limit{}", after.as_millis(), tail_lines(tail))]
    TimedOut {
        /// The command, quoted for a shell.
        argv: String,
        /// The limit.
        after: Duration,
        /// The end of what it printed.
        tail: String,
    },
    /// The program was stopped since the run was.
    #[error("`{argv}` was stopped by {}", signal_name(*signal))]
    Interrupted {
        /// The command, quoted for a shell.
        argv: String,
        /// The signal that the run got.
        signal: i32,
    },
    /// The program ended without success where success was needed.
    #[error("`{argv}` ended with {status}{}", tail_lines(tail))]
    Failed {
        /// The command, quoted for a shell.
        argv: String,
        /// How it ended.
        status: Status,
        /// The end of what it printed.
        tail: String,
    },
}

fn tail_lines(tail: &str) -> String {
    if tail.is_empty() { String::new() } else { format!("\n{tail}") }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_message_names_the_command_and_what_became_of_it() {
        let argv = || "sleep 9".to_owned();
        let after = Duration::from_millis(1500);
        let timed_out = |tail: &str| ExecError::TimedOut { argv: argv(), after, tail: tail.into() }.to_string();
        assert_eq!(timed_out(""), "`sleep 9` was stopped after 1500 ms, its time limit");
        assert_eq!(timed_out("zzz"), "`sleep 9` was stopped after 1500 ms, its time limit\nzzz");
        let interrupted = ExecError::Interrupted { argv: argv(), signal: 2 };
        assert_eq!(interrupted.to_string(), "`sleep 9` was stopped by SIGINT");
    }
}
