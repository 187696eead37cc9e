//! `ci/quarantine.toml`: its form, and what a schema can't say about it.

use super::check::Subject;
use super::problem::Problem;
use crate::flake::Muted;
use jiff::{civil::Date, tz::TimeZone};
use schemars::JsonSchema;
use serde::Deserialize;
use tollgate_model::{QuarantinedTest, TestId};

/// Longest time that a test may be quarantined.
const DAYS_MAX: i32 = 30;

/// Tests whose failures are known, and muted for a while: `ci/quarantine.toml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[schemars(title = "ci/quarantine.toml")]
#[schemars(extend("required" = ["version"]))]
pub(super) struct QuarantineFile {
    /// Version of the form of this file: 1.
    #[schemars(extend("const" = 1))]
    pub(super) version: Option<u32>,
    /// Tests that are run and reported as always, and whose failures and flakes make nothing red.
    pub(super) quarantine: Vec<Entry>,
    /// Flaky tests that were mended: what they did up to that day no longer counts against the main branch.
    pub(super) fixed: Vec<Fixed>,
}

/// A test whose failures are muted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[schemars(extend("required" = ["test", "owner", "reason", "issue", "since", "expires"]))]
pub(super) struct Entry {
    /// The test as reports write it: binary and name, `identity::integration login::works`.
    #[schemars(extend("format" = "test"))]
    test: Option<String>,
    /// Who mends it.
    #[schemars(length(min = 1))]
    owner: Option<String>,
    /// What is known of it.
    #[schemars(length(min = 1))]
    reason: Option<String>,
    /// Where it is followed up: the address or the number of an issue.
    #[schemars(length(min = 1))]
    issue: Option<String>,
    /// The day it was quarantined.
    #[schemars(extend("format" = "day"))]
    since: Option<String>,
    /// The last day it is; at most 30 days later. From the next day on the gate `quarantine` fails.
    #[schemars(extend("format" = "day"))]
    expires: Option<String>,
}

/// A flaky test that was mended.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[schemars(extend("required" = ["test", "on", "reason"]))]
pub(super) struct Fixed {
    /// The test as reports write it: binary and name.
    #[schemars(extend("format" = "test"))]
    test: Option<String>,
    /// The day on which the main branch got the remedy.
    #[schemars(extend("format" = "day"))]
    on: Option<String>,
    /// What the remedy was.
    #[schemars(length(min = 1))]
    reason: Option<String>,
}

/// The checked `ci/quarantine.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// Tests whose failures are muted, expired entries included.
    pub tests: Vec<QuarantinedTest>,
    /// Tests that were mended, each with the day.
    pub fixed: Vec<(TestId, Date)>,
}

impl Quarantine {
    /// Whose flakes don't count, as seen on a day.
    pub fn muted(&self, day: Date) -> Muted {
        let on = |day: Date| Some(day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
        let quarantined = self.tests.iter().filter(|entry| entry.mutes(day));
        // Nobody can have mended a test on a day to come.
        let fixed = self.fixed.iter().filter(|(_, on)| *on <= day);
        Muted {
            quarantined: quarantined.map(|entry| entry.test.clone()).collect(),
            fixed: fixed.filter_map(|(test, day)| Some((test.clone(), on(*day)?))).collect(),
        }
    }
}

/// Checks `ci/quarantine.toml`.
pub(super) fn quarantine(subject: &Subject<'_, QuarantineFile>, problems: &mut Vec<Problem>) -> Quarantine {
    let mut checked = Quarantine::default();
    for (index, entry) in subject.file.quarantine.iter().enumerate() {
        let index = index.to_string();
        // What is missing or has not its form is reported already.
        let Some(read) = read(entry) else { continue };
        if checked.tests.iter().any(|earlier| earlier.test == read.test) {
            let message = format!("`{}` is quarantined twice", read.test);
            problems.push(subject.at_value(&["quarantine", &index, "test"], message));
        }
        let days = read.since.until(read.expires).map_or(0, |span| span.get_days());
        if !(0..=DAYS_MAX).contains(&days) {
            let message = match days {
                ..0 => "this quarantine ends before it begins".to_owned(),
                _ => format!("this quarantine lasts {days} days, and {DAYS_MAX} are the most"),
            };
            let problem = subject.at_value(&["quarantine", &index, "expires"], message);
            problems.push(problem.hint("mend the test, or take it out of the workspace until somebody does"));
        }
        checked.tests.push(read);
    }
    let fixed = |fixed: &Fixed| Some((test_id(fixed.test.as_deref()?)?, fixed.on.as_deref()?.parse().ok()?));
    checked.fixed = subject.file.fixed.iter().filter_map(fixed).collect();
    checked
}

fn read(entry: &Entry) -> Option<QuarantinedTest> {
    Some(QuarantinedTest {
        test: test_id(entry.test.as_deref()?)?,
        owner: entry.owner.clone()?,
        reason: entry.reason.clone()?,
        issue: entry.issue.clone()?,
        since: entry.since.as_deref()?.parse().ok()?,
        expires: entry.expires.as_deref()?.parse().ok()?,
    })
}

/// A test as reports write it.
pub(super) fn test_id(text: &str) -> Option<TestId> {
    let (binary, name) = text.split_once(' ')?;
    (!binary.is_empty() && !name.trim().is_empty()).then(|| TestId::new(binary, name))
}

#[cfg(test)]
mod unit {
    use super::super::unit::{SMALL, sources};
    use super::super::{Sources, load};

