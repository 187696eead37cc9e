//! Who calls: the verified bearer of the request's token.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::Refusal;
use crate::token::{Claims, Verifier};

/// The bearer of a verified token; a handler that takes one refuses every other request with 401.
#[derive(Debug, Clone)]
pub struct Caller {
    /// What the token says.
    pub claims: Claims,
    /// The token itself, to be forwarded to other services.
    pub token: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Verifier: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (claims, token) = Verifier::from_ref(state).verify_header(header)?;
        Ok(Self { claims, token: token.to_owned() })
    }
}
