//! The service over HTTP: each handler takes a request apart, calls one operation, and answers.

use axum::extract::{FromRef, State as Extract};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use contract::identity::{LoggedIn, Login, Registered, Registration, User, UserQuery, Verification};
use contract::serve::{Body, Caller, Id, Parameters, Serving, StartError, service};
use contract::{Claims, Verifier, store};

use crate::MIGRATOR;
use crate::accounts::Accounts;
use crate::attempts::Attempts;
use crate::config::Config;
use crate::error::Error;
use crate::issue::Issuer;
use crate::password::Passwords;
use crate::users::Users;

/// What the handlers share: connections and keys.
#[derive(Clone)]
pub struct State {
    accounts: Accounts,
    verifier: Verifier,
}

impl State {
    /// Connects to the stores, migrates the database and puts the seed users in place.
    ///
    /// # Errors
    ///
    /// `StartError::Store` when a store can't be used.
    pub async fn connect(config: &Config) -> Result<Self, StartError> {
        let pool = store::postgres(&config.database_url, &MIGRATOR).await.map_err(unusable)?;
        let redis = store::redis(&config.redis_url).await.map_err(unusable)?;
        let accounts = Accounts {
            users: Users { pool },
            attempts: Attempts { redis, prefix: config.redis_prefix.clone(), failures_max: config.login_failures_max },
            passwords: Passwords::new(config.argon2_memory_kib).map_err(unusable)?,
            issuer: Issuer::new(&config.token_secret, config.token_seconds),
            capture_mail: config.capture_mail,
        };
        accounts.seed(&config.seeds).await.map_err(unusable)?;
        Ok(Self { accounts, verifier: config.verifier.clone() })
    }

    async fn ready(self) -> Result<(), String> {
        store::ready(&self.accounts.users.pool, self.accounts.attempts.redis).await
    }
}

impl FromRef<State> for Verifier {
    fn from_ref(state: &State) -> Self {
        state.verifier.clone()
    }
}

/// Makes the service ready to serve.
///
/// # Errors
///
/// The configuration's mistakes, or the store that can't be used.
pub async fn start(config: Result<Config, Vec<String>>) -> Result<Serving, StartError> {
    let config = config.map_err(StartError::Config)?;
    let state = State::connect(&config).await?;
    Ok(Serving { listen: config.listen, router: app(state) })
}

/// The service's routes.
pub fn app(state: State) -> Router {
    let ready = state.clone();
    let routes = Router::new()
        .route("/users", post(register).get(find))
        .route("/users/{id}/verification", get(captured_mail))
        .route("/users/verify", post(verify))
        .route("/login", post(login))
        .route("/me", get(me))
        .with_state(state);
    service(routes, move || ready.clone().ready())
}

async fn register(
    Extract(state): Extract<State>,
    Body(registration): Body<Registration>,
) -> Result<(StatusCode, Json<Registered>), Error> {
    let registered = state.accounts.register(registration).await?;
    Ok((StatusCode::CREATED, Json(registered)))
}

async fn captured_mail(Extract(state): Extract<State>, Id(user): Id) -> Result<Json<Verification>, Error> {
    state.accounts.captured_mail(user).await.map(Json)
}

async fn verify(Extract(state): Extract<State>, Body(verification): Body<Verification>) -> Result<StatusCode, Error> {
    state.accounts.verify(&verification).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn login(Extract(state): Extract<State>, Body(login): Body<Login>) -> Result<Json<LoggedIn>, Error> {
    state.accounts.login(login).await.map(Json)
}

async fn me(caller: Caller) -> Json<Claims> {
    Json(caller.claims)
}

async fn find(
    Extract(state): Extract<State>,
    caller: Caller,
    Parameters(query): Parameters<UserQuery>,
) -> Result<Json<User>, Error> {
    state.accounts.find(&caller.claims, &query.email).await.map(Json)
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> StartError {
    StartError::Store(Box::new(error))
}
