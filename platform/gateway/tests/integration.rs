//! The gateway before small services of the test's own: routing, tokens, limits, streams, the message route.

#![expect(clippy::unwrap_used, reason = "helpers unwrap as tests do; the lint's exception knows test functions alone")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use contract::chat::{End, Frame, SessionCreated, SessionRequest, Token};
use contract::gateway::MessageRequest;
use contract::serve::{StartError, Variables, service};
use contract::{ClientError, ErrorBody, Gateway, Role, request_id, sse};
use gateway::{BODY_LENGTH_MAX, Config, start};
use harness::{ClosedPort, Forge, Served, serve};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use uuid::Uuid;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const SESSION: Uuid = Uuid::from_u128(7);

/// The gateway before one router that plays all three services under their names.
struct World {
    gateway: Served,
    services: Served,
    token: String,
}

impl World {
    async fn new(services: Router) -> Self {
        let services = serve(services).await;
        let url = |name: &str| format!("{}/{name}/", services.url());
        let gateway = before(&url("identity"), &url("accounting"), &url("chat")).await;
        Self { gateway, services, token: good_token() }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.gateway.url())
    }
}

async fn before(identity: &str, accounting: &str, chat: &str) -> Served {
    let variables: Variables =
        [("TOKEN_SECRET", SECRET), ("IDENTITY_URL", identity), ("ACCOUNTING_URL", accounting), ("CHAT_URL", chat)]
            .into_iter()
            .collect();
    serve(start(Config::from_variables(variables)).await.unwrap().router).await
}

fn good_token() -> String {
    Forge::new(SECRET).token(&Forge::claims(&[Role::User]))
}

/// A service that answers with what reached it.
fn mirror() -> Router {
    Router::new().fallback(any(mirrored))
}

async fn mirrored(request: Request) -> (HeaderMap, Json<Value>) {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let seen = json!({
        "method": parts.method.as_str(),
        "uri": parts.uri.to_string(),
        "authorization": header("authorization"),
        "request_id": header("x-request-id"),
        "host": header("host"),
        "custom": header("x-custom"),
        "secret": header("x-secret"),
        "length": body.len(),
    });
    (HeaderMap::from_iter([("x-service".parse().unwrap(), "mirror".parse().unwrap())]), Json(seen))
}

async fn refusal(response: reqwest::Response) -> (u16, ErrorBody) {
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_request_reaches_its_service_whole_and_the_answer_comes_back_whole() {
    let world = World::new(mirror()).await;
    let request = Client::new()
        .put(world.url("/accounting/holds/7?a=b%20c&d"))
        .bearer_auth(&world.token)
        .header("x-custom", "kept")
        .header("x-secret", "of the connection")
        .header("connection", "x-secret")
        .body("12345");
    let answer = request.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-service"]), (200, &"mirror".parse().unwrap()));
    let mut seen = answer.json::<Value>().await.unwrap();
    seen.as_object_mut().unwrap().remove("request_id");
    let authorization = format!("Bearer {}", world.token);
    let host = world.services.url().replace("http://", "");
    let expect = json!({
        "method": "PUT", "uri": "/accounting/holds/7?a=b%20c&d", "authorization": authorization,
        "host": host, "custom": "kept", "secret": null, "length": 5,
    });
    assert_eq!(seen, expect);
}

#[tokio::test]
async fn each_service_is_reached_by_its_name() {
    let world = World::new(mirror()).await;
    for (asked, reached) in [
        ("/identity/me", "/identity/me"),
        ("/accounting/usage", "/accounting/usage"),
        ("/chat/sessions/7/events", "/chat/sessions/7/events"),
    ] {
        let answer = Client::new().get(world.url(asked)).bearer_auth(&world.token).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap()["uri"], reached);
    }
    let answer = Client::new().get(world.url("/catalog/elements")).bearer_auth(&world.token).send().await.unwrap();
    assert_eq!(refusal(answer).await, (404, ErrorBody::new("unknown_route", "there is no such route")));
}

#[tokio::test]
async fn the_request_id_travels_through_and_is_the_same_on_both_sides() {
    let world = World::new(mirror()).await;
    let request = Client::new().get(world.url("/chat/streams")).bearer_auth(&world.token);
    let given = request.try_clone().unwrap().header("x-request-id", "run-7").send().await.unwrap();
    assert_eq!(given.headers()["x-request-id"], "run-7");
    assert_eq!(given.json::<Value>().await.unwrap()["request_id"], "run-7");
    let made = request.send().await.unwrap();
    let id = made.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(made.json::<Value>().await.unwrap()["request_id"], id);
}

