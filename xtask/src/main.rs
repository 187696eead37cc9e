//! `cargo xtask`: tollgate, in this workspace.

fn main() -> std::process::ExitCode {
    tollgate_cli::main()
}
