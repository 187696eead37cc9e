//! The words of the domain, as data.
//!
//! Everything that passes between the crates of tollgate is defined here: names, the plan, the events of a run, what a
//! run observed ([`Evidence`]) and what was concluded from it ([`Verdict`]). Types carry their invariants in their
//! constructors and do nothing else. What is written to disk is kebab-case JSON and carries a schema number.

mod brief;
mod comparison;
mod coverage;
mod ending;
mod event;
mod evidence;
mod growth;
mod history;
mod lines;
mod mask;
mod masked;
mod mutation;
mod name;
mod outcome;
mod plan;
mod self_test;
mod shard;
mod stress;
mod tests;
mod tier;
mod verdict;
mod words;

pub use brief::{
    Brief, BriefGate, BriefLines, BriefMutants, BriefPatch, BriefShard, BriefSide, BriefTest, BriefTests, BriefTrend,
};
pub use comparison::{ComparedTest, Incomparable, RegressionPolicy, TimeComparison, TimePair};
pub use coverage::{CoverageEvidence, CoverageProof, FileCoverage, LineCount, ServiceProfile};
pub use ending::{EXIT_CODES, Ending, ExitStatus};
pub use event::{Event, LogLevel, Step, StepState};
pub use evidence::{
    BuildEvidence, ChangeEvidence, EngineKind, EnvironmentEvidence, Evidence, Leftover, LoadEvidence, LoadSample,
    Milliseconds, RunInfo, ServiceEvidence, ServiceState, TeardownEvidence,
};
pub use growth::{GrownTest, Growth};
pub use history::{
    Digest, FailureRecord, Fingerprint, FlakeHistory, FlakyRun, RunRecord, RunSummary, Source, TestRecord, TierRecord,
    TreeId,
};
pub use lines::{CoverageBase, CoverageLines, FileLines, LineRanges, LineTotals, TestCount};
pub use mask::Masks;
pub use mutation::{Mutant, MutantOutcome, MutantResult, ReachedBy};
pub use name::{GateName, InvalidName, RunId, ServiceName, StageName, TestId, TierName};
pub use outcome::Outcome;
pub use plan::{
    BuildKind, BuildPlan, CoveragePolicy, EngineChoice, Exclusion, Export, LoadLimits, Member, Partition, Plan, Policy,
    QuarantinedTest, Reach, StressPolicy, TierPlan,
};
pub use self_test::{GateFigures, SelfTest, SelfTests, Tally};
pub use shard::{Archive, Receipt, Shard, Skip, SpreadPlan};
pub use stress::{
    ConfirmedFlake, Executions, FlakeConfirmation, Novelty, Repeats, StressEvidence, StressedTest, Unconfirmed,
};
pub use tests::{Attempt, AttemptOutcome, TestOutcome, TestResult};
pub use tier::{MachineEvidence, TierEvidence, TierStatus};
pub use verdict::{Baseline, Blame, GateResult, Verdict};
pub use words::{count, wrapped};

/// Number of the schema of every file this version writes.
pub const SCHEMA: u32 = 1;
