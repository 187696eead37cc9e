//! The directory of one run.

use crate::StoreError;
use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt as _,
    sync::{Mutex, PoisonError},
};
use tollgate_model::{CoverageLines, Event, Evidence, Masks, Plan, Verdict};

/// The directory of one run and the names of what is in it.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: Utf8PathBuf,
    masks: Masks,
}

impl RunDir {
    /// Names the directory of a run that exists.
    pub(crate) fn at(path: Utf8PathBuf, masks: Masks) -> Self {
        Self { path, masks }
    }

    /// The directory.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Path of a file in the directory.
    pub fn file(&self, name: &str) -> Utf8PathBuf {
        self.path.join(name)
    }

    /// What may not be shown or kept of this run.
    pub fn masks(&self) -> &Masks {
        &self.masks
    }

    /// Takes the secrets out of the texts of an XML file that another program wrote, where it is there.
    ///
    /// # Errors
    /// When it can't be read or written.
    pub fn mask_xml(&self, path: &Utf8Path) -> Result<(), StoreError> {
        let fail = |source| StoreError::Write { path: path.to_owned(), source };
        match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(fail(error)),
            Ok(bytes) => {
                let xml = String::from_utf8_lossy(&bytes);
                let masked = self.masks.apply_to_xml(&xml);
                if masked == xml { Ok(()) } else { fs::write(path, masked).map_err(fail) }
            }
        }
    }

    /// Writes a file, whole or not at all; missing directories are made. It is made from evidence that has no secrets.
    ///
    /// # Errors
    /// When a directory can't be made or the file can't be written or renamed.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<Utf8PathBuf, StoreError> {
        let path = self.file(name);
        let fail = |source| StoreError::Write { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(fail)?;
        }
        let draft = Utf8PathBuf::from(format!("{path}.draft"));
        fs::write(&draft, content).map_err(fail)?;
        fs::rename(&draft, &path).map_err(fail)?;
        Ok(path)
    }

    /// Writes a file that nobody else may read, secrets included, whole or not at all.
    ///
    /// # Errors
    /// When it can't be written or renamed.
    pub fn write_private(&self, name: &str, value: &impl Serialize) -> Result<Utf8PathBuf, StoreError> {
        let path = self.file(name);
        let text =
            serde_json::to_string_pretty(value).map_err(|source| StoreError::Damaged { path: path.clone(), source })?;
        let draft = Utf8PathBuf::from(format!("{path}.draft"));
        let write = || -> std::io::Result<()> {
            let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            fs::rename(&draft, &path)
        };
        write().map_err(|source| StoreError::Write { path: path.clone(), source })?;
        Ok(path)
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<Utf8PathBuf, StoreError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|source| StoreError::Damaged { path: self.file(name), source })?;
        self.write(name, text + "\n")
    }

    /// Reads a file of JSON.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        let path = self.file(name);
        let text = fs::read_to_string(&path).map_err(|source| StoreError::Read { path: path.clone(), source })?;
        serde_json::from_str(&text).map_err(|source| StoreError::Damaged { path, source })
    }

    /// Writes `plan.json`.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_plan(&self, plan: &Plan) -> Result<Utf8PathBuf, StoreError> {
        self.write_json("plan.json", plan)
    }

    /// Writes `evidence.json`.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_evidence(&self, evidence: &Evidence) -> Result<Utf8PathBuf, StoreError> {
        self.write_json("evidence.json", evidence)
    }

    /// Writes `verdict.json`.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_verdict(&self, verdict: &Verdict) -> Result<Utf8PathBuf, StoreError> {
        self.write_json("verdict.json", verdict)
    }

    /// Writes `coverage/lines.json`, on one line.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_coverage_lines(&self, lines: &CoverageLines) -> Result<Utf8PathBuf, StoreError> {
        let name = "coverage/lines.json";
        let text =
            serde_json::to_string(lines).map_err(|source| StoreError::Damaged { path: self.file(name), source })?;
        self.write(name, text + "\n")
    }

    /// Reads what [`RunDir::write_plan`] wrote.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub fn plan(&self) -> Result<Plan, StoreError> {
        self.read_json("plan.json")
    }

    /// Reads what [`RunDir::write_evidence`] wrote.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub fn evidence(&self) -> Result<Evidence, StoreError> {
        self.read_json("evidence.json")
    }

    /// Reads what [`RunDir::write_verdict`] wrote.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub fn verdict(&self) -> Result<Verdict, StoreError> {
        self.read_json("verdict.json")
    }

    /// Opens `events.jsonl` and `run.log` for appending.
    ///
    /// # Errors
    /// When they can't be opened.
    pub fn event_log(&self) -> Result<EventLog, StoreError> {
        let open = |name: &str| {
            let path = self.file(name);
            File::options().create(true).append(true).open(&path).map_err(|source| StoreError::Write { path, source })
        };
        let masks = self.masks.clone();
        Ok(EventLog { events: Mutex::new(open("events.jsonl")?), log: Mutex::new(open("run.log")?), masks })
    }
}

/// The two logs of a run: events as JSON lines, and what was shown to the user as text.
#[derive(Debug)]
pub struct EventLog {
    events: Mutex<File>,
    log: Mutex<File>,
    masks: Masks,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Stamped<'a> {
    schema: u32,
    at: Timestamp,
    event: &'a Event,
}

impl EventLog {
    /// Appends an event. A log that can't be written must not end a run: the first failure is returned, not raised.
    ///
    /// # Errors
    /// When the line can't be written.
    pub fn event(&self, at: Timestamp, event: &Event) -> std::io::Result<()> {
        let event = &self.masks.masked_event(event);
        let mut line = serde_json::to_vec(&Stamped { schema: tollgate_model::SCHEMA, at, event })?;
        line.push(b'\n');
        self.events.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
    }

    /// Appends a line of text with its time.
    ///
    /// # Errors
    /// When the line can't be written.
    pub fn line(&self, at: Timestamp, text: &str) -> std::io::Result<()> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(log, "{} {}", at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"), self.masks.apply(text))
    }
}
