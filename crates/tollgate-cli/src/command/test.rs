//! `test [TIER] [FILTER]`: tests in their environment, without gates.

use crate::{
    args::{Selection, TestArgs},
    error::CliError,
    pipeline,
    project::Project,
    session::Session,
};
use tollgate_model::{ExitStatus, Plan, Policy};

/// Walks the same line as `ci`, judged only by whether the tests passed and nothing was left behind.
pub(crate) fn run(args: &TestArgs, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let survey = pipeline::survey(&project, session)?;
    let selection = Selection {
        stage: None,
        tiers: args.tier.iter().cloned().collect(),
        engine: args.engine,
        partition: args.partition,
        base: None,
    };
    let mut request = pipeline::request(&selection)?;
    request.only = args.filter.as_deref().map(filterset);
    request.gates = false;
    let plan = without_gates(pipeline::plan(&project, &survey, &request)?);
    let verdict = pipeline::execute(&project, &survey, &plan, session, None)?;
    Ok(verdict.exit_status(false))
}

/// A filterset as it is; anything else is part of a test's name.
fn filterset(filter: &str) -> String {
    if filter.contains('(') { filter.to_owned() } else { format!("test({filter})") }
}

fn without_gates(mut plan: Plan) -> Plan {
    plan.policy = Policy { quarantine: plan.policy.quarantine, ..Policy::without_gates() };
    for tier in &mut plan.tiers {
        tier.budget_ms = None;
    }
    plan
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_filter_is_a_filterset_or_part_of_a_name() {
        assert_eq!(filterset("a3_credit"), "test(a3_credit)");
        assert_eq!(filterset("binary(e2e) & test(/^a3/)"), "binary(e2e) & test(/^a3/)");
    }
}
