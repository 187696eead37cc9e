//! The stored form of a record: passes carry almost no information, so they take almost no room.
//!
//! A record is a line of JSON and, after it, one byte for each test. The JSON has the tests that did not simply pass in
//! full. Which tests there are, and in which order, stands in *layouts*, blobs that many runs share; the byte of a test
//! is its duration in steps of 6 %, or 0 where the test did not pass: how long it takes to fail says nothing of how long it
//! takes to pass.

use super::objects::digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tollgate_model::{Digest, Milliseconds, RunRecord, SCHEMA, TestId, TestOutcome, TestRecord};

/// Ratio of two neighbouring durations; `1.06^254` ms are 44 minutes, and longer ones read as that.
const STEP: f64 = 1.06;

/// The byte of a test that did not pass: ignored, where the JSON does not have it.
pub(super) const NOT_PASSED: u8 = 0;

/// A record as it is stored, not yet united with its layouts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Packed {
    /// The record, with only the unusual ones among its tests.
    pub(super) record: RunRecord,
    /// The layout of each tier.
    pub(super) layouts: Vec<Digest>,
    /// The bytes of all tiers, one after the other.
    pub(super) durations: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Head {
    layouts: Vec<Digest>,
    record: RunRecord,
}

/// Tests by their binary, both sorted.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Layout {
    tests: BTreeMap<String, Vec<String>>,
}

impl Packed {
    /// Takes a record apart; also gives the layouts, as blobs.
    pub(super) fn of(record: &RunRecord) -> (Self, Vec<Vec<u8>>) {
        let (mut layouts, mut blobs, mut durations) = (Vec::new(), Vec::new(), Vec::new());
        let mut record = record.clone();
        for tier in &mut record.tiers {
            tier.tests.sort_by(|a, b| a.id.cmp(&b.id));
            tier.tests.dedup_by(|later, earlier| later.id == earlier.id);
            durations.extend(tier.tests.iter().map(byte));
            let layout = json(&Layout::of(tier.tests.iter().map(|test| &test.id)));
            layouts.push(digest(&layout));
            blobs.push(layout);
            tier.tests.retain(|test| !test.is_plain());
        }
        (Self { record, layouts, durations }, blobs)
    }

    /// The bytes to store.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let head = Head { layouts: self.layouts.clone(), record: self.record.clone() };
        // JSON without indentation has no line end in it.
        let mut bytes = json(&head);
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.durations);
        bytes
    }

    /// Reads what was stored, or says what is wrong with it.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let end = bytes.iter().position(|&byte| byte == b'\n').ok_or("it has no first line")?;
        let head: Head = serde_json::from_slice(&bytes[..end]).map_err(|error| error.to_string())?;
        if head.record.schema != SCHEMA {
            return Err(format!("its schema is {}, and this version reads {SCHEMA}", head.record.schema));
        }
        if head.layouts.len() != head.record.tiers.len() {
            return Err("it has not one layout for each tier".to_owned());
        }
        let names: BTreeSet<_> = head.record.tiers.iter().map(|tier| &tier.name).collect();
        if names.len() != head.record.tiers.len() {
            return Err("it has a tier more than once".to_owned());
        }
        Ok(Self { record: head.record, layouts: head.layouts, durations: bytes[end + 1..].to_vec() })
    }

    /// The durations of each tier, cut by the lengths of their layouts; none where they don't add up.
    pub(super) fn cut(&self, lengths: &[usize]) -> Option<Vec<&[u8]>> {
        let mut rest = self.durations.as_slice();
        let tiers = lengths.iter().map(|&length| {
            let (tier, after) = rest.split_at_checked(length)?;
            rest = after;
            Some(tier)
        });
        let tiers: Option<Vec<_>> = tiers.collect();
        tiers.filter(|_| rest.is_empty())
    }

    /// The whole record; none where the durations are not those of the layouts.
    pub(super) fn unpack(&self, layouts: &[&[TestId]]) -> Option<RunRecord> {
        let lengths: Vec<usize> = layouts.iter().map(|tests| tests.len()).collect();
        let durations = self.cut(&lengths)?;
        let mut record = self.record.clone();
        for (tier, (tests, bytes)) in record.tiers.iter_mut().zip(layouts.iter().zip(durations)) {
            let unusual = std::mem::take(&mut tier.tests);
            let mut unusual: BTreeMap<TestId, TestRecord> =
                unusual.into_iter().map(|test| (test.id.clone(), test)).collect();
            let plain = tests.iter().zip(bytes).map(|(id, &byte)| match (unusual.remove(id), byte) {
                (Some(test), _) => test,
                (None, NOT_PASSED) => TestRecord::ignored(id.clone()),
                (None, byte) => TestRecord::passed(id.clone(), duration_ms(byte)),
            });
            tier.tests = plain.collect();
        }
        Some(record)
    }
}

