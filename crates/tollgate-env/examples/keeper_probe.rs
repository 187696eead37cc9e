//! A small program with the shape of tollgate, for the tests of this crate: a keeper, an orchestrator that brings a compose
//! file up natively, and a service. A test's own program can't be any of these: its `main` is the test harness.
#![expect(clippy::print_stdout, reason = "the tests read it")]

use camino::Utf8PathBuf;
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;
use tollgate_env::keeper::{self, Tie};
use tollgate_env::{Environment, Setting, load};
use tollgate_exec::{Interrupt, shim};
use tollgate_model::{EngineKind, RunId, ServiceName};

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = shim::intercept(&args) {
        return code;
    }
    let words: Vec<&str> = args.iter().skip(1).filter_map(|arg| arg.to_str()).collect();
    let result = match words[..] {
        ["supervise", runs_root, ..] => {
            return keeper::supervise(&args[3..], runs_root.into(), Tie::Runner, &mut |line| println!("{line}"));
        }
        ["orchestrate", run_dir, file, ending] => orchestrate(run_dir, file, ending),
        _ => serve(),
    };
    result.unwrap_or_else(|error| {
        println!("error: {error}");
        ExitCode::from(5)
    })
}

/// Brings all services of a file up, says where they are, waits for a signal and ends as it is told to.
fn orchestrate(run_dir: &str, file: &str, ending: &str) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::on_signals()?;
    let mut environment = Environment::new(read(file)?, setting(run_dir, &interrupt)?, Arc::new(|_| ()))?;
    let services: Vec<ServiceName> = read(file)?.services.into_keys().collect();
    environment.up(&services, None)?;
    for service in read(file)?.services.values() {
        for port in service.tcp_ports() {
            if let Some(address) = environment.address(&service.name, port) {
                println!("{} {address}", service.name);
            }
        }
    }
    println!("orchestrator {}", std::process::id());
    match ending {
        "panic" => panic!("as it was told to"),
        "forget" => return Ok(forget(environment)),
        "stray" => leave_stray()?,
        _ => {}
    }
    println!("ready");
    while interrupt.signal().is_none() {
        // A signal also interrupts the wait for it.
        let _ = poll(&mut [PollFd::new(&interrupt, PollFlags::IN)], None);
    }
    for stray in keeper::stray_processes() {
        println!("stray {}", stray.what);
    }
    for leftover in environment.down().teardown.into_iter().flat_map(|teardown| teardown.leftovers) {
        println!("leftover {}: {}", leftover.kind, leftover.what);
    }
    Ok(ExitCode::from(130))
}

fn read(file: &str) -> Result<tollgate_env::Compose, Failure> {
    load(file.into(), &BTreeMap::new()).map_err(|problems| format!("{problems:?}").into())
}

fn setting(run_dir: &str, interrupt: &Interrupt) -> Result<Setting, Failure> {
    let run_dir = Utf8PathBuf::from(run_dir);
    Ok(Setting {
        engine: EngineKind::Native,
        engine_reason: "asked for".to_owned(),
        run: RunId::new(run_dir.file_name().unwrap_or_default())?,
        workspace_root: run_dir.clone(),
        profiles: run_dir.join("profiles"),
        masks: tollgate_model::Masks::default(),
        run_dir,
        ready_timeout: Duration::from_mins(1),
        interrupt: interrupt.clone(),
    })
}

/// Starts a process as a careless test does: in a session of its own, and its parent ends.
fn leave_stray() -> Result<(), Failure> {
    Command::new("sh").args(["-c", "setsid sleep 600 & echo \"stray $!\""]).status()?;
    Ok(())
}

/// A service: listens on `ADDRESS` and tells everybody who connects the place of its coverage profile. Where `MARKER`
/// names a file that isn't there, it makes the file and ends as a server does whose port is taken.
fn serve() -> Result<ExitCode, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    if let Some(marker) = variable("MARKER").filter(|marker| std::fs::exists(marker).is_ok_and(|there| !there)) {
        std::fs::write(marker, "")?;
        return Err("bind: Address already in use".into());
    }
    let listener = TcpListener::bind(variable("ADDRESS").ok_or("ADDRESS is not set")?)?;
    println!("listening on {}", listener.local_addr()?);
    for connection in listener.incoming() {
        // A probe that only connects is gone by now.
        let _ = writeln!(connection?, "{}", variable("LLVM_PROFILE_FILE").unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends with success without tearing anything down.
fn forget(environment: Environment) -> ExitCode {
    std::mem::forget(environment);
    ExitCode::SUCCESS
}
