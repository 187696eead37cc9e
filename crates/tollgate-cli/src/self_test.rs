//! Running the seeded truths: the workspace with the specimens, and one trial after the other in it.
//!
//! The workspace is part of this program and is written to `target/tollgate/self-test`, where its builds stay for the next
//! self-test. A trial is this program itself, started as a user would start it, so that nothing on the way to a verdict is
//! left out; its own keeper looks after what it starts, and this process's keeper after both.

mod kept;
mod scene;
mod workspace;

pub(crate) use kept::{recent, remember};

use crate::{
    console::Tone,
    error::CliError,
    reporter::seconds,
    session::{Session, signal_name},
};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    time::{Duration, Instant},
};
use tollgate_core::truths::{Row, Seen, Trial, Truths, row};
use tollgate_exec::{Cmd, ExecError};
use tollgate_model::GateResult;

/// The variable that switches a specimen on.
const TRUTH: &str = "TRUTH";

/// Longest time of one trial. It takes seconds; the first one builds.
const TRIAL_MAX: Duration = Duration::from_mins(10);

/// How long a trial has to tear down when the self-test is interrupted.
const GRACE: Duration = Duration::from_secs(20);

/// Beginnings of variables that speak of the run that this self-test is part of; a trial is none of its steps.
const NOT_PASSED_ON: [&str; 5] = ["GITHUB_", "RUNNER_", "TOLLGATE_", "NEXTEST", "CARGO_"];

/// Of these, what tells where cargo keeps its things and how it reaches the network.
const PASSED_ON: [&str; 3] = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_"];

/// What a command leaves its gates in, from the root of the workspace.
const VERDICT: &str = "target/tollgate/latest/verdict.json";

/// The link to the newest run.
const LATEST: &str = "target/tollgate/latest";
const MUTANTS: &str = "target/tollgate/mutants/report.json";

/// What became of mutants before, which is taken over where no file has changed; a specimen changes none.
const MUTANTS_KNOWN: &str = "target/tollgate/mutants/results.jsonl";

/// The table of what must be concluded.
///
/// # Errors
/// When it can't be read; the text names the place.
pub(crate) fn truths() -> Result<Truths, String> {
    Truths::parse(workspace::TRUTHS)
}

/// The workspace with the specimens, held by this process alone.
pub(crate) struct Specimens {
    root: Utf8PathBuf,
    logs: Utf8PathBuf,
    _lock: File,
}

impl Specimens {
    /// Writes the workspace where it is not there as it must be.
    ///
    /// # Errors
    /// When it can't be written, or another self-test is under way in this checkout.
    pub(crate) fn prepare(root: &Utf8Path) -> Result<Self, CliError> {
        let directory = root.join("target/tollgate/self-test");
        let machine = |source| CliError::Machine { what: format!("can't write {directory}"), source };
        fs::create_dir_all(&directory).map_err(machine)?;
        let lock = File::create(directory.join("lock")).map_err(machine)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let hint = "wait for its end; a self-test takes about two minutes".to_owned();
                return Err(CliError::usage("another self-test is under way in this checkout", [hint]));
            }
            Err(TryLockError::Error(source)) => return Err(machine(source)),
        }
        let (tree, logs) = (directory.join("workspace"), directory.join("logs"));
        workspace::write(&tree).map_err(machine)?;
        empty(&logs).map_err(machine)?;
        Ok(Self { root: tree, logs, _lock: lock })
    }

    /// Runs a command in the workspace and reads what it concluded.
    fn conclude(&self, number: usize, trial: &Trial, session: &Session) -> Result<Seen, CliError> {
        for left in [LATEST, MUTANTS, MUTANTS_KNOWN] {
            // What an earlier trial concluded is not what this one does; its run keeps its verdict.
            let _ = fs::remove_file(self.root.join(left));
        }
        let began = Instant::now();
        scene::clear(&self.root).map_err(|source| cannot_write(&self.root, source))?;
        let on_main = trial.scene.as_ref().is_some_and(|scene| scene.on_main);
        let cmd = self.command(&trial.command, trial.switch(), on_main);
        let (exit, said) = match self.set(trial, session)? {
            Ok(()) => run(&cmd, session)?,
            Err(why) => (None, why),
        };
        let wall_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let log = self.logs.join(format!("{number:02}-{}.log", trial.name().replace('-', "_")));
        let text = format!("TRUTH={} {}\n{said}\n", trial.switch(), cmd.display());
        fs::write(&log, text).map_err(|source| cannot_write(&log, source))?;
        let gates = exit.and_then(|_| self.gates());
        if trial.scene.is_some() {
            // The next trial has neither this one's change nor its repository.
            workspace::restore(&self.root).map_err(|source| cannot_write(&self.root, source))?;
        }
        Ok(Seen { exit, gates, wall_ms, log: log.into_string() })
    }

    /// Makes what was before a trial; a text says what is wrong with that.
    fn set(&self, trial: &Trial, session: &Session) -> Result<Result<(), String>, CliError> {
        let Some(scene) = &trial.scene else { return Ok(Ok(())) };
        if let Err(why) = scene::commit(&self.root, &session.halt) {
            return Ok(Err(why));
        }
        let switch = if scene.is_on_before { trial.switch() } else { "" };
        for command in &scene.before {
            let (exit, said) = run(&self.command(command, switch, scene.on_main), session)?;
            if exit != Some(0) && !scene.is_on_before {
                return Ok(Err(format!("before it, `{command}` failed:\n{said}")));
            }
        }
        Ok(scene.edit.as_ref().map_or(Ok(()), |edit| scene::edit(&self.root, edit)))
    }

    /// This program in the workspace, as a user would start it.
    fn command(&self, words: &str, switch: &str, on_main: bool) -> Cmd {
        let foreign = std::env::vars_os().map(|(name, _)| name).filter(|name| is_foreign(&name.to_string_lossy()));
        let cmd = foreign.fold(Cmd::new("/proc/self/exe").args(words.split(' ')), Cmd::env_remove);
        let cmd = cmd.cwd(&self.root).env(TRUTH, switch);
        let cmd = cmd.env("CARGO_TARGET_DIR", self.root.join("target")).timeout(TRIAL_MAX).grace(GRACE);
        if on_main { cmd.envs(scene::PUSH) } else { cmd }
    }

    /// The gates that a command left, where it left any.
    fn gates(&self) -> Option<BTreeMap<String, tollgate_model::Outcome>> {
        let text = [VERDICT, MUTANTS].iter().find_map(|file| fs::read_to_string(self.root.join(file)).ok())?;
        let concluded: Concluded = serde_json::from_str(&text).ok()?;
        Some(concluded.gates.into_iter().map(|gate| (gate.gate.to_string(), gate.outcome)).collect())
    }
}

