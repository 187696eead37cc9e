//! A message and its streamed reply: credit held before, tokens sent one by one, usage charged after.

use crate::engine::{self, Model};
use crate::{ChatError, Replies, Sessions, Streams, session, training};
use contract::accounting::{Charge, EstimateRequest};
use contract::chat::{ActiveStream, End, Event, EventKind, Frame, Score, Session, SessionRequest, Token};
use contract::serve::Caller;
use contract::{Accounting, Claims, request_id};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use uuid::Uuid;

/// Frames that may wait for a slow reader.
const WAITING_MAX: usize = 16;

/// A reply on its way. Dropping it interrupts the stream.
pub type Reply = mpsc::Receiver<Frame>;

/// Everything that the service does.
#[derive(Clone)]
pub struct Conversation {
    /// What was said.
    pub sessions: Sessions,
    /// What is being streamed.
    pub streams: Streams,
    /// What was generated before.
    pub replies: Replies,
    /// Where streams are paid, with the user's own token.
    pub accounting: Accounting,
    /// How long a model of slowness 1 takes for a token.
    pub interval: Duration,
    /// How long a reader may take nothing while frames wait; then it counts as gone.
    pub patience: Duration,
    /// Turns true when the process stops; streams end then, charged as far as they came.
    pub stopping: watch::Receiver<bool>,
}

/// A stream that has been paid in advance.
struct Streaming {
    active: ActiveStream,
    scenario: String,
    text: String,
    tokens: Vec<String>,
    pace: Duration,
    hold: Uuid,
    caller_token: String,
}

/// Why a stream ended, and what was sent of it.
struct Sent {
    reply: String,
    tokens: usize,
    /// Who or what cut it short.
    interrupted: Option<String>,
}

#[expect(clippy::missing_errors_doc, reason = "`ChatError` names what can go wrong, its variants say when")]
impl Conversation {
    /// Creates a session of the caller's.
    pub async fn create(&self, by: &Claims, request: &SessionRequest) -> Result<Uuid, ChatError> {
        let training = training::find(&request.scenario)
            .ok_or_else(|| ChatError::UnknownScenario { scenario: request.scenario.clone() })?;
        let model =
            engine::find(&request.model).ok_or_else(|| ChatError::UnknownModel { model: request.model.clone() })?;
        self.sessions.create(by.sub, training.name, model.name, now_ms()).await
    }

    /// Reads a session that the caller may look into.
    pub async fn read(&self, by: &Claims, session: Uuid) -> Result<Session, ChatError> {
        let session = self.sessions.read(session).await?;
        session::must_be_readable(&session, by)?;
        Ok(session)
    }

    /// Lists the events of a session that the caller may look into, newest first.
    pub async fn events(&self, by: &Claims, session: Uuid) -> Result<Vec<Event>, ChatError> {
        self.read(by, session).await?;
        self.sessions.events(session).await
    }

    /// Scores and closes a session of the caller's.
    pub async fn complete(&self, by: &Claims, session: Uuid) -> Result<Score, ChatError> {
        let session = self.own_open(by, session).await?;
        let goals = training::find(&session.scenario).map_or(&[][..], |training| training.goals);
        let score = training::score(goals, session::said_by_user(&session));
        self.sessions.complete(session.session, score, now_ms()).await?;
        Ok(Score { score })
    }

    /// Lists the active streams; for supervisors.
    pub async fn active(&self, by: &Claims) -> Result<Vec<ActiveStream>, ChatError> {
        session::must_supervise(by, "list streams")?;
        self.streams.active(now_ms()).await
    }

    /// Interrupts an active stream; for supervisors.
    pub async fn interrupt(&self, by: &Claims, stream: Uuid) -> Result<(), ChatError> {
        session::must_supervise(by, "interrupt streams")?;
        self.streams.interrupt(stream, by.sub).await
    }

    /// Leaves a note in a session; for supervisors.
    pub async fn feedback(&self, by: &Claims, session: Uuid, text: &str) -> Result<(), ChatError> {
        session::must_supervise(by, "leave feedback")?;
        session::must_say_something(text)?;
        self.sessions.feedback(session, text, now_ms()).await
    }

    /// Takes a message and starts the reply. Whatever is refused is refused before the first token.
    pub async fn say(&self, caller: &Caller, session: Uuid, text: &str) -> Result<Reply, ChatError> {
        session::must_say_something(text)?;
        let session = self.own_open(&caller.claims, session).await?;
        let model =
            engine::find(&session.model).ok_or_else(|| ChatError::UnknownModel { model: session.model.clone() })?;
        let (tokens, pace) = self.prepare(&session.scenario, text, model).await?;
        let hold = self.hold(caller, &session, text, &tokens).await?;
        let active = ActiveStream {
            id: Uuid::new_v4(),
            session: session.session,
            user: session.user,
            model: session.model,
            started_ms: now_ms(),
        };
        let (scenario, text) = (session.scenario, text.to_owned());
        let streaming = Streaming { active, scenario, text, tokens, pace, hold, caller_token: caller.token.clone() };
        if let Err(error) = self.begin(&streaming).await {
            self.give_back(&streaming).await;
            return Err(error);
        }
        let (frames, reply) = mpsc::channel(WAITING_MAX);
        let (conversation, id) = (self.clone(), request_id::current().unwrap_or_default());
        tokio::spawn(request_id::scope(id, async move { conversation.stream(streaming, frames).await }));
        Ok(reply)
    }