    fn with(quarantine: &str) -> Sources {
        let text = format!("version = 1\n{quarantine}");
        Sources { quarantine: Some(("ci/quarantine.toml".into(), text)), ..sources(SMALL, "version = 1") }
    }

    const ENTRY: &str = "[[quarantine]]\ntest = \"core waits\"\nowner = \"ann\"\nreason = \"slow\"\nissue = \"#7\"\n";

    #[test]
    fn a_quarantine_is_read_and_mutes_until_its_last_day() {
        let text = format!(
            "{ENTRY}since = \"2026-11-01\"\nexpires = \"2026-12-01\"\n[[fixed]]\ntest = \"core sorts\"\non = \"2026-11-20\"\nreason = \"sorted\"\n"
        );
        let quarantine = load(&with(&text)).expect("no mistake").quarantine;
        let shown = |day: &str| {
            let muted = quarantine.muted(day.parse().unwrap());
            let fixed = muted.fixed.iter().map(|(test, until)| format!("{test} until {until}"));
            muted.quarantined.iter().map(ToString::to_string).chain(fixed).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(shown("2026-12-01"), "core waits, core sorts until 2026-11-21T00:00:00Z");
        assert_eq!(shown("2026-12-02"), "core sorts until 2026-11-21T00:00:00Z");
        assert_eq!(shown("2026-11-01"), "core waits");
        assert_eq!(shown("2026-10-31"), "");
    }

    #[test]
    fn a_quarantine_without_an_end_an_owner_or_a_test_is_refused_in_its_place() {
        let mistakes = |text: &str| {
            let problems = load(&with(text)).expect_err("there are mistakes");
            let lines = problems.iter().map(|it| format!("{}:{} {}", it.line, it.column, it.message));
            lines.collect::<Vec<_>>().join("\n")
        };
        let text = format!(
            "{ENTRY}since = \"2026-11-01\"\nexpires = \"2026-12-02\"\n{ENTRY}since = \"2026-11-02\"\nexpires = \"2026-11-01\"\n\
             [[quarantine]]\ntest = \"waits\"\nsince = \"1.11.2026\"\nexpires = 2026-12-01\nwho = \"ann\"\n"
        );
        insta::assert_snapshot!(mistakes(&text), @r"
        8:11 this quarantine lasts 31 days, and 30 are the most
        10:8 `core waits` is quarantined twice
        15:11 this quarantine ends before it begins
        16:1 `owner` is missing in `[[quarantine]]`
        16:1 `reason` is missing in `[[quarantine]]`
        16:1 `issue` is missing in `[[quarantine]]`
        17:8 `waits` is not a test
        18:9 `1.11.2026` is not a day
        19:11 `expires` is a date, and a text was expected
        20:1 unknown key `who` in `[[quarantine]]`
        ");
    }
}
