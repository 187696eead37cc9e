//! The generator: sends by schedule, counts what comes back.

use crate::{LoadEvidence, LoadSample, Shape, Turn};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// A request that leaves later than this after it could have been sent is the generator's own lateness.
///
/// "Could have been sent" is when it was due, or when the same user's previous answer had come, if that was later.
pub const LATE: Duration = Duration::from_millis(10);

/// What a user of the load does: opens a session, asks in it, ends it.
///
/// The error of an operation is only counted; a test that wants to tell the reasons logs them in its own implementation.
pub trait Talk: Send + Sync + 'static {
    /// What is kept from opening a session to its end.
    type Session: Send;
    /// Why an operation failed.
    type Error: Send;

    /// Opens the session that `turn` is the first request of.
    fn open(&self, turn: Turn) -> impl Future<Output = Result<Self::Session, Self::Error>> + Send;

    /// Sends one request and waits for its whole answer.
    fn ask(&self, session: &mut Self::Session, turn: Turn) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// What a request asks for, as reports name it: `POST /checkout`; nothing where all are alike.
    fn what(&self, _turn: Turn) -> String {
        String::new()
    }

    /// Ends a session in which everything was answered.
    fn end(&self, session: Self::Session) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Runs the load and returns what was measured. It ends by [`Shape::deadline`], whatever the service does.
pub async fn run<T: Talk>(shape: &Shape, talk: T) -> LoadEvidence {
    let start = Instant::now();
    let shared = Arc::new((shape.clone(), talk));
    let users: Vec<_> = (0..shape.users)
        .map(|user| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { User::new(&shared.0, &shared.1, user, start).talk().await })
        })
        .collect();
    let mut sum = Tally::default();
    for user in users {
        // A user whose task panicked has no tally. Its requests were due all the same, so they come out as errors below.
        sum.add(user.await.unwrap_or_default());
    }
    sum.into_evidence(shape, start.elapsed())
}

