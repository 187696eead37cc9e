//! Types of the gateway's own route.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chat::End;

/// `POST /v1/session/message`: one message, one whole reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRequest {
    /// The session to go on with; without one a session is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Uuid>,
    /// The scenario of a session to be created.
    pub scenario: String,
    /// The model of a session to be created.
    pub model: String,
    /// What the user says.
    pub text: String,
}

/// The answer to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageReply {
    /// The session that the message went to.
    pub session: Uuid,
    /// The whole reply, or as much of it as was streamed before an interrupt.
    pub reply: String,
    /// What the reply took.
    pub usage: End,
}
