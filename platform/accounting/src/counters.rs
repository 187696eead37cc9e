//! Usage per tenant and day, counted in Redis: cheap to read while the records themselves are in the database.

use crate::AccountingError;
use contract::accounting::Usage;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use redis::aio::ConnectionManager;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long a day's counters are kept, in seconds: 40 days.
const KEPT_S: i64 = 40 * 24 * 60 * 60;

/// What a tenant used on one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantUsage {
    /// Charged streams.
    pub streams: u64,
    /// Tokens read.
    pub tokens_in: u64,
    /// Tokens written.
    pub tokens_out: u64,
    /// What they cost, in micros.
    pub cost_micros: i64,
}

/// Counts usage.
#[derive(Clone)]
pub struct Counters {
    redis: ConnectionManager,
    prefix: String,
}

/// Returns the day, in UTC, of a moment in milliseconds since the Unix epoch.
///
/// # Errors
/// `InvalidDay` for a moment outside of the calendar.
pub fn day_of(at_ms: i64) -> Result<Date, AccountingError> {
    let moment = Timestamp::from_millisecond(at_ms);
    let moment = moment.map_err(|_| AccountingError::InvalidDay { day: at_ms.to_string() })?;
    Ok(moment.to_zoned(TimeZone::UTC).date())
}

impl Counters {
    /// Makes counters whose keys begin with a prefix.
    pub fn new(redis: ConnectionManager, prefix: &str) -> Self {
        Self { redis, prefix: prefix.to_owned() }
    }

    /// Adds one charged stream to its day.
    ///
    /// # Errors
    /// Redis' own.
    pub async fn add(&self, tenant: &str, usage: &Usage) -> Result<(), AccountingError> {
        let key = self.key(tenant, day_of(usage.at_ms)?);
        redis::pipe()
            .atomic()
            .hincr(&key, "streams", 1)
            .hincr(&key, "tokens_in", usage.tokens_in)
            .hincr(&key, "tokens_out", usage.tokens_out)
            .hincr(&key, "cost_micros", usage.cost_micros)
            .expire(&key, KEPT_S)
            .exec_async(&mut self.redis.clone())
            .await?;
        Ok(())
    }

    /// Reads a tenant's day; all zero where nothing was counted.
    ///
    /// # Errors
    /// Redis' own.
    pub async fn read(&self, tenant: &str, day: Date) -> Result<TenantUsage, AccountingError> {
        let fields: BTreeMap<String, i64> =
            redis::cmd("HGETALL").arg(self.key(tenant, day)).query_async(&mut self.redis.clone()).await?;
        let count = |name: &str| fields.get(name).copied().unwrap_or_default();
        Ok(TenantUsage {
            streams: count("streams").unsigned_abs(),
            tokens_in: count("tokens_in").unsigned_abs(),
            tokens_out: count("tokens_out").unsigned_abs(),
            cost_micros: count("cost_micros"),
        })
    }

    fn key(&self, tenant: &str, day: Date) -> String {
        format!("{}usage:{tenant}:{day}", self.prefix)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(at_ms: i64, expect: &str) {
        assert_eq!(day_of(at_ms).unwrap().to_string(), expect);
    }

    #[test]
    fn a_moment_belongs_to_its_day_in_utc() {
        check(0, "1970-01-01");
        check(86_399_999, "1970-01-01");
        check(86_400_000, "1970-01-02");
        check(1_709_164_800_000, "2024-02-29");
        check(-1, "1969-12-31");
    }

    #[test]
    fn a_moment_outside_of_the_calendar_has_no_day() {
        assert!(matches!(day_of(i64::MAX), Err(AccountingError::InvalidDay { .. })));
    }
}
