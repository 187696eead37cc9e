//! Lines of output that show what is wrong with the environment.

use std::fmt;

/// What is wrong with the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseKind {
    /// Nothing listens where the test connected.
    ConnectionRefused,
    /// The connection was not made in time, or no free one was left.
    ConnectTimeout,
    /// The other end closed the connection.
    ConnectionClosed,
    /// The database is missing.
    DatabaseMissing,
    /// A table is missing.
    RelationMissing,
    /// A table or database is already there.
    RelationExists,
    /// The server does not accept the credentials.
    AuthenticationFailed,
    /// The test may not do what it tried.
    PermissionDenied,
    /// Something else listens on the port.
    AddressInUse,
}

impl fmt::Display for CauseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ConnectionRefused => "connection refused",
            Self::ConnectTimeout => "no connection in time",
            Self::ConnectionClosed => "connection closed",
            Self::DatabaseMissing => "database missing",
            Self::RelationMissing => "table missing",
            Self::RelationExists => "already exists",
            Self::AuthenticationFailed => "authentication failed",
            Self::PermissionDenied => "permission denied",
            Self::AddressInUse => "address in use",
        })
    }
}

impl CauseKind {
    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::ConnectionRefused => {
                "The service is not listening: see whether it died, and that the test uses the exported address."
            }
            Self::ConnectTimeout => {
                "The service is overloaded or its connections are used up: see its log, or lower `threads`."
            }
            Self::ConnectionClosed => "The service ended or dropped the connection: see its log.",
            Self::DatabaseMissing => {
                "Create the database before the test connects: see the migrations and the exported URL."
            }
            Self::RelationMissing => "The migrations did not run on this database, or a test uses another one's.",
            Self::RelationExists => "Two tests share a database, or it was not fresh: give each test its own.",
            Self::AuthenticationFailed => {
                "The exported URL and the service in the compose file have different credentials."
            }
            Self::PermissionDenied => "The user of the exported URL, or of this process, lacks the right.",
            Self::AddressInUse => {
                "Something else has the port: let the system choose one, or end what is left of an earlier run (`cargo xtask env gc`)."
            }
        }
    }

    /// Whether a service that is down explains it.
    pub(super) fn is_about_a_connection(self) -> bool {
        matches!(self, Self::ConnectionRefused | Self::ConnectTimeout | Self::ConnectionClosed)
    }
}

/// A line that shows a cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Symptom {
    pub(super) kind: CauseKind,
    pub(super) line: String,
    lower: String,
}

/// The longest symptom that is shown, in characters.
const LINE_MAX: usize = 200;

/// How much of a line is searched, in characters.
const LINE_SEARCHED: usize = 2000;

/// Parts that a line holds, all of them and in lower case, and what it then shows. The first that fits counts.
const SYMPTOMS: &[(&[&str], CauseKind)] = &[
    (&["address already in use"], CauseKind::AddressInUse),
    (&["password authentication failed"], CauseKind::AuthenticationFailed),
    (&["noauth"], CauseKind::AuthenticationFailed),
    (&["wrongpass"], CauseKind::AuthenticationFailed),
    (&["database \"", "\" does not exist"], CauseKind::DatabaseMissing),
    (&["relation \"", "\" does not exist"], CauseKind::RelationMissing),
    (&["relation \"", "\" already exists"], CauseKind::RelationExists),
    (&["database \"", "\" already exists"], CauseKind::RelationExists),
    (&["permission denied"], CauseKind::PermissionDenied),
    (&["connection refused"], CauseKind::ConnectionRefused),
    (&["could not connect"], CauseKind::ConnectionRefused),
    (&["pool timed out"], CauseKind::ConnectTimeout),
    (&["connection timed out"], CauseKind::ConnectTimeout),
    (&["connect", "timeout"], CauseKind::ConnectTimeout),
    (&["connect", "timed out"], CauseKind::ConnectTimeout),
    (&["broken pipe"], CauseKind::ConnectionClosed),
    (&["connection reset by peer"], CauseKind::ConnectionClosed),
];

/// Ports and words that tell which server a line is about.
const SERVERS: &[(&str, &str)] = &[
    ("5432", "postgres"),
    ("6379", "redis"),
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
    ("redis", "redis"),
    ("noauth", "redis"),
    ("wrongpass", "redis"),
    ("relation", "postgres"),
    ("database", "postgres"),
    ("password", "postgres"),
    ("table", "postgres"),
    ("schema", "postgres"),
    ("pool", "postgres"),
];

/// What a line of output shows, if it shows something.
pub(super) fn find(line: &str) -> Option<Symptom> {
    let lower: String = line.chars().take(LINE_SEARCHED).flat_map(char::to_lowercase).collect();
    let (_, kind) = SYMPTOMS.iter().find(|(parts, _)| parts.iter().all(|part| lower.contains(part)))?;
    Some(Symptom { kind: *kind, line: line.trim().chars().take(LINE_MAX).collect(), lower })
}

impl Symptom {
    /// The words of the line in lower case, in the letters that names of services have.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.lower.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
    }

    /// The kind of server that the line is about.
    pub(super) fn server(&self) -> Option<&'static str> {
        let says = |word: &str| self.words().any(|said| said == word);
        SERVERS.iter().find(|(word, _)| says(word)).map(|(_, server)| *server)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_cause_has_a_name_a_hint_and_a_symptom() {
        for (parts, kind) in SYMPTOMS {
            let line = parts.join(" x ");
            assert_eq!(find(&line).map(|symptom| symptom.kind), Some(*kind), "{line}");
            assert!(!kind.to_string().is_empty() && kind.hint().ends_with(['.', ')']), "{kind:?}");
        }
        assert_eq!(find("all is well"), None);
    }

    #[test]
    fn a_long_line_is_cut() {
        let symptom = find(&format!("broken pipe {}", "é".repeat(999))).unwrap();
        assert_eq!(symptom.line.chars().count(), LINE_MAX);
    }
}
