//! A run of mutants that is interrupted while all of them are compiled at once.

use crate::mutants::{mutants, report};
use crate::support::{assert_no_process, commit, git, shop, tollgate};
use camino::Utf8Path;
use std::{fs, os::unix::fs::PermissionsExt as _};
use tollgate_testkit::Invocation;

/// A compiler that interrupts the run when it is given many mutants, and then ends only if it is made to.
const COMPILER: &str = r#"#!/bin/sh
case "$*" in
*"--crate-name shop "*)
    if grep -q __tollgate_mutant shop/src/lib.rs && mkfifo "$0.waits"; then
        kill -INT "$RUN"
        read -r _ < "$0.waits"
    fi
    ;;
esac
exec "$@"
"#;

#[test]
fn an_interrupt_while_many_mutants_are_compiled_leaves_nothing_and_the_next_run_ends_as_any_other() {
    let shop = shop();
    let before = shop.read("shop/src/lib.rs");
    let outside = tempfile::tempdir().expect("a directory");
    let outside = Utf8Path::from_path(outside.path()).expect("UTF-8");
    let (compiler, temporary) = (outside.join("compiler"), outside.join("temporary"));
    fs::create_dir(&temporary).expect("a directory");
    fs::write(&compiler, COMPILER).expect("written");
    fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).expect("it may be run");
    let run = ["-c", "RUN=$$ exec \"$0\" mutants --all", env!("CARGO_BIN_EXE_tollgate")];
    let run = Invocation::new("sh", &shop).args(&run).env("TMPDIR", temporary.as_str());
    let ended = run.env("RUSTC_WRAPPER", compiler.as_str()).run();
    assert_eq!(ended.code, 130, "{ended}");
    assert!(outside.join("compiler.waits").exists(), "many mutants were never compiled: {ended}");
    assert!(ended.stderr.contains("the same command goes on where this one was"), "{ended}");
    assert_eq!(shop.read("shop/src/lib.rs"), before);
    assert_eq!(shop.read("target/tollgate/mutants/tree/shop/src/lib.rs"), before);
    let left: Vec<_> = temporary.read_dir_utf8().expect("it is there").flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_no_process(&shop);

    let ended = mutants(&shop, &["--all"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stderr.contains(" mutants in one program"), "{ended}");
    assert!(!ended.stderr.contains("results of an earlier run"), "{ended}");
    let score = report(&shop).score;
    assert_eq!((score.caught, score.missed, score.uncovered, score.unviable), (10, 1, 1, 0), "{ended}");
}

#[test]
fn mutants_of_a_change_are_out_of_the_copy_after_an_interrupt_and_a_kill_and_count_for_nothing_later() {
    let shop = shop();
    git(&shop, &["init", "--quiet", "--initial-branch=main"]);
    commit(&shop);
    shop.replace("shop/src/lib.rs", "items / 11", "items / 12");
    let (source, copy) = ("shop/src/lib.rs", "target/tollgate/mutants/tree/shop/src/lib.rs");
    for signal in ["INT", "KILL"] {
        let running = tollgate(&shop, &["mutants", "--diff", "main"]).start_until("Built one program");
        running.signal(signal);
        let ended = running.wait();
        assert_eq!(ended.code, if signal == "INT" { 130 } else { 137 }, "{ended}");
        assert_eq!(shop.read(copy), shop.read(source), "{ended}");
        assert_no_process(&shop);
    }
    // Nor does what is left where all processes are killed at once.
    shop.write("target/tollgate/mutants/switch", "1\n").append(copy, "compile_error!(\"a mutant\");");
    shop.replace("shop/src/lib.rs", "items / 12", "items / 11 / 1");
    let ended = mutants(&shop, &["--diff", "main"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert_eq!(shop.read(copy), shop.read(source));
    let score = report(&shop).score;
    assert_eq!((score.caught, score.missed), (5, 1), "{ended}");
    assert_no_process(&shop);
}
