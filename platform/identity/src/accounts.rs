//! The service's operations: register, verify, log in, look up, seed.

use contract::identity::{LoggedIn, Login, Registered, Registration, User, Verification};
use contract::{Claims, Role};
use uuid::Uuid;

use crate::attempts::Attempts;
use crate::config::Seed;
use crate::error::Error;
use crate::issue::Issuer;
use crate::password::Passwords;
use crate::rules::{Email, check_password};
use crate::users::{StoredUser, Users};

/// The accounts of all users.
#[derive(Clone)]
pub(crate) struct Accounts {
    pub(crate) users: Users,
    pub(crate) attempts: Attempts,
    pub(crate) passwords: Passwords,
    pub(crate) issuer: Issuer,
    pub(crate) capture_mail: bool,
}

impl Accounts {
    /// Registers a user. The mail with the verification token would leave here; this platform captures it instead.
    pub(crate) async fn register(&self, registration: Registration) -> Result<Registered, Error> {
        let email = Email::parse(&registration.email)?;
        check_password(&registration.password, &email)?;
        let hash = self.hash(registration.password).await?;
        let token = Uuid::new_v4().simple().to_string();
        let id = self.users.register(&email, &hash, &token).await?;
        tracing::info!(%id, "registered");
        Ok(Registered { id })
    }

    /// The captured mail of a user who has not verified the address yet.
    pub(crate) async fn captured_mail(&self, user: Uuid) -> Result<Verification, Error> {
        let token = if self.capture_mail { self.users.pending_verification(user).await? } else { None };
        token.map(|token| Verification { token }).ok_or(Error::NoMail)
    }

    /// Verifies the address that a token was mailed to.
    pub(crate) async fn verify(&self, verification: &Verification) -> Result<(), Error> {
        if self.users.verify(&verification.token).await? { Ok(()) } else { Err(Error::InvalidVerification) }
    }

    /// Logs a user in. Only who knows the password learns that the address is not verified.
    pub(crate) async fn login(&self, login: Login) -> Result<LoggedIn, Error> {
        let email = Email::parse(&login.email).map_err(|_| Error::WrongCredentials)?;
        self.attempts.check(&email).await?;
        let Some(user) = self.authenticated(&email, login.password).await? else {
            self.attempts.failed(&email).await?;
            return Err(Error::WrongCredentials);
        };
        self.attempts.succeeded(&email).await?;
        if user.verified { self.issuer.issue(&user) } else { Err(Error::NotVerified) }
    }

    /// Looks a user up for an admin.
    pub(crate) async fn find(&self, caller: &Claims, email: &str) -> Result<User, Error> {
        caller.require_any(&[Role::Admin])?;
        let found = self.users.find(&Email::parse(email)?).await?.ok_or(Error::UnknownUser)?;
        Ok(User { id: found.id, email: found.email, roles: found.roles, verified: found.verified })
    }

    /// Puts the users in place that the configuration names.
    pub(crate) async fn seed(&self, seeds: &[Seed]) -> Result<(), Error> {
        for seed in seeds {
            let email = Email::parse(&seed.email)?;
            let hash = self.hash(seed.password.clone()).await?;
            self.users.seed(&email, &hash, seed.role).await?;
        }
        Ok(())
    }

    async fn authenticated(&self, email: &Email, password: String) -> Result<Option<StoredUser>, Error> {
        let user = self.users.find(email).await?;
        let (passwords, hash) = (self.passwords.clone(), user.as_ref().map(|user| user.password_hash.clone()));
        let same = off_thread(move || passwords.matches(&password, hash.as_deref())).await?;
        Ok(user.filter(|_| same))
    }

    async fn hash(&self, password: String) -> Result<String, Error> {
        let passwords = self.passwords.clone();
        off_thread(move || passwords.hash(&password)).await
    }
}

/// Hashing takes tens of milliseconds, during which the async threads have other requests to answer.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|ended| Err(Error::Cryptography(ended.to_string())))
}
