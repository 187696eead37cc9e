//! What shards saw of tests that they executed again: those of the change under stress, and flaky and timed ones on change and
//! base.

use super::union::earlier;
use crate::judge::is_decided;
use std::collections::BTreeMap;
use tollgate_model::{
    ComparedTest, ConfirmedFlake, FlakeConfirmation, Receipt, Repeats, SpreadPlan, StressEvidence, StressedTest,
    TimeComparison,
};

/// The tests that shards stressed, each with what earlier attempts at its shard showed: to try again takes no failure back.
/// A shard that did not come to it leaves something out.
pub(super) fn stress(plan: &SpreadPlan, chosen: &BTreeMap<u32, &Receipt>, all: &[Receipt]) -> Option<StressEvidence> {
    plan.plan.policy.new_tests?;
    let mut united = StressEvidence::default();
    for shard in plan.shards.iter().map(|shard| shard.shard) {
        let last = chosen.get(&shard.index).copied();
        let stress = last.and_then(|receipt| receipt.evidence.stress.as_ref());
        let absent = || Some(format!("shard {shard} did not come to it"));
        let left_out = stress.map_or_else(absent, |stress| stress.left_out.clone());
        united.left_out = united.left_out.or(left_out);
        let Some(stress) = stress else { continue };
        united.burners = united.burners.max(stress.burners);
        united.wall_ms = united.wall_ms.max(stress.wall_ms);
        let earlier = last.map_or_else(Vec::new, |last| earlier(plan, all, last));
        let before = earlier.iter().filter_map(|one| one.evidence.stress.as_ref()).flat_map(|stress| &stress.tests);
        united.tests.extend(stress.tests.iter().map(|test| with_earlier(test, before.clone())));
    }
    Some(united)
}

/// A stressed test with what was seen of it before, oldest first.
fn with_earlier<'a>(test: &StressedTest, before: impl Iterator<Item = &'a StressedTest>) -> StressedTest {
    let mut test = test.clone();
    let (mut repeats, mut message) = (Repeats::default(), None);
    for one in before.filter(|one| one.id == test.id && one.tier == test.tier) {
        repeats.extend(one.repeats);
        message = message.or_else(|| one.message.clone());
    }
    test.repeats.extend(repeats);
    test.message = message.or(test.message);
    test
}

/// The flaky tests that shards executed again, each with what earlier attempts at its shard showed.
pub(super) fn confirmation(
    plan: &SpreadPlan,
    chosen: &BTreeMap<u32, &Receipt>,
    all: &[Receipt],
) -> Option<FlakeConfirmation> {
    plan.plan.policy.change_flakes?;
    let mut united = FlakeConfirmation::default();
    for last in chosen.values() {
        let own = last.evidence.confirmation.iter();
        let before = earlier(plan, all, last).into_iter().filter_map(|one| one.evidence.confirmation.as_ref());
        for confirmation in own.clone().chain(before) {
            confirmation.tests.iter().for_each(|test| take_in(&mut united.tests, test));
        }
        for confirmation in own {
            united.burners = united.burners.max(confirmation.burners);
            united.wall_ms = united.wall_ms.max(confirmation.wall_ms);
            united.unconfirmed = united.unconfirmed.or_else(|| confirmation.unconfirmed.clone());
        }
    }
    let has_any = !united.tests.is_empty() || united.unconfirmed.is_some();
    has_any.then_some(united)
}

/// Adds the executions of a test to those that are known of it.
fn take_in(tests: &mut Vec<ConfirmedFlake>, test: &ConfirmedFlake) {
    let Some(known) = tests.iter_mut().find(|known| known.id == test.id && known.tier == test.tier) else {
        return tests.push(test.clone());
    };
    known.head.extend(test.head);
    if let (Some(known), Some(base)) = (&mut known.base, test.base) {
        known.extend(base);
    }
    known.message = known.message.take().or_else(|| test.message.clone());
}

/// The tests whose times the shard of their tier compared. What an earlier attempt at it decided stays decided, the first time
/// that was: to try again takes no slowdown back, and has no error of its own.
pub(super) fn comparison(
    plan: &SpreadPlan,
    chosen: &BTreeMap<u32, &Receipt>,
    all: &[Receipt],
) -> Option<TimeComparison> {
    let policy = plan.plan.policy.regression.as_ref()?;
    let (last, mut united) = chosen.values().find_map(|last| Some((last, last.evidence.comparison.clone()?)))?;
    let before = earlier(plan, all, last);
    let decided = |test: &ComparedTest| {
        before.iter().filter_map(|one| one.evidence.comparison.as_ref()).find_map(|one| {
            let known = one.tests.iter().find(|known| known.id == test.id && known.incomparable.is_none())?;
            is_decided(&known.pairs, policy, one.compared()).then(|| known.clone())
        })
    };
    for test in &mut united.tests {
        if let Some(known) = decided(test) {
            *test = known;
        }
    }
    Some(united)
}
