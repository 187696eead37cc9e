//! The parts of a spread run as one.

use super::{
    judge, keep,
    stored::{accept, survivors},
};
use crate::{error::CliError, project::Project, session::Session};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use tollgate_core::{
    mutation::{self, MutationReport, Scope},
    shard::Jobs,
};
use tollgate_model::Outcome;
use tollgate_tools::cargo;

/// What a report is called, also in the artifact of a shard.
const REPORT: &str = "report.json";

/// Unites the reports below these directories, judges them as a whole run is judged, and keeps the result. `jobs` is what
/// others than the parts say of them: where it is known, that nothing is left of them is a finding. `accepting` stores the survivors.
///
/// # Errors
/// When there is no report and nothing is known of the jobs, or a report can't be read; when survivors that are no whole are to
/// be stored, or can't be.
pub(crate) fn unite(
    project: &Project,
    directories: &[Utf8PathBuf],
    jobs: Option<&Jobs>,
    accepting: bool,
    session: &Session,
) -> Result<MutationReport, CliError> {
    let mut files = Vec::new();
    // Nothing makes the directory where there is nothing to download.
    for directory in directories.iter().filter(|directory| jobs.is_none() || directory.exists()) {
        find(directory, &mut files)?;
    }
    if files.is_empty() && jobs.is_none() {
        return Err(CliError::usage(
            format!("no {REPORT} below {}", list(directories)),
            ["`cargo xtask mutants --all --shard K/N` writes target/tollgate/mutants/report.json".to_owned()],
        ));
    }
    let reports = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let (mut report, shards) = mutation::unite(reports, jobs);
    if accepting {
        if report.scope != Scope::All || shards.outcome != Outcome::Passed {
            let what =
                format!("no survivor is stored, as these are not all parts of one `mutants --all`: {}", shards.message);
            return Err(CliError::usage(what, shards.fix));
        }
        accept(&project.root, &survivors(&project.root)?.unwrap_or_default(), &report)?;
    }
    let workspace = cargo::metadata(&project.root, &session.interrupt)?;
    judge(&mut report, project, &workspace.members, session)?;
    report.gates.insert(0, shards);
    keep(&report, &workspace.target_directory.join("tollgate/mutants"))?;
    Ok(report)
}

fn list(directories: &[Utf8PathBuf]) -> String {
    directories.iter().map(|directory| directory.as_str()).collect::<Vec<_>>().join(", ")
}

/// Finds reports, in the order of their paths.
fn find(directory: &Utf8Path, files: &mut Vec<Utf8PathBuf>) -> Result<(), CliError> {
    let fail = |source| CliError::Read { path: directory.to_owned(), source, hints: Vec::new() };
    let mut entries = directory.read_dir_utf8().and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(fail)?;
    entries.sort_by(|one, other| one.path().cmp(other.path()));
    for entry in entries {
        if entry.file_type().map_err(fail)?.is_dir() {
            find(entry.path(), files)?;
        } else if entry.file_name() == REPORT {
            files.push(entry.into_path());
        }
    }
    Ok(())
}

fn read(path: &Utf8Path) -> Result<MutationReport, CliError> {
    let fail = |source| CliError::Read { path: path.to_owned(), source, hints: Vec::new() };
    let text = fs::read_to_string(path).map_err(fail)?;
    serde_json::from_str(&text).map_err(|error| {
        let hint = "it is cut off or not of this version; run that shard again".to_owned();
        CliError::usage(format!("{path} is no report of mutants: {error}"), [hint])
    })
}
