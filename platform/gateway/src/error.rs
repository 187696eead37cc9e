//! Why the gateway refuses or fails, and what a caller reads of it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::ClientError;
use contract::serve::Refusal;
use contract::token::TokenError;

/// Why a request is not passed on or not answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No service answers to the path.
    #[error("there is no such route")]
    UnknownRoute,
    /// The token is missing or bad.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The request's body is above the limit.
    #[error("the request's body is longer than {length_max} bytes")]
    BodyTooLong {
        /// The limit.
        length_max: usize,
    },
    /// The request's body broke off.
    #[error("the request's body broke off")]
    BodyBrokeOff,
    /// A service can't be reached or stopped answering.
    #[error("{service} is unreachable")]
    Unreachable {
        /// The service.
        service: &'static str,
        /// What the connection said.
        #[source]
        source: reqwest::Error,
    },
    /// A call of the gateway's own to a service gave no answer.
    #[error(transparent)]
    Call(#[from] ClientError),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (status, code) = match error {
            Error::Token(error) => return error.into(),
            Error::Call(error) => return of_call(error),
            Error::UnknownRoute => (StatusCode::NOT_FOUND, "unknown_route"),
            Error::BodyTooLong { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_long"),
            Error::BodyBrokeOff => (StatusCode::BAD_REQUEST, "body_broke_off"),
            Error::Unreachable { service, ref source } => {
                tracing::warn!(service, cause = ?source, "unreachable");
                (StatusCode::BAD_GATEWAY, "service_unreachable")
            }
        };
        Self::new(status, code, error.to_string())
    }
}

/// A service's refusal is the gateway's; a service that gives no readable answer is a bad gateway.
fn of_call(error: ClientError) -> Refusal {
    let bad_gateway = |code, message| Refusal::new(StatusCode::BAD_GATEWAY, code, message);
    match error {
        ClientError::Refused { status, body, .. } => {
            Refusal { status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), body }
        }
        ClientError::Unreachable { service, source, .. } => {
            tracing::warn!(service, cause = ?source, "unreachable");
            bad_gateway("service_unreachable", format!("{service} is unreachable"))
        }
        error @ ClientError::Unreadable { .. } => bad_gateway("service_unreadable", error.to_string()),
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Refusal::from(self).into_response()
    }
}

#[cfg(test)]
mod unit {
    use contract::ErrorBody;

    use super::*;

    fn check(error: Error, status: u16, code: &str, message: &str) {
        let Refusal { status: found, body } = Refusal::from(error);
        assert_eq!((found.as_u16(), body), (status, ErrorBody::new(code, message)));
    }

    #[test]
    fn every_refusal_has_its_status_and_code() {
        check(Error::UnknownRoute, 404, "unknown_route", "there is no such route");
        check(TokenError::Missing.into(), 401, "unauthorized", "a bearer token is required");
        let too_long = Error::BodyTooLong { length_max: 7 };
        check(too_long, 413, "body_too_long", "the request's body is longer than 7 bytes");
        check(Error::BodyBrokeOff, 400, "body_broke_off", "the request's body broke off");
    }

    #[test]
    fn the_refusal_of_a_service_is_passed_on_and_an_unreadable_answer_is_a_bad_gateway() {
        let refused = |status| ClientError::Refused { service: "chat", status, body: ErrorBody::new("code", "text") };
        check(refused(402).into(), 402, "code", "text");
        check(refused(1).into(), 502, "code", "text");
        let unreadable = ClientError::Unreadable { service: "chat", detail: "cut".to_owned() };
        check(unreadable.into(), 502, "service_unreadable", "chat gave an answer that can't be read: cut");
    }
}
