//! Events and their sinks: the terminal, `events.jsonl`, `run.log`, and standard output with `--format json`.

use crate::{
    args::RunFormat,
    console::{Console, Tone},
};
use jiff::Timestamp;
use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use tollgate_github::{Actions, end_group, group};
use tollgate_model::{Event, LogLevel, Step, StepState, TestOutcome, TierName, count};
use tollgate_store::EventLog;

/// Sends every event to all sinks.
pub(crate) struct Reporter {
    console: Console,
    format: Option<RunFormat>,
    actions: Option<Actions>,
    log: OnceLock<EventLog>,
    tier: Mutex<Option<TierProgress>>,
    muted: AtomicU64,
}

/// How far the running tier is.
#[derive(Debug)]
struct TierProgress {
    tier: TierName,
    planned: u64,
    done: u64,
    failed: u64,
    last: String,
}

impl Reporter {
    pub(crate) fn new(console: Console, format: Option<RunFormat>, actions: Option<Actions>) -> Self {
        let (log, tier, muted) = (OnceLock::new(), Mutex::new(None), AtomicU64::new(0));
        Self { console, format, actions, log, tier, muted }
    }

    pub(crate) fn console(&self) -> &Console {
        &self.console
    }

    /// What standard output is for; nothing where the command itself prints what it was asked for.
    pub(crate) fn format(&self) -> Option<RunFormat> {
        self.format
    }

    /// Writes a line of a tool to the log only.
    pub(crate) fn note(&self, tool: &str, line: &str) {
        self.record(Timestamp::now(), &format!("{tool}: {line}"));
    }

    pub(crate) fn actions(&self) -> Option<&Actions> {
        self.actions.as_ref()
    }

    /// From here on, events are written to the run's logs too.
    pub(crate) fn log_to(&self, log: EventLog) {
        // A second log can't be given: a process does one run.
        let _ = self.log.set(log);
    }

    /// Says something to people.
    pub(crate) fn say(&self, level: LogLevel, text: impl Into<String>) {
        self.emit(&Event::Message { level, text: text.into() });
    }

    /// Sends an event to all sinks.
    pub(crate) fn emit(&self, event: &Event) {
        let now = Timestamp::now();
        if let Some(log) = self.log.get()
            && log.event(now, event).is_err()
            && self.muted.fetch_add(1, Ordering::Relaxed) == 0
        {
            self.console.status(Tone::Warning, "Warning", "events.jsonl can't be written; the run goes on without it");
        }
        if self.format == Some(RunFormat::Json)
            && let Ok(line) = serde_json::to_string(&self.console.masks().masked_event(event))
        {
            self.console.whole_data(&format!("{line}\n"));
        }
        self.show(now, event);
    }

    fn show(&self, now: Timestamp, event: &Event) {
        match event {
            Event::TierStarted { tier, planned } => self.tier_started(tier, *planned),
            Event::TestFinished { id, outcome, wall_ms, .. } => {
                self.test_finished(now, &id.to_string(), *outcome, *wall_ms);
            }
            Event::Output { tool, line } => self.output(now, tool, line),
            Event::Gate(gate) => self.record(now, &format!("gate {} {}: {}", gate.gate, gate.outcome, gate.message)),
            Event::Step { step, state, detail, wall_ms } => self.step(now, *step, *state, detail, *wall_ms),
            _ => {
                if let Some((tone, verb, text)) = words(event) {
                    self.line(now, tone, verb, &text);
                }
            }
        }
    }

    fn line(&self, now: Timestamp, tone: Tone, verb: &str, text: &str) {
        self.record(now, &format!("{verb} {text}"));
        self.console.status(tone, verb, text);
    }

    fn record(&self, now: Timestamp, text: &str) {
        if let Some(log) = self.log.get() {
            // The first failed write of the event log has said that the disk is full.
            let _ = log.line(now, text);
        }
    }

    fn step(&self, now: Timestamp, step: Step, state: StepState, detail: &str, wall_ms: Option<u64>) {
        let verb = step_verb(step);
        match state {
            StepState::Started => {
                self.record(now, &format!("{verb} {detail}"));
                if self.has_groups(step) {
                    self.console.command(&group(&format!("Build: {detail}")));
                }
                self.console.live(verb, detail);
            }
            StepState::Finished => {
                self.close_group(step);
                let took = wall_ms.map(|ms| format!(" in {}", seconds(ms))).unwrap_or_default();
                self.line(now, Tone::Good, verb, &format!("{detail}{took}"));
            }
            StepState::Failed => {
                self.close_group(step);
                let after = wall_ms.map(|ms| format!(" after {}", seconds(ms))).unwrap_or_default();
                self.line(now, Tone::Bad, verb, &format!("{detail}: failed{after}"));
            }
        }
    }

    /// The log of a build is folded in Actions, unless standard output is for JSON.
    fn has_groups(&self, step: Step) -> bool {
        self.actions.is_some() && self.format == Some(RunFormat::Text) && step == Step::Build
    }

