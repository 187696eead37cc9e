//! `tollgate`: the command line, for workspaces that don't wrap it in an xtask.

fn main() -> std::process::ExitCode {
    tollgate_cli::main()
}
