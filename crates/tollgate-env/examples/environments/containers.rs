//! The baseline of the compose engine: how long the same servers in the same images take by themselves.

use crate::{Failure, up};
use camino::Utf8Path;
use jiff::Timestamp;
use std::time::Duration;
use tollgate_exec::{Cmd, Interrupt, query};
use tollgate_model::EngineKind;

/// How long a container may take.
const LIMIT: Duration = Duration::from_mins(2);

/// A server's image, the arguments of its container, and the probe that a loop in the container asks until it succeeds.
const SERVERS: [(&str, &[&str], &str); 2] = [
    (
        "postgres:15-bookworm",
        &["-p", "127.0.0.1::5432", "-e", "POSTGRES_USER=app", "-e", "POSTGRES_PASSWORD=app", "-e", "POSTGRES_DB=app"],
        "docker-entrypoint.sh postgres & until pg_isready -q -h 127.0.0.1 -U app; do sleep 0.01; done",
    ),
    ("redis:7.0-bookworm", &["-p", "127.0.0.1::6379"], "redis-server & until redis-cli ping; do sleep 0.01; done"),
];

/// Why containers can't be measured here; nothing where they can.
pub(crate) fn lacking() -> Option<String> {
    let images = SERVERS.map(|(image, ..)| image);
    let there = docker(&[&["image", "inspect", "--format", "ok"], &images[..]].concat());
    there.is_err().then(|| format!("no container engine that has the images {}", images.join(" and ")))
}

/// From the start of the containers, as the engine has it, to the first probe in them that succeeds, for the slower of both
/// servers; they run at once, as those of an environment do.
pub(crate) fn by_themselves() -> Result<Duration, Failure> {
    let names: Vec<String> =
        (0..SERVERS.len()).map(|at| format!("tollgate-bench-{}-{at}", std::process::id())).collect();
    let measured = measure(&names);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    drop(docker(&[&["rm", "--force", "--volumes"], &names[..]].concat()));
    measured
}

fn measure(names: &[String]) -> Result<Duration, Failure> {
    for (name, (image, args, probe)) in names.iter().zip(SERVERS) {
        let script = format!("{probe}; date +ready=%s.%N");
        let head = ["create", "--name", name, "--entrypoint", "bash"];
        docker(&[&head, args, &[image, "-c", &script]].concat())?;
    }
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    docker(&[&["start"], &all[..]].concat())?;
    // The container ends with the loop.
    let cmd = Cmd::new("docker").arg("wait").args(&all).timeout(LIMIT);
    cmd.run(&Interrupt::new()?)?.success_or(&cmd)?;
    let mut slowest = Duration::ZERO;
    for name in names {
        let log = docker(&["logs", name])?;
        let ready = log.lines().find_map(|line| line.strip_prefix("ready=")).ok_or("a server did not become ready")?;
        slowest = slowest.max(Duration::try_from_secs_f64(ready.parse::<f64>()? - seconds(began(name)?))?);
    }
    Ok(slowest)
}

/// The same for an environment: from the start of its first container until it is said to be ready; and the whole of its
/// bring-up, in which the engine makes a network and containers.
pub(crate) fn environment(
    directory: &Utf8Path,
    file: &Utf8Path,
    round: usize,
) -> Result<(Duration, Duration), Failure> {
    let from = Timestamp::now();
    let environment = up(directory, file, &format!("compose-{round}"), EngineKind::Compose)?;
    let ready = Timestamp::now();
    let label = format!("label=tollgate.run=bench-{}-compose-{round}", std::process::id());
    let ids = docker(&["ps", "--quiet", "--filter", &label])?;
    let began: Vec<Timestamp> = ids.split_whitespace().map(began).collect::<Result<_, _>>()?;
    drop(environment);
    let first = began.into_iter().min().ok_or("the environment has no containers")?;
    let since = |from: Timestamp| Duration::try_from_secs_f64(seconds(ready) - seconds(from));
    Ok((since(first)?, since(from)?))
}

/// When a container was started.
fn began(container: &str) -> Result<Timestamp, Failure> {
    Ok(docker(&["inspect", "--format", "{{.State.StartedAt}}", container])?.trim().parse()?)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of this century have 51 bits")]
fn seconds(at: Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}

fn docker(args: &[&str]) -> Result<String, Failure> {
    let answer = query(std::path::Path::new("/"), &[&["docker"], args].concat());
    answer.ok_or_else(|| format!("`docker {}` failed", args.join(" ")).into())
}
