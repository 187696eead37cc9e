//! Receipts that are older than what GitHub says of their jobs.

use super::unit::{receipt, spread_in};
use super::*;
use std::collections::BTreeMap;
use tollgate_model::{Outcome, Receipt};

/// What is complained of where the two shards left receipts of these attempts, each with whether its shard passed.
fn complaints(left: [&[(u32, bool)]; 2], attempt: u32, planned_in: u32, failed: &[&str]) -> Vec<String> {
    held(left, attempt, planned_in, failed, [None; 2]).complaints
}

/// The union of two shards that left receipts of these attempts and made their marks last in those.
fn held(left: [&[(u32, bool)]; 2], attempt: u32, planned_in: u32, failed: &[&str], started: [Option<u32>; 2]) -> Union {
    let (plan, single) = spread_in(2);
    let of = |(index, attempts): (usize, &[(u32, bool)])| -> Vec<Receipt> {
        let shard = receipt(&plan, &single, u32::try_from(index).unwrap() + 1);
        attempts
            .iter()
            .map(|(attempt, passed)| Receipt { attempt: *attempt, passed: *passed, ..shard.clone() })
            .collect()
    };
    let receipts: Vec<Receipt> = left.into_iter().enumerate().flat_map(of).collect();
    let mut union = unite(&plan, &receipts, single.run.clone());
    let failed = failed.iter().map(|job| ((*job).to_owned(), "failure".to_owned())).collect();
    let started: BTreeMap<u32, u32> = (1..).zip(started).filter_map(|(shard, last)| Some((shard, last?))).collect();
    union.hold_against(&Jobs { attempt, planned_in, failed, started }, &receipts);
    let verdict = judge_union(&union, &plan);
    assert_eq!(verdict.outcome == Outcome::Invalid, !union.complaints.is_empty());
    union
}

#[test]
fn a_receipt_of_a_job_that_passed_and_was_not_run_again_counts() {
    let (passed, none) = (true, Vec::<String>::new());
    assert_eq!(complaints([&[(1, passed)], &[(1, passed)]], 1, 1, &[]), none);
    assert_eq!(complaints([&[(1, passed)], &[(1, false), (2, passed)]], 2, 1, &[]), none);
    assert_eq!(complaints([&[(1, passed)], &[(1, false), (2, passed)]], 3, 1, &[]), none);
    // Red as it is, it is of this attempt, and says why its job failed.
    assert_eq!(complaints([&[(1, passed)], &[(1, false), (2, false)]], 2, 1, &["shard"]), none);
}

#[test]
fn a_shard_that_was_run_again_and_left_nothing_is_named() {
    let lost = complaints([&[(1, true)], &[(1, false)]], 2, 1, &["shard"]);
    assert_eq!(lost, ["shard 2/2 left no receipt of attempt 2: there is only a red one of attempt 1"]);
    // Everything was run again, the plan too, and that of one shard is an old one.
    let lost = complaints([&[(1, true)], &[(1, true), (2, true)]], 2, 2, &["shard"]);
    assert_eq!(lost, ["shard 1/2 left no receipt of attempt 2: there is only one of attempt 1"]);
    // Whatever the jobs are said to have done, and in attempts after that too.
    assert_eq!(complaints([&[(1, true)], &[(1, true), (2, true)]], 3, 2, &[]), lost);
}

#[test]
fn a_job_that_failed_for_no_reason_that_a_receipt_gives_is_named() {
    let unexplained = "job `shard` ended as failure, while every receipt says that its shard passed";
    assert_eq!(complaints([&[(1, true)], &[(1, true)]], 1, 1, &["shard"]), [unexplained]);
    let doubtful = format!("{unexplained}; of attempt 2 there is none of shard 1/2");
    assert_eq!(complaints([&[(1, true)], &[(1, true), (2, true)]], 2, 1, &["shard"]), [doubtful]);
    assert_eq!(complaints([&[(1, true)], &[(1, false)]], 1, 1, &["shard"]), Vec::<String>::new(), "it was red");
}

#[test]
fn a_red_shard_that_was_not_started_again_counts_as_it_was() {
    // Both are red in the first attempt; the second one alone is run again.
    let left: [&[(u32, bool)]; 2] = [&[(1, false)], &[(1, false), (2, true)]];
    let union = held(left, 2, 1, &["shard"], [Some(1), Some(2)]);
    assert_eq!(union.complaints, Vec::<String>::new());
    assert_eq!(
        union.evidence.remarks,
        ["shard 1/2 did not say in attempt 2 that it started: what it left in attempt 1 counts, which is red"]
    );
    // It is not told from one that was lost where shards make no marks, or made none when they left what they did.
    let lost = ["shard 1/2 left no receipt of attempt 2: there is only a red one of attempt 1"];
    assert_eq!(complaints(left, 2, 1, &["shard"]), lost);
    let red_later: [&[(u32, bool)]; 2] = [&[(2, false)], &[(3, true)]];
    let unmarked = held(red_later, 3, 1, &["shard"], [Some(1), Some(3)]);
    assert_eq!(unmarked.complaints, ["shard 1/2 left no receipt of attempt 3: there is only a red one of attempt 2"]);
}

#[test]
fn a_shard_that_was_started_and_left_nothing_is_named_whatever_it_was_before() {
    for (passed, found) in [(true, "one"), (false, "a red one")] {
        let union = held([&[(1, passed)], &[(1, true)]], 3, 1, &["shard"], [Some(2), Some(1)]);
        let lost = format!("shard 1/2 left no receipt of attempt 2: there is only {found} of attempt 1");
        assert_eq!((union.complaints, union.evidence.remarks), (vec![lost], Vec::new()));
    }
}

#[test]
fn jobs_behind_which_nothing_is_left_are_named() {
    let nothing = complaints([&[], &[]], 1, 1, &["plan", "shard"]);
    assert_eq!(
        nothing,
        [
            "shard 1/2 left no receipt",
            "shard 2/2 left no receipt",
            "job `plan` ended as failure and job `shard` ended as failure"
        ]
    );
}

#[test]
fn a_run_without_a_plan_is_told_as_every_other_that_is_invalid() {
    let failed = [("plan".to_owned(), "failure".to_owned())];
    let (evidence, verdict) = without_plan(crate::judge::sample::evidence().run, &failed);
    assert_eq!(verdict.exit_status(false).code(), 3);
    let message = "There is no plan: job `plan` ended as failure.";
    assert_eq!(verdict.gates[0].message, message);
    let notes = crate::report::notes(&evidence, &verdict);
    assert_eq!(notes.iter().map(|note| note.message.as_str()).collect::<Vec<_>>(), [message]);
    assert!(crate::report::markdown(&evidence, &verdict).contains("mend that, or run the job again"));
}
