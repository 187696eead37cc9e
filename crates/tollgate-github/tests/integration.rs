//! The files of a step, on a real file system, and calls to a server.

#[path = "integration/rest.rs"]
mod rest;

use std::fs;
use tollgate_github::{Actions, SUMMARY_BYTES_MAX};

#[test]
fn summaries_are_appended_and_never_exceed_what_github_takes() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("summary.md");
    let path = path.to_str().expect("UTF-8");
    let actions = Actions::detect(|name| match name {
        "GITHUB_ACTIONS" => Some("true".to_owned()),
        "GITHUB_STEP_SUMMARY" => Some(path.to_owned()),
        _ => None,
    })
    .expect("a step");
    actions.append_summary("# one\n").expect("written");
    actions.append_summary("# two\n").expect("written");
    assert_eq!(fs::read_to_string(path).expect("read"), "# one\n# two\n");
    actions.append_summary(&"x\n".repeat(SUMMARY_BYTES_MAX)).expect("written");
    let length = fs::metadata(path).expect("metadata").len();
    assert!(length <= SUMMARY_BYTES_MAX as u64 && length > SUMMARY_BYTES_MAX as u64 - 200, "{length}");
}

#[test]
fn an_output_is_one_line_and_cant_set_another() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("output");
    let path = path.to_str().expect("UTF-8");
    let actions = Actions::detect(|name| match name {
        "GITHUB_ACTIONS" => Some("true".to_owned()),
        "GITHUB_OUTPUT" => Some(path.to_owned()),
        _ => None,
    })
    .expect("a step");
    actions.append_output("matrix", "[1]").expect("written");
    actions.append_output("artifact", "plan").expect("written");
    actions.append_output("artifact", "plan\nmatrix=[]").expect_err("two lines");
    assert_eq!(fs::read_to_string(path).expect("read"), "matrix=[1]\nartifact=plan\n");
}

#[test]
fn a_summary_that_cant_be_written_is_named() {
    let actions = Actions::detect(|name| match name {
        "GITHUB_ACTIONS" => Some("true".to_owned()),
        "GITHUB_STEP_SUMMARY" => Some("/nowhere/summary.md".to_owned()),
        _ => None,
    })
    .expect("a step");
    assert_eq!(
        actions.append_summary("x").unwrap_err().to_string(),
        "can't write the step summary /nowhere/summary.md"
    );
}
