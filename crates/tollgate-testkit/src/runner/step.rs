//! A `run` step: a process of bash with the files and variables of a step, and the signals of a cancelled one.

use super::{Fate, expression::Contexts};
use crate::invocation::PASSED_ON;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

/// From SIGINT to SIGTERM, and from there to SIGKILL (`ProcessInvoker.cs` of the runner).
const INTERRUPTED: Duration = Duration::from_millis(7500);
const TERMINATED: Duration = Duration::from_millis(2500);

/// The files that a step may write, each new for every step.
const FILES: [&str; 4] = ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"];

/// Why a step did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    Failed,
    Cancelled,
}

/// What the steps of a job share.
pub(super) struct Shell {
    root: Utf8PathBuf,
    workspace: Utf8PathBuf,
    env: Vec<(String, String)>,
    path: Vec<String>,
    cancel_at: Option<String>,
    tracking: String,
    masks: Vec<String>,
    /// Commands that the runner acted on, without masks.
    pub(super) commands: Vec<String>,
    steps: usize,
    pub(super) log: String,
    summary: String,
}

pub(super) fn write_program(path: &Utf8Path, script: &str) {
    fs::write(path, script).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a program");
}

impl Shell {
    pub(super) fn new(root: &Utf8Path, workspace: &Utf8Path, github: &Value, fate: &Fate) -> Self {
        let event = root.join("files/event.json");
        fs::write(&event, github["event"].to_string()).expect("a file");
        let tracking = format!("github_{}", root.file_name().unwrap_or_default());
        let text = |key: &str| match &github[key] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let of_github = ["repository", "run_id", "run_attempt", "api_url", "server_url", "event_name", "sha"];
        let mut env: Vec<(String, String)> =
            of_github.iter().map(|key| (format!("GITHUB_{}", key.to_uppercase()), text(key))).collect();
        let fixed = [("GITHUB_ACTIONS", "true"), ("CI", "true"), ("RUNNER_TRACKING_ID", &tracking)];
        env.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env.push(("GITHUB_WORKSPACE".to_owned(), workspace.to_string()));
        env.push(("GITHUB_EVENT_PATH".to_owned(), event.into_string()));
        env.push(("RUNNER_TEMP".to_owned(), root.join("temp").into_string()));
        env.extend(fate.env.iter().cloned());
        Self {
            root: root.to_owned(),
            workspace: workspace.to_owned(),
            env,
            path: vec![root.join("bin").into_string()],
            cancel_at: fate.cancel_at.clone(),
            tracking,
            masks: Vec::new(),
            commands: Vec::new(),
            steps: 0,
            log: String::new(),
            summary: String::new(),
        }
    }