/// What a verdict and a report of mutants have in common.
#[derive(Deserialize)]
struct Concluded {
    gates: Vec<GateResult>,
}

/// Tries one after the other: they share the machine with nothing of ours.
///
/// # Errors
/// When a signal ends it, or a log can't be written.
pub(crate) fn try_all(specimens: &Specimens, trials: Vec<Trial>, session: &Session) -> Result<Vec<Row>, CliError> {
    let (console, all) = (session.reporter.console(), trials.len());
    let mut rows = Vec::new();
    for (number, trial) in (1..).zip(trials) {
        console.live("Trying", &format!("{number}/{all} {}: {}", trial.name(), trial.what));
        let seen = specimens.conclude(number, &trial, session)?;
        let row = row(trial, seen);
        let (tone, verb) = if row.as_expected { (Tone::Good, "Expected") } else { (Tone::Bad, "Unexpected") };
        let (name, what) = (row.trial.name(), &row.trial.what);
        console.status(tone, verb, &format!("{name}: {what} ({})", seconds(row.seen.wall_ms)));
        rows.push(row);
    }
    Ok(rows)
}

/// Runs it to its end; its exit code, and what it said.
fn run(cmd: &Cmd, session: &Session) -> Result<(Option<i32>, String), CliError> {
    match cmd.run(&session.halt) {
        Ok(output) => Ok((output.status.code(), format!("{}\n{}", output.stdout, output.stderr))),
        Err(ExecError::Interrupted { signal, .. }) => Err(CliError::Interrupted { signal: signal_name(signal) }),
        Err(error) => Ok((None, error.to_string())),
    }
}

fn cannot_write(what: &Utf8Path, source: io::Error) -> CliError {
    CliError::Machine { what: format!("can't write {what}"), source }
}

fn is_foreign(name: &str) -> bool {
    let begins = |with: &[&str]| with.iter().any(|start| name.starts_with(start));
    begins(&NOT_PASSED_ON) && !begins(&PASSED_ON)
}

/// Makes a directory that has nothing in it.
fn empty(directory: &Utf8Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(directory)
}

#[cfg(test)]
mod unit {
    use super::is_foreign;

    #[test]
    fn a_trial_is_no_step_of_the_run_that_it_is_part_of() {
        for name in ["GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS", "TOLLGATE_RUN_DIR", "NEXTEST_RUN_ID", "CARGO_PKG_NAME"] {
            assert!(is_foreign(name), "{name}");
        }
        for name in ["PATH", "HOME", "CARGO_HOME", "CARGO_NET_OFFLINE", "RUSTUP_TOOLCHAIN", "CI", "LLVM_PROFILE_FILE"] {
            assert!(!is_foreign(name), "{name}");
        }
    }
}
