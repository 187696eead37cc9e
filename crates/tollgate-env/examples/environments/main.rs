//! Measures environments: from start to ready on the native engine, eight at once, a database cloned per test, and from
//! start to ready in containers; beside each what it is to be compared with, measured in turn with it.
//!
//!     ci/bench/environments [ROUNDS]
#![expect(clippy::print_stdout, reason = "it is a program for the command line")]

mod by_hand;
mod containers;

use by_hand::Kit;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use tollgate_env::{Compose, Environment, Setting, load, native_programs};
use tollgate_exec::{Cmd, Interrupt, shim};
use tollgate_model::{EngineKind, RunId, ServiceName};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

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

/// What a small application has: twenty tables with an index and some rows.
const TABLES: &str = "SELECT format('CREATE TABLE t%s (id serial PRIMARY KEY, name text UNIQUE); INSERT INTO t%s (name) \
    SELECT md5(i::text) FROM generate_series(1, 100) i', n, n) FROM generate_series(1, 20) n \\gexec\n";

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
    let warm = up(directory, &file, "warm", EngineKind::Native)?;
    let kit = kit(&file)?;
    drop(warm);
    let native = |name: &str| up(directory, &file, name, EngineKind::Native);
    let lacking = containers::lacking();
    let mut times: [Vec<Duration>; 10] = Default::default();
    for round in 0..rounds {
        let [ready, by_hand, all, all_by_hand, down, clones, tables, contained, alone, whole] = &mut times;
        let from = Instant::now();
        let environment = native(&format!("one-{round}"))?;
        ready.push(from.elapsed());
        let (leased, made) = databases(&environment)?;
        clones.extend(leased);
        tables.extend(made);
        let from = Instant::now();
        drop(environment);
        down.push(from.elapsed());
        let from = Instant::now();
        let pair = kit.start(&format!("one-{round}"))?;
        by_hand.push(from.elapsed());
        drop(pair);
        all.push(at_once(|number| native(&format!("all-{round}-{number}")))?);
        all_by_hand.push(at_once(|number| kit.start(&format!("all-{round}-{number}")))?);
        if lacking.is_none() {
            let (ready, all) = containers::environment(directory, &file, round)?;
            contained.push(ready);
            whole.push(all);
            alone.push(containers::by_themselves()?);
        }
    }
    println!("{:66} {:>8} {:>8} {:>8}", "milliseconds", "least", "median", "most");
    let [ready, by_hand, all, all_by_hand, down, clones, tables, contained, alone, whole] = times;
    tell("PostgreSQL and Redis natively, start to ready", ready);
    tell("  the same by hand, the data directory copied by cp", by_hand);
    tell(&format!("{AT_ONCE} such environments at once, until the last"), all);
    tell("  the same by hand", all_by_hand);
    tell("one of them stopped and removed", down);
    tell("a database cloned from a template of 20 tables", clones);
    tell("  the same tables made anew", tables);
    if let Some(lacking) = lacking {
        println!("containers were not measured: {lacking}");
        return Ok(());
    }
    tell("PostgreSQL and Redis in containers, from the first one's start", contained);
    tell("  the same servers by themselves, from their container's start", alone);
    tell("  the whole bring-up, network and containers made", whole);
    Ok(())
}

/// The servers that the native engine takes, and the data directory that it has prepared.
fn kit(file: &Utf8Path) -> Result<Kit, Failure> {
    let compose: Compose = load(file, &BTreeMap::new()).map_err(|problems| format!("{problems:?}"))?;
    let services: Vec<ServiceName> = compose.services.keys().cloned().collect();
    let programs = native_programs(&compose, &services);
    let program = |service: &str| {
        let found = programs.iter().find(|program| program.service.as_str() == service)?;
        found.found.clone().map(|(path, _)| path)
    };
    let cache = Utf8PathBuf::from(std::env::var("XDG_CACHE_HOME")?).join("tollgate/pgdata");
    let template = cache.read_dir_utf8()?.flatten().map(camino::Utf8DirEntry::into_path).find(|path| path.is_dir());
    Ok(Kit {
        postgres: program("db").ok_or("PostgreSQL is not on this machine")?,
        redis: program("cache").ok_or("Redis is not on this machine")?,
        template: template.ok_or("there is no prepared data directory")?,
    })
}

pub(crate) fn up(
    directory: &Utf8Path,
    file: &Utf8Path,
    name: &str,
    engine: EngineKind,
) -> Result<Environment, Failure> {
    let run = RunId::new(format!("bench-{}-{name}", std::process::id()))?;
    let run_dir = directory.join(run.as_str());
    let setting = Setting {
        engine,
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

/// Time until the last of several, all begun at one moment, is up.
fn at_once<T>(start: impl Fn(usize) -> Result<T, Failure> + Sync) -> Result<Duration, Failure> {
    let (begin, end) = (Barrier::new(AT_ONCE + 1), Barrier::new(AT_ONCE + 1));
    thread::scope(|scope| {
        let one = |number: usize| {
            let (begin, end, start) = (&begin, &end, &start);
            scope.spawn(move || {
                begin.wait();
                let started = start(number);
                end.wait();
                started.map(drop)
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

/// Clones a template a few times, as the platform's tests do, and makes its tables anew, over one connection each; the times
/// of clones are those that `psql` takes.
fn databases(environment: &Environment) -> Result<(Vec<Duration>, Vec<Duration>), Failure> {
    psql(environment, "app", "CREATE DATABASE template;\n")?;
    psql(environment, "template", TABLES)?;
    let clone = |number| format!("CREATE DATABASE test{number} TEMPLATE template STRATEGY FILE_COPY;\n");
    let each: Vec<String> = (0..CLONES).map(clone).collect();
    let said = psql(environment, "app", &format!("\\timing on\n{}", each.concat()))?;
    let times = said.lines().filter_map(|line| line.strip_prefix("Time: ")?.split(' ').next()?.parse().ok());
    let clones: Vec<Duration> = times.map(|ms: f64| Duration::from_secs_f64(ms / 1000.0)).collect();
    if clones.len() != CLONES {
        return Err(format!("{} clones of {CLONES}", clones.len()).into());
    }
    psql(environment, "app", "CREATE DATABASE anew;\n")?;
    let from = Instant::now();
    psql(environment, "anew", TABLES)?;
    Ok((clones, vec![from.elapsed()]))
}

fn psql(environment: &Environment, database: &str, text: &str) -> Result<String, Failure> {
    let address = environment.address(&ServiceName::new("db")?, 5432).ok_or("the database has no address")?;
    let script = std::env::temp_dir().join(format!("tollgate-bench-{}.sql", std::process::id()));
    fs::write(&script, text)?;
    let cmd = Cmd::new("psql")
        .args(["-X", "-q", "-h", "127.0.0.1", "-p", &address.port().to_string(), "-U", "app", "-d", database, "-f"])
        .args([script.to_string_lossy().as_ref()])
        .env("PGPASSWORD", "app")
        .timeout(Duration::from_mins(1));
    let output = cmd.run(&Interrupt::new()?)?.success_or(&cmd)?;
    fs::remove_file(&script)?;
    Ok(output.stdout)
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    let (least, median, most) = (ms(times.first()), ms(times.get(times.len() / 2)), ms(times.last()));
    println!("{:66} {least:8.1} {median:8.1} {most:8.1}", format!("{what} ({})", times.len()));
}
