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

/// The branch whose pushes are recorded, where nobody names another.
const MAIN_BRANCH: &str = "main";

/// What the files are to be like.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Whether pull requests are to be told of their checks. The file that does so may write to them, so it is there only where
    /// that is asked for, and stays while it is committed.
    pub report: bool,
    /// The repository's default branch; where it is not named, that of the committed files, else `main`.
    pub main_branch: Option<String>,
    /// Whether the configuration names an engine, which no command overrules then.
    pub names_engine: bool,
}

/// Reads the name of a branch as an option gives it.
///
/// # Errors
/// Where it has characters that the filter of a workflow reads as something else.
pub fn branch(name: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let is_one = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_plain);
    is_one.then(|| name.to_owned()).ok_or_else(|| "a branch is written with letters, digits and -_./".to_owned())
}

/// Writes the workflow files; an action that a committed file pins keeps that pin, and the main branch its name.
///
/// # Errors
/// Every action that committed files pin to two commits, or that no commit is known for.
pub fn generate(committed: &Files, wishes: &Wishes) -> Result<Files, Vec<PinError>> {
    let pins = pins::read(committed)?;
    let there = |name| committed.get(name).filter(|text| is_written_here(text));
    let choices = set::Choices {
        report: wishes.report || there(set::REPORT).is_some(),
        main_branch: wishes
            .main_branch
            .clone()
            .or_else(|| main_branch(there(set::COVERAGE)?))
            .unwrap_or_else(|| MAIN_BRANCH.to_owned()),
        native: !wishes.names_engine,
    };
    let workflows = set::workflows(&choices);
    Ok(workflows.iter().map(|workflow| (workflow.file.to_owned(), model::emit(workflow, &pins))).collect())
}

