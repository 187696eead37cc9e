//! Tokens: what they claim, and their verification by signature. Issuing is the identity service's alone.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The only issuer whose tokens are accepted.
pub const ISSUER: &str = "identity";

/// The least length of the shared secret, in bytes: that of the SHA-256 output (RFC 7518, section 3.2).
pub const SECRET_LENGTH_MIN: usize = 32;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Holds an account and chats.
    User,
    /// Watches streams, interrupts them, leaves feedback.
    Supervisor,
    /// Allocates credit and looks users up.
    Admin,
}

/// What a token says of its bearer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: Uuid,
    /// The user's e-mail address.
    pub email: String,
    /// What the user may do.
    pub roles: Vec<Role>,
    /// The tenant that the user belongs to.
    pub tenant: String,
    /// Who issued the token.
    pub iss: String,
    /// When it was issued, in seconds since the Unix epoch.
    pub iat: u64,
    /// When it expires, in seconds since the Unix epoch.
    pub exp: u64,
}

impl Claims {
    /// Whether the bearer has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Lets a bearer pass who has at least one of the roles.
    ///
    /// # Errors
    ///
    /// Refuses everybody else.
    pub fn require_any(&self, roles: &[Role]) -> Result<(), Forbidden> {
        if roles.iter().any(|role| self.has(*role)) { Ok(()) } else { Err(Forbidden) }
    }
}

/// The bearer's roles don't allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token's roles don't allow this")]
pub struct Forbidden;

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No token came with the request.
    #[error("a bearer token is required")]
    Missing,
    /// Not a token, or claims are missing.
    #[error("the token is malformed")]
    Malformed,
    /// Another algorithm than HS256, `none` included.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// Signed with another secret, or altered.
    #[error("the token's signature does not hold")]
    Signature,
    /// Issued by somebody else.
    #[error("the token's issuer is not accepted")]
    Issuer,
    /// No longer valid.
    #[error("the token has expired")]
    Expired,
}

/// The shared secret is too short to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be at least {SECRET_LENGTH_MIN} bytes long, has {length}")]
pub struct ShortSecret {
    /// The length given, in bytes.
    pub length: usize,
}

/// Verifies tokens by the shared secret: HS256 alone, issuer, expiry without leeway.
#[derive(Clone)]
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl std::fmt::Debug for Verifier {
    /// Keeps the secret out of logs.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Verifier")
    }
}

impl Verifier {
    /// Makes a verifier from the shared secret.
    ///
    /// # Errors
    ///
    /// Refuses a secret of fewer than 32 bytes.
    pub fn new(secret: &str) -> Result<Self, ShortSecret> {
        if secret.len() < SECRET_LENGTH_MIN {
            return Err(ShortSecret { length: secret.len() });
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        Ok(Self { key: DecodingKey::from_secret(secret.as_bytes()), validation })
    }

    /// Gives the claims of a token that can be trusted.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the token.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        match decode::<Claims>(token, &self.key, &self.validation) {
            Ok(token) => Ok(token.claims),
            Err(error) => Err(refusal(error.kind())),
        }
    }

    /// Gives the claims of the token in an `Authorization` header's value, and the token itself.
    ///
    /// # Errors
    ///
    /// As `verify`; a missing header or another scheme than `Bearer` is `Missing`.
    pub fn verify_header<'a>(&self, header: Option<&'a str>) -> Result<(Claims, &'a str), TokenError> {
        let token = header.and_then(bearer).ok_or(TokenError::Missing)?;
        Ok((self.verify(token)?, token))
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refusal(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => TokenError::Algorithm,
        _ => TokenError::Malformed,
    }
}

#[cfg(test)]
mod unit {
    use jsonwebtoken::{EncodingKey, Header, encode};

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const OTHER_SECRET: &str = "0123456789abcdef0123456789abcdeX";
    /// Far in the future: the year 2100.
    const LATER: u64 = 4_102_444_800;

    fn claims() -> Claims {
        Claims {
            sub: Uuid::from_u128(7),
            email: "ada@example.test".to_owned(),
            roles: vec![Role::User],
            tenant: "example.test".to_owned(),
            iss: ISSUER.to_owned(),
            iat: 0,
            exp: LATER,
        }
    }

