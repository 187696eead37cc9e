//! Tokens for tests: such as identity signs, and such as every service must refuse.

use std::time::{SystemTime, UNIX_EPOCH};

use contract::token::ISSUER;
use contract::{Claims, Role};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use uuid::Uuid;

/// A secret that no service knows.
const FOREIGN_SECRET: &str = "a-secret-which-no-service-was-given-0";

/// `{"alg":"none","typ":"JWT"}` in base64url.
const HEADER_NONE: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";

/// How long a good token is valid, in seconds.
const VALID_SECONDS: u64 = 600;

/// Makes good and bad tokens. The shipped platform has no such thing: only identity signs there.
#[derive(Debug, Clone)]
pub struct Forge {
    secret: String,
}

impl Forge {
    /// Makes a forge that knows the services' shared secret.
    pub fn new(secret: &str) -> Self {
        Self { secret: secret.to_owned() }
    }

    /// Claims of a new user with these roles, valid for ten minutes.
    pub fn claims(roles: &[Role]) -> Claims {
        let sub = Uuid::new_v4();
        let iat = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Claims {
            sub,
            email: format!("{}@forge.test", sub.simple()),
            roles: roles.to_vec(),
            tenant: "forge.test".to_owned(),
            iss: ISSUER.to_owned(),
            iat,
            exp: iat + VALID_SECONDS,
        }
    }

    /// A good token: what identity would sign.
    pub fn token(&self, claims: &Claims) -> String {
        sign(Algorithm::HS256, claims, &self.secret)
    }

    /// Signed with a secret that is not the services'.
    pub fn foreign(claims: &Claims) -> String {
        sign(Algorithm::HS256, claims, FOREIGN_SECRET)
    }

    /// Properly signed, and expired a minute ago.
    pub fn expired(&self, claims: &Claims) -> String {
        self.token(&Claims { iat: claims.iat - 2 * VALID_SECONDS, exp: claims.iat - 60, ..claims.clone() })
    }

    /// Properly signed, by another issuer.
    pub fn other_issuer(&self, claims: &Claims) -> String {
        self.token(&Claims { iss: "somebody".to_owned(), ..claims.clone() })
    }

    /// Properly signed, by another algorithm of the same family.
    pub fn other_algorithm(&self, claims: &Claims) -> String {
        sign(Algorithm::HS512, claims, &self.secret)
    }

    /// A good token whose claims were replaced by others, which gain a role at least, under the old signature.
    pub fn altered(good: &str, claims: &Claims) -> String {
        let gained = Claims { roles: vec![Role::User, Role::Supervisor, Role::Admin], ..claims.clone() };
        let (header, _, signature) = parts(good);
        let swapped = Self::foreign(&gained);
        format!("{header}.{}.{signature}", parts(&swapped).1)
    }

    /// Not signed at all, and saying so (`"alg": "none"`).
    pub fn unsigned(claims: &Claims) -> String {
        format!("{HEADER_NONE}.{}.", parts(&Self::foreign(claims)).1)
    }

    /// Every kind of bad token, each with its name.
    pub fn bad(&self, claims: &Claims) -> Vec<(&'static str, String)> {
        vec![
            ("foreign", Self::foreign(claims)),
            ("expired", self.expired(claims)),
            ("other issuer", self.other_issuer(claims)),
            ("other algorithm", self.other_algorithm(claims)),
            ("altered", Self::altered(&self.token(claims), claims)),
            ("unsigned", Self::unsigned(claims)),
            ("no token", "not-a-token".to_owned()),
        ]
    }
}

fn sign(algorithm: Algorithm, claims: &Claims, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(algorithm), claims, &key).unwrap_or_else(|error| panic!("a token can't be signed: {error}"))
}

/// Header, claims, signature.
fn parts(token: &str) -> (&str, &str, &str) {
    let mut parts = token.splitn(3, '.');
    let mut part = || parts.next().unwrap_or_default();
    (part(), part(), part())
}

#[cfg(test)]
mod unit {
    use contract::Verifier;
    use contract::token::TokenError;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_good_token_is_accepted_and_every_bad_one_refused_for_its_own_reason() {
        let forge = Forge::new(SECRET);
        let verifier = Verifier::new(SECRET).unwrap();
        let claims = Forge::claims(&[Role::User]);
        assert_eq!(verifier.verify(&forge.token(&claims)), Ok(claims.clone()));
        let refused: Vec<_> =
            forge.bad(&claims).into_iter().map(|(kind, token)| (kind, verifier.verify(&token).unwrap_err())).collect();
        assert_eq!(
            refused,
            [
                ("foreign", TokenError::Signature),
                ("expired", TokenError::Expired),
                ("other issuer", TokenError::Issuer),
                ("other algorithm", TokenError::Algorithm),
                ("altered", TokenError::Signature),
                // The library knows no algorithm of that name, so it can't even read the header.
                ("unsigned", TokenError::Malformed),
                ("no token", TokenError::Malformed),
            ]
        );
    }

    #[test]
    fn claims_are_those_of_a_new_user_each() {
        let (one, other) = (Forge::claims(&[Role::Admin]), Forge::claims(&[Role::Admin]));
        assert_ne!(one.sub, other.sub);
        assert!(one.has(Role::Admin) && !one.has(Role::User));
        assert_eq!(one.exp - one.iat, 600);
    }
}