/// The branch whose pushes start a workflow.
fn main_branch(text: &str) -> Option<String> {
    let workflow: serde_json::Value = serde_saphyr::from_str(text).ok()?;
    branch(workflow["on"]["push"]["branches"][0].as_str()?).ok()
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

    /// The files of a workspace that has none, with and without telling pull requests.
    fn written(report: bool) -> Files {
        generate(&Files::new(), &Wishes { report, ..Wishes::default() }).expect("there are pins")
    }

    fn again(committed: &Files) -> Files {
        generate(committed, &Wishes::default()).expect("there are pins")
    }

    fn files(files: &[(&str, &str)]) -> Files {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn what_was_written_once_is_written_the_same_again() {
        let first = written(true);
        assert_eq!(again(&first), first);
        assert_eq!(compare(&first, &first), BTreeMap::new());
        assert!(first.values().all(|text| text.starts_with(HEADER)));
    }

    #[test]
    fn a_pin_that_a_robot_raised_is_kept() {
        let first = written(true);
        let (old, new) =
            ("3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "0123456789abcdef0123456789abcdef01234567 # v7.9.0");
        let raised: Files = first.iter().map(|(name, text)| (name.clone(), text.replace(old, new))).collect();
        assert_ne!(raised, first, "{old} is no pin of these files");
        assert_eq!(again(&raised), raised);
    }

    #[test]
    fn what_may_write_to_pull_requests_is_there_only_where_it_was_asked_for() {
        let without = written(false);
        assert!(!without.contains_key(set::REPORT));
        let with = generate(&without, &Wishes { report: true, ..Wishes::default() }).expect("there are pins");
        assert_eq!(with.len(), without.len() + 1);
        let writing = with.iter().filter(|(_, text)| text.contains(": write #")).map(|(name, _)| name.as_str());
        assert_eq!(writing.collect::<Vec<_>>(), [set::REPORT]);
    }

    #[test]
    fn the_files_written_have_no_pitfall() {
        let files = written(true);
        assert_eq!(lint(&files), []);
    }

    /// The steps of a job.
    fn steps(files: &Files, file: &str, job: &str) -> Vec<serde_json::Value> {
        let workflow: serde_json::Value = serde_saphyr::from_str(&files[file]).expect("YAML");
        workflow["jobs"][job]["steps"].as_array().expect("steps").clone()
    }

    #[test]
    fn the_gate_has_the_history_that_the_run_of_one_machine_has() {
        let files = written(false);
        for job in ["shard", "gate"] {
            let steps = steps(&files, "ci.yml", job);
            let of_history = steps.iter().position(|step| step["with"]["path"] == ".tollgate/history");
            let command = format!("exec cargo xtask {job} ");
            let runs = steps.iter().position(|step| step["run"].as_str().is_some_and(|run| run.starts_with(&command)));
            assert!(of_history.is_some() && of_history < runs, "{steps:?}");
        }
    }

    #[test]
    fn what_runs_that_ended_meanwhile_have_remembered_is_remembered_further() {
        let files = written(false);
        for (file, job) in [("coverage.yml", "coverage"), ("nightly.yml", "ci")] {
            let steps = steps(&files, file, job);
            let of_history = steps.iter().filter(|step| step["with"]["path"] == ".tollgate/history");
            let uses = of_history.map(|step| step["uses"].as_str().and_then(|uses| uses.split('@').next()));
            let restore = Some("actions/cache/restore");
            assert_eq!(uses.collect::<Vec<_>>(), [restore, restore, Some("actions/cache/save")]);
            let [.., again, save] = steps.as_slice() else { panic!("{steps:?}") };
            assert_eq!((&again["with"]["path"], &again["if"]), (&save["with"]["path"], &save["if"]));
            assert_eq!(again["with"]["restore-keys"], "tollgate-history-");
        }
    }

    #[test]
    fn in_the_merge_queue_a_change_is_compared_with_what_it_was_put_upon() {
        let files = written(false);
        let plan = steps(&files, "ci.yml", "plan");
        let command = plan.iter().find(|step| step["id"] == "plan").expect("the step");
        assert!(command["run"].as_str().is_some_and(|run| run.ends_with("--base \"$BASE\"")), "{command}");
        assert_eq!(command["env"]["BASE"], "${{ github.event.merge_group.base_sha || 'HEAD^1' }}");
        // Whoever looks for the base has its commit.
        for (job, depth) in [("plan", 2), ("shard", 102)] {
            let checkout = &steps(&files, "ci.yml", job)[0];
            let expected = format!("${{{{ github.event_name == 'merge_group' && '0' || '{depth}' }}}}");
            assert_eq!(checkout["with"]["fetch-depth"], expected);
        }
    }

    #[test]
    fn the_main_branch_is_the_one_named_and_then_that_of_the_committed_file() {
        for name in ["trunk", "1.0"] {
            let first = generate(&Files::new(), &Wishes { main_branch: Some(name.to_owned()), ..Wishes::default() });
            let first = first.expect("there are pins");
            assert_eq!(main_branch(&first["coverage.yml"]).as_deref(), Some(name));
            assert_eq!(again(&first), first);
        }
        assert_eq!(main_branch(&written(false)["coverage.yml"]).as_deref(), Some("main"));
        let own = files(&[("coverage.yml", "on: { push: { branches: [own] } }\n")]);
        assert_eq!(again(&own), written(false), "a file of one's own says nothing of ours");
        assert_eq!(branch("release/2.x"), Ok("release/2.x".to_owned()));
        assert!(["", "-x", "a, b", "[main]", "main*", "!main"].iter().all(|name| branch(name).is_err()));
    }

    #[test]
    fn an_engine_that_the_configuration_names_is_not_overruled() {
        let with_engine = |files: &Files| files.values().any(|text| text.contains("--engine"));
        let files = written(true);
        assert!(with_engine(&files));
        // All jobs that run tests by themselves; a shard has the engine of its plan.
        let running = ["plan --shards", "mutants --", "ci", "flaky stress"].map(|it| format!("exec cargo xtask {it}"));
        let lines = files.values().flat_map(|text| text.lines()).filter_map(|line| line.trim().strip_prefix("run: "));
        let lines: Vec<&str> = lines.filter(|line| running.iter().any(|start| line.starts_with(start))).collect();
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert!(lines.iter().all(|line| line.contains(" --engine native")), "{lines:?}");
        let wishes = Wishes { names_engine: true, ..Wishes::default() };
        assert!(!with_engine(&generate(&Files::new(), &wishes).expect("there are pins")));
    }

    #[test]
    fn a_red_run_of_the_main_branch_records_durations_too() {
        let files = written(false);
        let steps = steps(&files, "coverage.yml", "coverage");
        let place = |start: &str| {
            let is_it = |value: &serde_json::Value| value.as_str().is_some_and(|text| text.starts_with(start));
            let of_durations = |step: &serde_json::Value| step["with"]["path"] == ".tollgate/durations.json";
            steps.iter().position(|step| is_it(&step["run"]) || is_it(&step["uses"]) && of_durations(step))
        };
        let order = ["actions/cache/restore@", "exec cargo xtask ci", "actions/cache/save@"].map(place);
        assert!(order.is_sorted() && order[0].is_some(), "what failed keeps its earlier duration: {order:?}");
        assert_eq!(steps[order[2].expect("a place")]["if"], "always()");
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
        let generated = again(&deploy);
        assert!(!generated.contains_key(set::REPORT), "a report that was not asked for is nobody's");
        assert_eq!(in_the_way(&deploy, &generated), ["ci.yml"]);
        assert!(!compare(&deploy, &generated).contains_key("ci.yml"));
        let with_report = generate(&deploy, &Wishes { report: true, ..Wishes::default() }).expect("there are pins");
        assert_eq!(in_the_way(&deploy, &with_report), ["ci.yml", set::REPORT]);
        assert_eq!(in_the_way(&with_report, &with_report), Vec::<String>::new());
    }
}
