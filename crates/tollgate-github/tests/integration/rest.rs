//! The client against a server on this machine.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};
use tollgate_exec::Interrupt;
use tollgate_github::rest::{BOT, Client, RestError, Told, pull_request_of, tell};
use tollgate_testkit::{Fault, GitHub, TOKEN};

const MARKER: &str = "<!-- m -->";

/// Pauses that were asked for, in seconds; none of them is made.
#[derive(Default)]
struct Pauses(RefCell<Vec<u64>>);

impl Pauses {
    fn make(&self, time: Duration) -> bool {
        self.0.borrow_mut().push(time.as_secs());
        true
    }
}

fn told(server: &GitHub, pauses: &Pauses, body: &str) -> Result<Told, RestError> {
    let pause = |time| pauses.make(time);
    let interrupt = Interrupt::new().expect("a pipe");
    let client = Client::new(&server.url(), TOKEN, &interrupt, &pause);
    tell(&client, "o/r", 7, BOT, MARKER, &|_| format!("{MARKER}\n{body}"))
}

fn limit(status: u16, header: (&'static str, &str), message: &'static str) -> Fault {
    Fault::Answer { status, header: (header.0, header.1.to_owned()), message }
}

fn methods(server: &GitHub) -> Vec<String> {
    server.state().requests.iter().map(|request| request.split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_comment_is_created_once_and_updated_after_and_those_of_others_are_left_alone() {
    let (server, pauses) = (GitHub::start(), Pauses::default());
    for _ in 0..150 {
        server.comment(7, "somebody", "hello");
    }
    server.comment(7, "somebody", &format!("{MARKER} forged"));
    server.comment(7, BOT, &format!("another's report, not {MARKER}"));
    server.comment(8, BOT, &format!("{MARKER} of another pull request"));
    assert_eq!(told(&server, &pauses, "one").expect("created"), Told::Created);
    assert_eq!(told(&server, &pauses, "one").expect("read"), Told::Unchanged);
    assert_eq!(told(&server, &pauses, "two").expect("updated"), Told::Updated);
    let bodies = server.bodies(7);
    assert_eq!(bodies.len(), 153);
    assert_eq!(bodies[152], (BOT.to_owned(), format!("{MARKER}\ntwo")));
    assert_eq!(bodies[150].1, format!("{MARKER} forged"));
    let list = ["GET", "GET"];
    let expected = [&list[..], &["POST"], &list, &list, &list, &["PATCH"], &list].concat();
    assert_eq!(methods(&server), expected, "two pages each time, and once more after what was written");
}

#[test]
fn what_another_run_writes_meanwhile_is_not_lost() {
    let (server, pauses) = (GitHub::start(), Pauses::default());
    let pause = |time| pauses.make(time);
    let interrupt = Interrupt::new().expect("a pipe");
    let client = Client::new(&server.url(), TOKEN, &interrupt, &pause);
    // Between reading and writing, another run writes its part, and a third one has created a comment of its own.
    let meanwhile = RefCell::new(vec![format!("{MARKER}\nother\n"), format!("{MARKER}\nthird\n")]);
    let add = |there: Option<&str>| {
        if let Some(other) = meanwhile.borrow_mut().pop() {
            server.comment(7, BOT, &other);
        }
        let there = there.unwrap_or(MARKER);
        if there.contains("own") { there.to_owned() } else { format!("{there}\nown\n") }
    };
    assert_eq!(tell(&client, "o/r", 7, BOT, MARKER, &add).expect("told"), Told::Created);
    let bodies: Vec<String> = server.bodies(7).into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies, [format!("{MARKER}\nthird\n\nown\n")], "the oldest stays");
}

#[test]
fn a_comment_that_others_write_over_each_time_was_not_told() {
    let (server, pauses) = (GitHub::start(), Pauses::default());
    let pause = |time| pauses.make(time);
    let interrupt = Interrupt::new().expect("a pipe");
    let client = Client::new(&server.url(), TOKEN, &interrupt, &pause);
    // Whatever was written is gone when it is read again: to this run the comment says something else each time.
    let others = Cell::new(0);
    let body = |_: Option<&str>| {
        others.set(others.get() + 1);
        format!("{MARKER}\nown beside {}\n", others.get())
    };
    let error = tell(&client, "o/r", 7, BOT, MARKER, &body).unwrap_err();
    assert_eq!(error.to_string(), "others keep writing the comment of o/r#7");
    assert_eq!(server.bodies(7).len(), 1);
    assert_eq!(methods(&server).iter().filter(|method| *method != "GET").count(), 4, "it is given up");
}

#[test]
fn limits_are_waited_for_and_failures_of_reading_repeated() {
    let (server, pauses) = (GitHub::start(), Pauses::default());
    server.fault("GET", limit(502, ("", ""), "Bad Gateway"));
    server.fault("GET", Fault::Lost);
    server.fault("POST", limit(403, ("retry-after", "9"), "You have exceeded a secondary rate limit"));
    assert_eq!(told(&server, &pauses, "one").expect("created"), Told::Created);
    assert_eq!(*pauses.0.borrow(), [1, 2, 9]);
    assert_eq!(server.bodies(7).len(), 1);

    server.fault("PATCH", limit(429, ("retry-after", "500"), "wait"));
    let error = told(&server, &pauses, "two").unwrap_err();
    assert!(matches!(error, RestError::Limited { seconds: 500, .. }), "{error}");
    for _ in 0..4 {
        server.fault("GET", limit(503, ("", ""), "down"));
    }
    let error = told(&server, &pauses, "two").unwrap_err();
    assert!(error.to_string().ends_with("was answered with 503: down"), "{error}");
}

#[test]
fn what_may_have_been_created_is_looked_for_before_it_is_created_again() {
    let (server, pauses) = (GitHub::start(), Pauses::default());
    server.fault("POST", Fault::Lost);
    assert_eq!(told(&server, &pauses, "one").expect("created"), Told::Created);
    assert_eq!(server.bodies(7).len(), 1, "the answer was lost, the comment was not");

    let server = GitHub::start();
    server.fault("POST", limit(502, ("", ""), "Bad Gateway"));
    assert_eq!(told(&server, &pauses, "one").expect("created"), Told::Created);
    assert_eq!(methods(&server), ["GET", "POST", "GET", "POST", "GET"]);
    assert_eq!(server.bodies(7).len(), 1);
}

#[test]
fn a_comment_that_was_deleted_meanwhile_is_created_anew() {
    let (server, pauses) = (GitHub::start(), Pauses::default());
    told(&server, &pauses, "one").expect("created");
    server.fault("PATCH", limit(404, ("", ""), "Not Found"));
    assert_eq!(told(&server, &pauses, "two").expect("created"), Told::Created);
}

#[test]
fn a_refusal_says_what_the_server_said_and_what_to_do() {
    let (server, pauses) = (GitHub::start(), Pauses::default());
    let error = told(&server, &pauses, &"x".repeat(70_000)).unwrap_err();
    assert!(error.to_string().contains("422: Validation Failed: body is too long"), "{error}");
    server.fault("POST", limit(403, ("", ""), "Resource not accessible by integration"));
    let error = told(&server, &pauses, "one").unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("pull-requests: write")), "{error}");
    let interrupt = Interrupt::new().expect("a pipe");
    let client = Client::new(&server.url(), "wrong", &interrupt, &|_| true);
    let error = tell(&client, "o/r", 7, BOT, MARKER, &|_| MARKER.to_owned()).unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("GITHUB_TOKEN")), "{error}");
    assert!(pauses.0.borrow().is_empty() && !error.to_string().contains("wrong"), "{error}");
}

