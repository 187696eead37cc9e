//! `env doctor`: which engine would run the environment and why, and what each of them lacks.

use crate::{
    error::CliError,
    project::{Project, variables},
    session::Session,
    standing::standing,
};
use tollgate_env::{EnvError, native_programs};
use tollgate_model::{EngineChoice, ExitStatus, ServiceName};

/// Prints a line for each fact; exits with 5 where no engine can bring everything up.
pub(super) fn run(session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let console = session.reporter.console();
    let say = |label: &str, text: &str| console.data(&format!("{:15} {text}\n", format!("{label}:")));
    say("tollgate", env!("CARGO_PKG_VERSION"));
    let containers = match tollgate_env::choose(EngineChoice::Compose, &session.interrupt) {
        Ok((_, reason)) => Ok(reason.trim_start_matches("asked for; ").to_owned()),
        Err(EnvError::NoEngine { tried }) => Err(tried),
        Err(error) => return Err(error.into()),
    };
    match &containers {
        Ok(tool) => say("compose engine", tool),
        Err(tried) => tried.iter().for_each(|reason| say("compose engine", &format!("can't be used: {reason}"))),
    }
    let missing = match &project.config.compose {
        None => {
            say("services", "none: ci/tollgate.toml has no `environment.compose`");
            0
        }
        Some(file) => {
            let compose = tollgate_env::load(&project.root.join(file), &variables()).map_err(EnvError::File)?;
            let services: Vec<ServiceName> = compose.services.keys().cloned().collect();
            let programs = native_programs(&compose, &services);
            for program in &programs {
                say("native engine", &program.to_string());
            }
            programs.iter().filter(|program| program.is_missing()).count()
        }
    };
    let choice = project.config.engine;
    let chosen = match tollgate_env::choose(choice, &session.interrupt) {
        Ok((engine, reason)) => format!("{}: {reason}", engine.as_str()),
        Err(error) => error.to_string().replace('\n', "; "),
    };
    say("would run on", &chosen);
    for (_, standing) in standing(&project.runs) {
        say("up", &format!("environment {}; `cargo xtask env down` ends it", standing.run));
    }
    let left = tollgate_env::gc(&project.runs.directory(), true)?;
    for leftover in &left {
        say("left behind", &format!("{} {}; `cargo xtask env gc` removes it", leftover.kind, leftover.what));
    }
    if left.is_empty() {
        say("left behind", "nothing");
    }
    let able = match choice {
        EngineChoice::Native => missing == 0,
        EngineChoice::Compose => containers.is_ok(),
        EngineChoice::Auto => containers.is_ok() || missing == 0,
    };
    if missing > 0 {
        console.data("\n`cargo xtask setup` installs what the native engine lacks\n");
    }
    Ok(if able { ExitStatus::Passed } else { ExitStatus::Environment })
}
