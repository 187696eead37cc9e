//! Reading of values with every mistake collected: what isn't what it should be becomes a problem, and reading goes on.

use super::node::{Entry, Node, Place, Value};
use super::{duration, names};
use crate::FileProblem;
use camino::Utf8Path;
use std::time::Duration;

/// Signals that a stop may be asked for with.
const SIGNALS: [&str; 7] = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL"];

/// Collects problems while values are read.
pub(super) struct Reader<'a> {
    file: &'a Utf8Path,
    problems: Vec<FileProblem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a Utf8Path) -> Self {
        Self { file, problems: Vec::new() }
    }

    /// All problems in the order of the file, each once: a merged value is read wherever it was merged into.
    pub(super) fn into_problems(mut self) -> Vec<FileProblem> {
        self.problems.sort();
        self.problems.dedup();
        self.problems
    }

    pub(super) fn problem(&mut self, at: Place, message: impl Into<String>, hint: Option<String>) {
        let (line, column) = (at.line, at.column);
        self.problems.push(FileProblem { file: self.file.to_owned(), line, column, message: message.into(), hint });
    }

    fn mismatch(&mut self, node: &Node, what: &str, expected: &str) {
        self.problem(node.at, format!("{what} must be {expected}, and is {}", node.kind()), None);
    }

    /// The entries of a map; an absent value is an empty map.
    pub(super) fn map<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Entry] {
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            self.mismatch(node, what, "a map");
        }
        node.entries()
    }

    /// The entries of a map with a fixed set of keys (and `x-` ones); others are problems.
    pub(super) fn record<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> &'n [Entry] {
        let entries = self.map(node, what);
        for entry in entries.iter().filter(|entry| !entry.key.starts_with("x-")) {
            if !known.contains(&entry.key.as_str()) {
                let message = format!("unknown key `{}` in {what}", entry.key);
                self.problem(entry.at, message, Some(names::offer(&entry.key, known)));
            }
        }
        entries
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            Value::Null => &[],
            _ => {
                self.mismatch(node, what, "a list");
                &[]
            }
        }
    }

    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = node.scalar();
        if text.is_none() {
            self.mismatch(node, what, "a string");
        }
        text
    }

    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        self.list(node, what).iter().filter_map(|item| self.text(item, what)).collect()
    }

    /// A command: a list of arguments, or a line that is split at blanks as a shell would, quotes respected.
    pub(super) fn argv(&mut self, node: &Node, what: &str) -> Vec<String> {
        match &node.value {
            Value::List(_) | Value::Null => self.texts(node, what),
            Value::Text(line) => words(line).unwrap_or_else(|| {
                self.problem(node.at, format!("{what} has a quote that isn't closed"), None);
                Vec::new()
            }),
            _ => {
                self.mismatch(node, what, "a string or a list");
                Vec::new()
            }
        }
    }

    pub(super) fn port(&mut self, node: &Node, what: &str) -> Option<u16> {
        let port = node.scalar().and_then(|text| text.parse().ok()).filter(|port| *port > 0);
        if port.is_none() {
            let given = node.scalar().unwrap_or_else(|| node.kind().to_owned());
            self.problem(node.at, format!("{what} must be a port from 1 to 65535, and is `{given}`"), None);
        }
        port
    }

    pub(super) fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        let duration = node.scalar().as_deref().and_then(duration::parse);
        if duration.is_none() {
            let given = node.scalar().unwrap_or_else(|| node.kind().to_owned());
            let hint = Some("durations are written `500ms`, `10s`, `1m30s`".to_owned());
            self.problem(node.at, format!("{what} must be a duration, and is `{given}`"), hint);
        }
        duration
    }

    pub(super) fn boolean(&mut self, node: &Node, what: &str) -> bool {
        match node.scalar().as_deref() {
            Some("true") => true,
            Some("false") => false,
            _ => {
                self.mismatch(node, what, "true or false");
                false
            }
        }
    }

    pub(super) fn signal(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?.to_ascii_uppercase();
        let name = if text.starts_with("SIG") { text } else { format!("SIG{text}") };
        if SIGNALS.contains(&name.as_str()) {
            return Some(name);
        }
        self.problem(node.at, format!("{what} `{name}` isn't known"), Some(names::offer(&name, &SIGNALS)));
        None
    }
}

/// Splits a command line as a shell would, without expanding anything; nothing when a quote isn't closed.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(characters.next()),
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod unit {
    use super::words;

    #[test]
    fn a_command_line_is_split_as_a_shell_would() {
        let check = |line: &str, expect: &[&str]| assert_eq!(words(line).unwrap(), expect, "{line}");
        check("redis-server --save ''", &["redis-server", "--save", ""]);
        check(r#"sh -c "echo 'a b' \"c\"""#, &["sh", "-c", "echo 'a b' \"c\""]);
        check(r"a\ b   c", &["a b", "c"]);
        check("", &[]);
        assert_eq!(words("sh -c 'open"), None);
    }
}
