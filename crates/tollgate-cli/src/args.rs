//! The command line.

mod history;

pub(crate) use history::{FlakyArgs, FlakyCommand, HistoryArgs, HistoryCommand, RunsOf, StressArgs};

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::time::Duration;
use tollgate_model::{EngineChoice, Partition};

/// Brings up the environment, builds once, runs every tier, judges, reports and leaves nothing behind.
#[derive(Debug, Parser)]
#[command(name = "tollgate", bin_name = "cargo xtask", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything that the stage asks for, and give the verdict
    Ci(CiArgs),
    /// Run all tiers, one tier or some of its tests in their environment, without gates
    Test(TestArgs),
    /// Run what counts for coverage and show it: by crate, file and tier
    Coverage(CoverageArgs),
    /// Test the tests: change the code a little and see whether one of them fails
    Mutants(MutantsArgs),
    /// Print what `ci` would do, or spread it over several machines
    Plan(PlanArgs),
    /// Run one shard of a plan and write its receipt
    Shard(ShardArgs),
    /// Merge the receipts of all shards and give the verdict, or judge a stored run again under another policy
    Gate(GateArgs),
    /// Print the report of a stored run
    Report(ReportArgs),
    /// Show what a gate of a stored run was judged from
    Explain(ExplainArgs),
    /// List the runs that are remembered, or carry them to another machine
    History(HistoryArgs),
    /// Show how often runs are red for nothing, and which tests and causes that comes from
    Flaky(FlakyArgs),
    /// Test the gates themselves
    Gates {
        /// What with them.
        #[command(subcommand)]
        command: GatesCommand,
    },
    /// Build a tier and say where its tests are, for a run that compares itself with this checkout
    #[command(hide = true)]
    Lend {
        /// The tier
        tier: String,
        /// A package that is built, where there is one of that name; may be given several times, and without it all are
        #[arg(long = "package", short, value_name = "PACKAGE")]
        packages: Vec<String>,
    },
    /// Look after environments
    Env {
        /// What with them.
        #[command(subcommand)]
        command: EnvCommand,
    },
    /// Write or check the workflow files of GitHub Actions
    Workflows(WorkflowsArgs),
    /// Install the pinned tools and what the native engine needs
    Setup(SetupArgs),
    /// Say what is here and what is missing
    Doctor,
}

/// What to run, and where.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct Selection {
    /// The stage: a named choice of tiers [default: the configuration's default-stage]
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Option<String>,
    /// Run only this tier; may be given several times
    #[arg(long = "tier", value_name = "TIER")]
    pub(crate) tiers: Vec<String>,
    /// What runs the environment
    #[arg(long, value_name = "ENGINE", value_enum)]
    pub(crate) engine: Option<Engine>,
    /// Run only part K of N of every tier's tests
    #[arg(long, value_name = "K/N")]
    pub(crate) partition: Option<Partition>,
    /// Judge what was added since the checkout parted from this revision: the coverage of its lines, its tests under stress
    #[arg(long, value_name = "REV")]
    pub(crate) base: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CiArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Let warnings and unproven gates fail the run
    #[arg(long)]
    pub(crate) strict: bool,
    /// Leave the environment up after the verdict, to look at; `env down` ends it
    #[arg(long)]
    pub(crate) keep_env: bool,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = RunFormat::Text)]
    pub(crate) format: RunFormat,
    /// Be the process that keeps the environment up; `--keep-env` starts it.
    #[arg(long, hide = true, requires = "keep_env")]
    pub(crate) detached: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Run only this tier
    pub(crate) tier: Option<String>,
    /// Part of a test's name, or a nextest filterset such as `binary(e2e) & test(/^a3/)`
    pub(crate) filter: Option<String>,
    /// What runs the environment
    #[arg(long, value_name = "ENGINE", value_enum)]
    pub(crate) engine: Option<Engine>,
    /// Run only part K of N of every tier's tests
    #[arg(long, value_name = "K/N")]
    pub(crate) partition: Option<Partition>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = RunFormat::Text)]
    pub(crate) format: RunFormat,
}

