//! The process of the gateway.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    contract::serve::run("gateway", gateway::start(gateway::Config::from_env())).await
}
