//! Tests that are worth stressing: those that were flaky, those that few runs have seen, and those in quarantine.

use super::{FlakyTest, StressReport};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use tollgate_model::{QuarantinedTest, RunId, RunRecord, SCHEMA, TestId, TestOutcome, TierName};

/// For so long a test is new: in a week of nights each is stressed seven times.
pub const NEW_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Most tests of one stress. More fit into no night, and their names into no command line.
pub const SUSPECTS_MAX: usize = 100;

/// Why a test is stressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suspicion {
    /// It was flaky in a run that counts.
    Flaky,
    /// A run of a week before does not have it.
    New,
    /// It is quarantined; executions without a failure let it out.
    Quarantined,
}

impl Suspicion {
    /// The word of reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flaky => "flaky",
            Self::New => "new",
            Self::Quarantined => "quarantined",
        }
    }
}

/// A test to stress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Suspect {
    /// The test.
    pub test: TestId,
    /// Its tier.
    pub tier: TierName,
    /// Why.
    pub why: Suspicion,
}

/// Picks the tests of the newest run that need stress: flaky ones by their rank, then quarantined ones, then new ones; at
/// most [`SUSPECTS_MAX`], and how many more there are. `before` is the run that new tests are missing in; where there is
/// none, every test would be new, so none is. Tiers that `fits` rejects are left out.
pub fn suspects(
    newest: &RunRecord,
    before: Option<&RunRecord>,
    flaky: &[FlakyTest],
    quarantined: &[QuarantinedTest],
    fits: &dyn Fn(&TierName) -> bool,
) -> (Vec<Suspect>, usize) {
    let of = |record: &RunRecord| -> BTreeMap<TestId, TierName> {
        let tests = record.tiers.iter().flat_map(|tier| tier.tests.iter().map(move |test| (tier, test)));
        let ran = tests.filter(|(_, test)| test.outcome != TestOutcome::Ignored);
        ran.map(|(tier, test)| (test.id.clone(), tier.name.clone())).collect()
    };
    let (known, old) = (of(newest), before.map(of));
    let is_new = |test: &&TestId| old.as_ref().is_some_and(|old| !old.contains_key(*test));
    let flaky = flaky.iter().map(|test| (&test.test, Suspicion::Flaky));
    let quarantined: BTreeSet<&TestId> = quarantined.iter().map(|entry| &entry.test).collect();
    let all = flaky
        .filter(|(test, _)| !quarantined.contains(test))
        .chain(quarantined.iter().map(|test| (*test, Suspicion::Quarantined)))
        .chain(known.keys().filter(is_new).map(|test| (test, Suspicion::New)));
    let mut seen = BTreeSet::new();
    let mut suspects = Vec::new();
    for (test, why) in all {
        let Some(tier) = known.get(test).filter(|tier| fits(tier)) else { continue };
        if seen.insert(test.clone()) {
            suspects.push(Suspect { test: test.clone(), tier: tier.clone(), why });
        }
    }
    let more = suspects.len().saturating_sub(SUSPECTS_MAX);
    suspects.truncate(SUSPECTS_MAX);
    (suspects, more)
}

/// When a test that no run had then is new.
pub fn new_since(newest: Timestamp) -> Timestamp {
    newest.saturating_sub(NEW_FOR).unwrap_or(newest)
}

/// What stressing the suspects of a history showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SuspectsReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The run in which it was found; `none` where no test was suspected.
    pub run: RunId,
    /// When that began.
    pub started_at: Timestamp,
    /// The tests, in the order in which they were picked, each with what was seen.
    pub tests: Vec<(Suspect, StressReport)>,
    /// Tests that there was no room for, or that can't be asked for by name.
    pub more: usize,
}

impl SuspectsReport {
    /// Nothing was executed yet.
    pub fn new(run: RunId, started_at: Timestamp, suspects: Vec<Suspect>, more: usize, burners: u32) -> Self {
        let report = |suspect: Suspect| {
            let mut report = StressReport::new(suspect.test.to_string(), burners);
            report.quarantined = suspect.why == Suspicion::Quarantined;
            (suspect, report)
        };
        Self { schema: SCHEMA, run, started_at, tests: suspects.into_iter().map(report).collect(), more }
    }

    /// The tests that failed, quarantined ones apart: nobody expects more of those.
    pub fn failed(&self) -> impl Iterator<Item = &(Suspect, StressReport)> {
        self.tests.iter().filter(|(suspect, report)| suspect.why != Suspicion::Quarantined && report.failed() > 0)
    }

    /// Whether a test was executed at all.
    pub fn is_begun(&self) -> bool {
        self.tests.iter().any(|(_, report)| report.is_begun())
    }

