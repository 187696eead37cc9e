//! The gateway over HTTP: its own route, and everything else to the services.

use axum::extract::{DefaultBodyLimit, FromRef, Request, State as Extract};
use axum::http::header::AUTHORIZATION;
use axum::response::Response;
use axum::routing::{any, post};
use axum::{Json, Router};
use contract::gateway::{MessageReply, MessageRequest};
use contract::serve::{Body, Caller, Serving, StartError, service};
use contract::{Chat, Verifier};

use crate::config::Config;
use crate::error::Error;
use crate::guard::{Upstream, route};
use crate::message::converse;
use crate::proxy::Proxy;

/// The longest body of a request, in bytes.
pub const BODY_LENGTH_MAX: usize = 1024 * 1024;

/// What the handlers share: where the services are, and how to reach them.
#[derive(Debug, Clone)]
pub struct State {
    config: Config,
    chat: Chat,
    proxy: Proxy,
}

impl State {
    /// Makes the state; nothing is connected before it is needed.
    pub fn new(config: Config) -> Self {
        let chat = Chat::new(&config.chat_url);
        Self { config, chat, proxy: Proxy::new(BODY_LENGTH_MAX) }
    }

    /// The base URL of a service.
    fn base(&self, upstream: Upstream) -> &str {
        let url = match upstream {
            Upstream::Identity => &self.config.identity_url,
            Upstream::Accounting => &self.config.accounting_url,
            Upstream::Chat => &self.config.chat_url,
        };
        url.trim_end_matches('/')
    }
}

impl FromRef<State> for Verifier {
    fn from_ref(state: &State) -> Self {
        state.config.verifier.clone()
    }
}

/// Makes the gateway ready to serve; a future, as every service's start, because its process sets up logs first.
///
/// # Errors
///
/// The configuration's mistakes.
pub async fn start(config: Result<Config, Vec<String>>) -> Result<Serving, StartError> {
    let config = config.map_err(StartError::Config)?;
    Ok(Serving { listen: config.listen, router: app(State::new(config)) })
}

/// The gateway's routes. It is ready whenever it is alive: a service that is away closes its own routes alone.
pub fn app(state: State) -> Router {
    let routes = Router::new()
        .route("/v1/session/message", post(message))
        .route("/{service}/{*path}", any(forward))
        .layer(DefaultBodyLimit::max(BODY_LENGTH_MAX))
        .with_state(state);
    service(routes, || async { Ok(()) })
}

async fn message(
    Extract(state): Extract<State>,
    caller: Caller,
    Body(request): Body<MessageRequest>,
) -> Result<Json<MessageReply>, Error> {
    converse(&state.chat, &caller.token, &request).await.map(Json)
}

async fn forward(Extract(state): Extract<State>, request: Request) -> Result<Response, Error> {
    let target = route(request.method(), request.uri().path()).ok_or(Error::UnknownRoute)?;
    if target.guarded {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        state.config.verifier.verify_header(header)?;
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!("{}{}{query}", state.base(target.upstream), target.path);
    state.proxy.forward(target.upstream.name(), &url, request).await
}
