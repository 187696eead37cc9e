//! One message, one whole reply: what the message route does.

use contract::Chat;
use contract::gateway::{MessageReply, MessageRequest};

use crate::error::Error;

/// Sends a message in the given session, or in a new one, and waits for the whole reply.
pub(crate) async fn converse(chat: &Chat, token: &str, request: &MessageRequest) -> Result<MessageReply, Error> {
    let session = match request.session {
        Some(session) => session,
        None => chat.create_session(token, &request.scenario, &request.model).await?.session,
    };
    let (reply, usage) = chat.send_message(token, session, &request.text).await?.collect().await?;
    Ok(MessageReply { session, reply, usage })
}
