//! `env up`: the environment comes up and stays.

use crate::{
    args::{EnvUpArgs, RunFormat, Selection},
    command::apart::{self, Parting},
    error::CliError,
    pipeline,
    project::Project,
    session::Session,
    standing::{Standing, standing},
};
use std::fmt::Write as _;
use tollgate_env::detached;
use tollgate_model::{EngineChoice, EngineKind, ExitStatus, LogLevel};

/// Brings it up here until a signal comes, or has a process of its own do that.
pub(super) fn run(args: &EnvUpArgs, session: &Session) -> Result<ExitStatus, CliError> {
    if args.detached || args.foreground {
        return serve(args, session);
    }
    let project = Project::load()?;
    // The newest that is ready: one in which a run is testing is not to be shared.
    let mut up = standing(&project.runs);
    up.sort_by_key(|(_, standing)| (!standing.testing, standing.ready));
    if let Some((_, standing)) = up.pop() {
        return again(args, &standing, session);
    }
    match apart::start(session)? {
        Parting::Stays(run) => {
            let standing = Standing::read(&project.runs.open(Some(&run))?)?;
            session.reporter.console().whole_data(&text(args, &standing)?);
            session.reporter.say(LogLevel::Note, format!("environment {run} is up; `cargo xtask env down` ends it"));
            Ok(ExitStatus::Passed)
        }
        Parting::Ended(status) => Ok(apart::status(status)),
    }
}

/// The environment, in this process.
fn serve(args: &EnvUpArgs, session: &Session) -> Result<ExitStatus, CliError> {
    if args.detached {
        apart::end_with_starter(session);
    }
    let project = Project::load()?;
    let survey = pipeline::survey(&project, session)?;
    let selection = Selection { stage: args.stage.clone(), engine: args.engine, ..Selection::default() };
    let plan = pipeline::plan(&project, &survey, &pipeline::request(&selection)?)?;
    let up = &mut |standing: &Standing| {
        if args.detached {
            return detached::leave(standing.run.as_str()).is_ok();
        }
        if let Ok(text) = text(args, standing) {
            session.reporter.console().whole_data(&text);
        }
        session.reporter.say(LogLevel::Note, format!("environment {} is up; Ctrl-C ends it", standing.run));
        true
    };
    pipeline::serve(&project, &survey, &plan, session, args.detached, up)
}

/// What is up already is not brought up twice: a checkout's environment is found by everybody who asks for it.
fn again(args: &EnvUpArgs, standing: &Standing, session: &Session) -> Result<ExitStatus, CliError> {
    let run = &standing.run;
    let end = "`cargo xtask env down` ends it".to_owned();
    if standing.testing {
        let end = format!("its environment stays up after the verdict; `cargo xtask env down {run}` ends it now");
        return Err(CliError::usage(format!("run {run} is still testing"), [end]));
    }
    let wanted = args.engine.map(EngineChoice::from).and_then(|choice| match choice {
        EngineChoice::Auto => None,
        EngineChoice::Compose => Some(EngineKind::Compose),
        EngineChoice::Native => Some(EngineKind::Native),
    });
    if wanted.is_some_and(|wanted| wanted != standing.engine) {
        let engine = standing.engine.as_str();
        return Err(CliError::usage(format!("environment {run} is up already, on the {engine} engine"), [end]));
    }
    if !standing.ready {
        return Err(CliError::usage(format!("environment {run} is coming up already"), [end]));
    }
    session.reporter.say(LogLevel::Note, format!("environment {run} is up already, as it was built then; {end}"));
    session.reporter.console().whole_data(&text(args, standing)?);
    Ok(ExitStatus::Passed)
}

/// The variables in the form that was asked for.
fn text(args: &EnvUpArgs, standing: &Standing) -> Result<String, CliError> {
    if args.format == RunFormat::Json {
        return super::status::json(&[standing]);
    }
    let mut text = String::new();
    for (name, value) in &standing.exports {
        // Writing to a string can't fail.
        let _ = if args.shell {
            writeln!(text, "export {name}={}", quoted(value))
        } else {
            writeln!(text, "{name}={value}")
        };
    }
    Ok(text)
}

/// A value that a POSIX shell reads as it is.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_shell_reads_every_value_as_it_is() {
        assert_eq!(quoted("postgres://a:b@127.0.0.1:1/x"), "'postgres://a:b@127.0.0.1:1/x'");
        assert_eq!(quoted("it's $HOME `x` \\"), r"'it'\''s $HOME `x` \'");
    }
}
