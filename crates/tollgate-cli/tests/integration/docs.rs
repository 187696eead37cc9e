//! Generated documents are what the code says now.

use std::{fmt::Write as _, fs, process::Command};
use tollgate_model::EXIT_CODES;

/// Compares a document with what it should be; with `TOLLGATE_BLESS=1` writes it.
fn check(path: &str, generated: &str) {
    let file = crate::root().join(path);
    if std::env::var_os("TOLLGATE_BLESS").is_some() {
        fs::write(&file, generated).expect("the document is writable");
    }
    let stored = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        stored == generated,
        "{path} is out of date; write it anew with\n    TOLLGATE_BLESS=1 cargo test -p tollgate-cli --test integration docs"
    );
}

#[test]
fn exit_codes_are_documented() {
    let mut text = String::from("# Exit codes\n\n| code | meaning |\n|---|---|\n");
    for (_, code, meaning) in EXIT_CODES {
        writeln!(text, "| {code} | {meaning} |").expect("a string");
    }
    text.push_str("\nA command that the keeper had to clean up after, because a signal killed it, exits with 128 plus the signal's number.\n");
    check("docs/exit-codes.md", &text);
}

#[test]
fn keys_of_the_compose_file_are_documented() {
    check("docs/compose.md", &tollgate_env::key_reference());
}

#[test]
fn the_command_line_is_documented() {
    let mut text = String::from(
        "# Command line\n\nGenerated from `--help`. In a workspace with an xtask: `cargo xtask <command>`.\n",
    );
    let commands = [
        "",
        "ci",
        "test",
        "coverage",
        "mutants",
        "plan",
        "shard",
        "gate",
        "report",
        "explain",
        "history",
        "history export",
        "history import",
        "flaky",
        "flaky stress",
        "gates",
        "gates self-test",
        "env",
        "workflows",
        "setup",
        "doctor",
    ];
    let env = ["up", "down", "status", "logs", "gc", "doctor"].map(|command| format!("env {command}"));
    let at = commands.iter().position(|command| *command == "env").expect("it is there") + 1;
    let mut commands = commands.map(str::to_owned).to_vec();
    commands.splice(at..at, env);
    for command in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(command.split_whitespace())
            .arg("--help")
            .env("COLUMNS", "100")
            .output()
            .expect("tollgate runs");
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success() && !help.is_empty(), "{command} --help");
        let title = if command.is_empty() { "cargo xtask".to_owned() } else { command.clone() };
        writeln!(text, "\n## {title}\n\n```text\n{}\n```", help.trim_end()).expect("a string");
    }
    check("docs/cli.md", &text);
}
