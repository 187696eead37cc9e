//! A stored run under another policy: the same plan and evidence, other limits.

use crate::config::Config;
use crate::coverage::is_excluded;
use tollgate_model::{BuildKind, Evidence, Exclusion, Plan, Policy, RegressionPolicy};

/// A policy counts what the run did not measure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the run was measured without {}, which this policy counts", .0.join(", "))]
pub struct Measured(Vec<String>);

/// Puts the limits of a configuration in place of those that a run was planned with: budgets, floors, load limits, and
/// what does not count for coverage. What was run stays.
///
/// # Errors
/// Where the configuration counts for coverage what the run left out, or compares the times of another tier: those are not in the
/// evidence.
pub fn judged_by(mut plan: Plan, mut evidence: Evidence, config: &Config) -> Result<(Plan, Evidence), Measured> {
    let unmeasured = no_longer_excluded(&plan.policy, config);
    if !unmeasured.is_empty() && evidence.coverage.is_some() {
        return Err(Measured(unmeasured));
    }
    let regression = regression(&plan.policy, config)?;
    for tier in &mut plan.tiers {
        let now = config.tier(tier.name.as_str());
        tier.budget_ms = now.and_then(|tier| tier.budget_ms);
        tier.test_budget_ms = now.and_then(|tier| tier.test_budget_ms);
    }
    let instrumented = plan.tiers_to_run().any(|tier| tier.build == BuildKind::Instrumented);
    let loaded = plan.tiers_to_run().filter_map(|tier| config.load.get_key_value(&tier.name));
    plan.policy = Policy {
        coverage: config.coverage.clone().filter(|_| instrumented && plan.only.is_none()),
        suite_budget_ms: config.suite_budget_ms,
        load: loaded.map(|(tier, limits)| (tier.clone(), limits.clone())).collect(),
        fail_on_flake: config.fail_on_flake,
        new_tests: config.new_tests.filter(|_| plan.policy.new_tests.is_some()),
        change_flakes: config.change_flakes.filter(|_| plan.policy.change_flakes.is_some()),
        regression,
        quarantine: config.quarantine.tests.clone(),
        bands: config.bands(),
    };
    if let Some(coverage) = &mut evidence.coverage {
        coverage.files.retain(|file| !is_excluded(&file.path, &file.package, &plan));
    }
    Ok((plan, evidence))
}

/// Another limit of times that were compared: which, in how many pairs and for how long is how they were measured.
fn regression(policy: &Policy, config: &Config) -> Result<Option<RegressionPolicy>, Measured> {
    let (Some(then), Some(now)) = (&policy.regression, &config.regression) else { return Ok(None) };
    if now.tier != then.tier {
        return Err(Measured(vec![format!("the times of tier `{}` on the base", now.tier)]));
    }
    Ok(Some(RegressionPolicy { limit_percent: now.limit_percent, ..then.clone() }))
}

/// What the run left out and the configuration does not.
fn no_longer_excluded(policy: &Policy, config: &Config) -> Vec<String> {
    let (Some(before), Some(now)) = (&policy.coverage, &config.coverage) else { return Vec::new() };
    let gone = |before: &[Exclusion], now: &[Exclusion]| {
        let is_gone = |exclusion: &&Exclusion| now.iter().all(|other| other.what != exclusion.what);
        before.iter().filter(is_gone).map(|exclusion| format!("`{}`", exclusion.what)).collect::<Vec<_>>()
    };
    let packages = gone(&before.excluded_packages, &now.excluded_packages);
    [packages, gone(&before.excluded_paths, &now.excluded_paths)].concat()
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::config::{Sources, load};
    use crate::judge::{judge, sample};

    const CONFIG: &str = "version = 1\ndefault-stage = \"dev\"\n[tiers.unit]\nfilter = \"all()\"\nbudget = \"1ms\"\n\
                          [stages.dev]\ntiers = [\"unit\"]\n";
    const EXCLUDED: &str = "[[exclude]]\npackage = \"harness\"\nreason = \"only tests use it\"\n";

    fn config(policy: &str) -> Config {
        let policy = format!("version = 1\n{policy}");
        load(&Sources { config: ("c".into(), CONFIG.into()), policy: Some(("p".into(), policy)), quarantine: None })
            .unwrap()
    }

    /// The gates that are not passed, and the number of the floor.
    fn judged(policy: &str) -> String {
        match judged_by(sample::plan(), sample::evidence(), &config(policy)) {
            Err(error) => error.to_string(),
            Ok((plan, evidence)) => {
                let gates = judge(&evidence, &plan).gates;
                let shown = gates.iter().filter(|gate| {
                    gate.gate.as_str() == "coverage.floor" || gate.outcome != tollgate_model::Outcome::Passed
                });
                shown
                    .map(|gate| format!("{} {} {:?}", gate.gate, gate.outcome, gate.value))
                    .collect::<Vec<_>>()
                    .join("\n")
            }
        }
    }

    #[test]
    fn the_same_evidence_is_judged_by_other_limits() {
        insta::assert_snapshot!(judged(&format!("floor = 86\n{EXCLUDED}")), @r#"
        coverage.floor failed Some("85.0 %")
        time.unit failed Some("121 ms")
        "#);
        let more = "[[exclude]]\npackage = \"core\"\nreason = \"not yet\"\n";
        insta::assert_snapshot!(judged(&format!("floor = 86\n{EXCLUDED}{more}")), @r#"
        coverage.floor passed Some("90.0 %")
        time.unit failed Some("121 ms")
        "#);
    }

    #[test]
    fn of_times_that_were_compared_the_limit_alone_is_another_one() {
        let now = |gate: &str| {
            let mut plan = sample::plan();
            let tier = sample::tier("performance");
            plan.policy.regression = Some(RegressionPolicy { tier, limit_percent: 3, pairs: 100, budget_ms: 60_000 });
            let tiers = ["performance", "bench"]
                .map(|name| format!("[tiers.{name}]\nfilter = \"none()\"\ninstrumented = false\n"));
            let config = load(&Sources {
                config: ("c".into(), format!("{CONFIG}{}{gate}", tiers.concat())),
                policy: None,
                quarantine: None,
            });
            let judged = judged_by(plan, sample::evidence(), &config.unwrap());
            judged.map(|(plan, _)| {
                plan.policy.regression.map(|policy| (policy.limit_percent, policy.pairs, policy.budget_ms))
            })
        };
        let gate = "[gates.regression]\nlimit = 5\npairs = 20\nbudget = \"1s\"\n";
        assert_eq!(now(&format!("{gate}tier = \"performance\"\n")), Ok(Some((5, 100, 60_000))));
        assert_eq!(now(""), Ok(None));
        let measured = now(&format!("{gate}tier = \"bench\"\n")).map_err(|error| error.to_string());
        let why = "the run was measured without the times of tier `bench` on the base, which this policy counts";
        assert_eq!(measured, Err(why.to_owned()));
    }

    #[test]
    fn what_was_not_measured_cannot_be_judged_later() {
        insta::assert_snapshot!(judged("floor = 0\n"), @"the run was measured without `harness`, which this policy counts");
        let mut evidence = sample::evidence();
        evidence.coverage = None;
        assert!(judged_by(sample::plan(), evidence, &config("")).is_ok(), "there is nothing that could mislead");
    }
}
