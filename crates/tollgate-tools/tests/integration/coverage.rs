//! From an instrumented build to line counts and reports.

use crate::sample::{Sample, instrumented};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use tollgate_model::TestOutcome;
use tollgate_tools::ToolError;
use tollgate_tools::coverage::{self, Objects};
use tollgate_tools::nextest::{self, Built};

/// Runs the end-to-end tier, whose server ends by SIGKILL, and returns where its profiles are.
fn run_e2e(sample: &Sample, built: &Built) -> Utf8PathBuf {
    let services = sample.out.join("services");
    nextest::copy_binaries(built, &["server".to_owned()], &services).expect("it was built");
    let profiles = sample.out.join("profiles");
    let mut tier = sample.tier("e2e", "binary(e2e)");
    tier.env.push(("SAMPLE_SERVER".to_owned(), services.join("server").into_string()));
    tier.env.push(("LLVM_PROFILE_FILE".to_owned(), profiles.join("e2e/%m%c.profraw").into_string()));
    let results = sample.run(built, &tier);
    assert_eq!(results[0].outcome(), TestOutcome::Passed, "{results:?}");
    profiles
}

/// The count of a source line, found by its text, in LCOV.
fn count(sample: &Sample, lcov: &str, file: &str, text: &str) -> Option<u64> {
    let path = sample.root.join(file);
    let source = fs::read_to_string(&path).expect("a source file");
    let line = 1 + source.lines().position(|line| line.contains(text)).expect("the line is there");
    let section = lcov.split("end_of_record").find(|section| section.contains(&format!("SF:{path}\n")))?;
    let prefix = format!("DA:{line},");
    section.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok())
}

#[test]
fn a_killed_server_leaves_everything_it_counted() {
    let sample = Sample::new();
    let built = sample.build(&instrumented(), &["server", "idle"]).expect("it compiles");
    let profiles = run_e2e(&sample, &built);
    assert!(coverage::instrumented(&sample.out.join("services/server")).expect("a program"));

    let merged = coverage::merge(&sample.toolbox, &[profiles], &sample.out.join("e2e.profdata")).expect("they merge");
    assert_eq!((merged.profiles, merged.empty, merged.complaints.len()), (2, 0, 0), "the test's and the server's");
    let profile = merged.profile.expect("there is one");
    let exported = coverage::export(&sample.toolbox, &built.objects(), &profile).expect("it exports");
    assert!(exported.complaints.is_empty(), "{:?}", exported.complaints);
    let count = |file: &str, text: &str| count(&sample, &exported.lcov, file, text);
    assert_eq!(count("greeter/src/lib.rs", "greeting.to_uppercase()"), Some(1), "the server called it");
    assert_eq!(count("greeter/src/lib.rs", "greeting.to_lowercase()"), Some(0), "nobody called it");
    assert_eq!(count("server/src/main.rs", "writeln!(stream"), Some(1));
    assert_eq!(count("server/src/idle.rs", "fn main()"), Some(0), "it is measured though it did not run");
    assert_eq!(count("greeter/build.rs", "fn greeting()"), None, "build scripts are not measured");

    let reports = sample.out.join("reports");
    let objects = Objects { built: &built, profile: &profile };
    let index = coverage::html(&sample.toolbox, objects, &reports).expect("it is written");
    assert!(fs::read_to_string(index).expect("it is there").contains("greeter/src/lib.rs"));
    let cobertura = reports.join("cobertura.xml");
    coverage::cobertura(&sample.toolbox, objects, &cobertura).expect("it is written");
    let xml = fs::read_to_string(&cobertura).expect("it is there");
    assert!(xml.contains("filename=\"server/src/main.rs\"") && xml.contains("name=\"greeter::shout\""), "{xml}");
    let mut left: Vec<String> =
        reports.read_dir_utf8().expect("a directory").flatten().map(|e| e.file_name().to_owned()).collect();
    left.sort();
    assert_eq!(left, ["cobertura.xml", "html"], "the links are gone");
    assert!(sample.files(".profraw").is_empty(), "nothing is left beside the sources");
}

#[test]
fn plain_and_instrumented_builds_live_side_by_side() {
    let sample = Sample::new();
    let built = sample.build(&instrumented(), &["server"]).expect("it compiles");
    let uplifted = sample.root.join("target/debug/server");
    let is_instrumented = |path: &Utf8Path| coverage::instrumented(path).expect("a program");
    let inode = |path: &Utf8Path| fs::metadata(path).expect("it is there").ino();
    let kept = built.binaries["server"].clone();
    assert_eq!((is_instrumented(&uplifted), inode(&uplifted)), (true, inode(&kept)), "it is a link");

    sample.cargo(&["build", "--quiet"]);
    assert_eq!((is_instrumented(&uplifted), is_instrumented(&kept)), (false, true));

    let mut compiled = Vec::new();
    let on_line = &mut |line: &str| compiled.extend(line.contains("Compiling").then(|| line.to_owned()));
    let again = nextest::build(&sample.toolbox, &instrumented(), &sample.out.join("again"), &[], on_line);
    let again = again.expect("it compiles");
    assert!(compiled.is_empty(), "{compiled:?}");
    assert_eq!(again.test_binaries, built.test_binaries);
    assert!(is_instrumented(&uplifted) && is_instrumented(&again.binaries["server"]));

    let profiles = run_e2e(&sample, &again);
    let merged = coverage::merge(&sample.toolbox, &[profiles], &sample.out.join("p.profdata")).expect("they merge");
    let objects: Vec<_> = again.test_binaries.values().cloned().chain([kept]).collect();
    let exported =
        coverage::export(&sample.toolbox, &objects, &merged.profile.expect("there is one")).expect("it exports");
    assert!(exported.complaints.is_empty(), "both builds are one: {:?}", exported.complaints);
}

