//! How often each gate raised a false alarm, and how often it missed.

use super::Row;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use tollgate_model::{GateFigures, SelfTest, SelfTests, Tally};

/// How many days of self-tests are counted together.
pub const DAYS: u32 = 90;

/// Counts the rows by gate.
pub fn figures(rows: &[Row]) -> Vec<GateFigures> {
    let mut gates: BTreeMap<&str, (Tally, Tally)> = BTreeMap::new();
    for row in rows {
        for gate in row.trial.expect.keys() {
            gates.entry(gate).or_default().1.count(row.missed.contains_key(gate));
        }
        let seen = row.seen.gates.iter().flat_map(BTreeMap::keys);
        for gate in seen.filter(|gate| !row.trial.expect.contains_key(*gate)) {
            gates.entry(gate).or_default().0.count(row.false_alarms.contains_key(gate));
        }
    }
    let named = |(gate, (false_alarms, missed)): (&str, _)| GateFigures { gate: gate.to_owned(), false_alarms, missed };
    gates.into_iter().map(named).collect()
}

/// Adds up the self-tests of the last [`DAYS`] days before `now`; none where there was no self-test.
pub fn together(tests: &[SelfTest], now: Timestamp) -> Option<SelfTests> {
    let age = SignedDuration::from_hours(24 * i64::from(DAYS));
    let recent = tests.iter().filter(|test| now.duration_since(test.at) <= age);
    let (mut count, mut gates) = (0, BTreeMap::<&str, (Tally, Tally)>::new());
    for test in recent {
        count += 1;
        for gate in &test.gates {
            let (false_alarms, missed) = gates.entry(&gate.gate).or_default();
            false_alarms.add(gate.false_alarms);
            missed.add(gate.missed);
        }
    }
    let named = |(gate, (false_alarms, missed)): (&str, _)| GateFigures { gate: gate.to_owned(), false_alarms, missed };
    (count > 0).then(|| SelfTests { tests: count, days: DAYS, gates: gates.into_iter().map(named).collect() })
}
