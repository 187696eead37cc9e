//! The process of the accounting service.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(contract::serve::run("accounting", accounting::start())).await
}
