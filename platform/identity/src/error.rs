//! Why the service refuses or fails, and what a caller reads of it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contract::serve::Refusal;
use contract::token::Forbidden;

/// Why a request is not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text can't be an e-mail address.
    #[error("this can't be an e-mail address")]
    InvalidEmail,
    /// The password is too weak; why.
    #[error("the password is too weak: {0}")]
    WeakPassword(String),
    /// Somebody has registered the address.
    #[error("the e-mail address is registered already")]
    EmailTaken,
    /// The verification token is unknown or used.
    #[error("the verification token is unknown or used")]
    InvalidVerification,
    /// There is no captured mail of that user.
    #[error("there is no captured mail for this user")]
    NoMail,
    /// Wrong address or wrong password; which one is not told.
    #[error("the e-mail address or the password is wrong")]
    WrongCredentials,
    /// The e-mail address is not verified.
    #[error("the e-mail address is not verified")]
    NotVerified,
    /// Too many wrong passwords of late.
    #[error("too many wrong passwords for this e-mail address; try again in a minute")]
    TooManyAttempts,
    /// No user has the address.
    #[error("no user has this e-mail address")]
    UnknownUser,
    /// The caller's roles don't allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Redis failed.
    #[error("Redis failed")]
    Redis(#[from] redis::RedisError),
    /// A password can't be hashed or a token can't be signed.
    #[error("cryptography failed: {0}")]
    Cryptography(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (status, code) = match &error {
            Error::InvalidEmail => (StatusCode::BAD_REQUEST, "invalid_email"),
            Error::WeakPassword(_) => (StatusCode::BAD_REQUEST, "weak_password"),
            Error::EmailTaken => (StatusCode::CONFLICT, "email_taken"),
            Error::InvalidVerification => (StatusCode::BAD_REQUEST, "invalid_verification"),
            Error::NoMail => (StatusCode::NOT_FOUND, "no_mail"),
            Error::WrongCredentials => (StatusCode::UNAUTHORIZED, "wrong_credentials"),
            Error::NotVerified => (StatusCode::FORBIDDEN, "not_verified"),
            Error::TooManyAttempts => (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts"),
            Error::UnknownUser => (StatusCode::NOT_FOUND, "unknown_user"),
            Error::Forbidden(forbidden) => return (*forbidden).into(),
            Error::Database(_) | Error::Redis(_) | Error::Cryptography(_) => return Self::internal(&error),
        };
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Refusal::from(self).into_response()
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(error: Error, status: u16, code: &str) {
        let refusal = Refusal::from(error);
        assert_eq!((refusal.status.as_u16(), refusal.body.code.as_str()), (status, code));
    }

    #[test]
    fn every_refusal_has_its_status_and_code() {
        check(Error::InvalidEmail, 400, "invalid_email");
        check(Error::WeakPassword("short".to_owned()), 400, "weak_password");
        check(Error::EmailTaken, 409, "email_taken");
        check(Error::InvalidVerification, 400, "invalid_verification");
        check(Error::NoMail, 404, "no_mail");
        check(Error::WrongCredentials, 401, "wrong_credentials");
        check(Error::NotVerified, 403, "not_verified");
        check(Error::TooManyAttempts, 429, "too_many_attempts");
        check(Error::UnknownUser, 404, "unknown_user");
        check(Error::Forbidden(Forbidden), 403, "forbidden");
    }

    #[test]
    fn a_failure_of_the_service_does_not_tell_its_cause() {
        let refusal = Refusal::from(Error::Cryptography("entropy".to_owned()));
        assert_eq!((refusal.status.as_u16(), refusal.body.code.as_str()), (500, "internal"));
        assert!(!refusal.body.message.contains("entropy"));
    }
}