#[test]
fn counts_of_other_sources_are_complained_about() {
    let sample = Sample::new();
    let built = sample.build(&instrumented(), &["server"]).expect("it compiles");
    let profiles = run_e2e(&sample, &built);
    let merged = coverage::merge(&sample.toolbox, &[profiles], &sample.out.join("p.profdata")).expect("they merge");
    let file = sample.root.join("greeter/src/lib.rs");
    let source = fs::read_to_string(&file).expect("a source file");
    let changed = source.replace("if name.is_empty() {", "if name.is_empty() || name == \"x\" {");
    assert_ne!(source, changed);
    fs::write(&file, changed).expect("it can be written");
    let other = sample.build(&instrumented(), &["server"]).expect("it compiles");
    let exported = coverage::export(&sample.toolbox, &other.objects(), &merged.profile.expect("there is one"));
    // That single functions don't match is not always said; see the documentation of `coverage`.
    let complaints = exported.expect("it exports").complaints;
    assert!(complaints.iter().any(|complaint| complaint.contains("object is newer")), "{complaints:?}");
}

#[test]
fn profiles_that_hold_nothing_are_counted_and_not_merged() {
    let sample = Sample::new();
    let merge = |name: &str, inputs: &[&Utf8Path]| {
        let inputs: Vec<Utf8PathBuf> = inputs.iter().map(|&input| input.to_owned()).collect();
        coverage::merge(&sample.toolbox, &inputs, &sample.out.join(name)).expect("llvm-profdata works")
    };
    let profiles = sample.out.join("profiles");
    let nothing = merge("nothing", &[&profiles]);
    assert_eq!((nothing.profile, nothing.profiles, nothing.complaints.len()), (None, 0, 0));

    fs::create_dir_all(profiles.join("service")).expect("it can be created");
    fs::write(profiles.join("service/1.profraw"), "").expect("it can be written");
    fs::write(profiles.join("note.txt"), "").expect("it can be written");
    let raw = coverage::raw_profiles(&profiles).expect("a directory");
    assert_eq!((raw.count(), raw.empty), (1, vec![profiles.join("service/1.profraw")]));
    let empty = merge("empty", &[&profiles]);
    assert_eq!((empty.profile, empty.profiles, empty.empty), (None, 1, 1));

    fs::write(profiles.join("2.profraw"), "no profile").expect("it can be written");
    let junk = merge("junk", &[&profiles]);
    assert_eq!((junk.profile, junk.profiles, junk.empty), (None, 2, 1));
    assert!(junk.complaints.iter().any(|complaint| complaint.contains("2.profraw")), "{:?}", junk.complaints);
}

#[test]
fn what_is_no_program_and_what_is_no_profile_is_an_error() {
    let sample = Sample::new();
    let text = sample.root.join("Cargo.toml");
    assert!(matches!(coverage::instrumented(&text), Err(ToolError::Parse { .. })));
    assert!(matches!(coverage::instrumented(&sample.root.join("none")), Err(ToolError::File { .. })));
    let export = coverage::export(&sample.toolbox, std::slice::from_ref(&text), &text);
    assert!(matches!(export, Err(ToolError::Exec(_))), "{export:?}");
    let merged = coverage::merge(&sample.toolbox, &[sample.root.join("Cargo.lock")], &sample.out.join("p"));
    assert_eq!(merged.expect("it is only a complaint").profile, None);

    let mut toolbox = sample.toolbox.clone();
    toolbox.cargo_llvm_cov = None;
    let built = sample.build(&instrumented(), &[]).expect("it compiles");
    let report = coverage::html(&toolbox, Objects { built: &built, profile: &text }, &sample.out).unwrap_err();
    assert!(report.to_string().starts_with("`cargo-llvm-cov` was not found; "), "{report}");
}

#[test]
fn an_instrumented_build_has_the_lto_that_is_asked_for_and_else_none() {
    let temporary = tempfile::tempdir().expect("a directory");
    let wrapper = coverage::wrapper::write(Utf8Path::from_path(temporary.path()).expect("UTF-8")).expect("written");
    let is_off = |words: &str| {
        let words = words.split(' ');
        let said = Command::new(&wrapper).args(["echo", "--crate-name", "x"]).args(words).output().expect("it runs");
        let said = String::from_utf8(said.stdout).expect("UTF-8");
        assert!(said.contains("-Cinstrument-coverage"), "{said}");
        said.contains("-Clto=off")
    };
    assert!(["-C opt-level=1", "-C link-arg=x"].into_iter().all(is_off));
    let asked =
        ["-C lto=fat", "-C lto", "-Clto=thin", "--codegen lto=thin", "--codegen=lto=fat", "-C linker-plugin-lto"];
    assert!(!asked.into_iter().any(is_off));
}