#[tokio::test]
async fn without_a_good_token_nothing_guarded_reaches_a_service() {
    let reached = Arc::new(Notify::new());
    let noting = reached.clone();
    let world = World::new(Router::new().fallback(any(move || async move { noting.notify_one() }))).await;
    let claims = Forge::claims(&[Role::Admin]);
    for path in ["/identity/me", "/accounting/usage", "/chat/streams", "/identity/users/7/verification"] {
        let answer = reqwest::get(world.url(path)).await.unwrap();
        let expect = (401, ErrorBody::new("unauthorized", "a bearer token is required"));
        assert_eq!(refusal(answer).await, expect, "{path}");
        for (kind, token) in Forge::new(SECRET).bad(&claims) {
            let answer = Client::new().get(world.url(path)).bearer_auth(token).send().await.unwrap();
            assert_eq!(refusal(answer).await.0, 401, "{path}: {kind}");
        }
    }
    // A note that was left would be taken at once.
    assert!(tokio::time::timeout(Duration::ZERO, reached.notified()).await.is_err());
}

#[tokio::test]
async fn registration_verification_login_and_health_are_open() {
    let world = World::new(mirror()).await;
    for path in ["/identity/users", "/identity/users/verify", "/identity/login"] {
        let answer = Client::new().post(world.url(path)).body("{}").send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap()["uri"], path);
    }
    for path in ["/chat/health", "/identity/health", "/health", "/ready"] {
        assert_eq!(reqwest::get(world.url(path)).await.unwrap().status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_body_at_the_limit_passes_and_one_byte_more_does_not_reach_the_service() {
    let world = World::new(mirror()).await;
    let send = async |body: Body| {
        let body = reqwest::Body::wrap_stream(body.into_data_stream());
        let request = Client::new().post(world.url("/chat/sessions")).bearer_auth(&world.token);
        request.body(body).send().await.unwrap()
    };
    let answer = send(Body::from(vec![b'x'; BODY_LENGTH_MAX])).await;
    assert_eq!(answer.json::<Value>().await.unwrap()["length"], BODY_LENGTH_MAX);
    let expect = (413, ErrorBody::new("body_too_long", "the request's body is longer than 1048576 bytes"));
    assert_eq!(refusal(send(Body::from(vec![b'x'; BODY_LENGTH_MAX + 1])).await).await, expect);
    let message = json!({"scenario": "s", "model": "small", "text": "x".repeat(BODY_LENGTH_MAX)});
    let answer = Client::new().post(world.url("/v1/session/message")).bearer_auth(&world.token).json(&message);
    let (status, body) = refusal(answer.send().await.unwrap()).await;
    assert_eq!((status, body.code.as_str()), (413, "body_too_long"));
}

#[tokio::test]
async fn a_service_that_is_away_is_a_bad_gateway_that_names_it_and_the_others_go_on() {
    let (closed, mirror) = (ClosedPort::take(), serve(mirror()).await);
    let gateway = before(&mirror.url(), &mirror.url(), &closed.url()).await;
    let ask = async |path: &str| {
        Client::new().get(format!("{}{path}", gateway.url())).bearer_auth(good_token()).send().await.unwrap()
    };
    let expect = (502, ErrorBody::new("service_unreachable", "chat is unreachable"));
    assert_eq!(refusal(ask("/chat/streams").await).await, expect);
    assert_eq!(ask("/identity/me").await.status(), 200);
    let error = Gateway::new(&gateway.url()).message(&good_token(), &message(None)).await.unwrap_err();
    assert_eq!(error.to_string(), "gateway answered 502 service_unreachable: chat is unreachable");
}

#[tokio::test]
async fn a_redirect_and_an_error_of_a_service_are_passed_on_as_they_are() {
    let services = Router::new()
        .route("/chat/moved", get(|| async { (StatusCode::FOUND, [("location", "/elsewhere")]) }))
        .route("/chat/broken", get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "oh") }));
    let world = World::new(services).await;
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let moved = client.get(world.url("/chat/moved")).bearer_auth(&world.token).send().await.unwrap();
    assert_eq!((moved.status().as_u16(), &moved.headers()["location"]), (302, &"/elsewhere".parse().unwrap()));
    let broken = client.get(world.url("/chat/broken")).bearer_auth(&world.token).send().await.unwrap();
    assert_eq!((broken.status().as_u16(), broken.text().await.unwrap().as_str()), (500, "oh"));
}

#[tokio::test]
async fn an_answer_is_streamed_before_it_is_whole() {
    let go_on = Arc::new(Notify::new());
    let waiting = go_on.clone();
    let stream = move || async move {
        let rest = futures_util::stream::once(async move {
            waiting.notified().await;
            Ok::<_, Infallible>(Bytes::from("second"))
        });
        let first = futures_util::stream::iter([Ok(Bytes::from("first"))]);
        Body::from_stream(futures_util::StreamExt::chain(first, rest)).into_response()
    };
    let world = World::new(Router::new().route("/chat/stream", get(stream))).await;
    let mut answer = Client::new().get(world.url("/chat/stream")).bearer_auth(&world.token).send().await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "first");
    go_on.notify_one();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "second");
    assert_eq!(answer.chunk().await.unwrap(), None);
}

/// Changes the protocol, and then answers each byte with the next one.
async fn next_byte(mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut connection = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
        while let Ok(byte) = connection.read_u8().await {
            connection.write_u8(byte + 1).await.unwrap();
        }
    });
    (StatusCode::SWITCHING_PROTOCOLS, [("connection", "upgrade"), ("upgrade", "bytes")]).into_response()
}

