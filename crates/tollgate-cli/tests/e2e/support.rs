//! Runs of tollgate in a copy of the fixture `shop`, and what is looked at afterwards.

use std::{fs, process::Command};
use tollgate_env::checkout_of;
use tollgate_model::{Evidence, Outcome, Verdict};
use tollgate_testkit::{Ended, Fixture, Invocation};

/// A copy of the shop.
pub(crate) fn shop() -> Fixture {
    Fixture::copy("shop")
}

/// Writes another package beside the shop's, a library; `more` is the end of its manifest.
pub(crate) fn package(shop: &Fixture, name: &str, more: &str, source: &str) {
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n[lib]\ndoctest = false\n\n{more}\n"
    );
    fs::create_dir_all(shop.root().join(name).join("src")).expect("a directory");
    shop.write(&format!("{name}/Cargo.toml"), &manifest).write(&format!("{name}/src/lib.rs"), source);
}

/// tollgate with these arguments, in the fixture, on the native engine's terms.
pub(crate) fn tollgate(fixture: &Fixture, args: &[&str]) -> Invocation {
    Invocation::new(env!("CARGO_BIN_EXE_tollgate"), fixture).args(args)
}

/// Runs `ci --engine native` with more arguments.
pub(crate) fn ci(fixture: &Fixture, args: &[&str]) -> Ended {
    let args: Vec<&str> = ["ci", "--engine", "native"].into_iter().chain(args.iter().copied()).collect();
    tollgate(fixture, &args).run()
}

/// The verdict of the newest run.
pub(crate) fn verdict(fixture: &Fixture) -> Verdict {
    serde_json::from_str(&fixture.read("target/tollgate/latest/verdict.json")).expect("a verdict")
}

/// The evidence of the newest run.
pub(crate) fn evidence(fixture: &Fixture) -> Evidence {
    serde_json::from_str(&fixture.read("target/tollgate/latest/evidence.json")).expect("evidence")
}

/// Outcome of one gate of the newest run.
pub(crate) fn gate(fixture: &Fixture, name: &str) -> Outcome {
    let verdict = verdict(fixture);
    let gate = verdict.gates.iter().find(|gate| gate.gate.as_str() == name);
    gate.unwrap_or_else(|| panic!("no gate {name} in {verdict:#?}")).outcome
}

/// Names of the gates that are not passed.
pub(crate) fn not_passed(fixture: &Fixture) -> Vec<String> {
    let verdict = verdict(fixture);
    let gates = verdict.gates.iter().filter(|gate| gate.outcome != Outcome::Passed);
    gates.map(|gate| format!("{} {}", gate.gate, gate.outcome)).collect()
}

/// Runs git in the fixture.
pub(crate) fn git(shop: &Fixture, args: &[&str]) {
    let identity = ["-c", "user.name=shop", "-c", "user.email=shop@example.test", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").args(identity).args(args).current_dir(shop.root()).output().expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Commits everything.
pub(crate) fn commit(shop: &Fixture) {
    git(shop, &["add", "--all"]);
    git(shop, &["commit", "--quiet", "--message", "a shop"]);
}

/// Asserts that no checkout of a base is left, none that git knows of, and nothing else of the runs.
pub(crate) fn assert_no_checkout(shop: &Fixture) {
    let runs = shop.root().join("target/tollgate/runs").canonicalize_utf8().expect("there were runs");
    let checkout = checkout_of(&runs.join("any")).expect("it is among runs");
    assert!(!checkout.exists(), "{checkout}: the checkout of the base is still there");
    assert!(!shop.root().join(".git/worktrees").exists());
    assert_nothing_left(shop);
}

/// Asserts that nothing of the fixture's runs is left: no process of it, no state directory, nothing for `env gc`.
pub(crate) fn assert_nothing_left(fixture: &Fixture) {
    let gc = tollgate(fixture, &["env", "gc", "--dry-run"]).run();
    assert_eq!((gc.code, gc.stdout.as_str()), (0, "nothing is left behind\n"), "{gc}");
    assert_no_process(fixture);
    for run in fs::read_dir(fixture.root().join("target/tollgate/runs")).expect("runs").flatten() {
        let name = run.file_name().into_string().expect("UTF-8");
        let state = Command::new("find").args(["/dev/shm", "/tmp", "-maxdepth", "2", "-name", &name]).output();
        assert_eq!(String::from_utf8_lossy(&state.expect("find runs").stdout), "", "state of run {name}");
    }
}

/// Asserts that no process is left that has a path of the fixture on its command line.
pub(crate) fn assert_no_process(fixture: &Fixture) {
    let processes = Command::new("ps").args(["-eo", "pid,args"]).output().expect("ps runs");
    let processes = String::from_utf8_lossy(&processes.stdout).into_owned();
    let left: Vec<&str> = processes.lines().filter(|line| line.contains(fixture.root().as_str())).collect();
    assert_eq!(left, Vec::<&str>::new());
}