#[derive(Debug, Args)]
#[expect(clippy::option_option, reason = "a form is not asked for, asked for, or asked for at a path")]
pub(crate) struct CoverageArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Show this stored run, or `latest`, and run nothing
    #[arg(long, value_name = "ID", conflicts_with_all = ["stage", "tiers", "engine", "partition", "base", "strict"])]
    pub(crate) run: Option<String>,
    /// Pages of the source with its counts [default: in the run's directory]
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    pub(crate) html: Option<Option<Utf8PathBuf>>,
    /// LCOV [default: in the run's directory]
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(crate) lcov: Option<Option<Utf8PathBuf>>,
    /// Cobertura XML [default: in the run's directory]
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(crate) cobertura: Option<Option<Utf8PathBuf>>,
    /// SonarQube's generic coverage XML [default: in the run's directory]
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(crate) sonar: Option<Option<Utf8PathBuf>>,
    /// Print the table as JSON on standard output, and nothing else there
    #[arg(long)]
    pub(crate) json: bool,
    /// Let warnings and unproven gates fail the run
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct MutantsArgs {
    /// Only covered lines that differ from where this revision and the checkout parted [default: the base of the pull
    /// request, in one]
    #[arg(long, value_name = "BASE", group = "scope")]
    pub(crate) diff: Option<String>,
    /// Every mutant, with a score
    #[arg(long, group = "scope")]
    pub(crate) all: bool,
    /// Only mutants with this name, or part of it
    #[arg(long, value_name = "NAME", group = "scope")]
    pub(crate) only: Option<String>,
    /// Only part K of N
    #[arg(long, value_name = "K/N")]
    pub(crate) shard: Option<Partition>,
    /// Only mutants of this package; may be given several times
    #[arg(long = "package", short, value_name = "PACKAGE")]
    pub(crate) packages: Vec<String>,
    /// Stop trying mutants after this time, for example 5m [default: the configuration's for --diff, else none]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) budget: Option<Duration>,
    /// What runs the services of the tiers in `[mutants] tiers`, where one needs some
    #[arg(long, value_name = "ENGINE", value_enum)]
    pub(crate) engine: Option<Engine>,
    /// Take over what an earlier run noticed, where the code around the mutant is the same, though tests may differ
    #[arg(long)]
    pub(crate) iterate: bool,
    /// Store the survivors as the set that later runs are compared with; what it has of other packages stays
    #[arg(long, requires = "all", conflicts_with_all = ["diff", "only", "budget"])]
    pub(crate) accept: bool,
    /// Let warnings and unproven gates fail
    #[arg(long)]
    pub(crate) strict: bool,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = RunFormat::Text)]
    pub(crate) format: RunFormat,
}

/// A whole number with a unit, as in the configuration.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let seconds = digits.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(|| "write 90s, 5m or 1h".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Build, list the tests and spread them over so many machines; `auto` takes as few as keep the target, and 4 where no duration is recorded
    #[arg(long, value_name = "N|auto", conflicts_with = "partition")]
    pub(crate) shards: Option<Shards>,
    /// Seconds that a shard may take, setup included; for `--shards auto`
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "shards", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) target: u64,
    /// Where the plan of the shards is written [default: target/tollgate/plan/plan.json]
    #[arg(long, value_name = "FILE", requires = "shards")]
    pub(crate) out: Option<Utf8PathBuf>,
    /// Don't pack the build up beside the plan: every shard builds for itself
    #[arg(long, requires = "shards")]
    pub(crate) no_archive: bool,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub(crate) format: PlanFormat,
}

#[derive(Debug, Args)]
pub(crate) struct ShardArgs {
    /// The plan that `plan --shards` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Utf8PathBuf,
    /// Which shard of it
    #[arg(value_name = "K/N")]
    pub(crate) shard: Partition,
    /// The build that `plan --shards` packed up [default: the one beside the plan; where there is none, the shard builds for itself]
    #[arg(long, value_name = "FILE")]
    pub(crate) archive: Option<Utf8PathBuf>,
    /// Where the receipt is written [default: target/tollgate/receipts/K-of-N-attempt-A]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<Utf8PathBuf>,
    /// Which attempt at this shard it is [default: that of GitHub Actions, else 1]
    #[arg(long, value_name = "A", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempt: Option<u32>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = RunFormat::Text)]
    pub(crate) format: RunFormat,
}