#[tokio::test]
async fn a_connection_that_changes_its_protocol_is_joined() {
    let world = World::new(Router::new().route("/chat/ws", get(next_byte))).await;
    let request = Client::new().get(world.url("/chat/ws")).header("connection", "Upgrade").header("upgrade", "bytes");
    let refused = request.try_clone().unwrap().send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let answer = request.bearer_auth(&world.token).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["upgrade"]), (101, &"bytes".parse().unwrap()));
    let mut connection = answer.upgrade().await.unwrap();
    for byte in [1, 7] {
        connection.write_u8(byte).await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), byte + 1);
    }
}

#[tokio::test]
async fn a_service_that_keeps_its_protocol_answers_as_usual() {
    let world = World::new(mirror()).await;
    let request = Client::new().get(world.url("/chat/ws")).bearer_auth(&world.token);
    let answer = request.header("connection", "upgrade").header("upgrade", "websocket").send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["uri"].as_str()),
        (200, Some("/chat/ws"))
    );
}

/// A chat service that creates the session, and replies with what the message and its header said.
fn chat() -> Router {
    let create = |Json(request): Json<SessionRequest>| async move {
        assert_eq!((request.scenario.as_str(), request.model.as_str()), ("greeting", "small"));
        Json(SessionCreated { session: SESSION })
    };
    let routes = Router::new().route("/chat/sessions", post(create)).route("/chat/sessions/{id}/messages", post(reply));
    service(routes, || async { Ok(()) })
}

async fn reply(Path(session): Path<Uuid>, Json(say): Json<Value>) -> Response {
    match say["text"].as_str().unwrap() {
        "poor" => (StatusCode::PAYMENT_REQUIRED, Json(ErrorBody::new("insufficient_credit", "no"))).into_response(),
        "cut" => "event: token\n".into_response(),
        text => {
            let said = format!("{text} in {} under {}", session.as_u128(), request_id::current().unwrap());
            let end = End { tokens_in: 1, tokens_out: 2, interrupted: false };
            let tokens = ["re: ".to_owned(), said].into_iter().zip(0..);
            let tokens = tokens.map(|(text, index)| Frame::Token(Token { index, text }));
            let frames = tokens.chain([Frame::End(end)]);
            let event = |frame| format!("event: {}\ndata: {}\n\n", sse::name(&frame), sse::data(&frame));
            frames.map(event).collect::<String>().into_response()
        }
    }
}

fn message(session: Option<Uuid>) -> MessageRequest {
    MessageRequest { session, scenario: "greeting".to_owned(), model: "small".to_owned(), text: "hello".to_owned() }
}

#[tokio::test]
async fn a_message_gets_its_whole_reply_in_a_new_or_a_given_session() {
    let world = World::new(chat()).await;
    let gateway = Gateway::new(&world.gateway.url());
    let send = async |session| {
        let request = message(session);
        request_id::scope("run-7".to_owned(), gateway.message(&world.token, &request)).await.unwrap()
    };
    let new = send(None).await;
    assert_eq!((new.session, new.reply.as_str()), (SESSION, "re: hello in 7 under run-7"));
    assert_eq!(new.usage, End { tokens_in: 1, tokens_out: 2, interrupted: false });
    let given = send(Some(Uuid::from_u128(8))).await;
    assert_eq!((given.session, given.reply.as_str()), (Uuid::from_u128(8), "re: hello in 8 under run-7"));
}

#[tokio::test]
async fn a_message_that_chat_refuses_or_does_not_answer_to_the_end_says_so() {
    let world = World::new(chat()).await;
    let gateway = Gateway::new(&world.gateway.url());
    let failed = async |text: &str, token: &str| {
        let request = MessageRequest { text: text.to_owned(), ..message(None) };
        let error = gateway.message(token, &request).await.unwrap_err();
        let ClientError::Refused { status, body, .. } = error else { panic!("{error}") };
        (status, body.code)
    };
    assert_eq!(failed("poor", &world.token).await, (402, "insufficient_credit".to_owned()));
    assert_eq!(failed("cut", &world.token).await, (502, "service_unreadable".to_owned()));
    assert_eq!(failed("hello", "not-a-token").await, (401, "unauthorized".to_owned()));
    let answer = Client::new().post(world.url("/v1/session/message")).bearer_auth(&world.token).json(&json!({})).send();
    assert_eq!(refusal(answer.await.unwrap()).await.1.code, "invalid_body");
    let answer = Client::new().get(world.url("/v1/session/message")).bearer_auth(&world.token).send();
    assert_eq!(refusal(answer.await.unwrap()).await.0, 405);
}

#[tokio::test]
async fn a_wrong_configuration_stops_the_start() {
    let error = start(Err(vec!["CHAT_URL is not set".to_owned()])).await.err().unwrap();
    assert!(matches!(error, StartError::Config(mistakes) if mistakes == ["CHAT_URL is not set"]));
}
