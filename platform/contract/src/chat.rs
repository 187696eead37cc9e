//! Types of the chat service: scenarios, sessions, streamed replies, supervision.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A conversation that can be trained: `GET /scenarios`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// The name that a session is created with.
    pub name: String,
    /// What it is about, in a line.
    pub title: String,
}

/// `POST /sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRequest {
    /// The scenario's name.
    pub scenario: String,
    /// The model that replies.
    pub model: String,
}

/// The answer to a created session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCreated {
    /// The new session.
    pub session: Uuid,
}

/// What a user says: the body of `POST /sessions/{id}/messages` and a frame that a WebSocket client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Say {
    /// The text.
    pub text: String,
}

/// One token of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its place in the reply, from 0.
    pub index: u32,
    /// Its text; all texts in order, put together, are the reply.
    pub text: String,
}

/// The end of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Tokens read.
    pub tokens_in: u64,
    /// Tokens written.
    pub tokens_out: u64,
    /// Whether a supervisor, or a client that went away, cut the reply short.
    pub interrupted: bool,
}

/// One frame of a streamed reply. As JSON (WebSocket) the field `event` says which; in SSE the event's name does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Frame {
    /// One token.
    Token(Token),
    /// The end; nothing follows.
    End(End),
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Messages can be sent.
    Open,
    /// Scored and closed.
    Completed,
}

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The user.
    User,
    /// The reply engine.
    Assistant,
}

/// One message of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who said it.
    pub speaker: Speaker,
    /// What was said; for an interrupted reply, as much as was streamed.
    pub text: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// A session with its messages, oldest first: `GET /sessions/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The session.
    pub session: Uuid,
    /// Whose session.
    pub user: Uuid,
    /// The scenario's name.
    pub scenario: String,
    /// The model that replies.
    pub model: String,
    /// Where it stands.
    pub state: SessionState,
    /// What was said, oldest first.
    pub messages: Vec<Message>,
}

/// A reply that is being streamed right now: `GET /streams`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveStream {
    /// The stream: what `POST /streams/{id}/interrupt` takes.
    pub id: Uuid,
    /// The session it belongs to.
    pub session: Uuid,
    /// Whose session.
    pub user: Uuid,
    /// The model that replies.
    pub model: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub started_ms: i64,
}

/// `POST /sessions/{id}/feedback`: a supervisor's note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// The note.
    pub text: String,
}

/// What happened in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The session was created.
    Created,
    /// The user said something.
    Message,
    /// A reply was streamed to its end.
    Reply,
    /// A reply was cut short.
    Interrupted,
    /// A supervisor left a note.
    Feedback,
    /// The session was scored and closed.
    Completed,
}

/// One entry of a session's event log: `GET /sessions/{id}/events`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The text that goes with it.
    pub detail: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// The answer to `POST /sessions/{id}/complete`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// From 0 to 100.
    pub score: u8,
}
