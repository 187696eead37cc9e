//! The routes and the logging that all services have: probes, request ids, refusals for unknown routes.

use std::future::Future;
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tracing::Instrument;

use super::Refusal;
use crate::request_id;

/// Completes a service's routes: `GET /health` (alive), `GET /ready` (by `ready`, whose error says what is missing),
/// a request id that travels and a log line for every request.
pub fn service<R, F>(routes: Router, ready: R) -> Router
where
    R: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    routes
        .route("/health", get(|| async { "alive" }))
        .route("/ready", get(move || probe(ready())))
        .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "unknown_route", "there is no such route") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "unknown_method", "the route has no such method")
        })
        .layer(from_fn(identify))
}

async fn probe(ready: impl Future<Output = Result<(), String>>) -> Response {
    match ready.await {
        Ok(()) => "ready".into_response(),
        Err(missing) => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", missing).into_response(),
    }
}

/// Gives the request its id, runs it under the id, and logs how it was answered.
async fn identify(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(request_id::HEADER).and_then(|value| value.to_str().ok());
    let id = request_id::accept(given);
    let header = HeaderValue::from_str(&id).expect("an accepted id has visible ASCII alone");
    request.headers_mut().insert(request_id::HEADER, header.clone());
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    let started = Instant::now();
    let answer = async {
        let mut response = next.run(request).await;
        response.headers_mut().insert(request_id::HEADER, header);
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status = response.status().as_u16(), elapsed_ms, "answered");
        response
    };
    request_id::scope(id, answer).instrument(span).await
}
