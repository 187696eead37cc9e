//! Which tests took longer than in recorded runs.

use crate::judge::is_newly_slow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use tollgate_model::{Evidence, GrownTest, Growth, Milliseconds, TestId, TierName};

/// Fewer passes than these are no usual time.
const RUNS_MIN: u64 = 5;

/// How many tests are kept that grew and are not newly slow.
const SHOWN: usize = 10;

/// Compares the passed tests of a run with what each usually takes: tier, test, passes and their median. None where too few
/// runs are recorded of every test.
pub fn growth(
    evidence: &Evidence,
    usual: impl IntoIterator<Item = (TierName, TestId, u64, Milliseconds)>,
) -> Option<Growth> {
    let known = usual.into_iter().filter(|(_, _, runs, _)| *runs >= RUNS_MIN);
    let mut usual: BTreeMap<TestId, BTreeMap<TierName, (u64, Milliseconds)>> = BTreeMap::new();
    for (tier, id, runs, median) in known {
        usual.entry(id).or_default().insert(tier, (runs, median));
    }
    let results = evidence.tiers.iter().flat_map(|tier| tier.results.iter().map(move |test| (&tier.name, test)));
    let compared: Vec<GrownTest> = results
        .filter_map(|(tier, test)| {
            let known = usual.get(&test.id)?;
            // In another tier it is the same test.
            let &(runs, median_ms) = known.get(tier).or_else(|| known.values().next())?;
            let now_ms = test.last_pass()?.duration_ms;
            Some(GrownTest { id: test.id.clone(), tier: tier.clone(), now_ms, median_ms, runs })
        })
        .collect();
    let count = compared.len() as u64;
    let mut grown: Vec<GrownTest> = compared.into_iter().filter(|test| test.now_ms > test.median_ms).collect();
    grown.sort_by_key(|test| (Reverse(test.now_ms - test.median_ms), test.id.clone()));
    let mut others = 0;
    grown.retain(|test| {
        let slow = is_newly_slow(test.now_ms, test.median_ms);
        others += usize::from(!slow);
        slow || others <= SHOWN
    });
    (count > 0).then_some(Growth { compared: count, tests: grown })
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::sample;

    fn usual(runs: u64, median_ms: Milliseconds) -> Vec<(TierName, TestId, u64, Milliseconds)> {
        let tests = sample::evidence().tiers.into_iter().flat_map(|tier| {
            tier.results.into_iter().map(move |test| (tier.name.clone(), test.id, runs, median_ms)).collect::<Vec<_>>()
        });
        tests.collect()
    }

    #[test]
    fn a_test_is_compared_only_with_enough_of_its_own_runs() {
        let evidence = sample::evidence();
        assert_eq!(growth(&evidence, usual(4, 0)), None);
        assert_eq!(growth(&evidence, []), None);
        let none = growth(&evidence, usual(5, 60_000)).expect("compared");
        assert_eq!((none.compared, none.tests.len()), (7, 0), "the ignored one is no comparison");
        let mut hung = evidence;
        hung.tiers[0].results[0].attempts.push(sample::failed(90_000, "timed out", ""));
        assert_eq!(growth(&hung, usual(5, 60_000)), Some(none), "what counts is how long it took to pass");
    }

    #[test]
    fn a_test_that_is_in_another_tier_now_is_compared_with_what_it_took_there() {
        let mut evidence = sample::evidence();
        let unit = evidence.tiers.remove(0);
        let known = unit.results.iter().map(|test| (unit.name.clone(), test.id.clone(), 20, 1)).collect::<Vec<_>>();
        evidence.tiers = vec![tollgate_model::TierEvidence { name: sample::tier("e2e"), ..unit }];
        let moved = growth(&evidence, known.clone()).expect("compared");
        assert_eq!((moved.compared, moved.tests[0].tier.as_str()), (3, "e2e"));
        let here = known.iter().map(|(_, id, runs, _)| (sample::tier("e2e"), id.clone(), *runs, 60_000));
        let both: Vec<_> = known.iter().cloned().chain(here).collect();
        assert_eq!(growth(&evidence, both).expect("compared").tests, [], "its own tier comes first");
    }

    #[test]
    fn the_most_grown_come_first_and_the_newly_slow_are_all_kept() {
        let mut evidence = sample::evidence();
        sample::fail(&mut evidence.tiers[0], 40, 0);
        for (test, ms) in evidence.tiers[0].results.iter_mut().zip([9_000; 15]) {
            test.attempts[0].duration_ms = ms;
        }
        let known = |median| {
            let tests = evidence.tiers[0].results.iter();
            tests.map(|test| (sample::tier("unit"), test.id.clone(), 20, median)).collect::<Vec<_>>()
        };
        let slow = growth(&evidence, known(1_000)).expect("compared");
        assert_eq!((slow.compared, slow.tests.len()), (40, 15));
        let grown = growth(&evidence, known(8_000)).expect("compared");
        assert_eq!((grown.tests.len(), grown.tests[0].now_ms), (10, 9_000));
        assert_eq!(growth(&evidence, known(9_000)).expect("compared").tests, [], "as long as ever is not longer");
        let (times, mut usual) = ([(9_000, 8_000), (5_000, 1_000), (100, 10)], known(60_000));
        for (at, (now_ms, median_ms)) in times.into_iter().enumerate() {
            evidence.tiers[0].results[at].attempts[0].duration_ms = now_ms;
            usual[at].3 = median_ms;
        }
        let grown = growth(&evidence, usual).expect("compared").tests;
        assert_eq!(grown.iter().map(|test| test.now_ms).collect::<Vec<_>>(), [5_000, 9_000, 100]);
    }
}
