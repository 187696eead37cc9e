//! Measures environments on the native engine: from start to ready, eight at once, and a database cloned per test.
//!
//!     ci/bench/environments [ROUNDS]
#![expect(clippy::print_stdout, reason = "it is a program for the command line")]

use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use tollgate_env::{Compose, Environment, Setting, load};
use tollgate_exec::{Cmd, Interrupt, shim};
use tollgate_model::{EngineKind, RunId, ServiceName};

type Failure = Box<dyn Error + Send + Sync>;

/// How many environments come up at once.
const AT_ONCE: usize = 8;

/// Databases that are cloned from one template, one after the other.
const CLONES: usize = 20;

const FILE: &str = r#"
services:
  db:
    image: postgres:15-bookworm
    environment: { POSTGRES_USER: app, POSTGRES_PASSWORD: app, POSTGRES_DB: app }
    ports: ["127.0.0.1::5432"]
    x-tollgate: { recipe: postgres }
  cache:
    image: redis:7.0-bookworm
    ports: ["127.0.0.1::6379"]
    x-tollgate: { recipe: redis }
"#;

/// What a template of a small application has: twenty tables with an index and some rows.
const SCHEMA: &str = "CREATE DATABASE template;\n\\c template\nSELECT format('CREATE TABLE t%s (id serial PRIMARY KEY, \
    name text UNIQUE); INSERT INTO t%s (name) SELECT md5(i::text) FROM generate_series(1, 100) i', n, n) FROM \
    generate_series(1, 20) n \\gexec\n\\c app\n";

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = shim::intercept(&args) {
        return code;
    }
    let rounds = args.get(1).and_then(|arg| arg.to_str()?.parse().ok()).unwrap_or(10);
    match measure(rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(rounds: usize) -> Result<(), Failure> {
    let directory = Utf8PathBuf::from_path_buf(std::env::temp_dir()).map_err(|_| "a path of plain text")?;
    let directory = directory.join(format!("tollgate-bench-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let result = measure_in(&directory, rounds);
    fs::remove_dir_all(&directory)?;
    result
}

fn measure_in(directory: &Utf8Path, rounds: usize) -> Result<(), Failure> {
    let file = directory.join("compose.yaml");
    fs::write(&file, FILE)?;
    // The first one makes the data directory that the others copy.
    drop(up(directory, &file, "warm")?);
    println!("{:50} {:>8} {:>8} {:>8}", "milliseconds", "least", "median", "most");
    let (mut ready, mut down, mut all_ready, mut clones) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let from = Instant::now();
        let environment = up(directory, &file, &format!("one-{round}"))?;
        ready.push(from.elapsed());
        clones.extend(clone(&environment)?);
        let from = Instant::now();
        drop(environment);
        down.push(from.elapsed());
        all_ready.push(at_once(directory, &file, round)?);
    }
    tell("PostgreSQL and Redis, start to ready", ready);
    tell(&format!("{AT_ONCE} such environments at once, until the last"), all_ready);
    tell("one of them stopped and removed", down);
    tell("a database cloned from a template of 20 tables", clones);
    Ok(())
}

fn up(directory: &Utf8Path, file: &Utf8Path, name: &str) -> Result<Environment, Failure> {
    let run = RunId::new(format!("bench-{}-{name}", std::process::id()))?;
    let run_dir = directory.join(run.as_str());
    let setting = Setting {
        engine: EngineKind::Native,
        engine_reason: "asked for".to_owned(),
        run,
        workspace_root: directory.to_owned(),
        profiles: run_dir.join("profiles"),
        masks: tollgate_model::Masks::default(),
        run_dir,
        ready_timeout: Duration::from_mins(1),
        interrupt: Interrupt::new()?,
    };
    let compose: Compose = load(file, &BTreeMap::new()).map_err(|problems| format!("{problems:?}"))?;
    let services: Vec<ServiceName> = compose.services.keys().cloned().collect();
    let mut environment = Environment::new(compose, setting, Arc::new(|_| ()))?;
    environment.up(&services, None)?;
    Ok(environment)
}

/// Time until the last of several environments, all begun at one moment, is ready.
fn at_once(directory: &Utf8Path, file: &Utf8Path, round: usize) -> Result<Duration, Failure> {
    let (begin, end) = (Barrier::new(AT_ONCE + 1), Barrier::new(AT_ONCE + 1));
    thread::scope(|scope| {
        let one = |number: usize| {
            let (begin, end) = (&begin, &end);
            scope.spawn(move || {
                begin.wait();
                let environment = up(directory, file, &format!("all-{round}-{number}"));
                end.wait();
                environment.map(drop)
            })
        };
        let threads: Vec<_> = (0..AT_ONCE).map(one).collect();
        begin.wait();
        let from = Instant::now();
        end.wait();
        let took = from.elapsed();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(took)
    })
}

/// Clones a template a few times over one connection; the times are those that `psql` takes.
fn clone(environment: &Environment) -> Result<Vec<Duration>, Failure> {
    let address = environment.address(&ServiceName::new("db")?, 5432).ok_or("the database has no address")?;
    let each: Vec<String> =
        (0..CLONES).map(|number| format!("CREATE DATABASE test{number} TEMPLATE template;\n")).collect();
    let script = std::env::temp_dir().join(format!("tollgate-bench-{}.sql", std::process::id()));
    fs::write(&script, format!("{SCHEMA}\\timing on\n{}", each.concat()))?;
    let cmd = Cmd::new("psql")
        .args(["-X", "-q", "-h", "127.0.0.1", "-p", &address.port().to_string(), "-U", "app", "-d", "app", "-f"])
        .args([script.to_string_lossy().as_ref()])
        .env("PGPASSWORD", "app")
        .timeout(Duration::from_mins(1));
    let output = cmd.run(&Interrupt::new()?)?.success_or(&cmd)?;
    fs::remove_file(&script)?;
    let times = output.stdout.lines().filter_map(|line| line.strip_prefix("Time: ")?.split(' ').next()?.parse().ok());
    let times: Vec<Duration> = times.map(|ms: f64| Duration::from_secs_f64(ms / 1000.0)).collect();
    if times.len() == CLONES { Ok(times) } else { Err(format!("{} clones of {CLONES}", times.len()).into()) }
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    let (least, median, most) = (ms(times.first()), ms(times.get(times.len() / 2)), ms(times.last()));
    println!("{:50} {least:8.1} {median:8.1} {most:8.1}", format!("{what} ({})", times.len()));
}
