//! The process of the chat service.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chat::process().await
}
