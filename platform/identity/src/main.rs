//! The process of the identity service.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(contract::serve::run("identity", identity::start(identity::Config::from_env()))).await
}
