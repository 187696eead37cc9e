//! Threads that follow the engine while the environment is up: its events, and the log of each container.

use super::containers::Containers;
use super::events::{self, Happened};
use super::tool::{QUICK, Tool};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tollgate_exec::{Cmd, Interrupt};
use tollgate_model::{Masks, ServiceName};

/// Pause before a stream that broke off is opened again.
const REOPEN: Duration = Duration::from_millis(500);
/// How often in a row the engine may fail to answer before its containers count as lost.
const SILENCE_MAX: u32 = 5;

/// Ends all threads of an engine; a wait that any number of threads can do.
pub(super) struct End {
    /// Stops the commands that the threads run.
    pub(super) interrupt: Interrupt,
    over: Mutex<bool>,
    changed: Condvar,
}

impl End {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: Interrupt::new()?, over: Mutex::new(false), changed: Condvar::new() })
    }

    /// Asks all threads to end.
    pub(super) fn trigger(&self) {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
        self.interrupt.trigger(15);
    }

    /// Waits this long or until the end; tells whether it is the end.
    fn within(&self, limit: Duration) -> bool {
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        let (over, _) =
            self.changed.wait_timeout_while(over, limit, |over| !*over).unwrap_or_else(PoisonError::into_inner);
        *over
    }
}

/// Nanoseconds since 1970.
pub(super) fn now() -> i128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
}

/// A moment as the engine's `--since` takes it.
fn since(nanoseconds: i128) -> String {
    format!("{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
}

/// Follows the events of a project until the end.
pub(super) fn events(
    tool: &Tool,
    project: &str,
    name_of: impl Fn(&str) -> String + Send + 'static,
    containers: &Arc<Containers>,
    end: &Arc<End>,
) -> std::io::Result<JoinHandle<()>> {
    let (tool, containers, end) = (tool.clone(), Arc::clone(containers), Arc::clone(end));
    let label = format!("label=com.docker.compose.project={project}");
    thread::Builder::new().name("container events".to_owned()).spawn(move || {
        let mut from = now();
        let mut silence = 0;
        loop {
            let since = since(from);
            let args = [
                "events",
                "--since",
                &since,
                "--filter",
                "type=container",
                "--filter",
                &label,
                "--format",
                "{{json .}}",
            ];
            from = now();
            // however the stream ended, what it missed is asked for below
            let _ = Cmd::new(&tool.program)
                .args(args)
                .die_with_parent()
                .stream(&end.interrupt, &mut |_, line| take(line, &containers));
            if end.within(REOPEN) {
                return;
            }
            silence = if survey(&tool, &name_of, &containers, &end.interrupt) { 0 } else { silence + 1 };
            if silence >= SILENCE_MAX {
                lose(&containers);
            }
        }
    })
}

/// Asks for the state of each container that should be running until the engine answers; one that does not in as many
/// tries as its follower makes has lost them all.
pub(super) fn look(tool: &Tool, name_of: &dyn Fn(&str) -> String, containers: &Containers, end: &End) {
    for _ in 0..SILENCE_MAX {
        if survey(tool, name_of, containers, &end.interrupt) || end.within(REOPEN) {
            return;
        }
    }
    lose(containers);
}

/// An engine that does not answer can't say of any container that it runs.
fn lose(containers: &Containers) {
    containers.running().iter().for_each(|service| containers.ended(service.as_str(), None, now()));
}

fn take(line: &str, containers: &Containers) {
    match events::read(line) {
        Some(Happened::Died { service, code, at }) => containers.ended(&service, code, at.unwrap_or_else(now)),
        Some(Happened::OutOfMemory { service }) => containers.out_of_memory(&service),
        None => {}
    }
}

/// Asks for the state of each container that should be running; tells whether the engine answered.
fn survey(tool: &Tool, name_of: &dyn Fn(&str) -> String, containers: &Containers, interrupt: &Interrupt) -> bool {
    let running = containers.running();
    if running.is_empty() {
        return true;
    }
    let names: Vec<(String, ServiceName)> =
        running.into_iter().map(|service| (name_of(service.as_str()), service)).collect();
    let format = "{{.Name}} {{.State.Running}} {{.State.ExitCode}} {{.State.OOMKilled}}";
    let args: Vec<&str> = ["container", "inspect", "--format", format]
        .into_iter()
        .chain(names.iter().map(|(container, _)| container.as_str()))
        .collect();
    // It fails where one of them is gone, and still tells of the others.
    let Ok(output) = tool.ask(&args, QUICK, interrupt) else { return false };
    let mut answered = false;
    for (container, service) in &names {
        let told = output.stdout.lines().filter_map(|line| line.trim().trim_start_matches('/').split_once(' '));
        match told.into_iter().find(|(name, _)| name == container).map(|(_, state)| state) {
            Some(state) => {
                answered = true;
                note(service, state, containers);
            }
            None if output.stderr.contains("No such container") && output.stderr.contains(container) => {
                answered = true;
                containers.ended(service.as_str(), None, now());
            }
            None => {}
        }
    }
    answered
}

/// Takes what `inspect` tells of a container: whether it runs, its exit code, whether it had too little memory.
fn note(service: &ServiceName, state: &str, containers: &Containers) {
    let words: Vec<&str> = state.split(' ').collect();
    if let ["false", code, out_of_memory] = words[..] {
        if out_of_memory == "true" {
            containers.out_of_memory(service.as_str());
        }
        containers.ended(service.as_str(), code.parse().ok(), now());
    }
}

/// A thread that follows a log, and word of its end.
pub(super) struct Follower {
    pub(super) thread: JoinHandle<()>,
    /// Hangs up when the log is complete.
    pub(super) complete: Receiver<()>,
}

/// Appends a container's output from this moment on to a file, until the container or everything ends.
pub(super) fn logs(
    tool: &Tool,
    container: String,
    from: i128,
    file: &Utf8Path,
    masks: Masks,
    end: &Arc<End>,
) -> std::io::Result<Follower> {
    let (open, complete) = channel::<()>();
    let (program, file, end) = (tool.program.clone(), Utf8PathBuf::from(file), Arc::clone(end));
    let mut log = OpenOptions::new().create(true).append(true).open(&file)?;
    let thread = thread::Builder::new().name(format!("log of {container}")).spawn(move || {
        let _open = open;
        let since = since(from);
        let cmd = Cmd::new(program).args(["logs", "--follow", "--timestamps", "--since", &since, &container]);
        let mut append = |_, line: &str| drop(writeln!(log, "{}", masks.apply(line)));
        if let Err(error) = cmd.die_with_parent().stream(&end.interrupt, &mut append)
            && end.interrupt.signal().is_none()
        {
            append(tollgate_exec::Stream::Stderr, &format!("the log broke off: {error}"));
        }
    })?;
    Ok(Follower { thread, complete })
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::engine::RunState;

    #[test]
    fn a_container_that_does_not_run_has_ended_and_one_that_runs_has_not() {
        let containers = Containers::default();
        let service = |name: &str| ServiceName::new(name).expect("a valid name");
        for (name, state) in [("db", "true 0 false"), ("web", "false 3 false"), ("big", "false 137 true"), ("odd", "")]
        {
            containers.starting(&service(name), 1);
            note(&service(name), state, &containers);
        }
        let how = |name: &str| match containers.state(&service(name)) {
            RunState::Exited { how, .. } => how,
            other => format!("{other:?}"),
        };
        assert_eq!(
            ["db", "web", "big", "odd"].map(how),
            ["Running", "exit code 3", "exit code 137 (SIGKILL), out of memory", "Running"]
        );
    }
}
