//! Workflow files: written from values, compared with what is committed, and checked for pitfalls of GitHub Actions.
//!
//! Everything here is text in, text out; the command line reads and writes `.github/workflows`. The jobs of the files only
//! `exec cargo xtask ...`: what they do is decided in Rust and is the same on a laptop.

mod diff;
mod lint;
mod model;
mod pins;
mod set;

pub use diff::diff;
pub use lint::{Finding, lint};
pub use pins::PinError;

use std::collections::BTreeMap;

/// Where workflow files are, relative to the root of the repository.
pub const DIRECTORY: &str = ".github/workflows";

/// The first line of every file that is written here, by which a file that is no longer written is known.
pub const HEADER: &str = "# Written by `cargo xtask workflows`. Versions of actions are kept as they stand here.";

/// Files by name.
pub type Files = BTreeMap<String, String>;

/// Writes the workflow files; an action that a committed file pins keeps that pin.
///
/// The file that tells pull requests of their checks may write to them, so it is there only where `report` asks for it, and
/// stays while it is committed.
///
/// # Errors
/// Every action that committed files pin to two commits, or that no commit is known for.
pub fn generate(committed: &Files, report: bool) -> Result<Files, Vec<PinError>> {
    let pins = pins::read(committed)?;
    let workflows = set::workflows(report || committed.get(set::REPORT).is_some_and(|text| is_written_here(text)));
    Ok(workflows.iter().map(|workflow| (workflow.file.to_owned(), model::emit(workflow, &pins))).collect())
}

/// What differs between the committed files and those that would be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The file is missing or is another: its new text.
    Write(String),
    /// The file was written by an earlier version, and is written no longer.
    Remove,
}

fn is_written_here(text: &str) -> bool {
    text.starts_with(HEADER)
}

/// Names of the committed files that were written by hand and stand where one would be written. Nobody else has what they say.
pub fn in_the_way(committed: &Files, generated: &Files) -> Vec<String> {
    let own = committed.iter().filter(|(name, text)| !is_written_here(text) && generated.contains_key(*name));
    own.map(|(name, _)| name.clone()).collect()
}

