//! How long tests took when they were last run.

use super::Union;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{
    BuildKind, Ending, Evidence, Milliseconds, SCHEMA, TestId, TestResult, TierEvidence, TierName, TierStatus,
};

/// A test that takes less than this ends soon, whenever it starts.
const SHORT_MS: Milliseconds = 500;

/// Recorded durations, from which shards are packed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Durations {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What a run took beside building and running tests: environment, listing, coverage.
    pub setup_ms: Milliseconds,
    /// What its builds took, by name; a shard that unpacks one pays for that instead.
    #[serde(default)]
    pub builds: BTreeMap<String, Milliseconds>,
    /// The tiers.
    pub tiers: BTreeMap<TierName, TierDurations>,
}

/// Recorded durations of a tier's tests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TierDurations {
    /// Wall time of all of these tests together.
    pub wall_ms: Milliseconds,
    /// Each test that passed, by its identity as text, and how long its last attempt that did so took.
    pub tests: BTreeMap<String, Milliseconds>,
    /// Those that were to be run and did not pass; what an earlier run recorded of them stays.
    #[serde(skip)]
    pub not_passed: BTreeSet<String>,
}

impl Durations {
    /// What a run that got to its end recorded; none where it did not.
    ///
    /// Failed tests are left out: how long it takes to fail says nothing of how long it takes to pass.
    pub fn of(evidence: &Evidence) -> Option<Self> {
        if evidence.ending != Ending::Completed {
            return None;
        }
        let ran = evidence.tiers.iter().filter(|tier| tier.status == TierStatus::Ran && !tier.results.is_empty());
        let tiers: BTreeMap<TierName, TierDurations> =
            ran.map(|tier| (tier.name.clone(), TierDurations::of(tier))).collect();
        let builds = evidence.builds.iter().map(|build| (build.name.clone(), build.wall_ms)).collect();
        (!tiers.is_empty()).then_some(Self { schema: SCHEMA, setup_ms: evidence.setup_ms(), builds, tiers })
    }

    /// What shards recorded together; none where one of them is missing or did not get to its end.
    pub fn of_union(union: &Union) -> Option<Self> {
        let whole = union.complaints.is_empty().then(|| Self::of(&union.evidence))??;
        Some(Self { setup_ms: union.setup_ms, ..whole })
    }

    /// This with what a newer run recorded: its tiers replace those of the same name, except for tests that did not pass.
    #[must_use]
    pub fn updated(mut self, newer: Self) -> Self {
        self.schema = newer.schema;
        self.setup_ms = newer.setup_ms;
        self.builds.extend(newer.builds);
        for (name, tier) in newer.tiers {
            let earlier = self.tiers.remove(&name).unwrap_or_default();
            self.tiers.insert(name, tier.with_what_did_not_pass(&earlier));
        }
        self
    }

    /// What a shard takes beside running its tests, where the instrumented build was packed up for it or not. The optimised
    /// build is that of its tier alone. What is not recorded counts as nothing.
    pub(super) fn shard_setup_ms(&self, packed: bool) -> Milliseconds {
        let instrumented = BuildKind::Instrumented;
        let name = if packed { instrumented.unpacked() } else { instrumented.as_str().to_owned() };
        self.setup_ms.saturating_add(self.build_ms(&name))
    }

    /// What the build of this name took; nothing where that is not recorded.
    pub(super) fn build_ms(&self, name: &str) -> Milliseconds {
        self.builds.get(name).copied().unwrap_or(0)
    }

    /// How many of these tests have a recorded duration.
    pub(super) fn known<'a>(&self, tests: impl Iterator<Item = (&'a TierName, &'a TestId)>) -> usize {
        tests.filter(|(tier, test)| self.recorded(tier, test).is_some()).count()
    }

    fn recorded(&self, tier: &TierName, test: &TestId) -> Option<Milliseconds> {
        self.tiers.get(tier)?.tests.get(&test.to_string()).copied()
    }

    /// Those of a tier's tests whose start decides when the tier ends, the longest first: started last, one of them would
    /// keep one core busy while the others idle. At most `most` of them, and none that took less than half a second.
    pub fn longest(&self, tier: &TierName, tests: &[TestId], most: usize) -> Vec<TestId> {
        let recorded = tests.iter().filter_map(|test| Some((self.recorded(tier, test)?, test)));
        let mut long: Vec<(Milliseconds, &TestId)> = recorded.filter(|(ms, _)| *ms >= SHORT_MS).collect();
        long.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        long.into_iter().take(most).map(|(_, test)| test.clone()).collect()
    }

    /// What each of a tier's tests adds to the wall time of its shard, in microseconds.
    ///
    /// Tests of a tier run side by side, so a duration counts for as much as the tier's wall time has of the sum of all
    /// durations. A test that is not known takes the tier's median, and one of an unknown tier the median of all.
    pub(super) fn costs_us(&self, tier: &TierName, tests: &[TestId]) -> Vec<u64> {
        let everything = || self.tiers.values().flat_map(|tier| tier.tests.values().copied()).collect();
        let (known, share) = match self.tiers.get(tier).filter(|tier| !tier.tests.is_empty()) {
            Some(tier) => (tier.tests.values().copied().collect::<Vec<_>>(), tier.share()),
            None => (everything(), (1, 1)),
        };
        let median = median(known);
        let cost = |ms: Milliseconds| {
            let scaled = u128::from(ms.max(1)) * 1000 * u128::from(share.0) / u128::from(share.1);
            u64::try_from(scaled).unwrap_or(u64::MAX).max(1)
        };
        tests.iter().map(|test| cost(self.recorded(tier, test).unwrap_or(median))).collect()
    }
}