/// What one user, or all of them, saw.
#[derive(Debug, Default)]
struct Tally {
    samples: Vec<LoadSample>,
    sessions: u64,
    sessions_completed: u64,
    sent_late: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.samples.extend(other.samples);
        self.sessions += other.sessions;
        self.sessions_completed += other.sessions_completed;
        self.sent_late += other.sent_late;
    }

    /// Errors are the difference between what was due and what was answered: a request that was never even sent counts.
    fn into_evidence(mut self, shape: &Shape, wall: Duration) -> LoadEvidence {
        self.samples.sort_by_key(|sample| sample.due_ms);
        let mut latencies_us: Vec<u64> = self.samples.iter().filter_map(|sample| sample.latency_us).collect();
        latencies_us.sort_unstable();
        LoadEvidence {
            name: shape.name.clone(),
            users: shape.users,
            requests: shape.requests(),
            errors: shape.requests() - latencies_us.len() as u64,
            latencies_us,
            sessions: self.sessions,
            sessions_completed: self.sessions_completed,
            sent_late: self.sent_late,
            wall_ms: millis(wall),
            samples: self.samples,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// One user at work.
struct User<'a, T: Talk> {
    shape: &'a Shape,
    talk: &'a T,
    number: u32,
    start: Instant,
    /// Since when the user waits for nothing: the start of the load, then each answer.
    free: Instant,
    tally: Tally,
}

impl<'a, T: Talk> User<'a, T> {
    fn new(shape: &'a Shape, talk: &'a T, user: u32, start: Instant) -> Self {
        Self { shape, talk, number: user, start, free: start, tally: Tally::default() }
    }

    async fn talk(mut self) -> Tally {
        for session in 0..self.shape.sessions_per_user {
            let completed = self.session(session).await;
            self.tally.sessions_completed += u64::from(completed.is_some());
        }
        self.tally
    }

    /// Holds one session; `None` when anything in it failed. The requests after a failed one are still sent.
    async fn session(&mut self, session: u32) -> Option<()> {
        let first = Turn { user: self.number, session, request: 0 };
        let mut lag = self.wait(first).await;
        self.tally.sessions += 1;
        let mut open = self.bounded(self.talk.open(first)).await?;
        let mut answered = 0;
        for request in 0..self.shape.requests_per_session {
            let turn = Turn { request, ..first };
            lag += self.wait(turn).await;
            self.tally.sent_late += u64::from(std::mem::take(&mut lag) > LATE);
            answered += u32::from(self.ask(&mut open, turn).await.is_some());
        }
        if answered < self.shape.requests_per_session {
            return None;
        }
        self.bounded(self.talk.end(open)).await
    }

    /// Waits until a request is due and returns how late the generator itself is with it.
    async fn wait(&self, turn: Turn) -> Duration {
        let sendable = self.due(turn).max(self.free);
        sleep_until(sendable).await;
        sendable.elapsed()
    }

    async fn ask(&mut self, session: &mut T::Session, turn: Turn) -> Option<()> {
        let answer = self.bounded(self.talk.ask(session, turn)).await;
        let latency = self.due(turn).elapsed();
        let latency_us = answer.map(|()| u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        let due_ms = millis(self.shape.due(turn));
        self.tally.samples.push(LoadSample { due_ms, latency_us, what: self.talk.what(turn) });
        answer
    }

    /// Waits for an operation as long as the timeout and the end of the whole load allow.
    async fn bounded<V>(&mut self, operation: impl Future<Output = Result<V, T::Error>>) -> Option<V> {
        let end = self.start + self.shape.deadline();
        let limit = (Instant::now() + self.shape.timeout).min(end);
        if Instant::now() >= end {
            return None;
        }
        let answer = timeout_at(limit, operation).await;
        self.free = Instant::now();
        answer.ok()?.ok()
    }

    fn due(&self, turn: Turn) -> Instant {
        self.start + self.shape.due(turn)
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use std::sync::Mutex;
    use tokio::time::{advance, sleep};

    /// What a scripted service does with a request.
    #[derive(Clone, Copy, PartialEq)]
    enum Act {
        Answer(u64),
        Fail,
        Hang,
        Panic,
        /// Holds the only thread for that long, as a starved machine does.
        Starve(u64),
    }

    async fn act(act: Act) -> Result<(), &'static str> {
        match act {
            Act::Answer(ms) => sleep(Duration::from_millis(ms)).await,
            Act::Fail => return Err("refused"),
            Act::Hang => std::future::pending().await,
            Act::Panic => panic!("a fault of the talk"),
            Act::Starve(ms) => advance(Duration::from_millis(ms)).await,
        }
        Ok(())
    }

    /// A service that does what the script says: for opening, for each request, for ending.
    struct Scripted<A: Fn(Turn) -> Act> {
        open: Act,
        ask: A,
        end: Act,
        sent_ms: Arc<Mutex<Vec<(Turn, u128)>>>,
        start: Instant,
    }

    impl<A: Fn(Turn) -> Act + Send + Sync + 'static> Talk for Scripted<A> {
        type Session = ();
        type Error = &'static str;

        async fn open(&self, _: Turn) -> Result<(), &'static str> {
            act(self.open).await
        }

        async fn ask(&self, (): &mut (), turn: Turn) -> Result<(), &'static str> {
            self.sent_ms.lock().unwrap().push((turn, self.start.elapsed().as_millis()));
            act((self.ask)(turn)).await
        }

        async fn end(&self, (): ()) -> Result<(), &'static str> {
            act(self.end).await
        }
    }

    fn shape(users: u32) -> Shape {
        Shape {
            name: "unit".to_owned(),
            users,
            sessions_per_user: 2,
            requests_per_session: 3,
            interval: Duration::from_millis(100),
            timeout: Duration::from_secs(1),
        }
    }

    async fn measure(users: u32, ask: impl Fn(Turn) -> Act + Send + Sync + 'static) -> LoadEvidence {
        measure_whole(users, Act::Answer(0), ask, Act::Answer(0)).await.0
    }

    async fn measure_whole(
        users: u32,
        open: Act,
        ask: impl Fn(Turn) -> Act + Send + Sync + 'static,
        end: Act,
    ) -> (LoadEvidence, Vec<u128>) {
        let sent_ms = Arc::new(Mutex::new(Vec::new()));
        let talk = Scripted { open, ask, end, sent_ms: Arc::clone(&sent_ms), start: Instant::now() };
        let evidence = run(&shape(users), talk).await;
        let sent = sent_ms.lock().unwrap().iter().map(|(_, ms)| *ms).collect();
        (evidence, sent)
    }

    fn is(turn: Turn, session: u32, request: u32) -> bool {
        (turn.session, turn.request) == (session, request)
    }

    #[tokio::test(start_paused = true)]
    async fn everything_answered_in_time_is_counted_once() {
        let evidence = measure(2, |_| Act::Answer(20)).await;
        assert_eq!((evidence.requests, evidence.errors), (12, 0));
        assert_eq!((evidence.sessions, evidence.sessions_completed), (4, 4));
        assert_eq!((evidence.users, evidence.sent_late), (2, 0));
        assert_eq!(evidence.latencies_us.len(), 12);
        assert!(evidence.latencies_us.iter().all(|us| (20_000..22_000).contains(us)), "{:?}", evidence.latencies_us);
        assert!((570..580).contains(&evidence.wall_ms), "{}", evidence.wall_ms);
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_is_told_with_when_it_was_due() {
        let evidence = measure(1, |turn| if is(turn, 1, 0) { Act::Fail } else { Act::Answer(20) }).await;
        let told: Vec<_> = evidence.samples.iter().map(|sample| (sample.due_ms, sample.latency_us.is_some())).collect();
        assert_eq!(told, [(0, true), (100, true), (200, true), (300, false), (400, true), (500, true)]);
        assert!(evidence.samples.iter().all(|sample| sample.what.is_empty()));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_sent_when_they_are_due() {
        let (_, sent) = measure_whole(1, Act::Answer(0), |_| Act::Answer(5), Act::Answer(0)).await;
        let off: Vec<_> = sent.iter().zip([0, 100, 200, 300, 400, 500]).map(|(sent, due)| sent.abs_diff(due)).collect();
        assert!(off.iter().all(|ms| *ms <= 2), "{sent:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn latency_counts_from_the_due_time_when_an_earlier_answer_was_slow() {
        let evidence = measure(1, |turn| if is(turn, 0, 0) { Act::Answer(250) } else { Act::Answer(10) }).await;
        let ms: Vec<_> = evidence.latencies_us.iter().map(|us| us / 1000).collect();
        // The requests due at 100 and 200 ms left at 250 and 260 ms: 160 and 70 ms late for their user.
        let expect = [10, 10, 10, 70, 160, 250];
        assert!(ms.iter().zip(expect).all(|(ms, expect)| ms.abs_diff(expect) <= 5), "{ms:?}");
        assert_eq!(evidence.sent_late, 0, "the service was slow, not the generator");
    }

    #[tokio::test(start_paused = true)]
    async fn a_starved_generator_says_that_it_sent_late() {
        let evidence = measure(2, |turn| match turn {
            Turn { user: 0, session: 0, request: 0 } => Act::Starve(95),
            _ => Act::Answer(1),
        })
        .await;
        // The second user's first request was due at 50 ms and could not leave before 95 ms.
        assert_eq!((evidence.sent_late, evidence.errors), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_request_is_an_error_and_its_session_is_incomplete() {
        let evidence = measure(1, |turn| if is(turn, 0, 1) { Act::Fail } else { Act::Answer(1) }).await;
        assert_eq!((evidence.errors, evidence.latencies_us.len()), (1, 5));
        assert_eq!((evidence.sessions, evidence.sessions_completed), (2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_cannot_be_opened_fails_all_its_requests() {
        let (evidence, sent) = measure_whole(1, Act::Fail, |_| Act::Answer(1), Act::Answer(0)).await;
        assert_eq!((evidence.requests, evidence.errors, sent.len()), (6, 6, 0));
        assert_eq!((evidence.sessions, evidence.sessions_completed), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_cannot_be_ended_is_incomplete_without_an_error() {
        let (evidence, _) = measure_whole(1, Act::Answer(0), |_| Act::Answer(1), Act::Fail).await;
        assert_eq!((evidence.errors, evidence.sessions, evidence.sessions_completed), (0, 2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_service_cannot_stretch_the_load_beyond_its_deadline() {
        let evidence = measure(2, |_| Act::Hang).await;
        assert_eq!((evidence.errors, evidence.latencies_us.len(), evidence.sent_late), (12, 0, 0));
        let deadline = u64::try_from(shape(2).deadline().as_millis()).unwrap();
        assert!(evidence.wall_ms <= deadline + 5, "{} > {deadline}", evidence.wall_ms);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_after_the_timeout_is_an_error() {
        let evidence = measure(1, |turn| if is(turn, 1, 2) { Act::Answer(1500) } else { Act::Answer(1) }).await;
        assert_eq!((evidence.errors, evidence.latencies_us.len()), (1, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_whose_talk_panics_leaves_errors_not_silence() {
        let evidence = measure(2, |turn| if turn.user == 1 { Act::Panic } else { Act::Answer(1) }).await;
        assert_eq!((evidence.requests, evidence.errors), (12, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn latencies_are_ascending() {
        let evidence = measure(3, |turn| Act::Answer(u64::from(30 - 10 * turn.request))).await;
        assert!(evidence.latencies_us.is_sorted() && evidence.latencies_us.len() == 18);
    }
}
