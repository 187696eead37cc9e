//! Looking for a container engine that answers and a compose command that is new enough.

use super::tool::Tool;
use std::time::Duration;
use tollgate_exec::{Cmd, ExecError, Interrupt, find_program};

/// Oldest compose command that knows everything that is asked of it.
const OLDEST: (u32, u32) = (2, 20);
/// An engine that doesn't answer by then is not one to test on.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Commands in order of preference: the engine's, its question for the version, and the compose command.
const CANDIDATES: [(&str, &str, &[&str]); 3] = [
    ("docker", "{{.Server.Version}}", &["docker", "compose"]),
    ("docker", "{{.Server.Version}}", &["docker-compose"]),
    ("podman", "{{.Client.Version}}", &["podman", "compose"]),
];

/// Finds the container engine to use.
///
/// # Errors
/// What was tried, and why each can't be used.
pub(crate) fn detect(interrupt: &Interrupt) -> Result<Tool, Vec<String>> {
    let ask = |argv: &[&str]| answer(argv, interrupt);
    detect_by(&ask)
}

/// What a program printed, or why it printed nothing.
type Ask<'a> = &'a dyn Fn(&[&str]) -> Result<String, String>;

fn detect_by(ask: Ask<'_>) -> Result<Tool, Vec<String>> {
    let mut tried: Vec<String> = Vec::new();
    for (program, format, compose) in CANDIDATES {
        match candidate(program, format, compose, ask) {
            Ok(tool) => return Ok(tool),
            Err(reason) if tried.contains(&reason) => {}
            Err(reason) => tried.push(reason),
        }
    }
    Err(tried)
}

fn candidate(program: &str, format: &str, compose: &[&str], ask: Ask<'_>) -> Result<Tool, String> {
    let engine = ask(&[program, "version", "--format", format]).map_err(|reason| format!("{program}: {reason}"))?;
    if program == "podman" {
        // the version alone does not tell whether containers can be run here
        ask(&[program, "info", "--format", "{{.Host.Arch}}"]).map_err(|reason| format!("{program}: {reason}"))?;
    }
    let name = compose.join(" ");
    let text = ask(&[compose, &["version", "--short"]].concat()).map_err(|reason| format!("{name}: {reason}"))?;
    let version = version(&text).ok_or_else(|| format!("{name}: tells no version"))?;
    if text.contains("podman-compose") {
        return Err(format!(
            "{name}: is podman-compose {}, which can't be used; install Docker Compose 2.20 or later",
            version.2
        ));
    }
    if (version.0, version.1) < OLDEST {
        return Err(format!("{name}: is version {}, older than {}.{}", version.2, OLDEST.0, OLDEST.1));
    }
    Ok(Tool {
        program: program.to_owned(),
        compose: compose.iter().map(|&word| word.to_owned()).collect(),
        engine_version: engine.trim().to_owned(),
        compose_version: version.2.to_owned(),
    })
}

/// The first version number in a text: its first two numbers, and all of it.
fn version(text: &str) -> Option<(u32, u32, &str)> {
    let words = text.split(|c: char| !(c.is_ascii_digit() || c == '.')).filter(|word| word.contains('.'));
    words.into_iter().find_map(|word| {
        let word = word.trim_matches('.');
        let mut numbers = word.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?, word))
    })
}

fn answer(argv: &[&str], interrupt: &Interrupt) -> Result<String, String> {
    let (program, rest) = argv.split_first().ok_or("nothing to run")?;
    if find_program(program).is_none() {
        return Err("not on this machine".to_owned());
    }
    let cmd = Cmd::new(program).args(rest).timeout(TIMEOUT).die_with_parent();
    let output = cmd.run(interrupt).and_then(|output| output.success_or(&cmd));
    output.map(|output| output.stdout).map_err(|error| match error {
        ExecError::Failed { tail, .. } => reason(&tail),
        other => other.to_string().lines().next().unwrap_or_default().to_owned(),
    })
}

/// Why a program failed, by its own words: the last line that is not about its help, which comes after the error.
fn reason(text: &str) -> String {
    let is_advice = |line: &str| ["Run '", "Try '", "See '"].iter().any(|start| line.starts_with(start));
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty() && !is_advice(line));
    line.unwrap_or("failed without a word").to_owned()
}

#[cfg(test)]
mod unit {
    use super::*;

    /// What a machine answers: the start of a command line, and what it prints.
    fn check(machine: &[(&str, Result<&str, &str>)], expect: &str) {
        let ask = |argv: &[&str]| {
            let line = argv.join(" ");
            let found = machine.iter().find(|(start, _)| line.starts_with(start));
            let answer = found.map_or(Err("not on this machine"), |(_, answer)| *answer);
            answer.map(str::to_owned).map_err(str::to_owned)
        };
        let found = detect_by(&ask);
        assert_eq!(
            found.map_or_else(|tried| tried.join("\n"), |tool| format!("{tool}: {}", tool.compose.join(" "))),
            expect
        );
    }

    #[test]
    fn the_reason_is_the_error_and_not_where_help_is() {
        let docker = "docker: unknown command: docker compose\n\nRun 'docker --help' for more information\n";
        assert_eq!(reason(docker), "docker: unknown command: docker compose");
        let podman = "Error: unrecognized command `podman compose`\nTry 'podman --help' for more information";
        assert_eq!(reason(podman), "Error: unrecognized command `podman compose`");
        assert_eq!(reason("warning: old\nError: cannot connect\n"), "Error: cannot connect");
        assert_eq!(reason("\n"), "failed without a word");
    }

    #[test]
    fn the_first_engine_with_a_compose_command_that_is_new_enough_is_taken() {
        let docker = ("docker version", Ok("20.10.24+dfsg1\n"));
        check(
            &[docker, ("docker compose", Ok("2.26.1-4\n"))],
            "docker 20.10.24+dfsg1 with compose 2.26.1: docker compose",
        );
        check(
            &[
                docker,
                ("docker compose", Err("docker: 'compose' is not a docker command.")),
                ("docker-compose", Ok("v2.40.0")),
            ],
            "docker 20.10.24+dfsg1 with compose 2.40.0: docker-compose",
        );
        check(
            &[
                ("podman version", Ok("4.9.3")),
                ("podman info", Ok("amd64")),
                ("podman compose", Ok("Docker Compose version v2.29.7")),
            ],
            "podman 4.9.3 with compose 2.29.7: podman compose",
        );
    }

    #[test]
    fn what_can_not_be_used_is_refused_by_name() {
        check(&[], "docker: not on this machine\npodman: not on this machine");
        check(
            &[
                ("docker version", Err("Cannot connect to the Docker daemon")),
                ("podman version", Ok("4.3.1")),
                ("podman info", Ok("amd64")),
                ("podman compose", Ok("podman-compose version: 1.0.3\n")),
            ],
            "docker: Cannot connect to the Docker daemon\npodman compose: is podman-compose 1.0.3, which can't be used; \
             install Docker Compose 2.20 or later",
        );
        check(
            &[("docker version", Ok("20.10")), ("docker compose", Ok("2.3.3")), ("docker-compose", Ok("1.29.2"))],
            "docker compose: is version 2.3.3, older than 2.20\ndocker-compose: is version 1.29.2, older than 2.20\n\
             podman: not on this machine",
        );
        check(
            &[("docker version", Ok("20.10")), ("docker compose", Ok("dev"))],
            "docker compose: tells no version\ndocker-compose: not on this machine\npodman: not on this machine",
        );
    }
}
