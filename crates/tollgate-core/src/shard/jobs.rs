//! What is known of the shards' jobs from elsewhere than their receipts.
//!
//! Receipts of a run outlive an attempt at it: where only failed jobs are run again, those of the others count further. So
//! a shard that was run again and left nothing would be taken for what it was before. What whoever started the jobs says
//! of them tells the two apart.

use super::union::Union;
use std::fmt::Write as _;
use tollgate_model::{BriefShard, Receipt};

/// The jobs of a run, as whoever started them says; nothing of this is a shard's own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    /// The attempt at the run which the gate belongs to, from 1.
    pub attempt: u32,
    /// The attempt in which the plan was made: every shard of it was started in that attempt or in a later one.
    pub planned_in: u32,
    /// Jobs before the gate that did not work, each with how it ended; a matrix is one of them.
    pub failed: Vec<(String, String)>,
}

impl Union {
    /// Notes the shards that did not deliver in the attempt that they were started in last.
    ///
    /// A job that passed need not be run again, so its receipt counts however old it is. Three things are no such case: a
    /// receipt from before the plan was made, since with the plan everything behind it is started; one that is red and of
    /// an earlier attempt, since its job failed, and to run the failed jobs again runs that one; and jobs that failed while
    /// every receipt says that its shard passed.
    pub fn hold_against(&mut self, jobs: &Jobs, receipts: &[Receipt]) {
        let of = |row: &BriefShard| {
            let is_it = |receipt: &&Receipt| receipt.shard == row.shard && Some(receipt.attempt) == row.attempt;
            receipts.iter().find(is_it).map(|receipt| (receipt.attempt, receipt.passed))
        };
        let delivered: Vec<_> = self.balance.iter().filter_map(|row| Some((row.shard, of(row)?))).collect();
        for (shard, (attempt, passed)) in &delivered {
            let started_in = jobs.planned_in.max(if *passed { 0 } else { jobs.attempt });
            if *attempt < started_in {
                let found = if *passed { "one" } else { "a red one" };
                self.complaints.push(format!(
                    "shard {shard} left no receipt of attempt {started_in}: there is only {found} of attempt {attempt}"
                ));
            }
        }
        let is_explained = !self.complaints.is_empty() || delivered.iter().any(|(_, (_, passed))| !passed);
        if jobs.failed.is_empty() || is_explained {
            return;
        }
        let ended: Vec<String> = jobs.failed.iter().map(|(job, how)| format!("job `{job}` ended as {how}")).collect();
        let mut complaint = format!("{}, while every receipt says that its shard passed", ended.join(" and "));
        let older = delivered.iter().filter(|(_, (attempt, _))| *attempt < jobs.attempt);
        let older: Vec<String> = older.map(|(shard, _)| shard.to_string()).collect();
        if !older.is_empty() {
            // Writing to a string can't fail.
            let _ = write!(complaint, "; of attempt {} there is none of shard {}", jobs.attempt, older.join(", "));
        }
        self.complaints.push(complaint);
    }
}
