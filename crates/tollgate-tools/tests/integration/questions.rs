//! cargo, rustc and git.

use crate::sample::{Sample, interrupt, utf8};
use camino::Utf8Path;
use tollgate_exec::Cmd;
use tollgate_tools::{ToolError, cargo, git};

#[test]
fn cargo_tells_the_members_of_a_workspace() {
    let sample = Sample::new();
    let workspace = cargo::metadata(&sample.root.join("server/src"), &interrupt()).expect("a workspace");
    let members: Vec<_> = workspace.members.iter().map(|m| (m.name.as_str(), m.directory.as_str())).collect();
    assert_eq!(members, [("greeter", "greeter"), ("server", "server"), ("stamp", "stamp")]);
    assert_eq!(workspace.members[1].binaries, ["idle", "server"]);
    assert_eq!(workspace.root, sample.root);
    let toolchain = cargo::toolchain(&sample.root, &interrupt()).expect("there is a rustc");
    let host = cargo::host(&sample.root, &interrupt()).expect("it has a host");
    assert!(toolchain.starts_with("rustc 1.") && toolchain.ends_with(&format!(") on {host}")), "{toolchain}");
}

#[test]
fn where_there_is_no_workspace_cargo_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let error = cargo::metadata(&utf8(&directory), &interrupt()).unwrap_err();
    assert!(matches!(error, ToolError::Exec(_)), "{error:?}");
    assert!(error.to_string().contains("could not find `Cargo.toml`"), "{error}");
}

pub(crate) fn git(root: &Utf8Path, args: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.test", "-c", "commit.gpgsign=false"];
    let cmd = Cmd::new("git").args(identity).args(args).cwd(root);
    cmd.run(&interrupt()).and_then(|output| output.success_or(&cmd)).expect("git works");
}

#[test]
fn git_tells_the_commit_and_whether_files_differ_from_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = utf8(&directory);
    assert_eq!(git::head(&root, &interrupt()), None, "it is no checkout");
    git(&root, &["init", "--quiet"]);
    assert_eq!(git::head(&root, &interrupt()), None, "there is no commit");
    git(&root, &["commit", "--quiet", "--allow-empty", "--message", "first"]);
    let (commit, dirty) = git::head(&root, &interrupt()).expect("a commit");
    assert!(commit.len() >= 40 && !dirty, "{commit} {dirty}");
    std::fs::write(root.join("new"), "").expect("it can be written");
    assert_eq!(git::head(&root, &interrupt()), Some((commit, true)));
}

#[test]
fn git_names_every_file_that_a_change_touches_in_or_beside_the_workspace() {
    let directory = tempfile::tempdir().expect("a directory");
    let top = utf8(&directory);
    let root = top.join("workspace");
    let write = |path: &str, text: &str| {
        let path = top.join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("it can be made");
        std::fs::write(path, text).expect("it can be written");
    };
    git(&top, &["init", "--quiet"]);
    for path in ["workspace/moved", "workspace/left alone", "beside"] {
        write(path, "one\ntwo\n");
    }
    git(&top, &["add", "--all"]);
    git(&top, &["commit", "--quiet", "--message", "first"]);
    let (commit, _) = git::head(&root, &interrupt()).expect("a commit");
    let touched = || git::touched(&root, &commit, &interrupt()).expect("a commit");
    assert_eq!(touched(), Vec::<String>::new());
    git(&root, &["mv", "moved", "there"]);
    write("beside", "one\n two\n");
    write("workspace/new/\u{e4}.txt", "");
    write("far", "");
    assert_eq!(touched(), ["/beside", "moved", "there", "/far", "new/\u{e4}.txt"]);
    assert!(git::touched(&root, "nothing", &interrupt()).is_err());
}

#[test]
fn the_diff_has_rust_files_that_git_does_not_know_yet() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = utf8(&directory);
    let write = |path: &str, text: &str| std::fs::write(root.join(path), text).expect("it can be written");
    git(&root, &["init", "--quiet"]);
    write("old.rs", "one\ntwo\n");
    git(&root, &["add", "--all"]);
    git(&root, &["commit", "--quiet", "--message", "first"]);
    let (commit, _) = git::head(&root, &interrupt()).expect("a commit");
    let changes = || git::changes(&root, &commit, &interrupt()).expect("a commit");
    write("new.rs", "\n--- a/b\nlast");
    write("none.rs", "");
    write("new.txt", "text\n");
    let of_unknown = changes();
    git(&root, &["add", "--all"]);
    let of_known: Vec<String> =
        changes().split_inclusive('\n').filter(|line| !line.starts_with("index ")).map(str::to_owned).collect();
    let of_known = of_known.concat();
    let (rust, text) = of_known.split_once("diff --git a/new.txt").expect("git knows it now");
    let (_, none) = text.split_once("diff --git").expect("and another one");
    assert_eq!(of_unknown, format!("{}diff --git{none}", rust.replace("\\ No newline at end of file\n", "")));
}
