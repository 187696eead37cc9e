//! The command line and the straight line from a configuration to a verdict.
//!
//! Process shape: a command that starts services or tools first becomes a *keeper*, which starts the same command line
//! again as its child and outlives it (`tollgate_env::keeper`). Everything else happens in that child: one file per
//! command in `command`, the line itself in `pipeline`.

mod args;
mod burners;
mod command;
mod console;
mod durations;
mod error;
mod machine;
mod memory;
mod mutants;
mod pipeline;
mod project;
mod reporter;
mod self_test;
mod session;
mod standing;

use args::{Cli, Command, EnvCommand, RunFormat};
use camino::Utf8Path;
use clap::Parser as _;
use console::{Console, Tone};
use error::CliError;
use session::Session;
use std::{ffi::OsString, process::ExitCode};
use tollgate_env::keeper::Tie;
use tollgate_model::ExitStatus;

/// Runs the command line of this process and gives its exit code.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = tollgate_exec::shim::intercept(&args) {
        return code;
    }
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing better can be done where the terminal is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { ExitStatus::Usage.code() } else { 0 });
        }
    };
    if owns_processes(&cli.command) && !is_kept() {
        // Outside of a workspace the orchestrator says so; there is nothing to keep then.
        if let Ok(root) = project::Project::locate() {
            return keep(&args[1..], &root, tie(&cli.command));
        }
    }
    let session = match Session::begin(format(&cli.command)) {
        Ok(session) => session,
        Err(error) => {
            Console::detect().error(&error, &[]);
            return ExitCode::from(ExitStatus::Environment.code());
        }
    };
    match dispatch(&cli.command, &session) {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => {
            session.reporter.console().error(&error, &error.hints());
            ExitCode::from(error.exit_status().code())
        }
    }
}

/// Becomes the keeper of the same command line.
fn keep(args: &[OsString], root: &Utf8Path, tie: Tie) -> ExitCode {
    let console = Console::detect();
    let say = &mut |line: &str| console.status(Tone::Warning, "Keeper", line);
    tollgate_env::keeper::supervise(args, &project::runs(root).directory(), tie, say)
}

/// Whether this process is the child of a keeper. The variable alone is no proof: tests that run tollgate inherit it.
pub(crate) fn is_kept() -> bool {
    let keeper = std::env::var("TOLLGATE_KEEPER").ok().and_then(|pid| pid.parse().ok());
    keeper.is_some_and(|pid: i32| rustix::process::getppid().is_some_and(|parent| parent.as_raw_pid() == pid))
}

/// Whether a command starts something that must not outlive it.
fn owns_processes(command: &Command) -> bool {
    match command {
        // Otherwise it only starts the process that does.
        Command::Ci(args) => args.detached || !args.keep_env,
        Command::Test(_) | Command::Mutants(_) | Command::Shard(_) | Command::Gates { .. } | Command::Lend { .. } => {
            true
        }
        Command::Coverage(args) => args.run.is_none(),
        // Likewise.
        Command::Env { command: EnvCommand::Up(args) } => args.detached || args.foreground,
        // To spread a plan, the tests are built and asked for their names.
        Command::Plan(args) => args.shards.is_some(),
        Command::Flaky(args) => args.command.is_some(),
        Command::Gate(_)
        | Command::Report(_)
        | Command::Explain(_)
        | Command::History(_)
        | Command::Env { .. }
        | Command::Workflows(_)
        | Command::Setup(_)
        | Command::Doctor => false,
    }
}

/// What the run of a command ends with.
fn tie(command: &Command) -> Tie {
    match command {
        Command::Env { command: EnvCommand::Up(args) } if args.detached => Tie::Nobody,
        Command::Ci(args) if args.detached => Tie::Nobody,
        _ => Tie::Runner,
    }
}

/// What a run prints on standard output; nothing where the command itself prints what it was asked for.
fn format(command: &Command) -> Option<RunFormat> {
    Some(match command {
        Command::Ci(args) => args.format,
        Command::Test(args) => args.format,
        Command::Coverage(_) => return None,
        Command::Mutants(args) => args.format,
        Command::Shard(args) => args.format,
        Command::Gate(args) => args.format,
        _ => RunFormat::Text,
    })
}

fn dispatch(command: &Command, session: &Session) -> Result<ExitStatus, CliError> {
    match command {
        Command::Ci(args) => command::ci::run(args, session),
        Command::Test(args) => command::test::run(args, session),
        Command::Coverage(args) => command::coverage::run(args, session),
        Command::Mutants(args) => command::mutants::run(args, session),
        Command::Plan(args) => command::plan::run(args, session),
        Command::Shard(args) => command::shard::run(args, session),
        Command::Gate(args) => command::gate::run(args, session),
        Command::Report(args) => command::report::run(args, session),
        Command::Explain(args) => command::explain::run(args, session),
        Command::History(args) => command::history::run(args, session),
        Command::Flaky(args) => command::flaky::run(args, session),
        Command::Lend { tier, packages } => command::lend::run(tier, packages, session),
        Command::Gates { command } => command::gates::run(command, session),
        Command::Env { command } => command::env::run(command, session),
        Command::Workflows(args) => command::workflows::run(args, session),
        Command::Setup(args) => command::setup::run(args, session),
        Command::Doctor => command::doctor::run(session),
    }
}
