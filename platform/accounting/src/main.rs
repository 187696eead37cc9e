//! The process of the accounting service.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    contract::serve::run("accounting", accounting::start()).await
}
