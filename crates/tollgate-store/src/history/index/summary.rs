//! The summary of a run as the index has it: its fields in their order, texts after their length, numbers in as many bytes as they
//! need. As JSON, reading it was most of what a question about hundreds of runs costs.

use std::error::Error;
use tollgate_model::{
    Digest, FailureRecord, Fingerprint, Outcome, RunId, RunSummary, Source, StageName, TestId, TestOutcome, TestRecord,
    TreeId,
};

/// Written by their place here. Whoever changes these, or the order of fields below, raises the version of the index.
const SOURCES: [Source; 5] = [Source::Fork, Source::Change, Source::Main, Source::Nightly, Source::Local];
const OUTCOMES: [Outcome; 5] = [Outcome::Passed, Outcome::Warned, Outcome::Unproven, Outcome::Failed, Outcome::Invalid];
const TEST_OUTCOMES: [TestOutcome; 4] =
    [TestOutcome::Passed, TestOutcome::Flaky, TestOutcome::Failed, TestOutcome::Ignored];

type Read<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The summary's row, without the record's name.
pub(super) fn to_row(summary: &RunSummary) -> Vec<u8> {
    let mut row = Writer(Vec::new());
    row.text(summary.run.as_str());
    row.number(summary.parts.len() as u64);
    for part in &summary.parts {
        row.text(part.as_str());
    }
    row.number(summary.started_at.as_second().cast_unsigned());
    row.number(i64::from(summary.started_at.subsec_nanosecond()).cast_unsigned());
    row.number(summary.wall_ms);
    row.optional(summary.commit.as_deref());
    row.optional(summary.tree.as_ref().map(TreeId::as_str));
    row.optional(summary.branch.as_deref());
    row.one_of(&SOURCES, summary.source);
    row.optional(summary.inputs.as_ref().map(Digest::as_str));
    row.text(summary.stage.as_str());
    row.number(summary.complete.into());
    row.one_of(&OUTCOMES, summary.outcome);
    row.number(summary.tests);
    row.number(summary.unusual.len() as u64);
    for test in &summary.unusual {
        row.text(&test.id.binary);
        row.text(&test.id.name);
        row.one_of(&TEST_OUTCOMES, test.outcome);
        row.number(test.attempts.into());
        row.number(test.failures.into());
        row.number(test.duration_ms);
        row.optional(test.failure.as_ref().map(|failure| failure.message.as_str()));
        if let Some(failure) = &test.failure {
            row.text(failure.fingerprint.as_str());
        }
    }
    row.0
}

/// Reads a row of the record with this name.
pub(super) fn from_row(record: Digest, row: &[u8]) -> Read<RunSummary> {
    let mut row = Reader(row);
    let summary = RunSummary {
        record: Some(record),
        run: RunId::new(row.text()?)?,
        parts: row.list(|row| Ok(RunId::new(row.text()?)?))?,
        started_at: jiff::Timestamp::new(row.number()?.cast_signed(), i32::try_from(row.number()?.cast_signed())?)?,
        wall_ms: row.number()?,
        commit: row.optional()?,
        tree: row.optional()?.map(TreeId::new).transpose()?,
        branch: row.optional()?,
        source: row.one_of(&SOURCES)?,
        inputs: row.optional()?.map(Digest::new).transpose()?,
        stage: StageName::new(row.text()?)?,
        complete: row.number()? != 0,
        outcome: row.one_of(&OUTCOMES)?,
        tests: row.number()?,
        unusual: row.list(test)?,
    };
    if row.0.is_empty() { Ok(summary) } else { Err("something follows its end".into()) }
}

fn test(row: &mut Reader<'_>) -> Read<TestRecord> {
    Ok(TestRecord {
        id: TestId { binary: row.text()?, name: row.text()? },
        outcome: row.one_of(&TEST_OUTCOMES)?,
        attempts: u32::try_from(row.number()?)?,
        failures: u32::try_from(row.number()?)?,
        duration_ms: row.number()?,
        failure: match row.optional()? {
            None => None,
            Some(message) => Some(FailureRecord { message, fingerprint: Fingerprint::new(row.text()?)? }),
        },
    })
}

