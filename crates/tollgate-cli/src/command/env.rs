//! `env`: the environment alone.

mod doctor;
mod down;
mod gc;
mod logs;
mod status;
mod up;

use crate::{args::EnvCommand, error::CliError, session::Session};
use tollgate_model::ExitStatus;

/// Looks after environments.
pub(crate) fn run(command: &EnvCommand, session: &Session) -> Result<ExitStatus, CliError> {
    match command {
        EnvCommand::Up(args) => up::run(args, session),
        EnvCommand::Down { run } => down::run(run.as_deref(), session),
        EnvCommand::Status { format } => status::run(*format, session),
        EnvCommand::Logs { service, follow, run } => {
            logs::run(&logs::Wanted { service: service.as_deref(), follow: *follow, run: run.as_deref() }, session)
        }
        EnvCommand::Gc { dry_run } => gc::run(*dry_run, session),
        EnvCommand::Doctor => doctor::run(session),
    }
}
