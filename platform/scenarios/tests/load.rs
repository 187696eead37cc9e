//! The performance tier's load: five paced users who chat through the gateway, for about ten seconds.
//!
//! The test fails only when nothing could be measured. Whether what was measured is good enough is for the gates.

use contract::{Chat, ClientError};
use scenarios::{Platform, Somebody};
use std::path::PathBuf;
use std::time::Duration;
use tollgate_load::{Shape, Talk, Turn, directory, run};
use uuid::Uuid;

/// Five users, 20 sessions, 260 requests, 9.9 s.
fn shape() -> Shape {
    Shape {
        name: "chat".to_owned(),
        users: 5,
        sessions_per_user: 4,
        requests_per_session: 13,
        interval: Duration::from_millis(190),
        timeout: Duration::from_secs(5),
    }
}

/// Enough for every reply of one user.
const CREDIT_MICROS: i64 = 1_000_000;

/// Users who chat.
struct Chatting {
    chat: Chat,
    users: Vec<Somebody>,
}

impl Chatting {
    fn token(&self, turn: Turn) -> &str {
        &self.users[turn.user as usize].token
    }
}

/// A session and whose it is.
struct Open {
    session: Uuid,
    token: String,
}

/// An operation that failed; the load only counts it.
struct Failed;

impl From<ClientError> for Failed {
    fn from(_: ClientError) -> Self {
        Self
    }
}

impl Talk for Chatting {
    type Session = Open;
    type Error = Failed;

    async fn open(&self, turn: Turn) -> Result<Open, Failed> {
        let token = self.token(turn).to_owned();
        let session = self.chat.create_session(&token, "complaint", "small").await?.session;
        Ok(Open { session, token })
    }

    async fn ask(&self, open: &mut Open, _: Turn) -> Result<(), Failed> {
        // One word that nobody said before: the reply is generated, not cached, and takes four tokens.
        let text = Uuid::new_v4().simple().to_string();
        let (_, end) = self.chat.send_message(&open.token, open.session, &text).await?.collect().await?;
        // Half a reply is none.
        if end.interrupted { Err(Failed) } else { Ok(()) }
    }

    async fn end(&self, open: Open) -> Result<(), Failed> {
        self.chat.complete(&open.token, open.session).await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_paced_users_chat_through_the_gateway() {
    let platform = Platform::from_env();
    let shape = shape();
    let mut users = Vec::new();
    for _ in 0..shape.users {
        users.push(platform.user_with_credit(CREDIT_MICROS).await.unwrap());
    }
    let evidence = run(&shape, Chatting { chat: platform.gateway.chat(), users }).await;
    let fallback = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/load");
    let path = evidence.write(&directory().unwrap_or_else(|| PathBuf::from(fallback))).unwrap();
    println!("{}: {} requests, {} errors", path.display(), evidence.requests, evidence.errors);
    assert!(!evidence.latencies_us.is_empty(), "nothing could be measured: no request was answered");
}
