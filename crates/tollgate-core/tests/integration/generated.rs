//! Files that are generated from the types of this crate are up to date, and this workspace's own configuration is read.

use std::path::{Path, PathBuf};
use tollgate_core::config::{self, Sources};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two directories below the root").to_owned()
}

/// Compares a generated file; with `TOLLGATE_BLESS=1` writes it.
fn is_up_to_date(file: &str, text: &str) {
    let path = root().join(file);
    if std::env::var_os("TOLLGATE_BLESS").is_some() {
        std::fs::write(&path, text).expect("the documentation can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let line = found.lines().zip(text.lines()).take_while(|(found, text)| found == text).count() + 1;
    assert!(
        found == text,
        "{file} is out of date from line {line} on; write it anew with\n\n    \
         TOLLGATE_BLESS=1 cargo test -p tollgate-core --test integration\n"
    );
}

#[test]
fn the_reference_of_the_configuration_is_up_to_date() {
    is_up_to_date("docs/config.md", &config::reference());
}

#[test]
fn the_schemas_of_the_configuration_files_are_up_to_date() {
    is_up_to_date("docs/tollgate.schema.json", &config::schema());
    is_up_to_date("docs/policy.schema.json", &config::policy_schema());
    is_up_to_date("docs/quarantine.schema.json", &config::quarantine_schema());
}

#[test]
fn the_configuration_of_this_workspace_has_no_mistake() {
    let read = |name: &str| (name.to_owned(), std::fs::read_to_string(root().join(name)).unwrap());
    let sources =
        Sources { config: read("ci/tollgate.toml"), policy: Some(read("coverage/policy.toml")), quarantine: None };
    let config = config::load(&sources).unwrap_or_else(|problems| panic!("{problems}"));
    let stage = config.stage(config.default_stage.as_str()).expect("the default stage exists");
    assert_eq!(stage.tiers.len(), config.tiers.len(), "the default stage runs every tier");
}

#[test]
fn the_smallest_configuration_of_the_guide_has_no_mistake() {
    let guide = std::fs::read_to_string(root().join("docs/guide.md")).unwrap();
    let section = guide.split_once("## The smallest configuration that works\n").expect("the section").1;
    let block = section.split_once("```toml\n").expect("the block").1.split_once("```\n").expect("its end").0;
    let sources = Sources { config: ("ci/tollgate.toml".to_owned(), block.to_owned()), policy: None, quarantine: None };
    let config = config::load(&sources).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.default_stage.as_str(), "dev");
}
