//! Line coverage as it was observed, and the proof that it is complete.

use crate::{ServiceName, TierName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A coverable line and how often it was reached, for each tier of [`CoverageEvidence::tiers`] in that order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LineCount {
    /// Line number, from 1.
    pub line: u32,
    /// Executions per tier; counters saturate.
    pub counts: Vec<u64>,
}

/// Coverable lines of one source file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileCoverage {
    /// Path relative to the workspace root, with `/`.
    pub path: String,
    /// The workspace member whose source this is.
    pub package: String,
    /// Coverable lines, ascending.
    pub lines: Vec<LineCount>,
    /// Spans of lines (first, last) that hold test code (`#[cfg(test)]`) and don't count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_spans: Vec<(u32, u32)>,
}

/// What one service left of coverage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceProfile {
    /// The service.
    pub service: ServiceName,
    /// Whether its binary has the sections that instrumentation adds.
    pub instrumented: bool,
    /// Profiles it wrote.
    pub profiles: u32,
    /// Profiles of zero bytes among them.
    pub empty: u32,
}

/// Why the number may be believed: each of these must hold, or coverage is invalid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CoverageProof {
    /// One entry per service process that ran during an instrumented tier.
    pub services: Vec<ServiceProfile>,
    /// Raw profiles per tier, those of its test processes.
    pub profiles: BTreeMap<TierName, u32>,
    /// Empty raw profiles, of services and tests.
    pub empty_profiles: u32,
    /// What llvm-profdata and llvm-cov complained about: mismatched functions, profiles that don't parse.
    pub complaints: Vec<String>,
}

/// Coverage of all instrumented tiers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CoverageEvidence {
    /// The tiers that [`LineCount::counts`] is about, in its order.
    pub tiers: Vec<TierName>,
    /// Files of workspace members that have coverable lines, by path.
    pub files: Vec<FileCoverage>,
    /// Of members without a line among them: lines of source that are neither empty nor comment alone, by member.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unmeasured: BTreeMap<String, u64>,
    /// Why this may be believed.
    pub proof: CoverageProof,
}
