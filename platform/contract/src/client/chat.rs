//! The client of the chat service, streamed replies included.

use std::collections::VecDeque;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::Method;
use uuid::Uuid;

use super::http::{ClientError, Http, bare, post};
use crate::chat::{
    ActiveStream, End, Event, Feedback, Frame, Say, Scenario, Score, Session, SessionCreated, SessionRequest,
};
use crate::sse::{self, SseDecoder};

/// Calls the chat service. Every method fails with the reason why there is no answer.
#[derive(Debug, Clone)]
pub struct Chat(pub(super) Http);

impl Chat {
    /// Makes a client of the service at a base URL.
    pub fn new(base: &str) -> Self {
        Self(Http::new("chat", base))
    }

    /// Lists the scenarios.
    ///
    /// # Errors
    /// `401` for a token that is refused.
    pub async fn scenarios(&self, token: &str) -> Result<Vec<Scenario>, ClientError> {
        self.0.json(bare(Method::GET, "/scenarios", Some(token))).await
    }

    /// Creates a session.
    ///
    /// # Errors
    /// A refusal for an unknown scenario or model.
    pub async fn create_session(
        &self,
        token: &str,
        scenario: &str,
        model: &str,
    ) -> Result<SessionCreated, ClientError> {
        let body = SessionRequest { scenario: scenario.to_owned(), model: model.to_owned() };
        self.0.json(post("/sessions", Some(token), &body)).await
    }

    /// Sends a message and gives the reply as it is streamed.
    ///
    /// # Errors
    /// `402 insufficient_credit` before anything is streamed; `404` for a session of somebody else.
    pub async fn send_message(&self, token: &str, session: Uuid, text: &str) -> Result<ReplyStream, ClientError> {
        let body = Say { text: text.to_owned() };
        let call = post(format!("/sessions/{session}/messages"), Some(token), &body);
        let path = call.path.clone();
        let response = self.0.stream(call).await?;
        Ok(ReplyStream {
            http: self.0.clone(),
            path,
            bytes: Box::pin(response.bytes_stream()),
            decoder: SseDecoder::default(),
            frames: VecDeque::new(),
            ended: false,
        })
    }

    /// Reads a session.
    ///
    /// # Errors
    /// `404` for a session of somebody else.
    pub async fn session(&self, token: &str, session: Uuid) -> Result<Session, ClientError> {
        self.0.json(bare(Method::GET, format!("/sessions/{session}"), Some(token))).await
    }

    /// Lists what is being streamed; for supervisors.
    ///
    /// # Errors
    /// `403 forbidden` for anybody else.
    pub async fn streams(&self, token: &str) -> Result<Vec<ActiveStream>, ClientError> {
        self.0.json(bare(Method::GET, "/streams", Some(token))).await
    }

    /// Cuts a stream short; for supervisors.
    ///
    /// # Errors
    /// `403 forbidden` for anybody else, `404` for a stream that is not active.
    pub async fn interrupt(&self, token: &str, stream: Uuid) -> Result<(), ClientError> {
        self.0.empty(bare(Method::POST, format!("/streams/{stream}/interrupt"), Some(token))).await
    }

    /// Leaves a note in a session; for supervisors.
    ///
    /// # Errors
    /// `403 forbidden` for anybody else.
    pub async fn feedback(&self, token: &str, session: Uuid, text: &str) -> Result<(), ClientError> {
        let body = Feedback { text: text.to_owned() };
        self.0.empty(post(format!("/sessions/{session}/feedback"), Some(token), &body)).await
    }

    /// Lists a session's events, newest first.
    ///
    /// # Errors
    /// `404` for a session of somebody else.
    pub async fn events(&self, token: &str, session: Uuid) -> Result<Vec<Event>, ClientError> {
        self.0.json(bare(Method::GET, format!("/sessions/{session}/events"), Some(token))).await
    }

    /// Scores and closes a session.
    ///
    /// # Errors
    /// A refusal for a session that is closed already.
    pub async fn complete(&self, token: &str, session: Uuid) -> Result<Score, ClientError> {
        self.0.json(bare(Method::POST, format!("/sessions/{session}/complete"), Some(token))).await
    }
}

/// A reply on its way; dropping it closes the connection.
pub struct ReplyStream {
    http: Http,
    path: String,
    bytes: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    decoder: SseDecoder,
    frames: VecDeque<Result<Frame, String>>,
    ended: bool,
}

impl ReplyStream {
    /// Waits for the next frame; none after the end.
    ///
    /// # Errors
    /// `Unreachable` when the connection breaks; `Unreadable` for a frame outside the contract, and for a stream that
    /// stops without its end.
    pub async fn next(&mut self) -> Result<Option<Frame>, ClientError> {
        if self.ended {
            return Ok(None);
        }
        loop {
            if let Some(frame) = self.frames.pop_front() {
                let frame = frame.map_err(|detail| self.http.unreadable(detail))?;
                self.ended = matches!(frame, Frame::End(_));
                return Ok(Some(frame));
            }
            match self.bytes.next().await {
                Some(Ok(piece)) => self.frames.extend(self.decoder.push(&piece).iter().map(sse::frame)),
                Some(Err(source)) => return Err(self.http.unreachable(&self.path, source)),
                None => return Err(self.http.unreadable("the stream stopped without its end".to_owned())),
            }
        }
    }

    /// Waits for the end and gives the whole reply with it.
    ///
    /// # Errors
    /// As `next`.
    pub async fn collect(mut self) -> Result<(String, End), ClientError> {
        let mut reply = String::new();
        loop {
            match self.next().await? {
                Some(Frame::Token(token)) => reply.push_str(&token.text),
                Some(Frame::End(end)) => return Ok((reply, end)),
                None => return Err(self.http.unreadable("the reply was read to its end before".to_owned())),
            }
        }
    }
}
