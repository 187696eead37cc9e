//! The client of the gateway: its own route, and the services behind it.

use super::http::{ClientError, Http, post};
use super::{Accounting, Chat, Identity};
use crate::gateway::{MessageReply, MessageRequest};

/// Calls the gateway. Every method fails with the reason why there is no answer.
#[derive(Debug, Clone)]
pub struct Gateway(Http);

impl Gateway {
    /// Makes a client of the gateway at a base URL.
    pub fn new(base: &str) -> Self {
        Self(Http::new("gateway", base))
    }

    /// Sends a message and gives the whole reply.
    ///
    /// # Errors
    /// What the services behind it refuse, `402 insufficient_credit` among it; `502` when one is unreachable.
    pub async fn message(&self, token: &str, request: &MessageRequest) -> Result<MessageReply, ClientError> {
        self.0.json(post("/v1/session/message", Some(token), request)).await
    }

    /// The identity service behind the gateway.
    pub fn identity(&self) -> Identity {
        Identity(self.0.under("identity", "/identity"))
    }

    /// The accounting service behind the gateway.
    pub fn accounting(&self) -> Accounting {
        Accounting(self.0.under("accounting", "/accounting"))
    }

    /// The chat service behind the gateway.
    pub fn chat(&self) -> Chat {
        Chat(self.0.under("chat", "/chat"))
    }
}