struct Writer(Vec<u8>);

impl Writer {
    /// Seven bits a byte, the lowest first; the eighth says that another byte follows.
    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Whether there is one, and the text.
    fn optional(&mut self, text: Option<&str>) {
        self.number(text.is_some().into());
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn one_of<T: Copy + PartialEq>(&mut self, all: &[T], one: T) {
        self.number(all.iter().position(|known| *known == one).unwrap_or(all.len()) as u64);
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Read<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or("it ends early")?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number goes on for too long".into())
    }

    fn text(&mut self) -> Read<String> {
        let length = usize::try_from(self.number()?)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or("it ends early")?;
        self.0 = rest;
        Ok(std::str::from_utf8(text)?.to_owned())
    }

    fn optional(&mut self) -> Read<Option<String>> {
        if self.number()? == 0 { Ok(None) } else { self.text().map(Some) }
    }

    fn list<T>(&mut self, one: fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let length = self.number()?;
        (0..length).map(|_| one(self)).collect()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Read<T> {
        let place = usize::try_from(self.number()?)?;
        all.get(place).copied().ok_or_else(|| "a word of another version".into())
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn summary() -> RunSummary {
        let id = TestId::new("core", "a::adds");
        let failure = FailureRecord {
            fingerprint: Fingerprint::new("0123456789abcdef").unwrap(),
            message: "größer als \u{0}\n\"1\"".into(),
        };
        let flaky = TestRecord {
            outcome: TestOutcome::Flaky,
            attempts: 2,
            failures: 1,
            failure: Some(failure),
            ..TestRecord::passed(id.clone(), u64::MAX)
        };
        RunSummary {
            record: Some(Digest::new("a".repeat(64)).unwrap()),
            run: RunId::new("run-1").unwrap(),
            parts: vec![RunId::new("run-1-1").unwrap(), RunId::new("run-1-2").unwrap()],
            started_at: jiff::Timestamp::new(-7, -1).unwrap(),
            wall_ms: 300,
            commit: None,
            tree: TreeId::new("7".repeat(40)).ok(),
            branch: Some(String::new()),
            source: Source::Local,
            inputs: None,
            stage: StageName::new("production").unwrap(),
            complete: true,
            outcome: Outcome::Invalid,
            tests: 128,
            unusual: vec![flaky, TestRecord::ignored(id)],
        }
    }

    #[test]
    fn a_summary_is_read_back_and_nothing_shorter_or_longer_is_one() {
        let (summary, name) = (summary(), || Digest::new("a".repeat(64)).unwrap());
        let row = to_row(&summary);
        assert_eq!(from_row(name(), &row).unwrap(), summary);
        for end in 0..row.len() {
            assert!(from_row(name(), &row[..end]).is_err(), "at {end}");
        }
        assert_eq!(from_row(name(), &[&row[..], &[0]].concat()).unwrap_err().to_string(), "something follows its end");
    }

    #[test]
    fn every_word_has_its_place() {
        for source in Source::ALL {
            assert!(SOURCES.contains(&source), "{source}");
        }
        for outcome in Outcome::ALL {
            assert!(OUTCOMES.contains(&outcome), "{outcome}");
        }
        // Whoever adds an outcome of a test is led here.
        let place = |outcome: TestOutcome| match outcome {
            TestOutcome::Passed => 0,
            TestOutcome::Flaky => 1,
            TestOutcome::Failed => 2,
            TestOutcome::Ignored => 3,
        };
        assert_eq!(TEST_OUTCOMES.map(place), [0, 1, 2, 3]);
    }

    #[test]
    fn what_no_row_begins_with_is_refused() {
        let name = Digest::new("a".repeat(64)).unwrap();
        assert_eq!(from_row(name.clone(), &[0xff; 20]).unwrap_err().to_string(), "a number goes on for too long");
        let mut row = to_row(&RunSummary { source: Source::Fork, parts: Vec::new(), ..summary() });
        let fork = row.windows(2).position(|two| two == [1, 0]).unwrap() + 2;
        row[fork] = 9;
        assert_eq!(from_row(name, &row).unwrap_err().to_string(), "a word of another version");
    }
}
