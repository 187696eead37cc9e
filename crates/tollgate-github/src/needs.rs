//! The jobs that a job needs, as GitHub says how they ended: the context `needs`.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A job that was needed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Need {
    /// `success`, `failure`, `cancelled` or `skipped`; of a matrix the worst of its jobs, each by its last attempt.
    pub result: String,
    /// Its outputs, which are those of the attempt that ran it last.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
}

impl Need {
    /// Whether it ran and worked; a job that was skipped did not.
    pub fn worked(&self) -> bool {
        self.result == "success"
    }
}

/// Reads `toJSON(needs)`: jobs by their id.
///
/// # Errors
/// Where it is something else.
pub fn needs(json: &str) -> Result<BTreeMap<String, Need>, serde_json::Error> {
    serde_json::from_str(json)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn only_a_success_is_a_job_that_worked() {
        let text =
            r#"{"plan":{"result":"success","outputs":{"attempt":"2"}},"shard":{"result":"skipped","outputs":{}}}"#;
        let needs = needs(text).unwrap();
        assert_eq!(needs["plan"].outputs["attempt"], "2");
        assert_eq!((needs["plan"].worked(), needs["shard"].worked()), (true, false));
        assert!(super::needs("[]").is_err() && super::needs("").is_err());
    }
}
