//! Types of the identity service: users, verification, login.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::token::Role;

/// `POST /users`: registers a user, who can't log in before the e-mail address is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The e-mail address; upper and lower case are the same address.
    pub email: String,
    /// The password in the clear.
    pub password: String,
}

/// The answer to a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The new user.
    pub id: Uuid,
}

/// A token that proves possession of an e-mail address: the captured mail, and the body of `POST /users/verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The token, usable once.
    pub token: String,
}

/// `POST /login`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The e-mail address.
    pub email: String,
    /// The password in the clear.
    pub password: String,
}

/// The answer to a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedIn {
    /// The signed token, sent as `Authorization: Bearer`.
    pub token: String,
    /// Seconds until the token expires.
    pub expires_in: u64,
}

/// A user as an admin sees one: `GET /users?email=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user.
    pub id: Uuid,
    /// The e-mail address in lower case.
    pub email: String,
    /// What the user may do.
    pub roles: Vec<Role>,
    /// Whether the e-mail address is verified.
    pub verified: bool,
}

/// The query of `GET /users`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserQuery {
    /// The e-mail address to look for.
    pub email: String,
}
