//! The routes of the chat service: REST, SSE and WebSocket.

use crate::{ChatError, Conversation, Reply, training};
use axum::extract::ws::{Message as WsMessage, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRef, Path, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::routing::{get, post};
use axum::{Json, Router};
use contract::chat::{
    ActiveStream, Event, Feedback, Frame, Say, Scenario, Score, Session, SessionCreated, SessionRequest,
};
use contract::serve::{Body, Caller, Refusal, service};
use contract::{ErrorBody, Verifier, request_id, sse};
use futures_util::stream::{self, Stream};
use redis::aio::ConnectionManager;
use sqlx::PgPool;
use std::convert::Infallible;
use uuid::Uuid;

/// What the handlers share.
#[derive(Clone)]
pub struct State {
    /// Verifies tokens; nothing in this service can issue one.
    pub verifier: Verifier,
    /// What the service does.
    pub conversation: Conversation,
    /// The database, for the readiness probe.
    pub pool: PgPool,
    /// Redis, for the readiness probe.
    pub redis: ConnectionManager,
}

impl FromRef<State> for Verifier {
    fn from_ref(state: &State) -> Self {
        state.verifier.clone()
    }
}

impl FromRef<State> for Conversation {
    fn from_ref(state: &State) -> Self {
        state.conversation.clone()
    }
}

type Answer<T> = Result<Json<T>, ChatError>;
type Chat = Shared<Conversation>;

/// Makes the router of the service.
pub fn app(state: State) -> Router {
    let (pool, redis) = (state.pool.clone(), state.redis.clone());
    let routes = Router::new()
        .route("/scenarios", get(scenarios))
        .route("/sessions", post(create))
        .route("/sessions/{session}", get(read))
        .route("/sessions/{session}/messages", post(say))
        .route("/sessions/{session}/events", get(events))
        .route("/sessions/{session}/feedback", post(feedback))
        .route("/sessions/{session}/complete", post(complete))
        .route("/streams", get(streams))
        .route("/streams/{stream}/interrupt", post(interrupt))
        .route("/ws/sessions/{session}", get(socket))
        .with_state(state);
    service(routes, move || {
        let (pool, redis) = (pool.clone(), redis.clone());
        async move { contract::store::ready(&pool, redis).await }
    })
}

async fn scenarios(_caller: Caller) -> Json<Vec<Scenario>> {
    Json(training::scenarios())
}

async fn create(
    caller: Caller,
    Shared(chat): Chat,
    Body(request): Body<SessionRequest>,
) -> Result<(StatusCode, Json<SessionCreated>), ChatError> {
    let session = chat.create(&caller.claims, &request).await?;
    Ok((StatusCode::CREATED, Json(SessionCreated { session })))
}

async fn read(caller: Caller, Shared(chat): Chat, Path(session): Path<Uuid>) -> Answer<Session> {
    chat.read(&caller.claims, session).await.map(Json)
}

async fn events(caller: Caller, Shared(chat): Chat, Path(session): Path<Uuid>) -> Answer<Vec<Event>> {
    chat.events(&caller.claims, session).await.map(Json)
}

async fn complete(caller: Caller, Shared(chat): Chat, Path(session): Path<Uuid>) -> Answer<Score> {
    chat.complete(&caller.claims, session).await.map(Json)
}

async fn streams(caller: Caller, Shared(chat): Chat) -> Answer<Vec<ActiveStream>> {
    chat.active(&caller.claims).await.map(Json)
}

async fn interrupt(caller: Caller, Shared(chat): Chat, Path(stream): Path<Uuid>) -> Result<StatusCode, ChatError> {
    chat.interrupt(&caller.claims, stream).await.map(|()| StatusCode::NO_CONTENT)
}

async fn feedback(
    caller: Caller,
    Shared(chat): Chat,
    Path(session): Path<Uuid>,
    Body(feedback): Body<Feedback>,
) -> Result<StatusCode, ChatError> {
    chat.feedback(&caller.claims, session, &feedback.text).await.map(|()| StatusCode::NO_CONTENT)
}

async fn say(
    caller: Caller,
    Shared(chat): Chat,
    Path(session): Path<Uuid>,
    Body(said): Body<Say>,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, ChatError> {
    let reply = chat.say(&caller, session, &said.text).await?;
    Ok(Sse::new(server_sent(reply)).keep_alive(KeepAlive::default()))
}

/// The frames of a reply as server-sent events; it ends with the last frame.
fn server_sent(reply: Reply) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    stream::unfold(reply, |mut reply| async move {
        let frame = reply.recv().await?;
        let event = SseEvent::default().event(sse::name(&frame)).data(sse::data(&frame));
        Some((Ok(event), reply))
    })
}

async fn socket(
    caller: Caller,
    Shared(chat): Chat,
    Path(session): Path<Uuid>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ChatError> {
    chat.read(&caller.claims, session).await?;
    let id = request_id::current().unwrap_or_default();
    Ok(upgrade.on_upgrade(move |socket| request_id::scope(id, talk(socket, chat, caller, session))))
}

/// Talks over a socket until the client leaves or the process stops: each message is a [`Say`], answered with the frames of its reply, or with
/// `{"event": "error", "code", "message"}`, after which the talk goes on.
async fn talk(mut socket: WebSocket, chat: Conversation, caller: Caller, session: Uuid) {
    let mut stopping = chat.stopping.clone();
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let Some(Ok(message)) = message else { break };
        let WsMessage::Text(text) = message else { continue };
        let answered = match answer(&chat, &caller, session, &text).await {
            Ok(reply) => forward(&mut socket, reply).await,
            Err(refusal) => socket.send(WsMessage::Text(refused(&refusal.body).into())).await,
        };
        if answered.is_err() {
            break;
        }
    }
}

async fn answer(chat: &Conversation, caller: &Caller, session: Uuid, text: &str) -> Result<Reply, Refusal> {
    let said: Say = serde_json::from_str(text)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "invalid_body", error.to_string()))?;
    Ok(chat.say(caller, session, &said.text).await?)
}

/// Passes a reply on. While it streams, the socket is watched as well: a client that leaves interrupts its reply.
async fn forward(socket: &mut WebSocket, mut reply: Reply) -> Result<(), axum::Error> {
    loop {
        tokio::select! {
            frame = reply.recv() => match frame {
                Some(frame) => socket.send(WsMessage::Text(written(&frame).into())).await?,
                None => return Ok(()),
            },
            message = socket.recv() => match message {
                Some(Ok(WsMessage::Text(_))) => {
                    let busy = ErrorBody::new("busy", "a reply is being streamed; wait for its end");
                    socket.send(WsMessage::Text(refused(&busy).into())).await?;
                }
                Some(Ok(WsMessage::Close(_)) | Err(_)) | None => return Ok(()),
                Some(Ok(_)) => {}
            },
        }
    }
}

fn written(frame: &Frame) -> String {
    serde_json::json!(frame).to_string()
}

fn refused(body: &ErrorBody) -> String {
    serde_json::json!({ "event": "error", "code": body.code, "message": body.message }).to_string()
}
