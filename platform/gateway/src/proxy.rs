//! Passes a request on to a service and its answer back: bodies of answers are streamed, connections that change their
//! protocol (WebSocket) are joined.
//!
//! A request's body is read whole before it is passed on: it is short by the limit, and one that is too long must not
//! reach a service in part.

use std::error::Error as _;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use http_body_util::LengthLimitError;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use reqwest::redirect::Policy;

use crate::error::Error;

/// How long a connection to a service may take to open.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How long a service may keep silent; a stream lasts as long as it goes on.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Headers that belong to one connection and are not passed on (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] =
    [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Passes requests on.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    client: reqwest::Client,
    body_length_max: usize,
}

impl Proxy {
    pub(crate) fn new(body_length_max: usize) -> Self {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .read_timeout(SILENCE_MAX)
            .redirect(Policy::none())
            .build()
            .expect("a client without TLS and without a proxy of its own has nothing that can fail to load");
        Self { client, body_length_max }
    }

    /// Passes a request on to a service's URL.
    pub(crate) async fn forward(
        &self,
        service: &'static str,
        url: &str,
        mut request: Request,
    ) -> Result<Response, Error> {
        let protocol = asked_protocol(request.headers());
        let caller = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let body = self.read(body).await?;
        let mut headers = passed_on(&parts.headers);
        headers.remove(HOST);
        headers.remove(CONTENT_LENGTH);
        announce(&mut headers, protocol);
        let sent = self.client.request(parts.method, url).headers(headers).body(body).send().await;
        let answer = sent.map_err(|source| Error::Unreachable { service, source: source.without_url() })?;
        Ok(match caller {
            Some(caller) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => joined(answer, caller),
            _ => streamed(answer),
        })
    }

    async fn read(&self, body: Body) -> Result<Bytes, Error> {
        to_bytes(body, self.body_length_max).await.map_err(|error| {
            let too_long = error.source().is_some_and(<dyn std::error::Error>::is::<LengthLimitError>);
            if too_long { Error::BodyTooLong { length_max: self.body_length_max } } else { Error::BodyBrokeOff }
        })
    }
}

/// The answer with its body as it comes.
fn streamed(answer: reqwest::Response) -> Response {
    let (status, headers) = (answer.status(), passed_on(answer.headers()));
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The answer that changes the protocol; from then on bytes pass in both directions until one side closes.
fn joined(answer: reqwest::Response, caller: OnUpgrade) -> Response {
    let protocol = answer.headers().get(UPGRADE).cloned();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = passed_on(answer.headers());
    announce(response.headers_mut(), protocol);
    tokio::spawn(async move {
        if let (Ok(mut service), Ok(caller)) = (answer.upgrade().await, caller.await) {
            let ended = tokio::io::copy_bidirectional(&mut TokioIo::new(caller), &mut service).await;
            tracing::debug!(?ended, "a joined connection ended");
        }
    });
    response
}

/// The protocol that a request asks its connection to change to.
fn asked_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = connection_options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| asked).cloned()
}

/// Asks for, or confirms, a change of the protocol.
fn announce(headers: &mut HeaderMap, protocol: Option<HeaderValue>) {
    if let Some(protocol) = protocol {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

/// The headers without those of the connection, which are known ones and those that `Connection` names.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<&str> = connection_options(headers).collect();
    let of_connection = |name: &HeaderName| {
        HOP_BY_HOP.contains(name)
            || name == "keep-alive"
            || named.iter().any(|named| named.eq_ignore_ascii_case(name.as_str()))
    };
    let kept = headers.iter().filter(|(name, _)| !of_connection(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(header).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn headers_of_the_connection_stay_behind_and_all_others_pass() {
        let came = headers(&[
            ("authorization", "Bearer t"),
            ("x-request-id", "7"),
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
        ]);
        assert_eq!(names(&passed_on(&came)), ["authorization", "x-request-id"]);
    }

    #[test]
    fn a_header_that_came_twice_passes_twice() {
        let mut came = headers(&[("set-cookie", "a=1")]);
        came.append("set-cookie", HeaderValue::from_static("b=2"));
        assert_eq!(passed_on(&came).get_all("set-cookie").iter().count(), 2);
    }

    #[test]
    fn a_change_of_protocol_needs_both_headers() {
        let both = headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert_eq!(asked_protocol(&both), Some(HeaderValue::from_static("websocket")));
        assert_eq!(asked_protocol(&headers(&[("upgrade", "websocket")])), None);
        assert_eq!(asked_protocol(&headers(&[("connection", "upgrade")])), None);
    }
}
