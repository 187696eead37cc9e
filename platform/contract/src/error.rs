//! The one shape of every refusal that a service answers with.

use serde::{Deserialize, Serialize};

/// The body of every answer whose status is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A stable word that programs compare: `insufficient_credit`, `not_verified`.
    pub code: String,
    /// A sentence for a reader.
    pub message: String,
}

impl ErrorBody {
    /// Makes a body from its code and its message.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}
