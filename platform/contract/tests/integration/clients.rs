//! What the typed clients send, and what they make of the answers.

use std::io::{Read, Write};
use std::net::TcpListener;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use contract::accounting::{Charge, Credit, EstimateRequest, UsageQuery};
use contract::chat::{End, Frame, Token};
use contract::gateway::MessageRequest;
use contract::{Accounting, Chat, ClientError, ErrorBody, Gateway, Identity, request_id};
use harness::{ClosedPort, Served, serve};
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(7);

/// A service that refuses everything, with what it was asked as the message.
async fn echo() -> Served {
    serve(Router::new().fallback(any(asked))).await
}

async fn asked(request: Request) -> (StatusCode, Json<ErrorBody>) {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
    let line = format!("{} {} {} {}", parts.method, parts.uri, header("authorization"), header("x-request-id"));
    let body = axum::body::to_bytes(body, 1024).await.unwrap();
    let message = format!("{line} {}", String::from_utf8_lossy(&body)).trim_end().to_owned();
    (StatusCode::IM_A_TEAPOT, Json(ErrorBody::new("asked", message)))
}

/// What a call asked the service that refuses everything.
fn line<T>(result: Result<T, ClientError>) -> String {
    match result.err().expect("everything is refused") {
        ClientError::Refused { status: 418, body, .. } => body.message.replace(&ID.to_string(), "ID"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn identity_is_asked_as_agreed() {
    let served = echo().await;
    let client = Identity::new(&served.url());
    assert_eq!(line(client.register("a@b.c", "p").await), r#"POST /users - - {"email":"a@b.c","password":"p"}"#);
    assert_eq!(line(client.captured_verification(ID).await), "GET /users/ID/verification - -");
    assert_eq!(line(client.verify("v").await), r#"POST /users/verify - - {"token":"v"}"#);
    assert_eq!(line(client.login("a@b.c", "p").await), r#"POST /login - - {"email":"a@b.c","password":"p"}"#);
    assert_eq!(line(client.me("t").await), "GET /me Bearer t -");
    assert_eq!(line(client.find_user("t", "a+1@b.c").await), "GET /users?email=a%2B1%40b.c Bearer t -");
}

#[tokio::test]
async fn accounting_is_asked_as_agreed() {
    let served = echo().await;
    let client = Accounting::new(&served.url());
    let credit = Credit { amount_micros: 5, reason: "gift".to_owned() };
    let expect = r#"POST /accounts/ID/credits Bearer t - {"amount_micros":5,"reason":"gift"}"#;
    assert_eq!(line(client.allocate("t", ID, &credit).await), expect);
    assert_eq!(line(client.balance("t", ID).await), "GET /accounts/ID Bearer t -");
    let expect = r#"POST /holds Bearer t - {"session":"ID","amount_micros":5}"#;
    assert_eq!(line(client.hold("t", ID, 5).await), expect);
    let charge = Charge { model: "small".to_owned(), tokens_in: 1, tokens_out: 2, partial: true };
    let expect = r#"POST /holds/ID/charge Bearer t - {"model":"small","tokens_in":1,"tokens_out":2,"partial":true}"#;
    assert_eq!(line(client.charge("t", ID, &charge).await), expect);
    assert_eq!(line(client.release("t", ID).await), "DELETE /holds/ID Bearer t -");
    assert_eq!(line(client.usage("t", &UsageQuery::default()).await), "GET /usage Bearer t -");
    let query = UsageQuery { user: Some(ID), session: Some(ID) };
    assert_eq!(line(client.usage("t", &query).await), "GET /usage?user=ID&session=ID Bearer t -");
    let request = EstimateRequest { model: "large".to_owned(), tokens_in: 1, tokens_out: 2 };
    let expect = r#"POST /estimate Bearer t - {"model":"large","tokens_in":1,"tokens_out":2}"#;
    assert_eq!(line(client.estimate("t", &request).await), expect);
}

#[tokio::test]
async fn chat_is_asked_as_agreed() {
    let served = echo().await;
    let client = Chat::new(&served.url());
    assert_eq!(line(client.scenarios("t").await), "GET /scenarios Bearer t -");
    let expect = r#"POST /sessions Bearer t - {"scenario":"s","model":"small"}"#;
    assert_eq!(line(client.create_session("t", "s", "small").await), expect);
    assert_eq!(
        line(client.send_message("t", ID, "hi").await),
        r#"POST /sessions/ID/messages Bearer t - {"text":"hi"}"#
    );
    assert_eq!(line(client.session("t", ID).await), "GET /sessions/ID Bearer t -");
    assert_eq!(line(client.streams("t").await), "GET /streams Bearer t -");
    assert_eq!(line(client.interrupt("t", ID).await), "POST /streams/ID/interrupt Bearer t -");
    assert_eq!(line(client.feedback("t", ID, "ok").await), r#"POST /sessions/ID/feedback Bearer t - {"text":"ok"}"#);
    assert_eq!(line(client.events("t", ID).await), "GET /sessions/ID/events Bearer t -");
    assert_eq!(line(client.complete("t", ID).await), "POST /sessions/ID/complete Bearer t -");
}

#[tokio::test]
async fn the_gateway_leads_to_the_services_by_their_prefix() {
    let served = echo().await;
    let gateway = Gateway::new(&format!("{}/", served.url()));
    let request =
        MessageRequest { session: None, scenario: "s".to_owned(), model: "small".to_owned(), text: "hi".to_owned() };
    let expect = r#"POST /v1/session/message Bearer t - {"scenario":"s","model":"small","text":"hi"}"#;
    assert_eq!(line(gateway.message("t", &request).await), expect);
    assert_eq!(line(gateway.identity().me("t").await), "GET /identity/me Bearer t -");
    assert_eq!(line(gateway.accounting().balance("t", ID).await), "GET /accounting/accounts/ID Bearer t -");
    assert_eq!(line(gateway.chat().streams("t").await), "GET /chat/streams Bearer t -");
}

#[tokio::test]
async fn the_request_id_of_the_current_request_travels() {
    let served = echo().await;
    let client = Identity::new(&served.url());
    let called = request_id::scope("run-7".to_owned(), client.me("t")).await;
    assert_eq!(line(called), "GET /me Bearer t run-7");
}

#[tokio::test]
async fn a_service_that_is_away_is_told_from_one_that_refuses_and_one_that_can_not_be_read() {
    let closed = ClosedPort::take();
    let error = Identity::new(&closed.url()).me("t").await.unwrap_err();
    assert_eq!(error.to_string(), format!("identity is unreachable at {}/me", closed.url()));
    assert_eq!((error.status(), error.code()), (None, None));

    let routes = Router::new()
        .route("/me", get(|| async { "not JSON" }))
        .route("/login", post(|| async { (StatusCode::BAD_GATEWAY, "a proxy's words") }));
    let served = serve(routes).await;
    let client = Identity::new(&served.url());
    let error = client.me("t").await.unwrap_err();
    assert!(error.to_string().starts_with("identity gave an answer that can't be read: expected"), "{error}");
    assert_eq!((error.status(), error.code()), (None, None));
    let error = client.login("a@b.c", "p").await.unwrap_err();
    assert_eq!(error.to_string(), "identity answered 502 unknown: a proxy's words");
    assert_eq!((error.status(), error.code()), (Some(502), Some("unknown")));
}

/// A chat service whose only reply is the given text.
async fn replying(text: &'static str) -> Served {
    let route = move || async move { ([("content-type", "text/event-stream")], Body::from(text)).into_response() };
    serve(Router::new().route("/sessions/{id}/messages", post(route))).await
}

const TOKENS: &str = "event: token\ndata: {\"index\":0,\"text\":\"a \"}\n\n: alive\n\nevent: token\ndata: {\"index\":1,\"text\":\"b\"}\n\n";
const WHOLE: &str = "event: token\ndata: {\"index\":0,\"text\":\"a \"}\n\nevent: token\ndata: {\"index\":1,\"text\":\"b\"}\n\n\
                     event: end\ndata: {\"tokens_in\":1,\"tokens_out\":2,\"interrupted\":false}\n\nevent: token\n";
const END: End = End { tokens_in: 1, tokens_out: 2, interrupted: false };

#[tokio::test]
async fn a_reply_is_read_frame_by_frame_until_its_end() {
    let served = replying(WHOLE).await;
    let mut reply = Chat::new(&served.url()).send_message("t", ID, "hi").await.unwrap();
    let token = |index, text: &str| Some(Frame::Token(Token { index, text: text.to_owned() }));
    assert_eq!(reply.next().await.unwrap(), token(0, "a "));
    assert_eq!(reply.next().await.unwrap(), token(1, "b"));
    assert_eq!(reply.next().await.unwrap(), Some(Frame::End(END)));
    assert_eq!(reply.next().await.unwrap(), None);
    assert!(reply.collect().await.is_err());
    let reply = Chat::new(&served.url()).send_message("t", ID, "hi").await.unwrap();
    assert_eq!(reply.collect().await.unwrap(), ("a b".to_owned(), END));
}

#[tokio::test]
async fn a_reply_that_stops_without_its_end_or_says_nonsense_is_an_error() {
    let collected = async |text| {
        let served = replying(text).await;
        let reply = Chat::new(&served.url()).send_message("t", ID, "hi").await.unwrap();
        reply.collect().await.unwrap_err().to_string()
    };
    let stopped = "chat gave an answer that can't be read: the stream stopped without its end";
    assert_eq!(collected(TOKENS).await, stopped);
    let nonsense = collected("event: ping\ndata: {}\n\n").await;
    assert_eq!(nonsense, "chat gave an answer that can't be read: unknown event \"ping\" in the stream");
}

/// A service that promises a hundred bytes, gives four, and closes the connection.
fn breaking_off() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let (mut request, mut byte) = (Vec::new(), [0]);
        // All of the request is taken first, for a close with something unread would be another kind of break.
        while !request.ends_with(b"{\"text\":\"hi\"}") {
            connection.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ndata").unwrap();
    });
    url
}

#[tokio::test]
async fn a_reply_whose_connection_breaks_says_that_the_service_is_unreachable() {
    let reply = Chat::new(&breaking_off()).send_message("t", ID, "hi").await.unwrap();
    let error = reply.collect().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { service: "chat", .. }), "{error}");
}
