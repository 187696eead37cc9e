//! The evidence file on a real disk, in the form that the orchestrator reads.

use std::path::{Path, PathBuf};
use tollgate_load::{LoadEvidence, LoadSample, WriteError, directory};

fn evidence() -> LoadEvidence {
    LoadEvidence {
        name: "chat".to_owned(),
        users: 5,
        requests: 260,
        errors: 2,
        latencies_us: vec![1000, 2000, 90_000],
        sessions: 20,
        sessions_completed: 19,
        sent_late: 1,
        wall_ms: 10_123,
        samples: vec![sample("GET /price", Some(1000)), sample("", None)],
    }
}

fn sample(what: &str, latency_us: Option<u64>) -> LoadSample {
    LoadSample { due_ms: 190, latency_us, what: what.to_owned() }
}

#[test]
fn the_file_reads_back_as_the_models_load_evidence() {
    let directory = tempfile::tempdir().unwrap();
    let path = evidence().write(&directory.path().join("load")).unwrap();
    assert_eq!(path, directory.path().join("load/chat.json"));
    let read: tollgate_model::LoadEvidence = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let expect = tollgate_model::LoadEvidence {
        name: "chat".to_owned(),
        users: 5,
        requests: 260,
        errors: 2,
        latencies_us: vec![1000, 2000, 90_000],
        sessions: 20,
        sessions_completed: 19,
        sent_late: 1,
        wall_ms: 10_123,
        samples: evidence()
            .samples
            .into_iter()
            .map(|sample| tollgate_model::LoadSample {
                due_ms: sample.due_ms,
                latency_us: sample.latency_us,
                what: sample.what,
            })
            .collect(),
        extended: 0,
    };
    assert_eq!(read, expect);
}

#[test]
fn the_form_has_no_key_more_and_none_less_than_the_models() {
    let ours = serde_json::to_value(evidence()).unwrap();
    let model: tollgate_model::LoadEvidence = serde_json::from_value(ours.clone()).unwrap();
    assert_eq!(serde_json::to_value(model).unwrap(), ours);
}

#[test]
fn nothing_but_the_whole_file_is_left_in_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    evidence().write(directory.path()).unwrap();
    evidence().write(directory.path()).unwrap();
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["chat.json"]);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let error = evidence().write(&blocked.join("load")).unwrap_err();
    assert!(error.to_string().ends_with("file/load"), "{error}");
    assert!(matches!(error, WriteError::Write { .. }));
}

#[test]
fn the_directory_is_the_one_the_environment_names() {
    let expect = std::env::var_os("TOLLGATE_LOAD_DIR").map(PathBuf::from);
    assert_eq!(directory(), expect);
    assert_ne!(directory().as_deref(), Some(Path::new("")));
}
