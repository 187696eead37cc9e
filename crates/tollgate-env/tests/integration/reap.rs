//! Reaping after runs that nobody could clean up after.

use crate::support::{SERVERS, Scene, names, probe, runs, segments, stat, tree, wait_until};
use camino::Utf8PathBuf;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use tollgate_env::{Entry, Ledger, NOTICE, ProcessId, StopKind, base_of, checkout_of, end_tests, gc};

fn sleep() -> (Child, ProcessId) {
    let child = Command::new("sleep").arg("600").process_group(0).spawn().expect("it starts");
    let pid = i32::try_from(child.id()).expect("a pid");
    (child, stat(pid).expect("it runs").0)
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("it is mounted").trim().to_owned()
}

fn told(scene: &Scene, dry_run: bool) -> Vec<String> {
    let leftovers = gc(&scene.runs_root(), dry_run).expect("ledgers can be read");
    leftovers.iter().map(|leftover| format!("{}: {}", leftover.kind, leftover.what)).collect()
}

#[test]
fn a_run_that_was_killed_with_its_keeper_is_cleaned_up_by_the_next_one() {
    let scene = Scene::new("both-killed", SERVERS);
    let mut orchestrator = Command::new(probe())
        .args(["orchestrate", scene.run_dir().as_str(), scene.file().as_str(), "wait"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the probe starts");
    let mut lines = BufReader::new(orchestrator.stdout.take().expect("it is a pipe")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "ready"));
    // While it lives it is left alone.
    assert_eq!(told(&scene, false), [""; 0]);
    let server = scene.recorded();
    let processes = tree(i32::try_from(orchestrator.id()).expect("a pid"));
    orchestrator.kill().expect("it runs");
    orchestrator.wait().expect("it is our child");
    // No keeper is there, and yet the servers go: the kernel tells them.
    wait_until("the servers have ended", || !processes.iter().any(|id| runs(*id)));
    let state = scene.state().expect("nobody has removed it");
    let directory = |end: &str| format!("directory: {state} of run {} {end}", scene.run);
    assert_eq!(told(&scene, true), [directory("would be removed")]);
    assert_eq!(scene.state(), Some(state.clone()));
    assert_eq!(told(&scene, false), [directory("was removed")]);
    assert_eq!((scene.state(), segments(&server)), (None, 0));
    assert_eq!(told(&scene, false), [""; 0]);
}

#[test]
fn a_process_is_ended_only_when_pid_start_time_and_boot_match() {
    let scene = Scene::new("identity", "services: {}\n");
    let service = names(&["s"])[0].clone();
    let ledger = Ledger::open(&scene.run_dir(), &scene.run).expect("a ledger");
    let (mut same, mut later, mut before) = (sleep(), sleep(), sleep());
    let entry = |process, boot_id| Entry::Process { service: service.clone(), process, boot_id, stop: StopKind::Plain };
    let other = ProcessId { start_time: later.1.start_time - 1, ..later.1 };
    let entries = [entry(same.1, boot_id()), entry(other, boot_id()), entry(before.1, "another boot".to_owned())];
    ledger.record_all(&entries).expect("it can be written");
    assert_eq!(told(&scene, false), [""; 0], "its run is alive");
    drop(ledger);
    // A run that died while it wrote.
    let mut file = fs::File::options().append(true).open(scene.run_dir().join("ledger.jsonl")).expect("it is there");
    file.write_all(b"{\"entry\":\"dir").expect("it can be written");
    let checkout = checkout_of(&scene.run_dir()).expect("it is among runs");
    fs::create_dir_all(checkout.join("src")).expect("a directory");

    let unreadable = format!("ledger: {}: line 5: EOF while parsing a string at line 1 column 13, skipped", scene.run);
    let process = |end: &str| format!("process: {} of service `s` of run {} {end}", same.1.pid, scene.run);
    let directory = |end: &str| format!("directory: {checkout} of run {} {end}", scene.run);
    let would = [unreadable.clone(), process("would be ended"), directory("would be removed")];
    assert_eq!(told(&scene, true), would);
    assert!(runs(same.1) && checkout.exists());
    assert_eq!(told(&scene, false), [unreadable, process("was ended"), directory("was removed")]);
    assert!(!runs(same.1) && !checkout.exists());
    assert!(runs(later.1) && runs(before.1));
    assert_eq!(told(&scene, false), [""; 0]);
    for (child, _) in [&mut same, &mut later, &mut before] {
        drop(child.kill());
        child.wait().expect("it is our child");
    }
}

#[test]
fn a_process_that_ignores_the_signal_is_killed_with_what_it_started() {
    let scene = Scene::new("ignores", "services: {}\n");
    let script = "trap '' TERM; sleep 600 & touch up; wait; sleep 600";
    let mut shell =
        Command::new("sh").args(["-c", script]).current_dir(scene.path()).process_group(0).spawn().expect("a shell");
    wait_until("the trap is set", || scene.path().join("up").exists());
    let pid = i32::try_from(shell.id()).expect("a pid");
    let family = tree(pid);
    let ledger = Ledger::open(&scene.run_dir(), &scene.run).expect("a ledger");
    let (process, service) = (stat(pid).expect("it runs").0, names(&["s"])[0].clone());
    ledger
        .record(&Entry::Process { service, process, boot_id: boot_id(), stop: StopKind::Postgres })
        .expect("it can be written");
    drop(ledger);
    kill_process(Pid::from_raw(pid).expect("a pid"), Signal::CONT).expect("it runs");
    assert_eq!(told(&scene, false).len(), 1);
    assert!(!runs(process) && !family.iter().any(|id| runs(*id)));
    shell.wait().expect("it is our child");
}

#[test]
fn a_directory_that_no_run_made_stays() {
    let scene = Scene::new("foreign", "services: {}\n");
    let ledger = Ledger::open(&scene.run_dir(), &scene.run).expect("a ledger");
    let precious: Utf8PathBuf = scene.path().join(scene.run.as_str());
    fs::create_dir(&precious).expect("a directory");
    let gone = scene.path().join("gone");
    let entries = [Entry::Directory { path: precious.clone() }, Entry::Directory { path: gone }];
    ledger.record_all(&entries).expect("it can be written");
    drop(ledger);
    let notice = scene.run_dir().join(NOTICE);
    fs::write(&notice, "{}").expect("a file");
    assert_eq!((told(&scene, true).len(), notice.exists()), (1, true), "it is only looked at");
    let stays = format!("directory: {precious} is no state directory of run {} and stays", scene.run);
    assert_eq!(told(&scene, false), [stays]);
    assert!(precious.exists() && !notice.exists());
}

#[test]
fn a_checkout_goes_with_what_its_own_runs_left() {
    let scene = Scene::new("checkout", "services: {}\n");
    let base = base_of(&scene.run_dir()).expect("it is among runs");
    let tree = checkout_of(&scene.run_dir()).expect("it is among runs");
    let inner = base.join("target/tollgate/runs").join(scene.run.as_str());
    fs::create_dir_all(tree.join("src")).expect("a directory");
    let own = Ledger::open(&inner, &scene.run).expect("a ledger");
    let (mut left, process) = sleep();
    let service = names(&["s"])[0].clone();
    own.record(&Entry::Process { service, process, boot_id: boot_id(), stop: StopKind::Plain }).expect("it is written");
    drop(own);
    let ledger = Ledger::reopen(&scene.run_dir(), &scene.run).expect("a ledger").expect("nothing was begun");
    let elsewhere = scene.path().join("tree");
    fs::create_dir(&elsewhere).expect("a directory");
    let entries = [Entry::Checkout { path: tree.clone() }, Entry::Checkout { path: elsewhere.clone() }];
    ledger.record_all(&entries).expect("it can be written");
    drop(ledger);
    assert!(Ledger::reopen(&scene.run_dir(), &scene.run).expect("readable").is_none(), "it is not accounted for");

    // Another run that has the place by now fills it anew.
    let lock = fs::File::create(base.join("lock")).expect("a lock");
    lock.lock().expect("nobody has it");
    assert!(told(&scene, true).iter().all(|line| !line.contains(tree.as_str())));
    drop(lock);
    let said = told(&scene, false);
    let foreign = format!("directory: {elsewhere} is no checkout of run {} and stays", scene.run);
    assert!(said.contains(&foreign) && said.iter().any(|line| line.contains("of service `s`")), "{said:?}");
    assert!(said.contains(&format!("directory: {tree} of run {} was removed", scene.run)), "{said:?}");
    assert!(!tree.exists() && elsewhere.exists() && !runs(process));
    left.wait().expect("it is our child");
    assert_eq!(told(&scene, false), [""; 0]);
}

#[test]
fn a_run_directory_belongs_to_one_living_run() {
    let scene = Scene::new("held", "services: {}\n");
    let ledger = Ledger::open(&scene.run_dir(), &scene.run).expect("a ledger");
    let error = Ledger::open(&scene.run_dir(), &scene.run).expect_err("the first one lives");
    assert_eq!(error.to_string(), format!("run directory `{}` belongs to a run that is still alive", scene.run_dir()));
    ledger.finish().expect("it can be written");
    drop(ledger);
    assert_eq!(told(&scene, false), [""; 0]);
    assert!(gc(&scene.path().join("nowhere"), false).expect("there are no runs").is_empty());
}

#[test]
fn a_project_that_can_not_be_looked_for_stays_in_its_ledger() {
    let scene = Scene::new("project", "services: {}\n");
    let ledger = Ledger::open(&scene.run_dir(), &scene.run).expect("a ledger");
    let (name, command) = ("tg-none".to_owned(), vec!["no-such-engine".to_owned(), "compose".to_owned()]);
    ledger.record(&Entry::Project { name, command }).expect("it can be written");
    drop(ledger);
    assert_eq!(told(&scene, true), [format!("project: tg-none of run {} would be removed", scene.run)]);
    let first = told(&scene, false);
    assert!(first[0].starts_with("project: tg-none: can't be looked for"), "{first:?}");
    assert_eq!(told(&scene, false), first);
}

#[test]
fn what_tests_of_a_run_left_is_ended_and_nothing_of_another() {
    let scene = tempfile::tempdir().unwrap();
    let run_dir = |name: &str| Utf8PathBuf::try_from(scene.path().join(name)).unwrap();
    let left = |name: &str| {
        let child = Command::new("sleep").arg("600").env("TOLLGATE_RUN_DIR", run_dir(name)).spawn().unwrap();
        Ending(child)
    };
    let (mut left, mut other) = (left("run-1"), left("run-10"));
    assert!(end_tests(&run_dir("run-1")));
    assert_eq!(left.0.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));
    assert_eq!(other.0.try_wait().unwrap(), None);
}

/// A child that goes with the test.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
