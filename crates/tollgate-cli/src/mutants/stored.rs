//! The survivors that are stored in the repository, which later runs are compared with.

use super::write;
use crate::error::CliError;
use camino::Utf8Path;
use std::{fs, io};
use tollgate_core::mutation::{MutationReport, SurvivorKey, Why, accepted, settled};
use tollgate_model::count;

/// Where they are, from the root of the workspace.
const SURVIVORS: &str = "ci/survivors.json";

/// The stored survivors; none where there is no such file.
///
/// # Errors
/// When it can't be read.
pub(super) fn survivors(root: &Utf8Path) -> Result<Option<Vec<SurvivorKey>>, CliError> {
    let path = root.join(SURVIVORS);
    let hint =
        || "take it from the last commit, or make a new one with `cargo xtask mutants --all --accept`".to_owned();
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CliError::Read { path, source, hints: vec![hint()] }),
        Ok(text) => text,
    };
    let known = serde_json::from_str(&text)
        .map_err(|error| CliError::usage(format!("{path} is no set of survivors: {error}"), [hint()]))?;
    Ok(Some(known))
}

/// Stores the survivors of a report in place of the old ones that it speaks of.
///
/// # Errors
/// When some were not tried, and when the set can't be written.
pub(super) fn accept(root: &Utf8Path, old: &[SurvivorKey], report: &MutationReport) -> Result<(), CliError> {
    let untried = report.untried();
    if untried > 0 {
        let what = format!("no survivor is stored: the time was up before {} had been tried", count(untried, "mutant"));
        let stopped = report.left_out.iter().filter(|left| left.why == Why::Stopped);
        let stopped = stopped.map(|left| format!("`{}` takes too long: give a reason not to try it", left.mutant.name));
        return Err(CliError::usage(what, stopped.take(1).chain(["run it without `--budget`".to_owned()])));
    }
    let mutants = report.results.iter().map(|result| &result.mutant);
    let settled = settled(old, mutants.chain(report.left_out.iter().map(|left| &left.mutant)));
    let joint: Vec<_> = report.missed().filter(|one| one.joint && !settled.contains(&one.mutant.name)).collect();
    if let Some(first) = joint.first() {
        let number = count(joint.len() as u64, "survivor");
        let what = format!("no survivor is stored: {number} not tried alone, the first is {}", first.mutant.name);
        let hint =
            "with `ratchet = true` in `[gates.mutation]` parts try those by themselves; run them again".to_owned();
        return Err(CliError::usage(what, [hint]));
    }
    let keys = accepted(old, report, &|file| root.join(file).exists());
    write(&root.join(SURVIVORS), &(serde_json::to_string_pretty(&keys).unwrap_or_default() + "\n"))
}

#[cfg(test)]
mod unit {
    use super::*;
    use tollgate_core::mutation::{LeftOut, Scope};
    use tollgate_model::{Mutant, MutantOutcome, MutantResult, ReachedBy};

    #[test]
    fn a_stored_set_that_cant_be_read_is_an_error_and_none_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(directory.path()).unwrap();
        assert_eq!(survivors(root).unwrap(), None);
        write(&root.join(SURVIVORS), "[]\n").unwrap();
        assert_eq!(survivors(root).unwrap(), Some(Vec::new()));
        write(&root.join(SURVIVORS), "[{").unwrap();
        let said = survivors(root).unwrap_err().to_string();
        assert!(said.contains("survivors.json is no set of survivors"), "{said}");
        fs::remove_file(root.join(SURVIVORS)).unwrap();
        fs::create_dir(root.join(SURVIVORS)).unwrap();
        assert!(matches!(survivors(root), Err(CliError::Read { .. })));
    }

    #[test]
    fn a_set_is_stored_whole_or_not_at_all_and_keeps_what_the_run_did_not_speak_of() {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(directory.path()).unwrap();
        fs::write(root.join("other.rs"), "").unwrap();
        let key =
            |file: &str| SurvivorKey { file: file.into(), function: None, replacement: "replace f with 0".into() };
        let old = [key("gone.rs"), key("other.rs")];
        let mut report = MutationReport::new(Scope::All, Vec::new(), Vec::new());
        accept(root, &old, &report).unwrap();
        assert_eq!(survivors(root).unwrap(), Some(vec![key("other.rs")]));
        let mutant = Mutant {
            name: "other.rs:1:1: replace f with 0".into(),
            file: "other.rs".into(),
            package: "a".into(),
            function: None,
            lines: (1, 1),
            replacement: "0".into(),
            genre: "FnValue".into(),
            diff: String::new(),
        };
        report.left_out = vec![LeftOut { mutant, why: Why::Budget }];
        let said = accept(root, &old, &report).unwrap_err().to_string();
        assert_eq!(said, "no survivor is stored: the time was up before 1 mutant had been tried");
        assert_eq!(survivors(root).unwrap(), Some(vec![key("other.rs")]));
        let mutant = report.left_out.remove(0).mutant;
        let result = MutantResult {
            mutant,
            line: 1,
            outcome: MutantOutcome::Missed,
            noticed_by: None,
            fell: None,
            joint: true,
            reached_by: ReachedBy::default(),
            wall_ms: 1,
        };
        report.results = vec![result];
        let said = accept(root, &[], &report).unwrap_err().to_string();
        let first = "other.rs:1:1: replace f with 0";
        assert_eq!(said, format!("no survivor is stored: 1 survivor not tried alone, the first is {first}"));
        accept(root, &old, &report).expect("the set has it already");
        report.results.clear();
        fs::remove_dir_all(root.join("ci")).unwrap();
        fs::write(root.join("ci"), "a file").unwrap();
        report.left_out.clear();
        assert!(matches!(accept(root, &old, &report), Err(CliError::Machine { .. })), "which is said");
    }
}