/// Compares what is committed with what would be written. Files that were written by hand are left alone.
pub fn compare(committed: &Files, generated: &Files) -> BTreeMap<String, Change> {
    let stale = committed.iter().filter(|(name, text)| is_written_here(text) && !generated.contains_key(*name));
    let stale = stale.map(|(name, _)| (name.clone(), Change::Remove));
    let is_to_write = |(name, text): &(&String, &String)| {
        committed.get(*name).is_none_or(|there| is_written_here(there) && there != *text)
    };
    let written = generated.iter().filter(is_to_write);
    written.map(|(name, text)| (name.clone(), Change::Write(text.clone()))).chain(stale).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    fn files(files: &[(&str, &str)]) -> Files {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn what_was_written_once_is_written_the_same_again() {
        let first = generate(&Files::new(), true).expect("there are pins");
        assert_eq!(generate(&first, false), Ok(first.clone()));
        assert_eq!(compare(&first, &first), BTreeMap::new());
        assert!(first.values().all(|text| text.starts_with(HEADER)));
    }

    #[test]
    fn a_pin_that_a_robot_raised_is_kept() {
        let first = generate(&Files::new(), true).expect("there are pins");
        let (old, new) =
            ("3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "0123456789abcdef0123456789abcdef01234567 # v7.9.0");
        let raised: Files = first.iter().map(|(name, text)| (name.clone(), text.replace(old, new))).collect();
        assert_ne!(raised, first, "{old} is no pin of these files");
        assert_eq!(generate(&raised, false), Ok(raised.clone()));
    }

    #[test]
    fn what_may_write_to_pull_requests_is_there_only_where_it_was_asked_for() {
        let without = generate(&Files::new(), false).expect("there are pins");
        assert!(!without.contains_key(set::REPORT));
        let with = generate(&without, true).expect("there are pins");
        assert_eq!(with.len(), without.len() + 1);
        let writing = with.iter().filter(|(_, text)| text.contains(": write #")).map(|(name, _)| name.as_str());
        assert_eq!(writing.collect::<Vec<_>>(), [set::REPORT]);
    }

    #[test]
    fn the_files_written_have_no_pitfall() {
        let files = generate(&Files::new(), true).expect("there are pins");
        assert_eq!(lint(&files), []);
    }

    /// The steps of a job.
    fn steps(files: &Files, file: &str, job: &str) -> Vec<serde_json::Value> {
        let workflow: serde_json::Value = serde_saphyr::from_str(&files[file]).expect("YAML");
        workflow["jobs"][job]["steps"].as_array().expect("steps").clone()
    }

    #[test]
    fn the_gate_has_the_history_that_the_run_of_one_machine_has() {
        let files = generate(&Files::new(), false).expect("there are pins");
        for job in ["shard", "gate"] {
            let steps = steps(&files, "ci.yml", job);
            let of_history = steps.iter().position(|step| step["with"]["path"] == ".tollgate/history");
            let command = format!("exec cargo xtask {job} ");
            let runs = steps.iter().position(|step| step["run"].as_str().is_some_and(|run| run.starts_with(&command)));
            assert!(of_history.is_some() && of_history < runs, "{steps:?}");
        }
    }

    #[test]
    fn in_the_merge_queue_a_change_is_compared_with_what_it_was_put_upon() {
        let files = generate(&Files::new(), false).expect("there are pins");
        let plan = steps(&files, "ci.yml", "plan");
        let command = plan.iter().find(|step| step["id"] == "plan").expect("the step");
        assert!(command["run"].as_str().is_some_and(|run| run.ends_with("--base \"$BASE\"")), "{command}");
        assert_eq!(command["env"]["BASE"], "${{ github.event.merge_group.base_sha || 'HEAD^1' }}");
        // Whoever looks for the base has its commit.
        for (job, depth) in [("plan", 2), ("shard", 22)] {
            let checkout = &steps(&files, "ci.yml", job)[0];
            let expected = format!("${{{{ github.event_name == 'merge_group' && '0' || '{depth}' }}}}");
            assert_eq!(checkout["with"]["fetch-depth"], expected);
        }
    }

    #[test]
    fn a_red_run_of_the_main_branch_records_durations_too() {
        let files = generate(&Files::new(), false).expect("there are pins");
        let steps = steps(&files, "coverage.yml", "coverage");
        let saves = steps.iter().filter(|step| step["with"]["path"] == ".tollgate/durations.json");
        assert_eq!(saves.map(|step| step["if"].as_str()).collect::<Vec<_>>(), [Some("always()")]);
    }

    #[test]
    fn a_file_of_ones_own_is_left_alone_and_a_stale_one_removed() {
        let (stale, other) = (format!("{HEADER}\nname: old\n"), format!("{HEADER}\nname: other\n"));
        let committed = files(&[("own.yml", "name: own\n"), ("old.yml", &stale), ("ci.yml", &other)]);
        let generated = files(&[("ci.yml", "new\n"), ("more.yml", "more\n")]);
        let changes = compare(&committed, &generated);
        let expected = [
            ("ci.yml".to_owned(), Change::Write("new\n".to_owned())),
            ("more.yml".to_owned(), Change::Write("more\n".to_owned())),
            ("old.yml".to_owned(), Change::Remove),
        ];
        assert_eq!(changes, BTreeMap::from(expected));
    }

    #[test]
    fn a_file_of_ones_own_that_is_in_the_way_is_named_and_not_written_over() {
        let deploy = files(&[("ci.yml", "name: deploy\n"), (set::REPORT, "name: weekly report\n")]);
        let generated = generate(&deploy, false).expect("there are pins");
        assert!(!generated.contains_key(set::REPORT), "a report that was not asked for is nobody's");
        assert_eq!(in_the_way(&deploy, &generated), ["ci.yml"]);
        assert!(!compare(&deploy, &generated).contains_key("ci.yml"));
        let with_report = generate(&deploy, true).expect("there are pins");
        assert_eq!(in_the_way(&deploy, &with_report), ["ci.yml", set::REPORT]);
        assert_eq!(in_the_way(&with_report, &with_report), Vec::<String>::new());
    }
}
