//! The client of the identity service.

use reqwest::Method;
use uuid::Uuid;

use super::http::{ClientError, Http, bare, post};
use crate::identity::{LoggedIn, Login, Registered, Registration, User, UserQuery, Verification};
use crate::token::Claims;

/// Calls the identity service. Every method fails with the reason why there is no answer.
#[derive(Debug, Clone)]
pub struct Identity(pub(super) Http);

impl Identity {
    /// Makes a client of the service at a base URL.
    pub fn new(base: &str) -> Self {
        Self(Http::new("identity", base))
    }

    /// Registers a user.
    ///
    /// # Errors
    /// `400 invalid_email`, `400 weak_password`, `409 email_taken`.
    pub async fn register(&self, email: &str, password: &str) -> Result<Registered, ClientError> {
        let body = Registration { email: email.to_owned(), password: password.to_owned() };
        self.0.json(post("/users", None, &body)).await
    }

    /// Fetches the verification token that would have been mailed; works only where mail is captured.
    ///
    /// # Errors
    /// `404` where mail is not captured, for an unknown user and for a verified one.
    pub async fn captured_verification(&self, user: Uuid) -> Result<Verification, ClientError> {
        self.0.json(bare(Method::GET, format!("/users/{user}/verification"), None)).await
    }

    /// Verifies an e-mail address.
    ///
    /// # Errors
    /// `400 invalid_verification` for a token that is unknown or used.
    pub async fn verify(&self, token: &str) -> Result<(), ClientError> {
        self.0.empty(post("/users/verify", None, &Verification { token: token.to_owned() })).await
    }

    /// Logs in.
    ///
    /// # Errors
    /// `401 wrong_credentials`, `403 not_verified`, `429 too_many_attempts`.
    pub async fn login(&self, email: &str, password: &str) -> Result<LoggedIn, ClientError> {
        let body = Login { email: email.to_owned(), password: password.to_owned() };
        self.0.json(post("/login", None, &body)).await
    }

    /// Reads the token's claims as the service sees them.
    ///
    /// # Errors
    /// `401` for a token that is refused.
    pub async fn me(&self, token: &str) -> Result<Claims, ClientError> {
        self.0.json(bare(Method::GET, "/me", Some(token))).await
    }

    /// Looks a user up; for admins.
    ///
    /// # Errors
    /// `403 forbidden` for anybody else, `404 unknown_user`.
    pub async fn find_user(&self, token: &str, email: &str) -> Result<User, ClientError> {
        let query = UserQuery { email: email.to_owned() };
        self.0.json_with(bare(Method::GET, "/users", Some(token)), |request| request.query(&query)).await
    }
}
