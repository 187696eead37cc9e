//! A checkout of an earlier commit, in a repository of which the workspace is a part.

use crate::questions::git;
use crate::sample::{interrupt, tools, utf8};
use std::fs;
use tempfile::TempDir;
use tollgate_tools::Toolbox;
use tollgate_tools::checkout::Place;
use tollgate_tools::git::head;

#[test]
fn a_commit_is_checked_out_beside_the_workspace_and_the_repository_does_not_learn_of_it() {
    let directory = TempDir::new().expect("a temporary directory");
    let top = utf8(&directory);
    let (root, target) = (top.join("work"), top.join("work/target"));
    fs::create_dir_all(target.join("debug/deps")).expect("a directory");
    for part in [".fingerprint", "build"] {
        fs::create_dir(target.join("debug").join(part)).expect("a directory");
    }
    let write = |path: &str, text: &str| fs::write(top.join(path), text).expect("a file");
    for (path, text) in
        [("beside", "1"), ("work/src.rs", "old"), ("work/gone.rs", "gone"), (".gitignore", "target\n*.lock\n")]
    {
        write(path, text);
    }
    git(&top, &["init", "--quiet"]);
    git(&top, &["add", "--all"]);
    git(&top, &["commit", "--quiet", "--message", "first"]);
    let (commit, _) = head(&root, &interrupt()).expect("a commit");
    for (path, text) in [("work/src.rs", "new"), ("work/Cargo.lock", "versions")] {
        write(path, text);
    }
    for dep in ["libserde-12.rlib", "libwork-34.rlib"] {
        write(&format!("work/target/debug/deps/{dep}"), "compiled");
    }
    fs::remove_file(root.join("gone.rs")).expect("removed");
    let before = head(&root, &interrupt());

    let toolbox = Toolbox::new(root.clone(), interrupt(), &tools());
    let (beside, elsewhere) = (target.join("tollgate/base"), TempDir::new().expect("a temporary directory"));
    let tree = utf8(&elsewhere).join("tree");
    let place = Place::take(&beside, tree.clone()).expect("it can be made").expect("nobody has it");
    assert!(Place::take(&beside, tree).expect("it can be asked").is_none(), "one at a time");
    fs::create_dir_all(place.tree.join("work")).expect("a directory");
    for left in ["work/stray.rs", "index.lock"] {
        fs::write(place.tree.join(left), "of a run that was killed").expect("a file");
    }
    let base = place.fill(&toolbox, &commit, &target, &["work".to_owned()]).expect("it is checked out");
    assert_eq!(base, place.tree.join("work"));
    let read = |path: &str| fs::read_to_string(place.tree.join(path)).ok();
    assert_eq!([read("beside").as_deref(), read("work/src.rs").as_deref()], [Some("1"), Some("old")]);
    assert_eq!([read("work/gone.rs").as_deref(), read("work/stray.rs").as_deref()], [Some("gone"), None]);
    assert_eq!(
        read("work/Cargo.lock").as_deref(),
        Some("versions"),
        "the lock file is not kept, so it is the workspace's"
    );
    let has = |dep: &str| place.target.join("debug/deps").join(dep).exists();
    assert!(has("libserde-12.rlib") && !has("libwork-34.rlib"), "members are compiled anew");
    assert_eq!(head(&root, &interrupt()), before);
    let there = head(&base, &interrupt());
    assert_eq!(there, Some((commit.clone(), false)), "the checkout knows which commit it is, and that it is whole");
    assert!(!top.join(".git/worktrees").exists());

    assert!(place.fill(&toolbox, "nothing", &target, &[]).is_err());
    place.empty().expect("it can be removed");
    assert!(!place.tree.exists() && place.target.exists());
    let names: Vec<_> = fs::read_dir(&beside).expect("there").map(|it| it.expect("one").file_name()).collect();
    assert_eq!(names.len(), 2, "the lock and what was built: {names:?}");
}
