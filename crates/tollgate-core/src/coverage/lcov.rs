//! Reads LCOV: which lines of which file were reached, and how often.

use std::collections::BTreeMap;

/// Executions by line, by source file as the report names it.
pub type Lcov = BTreeMap<String, BTreeMap<u32, u64>>;

/// A report that is not LCOV, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LcovError {
    /// A line is not a record of the format.
    #[error("line {line} of the LCOV report is not a record: `{text}`")]
    NotARecord {
        /// Line of the report, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// A count does not have the form `DA:<line>,<count>`.
    #[error("line {line} of the LCOV report is not `DA:<line>,<count>`: `{text}`")]
    MalformedCount {
        /// Line of the report, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// A count comes before the file that it is about.
    #[error("line {line} of the LCOV report counts a line of no file: `{text}`")]
    CountOutsideFile {
        /// Line of the report, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// The report stops in the middle of a file.
    #[error("the LCOV report ends within `{file}`: it was cut off")]
    Truncated {
        /// The file that has no end.
        file: String,
    },
}

/// Reads the files (`SF`) and line counts (`DA`) of an LCOV report; other records are left aside.
///
/// Counts add up and saturate: racing counters can wrap below zero, and then show as almost 2^64.
///
/// # Errors
/// When a line is malformed or the last file has no `end_of_record`: half a report would read as less coverage.
pub fn parse_lcov(text: &str) -> Result<Lcov, LcovError> {
    let mut files = Lcov::new();
    let mut current: Option<String> = None;
    for (index, text) in text.lines().enumerate() {
        let text = text.trim_end();
        let place = |kind: fn(usize, String) -> LcovError| kind(index + 1, text.chars().take(120).collect());
        match text.split_once(':') {
            Some(("SF", path)) => {
                files.entry(path.to_owned()).or_default();
                current = Some(path.to_owned());
            }
            Some(("DA", count)) => {
                let lines = current
                    .as_ref()
                    .and_then(|path| files.get_mut(path))
                    .ok_or_else(|| place(|line, text| LcovError::CountOutsideFile { line, text }))?;
                let (line, count) =
                    parse_count(count).ok_or_else(|| place(|line, text| LcovError::MalformedCount { line, text }))?;
                let sum = lines.entry(line).or_default();
                *sum = sum.saturating_add(count);
            }
            None if text == "end_of_record" => current = None,
            _ if is_other_record(text) => {}
            _ => return Err(place(|line, text| LcovError::NotARecord { line, text })),
        }
    }
    current.map_or(Ok(files), |file| Err(LcovError::Truncated { file }))
}

/// `<line>,<count>`, with an optional checksum behind; a count beyond 64 bits saturates.
fn parse_count(text: &str) -> Option<(u32, u64)> {
    let mut fields = text.split(',');
    let (line, count) = (fields.next()?, fields.next()?);
    let line = line.parse().ok().filter(|&line| line > 0)?;
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| (line, count.parse().unwrap_or(u64::MAX)))
}

/// A record of upper-case letters that has nothing to say about lines, an empty line, or a comment.
fn is_other_record(text: &str) -> bool {
    let key = text.split(':').next().unwrap_or_default();
    let is_key = text.contains(':') && !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_uppercase());
    text.is_empty() || text.starts_with('#') || is_key
}

#[cfg(test)]
mod unit {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_of_a_file_add_up_and_saturate() {
        let text = "TN:x\nSF:/w/a.rs\nFN:3,main\nFNDA:1,main\nDA:3,1\nDA:4,0\nLF:2\nLH:1\nend_of_record\n\
                    SF:/w/b.rs\nDA:1,18446744073709551614\nDA:2,99999999999999999999,sum\nend_of_record\n\
                    # again\n\nSF:/w/b.rs\nDA:1,5\nend_of_record\nSF:/w/empty.rs\nend_of_record";
        let lcov = parse_lcov(text).unwrap();
        assert_eq!(lcov["/w/a.rs"], BTreeMap::from([(3, 1), (4, 0)]));
        assert_eq!(lcov["/w/b.rs"], BTreeMap::from([(1, u64::MAX), (2, u64::MAX)]));
        assert_eq!(lcov["/w/empty.rs"], BTreeMap::new());
    }

    #[test]
    fn a_malformed_report_is_named_with_its_line() {
        let check = |text: &str| parse_lcov(text).unwrap_err().to_string();
        insta::assert_snapshot!(check("SF:a.rs\nDA:1\nend_of_record"), @"line 2 of the LCOV report is not `DA:<line>,<count>`: `DA:1`");
        insta::assert_snapshot!(check("SF:a.rs\nDA:1,-4\nend_of_record"), @"line 2 of the LCOV report is not `DA:<line>,<count>`: `DA:1,-4`");
        insta::assert_snapshot!(check("SF:a.rs\nDA:0,4\nend_of_record"), @"line 2 of the LCOV report is not `DA:<line>,<count>`: `DA:0,4`");
        insta::assert_snapshot!(check("DA:1,1"), @"line 1 of the LCOV report counts a line of no file: `DA:1,1`");
        insta::assert_snapshot!(check("error: no input files"), @"line 1 of the LCOV report is not a record: `error: no input files`");
        insta::assert_snapshot!(check("SF:a.rs\nend\n"), @"line 2 of the LCOV report is not a record: `end`");
        insta::assert_snapshot!(check("SF:a.rs\nDA:1,1\n"), @"the LCOV report ends within `a.rs`: it was cut off");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(SF:a\n|DA:[0-9,]{0,5}\n|end_of_record\n|[a-zA-Z:]{0,4}\n){0,12}") {
            let _ = parse_lcov(&text);
        }
    }
}
