//! `lend`: a tier's tests, for a run of a change that compares itself with this checkout.

use crate::{args::Selection, error::CliError, pipeline, project::Project, session::Session};
use tollgate_model::ExitStatus;

/// Builds the tier, and says as JSON where its tests are.
pub(crate) fn run(tier: &str, session: &Session) -> Result<ExitStatus, CliError> {
    let project = Project::load()?;
    let survey = pipeline::survey(&project, session)?;
    let selection = Selection { tiers: vec![tier.to_owned()], ..Selection::default() };
    let mut request = pipeline::request(&selection)?;
    request.gates = false;
    let plan = pipeline::plan(&project, &survey, &request)?;
    let Some(tier) = plan.tiers_to_run().find(|tier| tier.services.is_empty()) else {
        let hint = "only what runs by itself can be executed by another run".to_owned();
        return Err(CliError::usage(format!("tier {tier} needs services"), [hint]));
    };
    match pipeline::lend(&project, &survey, &plan, tier, session)? {
        Ok(lent) => {
            session.reporter.console().data(&(serde_json::to_string(&lent).unwrap_or_default() + "\n"));
            Ok(ExitStatus::Passed)
        }
        Err(status) => Ok(status),
    }
}
