//! A server on this machine that answers as GitHub's REST interface does, for the few calls that are made of it.
//!
//! Comments of issues (list, create, update), pull requests of a commit and open ones, with pages of what the caller asks
//! for, the `link` header, the largest length of a comment and the answer to a missing token. What goes wrong is told to it
//! before: limits, failures, answers that get lost.

use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

/// Characters of a comment that GitHub takes.
const BODY_MAX: usize = 65_536;

/// Something that goes wrong with the next request of a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is answered so, and nothing is done.
    Answer {
        /// The status.
        status: u16,
        /// A header with its value; none where the name is empty.
        header: (&'static str, String),
        /// The message.
        message: &'static str,
    },
    /// It is done, and the connection is closed without an answer.
    Lost,
}

/// What the server knows, and what was asked of it.
#[derive(Debug, Default)]
pub struct State {
    /// Comments, oldest first: the number of their issue, and what the interface says of them.
    pub comments: Vec<(u64, Value)>,
    /// Pull requests as the interface says them.
    pub pulls: Vec<Value>,
    /// Whether a commit's own list of pull requests is empty, as it may be for a fork's.
    pub forgets_commits: bool,
    /// What goes wrong next, by method.
    pub faults: VecDeque<(&'static str, Fault)>,
    /// Methods and addresses of all requests.
    pub requests: Vec<String>,
    last_id: u64,
}

/// The server; it ends when dropped.
#[derive(Debug)]
pub struct GitHub {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

/// The token that the server accepts.
pub const TOKEN: &str = "a-token-of-a-test";

impl GitHub {
    /// Starts a server.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let serve = move || {
            for stream in listener.incoming().flatten() {
                // Dropping the server connects and says nothing.
                if serve(stream, address, &shared).is_none() {
                    break;
                }
            }
        };
        Self { address, state, thread: Some(thread::spawn(serve)) }
    }

    /// The address of the interface.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it knows; requests wait meanwhile.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Adds a comment of somebody.
    pub fn comment(&self, issue: u64, login: &str, body: &str) {
        let mut state = self.state();
        let comment = state.comment(login, body);
        state.comments.push((issue, comment));
    }

    /// Adds an open pull request with a head.
    pub fn pull_request(&self, number: u64, head_sha: &str, head_repository: &str) {
        let head = json!({ "sha": head_sha, "repo": { "full_name": head_repository, "fork": true } });
        self.state().pulls.push(json!({ "number": number, "state": "open", "head": head }));
    }

    /// Lets something go wrong with the next request of a method that has none yet to come.
    pub fn fault(&self, method: &'static str, fault: Fault) {
        self.state().faults.push_back((method, fault));
    }

    /// Bodies of an issue's comments with their authors, oldest first.
    pub fn bodies(&self, issue: u64) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let state = self.state();
        let of_issue = state.comments.iter().filter(|(number, _)| *number == issue);
        of_issue.map(|(_, comment)| (text(&comment["user"]["login"]), text(&comment["body"]))).collect()
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer: status, further header, body.
type Answer = (u16, Option<(String, String)>, Value);

/// Answers one request; none where there was none.
fn serve(mut stream: TcpStream, address: SocketAddr, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut token) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => value.trim().clone_into(&mut token),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);

    let mut state = lock(state);
    state.requests.push(format!("{method} {target}"));
    let due = state.faults.iter().position(|(of, _)| *of == method);
    let fault = due.and_then(|at| state.faults.remove(at)).map(|(_, fault)| fault);
    let (status, header, answer) = match &fault {
        _ if token != format!("Bearer {TOKEN}") => (401, None, json!({ "message": "Bad credentials" })),
        Some(Fault::Answer { status, header: (name, value), message }) => {
            let header = (!name.is_empty()).then(|| ((*name).to_owned(), value.clone()));
            (*status, header, json!({ "message": message }))
        }
        _ => state.answer(&method, &target, &body, address),
    };
    if fault != Some(Fault::Lost) {
        let body = answer.to_string();
        let header = header.map_or(String::new(), |(name, value)| format!("{name}: {value}\r\n"));
        let head = format!(
            "HTTP/1.1 {status} Any\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {}\r\n\
             connection: close\r\n{header}\r\n",
            body.len()
        );
        // Whoever asked may be gone.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    }
    Some(())
}

impl State {
    fn answer(&mut self, method: &str, target: &str, body: &Value, address: SocketAddr) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["repos", _, _, "issues", number, "comments"]) => {
                let number = number.parse().unwrap_or(0);
                let of_issue = self.comments.iter().filter(|(issue, _)| *issue == number);
                page(of_issue.map(|(_, comment)| comment.clone()).collect(), path, query, address)
            }
            ("GET", ["repos", _, _, "commits", _, "pulls"]) if self.forgets_commits => (200, None, json!([])),
            ("GET", ["repos", _, _, "commits", _, "pulls"] | ["repos", _, _, "pulls"]) => {
                page(self.pulls.clone(), path, query, address)
            }
            ("POST", ["repos", _, _, "issues", number, "comments"]) => match checked(body) {
                Some(text) => {
                    let comment = self.comment("github-actions[bot]", text);
                    self.comments.push((number.parse().unwrap_or(0), comment.clone()));
                    (201, None, comment)
                }
                None => too_long(),
            },
            ("PATCH", ["repos", _, _, "issues", "comments", id]) => {
                let known = self.comments.iter_mut().find(|(_, comment)| comment["id"].as_u64() == id.parse().ok());
                match (known, checked(body)) {
                    (None, _) => (404, None, json!({ "message": "Not Found" })),
                    (_, None) => too_long(),
                    (Some((_, comment)), Some(text)) => {
                        comment["body"] = json!(text);
                        (200, None, comment.clone())
                    }
                }
            }
            ("DELETE", ["repos", _, _, "issues", "comments", id]) => {
                let id = id.parse().ok();
                self.comments.retain(|(_, comment)| comment["id"].as_u64() != id);
                (204, None, Value::Null)
            }
            _ => (404, None, json!({ "message": "Not Found" })),
        }
    }

    fn comment(&mut self, login: &str, body: &str) -> Value {
        self.last_id += 1;
        let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
        json!({ "id": self.last_id, "body": body, "user": { "login": login, "type": kind } })
    }
}

/// The text of a comment, where GitHub would take it.
fn checked(body: &Value) -> Option<&str> {
    body["body"].as_str().filter(|text| !text.is_empty() && text.chars().count() <= BODY_MAX)
}

fn too_long() -> Answer {
    (422, None, json!({ "message": "Validation Failed: body is too long (maximum is 65536 characters)" }))
}

/// A page of a list, with the address of the next one.
fn page(all: Vec<Value>, path: &str, query: &str, address: SocketAddr) -> Answer {
    let number = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse::<usize>().ok())
    };
    let (size, page) = (number("per_page").unwrap_or(30).clamp(1, 100), number("page").unwrap_or(1).max(1));
    let more = all.len() > size * page;
    let next = format!("<http://{address}{path}?per_page={size}&page={}>; rel=\"next\"", page + 1);
    let shown: Vec<Value> = all.into_iter().skip(size * (page - 1)).take(size).collect();
    (200, more.then(|| ("link".to_owned(), next)), Value::Array(shown))
}
