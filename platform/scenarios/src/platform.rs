//! The running platform: clients from the environment, and users made on it.

use contract::accounting::{Balance, Credit};
use contract::{Accounting, Chat, ClientError, Gateway, Identity};
use harness::{Forge, setting};
use uuid::Uuid;

/// The services of a running platform.
#[derive(Debug, Clone)]
pub struct Platform {
    /// The identity service, at `IDENTITY_URL`.
    pub identity: Identity,
    /// The accounting service, at `ACCOUNTING_URL`.
    pub accounting: Accounting,
    /// The chat service, at `CHAT_URL`.
    pub chat: Chat,
    /// The gateway, at `GATEWAY_URL`.
    pub gateway: Gateway,
}

/// A user of the platform.
#[derive(Debug, Clone)]
pub struct Somebody {
    /// The user.
    pub id: Uuid,
    /// The user's address.
    pub email: String,
    /// The user's password.
    pub password: String,
    /// A token of the user's, from identity.
    pub token: String,
}

impl Platform {
    /// Takes the addresses from the environment.
    ///
    /// # Panics
    /// When one is not set; the message names it and the command that sets it.
    pub fn from_env() -> Self {
        Self {
            identity: Identity::new(&setting("IDENTITY_URL")),
            accounting: Accounting::new(&setting("ACCOUNTING_URL")),
            chat: Chat::new(&setting("CHAT_URL")),
            gateway: Gateway::new(&setting("GATEWAY_URL")),
        }
    }

    /// Makes a forge that knows the services' secret, `TOKEN_SECRET`.
    ///
    /// # Panics
    /// When it is not set.
    pub fn forge() -> Forge {
        Forge::new(&setting("TOKEN_SECRET"))
    }

    /// Makes an address and a password that nobody has yet.
    pub fn credentials() -> (String, String) {
        let unique = Uuid::new_v4().simple().to_string();
        (format!("{}@scenario.test", &unique[..16]), format!("password-{}", &unique[16..]))
    }

    /// Registers a user, verifies the address and logs in.
    ///
    /// # Errors
    /// Whatever identity refuses.
    pub async fn user(&self) -> Result<Somebody, ClientError> {
        let (email, password) = Self::credentials();
        let id = self.identity.register(&email, &password).await?.id;
        let verification = self.identity.captured_verification(id).await?;
        self.identity.verify(&verification.token).await?;
        let token = self.identity.login(&email, &password).await?.token;
        Ok(Somebody { id, email, password, token })
    }

    /// Makes a user with that much credit, allocated by the admin.
    ///
    /// # Errors
    /// Whatever identity or accounting refuses.
    pub async fn user_with_credit(&self, micros: i64) -> Result<Somebody, ClientError> {
        let user = self.user().await?;
        self.allocate(user.id, micros).await?;
        Ok(user)
    }

    /// Allocates credit as the admin.
    ///
    /// # Errors
    /// Whatever identity or accounting refuses.
    pub async fn allocate(&self, user: Uuid, micros: i64) -> Result<Balance, ClientError> {
        let admin = self.admin().await?;
        let credit = Credit { amount_micros: micros, reason: "a scenario".to_owned() };
        self.accounting.allocate(&admin, user, &credit).await
    }

    /// Logs the admin in, whose credentials are `ADMIN_EMAIL` and `ADMIN_PASSWORD`, and gives the token.
    ///
    /// # Errors
    /// Whatever identity refuses.
    ///
    /// # Panics
    /// When the credentials are not set.
    pub async fn admin(&self) -> Result<String, ClientError> {
        Ok(self.identity.login(&setting("ADMIN_EMAIL"), &setting("ADMIN_PASSWORD")).await?.token)
    }

    /// Logs the supervisor in, whose credentials are `SUPERVISOR_EMAIL` and `SUPERVISOR_PASSWORD`, and gives the token.
    ///
    /// # Errors
    /// Whatever identity refuses.
    ///
    /// # Panics
    /// When the credentials are not set.
    pub async fn supervisor(&self) -> Result<String, ClientError> {
        Ok(self.identity.login(&setting("SUPERVISOR_EMAIL"), &setting("SUPERVISOR_PASSWORD")).await?.token)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_scenarios_users_have_an_address_and_a_password_of_their_own() {
        let (one, other) = (Platform::credentials(), Platform::credentials());
        assert_ne!(one.0, other.0);
        assert_ne!(one.1, other.1);
        assert!(!one.1.contains(one.0.split('@').next().unwrap()), "a password must not repeat the address");
    }
}
