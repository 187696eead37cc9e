//! What a run leaves to history: its record, and what makes two runs comparable.

mod growth;

pub use growth::growth;

use crate::report::clean;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tollgate_model::{
    Digest, Ending, EnvironmentEvidence, Evidence, FailureRecord, Fingerprint, Outcome, Plan, RunRecord, SCHEMA,
    ServiceEvidence, Source, TestId, TestRecord, TestResult, TierEvidence, TierRecord, TierStatus, TreeId, Verdict,
};

/// Longest message that is kept, in characters.
const MESSAGE_MAX: usize = 200;

/// Where a run comes from and what it was made of, as far as its evidence does not say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Where it comes from.
    pub source: Source,
    /// The branch, where that is known.
    pub branch: Option<String>,
    /// The sources; absent where the checkout differs from its commit, or is none.
    pub tree: Option<TreeId>,
    /// What is in `Cargo.lock`.
    pub lock_file: String,
    /// What is in the configuration files, those of the environment included.
    pub configuration: Vec<String>,
}

/// Makes the record of a run that is not judged yet, or can't be.
pub fn record(evidence: &Evidence, plan: &Plan, provenance: &Provenance) -> RunRecord {
    let run = &evidence.run;
    let ran = |tier: &&TierEvidence| tier.status == TierStatus::Ran;
    RunRecord {
        schema: SCHEMA,
        run: run.id.clone(),
        parts: run.parts.clone(),
        started_at: run.started_at,
        wall_ms: run.wall_ms,
        commit: run.commit.clone(),
        tree: provenance.tree.clone(),
        branch: provenance.branch.clone(),
        source: provenance.source,
        inputs: inputs(evidence, provenance),
        stage: run.stage.clone(),
        engine: evidence.environment.as_ref().map(|environment| environment.engine),
        ending: evidence.ending.clone(),
        complete: is_complete(evidence, plan),
        outcome: Outcome::Invalid,
        gates: Vec::new(),
        tiers: evidence.tiers.iter().filter(ran).map(tier_record).collect(),
        blobs: BTreeMap::new(),
    }
}

/// Completes the record of a run with what was concluded.
#[must_use]
pub fn judged(record: RunRecord, verdict: &Verdict) -> RunRecord {
    RunRecord { outcome: verdict.outcome, gates: verdict.gates.clone(), ..record }
}

/// Whether every test of the stage was run and reported.
fn is_complete(evidence: &Evidence, plan: &Plan) -> bool {
    let reported = |tier: &TierEvidence| {
        let results: std::collections::BTreeSet<&TestId> = tier.results.iter().map(|test| &test.id).collect();
        tier.status == TierStatus::Ran && tier.planned.iter().all(|test| results.contains(test))
    };
    evidence.ending == Ending::Completed
        && plan.partition.is_none()
        && plan.only.is_none()
        && !plan.is_narrowed_by_reach()
        && plan.left_out().next().is_none()
        && plan.tiers_to_run().count() == evidence.tiers.len()
        && evidence.tiers.iter().all(reported)
}

fn tier_record(tier: &TierEvidence) -> TierRecord {
    // What is reported twice is invalid already; history keeps the last word.
    let tests: BTreeMap<&TestId, TestRecord> = tier.results.iter().map(|test| (&test.id, test_record(test))).collect();
    TierRecord { name: tier.name.clone(), wall_ms: tier.wall_ms, tests: tests.into_values().collect() }
}

fn test_record(test: &TestResult) -> TestRecord {
    use tollgate_model::AttemptOutcome::Passed;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    TestRecord {
        id: test.id.clone(),
        outcome: test.outcome(),
        attempts: count(test.attempts.len()),
        failures: count(test.attempts.iter().filter(|attempt| attempt.outcome != Passed).count()),
        duration_ms: test.last_pass().or(test.attempts.last()).map_or(0, |attempt| attempt.duration_ms),
        failure: test.first_failure().map(|attempt| failure(&attempt.message)),
    }
}

/// What history keeps of a failure with this message.
pub(crate) fn failure(message: &str) -> FailureRecord {
    let message = clean(message);
    let first = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no message");
    FailureRecord { fingerprint: fingerprint(first), message: first.chars().take(MESSAGE_MAX).collect() }
}

