//! Reading a brief that a machine wrote which is not trusted.

use super::make::{LIST_MAX, TEXT_MAX};
use tollgate_model::{Brief, BriefMutants, BriefTest, SCHEMA};

/// Bytes of a brief as JSON; a larger one is not read.
pub const BRIEF_BYTES_MAX: u64 = 1024 * 1024;

/// A text that is no brief.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BriefError {
    /// It is too large to be read.
    #[error("it has {0} bytes, and a brief at most {BRIEF_BYTES_MAX}")]
    Large(u64),
    /// It is not of the form.
    #[error("{0}")]
    Form(String),
    /// It is of another version.
    #[error("it is of version {0}, and this tollgate reads {SCHEMA}")]
    Version(u32),
    /// A list or a text in it is too long.
    #[error("{0} in it is too long")]
    Long(&'static str),
}

/// Reads a brief from a source that is not trusted.
///
/// # Errors
/// Where it is too large, of another form or version, or has a list or a text that is too long.
pub fn read_brief(json: &[u8]) -> Result<Brief, BriefError> {
    let bytes = json.len() as u64;
    if bytes > BRIEF_BYTES_MAX {
        return Err(BriefError::Large(bytes));
    }
    let brief: Brief = serde_json::from_slice(json).map_err(|error| BriefError::Form(error.to_string()))?;
    if brief.schema != SCHEMA {
        return Err(BriefError::Version(brief.schema));
    }
    match too_long(&brief) {
        Some(what) => Err(BriefError::Long(what)),
        None => Ok(brief),
    }
}

/// Reads what a source that is not trusted says of mutants.
///
/// # Errors
/// Where it is too large, of another form, or has a list or a text that is too long.
pub fn read_mutants(json: &[u8]) -> Result<BriefMutants, BriefError> {
    let bytes = json.len() as u64;
    if bytes > BRIEF_BYTES_MAX {
        return Err(BriefError::Large(bytes));
    }
    let mutants: BriefMutants = serde_json::from_slice(json).map_err(|error| BriefError::Form(error.to_string()))?;
    match mutants.missed.iter().map(String::len).max() {
        _ if mutants.missed.len() > LIST_MAX => Err(BriefError::Long("the list of mutants")),
        Some(longest) if longest > 4 * TEXT_MAX => Err(BriefError::Long("a text")),
        _ => Ok(mutants),
    }
}

fn too_long(brief: &Brief) -> Option<&'static str> {
    let tests = || brief.failures.iter().chain(&brief.flakes);
    let patch = || brief.patch.iter().flat_map(|patch| &patch.uncovered);
    let missed = || brief.mutants.iter().flat_map(|mutants| &mutants.missed);
    let lists = [
        ("the list of gates", brief.gates.len()),
        ("the list of tests", tests().count()),
        ("the list of files", patch().count()),
        ("the list of lines", patch().map(|file| file.lines.len()).max().unwrap_or(0)),
        ("the list of mutants", missed().count()),
        ("the list of shards", brief.shards.len()),
    ];
    let of_gates = brief.gates.iter().flat_map(|gate| [&gate.gate, &gate.message]);
    let words = [&brief.stage].into_iter().chain(&brief.commit).chain(of_gates).chain(tests().flat_map(of_test));
    let words = words.chain(brief.trend.iter().map(|trend| &trend.commit));
    let longest = words.chain(patch().map(|file| &file.file)).chain(missed()).map(String::len).max().unwrap_or(0);
    let long_list = lists.into_iter().find(|(_, length)| *length > LIST_MAX).map(|(what, _)| what);
    // Bytes, of which a character has at most four.
    long_list.or_else(|| (longest > 4 * TEXT_MAX).then_some("a text"))
}

fn of_test(test: &BriefTest) -> [&String; 5] {
    let BriefTest { tier, test, attempts: _, message, excerpt, reproduce } = test;
    [tier, test, message, excerpt, reproduce]
}

#[cfg(test)]
mod unit {
    use super::*;
    use tollgate_model::{BriefGate, BriefTests, Outcome};

    fn brief() -> Brief {
        Brief {
            schema: SCHEMA,
            outcome: Outcome::Passed,
            stage: "dev".into(),
            commit: None,
            wall_ms: 1,
            tests: BriefTests::default(),
            gates: Vec::new(),
            failures: Vec::new(),
            flakes: Vec::new(),
            patch: None,
            trend: None,
            mutants: None,
            shards: Vec::new(),
        }
    }

    fn read(brief: &Brief) -> Result<Brief, BriefError> {
        read_brief(&serde_json::to_vec(brief).expect("JSON"))
    }

    #[test]
    fn what_was_written_is_read_and_anything_else_is_not() {
        assert_eq!(read(&brief()), Ok(brief()));
        let text = serde_json::to_string(&brief()).expect("JSON");
        let error = read_brief(text.replace("\"stage\"", "\"pull-request\":7,\"stage\"").as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("unknown field `pull-request`"), "{error}");
        let padded = format!("{text}{}", " ".repeat(usize::try_from(BRIEF_BYTES_MAX).expect("small")));
        assert!(matches!(read_brief(padded.as_bytes()), Err(BriefError::Large(_))));
        let mut other = brief();
        other.schema = 99;
        assert_eq!(read(&other), Err(BriefError::Version(99)));
    }

    #[test]
    fn mutants_of_a_stranger_are_bounded() {
        let known = || BriefMutants { tried: 1, unnoticed: 1, ..BriefMutants::default() };
        let read = |missed: Vec<String>, more: &str| {
            let text = serde_json::to_string(&BriefMutants { missed, ..known() }).expect("JSON");
            read_mutants(text.replacen('{', &format!("{{{more}"), 1).as_bytes())
        };
        assert_eq!(read(vec!["a".into()], ""), Ok(BriefMutants { missed: vec!["a".into()], ..known() }));
        assert!(matches!(read(Vec::new(), "\"x\":1,"), Err(BriefError::Form(_))));
        assert_eq!(read(vec![String::new(); LIST_MAX + 1], ""), Err(BriefError::Long("the list of mutants")));
        assert_eq!(read(vec!["x".repeat(4 * TEXT_MAX + 1)], ""), Err(BriefError::Long("a text")));
    }

    #[test]
    fn a_list_or_a_text_that_is_too_long_is_refused() {
        let gate = BriefGate { gate: "g".into(), outcome: Outcome::Failed, message: String::new() };
        let mut long = brief();
        long.gates = vec![gate.clone(); LIST_MAX + 1];
        assert_eq!(read(&long), Err(BriefError::Long("the list of gates")));
        long.gates = vec![BriefGate { message: "x".repeat(4 * TEXT_MAX + 1), ..gate }];
        assert_eq!(read(&long), Err(BriefError::Long("a text")));
    }
}
