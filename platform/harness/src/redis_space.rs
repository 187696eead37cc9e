//! A key space of each test's own in a shared Redis.

use redis::{Client, Commands, RedisResult};
use uuid::Uuid;

use crate::settings::setting;

/// A leased key space: every key under the prefix is deleted when the lease ends.
#[derive(Debug)]
pub struct RedisSpace {
    url: String,
    prefix: String,
}

impl RedisSpace {
    /// Leases a key space in the server at `REDIS_URL`.
    ///
    /// # Panics
    ///
    /// When `REDIS_URL` is not set.
    pub fn lease() -> Self {
        Self { url: setting("REDIS_URL"), prefix: format!("test:{}:", Uuid::new_v4().simple()) }
    }

    /// The URL that a service takes as its `REDIS_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The prefix that a service takes as its `REDIS_PREFIX`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Lists the keys under the prefix, without it, sorted.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub fn keys(&self) -> Vec<String> {
        let keys = Client::open(self.url.as_str()).and_then(|client| self.full_keys(&client));
        let keys = keys.unwrap_or_else(|error| panic!("Redis can't be used: {error}"));
        let mut keys: Vec<_> =
            keys.iter().filter_map(|key| key.strip_prefix(&self.prefix)).map(str::to_owned).collect();
        keys.sort();
        keys
    }

    fn full_keys(&self, client: &Client) -> RedisResult<Vec<String>> {
        let mut connection = client.get_connection()?;
        connection.scan_match(format!("{}*", self.prefix))?.collect()
    }

    fn clear(&self) -> RedisResult<()> {
        let client = Client::open(self.url.as_str())?;
        let keys = self.full_keys(&client)?;
        if keys.is_empty() { Ok(()) } else { client.get_connection()?.del(keys) }
    }
}

impl Drop for RedisSpace {
    fn drop(&mut self) {
        let cleared = self.clear();
        // A second panic while the test's own unwinds would abort the process and hide the first.
        assert!(cleared.is_ok() || std::thread::panicking(), "the leased keys {}* could not be deleted", self.prefix);
    }
}