    fn close_group(&self, step: Step) {
        if self.has_groups(step) {
            self.console.command(end_group());
        }
    }

    fn output(&self, now: Timestamp, tool: &str, line: &str) {
        self.record(now, &format!("{tool}: {line}"));
        let passing = line.trim_start();
        let progress =
            ["Compiling", "Checking", "Downloaded", "Downloading", "Building", "Updating", "Locking", "Blocking"];
        if self.console_is_live() && progress.iter().any(|verb| passing.starts_with(verb)) {
            let (verb, what) = passing.split_once(' ').unwrap_or(("Building", passing));
            self.console.live(verb, what.trim());
        } else {
            self.console.talk(line);
        }
    }

    fn console_is_live(&self) -> bool {
        self.console.is_live()
    }

    fn tier_started(&self, tier: &TierName, planned: u64) {
        let progress = TierProgress { tier: tier.clone(), planned, done: 0, failed: 0, last: String::new() };
        *self.tier.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
        if !self.console_is_live() {
            self.console.status(Tone::Plain, "Running", &format!("{tier}: {}", count(planned, "test")));
        }
    }

    fn test_finished(&self, now: Timestamp, id: &str, outcome: TestOutcome, wall_ms: u64) {
        let bad = match outcome {
            TestOutcome::Failed => Some((Tone::Bad, "Failed")),
            TestOutcome::Flaky => Some((Tone::Warning, "Flaky")),
            TestOutcome::Passed | TestOutcome::Ignored => None,
        };
        match bad {
            Some((tone, verb)) => self.line(now, tone, verb, &format!("{id} ({})", seconds(wall_ms))),
            None => self.record(now, &format!("passed {id} ({})", seconds(wall_ms))),
        }
        let mut tier = self.tier.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(progress) = tier.as_mut() else { return };
        progress.done += 1;
        progress.failed += u64::from(outcome == TestOutcome::Failed);
        id.clone_into(&mut progress.last);
        let failed = if progress.failed > 0 { format!(" · {} failed", progress.failed) } else { String::new() };
        let TierProgress { tier, planned, done, last, .. } = progress;
        self.console.live("Running", &format!("{tier} {done}/{planned}{failed} · {last}"));
    }
}

/// What a step is called while it goes on and in the line that ends it.
fn step_verb(step: Step) -> &'static str {
    match step {
        Step::Setup => "Setup",
        Step::Provision => "Environment",
        Step::Build => "Built",
        Step::List => "Planned",
        Step::Run => "Ran",
        Step::Stress => "Stressed",
        Step::Compare => "Compared",
        Step::Collect => "Collected",
        Step::TearDown => "Torn down",
        Step::Report => "Reported",
    }
}

fn words(event: &Event) -> Option<(Tone, &'static str, String)> {
    Some(match event {
        Event::RunStarted { run, stage } => (Tone::Plain, "Run", format!("{run}, stage {stage}")),
        Event::Engine { engine, reason } => (Tone::Plain, "Engine", format!("{}: {reason}", engine.as_str())),
        Event::Service { service, state, detail, wall_ms } => service_words(service.as_str(), state, detail, *wall_ms)?,
        Event::TierFinished { tier, passed, failed, flaky, wall_ms } => {
            let tone = if *failed > 0 { Tone::Bad } else { Tone::Good };
            let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
            let flaky = if *flaky > 0 { format!(", {flaky} flaky") } else { String::new() };
            (tone, "Ran", format!("{tier}: {passed} passed{failed}{flaky} in {}", seconds(*wall_ms)))
        }
        Event::Message { level: LogLevel::Note, text } => (Tone::Plain, "Note", text.clone()),
        Event::Message { level: LogLevel::Warning, text } => (Tone::Warning, "Warning", text.clone()),
        _ => return None,
    })
}

/// Only what people act on is shown of a service; the log has it all.
fn service_words(
    service: &str,
    state: &str,
    detail: &str,
    wall_ms: Option<u64>,
) -> Option<(Tone, &'static str, String)> {
    let took = wall_ms.map(|ms| format!(" in {}", seconds(ms))).unwrap_or_default();
    match state {
        "ready" => Some((Tone::Good, "Ready", format!("{service} {detail}{took}"))),
        "completed" => Some((Tone::Good, "Completed", format!("{service}{took}"))),
        "died" => Some((Tone::Bad, "Died", format!("{service}: {detail}"))),
        _ => None,
    }
}

/// A duration for people: `87 ms`, `4.2 s`, `3 min 05 s`.
pub(crate) fn seconds(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {:02} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn durations_are_short_and_exact_to_what_they_show() {
        let shown = [0, 999, 1_000, 4_299, 59_999, 60_000, 185_000].map(seconds);
        assert_eq!(shown, ["0 ms", "999 ms", "1.0 s", "4.2 s", "59.9 s", "1 min 00 s", "3 min 05 s"]);
    }
}
