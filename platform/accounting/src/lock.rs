//! A lock that all processes of the service share, through Redis.
//!
//! The books stay right without it, as every operation of the store is atomic; the lock keeps holds of one account from
//! piling up on its row in the database.

use crate::AccountingError;
use redis::aio::ConnectionManager;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long a lock lasts when its holder is gone.
const LIFETIME: Duration = Duration::from_secs(2);
/// How long a lock is waited for.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// From one try to the next.
const RETRY: Duration = Duration::from_millis(10);

/// Deletes the key if it still has the holder's token: a holder whose lock ran out must not free the next holder's.
const RELEASE: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";

/// Gives out locks by name.
#[derive(Clone)]
pub struct Locks {
    redis: ConnectionManager,
    prefix: String,
    lifetime: Duration,
    wait_max: Duration,
}

/// A lock that is held; it is released by [`Lock::release`], or runs out.
#[must_use = "a lock that is dropped stays locked until it runs out"]
pub struct Lock {
    redis: ConnectionManager,
    key: String,
    token: String,
}

impl Locks {
    /// Makes locks whose keys begin with a prefix.
    pub fn new(redis: ConnectionManager, prefix: &str) -> Self {
        Self { redis, prefix: prefix.to_owned(), lifetime: LIFETIME, wait_max: WAIT_MAX }
    }

    /// The same locks with another lifetime and another limit to waiting.
    #[must_use]
    pub fn with_limits(self, lifetime: Duration, wait_max: Duration) -> Self {
        Self { lifetime, wait_max, ..self }
    }

    /// Takes the lock of a name; waits while somebody else has it.
    ///
    /// # Errors
    /// `Busy` when the wait takes too long; Redis' own.
    pub async fn acquire(&self, name: &str) -> Result<Lock, AccountingError> {
        let give_up = Instant::now() + self.wait_max;
        loop {
            if let Some(lock) = self.try_acquire(name).await? {
                return Ok(lock);
            }
            if Instant::now() >= give_up {
                return Err(AccountingError::Busy);
            }
            sleep(RETRY).await;
        }
    }

    /// Takes the lock of a name if nobody has it.
    ///
    /// # Errors
    /// Redis' own.
    pub async fn try_acquire(&self, name: &str) -> Result<Option<Lock>, AccountingError> {
        let lock = Lock {
            redis: self.redis.clone(),
            key: format!("{}lock:{name}", self.prefix),
            token: Uuid::new_v4().to_string(),
        };
        let set: Option<String> = redis::cmd("SET")
            .arg(&lock.key)
            .arg(&lock.token)
            .arg("NX")
            .arg("PX")
            .arg(u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX))
            .query_async(&mut self.redis.clone())
            .await?;
        Ok(set.map(|_| lock))
    }
}

impl Lock {
    /// Frees the lock; `false` when it had run out before.
    ///
    /// # Errors
    /// Redis' own.
    pub async fn release(mut self) -> Result<bool, AccountingError> {
        let script = redis::Script::new(RELEASE);
        let deleted: u32 = script.key(&self.key).arg(&self.token).invoke_async(&mut self.redis).await?;
        Ok(deleted == 1)
    }
}