impl Layout {
    fn of<'a>(ids: impl Iterator<Item = &'a TestId>) -> Self {
        let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for id in ids {
            tests.entry(id.binary.clone()).or_default().push(id.name.clone());
        }
        Self { tests }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("text, numbers, and maps with names as keys always have a form in JSON")
}

/// Reads a layout; its tests are in their order.
pub(super) fn layout(bytes: &[u8]) -> Result<Vec<TestId>, String> {
    let layout: Layout = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let ids = layout.tests.into_iter().flat_map(|(binary, names)| {
        names.into_iter().map(move |name| TestId::new(binary.clone(), name)).collect::<Vec<_>>()
    });
    let ids: Vec<TestId> = ids.collect();
    if ids.is_sorted_by(|one, next| one < next) { Ok(ids) } else { Err("its tests are not in order".to_owned()) }
}

fn byte(test: &TestRecord) -> u8 {
    if matches!(test.outcome, TestOutcome::Ignored | TestOutcome::Failed) {
        return NOT_PASSED;
    }
    let steps = (test.duration_ms as f64).ln_1p() / STEP.ln();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped to what a byte holds")]
    let byte = (steps.round() + 1.0).clamp(1.0, 255.0) as u8;
    byte
}

/// The duration that a byte stands for; a test that did not pass took no time to do so.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is not negative and below 2^22")]
pub(super) fn duration_ms(byte: u8) -> Milliseconds {
    (STEP.powi(i32::from(byte.max(1)) - 1) - 1.0).round() as Milliseconds
}

#[cfg(test)]
mod unit {
    use super::*;

    fn lasting(duration_ms: Milliseconds) -> TestRecord {
        TestRecord::passed(TestId::new("core", "a"), duration_ms)
    }

    #[test]
    fn durations_are_kept_within_three_percent_and_short_ones_exactly() {
        for exact in [0, 1, 2, 3, 5, 9] {
            assert_eq!(duration_ms(byte(&lasting(exact))), exact);
        }
        let mut before = 0;
        for ms in (10..2_000_000).step_by(997) {
            let kept = duration_ms(byte(&lasting(ms)));
            assert!(kept.abs_diff(ms) as f64 <= 0.031 * ms as f64 + 1.0, "{ms} is kept as {kept}");
            assert!(kept >= before);
            before = kept;
        }
        let longest = duration_ms(u8::MAX);
        assert_eq!(duration_ms(byte(&lasting(u64::MAX))), longest);
        assert!((40 * 60_000..50 * 60_000).contains(&longest), "{longest}");
    }

    #[test]
    fn a_test_that_did_not_pass_is_told_from_one_that_took_no_time() {
        assert_eq!(byte(&TestRecord::ignored(TestId::new("core", "a"))), NOT_PASSED);
        assert_eq!(byte(&lasting(0)), 1);
    }

    #[test]
    fn what_is_no_record_is_refused_with_the_reason() {
        assert_eq!(Packed::from_bytes(b"{}").unwrap_err(), "it has no first line");
        assert!(Packed::from_bytes(b"{}\n").unwrap_err().contains("missing field"));
        assert!(layout(b"7").unwrap_err().contains("invalid type"));
        assert_eq!(layout(br#"{"tests":{"core":["b","a"]}}"#).unwrap_err(), "its tests are not in order");
    }
}