    async fn own_open(&self, by: &Claims, session: Uuid) -> Result<Session, ChatError> {
        let session = self.sessions.read(session).await?;
        session::must_be_own(&session, by)?;
        session::must_be_open(&session)?;
        Ok(session)
    }

    /// Finds the reply's tokens and their pace: a cached reply is there already and comes at once.
    async fn prepare(&self, scenario: &str, text: &str, model: &Model) -> Result<(Vec<String>, Duration), ChatError> {
        Ok(match self.replies.get(scenario, text).await? {
            Some(tokens) => (tokens, Duration::ZERO),
            None => (engine::reply(scenario, text), engine::pace(model, self.interval)),
        })
    }

    /// Sets aside what the whole reply costs.
    async fn hold(&self, caller: &Caller, of: &Session, text: &str, tokens: &[String]) -> Result<Uuid, ChatError> {
        let (tokens_in, tokens_out) = (engine::count(text), tokens.len() as u64);
        let request = EstimateRequest { model: of.model.clone(), tokens_in, tokens_out };
        let estimate = self.accounting.estimate(&caller.token, &request).await?;
        Ok(self.accounting.hold(&caller.token, of.session, estimate.cost_micros).await?.hold)
    }

    async fn begin(&self, streaming: &Streaming) -> Result<(), ChatError> {
        self.sessions.say(streaming.active.session, &streaming.text, now_ms()).await?;
        let takes = streaming.pace * u32::try_from(streaming.tokens.len()).unwrap_or(u32::MAX);
        self.streams.enter(&streaming.active, takes).await
    }

    async fn give_back(&self, streaming: &Streaming) {
        if let Err(error) = self.accounting.release(&streaming.caller_token, streaming.hold).await {
            tracing::error!(%error, hold = %streaming.hold, "a hold is left open");
        }
    }

    /// Sends the reply, then settles it. The end is sent last: who has seen it finds usage and events written.
    async fn stream(&self, streaming: Streaming, frames: mpsc::Sender<Frame>) {
        let sent = self.send(&streaming, &frames).await;
        let end = End {
            tokens_in: engine::count(&streaming.text),
            tokens_out: sent.tokens as u64,
            interrupted: sent.interrupted.is_some(),
        };
        self.charge(&streaming, &end).await;
        if let Err(error) = self.write_down(&streaming, &sent).await {
            tracing::error!(%error, session = %streaming.active.session, "a reply is not written down");
        }
        // Nobody has to be there any more to read it.
        frames.send_timeout(Frame::End(end), self.patience).await.unwrap_or_default();
    }

    async fn send(&self, streaming: &Streaming, frames: &mpsc::Sender<Frame>) -> Sent {
        let mut sent = Sent { reply: String::new(), tokens: 0, interrupted: None };
        for (index, text) in (0..).zip(&streaming.tokens) {
            sent.interrupted = self.interruption(streaming).await;
            if sent.interrupted.is_some() {
                break;
            }
            let frame = Frame::Token(Token { index, text: text.clone() });
            if frames.send_timeout(frame, self.patience).await.is_err() {
                sent.interrupted = Some(GONE.to_owned());
                break;
            }
            sent.reply.push_str(text);
            sent.tokens += 1;
        }
        sent
    }

    /// Waits for the model's next token and returns why it is not to be sent, if it is not.
    async fn interruption(&self, streaming: &Streaming) -> Option<String> {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = sleep(streaming.pace) => {}
            // An error means that nobody is left to say so: as good as said.
            _ = stopping.wait_for(|stopping| *stopping) => return Some(STOPPED.to_owned()),
        }
        match self.streams.interrupted_by(streaming.active.id).await {
            Ok(by) => by.map(|by| format!("by supervisor {by}")),
            // A stream that nobody can interrupt is not worth breaking: it goes on, and the log says why.
            Err(error) => {
                tracing::warn!(%error, "interrupts can't be seen");
                None
            }
        }
    }

    async fn charge(&self, streaming: &Streaming, end: &End) {
        let charge = Charge {
            model: streaming.active.model.clone(),
            tokens_in: end.tokens_in,
            tokens_out: end.tokens_out,
            partial: end.interrupted,
        };
        if let Err(error) = self.accounting.charge(&streaming.caller_token, streaming.hold, &charge).await {
            tracing::error!(%error, hold = %streaming.hold, "a stream is not charged");
        }
    }

    async fn write_down(&self, streaming: &Streaming, sent: &Sent) -> Result<(), ChatError> {
        self.streams.leave(streaming.active.id).await?;
        let ended = match &sent.interrupted {
            Some(why) => (EventKind::Interrupted, why.as_str()),
            None => (EventKind::Reply, sent.reply.as_str()),
        };
        self.sessions.reply(streaming.active.session, &sent.reply, ended, now_ms()).await?;
        if sent.interrupted.is_none() {
            self.replies.put(&streaming.scenario, &streaming.text, &streaming.tokens).await?;
        }
        Ok(())
    }
}

/// Why a stream ended early when its reader is not there any more.
const GONE: &str = "the client went away";
/// Why a stream ended early when its process stopped.
const STOPPED: &str = "the service stopped";

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
