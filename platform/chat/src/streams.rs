//! The streams that are active now, in all processes of the service, and the wish to interrupt one.

use crate::ChatError;
use contract::chat::ActiveStream;
use redis::AsyncCommands;
use redis::aio::ConnectionManager;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// How much longer than its tokens take a stream may be listed: then its process is gone.
const GRACE: Duration = Duration::from_secs(30);
/// How long the wish to interrupt is kept, in seconds; a stream looks for it before each token.
const INTERRUPT_KEPT_S: u64 = 60;

/// The register of active streams.
#[derive(Clone)]
pub struct Streams {
    redis: ConnectionManager,
    prefix: String,
}

/// What is written down of a stream.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    stream: ActiveStream,
    /// After this moment nobody can be streaming it any more, in milliseconds since the Unix epoch.
    over_ms: i64,
}

impl Streams {
    /// Makes a register whose keys begin with a prefix.
    pub fn new(redis: ConnectionManager, prefix: &str) -> Self {
        Self { redis, prefix: prefix.to_owned() }
    }

    /// Enters a stream that will take about that long.
    ///
    /// # Errors
    /// Redis' own.
    pub async fn enter(&self, stream: &ActiveStream, takes: Duration) -> Result<(), ChatError> {
        let takes_ms = i64::try_from((takes + GRACE).as_millis()).unwrap_or(i64::MAX);
        let entry = Entry { stream: stream.clone(), over_ms: stream.started_ms.saturating_add(takes_ms) };
        let value = serde_json::json!(entry).to_string();
        let (): () = self.redis.clone().hset(self.register(), stream.id.to_string(), value).await?;
        Ok(())
    }

    /// Strikes a stream out.
    ///
    /// # Errors
    /// Redis' own.
    pub async fn leave(&self, stream: Uuid) -> Result<(), ChatError> {
        let (): () = redis::pipe()
            .hdel(self.register(), stream.to_string())
            .ignore()
            .del(self.wish(stream))
            .ignore()
            .query_async(&mut self.redis.clone())
            .await?;
        Ok(())
    }

    /// Lists what is active at `now_ms`, oldest first; strikes out what a process that is gone left behind.
    ///
    /// # Errors
    /// Redis' own.
    pub async fn active(&self, now_ms: i64) -> Result<Vec<ActiveStream>, ChatError> {
        let entries: BTreeMap<String, String> = self.redis.clone().hgetall(self.register()).await?;
        let mut active = Vec::new();
        for (id, text) in entries {
            match serde_json::from_str::<Entry>(&text) {
                Ok(entry) if entry.over_ms > now_ms => active.push(entry.stream),
                _ => {
                    let (): () = self.redis.clone().hdel(self.register(), id).await?;
                }
            }
        }
        active.sort_by_key(|stream| (stream.started_ms, stream.id));
        Ok(active)
    }

    /// Asks for an active stream to be interrupted.
    ///
    /// # Errors
    /// `UnknownStream` when it is not active; Redis' own.
    pub async fn interrupt(&self, stream: Uuid, by: Uuid) -> Result<(), ChatError> {
        let active: bool = self.redis.clone().hexists(self.register(), stream.to_string()).await?;
        if !active {
            return Err(ChatError::UnknownStream { stream });
        }
        let (): () = self.redis.clone().set_ex(self.wish(stream), by.to_string(), INTERRUPT_KEPT_S).await?;
        Ok(())
    }

    /// Returns who asked for a stream to be interrupted, if anybody did.
    ///
    /// # Errors
    /// Redis' own.
    pub async fn interrupted_by(&self, stream: Uuid) -> Result<Option<String>, ChatError> {
        Ok(self.redis.clone().get(self.wish(stream)).await?)
    }

    fn register(&self) -> String {
        format!("{}streams", self.prefix)
    }

    fn wish(&self, stream: Uuid) -> String {
        format!("{}interrupt:{stream}", self.prefix)
    }
}