#[derive(Debug, Args)]
pub(crate) struct GateArgs {
    /// The plan that `plan --shards` wrote
    #[arg(long, value_name = "FILE", required_unless_present_any = ["run", "mutants"])]
    pub(crate) plan: Option<Utf8PathBuf>,
    /// Directories with receipts, in themselves or below
    #[arg(value_name = "RECEIPT_DIR", required_unless_present_any = ["run", "mutants"])]
    pub(crate) receipts: Vec<Utf8PathBuf>,
    /// What GitHub says of the jobs before this one, `toJSON(needs)`: a shard that left nothing in the attempt that it was
    /// started in last is then not taken for what it was in an earlier one
    #[arg(long, value_name = "JSON", conflicts_with = "run")]
    pub(crate) needs: Option<String>,
    /// Unite and judge the reports of `mutants --shard` below this directory; may be given several times
    #[arg(long, value_name = "DIR", conflicts_with_all = ["plan", "receipts", "run"])]
    pub(crate) mutants: Vec<Utf8PathBuf>,
    /// Store the survivors of these reports as the set that later runs are compared with
    #[arg(long, requires = "mutants")]
    pub(crate) accept: bool,
    /// Judge this stored run, or `latest`, again; nothing is run, and nothing of the run is changed
    #[arg(long, value_name = "ID", conflicts_with_all = ["plan", "receipts"])]
    pub(crate) run: Option<String>,
    /// Judge it by this file in place of coverage/policy.toml
    #[arg(long, value_name = "FILE", requires = "run")]
    pub(crate) policy: Option<Utf8PathBuf>,
    /// Judge it by this file in place of ci/tollgate.toml
    #[arg(long, value_name = "FILE", requires = "run")]
    pub(crate) config: Option<Utf8PathBuf>,
    /// Let warnings and unproven gates fail
    #[arg(long)]
    pub(crate) strict: bool,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = RunFormat::Text)]
    pub(crate) format: RunFormat,
}

/// How many shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shards {
    /// As few as keep the target.
    Auto,
    /// So many.
    Fixed(u32),
}

impl std::str::FromStr for Shards {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(count @ 1..=256)) => Ok(Self::Fixed(count)),
            _ => Err(format!("`{text}` is neither `auto` nor a number from 1 to 256, the most jobs of a matrix")),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Name of the run [default: the newest]
    pub(crate) run: Option<String>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,
    /// Tell the pull request by a comment, which is created once and updated after; it needs the job's token in `GITHUB_TOKEN`
    #[arg(long, conflicts_with = "format")]
    pub(crate) comment: bool,
    /// Which pull request [default: that of the event]
    #[arg(long, value_name = "N", requires = "comment")]
    pub(crate) pull_request: Option<u64>,
    /// Tell of the mutants in this file too, which `mutants --diff` wrote: target/tollgate/mutants/report.json
    #[arg(long, value_name = "FILE", requires = "comment")]
    pub(crate) mutants: Option<Utf8PathBuf>,
    /// Read nothing but `brief.json` in this directory, as a stranger's; verdict and pull request are those of the event
    #[arg(long, value_name = "DIR", requires = "comment", conflicts_with_all = ["run", "pull_request", "mutants"])]
    pub(crate) untrusted: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The gate, for example `coverage.floor`
    pub(crate) gate: String,
    /// Name of the run [default: the newest]
    #[arg(long)]
    pub(crate) run: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GatesCommand {
    /// Run a workspace in which nothing is wrong, and then one thing at a time, and compare what is concluded with what must be
    SelfTest(SelfTestArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SelfTestArgs {
    /// Try only this truth; may be given several times
    #[arg(long, value_name = "TRUTH")]
    pub(crate) only: Vec<String>,
    /// How often the workspace is run in which nothing is wrong
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) repeat: u32,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = TableFormat::Text)]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EnvCommand {
    /// Bring up the environment, print its variables and leave it up
    Up(EnvUpArgs),
    /// End the environment that `env up` or `ci --keep-env` left up
    Down {
        /// Name of the run [default: all that are up in this checkout, without those in which a run is still testing]
        run: Option<String>,
    },
    /// Show the environments that are up
    Status {
        /// What goes to standard output
        #[arg(long, value_enum, default_value_t = RunFormat::Text)]
        format: RunFormat,
    },
    /// Print the logs of services: of the environment that is up, else of the newest run
    Logs {
        /// The service [default: all]
        service: Option<String>,
        /// Go on until Ctrl-C or the environment's end
        #[arg(long, short)]
        follow: bool,
        /// Name of the run
        #[arg(long)]
        run: Option<String>,
    },
    /// Remove what killed runs left behind
    Gc {
        /// Only say what is there
        #[arg(long)]
        dry_run: bool,
    },
    /// Say which engine would run the environment and why, and what each of them lacks
    Doctor,
}