    /// Runs a step, and takes over what it wrote to its files.
    pub(super) fn run(&mut self, step: &Value, contexts: &mut Contexts) -> Result<(), Stopped> {
        self.steps += 1;
        let file = |name: &str| self.root.join(format!("files/{}-{name}", self.steps));
        let script = file("script.sh");
        fs::write(&script, contexts.text(step["run"].as_str().expect("a script"))).expect("a file");
        let mut command = Command::new("bash");
        command.arg("-e").arg(&script).current_dir(&self.workspace).env_clear().stdin(Stdio::null());
        command.envs(PASSED_ON.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
        let inherited = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{inherited}", self.path.join(":")));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        for name in FILES {
            fs::write(file(name), "").expect("a file");
            command.env(name, file(name));
        }
        for (name, value) in step["env"].as_object().into_iter().flatten() {
            command.env(name, contexts.text(value.as_str().unwrap_or_default()));
        }
        let files = FILES.map(file);
        let ended = self.follow(command);
        let [output, env, path, summary] = files.map(|file| fs::read_to_string(file).expect("it is there"));
        if let Some(id) = step["id"].as_str() {
            contexts.step(id, &Value::Object(pairs(&output)));
        }
        self.env
            .extend(pairs(&env).into_iter().map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned())));
        self.path.splice(0..0, path.lines().map(str::to_owned));
        self.summary += &summary;
        ended
    }

    /// Follows a process to its end, which is that of its output too.
    fn follow(&mut self, mut command: Command) -> Result<(), Stopped> {
        let mut child =
            command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("bash starts");
        let (sender, lines) = channel();
        read(child.stdout.take().expect("a pipe"), sender.clone());
        read(child.stderr.take().expect("a pipe"), sender);
        let cancelled = self.listen(&lines, None) && {
            let pid = child.id().to_string();
            for (signal, time) in [("-INT", INTERRUPTED), ("-TERM", TERMINATED), ("-KILL", TERMINATED)] {
                // To the shell alone; it may be gone, and what it started not.
                let _ = Command::new("kill").args([signal, &pid]).stderr(Stdio::null()).status();
                if !self.listen(&lines, Some(Instant::now() + time)) {
                    break;
                }
                self.say(&format!("runner: {signal} was not enough"));
            }
            true
        };
        let status = child.wait().expect("it ends");
        match (cancelled, status.success()) {
            (true, _) => Err(Stopped::Cancelled),
            (false, true) => Ok(()),
            (false, false) => Err(Stopped::Failed),
        }
    }

    /// Takes lines in until there are no more. Gives whether it stopped before: at the text that cancels, or in time.
    fn listen(&mut self, lines: &Receiver<String>, until: Option<Instant>) -> bool {
        loop {
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            let line = match (until, lines.recv_timeout(left.min(Duration::from_hours(1)))) {
                (_, Ok(line)) => line,
                (_, Err(RecvTimeoutError::Disconnected)) => return false,
                (_, Err(RecvTimeoutError::Timeout)) => return true,
            };
            if let Some(command) = command(&line) {
                match command.strip_prefix("::add-mask::") {
                    Some(mask) => self.masks.extend(unescaped(mask).lines().map(str::to_owned)),
                    None => self.commands.push(command.to_owned()),
                }
            }
            let shown = self.masks.iter().fold(line.clone(), |line, mask| line.replace(mask.as_str(), "***"));
            self.say(&shown);
            if until.is_none() && self.cancel_at.as_ref().is_some_and(|text| line.contains(text.as_str())) {
                self.cancel_at = None;
                return true;
            }
        }
    }

    /// Adds a line to the log.
    pub(super) fn say(&mut self, line: &str) {
        self.log += line;
        self.log.push('\n');
    }

    /// Whether a value has something that was masked.
    pub(super) fn is_masked(&self, value: &str) -> bool {
        self.masks.iter().any(|mask| value.contains(mask.as_str()))
    }

    /// The end of the job: processes that it left are ended and named in the log, as the runner does.
    pub(super) fn end(mut self) -> (String, String, Vec<String>) {
        let mark = format!("RUNNER_TRACKING_ID={}", self.tracking);
        for process in fs::read_dir("/proc").expect("there is /proc").flatten() {
            let Ok(pid) = process.file_name().to_string_lossy().parse() else { continue };
            // One that has ended meanwhile, or is another user's, is none of the job's.
            let environment = tollgate_exec::environ(pid).unwrap_or_default();
            if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
                let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                self.say(&format!("runner: orphan {pid} {}", name.trim_end()));
                let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
            }
        }
        (self.log, self.summary, self.commands)
    }
}

fn read(pipe: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // To the runner a carriage return ends a line too.
            if line.split('\r').any(|line| lines.send(line.to_owned()).is_err()) {
                break;
            }
        }
    });
}

/// The command in a line: `::name properties::data` at its start, or `##[name properties]data` wherever that stands.
fn command(line: &str) -> Option<&str> {
    let is_name = |text: &str, end: [char; 2]| {
        let name = text.split(end).next().unwrap_or_default();
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || "-_".contains(c))
    };
    let current = line.trim_start();
    if let Some(rest) = current.strip_prefix("::")
        && rest.contains("::")
        && is_name(rest, [' ', ':'])
    {
        return Some(current);
    }
    let (_, rest) = line.split_once("##[")?;
    (rest.contains(']') && is_name(rest, [' ', ']'])).then_some(rest)
}

fn unescaped(data: &str) -> String {
    data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
}

/// `name=value` and `name<<end` of a file that a step wrote.
fn pairs(text: &str) -> Map<String, Value> {
    let (mut pairs, mut lines) = (Map::new(), text.lines());
    while let Some(line) = lines.next() {
        let heredoc = line.split_once("<<").filter(|(name, _)| !name.contains('='));
        let (name, value) = match (heredoc, line.split_once('=')) {
            (Some((name, end)), _) => {
                let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
                (name, value.join("\n"))
            }
            (None, Some((name, value))) => (name, value.to_owned()),
            (None, None) => panic!("`{line}` is no pair"),
        };
        pairs.insert(name.to_owned(), Value::String(value));
    }
    pairs
}
