//! Wrong passwords, counted per address in Redis for a minute, so that guessing is slow.

use redis::AsyncCommands;
use redis::aio::ConnectionManager;

use crate::error::Error;
use crate::rules::Email;

/// How long a wrong password counts, in seconds.
const WINDOW_SECONDS: i64 = 60;

/// The counters of wrong passwords.
#[derive(Clone)]
pub(crate) struct Attempts {
    pub(crate) redis: ConnectionManager,
    pub(crate) prefix: String,
    pub(crate) failures_max: u32,
}

impl Attempts {
    /// Lets an address pass that has not failed too often.
    pub(crate) async fn check(&self, email: &Email) -> Result<(), Error> {
        let failures: Option<u32> = self.redis.clone().get(self.key(email)).await?;
        if failures.unwrap_or(0) < self.failures_max { Ok(()) } else { Err(Error::TooManyAttempts) }
    }

    /// Counts a wrong password; the minute begins with the first.
    pub(crate) async fn failed(&self, email: &Email) -> Result<(), Error> {
        let key = self.key(email);
        let mut count = redis::pipe();
        count.atomic().incr(&key, 1).ignore();
        // `NX` keeps the end where the first failure put it; without an end the count would never be forgotten.
        count.cmd("EXPIRE").arg(&key).arg(WINDOW_SECONDS).arg("NX").ignore();
        Ok(count.query_async(&mut self.redis.clone()).await?)
    }

    /// Forgets the wrong passwords of an address that logged in.
    pub(crate) async fn succeeded(&self, email: &Email) -> Result<(), Error> {
        Ok(self.redis.clone().del(self.key(email)).await?)
    }

    fn key(&self, email: &Email) -> String {
        format!("{}login_failures:{}", self.prefix, email.as_str())
    }
}
