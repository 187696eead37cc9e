//! What was before a trial: a repository with one commit, runs of it in a history, and a change.

use camino::Utf8Path;
use std::{fs, io, time::Duration};
use tollgate_core::truths::Edit;
use tollgate_exec::{Cmd, Interrupt};

/// The variables of a push to the main branch, as Actions sets them.
pub(super) const PUSH: [(&str, &str); 5] = [
    ("GITHUB_ACTIONS", "true"),
    ("GITHUB_EVENT_NAME", "push"),
    ("GITHUB_REF_TYPE", "branch"),
    ("GITHUB_REF_NAME", "main"),
    ("GITHUB_EVENT_PATH", EVENT),
];

/// The event that they name, from the root of the workspace.
const EVENT: &str = "target/event.json";

const GIT_TIMEOUT: Duration = Duration::from_mins(1);

/// Takes away what earlier trials remember: with it, gates over a history would speak in some trials and not in others.
pub(super) fn clear(root: &Utf8Path) -> io::Result<()> {
    match fs::remove_dir_all(root.join(".tollgate")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the workspace, as it is, the one commit of a new repository.
pub(super) fn commit(root: &Utf8Path, interrupt: &Interrupt) -> Result<(), String> {
    let write = || -> io::Result<()> {
        fs::create_dir_all(root.join("target"))?;
        fs::write(root.join(EVENT), r#"{"repository": {"default_branch": "main"}}"#)
    };
    write().map_err(|error| format!("{EVENT} can't be written: {error}"))?;
    let identity =
        ["-c", "user.name=self-test", "-c", "user.email=self-test@example.test", "-c", "commit.gpgsign=false"];
    let commands: [&[&str]; 3] = [
        &["init", "--quiet", "--initial-branch", "main"],
        &["add", "--all"],
        &["commit", "--quiet", "--message", "calm"],
    ];
    for command in commands {
        let cmd = Cmd::new("git").args(identity).args(command).cwd(root).timeout(GIT_TIMEOUT);
        let done = cmd.run(interrupt).and_then(|output| output.success_or(&cmd));
        done.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Changes a file.
pub(super) fn edit(root: &Utf8Path, edit: &Edit) -> Result<(), String> {
    let file = root.join(&edit.file);
    let failed = |error: io::Error| format!("{file} can't be changed: {error}");
    let text = fs::read_to_string(&file).map_err(failed)?;
    if text.matches(&edit.from).count() != 1 {
        return Err(format!("{file} does not have `{}` once", edit.from));
    }
    fs::write(&file, text.replace(&edit.from, &edit.to)).map_err(failed)
}