impl TierDurations {
    /// What a tier's run recorded; of its wall time, as much as tests that passed have of what all of them took.
    fn of(tier: &TierEvidence) -> Self {
        let last = |test: &TestResult| Some((test.id.to_string(), test.last_pass()?.duration_ms));
        let tests: BTreeMap<String, Milliseconds> = tier.results.iter().filter_map(last).collect();
        let not_passed = tier.planned.iter().map(TestId::to_string).filter(|test| !tests.contains_key(test)).collect();
        let failed = tier.results.iter().filter(|test| test.last_pass().is_none());
        let (passed_ms, failed_ms): (Milliseconds, Milliseconds) =
            (tests.values().sum(), failed.map(TestResult::duration_ms).sum());
        let wall_ms = match failed_ms {
            0 => tier.wall_ms,
            _ => part(tier.wall_ms, (passed_ms, passed_ms.saturating_add(failed_ms))),
        };
        Self { wall_ms, tests, not_passed }
    }

    /// This with the earlier figures of the tests that did not pass, whose part of the wall time is that of the earlier run.
    fn with_what_did_not_pass(mut self, earlier: &Self) -> Self {
        let kept = earlier.tests.iter().filter(|(test, _)| self.not_passed.contains(*test));
        let kept: BTreeMap<String, Milliseconds> = kept.map(|(test, ms)| (test.clone(), *ms)).collect();
        self.wall_ms = self.wall_ms.saturating_add(part(kept.values().sum(), earlier.share()));
        self.tests.extend(kept);
        self
    }

    /// Wall time to the sum of durations, as a fraction.
    fn share(&self) -> (Milliseconds, Milliseconds) {
        let sum: Milliseconds = self.tests.values().map(|ms| (*ms).max(1)).sum();
        if self.wall_ms == 0 || sum == 0 { (1, 1) } else { (self.wall_ms, sum) }
    }
}

/// This much of a time, as a fraction.
fn part(ms: Milliseconds, share: (Milliseconds, Milliseconds)) -> Milliseconds {
    u64::try_from(u128::from(ms) * u128::from(share.0) / u128::from(share.1)).unwrap_or(u64::MAX)
}

fn median(mut values: Vec<Milliseconds>) -> Milliseconds {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(1)
}

#[cfg(test)]
mod unit {
    use super::*;
    use tollgate_model::{
        Attempt,
        AttemptOutcome::{self, Failed, Passed},
    };

    /// Tests of one tier by name, whether they passed and how long they took.
    fn durations(wall_ms: Milliseconds, tests: &[(&str, AttemptOutcome, Milliseconds)]) -> Durations {
        let result = |&(name, outcome, duration_ms): &(&str, AttemptOutcome, Milliseconds)| {
            let attempt = Attempt { outcome, duration_ms, message: String::new(), output: String::new() };
            TestResult { id: TestId::new("core", name), attempts: vec![attempt] }
        };
        let results: Vec<TestResult> = tests.iter().map(result).collect();
        let planned = results.iter().map(|test| test.id.clone()).collect();
        let (name, status) = (TierName::new("e2e").expect("a name"), TierStatus::Ran);
        let tier = TierEvidence { name: name.clone(), status, planned, results, wall_ms, machine: None };
        Durations { tiers: [(name, TierDurations::of(&tier))].into(), ..Durations::default() }
    }

    fn costs_us(durations: &Durations, names: &[&str]) -> Vec<u64> {
        let tests: Vec<TestId> = names.iter().map(|name| TestId::new("core", *name)).collect();
        durations.costs_us(&TierName::new("e2e").expect("a name"), &tests)
    }

    #[test]
    fn tests_that_fail_cost_what_they_did_when_they_passed() {
        let green = durations(50_000, &[("a", Passed, 40_000), ("b", Passed, 60_000), ("gone", Passed, 100_000)]);
        assert_eq!(costs_us(&green, &["a", "b"]), [10_000_000, 15_000_000]);
        let red = green.clone().updated(durations(100, &[("a", Failed, 200), ("b", Failed, 200)]));
        assert_eq!(costs_us(&red, &["a", "b"]), [10_000_000, 15_000_000], "all failed at once");
        let again = red.clone().updated(durations(900_000, &[("a", Failed, 1), ("b", Failed, 1_200_000)]));
        assert_eq!(costs_us(&again, &["a", "b"]), [10_000_000, 15_000_000], "and then after a long wait");
        let partly = red.updated(durations(6_000, &[("a", Passed, 20_000), ("b", Failed, 4_000)]));
        assert_eq!(costs_us(&partly, &["a", "b"]), [5_000_000, 15_000_000]);
        let e2e = &partly.tiers[&TierName::new("e2e").expect("a name")];
        assert_eq!(e2e.tests.len(), 2, "what is not there any more is forgotten");
    }

    #[test]
    fn what_was_kept_of_tests_is_written_without_saying_why() {
        let written = serde_json::to_value(durations(5, &[("a", Failed, 5)])).expect("JSON");
        assert_eq!(written["tiers"]["e2e"], serde_json::json!({ "wall-ms": 0, "tests": {} }));
    }
}
