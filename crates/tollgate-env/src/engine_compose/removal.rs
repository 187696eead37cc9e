//! Removing a project, and making sure.
//!
//! `down` runs without the file: with it, services of profiles stay. What is left after it is looked for by the label
//! that compose puts on everything, and removed by force. Where a command was cut off, the engine may still be creating
//! what it was asked for, so there the second look comes a second after the first.

use super::tool::{QUICK, Tool};
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;
use tollgate_exec::Interrupt;
use tollgate_model::{Leftover, RunId};

/// How long containers have to stop; their data is about to be deleted.
const GRACE_SECONDS: &str = "2";
const DOWN: Duration = Duration::from_mins(1);
/// How often is looked for what is left.
const ROUNDS_MAX: u32 = 8;
/// Time in which the engine finishes what it was asked for by a command that is gone.
const IN_FLIGHT: Duration = Duration::from_secs(1);

/// Kinds of things a project has: what they are called, how they are listed, and how they are removed.
const KINDS: [(&str, &[&str], &[&str]); 3] = [
    ("container", &["ps", "--all", "--quiet", "--no-trunc"], &["rm", "--force", "--volumes"]),
    ("network", &["network", "ls", "--quiet", "--no-trunc"], &["network", "rm"]),
    ("volume", &["volume", "ls", "--quiet"], &["volume", "rm", "--force"]),
];

/// Removes everything of a project; returns what had to be removed by force or is still there. A project that does not
/// exist is removed already.
pub(crate) fn remove_project(tool: &Tool, project: &str, in_flight: bool) -> Vec<Leftover> {
    // teardown must go on when the run was interrupted
    let Ok(calm) = Interrupt::new() else {
        return vec![failed(project, "no file descriptor is left to remove it with")];
    };
    let args = ["-p", project, "down", "--volumes", "--remove-orphans", "--timeout", GRACE_SECONDS];
    let down = tool.compose(&args, DOWN, &calm);
    let mut leftovers: Vec<Leftover> = Vec::new();
    let mut empty = 0;
    for _ in 0..ROUNDS_MAX {
        match sweep(tool, project, &calm) {
            Err(reason) => {
                leftovers.push(failed(project, &reason));
                return leftovers;
            }
            Ok(found) if found.is_empty() => {
                empty += 1;
                if empty == 2 || !in_flight {
                    return leftovers;
                }
                // nothing tells when the engine is done with a request whose client is gone
                thread::sleep(IN_FLIGHT);
            }
            Ok(found) => {
                empty = 0;
                leftovers.extend(found);
            }
        }
    }
    let reason = down.err().map_or_else(String::new, |error| format!(": {error}"));
    leftovers.push(failed(project, &format!("it is still there after {ROUNDS_MAX} attempts to remove it{reason}")));
    leftovers
}

/// The projects of a run that the engine has something of, for a run whose ledger does not name its project any more: a
/// project is named after its run.
pub(crate) fn projects_of(tool: &Tool, run: &RunId) -> Vec<String> {
    let Ok(calm) = Interrupt::new() else { return Vec::new() };
    let lists: [&[&str]; 3] = [&["ps", "--all"], &["network", "ls"], &["volume", "ls"]];
    let format = r#"{{.Label "com.docker.compose.project"}}"#;
    let all = lists.into_iter().filter_map(|list| tool.run(&[list, &["--format", format]].concat(), QUICK, &calm).ok());
    let text: String = all.map(|output| output.stdout + "\n").collect();
    let projects: BTreeSet<&str> = text.lines().map(str::trim).filter(|project| is_of(project, run)).collect();
    projects.into_iter().map(str::to_owned).collect()
}

/// Whether a project is one of this run: `tg-<8 digits of the workspace>-<run>`.
fn is_of(project: &str, run: &RunId) -> bool {
    let workspace = project.strip_prefix("tg-").and_then(|rest| rest.strip_suffix(run.as_str())?.strip_suffix('-'));
    workspace.is_some_and(|digits| digits.len() == 8 && digits.chars().all(|digit| digit.is_ascii_hexdigit()))
}

fn failed(project: &str, reason: &str) -> Leftover {
    Leftover { kind: "project".to_owned(), what: format!("{project}: {reason}") }
}

/// Looks once for everything of the project and removes it by force.
fn sweep(tool: &Tool, project: &str, interrupt: &Interrupt) -> Result<Vec<Leftover>, String> {
    let label = format!("label=com.docker.compose.project={project}");
    let mut found = Vec::new();
    for (kind, list, remove) in KINDS {
        let args = [list, &["--filter", &label]].concat();
        let output = tool.run(&args, QUICK, interrupt).map_err(|error| format!("can't be looked for: {error}"))?;
        for id in output.stdout.lines().map(str::trim).filter(|id| !id.is_empty()) {
            // whether it worked is seen in the next round
            let _ = tool.run(&[remove, &[id]].concat(), QUICK, interrupt);
            found.push(Leftover { kind: kind.to_owned(), what: format!("{id} of {project}, removed by force") });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_project_is_of_the_run_that_it_is_named_after() {
        let run = RunId::new("20261121-093055-47").expect("a valid name");
        assert!(is_of("tg-0123abcd-20261121-093055-47", &run));
        for other in
            ["", "shop", "tg-0123abcd-20261121-093055-471", "tg-20261121-093055-47", "tg-0123abcx-20261121-093055-47"]
        {
            assert!(!is_of(other, &run), "{other}");
        }
    }
}
