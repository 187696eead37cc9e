//! The committed workflow files are what `cargo xtask workflows` writes, and it says so when they are not.

use std::{fs, process::Command};

/// The smallest configuration that works.
const CONFIG: &str = "version = 1\n[tiers.unit]\nfilter = \"kind(lib)\"\n[stages.dev]\ntiers = [\"unit\"]\n";

fn check(directory: &camino::Utf8Path) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    let output = command.args(["workflows", "--check"]).current_dir(directory).output().expect("tollgate runs");
    (output.status.success(), String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn the_workflow_files_are_those_that_would_be_written() {
    let (good, said) = check(&crate::root());
    assert!(good, "{said}");
}

#[test]
fn the_variables_of_an_environment_are_in_no_artifact() {
    let files = fs::read_dir(crate::root().join(".github/workflows")).expect("a directory");
    let text: String = files.flatten().filter_map(|file| fs::read_to_string(file.path()).ok()).collect();
    let lines = |line: &str| text.lines().filter(|one| one.trim() == line).count();
    let kept = lines("target/tollgate/latest/*.json");
    assert!(kept > 0, "{text}");
    assert_eq!(lines(&format!("!target/tollgate/latest/{}", tollgate_env::NOTICE)), kept);
}

#[test]
fn a_workflow_of_ones_own_is_never_written_over() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = camino::Utf8Path::from_path(directory.path()).expect("UTF-8");
    let own = root.join(".github/workflows/ci.yml");
    fs::create_dir_all(root.join("ci")).expect("a directory");
    fs::create_dir_all(root.join(".github/workflows")).expect("a directory");
    fs::write(root.join("ci/tollgate.toml"), CONFIG).expect("a file");
    fs::write(&own, "name: deploy\n").expect("a file");
    let mut write = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    let ended = write.arg("workflows").current_dir(root).output().expect("tollgate runs");
    let said = String::from_utf8(ended.stderr).expect("UTF-8");
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(
        said.contains("ci.yml was written by hand")
            && said.contains("rename it and what stands at its `name:`, or remove it"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&own).expect("a file"), "name: deploy\n");
    assert!(!root.join(".github/workflows/nightly.yml").exists(), "all are written, or none");
    let (good, said) = check(root);
    assert!(!good && said.contains("ci.yml was written by hand"), "{said}");
    // Out of the way it is still called as the checks are.
    fs::write(&own, "name: ci\n").expect("a file");
    fs::rename(&own, root.join(".github/workflows/own.yml")).expect("renamed");
    let mut write = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    let ended = write.arg("workflows").current_dir(root).output().expect("tollgate runs");
    let said = String::from_utf8(ended.stdout).expect("UTF-8");
    assert!(said.contains("own.yml: it has the name `ci`, as ci.yml has"), "{said}");
}

#[test]
fn a_file_that_was_edited_by_hand_is_shown_with_the_command_that_mends_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = camino::Utf8Path::from_path(directory.path()).expect("UTF-8");
    let workflows = root.join(".github/workflows");
    fs::create_dir_all(root.join("ci")).expect("a directory");
    fs::write(root.join("ci/tollgate.toml"), CONFIG).expect("a file");
    let mut write = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    assert!(write.arg("workflows").current_dir(root).status().expect("tollgate runs").success());
    assert!(check(root).0);
    let file = workflows.join("coverage.yml");
    let text = fs::read_to_string(&file).expect("written");
    fs::write(&file, text.replace("exec cargo", "cargo")).expect("a file");
    let (good, said) = check(root);
    assert!(!good);
    for part in
        ["-        run: cargo xtask ci", "+        run: exec cargo xtask ci", "`cargo xtask workflows` writes them"]
    {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn an_adopters_branch_and_engine_are_those_of_the_files() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = camino::Utf8Path::from_path(directory.path()).expect("UTF-8");
    fs::create_dir_all(root.join("ci")).expect("a directory");
    fs::write(root.join("ci/tollgate.toml"), CONFIG).expect("a file");
    let write = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        assert!(command.arg("workflows").args(args).current_dir(root).status().expect("tollgate runs").success());
        let read = |name| fs::read_to_string(root.join(".github/workflows").join(name)).expect("written");
        (read("coverage.yml"), read("ci.yml"))
    };
    let (coverage, ci) = write(&["--main-branch", "trunk"]);
    assert!(coverage.contains("branches: [trunk]") && ci.contains("--engine native"), "{coverage}{ci}");
    assert!(check(root).0);
    fs::write(root.join("ci/tollgate.toml"), format!("{CONFIG}[environment]\nengine = \"compose\"\n")).expect("a file");
    let (good, said) = check(root);
    assert!(!good && said.contains("-        run: exec cargo xtask ci --engine native"), "{said}");
    let (coverage, ci) = write(&[]);
    assert!(coverage.contains("branches: [trunk]") && !ci.contains("--engine"), "{coverage}{ci}");
}