    fn sign(algorithm: Algorithm, claims: &impl Serialize, secret: &str) -> String {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    fn refusal(token: &str) -> Option<TokenError> {
        Verifier::new(SECRET).unwrap().verify(token).err()
    }

    #[test]
    fn a_token_of_the_shared_secret_is_trusted() {
        let token = sign(Algorithm::HS256, &claims(), SECRET);
        assert_eq!(Verifier::new(SECRET).unwrap().verify(&token), Ok(claims()));
    }

    #[test]
    fn a_token_of_another_secret_or_with_altered_claims_is_not() {
        assert_eq!(refusal(&sign(Algorithm::HS256, &claims(), OTHER_SECRET)), Some(TokenError::Signature));
        let good = sign(Algorithm::HS256, &claims(), SECRET);
        let admin = sign(Algorithm::HS256, &Claims { roles: vec![Role::Admin], ..claims() }, OTHER_SECRET);
        let parts: Vec<_> = good.split('.').zip(admin.split('.')).collect();
        assert_eq!(refusal(&[parts[0].0, parts[1].1, parts[2].0].join(".")), Some(TokenError::Signature));
    }

    #[test]
    fn an_expired_token_is_refused_without_leeway() {
        let now = jsonwebtoken::get_current_timestamp();
        assert_eq!(
            refusal(&sign(Algorithm::HS256, &Claims { exp: now - 2, ..claims() }, SECRET)),
            Some(TokenError::Expired)
        );
    }

    #[test]
    fn another_issuer_and_another_algorithm_are_refused() {
        let foreign = Claims { iss: "accounting".to_owned(), ..claims() };
        assert_eq!(refusal(&sign(Algorithm::HS256, &foreign, SECRET)), Some(TokenError::Issuer));
        assert_eq!(refusal(&sign(Algorithm::HS384, &claims(), SECRET)), Some(TokenError::Algorithm));
        assert_eq!(refusal(&sign(Algorithm::HS512, &claims(), SECRET)), Some(TokenError::Algorithm));
    }

    #[test]
    fn what_is_no_token_or_lacks_a_claim_is_malformed() {
        assert_eq!(refusal(""), Some(TokenError::Malformed));
        assert_eq!(refusal("a.b.c"), Some(TokenError::Malformed));
        for lacking in ["exp", "iss", "sub", "roles"] {
            let mut less = serde_json::to_value(claims()).unwrap();
            less.as_object_mut().unwrap().remove(lacking);
            assert_eq!(refusal(&sign(Algorithm::HS256, &less, SECRET)), Some(TokenError::Malformed));
        }
    }

    #[test]
    fn the_header_must_be_a_bearer_s() {
        let token = sign(Algorithm::HS256, &claims(), SECRET);
        let verifier = Verifier::new(SECRET).unwrap();
        let subject = |header: Option<&str>| verifier.verify_header(header).map(|(claims, _)| claims.sub);
        assert_eq!(subject(Some(&format!("Bearer {token}"))), Ok(Uuid::from_u128(7)));
        assert_eq!(subject(Some(&format!("bearer {token}"))), Ok(Uuid::from_u128(7)));
        assert_eq!(subject(Some(&format!("Basic {token}"))), Err(TokenError::Missing));
        assert_eq!(subject(Some(&token)), Err(TokenError::Missing));
        assert_eq!(subject(None), Err(TokenError::Missing));
    }

    #[test]
    fn a_short_secret_is_no_secret_and_a_secret_is_not_shown() {
        assert_eq!(Verifier::new(&SECRET[1..]).unwrap_err(), ShortSecret { length: 31 });
        assert_eq!(format!("{:?}", Verifier::new(SECRET).unwrap()), "Verifier");
    }

    #[test]
    fn one_of_the_asked_roles_is_enough() {
        let claims = claims();
        assert!(claims.has(Role::User) && !claims.has(Role::Admin));
        assert_eq!(claims.require_any(&[Role::Admin, Role::User]), Ok(()));
        assert_eq!(claims.require_any(&[Role::Admin, Role::Supervisor]), Err(Forbidden));
        assert_eq!(claims.require_any(&[]), Err(Forbidden));
    }
}
