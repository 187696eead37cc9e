//! Events: what happens while a run goes on. One enum, many sinks.

use crate::{
    EngineKind, GateResult, Milliseconds, Outcome, RunId, ServiceName, StageName, TestId, TestOutcome, TierName,
};
use serde::{Deserialize, Serialize};

/// A step of the straight line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Missing tools are installed.
    Setup,
    /// The environment is brought up.
    Provision,
    /// The workspace is built.
    Build,
    /// Tests are listed and each is found its tier.
    List,
    /// Tiers are run.
    Run,
    /// Tests of a change are run again and again.
    Stress,
    /// Tests of a change are run in turns with those of its base.
    Compare,
    /// Coverage, results and samples are collected.
    Collect,
    /// The environment is torn down.
    TearDown,
    /// Reports are written.
    Report,
}

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// It began.
    Started,
    /// It ended well.
    Finished,
    /// It ended badly.
    Failed,
}

/// How loud a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Something a user may want to know.
    Note,
    /// Something a user should act on.
    Warning,
}

/// Something that happened. Every event is written to `events.jsonl` with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "kind")]
pub enum Event {
    /// The run began.
    RunStarted {
        /// Its name.
        run: RunId,
        /// Its stage.
        stage: StageName,
    },
    /// A step began or ended.
    Step {
        /// Which one.
        step: Step,
        /// What with it.
        state: StepState,
        /// What in particular: `instrumented`, the engine and why.
        detail: String,
        /// Wall time, once it ended.
        wall_ms: Option<Milliseconds>,
    },
    /// An engine was chosen.
    Engine {
        /// Which one.
        engine: EngineKind,
        /// Why.
        reason: String,
    },
    /// A line that an outside tool printed (cargo's progress).
    Output {
        /// The tool.
        tool: String,
        /// The line.
        line: String,
    },
    /// A service changed.
    Service {
        /// Which one.
        service: ServiceName,
        /// `started`, `ready`, `completed`, `died`, `stopped`.
        state: String,
        /// More about it: its address, how it died.
        detail: String,
        /// Time since it was started.
        wall_ms: Option<Milliseconds>,
    },
    /// A tier began.
    TierStarted {
        /// Which one.
        tier: TierName,
        /// How many tests it has.
        planned: u64,
    },
    /// A test ended.
    TestFinished {
        /// Its tier.
        tier: TierName,
        /// Which one.
        id: TestId,
        /// How it ended, so far as the runner's live output tells.
        outcome: TestOutcome,
        /// Wall time.
        wall_ms: Milliseconds,
    },
    /// A tier ended.
    TierFinished {
        /// Which one.
        tier: TierName,
        /// Tests passed, flaky ones included.
        passed: u64,
        /// Tests failed.
        failed: u64,
        /// Tests that passed only when tried again.
        flaky: u64,
        /// Wall time of running tests.
        wall_ms: Milliseconds,
    },
    /// Something worth saying.
    Message {
        /// How loud.
        level: LogLevel,
        /// What.
        text: String,
    },
    /// A gate was judged.
    Gate(GateResult),
    /// The run was judged.
    RunFinished {
        /// The worst outcome.
        outcome: Outcome,
        /// The process exit code.
        exit_code: u8,
        /// Wall time of the run.
        wall_ms: Milliseconds,
    },
}
