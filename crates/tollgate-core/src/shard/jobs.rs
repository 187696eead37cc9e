//! What is known of the shards' jobs from elsewhere than what they left.
//!
//! What a shard leaves outlives an attempt at the run: where only some jobs are run again, what the others left counts
//! further. So a shard that was run again and left nothing would be taken for what it was before. Two things tell it apart:
//! what whoever started the jobs says of them, and the mark that a shard makes when it starts.

use super::union::Union;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tollgate_model::{
    BriefShard, Ending, Evidence, GateName, GateResult, Outcome, Partition, Receipt, RunInfo, SCHEMA, Verdict,
};

/// The jobs of a run, as whoever started them says; nothing of this is what a shard found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    /// The attempt at the run which the gate belongs to, from 1.
    pub attempt: u32,
    /// The attempt in which the plan was made: every shard of it was started in that attempt or in a later one.
    pub planned_in: u32,
    /// Jobs before the gate that did not work, each with how it ended; a matrix is one of them.
    pub failed: Vec<(String, String)>,
    /// The last attempt in which each shard, by its number, made its mark when it started.
    pub started: BTreeMap<u32, u32>,
}

/// What is left of a shard, by its highest attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left {
    pub(crate) shard: Partition,
    pub(crate) attempt: u32,
    pub(crate) passed: bool,
}

/// What a shard is called, and what it leaves.
pub(crate) struct Names {
    pub(crate) shard: &'static str,
    pub(crate) leaves: &'static str,
}

impl Jobs {
    /// The attempt that what is left of a shard has to be of: the last one in which it was started.
    ///
    /// With the plan everything behind it is started. A shard whose mark is there for the attempt that it left something in
    /// marks every start, so its last mark says it. Of one that makes no marks it is inferred: a job that passed need not be
    /// run again, and to run the failed jobs again runs one that is red.
    fn started_in(&self, left: Left) -> u32 {
        let marked = self.started.get(&left.shard.index).copied().filter(|marked| *marked >= left.attempt);
        let inferred = if left.passed { 0 } else { self.attempt };
        self.planned_in.max(marked.unwrap_or(inferred))
    }

    /// What speaks against the shards: those that did not deliver in the attempt that they were started in last, and jobs
    /// that did not work for no reason that is known, where `is_known` says that there is one already.
    pub(crate) fn objections(&self, left: &[Left], is_known: bool, names: &Names) -> Vec<String> {
        let Names { shard: one, leaves } = names;
        let mut objections = Vec::new();
        for left in left {
            let (Left { shard, attempt, passed }, started_in) = (*left, self.started_in(*left));
            if attempt < started_in {
                let found = if passed { "one" } else { "a red one" };
                objections.push(format!(
                    "{one} {shard} left no {leaves} of attempt {started_in}: there is only {found} of attempt {attempt}"
                ));
            }
        }
        let is_known = is_known || !objections.is_empty() || left.iter().any(|left| !left.passed);
        if self.failed.is_empty() || (is_known && !left.is_empty()) {
            return objections;
        }
        let mut objection = ended(&self.failed);
        if !left.is_empty() {
            // Writing to a string can't fail.
            let _ = write!(objection, ", while every {leaves} says that its {one} passed");
        }
        let older: Vec<String> =
            left.iter().filter(|left| left.attempt < self.attempt).map(|left| left.shard.to_string()).collect();
        if !older.is_empty() {
            let _ = write!(objection, "; of attempt {} there is none of {one} {}", self.attempt, older.join(", "));
        }
        objections.push(objection);
        objections
    }
}

/// What jobs that did not work ended as.
fn ended(failed: &[(String, String)]) -> String {
    let ended: Vec<String> = failed.iter().map(|(job, how)| format!("job `{job}` ended as {how}")).collect();
    ended.join(" and ")
}

/// Evidence and verdict of a run that has no plan since these jobs did not work, each with how it ended: nothing is known but
/// that.
pub fn without_plan(run: RunInfo, failed: &[(String, String)]) -> (Evidence, Verdict) {
    let message = format!("There is no plan: {}.", ended(failed));
    let gate = GateResult {
        fix: Some("The job's log says why: mend that, or run the job again.".to_owned()),
        ..GateResult::new(GateName::new("shards", "receipts"), Outcome::Invalid, message)
    };
    let (ending, outcome) = (Ending::Completed, Outcome::Invalid);
    let verdict = Verdict { schema: SCHEMA, run: run.id.clone(), outcome, ending: ending.clone(), gates: vec![gate] };
    (Evidence::new(run, ending), verdict)
}

impl Union {
    /// Notes the shards that did not deliver in the attempt that they were started in last, and says which count as they were
    /// in an earlier one though they are red.
    pub fn hold_against(&mut self, jobs: &Jobs, receipts: &[Receipt]) {
        let of = |row: &BriefShard| {
            let is_it = |receipt: &&Receipt| receipt.shard == row.shard && Some(receipt.attempt) == row.attempt;
            let receipt = receipts.iter().find(is_it)?;
            Some(Left { shard: row.shard, attempt: receipt.attempt, passed: receipt.passed })
        };
        let left: Vec<Left> = self.balance.iter().filter_map(of).collect();
        let names = Names { shard: "shard", leaves: "receipt" };
        let objections = jobs.objections(&left, !self.complaints.is_empty(), &names);
        self.complaints.extend(objections);
        let older = left.iter().filter(|left| !left.passed && left.attempt < jobs.attempt);
        let kept = older.filter(|left| left.attempt >= jobs.started_in(**left));
        self.evidence.remarks.extend(kept.map(|Left { shard, attempt, .. }| {
            format!("shard {shard} did not say in attempt {} that it started: what it left in attempt {attempt} counts, which is red", jobs.attempt)
        }));
    }
}