/// What failures of one cause have in common: a digest of the message in which every number, address and identifier is
/// the same.
///
/// A word that has a digit in it stands for any such word, since ports, times, process ids and generated names all have one;
/// so does an absolute path.
pub fn fingerprint(message: &str) -> Fingerprint {
    let words = message.split(|c: char| !(c.is_alphanumeric() || "._/-:".contains(c))).filter(|word| !word.is_empty());
    let is_particular = |word: &str| word.starts_with('/') || word.contains(|c: char| c.is_ascii_digit());
    let general = words.map(|word| if is_particular(word) { "#" } else { word });
    let text = general.collect::<Vec<_>>().join(" ");
    Fingerprint::new(&sha256(text.as_bytes())[..16]).expect("these are hexadecimal digits")
}

/// Digest of everything that a test's outcome may depend on; none where the sources are not known.
fn inputs(evidence: &Evidence, provenance: &Provenance) -> Option<Digest> {
    #[derive(Serialize)]
    struct Inputs<'a> {
        tree: &'a TreeId,
        lock_file: &'a str,
        toolchain: &'a str,
        configuration: &'a [String],
        stage: &'a str,
        environment: Option<String>,
    }
    let inputs = Inputs {
        tree: provenance.tree.as_ref()?,
        lock_file: &provenance.lock_file,
        toolchain: &evidence.run.toolchain,
        configuration: &provenance.configuration,
        stage: evidence.run.stage.as_str(),
        environment: evidence.environment.as_ref().map(environment_digest),
    };
    let text = serde_json::to_vec(&inputs).ok()?;
    Digest::new(sha256(&text)).ok()
}

