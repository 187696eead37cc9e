//! A program with a shim, for the tests: it runs the command in its arguments as a child that dies with it.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use tollgate_exec::{Cmd, Interrupt, shim};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = shim::intercept(&args) {
        return code;
    }
    let interrupt = Interrupt::on_signals().expect("signal handlers can be installed");
    let cmd = Cmd::new(&args[1]).args(&args[2..]).die_with_parent();
    let mut out = std::io::stdout();
    let ended = cmd.stream(&interrupt, &mut |_, line| writeln!(out, "{line}").expect("somebody reads"));
    match ended {
        Ok(output) if output.status.success() => ExitCode::SUCCESS,
        Ok(output) => say(&output.status.to_string()),
        Err(error) => say(&error.to_string()),
    }
}

fn say(what: &str) -> ExitCode {
    writeln!(std::io::stdout(), "{what}").expect("somebody reads");
    ExitCode::FAILURE
}
