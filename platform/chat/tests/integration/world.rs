//! What a test of the service needs: its stores, accounting and chat in this process, and tokens.

use chat::{Config, MIGRATOR, State, app, connect};
use contract::accounting::{Credit, Usage, UsageQuery};
use contract::chat::{EventKind, Frame};
use contract::client::ReplyStream;
use contract::serve::{Caller, Variables};
use contract::{Accounting, Chat, Claims, ClientError, Role};
use harness::{Database, Forge, RedisSpace, Served, serve};
use tokio::sync::watch;
use uuid::Uuid;

const SECRET: &str = "the secret that tests of chat share";

/// Enough credit for any reply of a test.
const CREDIT_MICROS: i64 = 1_000_000;

/// The services and everything around them. Fields are dropped in order: the services before their stores.
pub(super) struct World {
    pub(super) served: Served,
    pub(super) client: Chat,
    pub(super) state: State,
    pub(super) stop: watch::Sender<bool>,
    pub(super) accounting: Accounting,
    pub(super) accounting_served: Served,
    pub(super) accounting_database: Database,
    pub(super) redis: RedisSpace,
    pub(super) database: Database,
    pub(super) forge: Forge,
}

/// A user with a token.
pub(super) struct Somebody {
    pub(super) claims: Claims,
    pub(super) token: String,
}

impl Somebody {
    pub(super) fn caller(&self) -> Caller {
        Caller { claims: self.claims.clone(), token: self.token.clone() }
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let (accounting_served, accounting_database, redis) = accounting_service().await;
        let url = accounting_served.url();
        Self::beside(url, accounting_served, accounting_database, redis).await
    }

    /// A world whose chat service has another address for accounting.
    pub(super) async fn with_accounting_at(url: String) -> Self {
        let (accounting_served, accounting_database, redis) = accounting_service().await;
        Self::beside(url, accounting_served, accounting_database, redis).await
    }

    async fn beside(url: String, served: Served, accounting_database: Database, redis: RedisSpace) -> Self {
        let database = Database::lease("chat", &MIGRATOR).await;
        let (stop, stopping) = watch::channel(false);
        let state = connect(&config(&database, &redis, &url), stopping).await.unwrap();
        let chat = serve(app(state.clone())).await;
        Self {
            client: Chat::new(&chat.url()),
            served: chat,
            state,
            stop,
            accounting: Accounting::new(&served.url()),
            accounting_served: served,
            accounting_database,
            redis,
            database,
            forge: Forge::new(SECRET),
        }
    }

    /// The service as another process of it would run, on the same stores.
    pub(super) async fn another_process(&self) -> (State, watch::Sender<bool>) {
        let (stop, stopping) = watch::channel(false);
        let config = config(&self.database, &self.redis, &self.accounting_served.url());
        (connect(&config, stopping).await.unwrap(), stop)
    }

    pub(super) fn somebody(&self, role: Role) -> Somebody {
        let claims = Forge::claims(&[role]);
        Somebody { token: self.forge.token(&claims), claims }
    }

    /// A new user with credit, and an open session of theirs.
    pub(super) async fn talker(&self, model: &str) -> (Somebody, Uuid) {
        let (user, admin) = (self.somebody(Role::User), self.somebody(Role::Admin));
        let credit = Credit { amount_micros: CREDIT_MICROS, reason: "a test".to_owned() };
        self.accounting.allocate(&admin.token, user.claims.sub, &credit).await.unwrap();
        let session = self.client.create_session(&user.token, "complaint", model).await.unwrap().session;
        (user, session)
    }

    pub(super) async fn usage(&self, user: &Somebody) -> Vec<Usage> {
        self.accounting.usage(&user.token, &UsageQuery::default()).await.unwrap()
    }

    /// What the user can spend, and what is held.
    pub(super) async fn balance(&self, user: &Somebody) -> (i64, i64) {
        let balance = self.accounting.balance(&user.token, user.claims.sub).await.unwrap();
        (balance.balance_micros - CREDIT_MICROS, balance.held_micros)
    }

    /// The kinds of what happened in a session, newest first.
    pub(super) async fn events(&self, user: &Somebody, session: Uuid) -> Vec<EventKind> {
        let events = self.client.events(&user.token, session).await.unwrap();
        events.into_iter().map(|event| event.kind).collect()
    }
}

async fn accounting_service() -> (Served, Database, RedisSpace) {
    let database = Database::lease("accounting", &accounting::MIGRATOR).await;
    let redis = RedisSpace::lease();
    let variables = Variables::from_iter([
        ("DATABASE_URL", database.url().as_str()),
        ("REDIS_URL", redis.url()),
        ("REDIS_PREFIX", &format!("{}accounting:", redis.prefix())),
        ("TOKEN_SECRET", SECRET),
    ]);
    let config = accounting::Config::from_variables(variables).unwrap();
    let served = serve(accounting::app(accounting::connect(&config).await.unwrap())).await;
    (served, database, redis)
}

fn config(database: &Database, redis: &RedisSpace, accounting_url: &str) -> Config {
    let variables = Variables::from_iter([
        ("DATABASE_URL", database.url().as_str()),
        ("REDIS_URL", redis.url()),
        ("REDIS_PREFIX", &format!("{}chat:", redis.prefix())),
        ("TOKEN_SECRET", SECRET),
        ("ACCOUNTING_URL", accounting_url),
        ("TOKEN_INTERVAL_MS", "5"),
    ]);
    Config::from_variables(variables).unwrap()
}

/// The status and the code of a refusal.
pub(super) fn refused<T>(answer: Result<T, ClientError>) -> (u16, String) {
    let Err(error) = answer else { panic!("not refused") };
    (error.status().unwrap_or_else(|| panic!("{error}")), error.code().unwrap_or_default().to_owned())
}

/// Waits for the next token of a reply.
pub(super) async fn next_token(reply: &mut ReplyStream) -> String {
    match reply.next().await.unwrap() {
        Some(Frame::Token(token)) => token.text,
        other => panic!("no token but {other:?}"),
    }
}
