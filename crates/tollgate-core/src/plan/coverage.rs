//! The plan of `coverage`: what counts for it, and nothing else.

use tollgate_model::{BuildKind, Plan, Policy, TierPlan};

/// Leaves instrumented tiers only, and of the gates those of coverage and of what it rests on.
///
/// Where no instrumented tier is left, none runs. Every package does: what a part of the tests covers is no coverage.
pub fn for_coverage(mut plan: Plan) -> Plan {
    let counts = |tier: &TierPlan| tier.build == BuildKind::Instrumented;
    let tiers = &plan.tiers;
    plan.judged_tiers.retain(|name| tiers.iter().any(|tier| tier.name == *name && counts(tier)));
    for tier in &mut plan.tiers {
        tier.run &= counts(tier);
        tier.budget_ms = None;
        tier.test_budget_ms = None;
    }
    plan.builds.retain(|build| build.kind == BuildKind::Instrumented);
    if plan.tiers_to_run().all(|tier| tier.services.is_empty()) {
        plan.compose_file = None;
    }
    plan.reach = None;
    let Policy { coverage, quarantine, .. } = plan.policy;
    plan.policy = Policy { coverage, quarantine, ..Policy::without_gates() };
    plan
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::judge::{judge, sample};
    use tollgate_model::Outcome;

    #[test]
    fn only_what_counts_for_coverage_runs_and_is_judged() {
        let plan = for_coverage(sample::plan());
        let running: Vec<&str> = plan.tiers_to_run().map(|tier| tier.name.as_str()).collect();
        assert_eq!(running, ["unit", "integration", "e2e"]);
        assert_eq!((plan.builds.len(), plan.compose_file.is_some()), (1, true));
        let mut evidence = sample::evidence();
        evidence.tiers.pop();
        let verdict = judge(&evidence, &plan);
        assert_eq!(verdict.outcome, Outcome::Passed, "{verdict:#?}");
        let groups = ["perf.", "time."];
        let other =
            verdict.gates.iter().filter(|gate| groups.iter().any(|group| gate.gate.as_str().starts_with(group)));
        assert_eq!(other.count(), 0);
        assert!(verdict.gates.iter().any(|gate| gate.gate.as_str() == "coverage.floor"));
    }

    #[test]
    fn services_that_only_a_measured_tier_needs_are_left_out() {
        let mut plan = sample::plan();
        plan.tiers[1].services.clear();
        plan.tiers[2].services.clear();
        assert_eq!(for_coverage(plan).compose_file, None);
    }
}
