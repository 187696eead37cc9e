//! Issuing of tokens: the only place of the platform that signs.

use std::time::{SystemTime, UNIX_EPOCH};

use contract::Claims;
use contract::identity::LoggedIn;
use contract::token::ISSUER;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

use crate::error::Error;
use crate::users::StoredUser;

/// Signs tokens with the shared secret.
#[derive(Clone)]
pub(crate) struct Issuer {
    key: EncodingKey,
    valid_seconds: u64,
}

impl Issuer {
    /// Makes an issuer whose tokens are valid for a number of seconds.
    pub(crate) fn new(secret: &str, valid_seconds: u64) -> Self {
        Self { key: EncodingKey::from_secret(secret.as_bytes()), valid_seconds }
    }

    /// Issues a token for a user, from now on.
    pub(crate) fn issue(&self, user: &StoredUser) -> Result<LoggedIn, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let claims = self.claims(user, now);
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.key)
            .map_err(|error| Error::Cryptography(error.to_string()))?;
        Ok(LoggedIn { token, expires_in: self.valid_seconds })
    }

    fn claims(&self, user: &StoredUser, now: u64) -> Claims {
        Claims {
            sub: user.id,
            email: user.email.clone(),
            roles: user.roles.clone(),
            tenant: user.tenant.clone(),
            iss: ISSUER.to_owned(),
            iat: now,
            exp: now + self.valid_seconds,
        }
    }
}

#[cfg(test)]
mod unit {
    use contract::{Role, Verifier};
    use uuid::Uuid;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn user() -> StoredUser {
        StoredUser {
            id: Uuid::from_u128(7),
            email: "ada@example.test".to_owned(),
            password_hash: String::new(),
            roles: vec![Role::User, Role::Admin],
            tenant: "example.test".to_owned(),
            verified: true,
        }
    }

    #[test]
    fn an_issued_token_says_who_the_user_is_and_verifies() {
        let issued = Issuer::new(SECRET, 60).issue(&user()).unwrap();
        assert_eq!(issued.expires_in, 60);
        let claims = Verifier::new(SECRET).unwrap().verify(&issued.token).unwrap();
        assert_eq!((claims.sub, claims.email.as_str()), (Uuid::from_u128(7), "ada@example.test"));
        assert_eq!((claims.roles, claims.tenant.as_str()), (vec![Role::User, Role::Admin], "example.test"));
    }

    #[test]
    fn a_token_expires_after_its_time() {
        let claims = Issuer::new(SECRET, 60).claims(&user(), 1_000);
        assert_eq!((claims.iat, claims.exp, claims.iss.as_str()), (1_000, 1_060, "identity"));
    }
}