#[test]
fn a_signal_ends_a_pause() {
    let server = GitHub::start();
    server.fault("GET", limit(503, ("", ""), "down"));
    let interrupt = Interrupt::new().expect("a pipe");
    let client = Client::new(&server.url(), TOKEN, &interrupt, &|_| false);
    let error = tell(&client, "o/r", 7, BOT, MARKER, &|_| MARKER.to_owned()).unwrap_err();
    assert!(matches!(error, RestError::Interrupted { .. }), "{error}");
    interrupt.trigger(15);
    let client = Client::new(&server.url(), TOKEN, &interrupt, &|_| true);
    let error = tell(&client, "o/r", 7, BOT, MARKER, &|_| MARKER.to_owned()).unwrap_err();
    assert!(matches!(error, RestError::Interrupted { .. }), "{error}");
}

#[test]
fn a_pull_request_is_the_only_open_one_with_that_head_of_that_repository() {
    let server = GitHub::start();
    let interrupt = Interrupt::new().expect("a pipe");
    let client = Client::new(&server.url(), TOKEN, &interrupt, &|_| true);
    let found = || pull_request_of(&client, "o/r", "abc", "fork/r").expect("the server answers");
    assert_eq!(found(), None);
    server.pull_request(3, "abc", "other/r");
    server.pull_request(4, "def", "fork/r");
    assert_eq!(found(), None);
    server.pull_request(5, "abc", "fork/r");
    assert_eq!(found(), Some(5));
    server.state().forgets_commits = true;
    assert_eq!(found(), Some(5));
    server.state().pulls[2]["state"] = "closed".into();
    assert_eq!(found(), None);
    server.state().pulls[2]["state"] = "open".into();
    server.pull_request(6, "abc", "fork/r");
    assert_eq!(found(), None, "it could be either");
}
