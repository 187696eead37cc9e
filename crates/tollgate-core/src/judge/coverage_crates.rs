//! `coverage.crates`: every member keeps a floor of its own, so that one can't fall behind unseen in the total.

use super::case::Case;
use super::coverage_base::{baseline, blame, is_debt, totals};
use super::coverage_gates::{doubted, margin, name};
use super::words::{count, len, listed, percent};
use crate::coverage::{Totals, package_totals};
use tollgate_model::{CoverageBase, CoverageEvidence, CoveragePolicy, GateResult, Outcome};

/// Where a member's floor comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Floor {
    /// `[floors]` of the policy.
    Asked(u32),
    /// The floor of the workspace, for a member that has always kept it or is new.
    Common(u32),
    /// What it had in the base, which is below the floor of the workspace.
    Before(Totals),
}

/// Whether there is anything to compare a member with.
pub(super) fn is_judged(case: &Case, policy: &CoveragePolicy) -> bool {
    !policy.floors.is_empty() || case.evidence.base.is_some()
}

/// Every measured member with a floor keeps it.
pub(super) fn gate(
    case: &Case,
    coverage: &CoverageEvidence,
    policy: &CoveragePolicy,
    doubt: Option<&GateResult>,
) -> GateResult {
    let base = case.evidence.base.as_ref();
    if let Some(doubt) = doubt {
        return GateResult { baseline: base.map(baseline), ..doubted("crates", "Coverage of crates", doubt) };
    }
    let judged: Vec<_> = package_totals(&coverage.files)
        .into_iter()
        .filter_map(|(package, now)| {
            let floor = floor(package, policy, base)?;
            Some((outcome(package, now, floor, base), line(package, now, floor)))
        })
        .collect();
    let of =
        |wanted: Outcome| judged.iter().filter(move |(outcome, _)| *outcome == wanted).map(|(_, line)| line.as_str());
    let (red, debt): (Vec<&str>, Vec<&str>) = (of(Outcome::Failed).collect(), of(Outcome::Warned).collect());
    let worst = judged.iter().map(|(outcome, _)| *outcome).max().unwrap_or(Outcome::Invalid);
    let all = count(len(&judged), "crate");
    let message = match worst {
        Outcome::Failed => format!("{} of {all} below their floor: {}.", red.len(), listed(&red)),
        Outcome::Warned => {
            format!("{} of {all} below their floor, as before the change: {}.", debt.len(), listed(&debt))
        }
        Outcome::Invalid => "No crate with a floor was measured.".to_owned(),
        _ => format!("{all}: each keeps its floor."),
    };
    GateResult {
        k: Some(len(&red) + len(&debt)),
        n: Some(len(&judged)),
        value: Some(format!("{} below", red.len() + debt.len())),
        limit: Some("0 below".to_owned()),
        blame: base.and(blame(worst)),
        baseline: base.map(baseline),
        fix: (worst == Outcome::Failed).then(|| {
            "Test the crates that are named; `cargo xtask coverage --run latest` shows their lines.".to_owned()
        }),
        evidence: of(Outcome::Failed)
            .chain(of(Outcome::Warned))
            .chain(of(Outcome::Passed))
            .map(str::to_owned)
            .collect(),
        ..GateResult::new(name("crates"), worst, message)
    }
}

/// The floor that the policy asks for; else the lower of the workspace's and what the base had; none without a base.
fn floor(package: &str, policy: &CoveragePolicy, base: Option<&CoverageBase>) -> Option<Floor> {
    if let Some(&asked) = policy.floors.get(package) {
        return Some(Floor::Asked(asked));
    }
    let before = base?.packages.get(package).map(|before| totals(*before));
    Some(
        before
            .filter(|before| !before.reaches(policy.floor_percent))
            .map_or(Floor::Common(policy.floor_percent), Floor::Before),
    )
}

fn outcome(package: &str, now: Totals, floor: Floor, base: Option<&CoverageBase>) -> Outcome {
    let before = base.and_then(|base| base.packages.get(package)).map(|before| totals(*before));
    let kept = match floor {
        Floor::Asked(percent) | Floor::Common(percent) => now.reaches(percent),
        // Who takes covered code away has not let the rest fall behind.
        Floor::Before(before) => now.is_no_less_than(before) || now.uncovered() <= before.uncovered(),
    };
    match (kept, floor, before) {
        (true, ..) => Outcome::Passed,
        (false, Floor::Asked(percent), Some(before)) if is_debt(before, now, percent) => Outcome::Warned,
        _ => Outcome::Failed,
    }
}

/// `chat 71.2 % (100/140), floor 80 %, 12 covered lines short`.
fn line(package: &str, now: Totals, floor: Floor) -> String {
    let ratio = format!("{package} {} ({}/{})", percent(now.permille()), now.covered, now.total);
    match floor {
        Floor::Asked(asked) => format!("{ratio}, floor {asked} % of the policy, {}", margin(now, asked)),
        Floor::Common(common) => format!("{ratio}, floor {common} %, {}", margin(now, common)),
        Floor::Before(before) => {
            format!("{ratio}, before {} ({}/{})", percent(before.permille()), before.covered, before.total)
        }
    }
}
