//! Conversations over WebSocket.

use super::world::{Somebody, World};
use contract::Role;
use contract::chat::{End, EventKind, Frame};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use uuid::Uuid;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(world: &World, token: &str, session: Uuid) -> Result<Socket, u16> {
    let url = format!("{}/ws/sessions/{session}", world.served.url().replace("http://", "ws://"));
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn talking(world: &World, model: &str) -> (Somebody, Uuid, Socket) {
    let (user, session) = world.talker(model).await;
    let socket = open(world, &user.token, session).await.unwrap();
    (user, session, socket)
}

async fn send(socket: &mut Socket, text: &str) {
    socket.send(Message::text(json!({ "text": text }).to_string())).await.unwrap();
}

async fn receive(socket: &mut Socket) -> Value {
    let message = socket.next().await.unwrap().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

/// The whole reply and its end.
async fn reply(socket: &mut Socket) -> (String, End) {
    let mut text = String::new();
    loop {
        match serde_json::from_value(receive(socket).await).unwrap() {
            Frame::Token(token) => text.push_str(&token.text),
            Frame::End(end) => return (text, end),
        }
    }
}

#[tokio::test]
async fn a_conversation_goes_on_over_one_socket_and_every_reply_is_paid() {
    let world = World::new().await;
    let (user, session, mut socket) = talking(&world, "small").await;
    send(&mut socket, "Hello").await;
    let (text, end) = reply(&mut socket).await;
    assert_eq!(text, "About the complaint: hello.");
    assert_eq!(end, End { tokens_in: 1, tokens_out: 4, interrupted: false });
    send(&mut socket, "sorry again").await;
    assert_eq!(reply(&mut socket).await.0, "About the complaint: sorry again.");
    assert_eq!(world.usage(&user).await.len(), 2);
    assert_eq!(world.client.session(&user.token, session).await.unwrap().messages.len(), 4);
}

#[tokio::test]
async fn a_message_that_is_refused_leaves_the_socket_open() {
    let world = World::new().await;
    let (_, _, mut socket) = talking(&world, "small").await;
    send(&mut socket, " ").await;
    let refusal = json!({ "event": "error", "code": "empty_text", "message": "the text is empty" });
    assert_eq!(receive(&mut socket).await, refusal);
    socket.send(Message::text("no JSON")).await.unwrap();
    assert_eq!(receive(&mut socket).await["code"], "invalid_body");
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    send(&mut socket, "Hello").await;
    assert_eq!(reply(&mut socket).await.0, "About the complaint: hello.");
}

#[tokio::test]
async fn a_message_during_a_reply_is_refused_and_the_reply_goes_on() {
    let world = World::new().await;
    let (_, _, mut socket) = talking(&world, "slow").await;
    send(&mut socket, "a b c d e f g h i j k l m n").await;
    assert_eq!(receive(&mut socket).await["event"], "token");
    send(&mut socket, "me too").await;
    socket.send(Message::binary(vec![1])).await.unwrap();
    let mut codes = Vec::new();
    loop {
        let frame = receive(&mut socket).await;
        match frame["event"].as_str().unwrap() {
            "error" => codes.push(frame["code"].clone()),
            "end" => break assert_eq!(frame["tokens_out"], 17),
            _ => {}
        }
    }
    assert_eq!(codes, ["busy"]);
}

#[tokio::test]
async fn a_socket_that_closes_interrupts_its_reply() {
    let world = World::new().await;
    let (user, session, mut socket) = talking(&world, "slow").await;
    send(&mut socket, "a b c d e f g h i j k l m n o p").await;
    assert_eq!(receive(&mut socket).await["event"], "token");
    socket.close(None).await.unwrap();
    let World { state, served, stop, client, accounting, database, .. } = world;
    drop((state, served, client, accounting));
    stop.closed().await;
    let (kind, detail): (String, String) =
        sqlx::query_as("select kind, detail from events where session = $1 order by id desc limit 1")
            .bind(session)
            .fetch_one(&database.pool().await)
            .await
            .unwrap();
    assert_eq!((kind.as_str(), detail.as_str()), ("interrupted", "the client went away"), "{}", user.claims.sub);
}

#[tokio::test]
async fn a_process_that_stops_ends_replies_and_sockets() {
    let world = World::new().await;
    let (user, session, mut socket) = talking(&world, "slow").await;
    send(&mut socket, "a b c d e f g h i j k l m n o p").await;
    assert_eq!(receive(&mut socket).await["event"], "token");
    world.stop.send_replace(true);
    assert!(reply(&mut socket).await.1.interrupted);
    assert!(!matches!(socket.next().await, Some(Ok(Message::Text(_)))));
    assert_eq!(world.events(&user, session).await[0], EventKind::Interrupted);
}

#[tokio::test]
async fn a_socket_opens_only_for_the_sessions_user_with_a_good_token() {
    let world = World::new().await;
    let (user, session) = world.talker("small").await;
    let other = world.somebody(Role::User);
    assert_eq!(open(&world, &other.token, session).await.err(), Some(404));
    for (kind, token) in world.forge.bad(&user.claims) {
        assert_eq!(open(&world, &token, session).await.err(), Some(401), "{kind}");
    }
    assert!(open(&world, &user.token, session).await.is_ok());
}