/// What tells an environment from another one: the engine, and of each service its program and that one's version, whatever the
/// order of the services. A program of the workspace is told by its sources.
pub(crate) fn environment_digest(environment: &EnvironmentEvidence) -> String {
    let service = |service: &ServiceEvidence| {
        let program = service.program.rsplit('/').next().unwrap_or(&service.program);
        json!([service.name, program, service.version])
    };
    let mut services: Vec<&ServiceEvidence> = environment.services.iter().collect();
    services.sort_by_key(|service| &service.name);
    let services: Vec<_> = services.into_iter().map(service).collect();
    sha256(json!([environment.engine, services]).to_string().as_bytes())
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string can't fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::{judge, sample};
    use tollgate_model::{Partition, TestOutcome};

    fn provenance() -> Provenance {
        Provenance {
            source: Source::Main,
            branch: Some("main".into()),
            tree: TreeId::new("7".repeat(40)).ok(),
            lock_file: "version = 4".into(),
            configuration: vec!["version = 1".into()],
        }
    }

    fn of(evidence: &Evidence, plan: &Plan, provenance: &Provenance) -> RunRecord {
        judged(record(evidence, plan, provenance), &judge(evidence, plan))
    }

    #[test]
    fn a_record_has_every_test_once_and_every_failure_with_its_message() {
        let (mut evidence, plan) = (sample::evidence(), sample::plan());
        sample::make_red(&mut evidence);
        let again = evidence.tiers[0].results[0].clone();
        evidence.tiers[0].results.push(again);
        let record = of(&evidence, &plan, &provenance());
        let tests: Vec<_> = record.tiers.iter().flat_map(|tier| &tier.tests).collect();
        assert_eq!(tests.len(), 8);
        let unusual: Vec<_> = tests
            .iter()
            .filter_map(|test| {
                let failure = test.failure.as_ref()?;
                Some(format!("{} {:?} {}/{}: {}", test.id, test.outcome, test.failures, test.attempts, failure.message))
            })
            .collect();
        insta::assert_snapshot!(unusual.join("\n"), @r"
        core a::parses Failed 2/2: assertion `left == right` failed: <b>|x|</b>
        core b::refuses Flaky 1/2: the clock went backwards
        harness::e2e scenario_a Failed 2/2: called `Result::unwrap()` on an `Err` value: Connection refused (os error 111), http://127.0.0.1:43211
        ");
        assert_eq!(record.count(TestOutcome::Ignored), 1);
        assert_eq!((record.outcome, record.gates.len() > 5), (Outcome::Invalid, true), "a test was reported twice");
    }

    #[test]
    fn only_a_whole_run_of_the_stage_that_reported_every_test_is_complete() {
        let complete = |change: fn(&mut Evidence, &mut Plan)| {
            let (mut evidence, mut plan) = (sample::evidence(), sample::plan());
            change(&mut evidence, &mut plan);
            of(&evidence, &plan, &provenance()).complete
        };
        assert!(complete(|_, _| ()));
        let passed = of(&sample::evidence(), &sample::plan(), &provenance()).outcome;
        assert!(passed < Outcome::Invalid, "a run that can be judged has its outcome");
        assert!(complete(|evidence, _| sample::make_red(evidence)), "a red run is complete");
        let incomplete: [fn(&mut Evidence, &mut Plan); 8] = [
            |evidence, _| evidence.ending = Ending::Interrupted { signal: "SIGINT".into() },
            |_, plan| plan.partition = Some(Partition { index: 1, count: 2 }),
            |_, plan| plan.only = Some("test(a)".into()),
            |_, plan| plan.tiers[0].run = false,
            |_, plan| plan.reach = Some(sample::reach(&["core"])),
            |evidence, _| drop(evidence.tiers[1].results.pop()),
            |evidence, _| evidence.tiers[1].status = TierStatus::Broken { reason: "gone".into() },
            |evidence, _| drop(evidence.tiers.pop()),
        ];
        for (at, change) in incomplete.into_iter().enumerate() {
            assert!(!complete(change), "change {at}");
        }
    }

    #[test]
    fn the_inputs_are_the_same_only_where_everything_that_counts_is() {
        let (evidence, plan, known) = (sample::evidence(), sample::plan(), provenance());
        let inputs = |change: fn(&mut Evidence, &mut Provenance)| {
            let (mut evidence, mut provenance) = (evidence.clone(), known.clone());
            change(&mut evidence, &mut provenance);
            of(&evidence, &plan, &provenance).inputs
        };
        let same = inputs(|_, _| ());
        assert!(same.is_some());
        // Which run it is, and how it went, is no input.
        assert_eq!(inputs(|evidence, provenance| (evidence.run.wall_ms, provenance.source) = (7, Source::Local)), same);
        assert_eq!(inputs(|evidence, _| sample::make_red(evidence)), same);
        let changes: [fn(&mut Evidence, &mut Provenance); 7] = [
            |_, provenance| provenance.tree = TreeId::new("8".repeat(40)).ok(),
            |_, provenance| provenance.lock_file.push('4'),
            |_, provenance| provenance.configuration.push(String::new()),
            |evidence, _| evidence.run.toolchain.push('1'),
            |evidence, _| evidence.run.stage = tollgate_model::StageName::new("staging").unwrap(),
            |evidence, _| evidence.environment.as_mut().unwrap().services[0].version = Some("18".into()),
            |evidence, _| evidence.environment.as_mut().unwrap().engine = tollgate_model::EngineKind::Compose,
        ];
        for (at, change) in changes.into_iter().enumerate() {
            assert_ne!(inputs(change), same, "change {at}");
        }
        assert_eq!(inputs(|_, provenance| provenance.tree = None), None);
    }

    #[test]
    fn failures_of_one_cause_have_one_fingerprint() {
        let refused = fingerprint("Connection refused (os error 111), http://127.0.0.1:43211/health");
        assert_eq!(fingerprint("Connection refused (os error 111), http://127.0.0.1:9/health"), refused);
        assert_ne!(fingerprint("Connection reset (os error 104), http://127.0.0.1:9/health"), refused);
        assert_eq!(fingerprint("took 25ms"), fingerprint("took 1031ms"));
        assert_eq!(fingerprint("/tmp/.tmpAbc/x: gone"), fingerprint("/tmp/.tmpXyz/x: gone"));
        assert_ne!(fingerprint("left is empty"), fingerprint("right is empty"));
    }
}
