//! The arguments of what asks the history, and adds to it: `history` and `flaky`.

use super::{Engine, RunFormat, duration};
use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};
use std::time::Duration;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct HistoryArgs {
    /// What with it [default: list the runs].
    #[command(subcommand)]
    pub(crate) command: Option<HistoryCommand>,
    /// How many runs are listed, the newest ones
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) last: u32,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = RunFormat::Text)]
    pub(crate) format: RunFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// Write every record into one file
    Export {
        /// The file
        file: Utf8PathBuf,
    },
    /// Merge a file that `history export` wrote; what is known already stays
    Import {
        /// The file
        file: Utf8PathBuf,
        /// Mark its records as those of a fork: whoever wrote them could have forged them
        #[arg(long)]
        fork: bool,
    },
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct FlakyArgs {
    /// What with them [default: the report].
    #[command(subcommand)]
    pub(crate) command: Option<FlakyCommand>,
    /// The stage whose runs are looked at [default: the configuration's default-stage]
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Option<String>,
    /// Whose runs are looked at [default: those of the main branch, or all where none of it is remembered]
    #[arg(long, value_name = "RUNS", value_enum)]
    pub(crate) of: Option<RunsOf>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = RunFormat::Text)]
    pub(crate) format: RunFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FlakyCommand {
    /// Run a test again and again, every second time beside threads that burn CPU; exits with 1 where it fails
    Stress(StressArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct StressArgs {
    /// The test: its whole name, or binary and name as reports write them, `'shop::e2e a_customer_sees_a_price'`
    #[arg(required_unless_present = "suspects")]
    pub(crate) test: Option<String>,
    /// The tests that the history suspects: flaky ones, quarantined ones, and those that no run of a week ago had; what is seen
    /// of them is remembered
    #[arg(long, conflicts_with_all = ["test", "tier"])]
    pub(crate) suspects: bool,
    /// No further execution is begun after this time, for example 15m [default: none for a test, 10m for suspects]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) within: Option<Duration>,
    /// Its tier, or tiers of which it is in one [default: the one it was in when it last ran]
    #[arg(long, value_name = "TIER")]
    pub(crate) tier: Vec<String>,
    /// Execute nothing and start no service: the report or its absence says whether there is such a test
    #[arg(long, hide = true)]
    pub(crate) find: bool,
    /// How often it is run in all
    #[arg(short = 'n', long = "executions", value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub(crate) executions: u32,
    /// Threads that burn CPU [default: twice as many as cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) burners: Option<u32>,
    /// What runs the environment
    #[arg(long, value_name = "ENGINE", value_enum)]
    pub(crate) engine: Option<Engine>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = RunFormat::Text)]
    pub(crate) format: RunFormat,
}

/// Whose runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunsOf {
    /// Those of the main branch
    Main,
    /// All but those of forks
    All,
}
