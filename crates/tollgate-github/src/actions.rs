//! The environment of a step: what the runner tells it and the files it may write.

use camino::{Utf8Path, Utf8PathBuf};
use std::{fs::File, io::Write};

/// Largest summary of a step that GitHub takes, in bytes; a larger one is refused whole.
pub const SUMMARY_BYTES_MAX: usize = 1024 * 1024;

/// The summary could not be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write the step summary {path}")]
pub struct SummaryError {
    path: Utf8PathBuf,
    #[source]
    source: std::io::Error,
}

/// What the runner told this step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actions {
    summary: Option<Utf8PathBuf>,
    output: Option<Utf8PathBuf>,
}

impl Actions {
    /// Reads the variables of a step through `variable`; absent where this is not a step of GitHub Actions.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        variable("GITHUB_ACTIONS").filter(|value| value == "true")?;
        let file = |name: &str| variable(name).filter(|path| !path.is_empty()).map(Utf8PathBuf::from);
        Some(Self { summary: file("GITHUB_STEP_SUMMARY"), output: file("GITHUB_OUTPUT") })
    }

    /// Sets an output of the step, where the runner takes outputs.
    ///
    /// # Errors
    /// When the file can't be written, or the value has more than one line: it could set further outputs.
    pub fn append_output(&self, name: &str, value: &str) -> std::io::Result<()> {
        let Some(path) = &self.output else { return Ok(()) };
        if value.contains(['\n', '\r']) {
            return Err(std::io::Error::other("the value of an output is one line"));
        }
        let mut file = File::options().create(true).append(true).open(path)?;
        writeln!(file, "{name}={value}")
    }

    /// The file of the step summary.
    pub fn summary(&self) -> Option<&Utf8Path> {
        self.summary.as_deref()
    }

    /// Appends to the step summary, cut at a line's end to what GitHub takes.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn append_summary(&self, markdown: &str) -> Result<(), SummaryError> {
        let Some(path) = &self.summary else { return Ok(()) };
        let fail = |source| SummaryError { path: path.clone(), source };
        let mut file = File::options().create(true).append(true).open(path).map_err(fail)?;
        let used = usize::try_from(file.metadata().map_err(fail)?.len()).unwrap_or(usize::MAX);
        let room = SUMMARY_BYTES_MAX.saturating_sub(used);
        file.write_all(cut(markdown, room).as_bytes()).map_err(fail)
    }
}

/// Which attempt at a run this is, from 1; absent where no run of GitHub Actions is said to be one.
pub fn attempt(variable: impl Fn(&str) -> Option<String>) -> Option<u32> {
    variable("GITHUB_RUN_ATTEMPT")?.parse().ok()
}

const CUT_NOTE: &str = "\n\n_Cut here: a step summary holds 1 MiB. The whole report is in the run's artifacts._\n";

/// The longest run of whole lines that fits, with a note where something is missing.
fn cut(markdown: &str, room: usize) -> String {
    if markdown.len() <= room {
        return markdown.to_owned();
    }
    let Some(budget) = room.checked_sub(CUT_NOTE.len()) else { return String::new() };
    let mut kept = String::new();
    for line in markdown.split_inclusive('\n') {
        if kept.len() + line.len() > budget {
            break;
        }
        kept.push_str(line);
    }
    kept + CUT_NOTE
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_step_is_recognised_by_the_runners_variable() {
        let variables = |name: &str| match name {
            "GITHUB_ACTIONS" => Some("true".to_owned()),
            "GITHUB_STEP_SUMMARY" => Some("/tmp/summary".to_owned()),
            _ => None,
        };
        let actions = Actions::detect(variables).expect("a step");
        assert_eq!(actions.summary(), Some(Utf8Path::new("/tmp/summary")));
        assert_eq!(Actions::detect(|_| None), None);
        assert_eq!(Actions::detect(|name| (name == "GITHUB_ACTIONS").then(|| "false".to_owned())), None);
    }

    #[test]
    fn a_long_summary_is_cut_at_a_line_and_says_so() {
        let long = "line of text\n".repeat(20);
        assert_eq!(cut(&long, 1000), long);
        let short = cut(&long, CUT_NOTE.len() + 30);
        assert_eq!(short, format!("{}{CUT_NOTE}", "line of text\n".repeat(2)));
        assert_eq!(cut(&long, 10), "");
    }
}
