//! Reports of the parts of a spread run as one report.

use super::report::{MutationReport, Scope};
use crate::judge::words::{count, listed};
use crate::shard::{Jobs, Left, Names};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tollgate_model::{GateName, GateResult, Mutant, Outcome, Partition};

/// Which part of a spread run a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Part {
    /// The part.
    pub shard: Partition,
    /// Mutants of all parts together.
    pub listed: u64,
    /// Digest of those, which all parts must agree on.
    pub digest: String,
    /// How often the job had been started, from 1.
    pub attempt: u32,
}

impl Part {
    /// The part `shard` of these mutants.
    pub fn new(shard: Partition, mutants: &[Mutant], attempt: u32) -> Self {
        let mut hash = Sha256::new();
        for mutant in mutants {
            hash.update(mutant.name.as_bytes());
            hash.update([0]);
            hash.update(mutant.diff.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self { shard, listed: mutants.len() as u64, digest, attempt }
    }

    /// What all parts of one run have in common.
    fn run(&self) -> (u32, u64, &str) {
        (self.shard.count, self.listed, &self.digest)
    }
}

/// Unites the reports of all parts; of several attempts of a part the last counts. The gate `mutation.shards` is invalid
/// where parts are missing or are of different runs: a score of some parts is not the score. So it is where a part left no
/// report of the attempt that `jobs` says it was started in last, or a job did not work and no report says why. The report is
/// not judged yet.
pub fn unite(reports: Vec<MutationReport>, jobs: Option<&Jobs>) -> (MutationReport, GateResult) {
    let mut parts: BTreeMap<u32, (u32, MutationReport)> = BTreeMap::new();
    let mut run = None;
    let mut complaints = Vec::new();
    for report in reports {
        let Some(part) = report.part.clone() else {
            complaints.push("a report is of a whole run".to_owned());
            continue;
        };
        let (count, mutants, digest) = part.run();
        let this = (report.scope.clone(), count, mutants, digest.to_owned());
        if *run.get_or_insert_with(|| this.clone()) != this {
            complaints.push(format!("part {} is of another run", part.shard));
            continue;
        }
        let earlier = parts.get(&part.shard.index).map(|(attempt, _)| *attempt);
        if earlier == Some(part.attempt) {
            complaints.push(format!("part {} is there twice", part.shard));
        } else if earlier.is_none_or(|earlier| earlier < part.attempt) {
            parts.insert(part.shard.index, (part.attempt, report));
        }
    }
    let (scope, of, planned) = run.map_or((Scope::All, 0, 0), |(scope, count, mutants, _)| (scope, count, mutants));
    if of == 0 {
        complaints.push("there is no part".to_owned());
    }
    let missing: Vec<String> =
        (1..=of).filter(|index| !parts.contains_key(index)).map(|index| format!("{index}/{of}")).collect();
    if !missing.is_empty() {
        complaints.push(format!("missing: {}", listed(missing)));
    }
    if let Some(jobs) = jobs {
        let objections = jobs.objections(&left(&parts), !complaints.is_empty(), &NAMES);
        complaints.extend(objections);
    }
    let found = parts.len() as u64;
    let (mut results, mut left_out, mut skipped, mut packages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (_, part) in parts.into_values() {
        results.extend(part.results);
        left_out.extend(part.left_out);
        // Every part sees all of them, and was asked for the same.
        (skipped, packages) = (part.skipped, part.packages);
    }
    let accounted = (results.len() + left_out.len()) as u64;
    if found == u64::from(of) && accounted != planned {
        complaints.push(format!("{accounted} of {} are accounted for", count(planned, "mutant")));
    }
    let (outcome, message) = match complaints.as_slice() {
        [] => (Outcome::Passed, format!("{} of one run", count(found, "part"))),
        complaints => (Outcome::Invalid, complaints.join("; ")),
    };
    let fix = (outcome == Outcome::Invalid).then(|| "run the missing parts again on the same commit".to_owned());
    let gate = GateResult::new(GateName::new("mutation", "shards"), outcome, message);
    let gate = GateResult { k: Some(found), n: Some(u64::from(of)), fix, ..gate };
    (MutationReport { packages, skipped, ..MutationReport::new(scope, results, left_out) }, gate)
}

const NAMES: Names = Names { shard: "part", leaves: "report" };

/// What the reports say of the jobs that left them: a red one made its job fail.
fn left(parts: &BTreeMap<u32, (u32, MutationReport)>) -> Vec<Left> {
    let is_red = |report: &MutationReport| {
        report.gates.iter().any(|gate| matches!(gate.outcome, Outcome::Failed | Outcome::Invalid))
    };
    let of = |(attempt, report): &(u32, MutationReport)| {
        let shard = report.part.as_ref()?.shard;
        Some(Left { shard, attempt: *attempt, passed: !is_red(report) })
    };
    parts.values().filter_map(of).collect()
}

#[cfg(test)]
mod unit {
    use super::super::mutant::{mutant, result};
    use super::super::select::{LeftOut, Why};
    use super::*;
    use tollgate_model::MutantOutcome::{self, Caught, Missed};

    fn part(index: u32, attempt: u32, outcome: MutantOutcome) -> MutationReport {
        let all = [1, 2, 8, 9].map(|line| mutant(line, "BinaryOperator", "replace / with %"));
        let left = LeftOut { mutant: mutant(9, "FnValue", "replace x with 0"), why: Why::Uncovered };
        let mut report = MutationReport::new(Scope::All, vec![result(index, "replace / with %", outcome)], vec![left]);
        report.part = Some(Part::new(Partition { index, count: 2 }, &all, attempt));
        report
    }

    fn gate(reports: Vec<MutationReport>) -> (Outcome, String) {
        let gate = unite(reports, None).1;
        (gate.outcome, gate.message)
    }

    #[test]
    fn parts_make_the_score_of_the_whole() {
        let (report, gate) = unite(vec![part(2, 1, Missed), part(1, 1, Caught)], None);
        assert_eq!((gate.outcome, gate.k, gate.n), (Outcome::Passed, Some(2), Some(2)));
        assert_eq!((report.score.caught, report.score.missed, report.score.uncovered), (1, 1, 2));
        assert_eq!(report.results.iter().map(|result| result.mutant.lines.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(report.part, None);
        let of_shop = |index| MutationReport { packages: vec!["shop".to_owned()], ..part(index, 1, Caught) };
        assert_eq!(unite(vec![of_shop(1), of_shop(2)], None).0.packages, ["shop"]);
    }

    #[test]
    fn the_last_attempt_of_a_part_counts_in_whichever_order_they_come() {
        for reports in [
            vec![part(1, 1, Missed), part(1, 2, Caught), part(2, 1, Caught)],
            vec![part(1, 2, Caught), part(1, 1, Missed), part(2, 1, Caught)],
        ] {
            let (report, gate) = unite(reports, None);
            assert_eq!((gate.outcome, report.score.caught, report.score.missed), (Outcome::Passed, 2, 0));
        }
    }

    #[test]
    fn what_is_missing_or_of_another_run_makes_it_invalid() {
        let mut other = part(2, 1, Caught);
        other.part = Some(Part::new(Partition { index: 2, count: 2 }, &[], 1));
        let mut whole = part(2, 1, Caught);
        whole.part = None;
        let invalid = |text: &str| (Outcome::Invalid, text.to_owned());
        assert_eq!(gate(vec![part(1, 1, Caught)]), invalid("missing: 2/2"));
        assert_eq!(gate(vec![part(1, 1, Caught), other]), invalid("part 2/2 is of another run; missing: 2/2"));
        assert_eq!(gate(vec![part(1, 1, Caught), whole]), invalid("a report is of a whole run; missing: 2/2"));
        assert_eq!(
            gate(vec![part(1, 1, Caught), part(1, 1, Missed), part(2, 1, Caught)]),
            invalid("part 1/2 is there twice")
        );
        assert_eq!(gate(Vec::new()), invalid("there is no part"));
        let mut short = part(2, 1, Caught);
        short.results.clear();
        assert_eq!(gate(vec![part(1, 1, Caught), short]), invalid("3 of 4 mutants are accounted for"));
    }

    #[test]
    fn a_part_whose_job_was_lost_cancelled_or_skipped_is_no_part_of_a_score() {
        let jobs = |attempt, how: &str, started: &[(u32, u32)]| Jobs {
            attempt,
            planned_in: 1,
            failed: vec![("mutants".to_owned(), how.to_owned())],
            started: started.iter().copied().collect(),
        };
        let held = |reports: Vec<MutationReport>, jobs: &Jobs| {
            let gate = unite(reports, Some(jobs)).1;
            assert_eq!(gate.outcome == Outcome::Passed, gate.fix.is_none());
            (gate.outcome, gate.message)
        };
        let invalid = |text: &str| (Outcome::Invalid, text.to_owned());
        let both = || vec![part(1, 1, Caught), part(2, 1, Caught)];
        let skipped = held(Vec::new(), &jobs(1, "skipped", &[]));
        assert_eq!(skipped, invalid("there is no part; job `mutants` ended as skipped"));
        // All is there, and yet one was cancelled: in which attempt nobody says.
        let unexplained = "job `mutants` ended as cancelled, while every report says that its part passed";
        assert_eq!(held(both(), &jobs(1, "cancelled", &[])), invalid(unexplained));
        let lost = "part 2/2 left no report of attempt 2: there is only one of attempt 1";
        assert_eq!(held(both(), &jobs(2, "failure", &[(1, 1), (2, 2)])), invalid(lost));
        // Red by its own gates, its job failed for that.
        let mut red = both();
        red[1].gates.push(GateResult::new(GateName::new("mutation", "survivors"), Outcome::Failed, "new".to_owned()));
        let passed = (Outcome::Passed, "2 parts of one run".to_owned());
        assert_eq!(held(red, &jobs(1, "failure", &[(1, 1), (2, 1)])), passed);
        let worked = Jobs { failed: Vec::new(), ..jobs(2, "", &[]) };
        assert_eq!(held(vec![part(1, 1, Caught), part(2, 2, Caught)], &worked), passed);
    }
}
