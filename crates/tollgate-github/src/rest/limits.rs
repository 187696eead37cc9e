//! What to do after an answer that is no success.
//!
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>: `retry-after` is to be kept; without
//! it, where `x-ratelimit-remaining` is 0, one waits until `x-ratelimit-reset`; else at least a minute for a secondary limit.

use std::time::Duration;

/// How often a request is sent at most.
pub(super) const TRIES_MAX: u32 = 4;

/// All pauses of a request together.
pub(super) const PAUSES_MAX: Duration = Duration::from_mins(2);

/// What a secondary limit costs where the server does not say.
const SECONDARY: Duration = Duration::from_mins(1);

/// The part of an answer that limits stand in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// `retry-after`, in seconds.
    pub(super) retry_after: Option<u64>,
    /// `x-ratelimit-remaining`.
    pub(super) remaining: Option<u64>,
    /// `x-ratelimit-reset`, in seconds since 1970.
    pub(super) reset: Option<u64>,
    pub(super) body: &'a str,
}

/// How to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It worked.
    Done,
    /// Send it again after this time.
    Again(Duration),
    /// It is refused for good.
    Stop,
}

/// How to go on after the answer to a request that was sent `tried` times; `now` is in seconds since 1970.
pub(super) fn next(answer: &Answer, repeatable: bool, tried: u32, now: u64) -> Next {
    let asked = answer.retry_after.map(Duration::from_secs);
    match answer.status {
        200..=299 => Next::Done,
        // Nothing was done, so also what must not be done twice can be asked again.
        403 | 429 => limit(answer, now).map_or(Next::Stop, Next::Again),
        500..=599 if repeatable => Next::Again(asked.unwrap_or_else(|| pause(tried))),
        _ => Next::Stop,
    }
}

/// The pause before a request is sent again that failed for no reason that is known: 1 s, 2 s, 4 s.
pub(super) fn pause(tried: u32) -> Duration {
    Duration::from_secs(1 << tried.saturating_sub(1).min(6))
}

fn limit(answer: &Answer, now: u64) -> Option<Duration> {
    let until_reset = || {
        let reset = answer.reset.filter(|_| answer.remaining == Some(0))?;
        Some(Duration::from_secs(reset.saturating_sub(now).max(1)))
    };
    let secondary = || (answer.status == 429 || answer.body.contains("secondary rate limit")).then_some(SECONDARY);
    answer.retry_after.map(Duration::from_secs).or_else(until_reset).or_else(secondary)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(answer: &Answer, repeatable: bool) -> Next {
        next(answer, repeatable, 2, 1000)
    }

    #[test]
    fn limits_are_kept_and_failures_repeated_where_that_does_no_harm() {
        let again = |seconds| Next::Again(Duration::from_secs(seconds));
        let of = |status| Answer { status, ..Answer::default() };
        assert_eq!(check(&of(201), false), Next::Done);
        for repeatable in [true, false] {
            assert_eq!(check(&Answer { retry_after: Some(7), ..of(403) }, repeatable), again(7));
            assert_eq!(check(&Answer { remaining: Some(0), reset: Some(1009), ..of(403) }, repeatable), again(9));
            assert_eq!(check(&Answer { remaining: Some(0), reset: Some(9), ..of(429) }, repeatable), again(1));
            let secondary = Answer { body: "You have exceeded a secondary rate limit", ..of(403) };
            assert_eq!(check(&secondary, repeatable), again(60));
            assert_eq!(check(&Answer { remaining: Some(5), ..of(403) }, repeatable), Next::Stop, "no permission");
            assert_eq!(check(&of(422), repeatable), Next::Stop);
        }
        assert_eq!(check(&of(502), true), again(2));
        assert_eq!(check(&of(502), false), Next::Stop, "it may have happened");
        assert_eq!([1, 2, 3].map(|tried| pause(tried).as_secs()), [1, 2, 4]);
    }
}
