//! `workflows [--check]`: writes or checks the workflow files of GitHub Actions.

use crate::{args::WorkflowsArgs, error::CliError, project::Project, session::Session};
use camino::Utf8Path;
use std::{collections::BTreeMap, fs, io};
use tollgate_github::workflows::{self, Change, DIRECTORY, Files, Wishes};
use tollgate_model::{EngineChoice, ExitStatus};

/// Writes what has changed, or shows it and fails; then looks for pitfalls in every file there is.
pub(crate) fn run(args: &WorkflowsArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let directory = project.root.join(DIRECTORY);
    let committed = read(&directory)?;
    let wishes = Wishes {
        report: args.report,
        main_branch: args.main_branch.clone(),
        names_engine: project.config.engine != EngineChoice::Auto,
    };
    let generated = workflows::generate(&committed, &wishes).map_err(|errors| {
        let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        CliError::usage(message, ["keep one pin of each and run `cargo xtask workflows` again".to_owned()])
    })?;
    let in_the_way = in_the_way(&committed, &generated);
    let changes = workflows::compare(&committed, &generated);
    let console = session.reporter.console();
    let mut status = ExitStatus::Passed;
    if args.check {
        console.data(&difference(&committed, &changes));
        for conflict in &in_the_way {
            console.data(&format!("{conflict}; {RENAME}\n"));
            status = ExitStatus::Failed;
        }
        if !changes.is_empty() {
            console.data(&format!("{} as they should be; `cargo xtask workflows` writes them\n", not(changes.len())));
            status = ExitStatus::Failed;
        }
    } else if !in_the_way.is_empty() {
        return Err(CliError::usage(in_the_way.join("\n"), [RENAME.to_owned()]));
    } else {
        for (name, change) in &changes {
            write(&directory, name, change)?;
            let verb = if *change == Change::Remove { "removed" } else { "written" };
            console.data(&format!("{verb}: {DIRECTORY}/{name}\n"));
        }
    }
    let findings = workflows::lint(&merged(committed, &changes));
    for finding in &findings {
        console.data(&format!("{DIRECTORY}/{finding}\n"));
    }
    if findings.is_empty() && status == ExitStatus::Passed {
        console.data("workflows: the files are as they should be, and no pitfall was found in them\n");
    }
    Ok(if findings.is_empty() { status } else { ExitStatus::Failed })
}

/// What to do about a file that is in the way.
const RENAME: &str = "rename it and what stands at its `name:`, or remove it, and run `cargo xtask workflows` again";

/// A sentence for each file that was written by hand and stands where one is to be written.
fn in_the_way(committed: &Files, generated: &Files) -> Vec<String> {
    let conflict = |name| format!("{DIRECTORY}/{name} was written by hand, and a file of this name is to be written");
    workflows::in_the_way(committed, generated).into_iter().map(conflict).collect()
}

fn not(changed: usize) -> String {
    if changed == 1 { "1 file is not".to_owned() } else { format!("{changed} files are not") }
}

/// The files of the directory that GitHub reads; none where there is no directory.
fn read(directory: &Utf8Path) -> Result<Files, CliError> {
    let fail = |source| CliError::Read { path: directory.to_owned(), source, hints: Vec::new() };
    let entries = match directory.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Files::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut files = Files::new();
    for entry in entries {
        let entry = entry.map_err(fail)?;
        if matches!(entry.path().extension(), Some("yml" | "yaml")) {
            files.insert(entry.file_name().to_owned(), fs::read_to_string(entry.path()).map_err(fail)?);
        }
    }
    Ok(files)
}

fn write(directory: &Utf8Path, name: &str, change: &Change) -> Result<(), CliError> {
    let path = directory.join(name);
    let written = match change {
        Change::Write(text) => fs::create_dir_all(directory).and_then(|()| fs::write(&path, text)),
        Change::Remove => fs::remove_file(&path),
    };
    written.map_err(|source| CliError::Machine { what: format!("can't write {path}"), source })
}

fn difference(committed: &Files, changes: &BTreeMap<String, Change>) -> String {
    let differences = changes.iter().map(|(name, change)| {
        let old = committed.get(name).map_or("", String::as_str);
        match change {
            Change::Write(new) => workflows::diff(&format!("{DIRECTORY}/{name}"), old, new),
            Change::Remove => format!("{DIRECTORY}/{name} is written no longer, and is to be removed\n"),
        }
    });
    differences.collect()
}

/// The files as they are when the changes are made.
fn merged(mut files: Files, changes: &BTreeMap<String, Change>) -> Files {
    for (name, change) in changes {
        match change {
            Change::Write(text) => files.insert(name.clone(), text.clone()),
            Change::Remove => files.remove(name),
        };
    }
    files
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::args::Cli;
    use clap::Parser as _;

    #[test]
    fn every_command_of_the_workflow_files_is_one_that_tollgate_understands() {
        let written = |names_engine| {
            let wishes = Wishes { report: true, names_engine, ..Wishes::default() };
            workflows::generate(&Files::new(), &wishes).expect("there are pins")
        };
        let files: Vec<String> = [true, false].into_iter().flat_map(|names| written(names).into_values()).collect();
        let commands: Vec<&str> = files
            .iter()
            .flat_map(|text| text.lines())
            .filter_map(|line| line.trim().strip_prefix("run: exec cargo xtask "))
            .collect();
        assert!(commands.len() >= 4, "{commands:?}");
        for command in commands {
            let words: Vec<String> = command
                .split(' ')
                .map(|word| word.replace("\"$SHARD\"", "1/4").replace("\"$UNTRUSTED\"", "directory"))
                .collect();
            let parsed = Cli::try_parse_from(std::iter::once("xtask".to_owned()).chain(words));
            assert!(parsed.is_ok(), "{command}: {}", parsed.unwrap_err());
        }
    }

    #[test]
    fn a_shard_checks_out_every_commit_that_is_asked_for_unstable_lines() {
        let written = workflows::generate(&Files::new(), &Wishes::default()).expect("there are pins");
        // The merge commit of a pull request and the base are before them.
        let depth = 2 + crate::pipeline::UNSTABLE_BEFORE_MAX;
        assert!(written["ci.yml"].contains(&format!("&& '0' || '{depth}' }}}}")), "{}", written["ci.yml"]);
    }

    #[test]
    fn a_difference_shows_every_file_that_changes() {
        let committed = Files::from([("a.yml".to_owned(), "1\n".to_owned()), ("b.yml".to_owned(), "2\n".to_owned())]);
        let changes = BTreeMap::from([
            ("a.yml".to_owned(), Change::Write("3\n".to_owned())),
            ("b.yml".to_owned(), Change::Remove),
        ]);
        insta::assert_snapshot!(difference(&committed, &changes), @r"
        --- .github/workflows/a.yml
        +++ .github/workflows/a.yml, as it would be written
        -1
        +3
        .github/workflows/b.yml is written no longer, and is to be removed
        ");
        assert_eq!(merged(committed, &changes), Files::from([("a.yml".to_owned(), "3\n".to_owned())]));
    }
}
