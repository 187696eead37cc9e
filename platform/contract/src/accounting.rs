//! Types of the accounting service: credits, holds, charges, usage. Money is in whole micros (a millionth of a unit).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `POST /accounts/{user}/credits`: an admin allocates credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// How much, in micros; above zero.
    pub amount_micros: i64,
    /// Why, for the books.
    pub reason: String,
}

/// What an account holds: `GET /accounts/{user}`, and the answer to a credit and to a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Whose account.
    pub user: Uuid,
    /// What can be spent or held, in micros; amounts on hold are already taken off.
    pub balance_micros: i64,
    /// What is on hold, in micros.
    pub held_micros: i64,
}

/// `POST /holds`: sets credit aside before a stream starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRequest {
    /// The chat session that the stream belongs to.
    pub session: Uuid,
    /// How much, in micros; above zero.
    pub amount_micros: i64,
}

/// The answer to a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The hold, to be charged or released.
    pub hold: Uuid,
}

/// `POST /holds/{hold}/charge`: turns a hold into a usage record and gives back what was not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The model that replied.
    pub model: String,
    /// Tokens read.
    pub tokens_in: u64,
    /// Tokens written.
    pub tokens_out: u64,
    /// Whether the stream was interrupted before its end.
    pub partial: bool,
}

/// The answer to a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charged {
    /// The record that was written.
    pub usage: Usage,
    /// The account afterwards.
    pub balance: Balance,
}

/// One charged stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The record.
    pub id: Uuid,
    /// The chat session.
    pub session: Uuid,
    /// The model that replied.
    pub model: String,
    /// Tokens read.
    pub tokens_in: u64,
    /// Tokens written.
    pub tokens_out: u64,
    /// The cost in micros.
    pub cost_micros: i64,
    /// Whether the stream was interrupted before its end.
    pub partial: bool,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// The query of `GET /usage`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageQuery {
    /// Only this user's; without it the caller's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Uuid>,
    /// Only this session's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Uuid>,
}

/// `POST /estimate`: what a call would cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EstimateRequest {
    /// The model that would reply.
    pub model: String,
    /// Tokens that would be read.
    pub tokens_in: u64,
    /// Tokens that would be written.
    pub tokens_out: u64,
}

/// The answer to an estimate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// The cost in micros.
    pub cost_micros: i64,
}
