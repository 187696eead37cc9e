//! The schedule of a load: who asks when. Pure.

use std::time::Duration;

/// The shape of a load. Every moment in it is known before the first request is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Name of the load scenario; also the stem of its evidence file.
    pub name: String,
    /// Users that talk at the same time.
    pub users: u32,
    /// Sessions that each user has, one after the other.
    pub sessions_per_user: u32,
    /// Requests in each session.
    pub requests_per_session: u32,
    /// From one request of a user to that user's next.
    pub interval: Duration,
    /// How long an answer is waited for; longer is an error.
    pub timeout: Duration,
}

/// One request of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Turn {
    /// The user, from 0.
    pub user: u32,
    /// The user's session, from 0.
    pub session: u32,
    /// The request in that session, from 0.
    pub request: u32,
}

impl Shape {
    /// Returns when a request is due, from the start of the load.
    ///
    /// The users start one after the other within the first interval, so that they don't ask in step.
    pub fn due(&self, turn: Turn) -> Duration {
        let offset = self.interval * turn.user / self.users.max(1);
        offset + self.interval * (turn.session * self.requests_per_session + turn.request)
    }

    /// Returns how many requests are due in all.
    pub fn requests(&self) -> u64 {
        self.sessions() * u64::from(self.requests_per_session)
    }

    /// Returns how many sessions are due in all.
    pub fn sessions(&self) -> u64 {
        u64::from(self.users) * u64::from(self.sessions_per_user)
    }

    /// Returns when the load is over at the latest: the last request's due time and the wait for its answer.
    ///
    /// What is not answered by then never was; so a service that hangs can't stretch the measurement.
    pub fn deadline(&self) -> Duration {
        self.interval * (self.sessions_per_user * self.requests_per_session + 1) + self.timeout
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn shape() -> Shape {
        Shape {
            name: "schedule".to_owned(),
            users: 4,
            sessions_per_user: 2,
            requests_per_session: 3,
            interval: Duration::from_millis(200),
            timeout: Duration::from_secs(1),
        }
    }

    fn check(user: u32, session: u32, request: u32, due_ms: u64) {
        assert_eq!(shape().due(Turn { user, session, request }), Duration::from_millis(due_ms));
    }

    #[test]
    fn the_requests_of_a_user_are_one_interval_apart_across_sessions() {
        check(0, 0, 0, 0);
        check(0, 0, 1, 200);
        check(0, 0, 2, 400);
        check(0, 1, 0, 600);
    }

    #[test]
    fn users_start_spread_over_the_first_interval() {
        check(1, 0, 0, 50);
        check(3, 0, 0, 150);
        check(3, 1, 2, 1150);
    }

    #[test]
    fn totals_are_products_of_the_shape() {
        assert_eq!((shape().sessions(), shape().requests()), (8, 24));
    }

    #[test]
    fn the_deadline_leaves_the_last_request_its_whole_timeout() {
        let last = shape().due(Turn { user: 3, session: 1, request: 2 });
        assert!(shape().deadline() >= last + shape().timeout);
        assert_eq!(shape().deadline(), Duration::from_millis(2400));
    }

    #[test]
    fn a_shape_without_users_has_nothing_due() {
        let nobody = Shape { users: 0, ..shape() };
        assert_eq!((nobody.sessions(), nobody.requests()), (0, 0));
        assert_eq!(nobody.due(Turn { user: 0, session: 0, request: 0 }), Duration::ZERO);
    }
}