#[derive(Debug, Args)]
pub(crate) struct EnvUpArgs {
    /// What runs the environment
    #[arg(long, value_name = "ENGINE", value_enum)]
    pub(crate) engine: Option<Engine>,
    /// The stage whose services are brought up [default: the configuration's default-stage]
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Option<String>,
    /// Stay, and take the environment down at Ctrl-C or when a service dies
    #[arg(long)]
    pub(crate) foreground: bool,
    /// Print the variables for `eval "$(cargo xtask env up --shell)"`
    #[arg(long, conflicts_with = "format")]
    pub(crate) shell: bool,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = RunFormat::Text)]
    pub(crate) format: RunFormat,
    /// Be the process that keeps the environment up; `env up` starts it.
    #[arg(long, hide = true, conflicts_with = "foreground")]
    pub(crate) detached: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorkflowsArgs {
    /// Write nothing: show what differs and look for pitfalls; exits with 1 where there is something
    #[arg(long)]
    pub(crate) check: bool,
    /// Write the workflow too that tells pull requests of their checks; it stays while its file is there
    #[arg(long)]
    pub(crate) report: bool,
    /// The repository's default branch, whose pushes are recorded [default: that of the committed coverage.yml, else main]
    #[arg(long, value_name = "NAME", value_parser = tollgate_github::workflows::branch)]
    pub(crate) main_branch: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// Only say what is missing; exits with 5 where something is
    #[arg(long)]
    pub(crate) check: bool,
}

/// An engine, or the choice between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// Compose where a container engine answers, else native
    Auto,
    /// Containers, by docker compose or podman
    Compose,
    /// Supervised processes of this machine
    Native,
}

impl From<Engine> for EngineChoice {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Auto => Self::Auto,
            Engine::Compose => Self::Compose,
            Engine::Native => Self::Native,
        }
    }
}

/// What a run prints on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunFormat {
    /// Text for people
    Text,
    /// One JSON value a line
    Json,
}

/// Form of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// Text for people
    Text,
    /// Tables for a page
    Markdown,
    /// One JSON value
    Json,
}

/// Form of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// Text for people
    Text,
    /// The plan as JSON; with shards, the file that `shard` and `gate` read
    Json,
    /// A row for every shard, for the matrix of a job
    Matrix,
}

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// The summary that ended the run
    Text,
    /// The summary for a pull request
    Markdown,
    /// The verdict as JSON
    Json,
    /// Passed, failed and skipped tests on one line
    Counts,
}

/// Path of the configuration, relative to the workspace root.
pub(crate) fn configuration_path() -> Utf8PathBuf {
    Utf8PathBuf::from("ci/tollgate.toml")
}

#[cfg(test)]
mod unit {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_time_is_a_whole_number_with_a_unit() {
        let seconds = |text| duration(text).map(|time| time.as_secs());
        assert_eq!(["90s", "5m", "1h"].map(seconds), [Ok(90), Ok(300), Ok(3600)]);
        for bad in ["5", "m", "0s", "1.5m", "99999999999999999999s", ""] {
            assert_eq!(seconds(bad), Err("write 90s, 5m or 1h".to_owned()), "{bad}");
        }
    }

    #[test]
    fn the_target_of_a_shard_is_at_least_a_second_and_at_most_a_day() {
        let plan = |target| Cli::try_parse_from(["x", "plan", "--shards", "auto", "--target", target]).err();
        assert!(plan("1").is_none() && plan("86400").is_none());
        for bad in ["0", "86401", "99999999999999999"] {
            assert!(plan(bad).is_some_and(|error| error.to_string().contains("is not in 1..=86400")), "{bad}");
        }
    }

    #[test]
    fn a_malformed_partition_is_refused_with_the_form_it_should_have() {
        let error = Cli::try_parse_from(["x", "ci", "--partition", "5/4"]).unwrap_err().to_string();
        assert!(error.contains("partition 5/4: K goes from 1 to N"), "{error}");
    }
}
