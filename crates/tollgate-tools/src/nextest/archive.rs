//! One build for several machines: packed up where it was made, unpacked where its tests run.
//!
//! nextest packs the test binaries, the programs they know of, and what build scripts wrote. Programs of packages without
//! integration tests and examples, which cargo builds along with tests, are none of those it knows of; they are named in a
//! profile of this module's own.

use super::build::{BinaryList, Compilation, check_compiled, parse, stderr, write_cargo_metadata};
use super::{Built, command, exit, refused};
use crate::{ToolError, Toolbox, files};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{fmt::Write as _, fs, io::Read as _, time::Duration};
use tollgate_exec::Status;
use tollgate_model::{Archive, BuildKind, BuildPlan};

/// Unpacking a few gigabytes.
const UNPACK_TIMEOUT: Duration = Duration::from_mins(10);

/// Bytes that are read at once for a digest.
const CHUNK: usize = 1 << 20;

/// The profile that names what is packed beside what nextest knows of.
const PROFILE: &str = "tollgate-archive";

/// Packs a build that was just made into a file; it is there whole or not at all.
///
/// nextest asks cargo once more for the build, which finds everything done.
///
/// # Errors
/// When nextest could not work, or the file can't be written.
pub fn archive(
    toolbox: &Toolbox,
    plan: &BuildPlan,
    built: &Built,
    file: &Utf8Path,
    on_line: &mut dyn FnMut(&str),
) -> Result<Archive, ToolError> {
    let directory = file.parent().unwrap_or(Utf8Path::new("."));
    files::create_dir(directory)?;
    let cargo_metadata = directory.join("cargo-metadata.json");
    let workspace = write_cargo_metadata(toolbox, &cargo_metadata)?;
    let config = directory.join("archive.toml");
    let list = parse(&files::read(&built.binaries_metadata)?)?;
    files::write(&config, &profile(&list, built, &examples(&files::read(&cargo_metadata)?)?))?;
    let draft = Utf8PathBuf::from(format!("{file}.draft"));
    let compile = Compilation::new(toolbox, plan, &workspace)?;
    let cmd = compile
        .select(command(toolbox, "archive"))
        .arg("--tool-config-file")
        .arg(format!("tollgate:{config}"))
        .args(["--profile", PROFILE, "--archive-format", "tar-zst", "--archive-file"])
        .arg(&draft);
    let packed = cmd.stream(&toolbox.interrupt, &mut stderr(on_line)).map_err(ToolError::from);
    let packed =
        packed.and_then(|output| check_compiled(&cmd, &output, exit::BUILD_FAILED)).and_then(|()| digest(&draft));
    if packed.is_err() {
        // Half of an archive is nothing that anybody wants; that there may be none is no mistake.
        let _ = fs::remove_file(&draft);
    }
    let (digest, bytes) = packed?;
    fs::rename(&draft, file).map_err(ToolError::file("writing", file))?;
    Ok(Archive { digest, bytes, programs: built.binaries.keys().cloned().collect() })
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    /// Where it is from; a member is from here.
    source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Names of the members' examples.
fn examples(cargo_metadata: &str) -> Result<Vec<String>, ToolError> {
    let metadata: Metadata =
        serde_json::from_str(cargo_metadata).map_err(|error| ToolError::parse("`cargo metadata`", error))?;
    let members = metadata.packages.into_iter().filter(|package| package.source.is_none());
    let targets = members.flat_map(|member| member.targets);
    Ok(targets.filter(|target| target.kind.iter().any(|kind| kind == "example")).map(|target| target.name).collect())
}

/// A profile that packs what nextest does not know of: programs, which must be there, and examples, which cargo leaves out
/// where they need a feature.
fn profile(list: &BinaryList, built: &Built, examples: &[String]) -> String {
    let directory = list.profile_directory();
    let known = list.programs();
    let unknown = built.binaries.keys().filter(|name| !known.contains_key(*name));
    let programs = unknown.map(|name| (directory.join(name), "error"));
    let examples = examples.iter().map(|name| (directory.join("examples").join(name), "ignore"));
    let include = programs.chain(examples).map(|(path, missing)| {
        format!("{{ path = {:?}, relative-to = \"target\", on-missing = {missing:?} }}", path.as_str())
    });
    let include: Vec<String> = include.collect();
    // An empty list would overrule what the workspace itself has packed.
    let include =
        if include.is_empty() { String::new() } else { format!("archive.include = [{}]\n", include.join(", ")) };
    format!("[profile.{PROFILE}]\n{include}")
}

/// The digest of a file, `sha256:` and 64 hexadecimal digits, and its size in bytes.
///
/// # Errors
/// When it can't be read.
pub fn digest(file: &Utf8Path) -> Result<(String, u64), ToolError> {
    let reading = |error| ToolError::file("reading", file)(error);
    let mut source = fs::File::open(file).map_err(reading)?;
    let (mut state, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let read = source.read(&mut chunk).map_err(reading)?;
        if read == 0 {
            break;
        }
        state.update(&chunk[..read]);
        bytes += read as u64;
    }
    let mut digest = "sha256:".to_owned();
    for byte in state.finalize() {
        // Writing to a string can't fail.
        let _ = write!(digest, "{byte:02x}");
    }
    Ok((digest, bytes))
}

/// Unpacks an archive into a directory, as the build it was made of.
///
/// Programs that tests were told of when they were compiled (`env!("CARGO_BIN_EXE_...")`) are looked for in the target
/// directory of the build. Where that is `programs_at`, links to them are put there, as cargo itself does at the end of
/// every build; test binaries, of which cargo believes that nobody else writes them, stay in the directory.
///
/// # Errors
/// When nextest could not work, or what it unpacked is not what the archive says of itself.
pub fn unpack(
    toolbox: &Toolbox,
    file: &Utf8Path,
    archive: &Archive,
    programs_at: Option<&Utf8Path>,
    directory: &Utf8Path,
) -> Result<Built, ToolError> {
    files::create_dir(directory)?;
    let cmd = command(toolbox, "list").args(["--list-type", "binaries-only", "--message-format", "json"]);
    let cmd = cmd.arg("--archive-file").arg(file).arg("--extract-to").arg(directory);
    let cmd = cmd.arg("--workspace-remap").arg(&toolbox.root);
    let cmd = cmd.env("LLVM_PROFILE_FILE", "/dev/null").timeout(UNPACK_TIMEOUT);
    let output = cmd.run(&toolbox.interrupt)?;
    if output.status != Status::Code(0) {
        return Err(refused(&cmd, &output, ""));
    }
    let target = directory.join("target");
    let binaries_metadata = target.join("nextest/binaries-metadata.json");
    let list = parse(&files::read(&binaries_metadata)?)?;
    let profile_directory = list.profile_directory();
    let here = |name: &String| (name.clone(), target.join(&profile_directory).join(name));
    let built = Built {
        kind: BuildKind::Instrumented,
        binaries_metadata,
        cargo_metadata: target.join("nextest/cargo-metadata.json"),
        test_binaries: list.test_binaries_in(&target),
        binaries: archive.programs.iter().map(here).collect(),
        target_directory: target,
        moved_to: Some(toolbox.root.clone()),
    };
    if let Some(programs_at) = programs_at.map(|target| target.join(&profile_directory)) {
        files::create_dir(&programs_at)?;
        for (name, path) in &built.binaries {
            files::link_or_copy(path, &programs_at.join(name))?;
        }
    }
    Ok(built)
}

#[cfg(test)]
mod unit {
    use super::*;
    use std::collections::BTreeMap;

    // Standard output of `cargo nextest list --list-type binaries-only` on fixtures/sample, with the root put as /w.
    const BINARIES: &str = include_str!("../../tests/recorded/binaries.json");

    #[test]
    fn only_programs_that_nextest_does_not_know_of_are_named() {
        let list = parse(BINARIES).expect("it is a list");
        let built = |names: &[&str]| Built {
            kind: BuildKind::Instrumented,
            binaries_metadata: Utf8PathBuf::new(),
            cargo_metadata: Utf8PathBuf::new(),
            target_directory: Utf8PathBuf::new(),
            test_binaries: BTreeMap::new(),
            binaries: names.iter().map(|name| ((*name).to_owned(), Utf8PathBuf::new())).collect(),
            moved_to: None,
        };
        assert_eq!(profile(&list, &built(&["server"]), &[]), "[profile.tollgate-archive]\n");
        let other =
            "archive.include = [{ path = \"debug/other\", relative-to = \"target\", on-missing = \"error\" }]\n";
        assert_eq!(profile(&list, &built(&["other", "server"]), &[]), format!("[profile.tollgate-archive]\n{other}"));
        let metadata = r#"{"packages":[
            {"source":null,"targets":[{"name":"a","kind":["lib"]},{"name":"show","kind":["example"]}]},
            {"source":"registry","targets":[{"name":"foreign","kind":["example"]}]}]}"#;
        let shown = profile(&list, &built(&["server"]), &examples(metadata).expect("metadata"));
        let example = "{ path = \"debug/examples/show\", relative-to = \"target\", on-missing = \"ignore\" }";
        assert_eq!(shown, format!("[profile.tollgate-archive]\narchive.include = [{example}]\n"));
    }

    #[test]
    fn test_binaries_are_where_the_archive_was_unpacked() {
        let list = parse(BINARIES).expect("it is a list");
        let paths = list.test_binaries_in("/here/target".into());
        assert!(
            paths["greeter::integration"].as_str().starts_with("/here/target/debug/deps/integration-"),
            "{paths:?}"
        );
    }
}
