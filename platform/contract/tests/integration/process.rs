//! The process of a service: serving, stopping, checking itself.

use std::future::Future;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use contract::serve::{Ending, Serving, StartError, Variables, act, serve_until, service};
use harness::{ClosedPort, serve};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

/// Long enough for what is expected to happen before.
const NEVER: Duration = Duration::from_mins(10);

/// A start that fails, and so tells whether it was started at all.
fn unused() -> impl Future<Output = Result<Serving, StartError>> {
    std::future::ready(Err(StartError::Config(vec!["started".to_owned()])))
}

async fn checked(listen: &str) -> Result<(), Ending> {
    let variables: Variables = [("LISTEN", listen)].into_iter().collect();
    act(&["--check".to_owned()], variables, unused()).await
}

fn without_scheme(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

#[tokio::test]
async fn a_check_tells_a_ready_service_from_one_that_is_not_and_from_none() {
    let ready = serve(service(Router::new(), || async { Ok(()) })).await;
    assert_eq!(checked(without_scheme(&ready.url())).await, Ok(()));
    let lacking = serve(service(Router::new(), || async { Err("Redis".to_owned()) })).await;
    let ending = checked(without_scheme(&lacking.url())).await.unwrap_err();
    let cause = format!("{}/ready answers 503 Service Unavailable", lacking.url());
    assert_eq!(ending, Ending { code: 1, cause });
    let closed = ClosedPort::take();
    let ending = checked(without_scheme(&closed.url())).await.unwrap_err();
    assert!(ending.code == 1 && ending.cause.contains("Connection refused"), "{ending:?}");
    assert_eq!(checked("nowhere").await.unwrap_err().code, 2);
}

#[tokio::test]
async fn an_unknown_argument_and_a_wrong_configuration_end_with_2() {
    let unknown = act(&["--chekc".to_owned()], Variables::default(), unused()).await.unwrap_err();
    let cause = "unknown arguments [\"--chekc\"]; known is --check".to_owned();
    assert_eq!(unknown, Ending { code: 2, cause });
    let wrong = act(&[], Variables::default(), unused()).await.unwrap_err();
    assert_eq!(wrong, Ending { code: 2, cause: "the configuration has mistakes: started".to_owned() });
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap();
    let ending = act(&[], Variables::default(), async { Ok(Serving { listen, router: Router::new() }) }).await;
    let cause = format!("can't listen on {listen}: Address already in use (os error 98)");
    assert_eq!(ending.unwrap_err(), Ending { code: 1, cause });
}

#[tokio::test]
async fn sigterm_ends_the_process_even_when_it_comes_during_the_start() {
    let start = async {
        let sent = Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status().unwrap();
        assert!(sent.success());
        Ok(Serving { listen: "127.0.0.1:0".parse().unwrap(), router: Router::new() })
    };
    assert_eq!(act(&[], Variables::default(), start).await, Ok(()));
}

/// Serves a route that says when it was reached and answers when it is released; gives its URL, the server, and both.
async fn slow(drain: Duration) -> (String, impl Future<Output = bool>, Arc<Notify>, Arc<Notify>, oneshot::Sender<()>) {
    let (reached, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let notes = (reached.clone(), released.clone());
    let route = get(move || async move {
        notes.0.notify_one();
        notes.1.notified().await;
        "done"
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let stopping = async move { stopped.await.unwrap() };
    let server = tokio::spawn(serve_until(listener, Router::new().route("/", route), stopping, drain));
    (url, async { server.await.unwrap().unwrap() }, reached, released, stop)
}

#[tokio::test]
async fn a_request_in_flight_is_answered_after_the_stop() {
    let (url, server, reached, released, stop) = slow(NEVER).await;
    let request = tokio::spawn(reqwest::get(url));
    reached.notified().await;
    stop.send(()).unwrap();
    released.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "done");
    assert!(server.await);
}

#[tokio::test]
async fn a_request_that_does_not_end_does_not_hold_the_process_up() {
    let (url, server, reached, _released, stop) = slow(Duration::from_millis(50)).await;
    let request = tokio::spawn(reqwest::get(url));
    reached.notified().await;
    stop.send(()).unwrap();
    assert!(!server.await);
    request.abort();
}
