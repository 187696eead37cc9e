//! What a load test measured, and the file that says so.

use serde::Serialize;
use std::path::{Path, PathBuf};

/// Name of the environment variable with the directory that evidence files go to.
pub const DIRECTORY_VARIABLE: &str = "TOLLGATE_LOAD_DIR";

/// What a load test measured, in the form that the orchestrator reads.
///
/// The fields are those of the evidence of the orchestrator's model; a test compares the two forms. A performance test
/// depends on this crate alone and so doesn't rebuild with the orchestrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadEvidence {
    /// Name of the load scenario; also the stem of its file.
    pub name: String,
    /// Concurrent users.
    pub users: u32,
    /// Requests that were due.
    pub requests: u64,
    /// Requests that failed or were never answered.
    pub errors: u64,
    /// Latencies from the moment a request was due to its answer, in microseconds, ascending, answered ones only.
    pub latencies_us: Vec<u64>,
    /// Sessions that were started.
    pub sessions: u64,
    /// Sessions in which everything was answered, to the end.
    pub sessions_completed: u64,
    /// Requests that the generator itself sent later than [`crate::LATE`].
    pub sent_late: u64,
    /// Wall time of the measurement, in milliseconds.
    pub wall_ms: u64,
    /// Each request that was sent.
    pub samples: Vec<LoadSample>,
}

/// One request of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoadSample {
    /// When it was due, from the start of the load, in milliseconds.
    pub due_ms: u64,
    /// From then to its answer, in microseconds; none where it failed or was not answered in time.
    pub latency_us: Option<u64>,
    /// What was asked for, as [`crate::Talk::what`] says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what: String,
}

/// The evidence could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The directory or the file can't be written.
    #[error("cannot write the load evidence {}", .path.display())]
    Write {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The evidence can't be put into JSON.
    #[error("cannot encode the load evidence `{name}`")]
    Encode {
        /// Name of the load scenario.
        name: String,
        /// What the encoder said.
        #[source]
        source: serde_json::Error,
    },
}

/// Returns the directory that [`DIRECTORY_VARIABLE`] names, where it is set.
pub fn directory() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

impl LoadEvidence {
    /// Writes `<directory>/<name>.json` and returns its path; the directory is created where it is missing.
    ///
    /// The file appears under its name only when it is whole, so a reader never sees half of it.
    ///
    /// # Errors
    /// When the directory or the file can't be written.
    pub fn write(&self, directory: &Path) -> Result<PathBuf, WriteError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WriteError::Write { path, source }
        };
        let text = serde_json::to_string_pretty(self)
            .map_err(|source| WriteError::Encode { name: self.name.clone(), source })?;
        std::fs::create_dir_all(directory).map_err(failed(directory))?;
        let path = directory.join(format!("{}.json", self.name));
        let partial = directory.join(format!("{}.json.partial", self.name));
        std::fs::write(&partial, text + "\n").map_err(failed(&partial))?;
        std::fs::rename(&partial, &path).map_err(failed(&path))?;
        Ok(path)
    }
}
