//! What a test of the service needs: its stores, the service in this process, and tokens.

use accounting::{Config, MIGRATOR, State, app, connect};
use contract::accounting::{Charge, Credit};
use contract::serve::Variables;
use contract::{Accounting, Claims, Role};
use harness::{Database, Forge, RedisSpace, Served, serve};
use uuid::Uuid;

pub(super) const SECRET: &str = "the secret that tests of accounting share";

/// The service and everything around it. Fields are dropped in order: the service before its stores.
pub(super) struct World {
    pub(super) served: Served,
    pub(super) client: Accounting,
    pub(super) state: State,
    pub(super) redis: RedisSpace,
    pub(super) database: Database,
    pub(super) forge: Forge,
}

/// A user with a token.
pub(super) struct Somebody {
    pub(super) claims: Claims,
    pub(super) token: String,
}

impl World {
    pub(super) async fn new() -> Self {
        let database = Database::lease("accounting", &MIGRATOR).await;
        let redis = RedisSpace::lease();
        let state = connect(&config(&database.url(), &redis)).await.unwrap();
        let served = serve(app(state.clone())).await;
        let client = Accounting::new(&served.url());
        Self { served, client, state, redis, database, forge: Forge::new(SECRET) }
    }

    pub(super) fn somebody(&self, role: Role) -> Somebody {
        let claims = Forge::claims(&[role]);
        Somebody { token: self.forge.token(&claims), claims }
    }

    /// A new user with that much credit.
    pub(super) async fn with_credit(&self, micros: i64) -> Somebody {
        let user = self.somebody(Role::User);
        let admin = self.somebody(Role::Admin);
        self.client.allocate(&admin.token, user.id(), &credit(micros)).await.unwrap();
        user
    }

    /// What a user can spend, and what is held.
    pub(super) async fn balance(&self, user: &Somebody) -> (i64, i64) {
        let balance = self.client.balance(&user.token, user.id()).await.unwrap();
        (balance.balance_micros, balance.held_micros)
    }
}

impl Somebody {
    pub(super) fn id(&self) -> Uuid {
        self.claims.sub
    }
}

pub(super) fn config(database_url: &str, redis: &RedisSpace) -> Config {
    let variables = Variables::from_iter([
        ("DATABASE_URL", database_url),
        ("REDIS_URL", redis.url()),
        ("REDIS_PREFIX", redis.prefix()),
        ("TOKEN_SECRET", SECRET),
    ]);
    Config::from_variables(variables).unwrap()
}

pub(super) fn credit(amount_micros: i64) -> Credit {
    Credit { amount_micros, reason: "a test".to_owned() }
}

pub(super) fn charge(model: &str, tokens_in: u64, tokens_out: u64) -> Charge {
    Charge { model: model.to_owned(), tokens_in, tokens_out, partial: false }
}
