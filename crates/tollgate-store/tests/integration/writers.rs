//! Several processes at one history: they lose nothing, and one that is killed leaves nothing that is taken for a record.

use crate::sample::{history, record};
use camino::{Utf8Path, Utf8PathBuf};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};
use tollgate_store::History;

/// A process that adds records of so many runs, and prints the name of each when it is on the disk.
fn writer(root: &Utf8Path, first: u32, count: u32) -> Child {
    let test = Utf8PathBuf::from_path_buf(std::env::current_exe().expect("a path")).expect("UTF-8");
    let example = test.parent().and_then(Utf8Path::parent).expect("two levels").join("examples/history");
    let mut command = Command::new(&example);
    command.args(["write", root.as_str(), &first.to_string(), &count.to_string()]).stdout(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("{example}: {error}; `cargo build --examples` makes it"))
}

fn names(history: &History) -> BTreeSet<String> {
    history.records().expect("a list").map(|entry| entry.expect("readable").0.to_string()).collect()
}

#[test]
fn writers_that_run_at_once_lose_nothing() {
    let (_guard, root, history) = history();
    // Every second run is written by both.
    let writers = [writer(&root, 0, 20), writer(&root, 10, 20), writer(&root, 20, 20)];
    let looking = std::thread::spawn({
        let history = history.clone();
        move || (0..5).map(|_| history.index().expect("an index").skipped().len()).sum::<usize>()
    });
    let mut told = BTreeSet::new();
    for writer in writers {
        let output = writer.wait_with_output().expect("it ends");
        assert!(output.status.success());
        told.extend(String::from_utf8(output.stdout).expect("names").lines().map(str::to_owned));
    }
    assert_eq!(looking.join().expect("no panic"), 0, "a record that is seen is whole");
    assert_eq!(told.len(), 40);
    assert_eq!(names(&history), told);
    assert_eq!(history.index().expect("an index").runs(100).expect("runs").len(), 40);
}

#[test]
fn a_writer_that_is_killed_leaves_what_it_finished_and_nothing_else() {
    let (_guard, root, history) = history();
    let mut writer = writer(&root, 0, 100_000);
    let mut lines = BufReader::new(writer.stdout.take().expect("a pipe")).lines();
    let told: BTreeSet<String> = lines.by_ref().take(5).map(|line| line.expect("a name")).collect();
    writer.kill().expect("killed");
    writer.wait().expect("it ends");
    let told: BTreeSet<String> = told.into_iter().chain(lines.map_while(Result::ok)).collect();
    let found = names(&history);
    assert!(found.is_superset(&told), "what was told of is there");
    // It may have been killed between giving a file its name and telling of it.
    assert!(found.len() <= told.len() + 1, "{} of {}", found.len(), told.len());
    History::open(&root).expect("opened");
    assert_eq!(fs::read_dir(root.join("drafts")).expect("a directory").count(), 0);
}

#[test]
fn a_draft_is_removed_only_when_its_writer_is_gone() {
    let (_guard, root, history) = history();
    let draft = root.join("drafts/4711-0");
    fs::write(&draft, "half a record").expect("a draft");
    let lock = fs::File::options().append(true).create(true).open(root.join("lock")).expect("the lock");
    lock.lock_shared().expect("as a writer holds it");
    History::open(&root).expect("opened");
    assert!(draft.exists(), "its writer is at it");
    history.add(&record(1)).expect("two writers don't wait for each other");
    drop(lock);
    History::open(&root).expect("opened");
    assert!(!draft.exists());
    assert_eq!(names(&history).len(), 1);
}
