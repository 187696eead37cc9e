//! How gates did where it is known what they must conclude.

use crate::Milliseconds;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How often something happened, and how often it could have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tally {
    /// How often it happened.
    pub k: u64,
    /// How often it could have.
    pub n: u64,
}

impl Tally {
    /// Counts one more chance, which it took or not.
    pub fn count(&mut self, happened: bool) {
        self.k += u64::from(happened);
        self.n += 1;
    }

    /// Takes in another count.
    pub fn add(&mut self, other: Self) {
        self.k += other.k;
        self.n += other.n;
    }
}

/// How one gate did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GateFigures {
    /// The gate, or a command that gives no verdict.
    pub gate: String,
    /// How often it did not pass where nothing was wrong.
    pub false_alarms: Tally,
    /// How often it did not conclude what it had to where something was wrong.
    pub missed: Tally,
}

/// What one self-test showed, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SelfTest {
    /// [`crate::SCHEMA`].
    pub schema: u32,
    /// When it began.
    pub at: Timestamp,
    /// Wall time.
    pub wall_ms: Milliseconds,
    /// The gates, by name.
    pub gates: Vec<GateFigures>,
}

/// What self-tests showed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SelfTests {
    /// How many there were.
    pub tests: u64,
    /// The days that they are looked for in, up to the newest.
    pub days: u32,
    /// The gates, by name.
    pub gates: Vec<GateFigures>,
}
