//! The reply cache: a reply that was generated to its end is not generated again.

use crate::ChatError;
use redis::AsyncCommands;
use redis::aio::ConnectionManager;

/// How long a reply is kept, in seconds.
const KEPT_S: u64 = 60 * 60;

/// Replies by scenario and text, shared by all processes of the service.
#[derive(Clone)]
pub struct Replies {
    redis: ConnectionManager,
    prefix: String,
}

impl Replies {
    /// Makes a cache whose keys begin with a prefix.
    pub fn new(redis: ConnectionManager, prefix: &str) -> Self {
        Self { redis, prefix: prefix.to_owned() }
    }

    /// Finds a reply, token by token.
    ///
    /// # Errors
    /// Redis' own.
    pub async fn get(&self, scenario: &str, text: &str) -> Result<Option<Vec<String>>, ChatError> {
        let found: Option<String> = self.redis.clone().get(self.key(scenario, text)).await?;
        // An entry in another form is one of an earlier version: as good as none.
        Ok(found.and_then(|found| serde_json::from_str(&found).ok()))
    }

    /// Keeps a reply.
    ///
    /// # Errors
    /// Redis' own.
    pub async fn put(&self, scenario: &str, text: &str, tokens: &[String]) -> Result<(), ChatError> {
        let value = serde_json::json!(tokens).to_string();
        let (): () = self.redis.clone().set_ex(self.key(scenario, text), value, KEPT_S).await?;
        Ok(())
    }

    /// Drops a reply; `false` where there was none.
    ///
    /// # Errors
    /// Redis' own.
    pub async fn forget(&self, scenario: &str, text: &str) -> Result<bool, ChatError> {
        let dropped: u32 = self.redis.clone().del(self.key(scenario, text)).await?;
        Ok(dropped > 0)
    }

    fn key(&self, scenario: &str, text: &str) -> String {
        format!("{}reply:{scenario}:{text}", self.prefix)
    }
}
