//! `env status`: the environments that are up, as a table or as JSON.

use crate::{
    args::RunFormat,
    error::CliError,
    reporter::seconds,
    session::Session,
    standing::{Standing, StandingService, chosen},
};
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;
use tollgate_model::{ExitStatus, SCHEMA, ServiceName};

/// Widest state that has a column of its own; longer ones push the rest of their line.
const STATE_WIDTH: usize = 10;

/// Shows what is up.
pub(super) fn run(format: RunFormat, session: &Session) -> Result<ExitStatus, CliError> {
    let all = chosen(None)?;
    let all: Vec<&Standing> = all.iter().map(|(_, standing)| standing).collect();
    let text = match format {
        RunFormat::Json => json(&all)?,
        RunFormat::Text if all.is_empty() => "no environment is up\n".to_owned(),
        RunFormat::Text => {
            let (width, now) = (session.reporter.console().width(), Timestamp::now());
            all.iter().map(|standing| table(standing, now, width)).collect::<Vec<_>>().join("\n")
        }
    };
    session.reporter.console().data(&text);
    Ok(ExitStatus::Passed)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Environments<'a> {
    schema: u32,
    environments: &'a [&'a Standing],
}

/// All of them as one JSON value.
pub(super) fn json(environments: &[&Standing]) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(&Environments { schema: SCHEMA, environments });
    let machine =
        |source: serde_json::Error| CliError::Machine { what: "can't write JSON".into(), source: source.into() };
    Ok(text.map_err(machine)? + "\n")
}

/// One environment: a line for itself and one for each service.
fn table(standing: &Standing, now: Timestamp, width: usize) -> String {
    let since = u64::try_from(now.duration_since(standing.began).as_millis()).unwrap_or_default();
    let phase = match (standing.testing, standing.ready) {
        (true, _) => "testing",
        (false, true) => "up",
        (false, false) => "coming up",
    };
    let (run, engine) = (&standing.run, standing.engine.as_str());
    let mut lines = vec![format!("environment {run}, {engine} engine, {phase} since {}", seconds(since))];
    let names = standing.services.keys().map(|name| name.as_str().len()).max().unwrap_or_default().max(7);
    lines
        .push(format!("  {:names$}  {:STATE_WIDTH$}  {:21}  {:>9}  DETAIL", "SERVICE", "STATE", "ADDRESS", "READY IN"));
    lines.extend(standing.services.iter().map(|(name, service)| row(name, service, names)));
    let mut text = String::new();
    for line in lines {
        let cut: String = line.trim_end().chars().take(width).collect();
        // Writing to a string can't fail.
        let _ = writeln!(text, "{cut}");
    }
    text
}

fn row(name: &ServiceName, service: &StandingService, names: usize) -> String {
    let address = service.address.as_deref().unwrap_or("-");
    let took = service.ready_ms.map_or_else(|| "-".to_owned(), seconds);
    // The directory of a program is long and the same for all.
    let program =
        service.detail.split_once(' ').map(|(program, rest)| (program.rsplit('/').next().unwrap_or(program), rest));
    let detail = program.map_or_else(|| service.detail.clone(), |(program, rest)| format!("{program} {rest}"));
    format!("  {:names$}  {:STATE_WIDTH$}  {address:21}  {took:>9}  {detail}", name.as_str(), service.state)
}

#[cfg(test)]
mod unit {
    use super::*;
    use tollgate_model::{EngineKind, RunId};

    #[test]
    fn a_table_fits_its_width_and_shows_what_died() {
        let service = |state: &str, detail: &str, address: Option<&str>, ready_ms| StandingService {
            state: state.into(),
            detail: detail.into(),
            address: address.map(str::to_owned),
            ready_ms,
        };
        let began: Timestamp = "2026-11-21T05:00:00Z".parse().expect("a time");
        let name = |name: &str| ServiceName::new(name).expect("a valid name");
        let standing = Standing {
            schema: 1,
            run: RunId::new("20261121-050000-4711").expect("a valid name"),
            engine: EngineKind::Native,
            engine_reason: "asked for".into(),
            began,
            ready: true,
            testing: false,
            services: [
                (
                    name("postgres"),
                    service("ready", "/usr/lib/postgresql/15/bin/postgres (pid 12)", Some("127.0.0.1:40123"), Some(87)),
                ),
                (name("shop"), service("died", &"exit code 3 ".repeat(9), None, Some(1_250))),
            ]
            .into(),
            exports: [("A".to_owned(), "b".to_owned())].into(),
        };
        let now: Timestamp = "2026-11-21T05:03:05Z".parse().expect("a time");
        insta::assert_snapshot!(table(&standing, now, 80), @r"
        environment 20261121-050000-4711, native engine, up since 3 min 05 s
          SERVICE   STATE       ADDRESS                 READY IN  DETAIL
          postgres  ready       127.0.0.1:40123            87 ms  postgres (pid 12)
          shop      died        -                          1.2 s  exit code 3 exit code
        ");
        let json = json(&[&standing]).expect("it is plain data");
        assert!(json.contains("\"engine\": \"native\"") && json.contains("\"ready-ms\": 87"), "{json}");
    }
}