    /// The report as text: a line a test, and the whole of each that failed or may leave its quarantine.
    pub fn render(&self) -> String {
        let mut text = format!("  {:>11}  {:>9}  {:>9}  TEST\n", "WHY", "PLAIN", "STRESSED");
        // Writing to a string can't fail.
        for (suspect, report) in &self.tests {
            let [plain, stressed] = [report.plain, report.stressed].map(|of| format!("{}/{}", of.failed, of.all));
            let _ = writeln!(text, "  {:>11}  {plain:>9}  {stressed:>9}  {}", suspect.why.as_str(), suspect.test);
        }
        if self.more > 0 {
            let _ = writeln!(text, "  and {} more, for which there is no room", self.more);
        }
        let of_interest = self.tests.iter().filter(|(_, report)| report.failed() > 0 || report.quarantined);
        for (_, report) in of_interest {
            let _ = write!(text, "\n{}", report.render());
        }
        text
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::history::{Provenance, record};
    use crate::judge::sample;
    use tollgate_model::{Source, TestRecord};

    /// The record of a run whose tier `unit` has these tests.
    fn run(tests: &[&str]) -> RunRecord {
        let (lock_file, configuration) = (String::new(), Vec::new());
        let provenance = Provenance { source: Source::Main, branch: None, tree: None, lock_file, configuration };
        let mut record = record(&sample::evidence(), &sample::plan(), &provenance);
        record.tiers.retain(|tier| tier.name.as_str() == "unit");
        record.tiers[0].tests = tests.iter().map(|name| TestRecord::passed(TestId::new("core", *name), 1)).collect();
        record
    }

    fn flaky(name: &str) -> FlakyTest {
        let newest = run(&[]);
        let (last_run, last_at) = (newest.run, newest.started_at);
        FlakyTest { test: TestId::new("core", name), flaky_runs: 1, runs: 2, expected: 0.1, last_run, last_at }
    }

    fn quarantined(name: &str) -> QuarantinedTest {
        let (owner, reason, issue) = ("ann".into(), "slow".into(), "#7".into());
        let day: jiff::civil::Date = "2026-11-01".parse().unwrap();
        QuarantinedTest { test: TestId::new("core", name), owner, reason, issue, since: day, expires: day }
    }

    fn picked(newest: &RunRecord, before: Option<&RunRecord>, fits: bool) -> Vec<(String, Suspicion)> {
        let flaky = [flaky("often"), flaky("muted"), flaky("gone")];
        let (found, _) = suspects(newest, before, &flaky, &[quarantined("muted")], &|_| fits);
        found.into_iter().map(|suspect| (suspect.test.name, suspect.why)).collect()
    }

    #[test]
    fn flaky_quarantined_and_new_tests_are_suspected_in_that_order_and_what_is_gone_is_not() {
        use Suspicion::{Flaky, New, Quarantined};
        let newest = run(&["muted", "new", "often", "old"]);
        let named = |names: &[(&str, Suspicion)]| -> Vec<(String, Suspicion)> {
            names.iter().map(|(name, why)| ((*name).to_owned(), *why)).collect()
        };
        let known = named(&[("often", Flaky), ("muted", Quarantined)]);
        assert_eq!(picked(&newest, None, true), known, "without an earlier run nothing is new");
        let all = named(&[("often", Flaky), ("muted", Quarantined), ("new", New)]);
        assert_eq!(picked(&newest, Some(&run(&["muted", "often", "old"])), true), all);
        assert_eq!(picked(&newest, Some(&run(&[])), false), [], "of tiers under load");
    }

    #[test]
    fn there_is_room_for_so_many_and_the_others_are_counted() {
        let names: Vec<String> = (0..SUSPECTS_MAX + 3).map(|n| format!("t{n:03}")).collect();
        let newest = run(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let (found, more) = suspects(&newest, Some(&run(&[])), &[flaky("t102")], &[], &|_| true);
        assert_eq!((found.len(), more), (SUSPECTS_MAX, 3));
        assert_eq!((found[0].test.name.as_str(), found[0].why), ("t102", Suspicion::Flaky));
    }

    #[test]
    fn what_failed_is_told_in_full_and_a_quarantined_test_fails_nothing() {
        let newest = run(&["muted", "often"]);
        let (found, _) = suspects(&newest, None, &[flaky("often")], &[quarantined("muted")], &|_| true);
        let mut report = SuspectsReport::new(newest.run.clone(), newest.started_at, found, 2, 4);
        assert!(!report.is_begun());
        let quiet = SuspectsReport { more: 0, ..report.clone() }.render();
        assert_eq!((quiet.matches("core often").count(), quiet.contains("no room")), (1, false), "{quiet}");
        let failed = |name: &str| tollgate_model::TestResult {
            id: TestId::new("core", name),
            attempts: vec![sample::failed(1, "too late", "")],
        };
        report.tests[1].1.add(&failed("muted"), true);
        assert_eq!((report.is_begun(), report.failed().count()), (true, 0));
        report.tests[0].1.add(&failed("often"), false);
        assert_eq!(report.failed().count(), 1);
        let text = report.render();
        let begin = "          WHY      PLAIN   STRESSED  TEST\n        flaky        1/1        0/0  core often\n  \
                     quarantined        0/0        1/1  core muted\n  and 2 more, for which there is no room\n\ncore often\n";
        assert!(text.starts_with(begin), "{text}");
    }
}
